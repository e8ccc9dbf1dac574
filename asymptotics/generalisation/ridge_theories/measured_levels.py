"""Levels matrix, E+, En+ and auto: what level E leaves out is measured on auxiliary batches, and put right."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from asymptotics.experiment.ridge_words import Level, Regime
from asymptotics.generalisation.ridge_theories.finite_trained import FiniteTrainedE
from asymptotics.generalisation.ridge_theories.left_out import UNSURE, expected_correction, left_out
from asymptotics.generalisation.ridge_theories.trained_levels import (
    AfterSteps,
    LevelE,
    layer_of,
    left_out_by,
    solve_level,
    units_of,
)
from asymptotics.generalisation.spiked.linear_sector import Errors
from asymptotics.generalisation.theory import Setting, Surety, Theory
from asymptotics.learning.groups import readout_groups
from asymptotics.results import Risk, Validity
from hermite.errors import ConvergenceError, InputError

if TYPE_CHECKING:
    from asymptotics.generalisation.spiked.corrections import Correction

#: Groups up to which whole covariances are solved for.
_MOST_GROUPS = 4
#: The accuracy of a prediction where none is asked for, and the batches that it may take; else.
DEFAULT_ACCURACY, _FEW, _MANY = 0.01, 12, 64
_INCLUDED = {
    Level.E: "neither is included",
    Level.MATRIX: "the first is included",
    Level.E_PLUS: "the first is included",
    Level.EN_PLUS: "both are included",
}


class MeasuredLevel(AfterSteps):
    """A level by name."""

    uses = AfterSteps.uses | {"accuracy"}

    def __init__(self, own: Level) -> None:
        self.own = own  # type: ignore[misc]

    def too_many_groups(self, setting: Setting) -> tuple[str, ...]:
        """Whole covariances of many groups."""
        groups = len(readout_groups(setting.network).readout)
        if groups <= _MOST_GROUPS:
            return ()
        return (
            f'ridge.level = "matrix", "E+", "En+" and accuracy cover at most {_MOST_GROUPS} groups of neurons '
            f"(values of the readout times nodes of the bias), not {groups}; use level E.",
        )

    def unused(self, setting: Setting) -> frozenset[str]:
        """The accuracy says how many batches are drawn."""
        return super().unused(setting) - {"accuracy"}

    def surety(self, setting: Setting) -> Surety:
        """Leading order; its size is known once it is measured."""
        return Surety(
            Validity.LEADING_ORDER,
            "What level E leaves out is measured on auxiliary batches when it is solved.",
            left_out(setting, layer_of(setting)),
        )

    def solve(self, setting: Setting, throw: bool) -> Risk:
        """Level E and its corrections; ``InputError`` where they correct nothing."""
        errors = solve_level(setting, Level.E, throw)
        bulk, norm, measured = corrections_of(setting, errors)
        if not (bulk.is_one and norm.is_one):
            raise InputError(
                f'ridge.level = "{self.own}": {measured}. That is no correction of level E; use level E.'
            )
        return _corrected(self, setting, errors, self.own, (bulk, norm), measured)


class Auto(MeasuredLevel):
    """Level "auto": corrections are measured where they are expected to count, and used where that errs less."""

    def __init__(self) -> None:
        super().__init__(Level.AUTO)

    @property
    def name(self) -> str:  # type: ignore[override]
        """The theory; the answer says at which level."""
        return "conditional Gaussian equivalence"

    def asked(self, setting: Setting) -> bool:
        """Without a level by name, unless accuracy = 0 turns it off."""
        return Theory.asked(self, setting) and setting.level == Level.AUTO and setting.accuracy != 0

    def solve(self, setting: Setting, throw: bool) -> Risk:
        """The proportional theory, or that for all (n, p, d) where it says that it errs less."""
        found = self._proportional(setting, throw)
        other = FiniteTrainedE()
        ridge = replace(setting.ridge, regime=str(Regime.FINITE), level=str(Level.E))
        there = replace(setting, ridge=ridge)
        if setting.regime != Regime.AUTO or other.covers(replace(there, accuracy=None)):
            return found
        size, least = other.surety(there).theory, found.error.theory
        if size is None or least is None or size >= least:
            return found
        try:
            there_found = other.solve(there, throw)
            beyond = self._beyond_expectation(setting, throw)
        except (InputError, ConvergenceError):
            # What only shows when it is tried.
            return found
        budget = there_found.error
        budget = replace(budget, theory=(budget.theory or 0.0) + beyond)
        return replace(there_found, error=budget) if (budget.theory or 0.0) < least else found

    def _measures(self, setting: Setting) -> bool:
        return (
            setting.accuracy is not None or expected_correction(setting, layer_of(setting)) > DEFAULT_ACCURACY
        )

    def _beyond_expectation(self, setting: Setting, throw: bool) -> float:
        """What was measured of bulk and norms beyond what is expected: the theory for all (n, p, d) leaves it out, too."""
        if not self._measures(setting):
            return 0.0
        bulk, norm, _ = corrections_of(setting, solve_level(setting, Level.E, throw))
        return max(0.0, min(bulk.size + norm.size, 10.0) - expected_correction(setting, layer_of(setting)))

    def _proportional(self, setting: Setting, throw: bool) -> Risk:
        """Level E, and what it leaves out if that may count."""
        if not self._measures(setting):
            return LevelE().solve(setting, throw)
        errors = solve_level(setting, Level.E, throw)
        bulk, norm, measured = corrections_of(setting, errors)
        if not (bulk.is_one and norm.is_one):
            # What batches do not tell is unknown to what they scatter by.
            size = left_out_by(setting, errors) + min(bulk.size + 2 * bulk.test_sem + norm.size, 10.0)
            surety = Surety(Validity.APPROXIMATE, f"{measured}: no correction, and not used.", size)
            return self.solved(setting, errors, surety, _solver(Level.E))
        level = min((Level.E, Level.E_PLUS, Level.EN_PLUS), key=lambda one: max(_sizes(one, bulk, norm)))
        if setting.ridge.d is None and setting.accuracy is None and _is_small(bulk, norm):
            # Level E is an exactly known limit; nobody asked for less than what it leaves out.
            level = Level.E
        return _corrected(self, setting, errors, level, (bulk, norm), measured)


def _is_small(bulk: Correction, norm: Correction) -> bool:
    """Whether level E as d → ∞ leaves out less of the test error than the accuracy that nothing was asked for."""
    return _sizes(Level.E, bulk, norm)[0] + 2 * bulk.test_sem <= DEFAULT_ACCURACY


def _solver(level: Level) -> str:
    return f"conditional Gaussian equivalence, level {level}"


def _corrected(
    theory: AfterSteps,
    setting: Setting,
    errors: Errors,
    level: Level,
    measured: tuple[Correction, Correction],
    note: str,
) -> Risk:
    """The ``Risk`` at ``level``."""
    bulk, norm = measured
    used = {Level.E: (), Level.EN_PLUS: (bulk, norm)}.get(level, (bulk,))
    test, train = errors.test, errors.train
    for correction in used:
        test, train = test * (1 + correction.test), train * (1 + correction.train)
    size = left_out_by(setting, errors, measured=True)
    size += _sizes(level, bulk, norm)[0]
    surety = Surety(Validity.LEADING_ORDER, f"{note}; {_INCLUDED[level]}.", size)
    return theory.solved(setting, replace(errors, test=test, train=train), surety, _solver(level))


def _sizes(level: Level, bulk: Correction, norm: Correction) -> tuple[float, float]:
    """What a level leaves out of the test and the train error beyond the budget of ``left_out``.

    What was measured and is left out; of what is included, ``UNSURE`` and two standard errors. That the two corrections
    multiply is an assumption: their product is unsure.
    """
    pairs = ((bulk.test, norm.test, bulk.test_sem), (bulk.train, norm.train, bulk.train_sem))
    if level == Level.E:
        test, train = (abs(b) + abs(n) for b, n, _ in pairs)
    elif level == Level.EN_PLUS:
        test, train = (abs(b * n) + UNSURE * (abs(b) + abs(n)) + 2 * sem for b, n, sem in pairs)
    else:
        test, train = (abs(n) + UNSURE * abs(b) + 2 * sem for b, n, sem in pairs)
    return test, train


def corrections_of(setting: Setting, errors: Errors) -> tuple[Correction, Correction, str]:
    """(bulk, norm) and a sentence about them, measured once for all levels; ``errors`` are those of level E."""
    ridge = replace(setting.ridge, level=str(Level.AUTO), regime=str(Regime.AUTO))
    key = ("corrections", setting.f, setting.network, setting.training, ridge, setting.accuracy)
    return setting.set_ups.get(key, lambda: _measured(setting, errors))


def _measured(setting: Setting, errors: Errors) -> tuple[Correction, Correction, str]:
    from asymptotics.generalisation.spiked import corrections

    network, training, layer = setting.network, setting.actual, layer_of(setting)
    # Batches are compared with the equations that they are solved by.
    errors = errors.alone
    d, sigma = setting.ridge.d, network.get_activation()
    point = (*setting.ratios, setting.ridge.lam, d)
    accuracy, most = (setting.accuracy, _MANY) if setting.accuracy else (DEFAULT_ACCURACY, _FEW)
    bulk = corrections.measured_bulk(
        setting.f, network, training, layer, setting.fitted, errors, point, accuracy, most, setting.set_ups
    )
    units = units_of(setting, Level.E)
    moving = setting.set_ups.get(
        ("norm mode", setting.f, network, training, d),
        lambda: corrections.with_norm_mode(
            units, sigma, layer, corrections.sampled_layers(setting.f, network, training, d)
        ),
    )
    norm = corrections.norm_correction(moving, errors, *point)
    size = corrections.auxiliary_dimension(network, setting.f.r, d)
    note = (
        f"Measured on {bulk.count} auxiliary batches at d = {size}: bulk of the residuals "
        f"{100 * bulk.test:+.2g} ± {100 * bulk.test_sem:.1g} % of the test error ({100 * bulk.train:+.2g} ± "
        f"{100 * bulk.train_sem:.1g} % train), fluctuating norms {100 * norm.test:+.2g} % ({100 * norm.train:+.2g} %)"
    )
    return bulk, norm, note
