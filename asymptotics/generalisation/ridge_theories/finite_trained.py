"""All (n2, p, d) after giant steps: random features conditional on the learned directions, level iso or E."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from asymptotics.error_budget import Validity
from asymptotics.expectations.activations import Activation
from asymptotics.experiment.ridge_words import Level, Regime
from asymptotics.generalisation.ridge_theories.left_out import (
    bulk_left_out,
    by_what_is_left,
    expected_correction,
    finite_left_out,
    freedom_left_out,
    grown_left_out,
    hidden_from_isotropic,
    mean_left_out,
)
from asymptotics.generalisation.ridge_theories.settings_used import (
    FIT,
    NEURONS,
    STEPS,
    after_one_exponent,
    removed_orders,
)
from asymptotics.generalisation.ridge_theories.trained_levels import layer_of, solve_level
from asymptotics.generalisation.spiked.linear_sector import Errors
from asymptotics.generalisation.theory import Setting, Surety, Theory, result
from asymptotics.results import Risk
from hermite.errors import InputError

if TYPE_CHECKING:
    from asymptotics.generalisation.finite.conditional_errors import UnitErrors
    from asymptotics.generalisation.finite.trained_units import TrainedUnits

#: The largest deviations met at d = 80, falling as 1/d: the law of the step is its limit, the radius is left out.
_AT_80 = 0.08
#: What isotropic residuals leave out at any d, at most, where the activation has a second Hermite order.
_ISO = 0.06


class FiniteTrained(Theory):
    """Isotropic residuals off the learned directions, no radial terms; partners of symmetric initialisation as pairs."""

    name = "conditional random features, finite d"
    regime = Regime.FINITE
    papers = ("defilippis2024dimension", "dandi2024random")
    uses = FIT | NEURONS | STEPS | {"network.readout", "ridge.level"}
    own: ClassVar[Level] = Level.ISO

    @property
    def level(self) -> Level:
        """The level that it is."""
        return self.own

    def trained(self, steps: int) -> bool:
        """After one giant step or more."""
        return steps >= 1

    def asked(self, setting: Setting) -> bool:
        """By name ("auto" takes the proportional theory); the default of the levels."""
        return setting.regime == self.regime and setting.level != Level.E

    def refusals(self, setting: Setting) -> tuple[str, ...]:
        """No d, levels that are measured, and batches that the theory does not have."""
        training, level = setting.training, setting.level
        needs = 'ridge.regime = "finite" needs ridge.d, the input dimension.'
        measured = f'ridge.regime = "finite" has the levels "iso" and "E", not "{level}".'
        return (
            *removed_orders(training.remove_orders),
            *((needs,) if setting.ridge.d is None else ()),
            *((measured,) if level.is_measured else ()),
            *after_one_exponent(training.batch_exponent),
        )

    def surety(self, setting: Setting) -> Surety:
        """Leading order; approximate for pairs of an activation with a second Hermite order, which share what is left out."""
        note = (
            "the residuals of the weights are isotropic off the learned directions (level E keeps their covariance on the "
            "target's), of the law that the step has as d grows, without radial terms: 1 to 7 % at d = 80"
        )
        sigma = setting.network.get_activation()
        shared = _is_curved(sigma) and setting.network.is_symmetric
        validity = Validity.APPROXIMATE if shared else Validity.LEADING_ORDER
        hidden = hidden_from_isotropic(setting, layer_of(setting))
        return Surety(validity, note, _of_size(setting) + self._anisotropy(setting) + hidden)

    def solve(self, setting: Setting, throw: bool) -> Risk:
        """The equations with functions of the learned coordinates."""
        return self.beside(setting, solve_level(setting, self.own, throw), throw)[0]

    def solve_many(self, settings: Sequence[Setting], throw: bool) -> Iterator[Risk | InputError]:
        """``solve``, every point from its neighbour's solution."""
        before: UnitErrors | None = None
        for setting in settings:
            try:
                found, before = self.beside(setting, solve_level(setting, self.own, throw), throw, before)
            except InputError as error:
                yield error
            else:
                yield found

    def left_out_beside(self, setting: Setting, errors: Errors) -> float:
        """What it leaves out of the test error, by the ``errors`` of the proportional theory at its level."""
        # Half of what the proportional theory knows to be of relative order 1/n and n p/d³ is unsure here as there.
        freedom = 0.0 if errors.freedom is None else errors.freedom[0]
        unsure = (
            abs(errors.common[0]) / 2
            + freedom_left_out(freedom)
            + finite_left_out(setting, errors.finite)
            + mean_left_out(setting, errors.test)
        )
        unsure += (by_what_is_left(setting, errors.test) - 1.0) * self._anisotropy(setting)
        return (self.surety(setting).theory or 0.0) + unsure

    def beside(
        self, setting: Setting, errors: Errors, throw: bool, start: UnitErrors | None = None
    ) -> tuple[Risk, UnitErrors]:
        """:meth:`solve` where ``errors``, those of the proportional theory at its level, are known, and what was solved for it.

        ``start``: what was solved for a neighbour.

        Units are independent here: what the coherence of their means changes is taken from there.
        """
        from asymptotics.generalisation.finite.conditional_errors import unit_errors

        ridge, noise, units = setting.ridge, setting.f.noise, units_at(setting, self.own)
        assert ridge.d is not None
        found = unit_errors(
            units.features, units.carriers, units.rest, ridge.n2(ridge.d), setting.neurons, ridge.lam, noise,
            start=start, throw=throw,
        )  # fmt: skip
        test, train = errors.common
        surety = replace(self.surety(setting), theory=self.left_out_beside(setting, errors))
        answer = result(
            setting, self.name, surety, (found.excess + noise) * (1 + test), found.train * (1 + train),
            found.solution.error_of_a_response, averages=layer_of(setting).error + units.features.error,
            order_parameters={"kappa": found.kappa, "D": found.D}, solution=found.solution,
        )  # fmt: skip
        return answer, found

    def _anisotropy(self, setting: Setting) -> float:
        """The part of the budget that counts more in a small test error."""
        return _ISO if _is_curved(setting.network.get_activation()) else 0.0


class FiniteTrainedE(FiniteTrained):
    """The exact leading-order covariance of the residuals on the target's directions, an isotropic bulk of equal norm."""

    name = "conditional random features, finite d, level E"
    own = Level.E

    def asked(self, setting: Setting) -> bool:
        """By name."""
        return setting.regime == self.regime and setting.level == Level.E

    def surety(self, setting: Setting) -> Surety:
        """Leading order: the law of the step is its limit."""
        note = (
            "the residuals of the weights have the law that the step gives them as d grows, without radial terms: 1 to 6 % "
            "at d = 80 to 150"
        )
        size = _of_size(setting) + self._anisotropy(setting) + grown_left_out(setting, layer_of(setting))
        return Surety(Validity.LEADING_ORDER, note, size)

    def _anisotropy(self, setting: Setting) -> float:
        layer = layer_of(setting)
        return bulk_left_out(setting, layer) + expected_correction(setting, layer)


def _is_curved(sigma: Activation) -> bool:
    """Whether features have a second Hermite order that counts."""
    return abs(sigma.coefficient(2)) > 0.1 * abs(sigma.coefficient(1))


def _of_size(setting: Setting) -> float:
    return _AT_80 * 80 / (setting.ridge.d or 1)


def units_at(setting: Setting, level: Level) -> TrainedUnits:
    """Features and carriers of the trained layer at ``ridge.d``."""
    from asymptotics.generalisation.finite.trained_units import trained_units

    d = setting.ridge.d
    assert d is not None
    key = ("units at d", setting.f, setting.network, setting.actual, d, level)
    return setting.set_ups.get(
        key,
        lambda: trained_units(setting.fitted, setting.network.get_activation(), layer_of(setting), d, level),
    )
