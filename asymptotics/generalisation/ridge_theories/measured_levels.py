"""Levels matrix, E+, En+ and auto: what level E leaves out is measured on auxiliary batches, and put right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from asymptotics.error_budget import Validity
from asymptotics.experiment.ridge_words import Level, Regime
from asymptotics.generalisation.ridge_theories.finite_trained import FiniteTrainedE
from asymptotics.generalisation.ridge_theories.left_out import (
    UNSURE,
    by_what_is_left,
    expected_correction,
    given_directions_left_out,
    left_out,
    mean_left_out,
)
from asymptotics.generalisation.ridge_theories.measured_lines import (
    DEFAULT_ACCURACY,
    Line,
    Measured,
    lines_of,
    point_of,
)
from asymptotics.generalisation.ridge_theories.trained_levels import (
    AfterSteps,
    LevelE,
    layer_of,
    left_out_by,
)
from asymptotics.generalisation.spiked.linear_sector import Errors
from asymptotics.generalisation.theory import Setting, Surety, Theory
from asymptotics.learning.groups import readout_groups
from asymptotics.results import Risk
from hermite.errors import ConvergenceError, InputError

#: Groups up to which whole covariances are solved for.
_MOST_GROUPS = 4
_INCLUDED = {
    Level.E: "neither is included",
    Level.MATRIX: "the first is included",
    Level.E_PLUS: "the first is included",
    Level.EN_PLUS: "both are included",
}


class MeasuredLevel(AfterSteps):
    """A level by name."""

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

    def surety(self, setting: Setting) -> Surety:
        """Leading order; its size is known once it is measured."""
        return Surety(
            Validity.LEADING_ORDER,
            "What level E leaves out is measured on auxiliary batches when it is solved.",
            left_out(setting, layer_of(setting)),
        )

    def solve(self, setting: Setting, throw: bool) -> Risk:
        """One point is a line of one."""
        return self.on_line(Line((setting,)), setting, throw)

    def solve_many(self, settings: Sequence[Setting], throw: bool) -> Iterator[Risk | InputError]:
        """Many points along one variable of the fit share what is measured, and whether and at which level it counts."""
        lines = lines_of(settings)
        for setting in settings:
            try:
                yield self.on_line(lines[point_of(setting)], setting, throw)
            except InputError as error:
                yield error

    def on_line(self, line: Line, setting: Setting, throw: bool) -> Risk:
        """Level E and its corrections; ``InputError`` where they correct nothing."""
        errors, measured = line.errors(setting, throw), line.measured(setting)
        if not measured.corrects:
            raise InputError(
                f'ridge.level = "{self.own}": {measured.note}. That is no correction of level E; use level E.'
            )
        return _corrected(self, setting, errors, self.own, measured)


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

    def on_line(self, line: Line, setting: Setting, throw: bool) -> Risk:
        """The proportional theory, or that for all (n, p, d) where it says that it errs less."""
        found = self._proportional(line, setting, throw)
        other = FiniteTrainedE()
        ridge = replace(setting.ridge, regime=str(Regime.FINITE), level=str(Level.E))
        there = replace(setting, ridge=ridge)
        if setting.regime != Regime.AUTO or other.covers(replace(there, accuracy=None)):
            return found
        size, least = other.surety(there).theory, found.error.theory
        if size is None or least is None or size >= least:
            return found
        try:
            errors = line.errors(setting, throw)
            size = other.left_out_beside(there, errors) + self._beyond_expectation(line, setting)
            if size >= least:
                return found
            there_found, line.neighbour = other.beside(there, errors, throw, line.neighbour)
        except (InputError, ConvergenceError):
            # What only shows when it is tried.
            return found
        return replace(there_found, error=replace(there_found.error, theory=size))

    def _measures(self, line: Line) -> bool:
        """All points of a line or none: a correction that starts at some of them would be a jump."""
        return line.given or any(
            one.accuracy is not None or self._expected(line, one) > DEFAULT_ACCURACY for one in line.settings
        )

    def _expected(self, line: Line, setting: Setting) -> float:
        """What measuring is expected to change, relative to the test error; nothing where level E is not solved."""
        try:
            test = line.errors(setting, False).test
        except (InputError, ConvergenceError):
            return 0.0
        return expected_correction(setting, layer_of(setting)) * by_what_is_left(setting, test)

    def _beyond_expectation(self, line: Line, setting: Setting) -> float:
        """What was measured of bulk and norms beyond what is expected: the theory for all (n, p, d) leaves it out, too."""
        if not line.once("measures", self._measures):
            return 0.0
        found = line.measured(setting)
        size = min(found.bulk.size + found.norm.size, 10.0)
        return max(0.0, size - self._expected(line, setting))

    def _proportional(self, line: Line, setting: Setting, throw: bool) -> Risk:
        """Level E, and what it leaves out if that may count."""
        errors = line.errors(setting, throw)
        if not line.once("measures", self._measures):
            return LevelE().answer_of(setting, errors)
        found = line.measured(setting)
        if not found.corrects:
            # What batches do not tell is unknown to what they scatter by.
            bulk, norm = found.bulk, found.norm
            size = left_out_by(setting, errors) + min(bulk.size + 2 * bulk.test_sem + norm.size, 10.0)
            surety = Surety(Validity.APPROXIMATE, f"{found.note}: no correction, and not used.", size)
            return self.solved(setting, errors, surety, _solver(Level.E))
        return _corrected(self, setting, errors, line.once("level", _level_of), found)


def _level_of(line: Line) -> Level:
    """The level of least estimated error along a line."""
    found, first = line.corrections, line.settings[0]
    if line.given:
        return Level.E_PLUS
    if first.ridge.d is None and first.accuracy is None and all(map(_is_small, found)):
        # Level E is an exactly known limit; nobody asked for less than what it leaves out.
        return Level.E
    return min(
        (Level.E, Level.E_PLUS, Level.EN_PLUS), key=lambda one: sum(max(_sizes(one, m)) for m in found)
    )


def _is_small(found: Measured) -> bool:
    """Whether level E as d → ∞ leaves out less of the test error than the accuracy that nothing was asked for."""
    return _sizes(Level.E, found)[0] + 2 * found.bulk.test_sem <= DEFAULT_ACCURACY


def _solver(level: Level) -> str:
    return f"conditional Gaussian equivalence, level {level}"


def _corrected(
    theory: AfterSteps, setting: Setting, errors: Errors, level: Level, measured: Measured
) -> Risk:
    """The ``Risk`` at ``level``."""
    bulk, norm = measured.bulk, measured.norm
    used = {Level.E: (), Level.EN_PLUS: (bulk, norm)}.get(level, (bulk,))
    test, train = errors.test, errors.train
    for correction in used:
        test, train = test * (1 + correction.test), train * (1 + correction.train)
    if measured.given:
        surety = Surety(
            Validity.LEADING_ORDER, f"{measured.note}.", _left_out_given(setting, errors, test, measured)
        )
    else:
        size = left_out_by(setting, errors, measured=True) + _sizes(level, measured)[0]
        surety = Surety(Validity.LEADING_ORDER, f"{measured.note}; {_INCLUDED[level]}.", size)
    return theory.solved(setting, replace(errors, test=test, train=train), surety, _solver(level))


def _left_out_given(setting: Setting, errors: Errors, test: float, measured: Measured) -> float:
    """What the fit given grown directions leaves out of ``test``, and two standard errors of its mean over batches."""
    changed = errors.alone.test / test - 1.0
    size = given_directions_left_out(setting, layer_of(setting), changed, errors.finite)
    scatter = 2 * measured.bulk.test_sem / (1 + measured.bulk.test)
    return size + scatter + measured.between + mean_left_out(setting, test)


def _sizes(level: Level, measured: Measured) -> tuple[float, float]:
    """What a level leaves out of the test and the train error beyond the budget of ``left_out``.

    What was measured and is left out; of what is included, ``UNSURE`` and two standard errors. That the two corrections
    multiply is an assumption: their product is unsure. ``between`` is what an interpolation may miss.
    """
    bulk, norm = measured.bulk, measured.norm
    pairs = ((bulk.test, norm.test, bulk.test_sem), (bulk.train, norm.train, bulk.train_sem))
    if level == Level.E:
        test, train = (abs(b) + abs(n) for b, n, _ in pairs)
    elif level == Level.EN_PLUS:
        test, train = (abs(b * n) + UNSURE * (abs(b) + abs(n)) + 2 * sem for b, n, sem in pairs)
    else:
        test, train = (abs(n) + UNSURE * abs(b) + 2 * sem for b, n, sem in pairs)
    return test + measured.between, train + measured.between
