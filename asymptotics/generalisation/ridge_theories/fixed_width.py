"""p neurons, d → ∞ (or the overlaps and n2 of ``ridge.d``): the fit of a population."""

from __future__ import annotations

import numpy as np

from asymptotics.error_budget import Validity
from asymptotics.experiment.ridge_words import Regime
from asymptotics.generalisation.ridge_theories.settings_used import ANY_PROTOCOL, removed_orders
from asymptotics.generalisation.theory import Setting, Surety, Theory, result
from asymptotics.learning.given_directions import along_given
from asymptotics.results import Risk

_NOTE = "terms of relative order p/n2 are not included"


class FixedWidthFit(Theory):
    """The fit of finitely many neurons to the whole population."""

    name = "population least squares"
    regime = Regime.FIXED_WIDTH
    uses = ANY_PROTOCOL | {
        "network.activation",
        "network.readout",
        "network.initialisation",
        "network.width",
        "network.bias",
        "ridge.regime",
        "ridge.alpha",
        "ridge.lambda",
        "ridge.d",
    }

    def trained(self, steps: int) -> bool:
        """After any number of steps."""
        return True

    def asked(self, setting: Setting) -> bool:
        """By name."""
        return setting.regime == self.regime

    def unused(self, setting: Setting) -> frozenset[str]:
        """The neurons are counted by the width; as d → ∞ any n2 = Θ(d) is a whole population."""
        sizes = frozenset({"ridge.alpha", "ridge.lambda"}) if setting.ridge.d is None else frozenset()
        return sizes | {"ridge.beta", "ridge.level"}

    def refusals(self, setting: Setting) -> tuple[str, ...]:
        """No width, or biases."""
        found = [*removed_orders(setting.training.remove_orders)]
        if not isinstance(setting.network.width, int):
            found.append('ridge.regime = "fixed-width" needs network.width, a whole number, not "infinite".')
        if setting.network.bias > 0:
            found.append('ridge.regime = "fixed-width" covers network.bias = 0 only.')
        training = setting.training
        if training.traits.fresh and training.steps and training.batch_exponent > 1:
            found.append(
                'After a giant step ridge.regime = "fixed-width" covers batch_exponent up to 1, not '
                f"{training.batch_exponent:g}: overlaps then keep the randomness of the start, and the fit at their mean is "
                "not the mean of the fits; use simulate."
            )
        if training.time:
            found.append("training.time is for overlaps: a ridge fit needs training.steps.")
        return tuple(found)

    def surety(self, setting: Setting) -> Surety:
        """Leading order; that of the overlaps on top."""
        ridge = setting.ridge
        size = 0.0 if ridge.d is None else float(setting.network.width) / ridge.n2(ridge.d)
        return Surety(Validity.LEADING_ORDER, _NOTE, size)

    def solve(self, setting: Setting, throw: bool) -> Risk:
        """The errors at the overlaps after the last step."""
        from asymptotics.generalisation.population import population_error
        from asymptotics.learning.laws import orthonormal_overlaps

        f, network, ridge = setting.f, setting.network, setting.ridge
        found = orthonormal_overlaps(f, network, setting.training, d=ridge.d)
        last = found.steps[-1]
        penalty = 0.0 if ridge.d is None else network.width * ridge.lam / ridge.n2(ridge.d)
        sigma = network.get_activation()
        # Where the overlaps of a run have a law, the mean of the fits is not the fit at their mean.
        weights, M, Q = (np.ones(1), last.M[None], last.Q[None]) if last.states is None else last.states
        errors = [
            population_error(setting.fitted, sigma, *state, penalty) for state in zip(M, Q, strict=True)
        ]
        excess = float(weights @ errors)
        surety = self.surety(setting)
        surety = Surety(surety.validity, f"{_NOTE}; overlaps: {found.validity_note}", surety.theory)
        error = excess + f.noise
        # M and Q enter squared.
        averages = 2 * (last.error.quadrature or 0.0)
        return result(
            setting, self.name, surety, error, error, 0.0, p=network.width, averages=averages,
            order_parameters={"M": along_given(f, last.M), "Q": last.Q},
        )  # fmt: skip
