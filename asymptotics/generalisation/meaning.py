"""Where a number means little or nothing: few samples or neurons, and errors as large as the number itself."""

from __future__ import annotations

import math
from dataclasses import replace

from asymptotics.error_budget import ErrorBudget, Validity
from asymptotics.expectations.patience import rounded_up
from asymptotics.results import Risk
from hermite.errors import ConvergenceError, InputError

#: Fewer samples or neurons than these are not the many that a theory of averages is about.
FEW_SAMPLES, FEW_NEURONS = 30, 10
#: A relative error from which on a number predicts nothing.
NO_PREDICTION = 1.0
#: What integrals and solver must reach together, relative, where no accuracy is asked for.
ENOUGH = 0.01
_PARTS = {"theory": "what the theory leaves out", "quadrature": "its integrals", "solver": "its solver"}


class InfiniteTestError(InputError):
    """The test error is infinite at this point; a curve keeps the point, with this reason."""


class NoPrediction(InputError):
    """A theory answers, with an error as large as the number: ``found`` is that answer, its ``validity`` "none"."""

    def __init__(self, found: Risk) -> None:
        super().__init__(found.validity_note)
        self.found = found

    @property
    def untold(self) -> Risk:
        """``found`` without its numbers, for a table."""
        nan = math.nan
        return replace(self.found, test_error=nan, train_error=nan, excess_risk=nan)


def few_of(n2: int | None, p: int | None) -> str:
    """What is too few for a theory of averages, in half a sentence; empty if nothing is."""
    few = [f"n2 = {n2} samples"] if n2 is not None and n2 < FEW_SAMPLES else []
    few += [f"p = {p} neurons"] if p is not None and p < FEW_NEURONS else []
    if not few:
        return ""
    return f"{' and '.join(few)}: too few for averages to hold (at least {FEW_SAMPLES} and {FEW_NEURONS})"


def within_meaning(found: Risk) -> Risk:
    """``found``, saying so where the theory means little; ``validity`` "none" where its error is as large as the number."""
    few = few_of(
        found.n2, None if isinstance(found.solver, str) and "population" in found.solver else found.p
    )
    if few:
        validity = Validity.APPROXIMATE if found.validity == Validity.EXACT else found.validity
        note = "; ".join(part for part in (found.validity_note.rstrip("."), few) if part)
        found = replace(found, validity=validity, validity_note=note)
    if found.error.at_least < NO_PREDICTION:
        return found
    return replace(found, validity=Validity.NONE, validity_note=_none_of(found))


def reached_by(found: Risk) -> float:
    """What the integrals and the solver reached of the test error, relative."""
    return (found.error.quadrature or 0.0) + (found.error.solver or 0.0)


def meant(found: Risk, throw: bool = True, accuracy: float | None = None) -> Risk:
    """:func:`within_meaning`; raises :class:`NoPrediction` where that is nothing, unless told not to.

    So does an unmet budget: :class:`ConvergenceError` where integrals and solver did not reach ``accuracy`` (default
    ``ENOUGH``). What the theory leaves out no effort makes smaller: where it misses the accuracy, the note says so.
    """
    told = _told_of_accuracy(within_meaning(found), accuracy)
    if not throw:
        return told
    if told.validity == Validity.NONE:
        raise NoPrediction(told)
    reached, asked = reached_by(found), accuracy or ENOUGH
    if reached > asked:
        raise ConvergenceError(
            f"the integrals and the solver of the test error at step {found.step} reached {reached:.1e} of it, not {asked:.0e}, "
            f"within their budget: ask for less (accuracy = {rounded_up(reached):.0e}), or take the number with its error "
            "(throw=False in Python)",
            found.solution,
        )
    return told


def _told_of_accuracy(found: Risk, accuracy: float | None) -> Risk:
    """``found``, saying so where its stated error is above the ``accuracy`` asked for, or not known."""
    error = found.error
    if (
        not accuracy
        or found.validity == Validity.NONE
        or (error.total is not None and error.total <= accuracy)
    ):
        return found
    said = (
        f"the test error has a stated error of {_largest(error)}, above the accuracy asked for ({accuracy:g})"
    )
    if error.total is None and error.at_least <= accuracy:
        said = f"a part of the error is not estimated: it may be above the accuracy asked for ({accuracy:g})"
    note = "; ".join(part for part in (found.validity_note.rstrip("."), said) if part)
    return replace(found, validity_note=note)


def _none_of(found: Risk) -> str:
    note = found.validity_note.rstrip(".")
    return (
        f"no prediction at step {found.step}: the error of the theory, {_largest(found.error)}, is as large as the test error "
        f"that it gives ({found.test_error:.3g}); simulate, or choose other settings (a smaller training.eta, more samples)"
        + (f". {note}." if note else ".")
    )


def _largest(error: ErrorBudget) -> str:
    """The total in per cent, and the part that makes most of it."""
    return f"{100 * error.at_least:.2g} % (most of it {_PARTS[_largest_part(error)]})"


def _largest_part(error: ErrorBudget) -> str:
    return max(_PARTS, key=lambda name: getattr(error, name) or 0.0)
