"""How sure a number is: its validity in a word, and the budget of its error."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from asymptotics.json_values import plain

if TYPE_CHECKING:
    from asymptotics.results import StepOverlaps


class Validity(StrEnum):
    """How sure a number is; the value is what JSON and tables say."""

    EXACT = "exact"
    LEADING_ORDER = "leading order"
    APPROXIMATE = "approximate"
    SIMULATION = "simulation"
    NONE = "none"

    def __repr__(self) -> str:
        return repr(self.value)


#: The largest total error of a number that may be called exact.
EXACT_WITHIN = 1e-6


@dataclass(frozen=True)
class ErrorBudget:
    """How far a number may be off, relative to that number; None: not estimated, 0: there is no such error.

    ``quadrature``  the expectations (Gaussian integrals) that it rests on
    ``solver``      the fixed point or recursion that made it
    ``theory``      what the theory leaves out at these settings
    ``total``       the sum of the three, for errors may add up; None as long as one of them is unknown

    >>> ErrorBudget(quadrature=2e-9, solver=2e-9, theory=0.0).total
    4e-09
    >>> ErrorBudget(quadrature=1e-9).total is None
    True
    """

    quadrature: float | None = None
    solver: float | None = None
    theory: float | None = None

    def __post_init__(self) -> None:
        for part in fields(self):
            value = getattr(self, part.name)
            if value is not None and not value >= 0:
                raise ValueError(f"{part.name} must be a size, at least 0, not {value!r}")

    @property
    def total(self) -> float | None:
        """quadrature + solver + theory; None where a part is not estimated."""
        parts = (self.quadrature, self.solver, self.theory)
        return None if any(part is None for part in parts) else self.at_least

    @property
    def at_least(self) -> float:
        """The sum of the parts that are estimated."""
        return math.fsum(part for part in (self.quadrature, self.solver, self.theory) if part is not None)

    @property
    def forbids_exact(self) -> bool:
        """Whether the total is more than "exact" allows, or not known."""
        return self.total is None or self.total > EXACT_WITHIN

    def __add__(self, other: ErrorBudget) -> ErrorBudget:
        """Part by part, for a number that carries both errors; unknown where one of the two is."""
        return ErrorBudget(*(_sum(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)))

    def to_dict(self) -> dict[str, float | None]:
        """``quadrature, solver, theory, total``; null where not estimated (or infinite)."""
        result: dict[str, float | None] = plain(
            {f.name: getattr(self, f.name) for f in fields(self)} | {"total": self.total}
        )
        return result


#: Nothing is estimated.
UNKNOWN = ErrorBudget()


def overlap_budget(
    step: StepOverlaps, change: float | None, theory: float | None, averages: float = 0.0
) -> ErrorBudget:
    """The budget of M, Q and norm2 of a step whose entries are known to ``change`` (absolute, by their integrals).

    ``averages``: the relative error of the averages over target and activation that every rule shares. Nothing has been
    integrated at step 0. Recursions have no solver.
    """
    largest = max(float(np.abs(values).max(initial=0.0)) for values in (step.M, step.Q, step.norm2))
    integrals = 0.0 if step.step == 0 else None if change is None else change / largest + averages
    return ErrorBudget(quadrature=integrals, solver=0.0, theory=theory)


def risk_budget(
    risk: float, change: float | None, theory: float | None, averages: float, energy: float
) -> ErrorBudget:
    """The budget of a risk known to ``change`` (absolute) and to ``averages`` of the target's ``energy`` E f*²."""
    if change is None or not risk > 0:
        return ErrorBudget(quadrature=None, solver=0.0, theory=theory)
    return ErrorBudget(quadrature=(change + averages * energy) / risk, solver=0.0, theory=theory)


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second
