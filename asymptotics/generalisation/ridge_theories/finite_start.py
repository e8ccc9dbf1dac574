"""Random features at initialisation for all (n, p, d): spherical harmonics."""

from __future__ import annotations

import math
from dataclasses import replace

from asymptotics.error_budget import Validity
from asymptotics.experiment.ridge_words import Regime
from asymptotics.fixed_point import Solution
from asymptotics.generalisation.finite.harmonics import Features, TargetHarmonics, features, target_harmonics
from asymptotics.generalisation.finite.radial import radial_equivalent
from asymptotics.generalisation.finite.random_features import Spectrum, deterministic_equivalent, spectrum
from asymptotics.generalisation.ridge_theories.proportional_start import RARE_NEURONS
from asymptotics.generalisation.ridge_theories.settings_used import (
    BEFORE_TRAINING,
    FIT,
    NEURONS,
    removed_orders,
)
from asymptotics.generalisation.theory import Setting, Surety, Theory, result
from asymptotics.learning.groups import BIAS_NODES, bias_nodes
from asymptotics.results import Risk
from hermite.errors import InputError

#: Relative: at any size, in units of 1/n2 + 1/p, and how much more of that at n2 = p.
_LEFT_OUT, _SIZES, _PEAK = 0.003, 1.0, 4.0


class FiniteStart(Theory):
    """The deterministic equivalent degree by degree, by radius |z|; at λ = 0 without the fluctuations of |z|."""

    name = "random features, finite d"
    regime = Regime.FINITE
    papers = ("defilippis2024dimension",)
    uses = FIT | NEURONS | {"training.steps", "training.remove_orders"}
    indifferent = BEFORE_TRAINING

    def trained(self, steps: int) -> bool:
        """At initialisation."""
        return steps == 0

    def refusals(self, setting: Setting) -> tuple[str, ...]:
        """No d, λ = 0 with biases, or a target whose tensors are unknown or too large."""
        removed = removed_orders(setting.training.remove_orders)
        if setting.ridge.d is None:
            return (*removed, 'ridge.regime = "finite" needs ridge.d, the input dimension.')
        if setting.ridge.lam == 0 and setting.network.bias > 0:
            return (*removed, RARE_NEURONS)
        if removed:
            return removed
        try:
            _spectrum_at(setting)
        except InputError as error:
            return tuple(error.problems)
        return ()

    def surety(self, setting: Setting) -> Surety:
        """Leading order: an equivalent, with corrections of relative order 1/n2 and 1/p, as met on random settings."""
        notes = []
        if setting.ridge.lam == 0:
            notes.append("At lambda = 0 the fluctuations of |z| are not included.")
        if _spectrum_at(setting)[0].missing > 0:
            notes.append("The degrees of the target above the cut count as unlearnable.")
        return Surety(Validity.LEADING_ORDER, " ".join(notes), self.left_out(setting))

    def left_out(self, setting: Setting) -> float:
        """What fluctuates with samples and neurons; between them (interpolation) more, and more with less penalty."""
        assert setting.ridge.d is not None
        n2, p = setting.ridge.n2(setting.ridge.d), setting.neurons
        distinct = p / 2 if setting.network.is_symmetric else p
        near = math.exp(-abs(math.log(distinct / n2))) if math.isfinite(distinct) else 0.0
        return _LEFT_OUT + _SIZES * (1.0 + _PEAK * near**4) * (1.0 / n2 + 1.0 / distinct)

    def solve(self, setting: Setting, throw: bool) -> Risk:
        """The pooled equivalent, and from it the one by radius."""
        ridge, noise, surety = setting.ridge, setting.f.noise, self.surety(setting)
        assert ridge.d is not None
        n, p = ridge.n2(ridge.d), setting.neurons
        distinct = p / 2 if setting.network.is_symmetric else p
        target, eigen = _spectrum_at(setting)
        pooled = deterministic_equivalent(eigen, n, distinct, ridge.lam, noise, throw=throw)
        found: dict[str, object] = {
            "nu1": pooled.nu1,
            "nu2": pooled.nu2,
            "upsilon": pooled.upsilon,
            "D1": pooled.d1,
        }
        if ridge.lam == 0:
            return result(
                setting, self.name, surety, pooled.excess + noise, pooled.train, _error(pooled.solution),
                averages=_features_at(setting).error, order_parameters=found, solution=pooled.solution,
            )  # fmt: skip
        radial = radial_equivalent(
            _features_at(setting), target, n, distinct, ridge.lam, noise, pooled, throw=throw
        )
        return result(
            setting, f"{self.name}, by radius", surety, radial.excess + noise, radial.train, _error(radial.solution),
            averages=_features_at(setting).error, solution=radial.solution,
            order_parameters=found | {"kappa": radial.kappa, "D": radial.thinning},
        )  # fmt: skip


def _error(solution: Solution) -> float | None:
    return solution.error_of_a_response


def _features_at(setting: Setting) -> Features:
    network, d = setting.network, setting.ridge.d
    assert d is not None
    # Training and readout do not enter: one entry for all.
    key = ("features at d", replace(network, readout="rademacher", initialisation="independent"), d)
    return setting.set_ups.get(
        key, lambda: features(network.get_activation(), d, *bias_nodes(network, BIAS_NODES))
    )


def _spectrum_at(setting: Setting) -> tuple[TargetHarmonics, Spectrum]:
    f, d = setting.fitted, setting.ridge.d
    assert d is not None

    def make() -> tuple[TargetHarmonics, Spectrum]:
        target = target_harmonics(f, d)
        return target, spectrum(_features_at(setting), target)

    return setting.set_ups.get(("spectrum at d", f, setting.network, d), make)
