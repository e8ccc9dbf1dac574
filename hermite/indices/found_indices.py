"""What is found of a target, whichever way: the indices before names and a student are put to them."""

from __future__ import annotations

from dataclasses import dataclass, field

from hermite.exact.exactness import Exactness

Vectors = list[list[str]]


@dataclass(frozen=True)
class FoundSteps:
    """The spaces of a staircase, each as its dimension, exact rows and floats (``coordinates``); None where undecided."""

    dims: tuple[int, ...] | None = None
    subspaces: tuple[Vectors, ...] | None = None
    leading_dims: tuple[int, ...] | None = None
    complete: bool | None = None
    coordinates: tuple[list[list[float]], ...] = ()


@dataclass(frozen=True)
class Found:
    """The fields of :class:`hermite.indices.report.LeapReport` that are computed; the defaults leave open what they can."""

    exactness: Exactness
    reason: str
    relevant_dim: int | None = None
    relevant_subspace: Vectors | None = None
    information_exponent: int | None = None
    leap_index: int | None = None
    leap_span: Vectors | None = None
    per_coordinate_leap: tuple[int | None, ...] | None = None
    flag_dims: tuple[int, ...] | None = None
    staircase: FoundSteps = field(default_factory=FoundSteps)
    hard_directions: Vectors | None = None
    beyond_one_step: Vectors | None = None
    isotropic_leap: int | None = None
    closure_dims_by_level: tuple[int, ...] | None = None
    leap_coordinates: int | None = None
    warnings: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
