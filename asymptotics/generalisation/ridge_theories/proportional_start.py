"""Random features at initialisation, n, p = Θ(d) and d → ∞."""

from __future__ import annotations

import numpy as np

from asymptotics.generalisation.ridge_theories.settings_used import (
    BEFORE_TRAINING,
    FIT,
    NEURONS,
    removed_orders,
)
from asymptotics.generalisation.spiked.linear_sector import solve_units
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.spiked_layer import spiked_units
from asymptotics.generalisation.theory import Regime, Setting, Surety, Theory, result
from asymptotics.learning.groups import BIAS_NODES, bias_nodes
from asymptotics.results import Risk, Validity


class ProportionalStart(Theory):
    """Exact as d → ∞; at finite d with the actual ratios and the O(1/d) terms of the group means only."""

    name = "random features"
    regime = Regime.PROPORTIONAL
    uses = FIT | NEURONS | {"training.steps", "training.remove_orders"}
    indifferent = BEFORE_TRAINING

    def trained(self, steps: int) -> bool:
        """At initialisation."""
        return steps == 0

    def refusals(self, setting: Setting) -> tuple[str, ...]:
        """Removed orders."""
        return removed_orders(setting.training.remove_orders)

    def surety(self, setting: Setting) -> Surety:
        """Exact in the limit; with a d, what of it does not enter is said."""
        if setting.ridge.d is None:
            return Surety(Validity.EXACT, theory=0.0)
        return Surety(
            Validity.LEADING_ORDER,
            f"Of ridge.d = {setting.ridge.d} only the ratios n2/d and p/d and the O(1/d) terms of the mean enter; other "
            "finite-d terms are not included.",
        )

    def solve(self, setting: Setting, throw: bool) -> Risk:
        """The two neurons of a pair are equal before any step: half as many features, lambda unchanged."""
        alpha, beta = setting.ratios
        distinct = beta / 2 if setting.network.is_symmetric else beta
        errors = solve_units(
            start_units(setting), alpha, distinct, setting.ridge.lam, d=setting.ridge.d, throw=throw
        )
        return result(
            setting, self.name, self.surety(setting), errors.test, errors.train, errors.solver_error,
            order_parameters=errors.order_parameters, solution=errors.sus.solution,
        )  # fmt: skip


def start_units(setting: Setting) -> Units:
    """The units at initialisation: one group a node of the bias, no spikes."""
    network = setting.network

    def make() -> Units:
        biases, weights = bias_nodes(network, BIAS_NODES)
        return spiked_units(
            setting.fitted,
            network.get_activation(),
            np.zeros((len(biases), 0)),
            np.ones(len(biases)),
            fractions=weights,
            biases=biases,
        )

    return setting.set_ups.get(("units at start", setting.fitted, network), make)
