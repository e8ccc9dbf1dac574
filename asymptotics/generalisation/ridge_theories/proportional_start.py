"""Random features at initialisation, n, p = Θ(d) and d → ∞."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from asymptotics.error_budget import Validity
from asymptotics.experiment.ridge_words import Regime
from asymptotics.generalisation.ridge_theories.settings_used import (
    BEFORE_TRAINING,
    FIT,
    NEURONS,
    removed_orders,
)
from asymptotics.generalisation.spiked.linear_sector import (
    Errors,
    refuse_singular,
    solve_points,
    solve_units,
)
from asymptotics.generalisation.spiked.one_group import Point
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.spiked_layer import SpikedNeurons, spiked_units
from asymptotics.generalisation.theory import Setting, Surety, Theory, result
from asymptotics.learning.groups import BIAS_NODES, bias_nodes
from asymptotics.results import Risk
from hermite.errors import InputError

#: A mean over networks that a few of them make, or that does not exist.
RARE_NEURONS = (
    "lambda = 0 with random biases at finite d has no prediction: neurons of rare biases see few samples, their weights have a "
    "heavy tail, and the mean test error over networks need not exist; choose lambda > 0."
)
#: The missing terms, in units of 1/d, 1/n2 or 1/p, the largest.
_SIZES = 4.0


class ProportionalStart(Theory):
    """Exact as d → ∞; at finite d with the actual ratios and the O(1/d) terms of the group means only."""

    name = "random features"
    regime = Regime.PROPORTIONAL
    papers = ("mei2022generalization",)
    uses = FIT | NEURONS | {"training.steps", "training.remove_orders"}
    indifferent = BEFORE_TRAINING

    def trained(self, steps: int) -> bool:
        """At initialisation."""
        return steps == 0

    def refusals(self, setting: Setting) -> tuple[str, ...]:
        """Removed orders; λ = 0 with random biases at finite d."""
        ridge = setting.ridge
        rare = ridge.d is not None and ridge.lam == 0 and setting.network.bias > 0
        return (*removed_orders(setting.training.remove_orders), *((RARE_NEURONS,) if rare else ()))

    def surety(self, setting: Setting) -> Surety:
        """Exact in the limit; with a d, what of it does not enter is said."""
        if setting.ridge.d is None:
            return Surety(Validity.EXACT, theory=0.0)
        return Surety(
            Validity.LEADING_ORDER,
            f"Of ridge.d = {setting.ridge.d} only the ratios n2/d and p/d and the O(1/d) terms of the mean enter; other "
            "finite-d terms are not included.",
            _SIZES / min(setting.ridge.d, setting.ridge.n2(setting.ridge.d), setting.neurons),
        )

    def solve(self, setting: Setting, throw: bool) -> Risk:
        """The two neurons of a pair are equal before any step: half as many features, lambda unchanged."""
        alpha, distinct = _ratios(setting)
        ridge = setting.ridge
        errors = solve_units(start_units(setting), alpha, distinct, ridge.lam, d=ridge.d, throw=throw)
        return self._risk(setting, errors)

    def solve_many(self, settings: Sequence[Setting], throw: bool) -> Iterator[Risk | InputError]:
        """All points at once where they share one type of neurons."""
        units = start_units(settings[0])
        points: list[Point] = []
        refused: list[InputError | None] = []
        for setting in settings:
            ridge = setting.ridge
            point = Point(*_ratios(setting), ridge.lam, math.inf if ridge.d is None else ridge.d)
            points.append(point)
            try:
                refuse_singular(units, *point[:3])
                refused.append(None)
            except InputError as error:
                refused.append(error)
        for setting, found, refusal in zip(settings, solve_points(units, points), refused, strict=True):
            if refusal is not None:
                yield refusal
            else:
                yield self.solve(setting, throw) if found is None else self._risk(setting, found)

    def _risk(self, setting: Setting, errors: Errors) -> Risk:
        return result(
            setting, self.name, self.surety(setting), errors.test, errors.train, errors.solver_error,
            order_parameters=errors.order_parameters, solution=errors.sus.solution,
        )  # fmt: skip


def _ratios(setting: Setting) -> tuple[float, float]:
    """alpha, and the distinct features per dimension."""
    alpha, beta = setting.ratios
    return alpha, beta / 2 if setting.network.is_symmetric else beta


def start_units(setting: Setting) -> Units:
    """The units at initialisation: one group a node of the bias, no spikes."""
    network = setting.network

    def make() -> Units:
        biases, weights = bias_nodes(network, 3 * BIAS_NODES)
        return spiked_units(
            setting.fitted,
            network.get_activation(),
            SpikedNeurons(np.zeros((len(biases), 0)), np.ones(len(biases)), weights, biases),
        )

    return setting.set_ups.get(("units at start", setting.fitted, network), make)
