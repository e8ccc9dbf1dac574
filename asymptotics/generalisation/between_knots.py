"""A vector that is costly at the points of a line: found at a few of them, interpolated between, with the error of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Found = Callable[[int], Array | None]

#: Chebyshev points of a panel, each set within the next.
_SIZES = (3, 5, 9)
#: What is stated of a miss, in units of what geometric convergence leaves of it.
_MORE = 2.0


@dataclass(frozen=True)
class Interpolated:
    """``values`` by point (None where nothing was found), their ``errors`` in units of the tolerance, and the ``knots``."""

    values: tuple[Array | None, ...]
    errors: tuple[float, ...]
    knots: frozenset[int]


def between_knots(found: Found, places: Array, tolerance: Callable[[Array], Array]) -> Interpolated:
    """``found`` at all ``places`` (N,), which increase, from as few of them as the ``tolerance`` of a value allows.

    Polynomials through the places nearest to the Chebyshev points of a panel, the more of them the better; a panel where nine
    are not enough is cut in the middle, one of so few places is found place by place. The error: how far the last polynomial
    but one missed the new knots, e, of which a geometric convergence leaves e · e/e' (e' that of the one before), here
    twice that. That is an estimate for
    analytic functions: nobody sees a kink between knots.

    >>> line = between_knots(lambda i: np.array([np.exp(i / 100)]), np.arange(101.0), lambda v: 1e-3 * abs(v))
    >>> sorted(line.knots), max(line.errors) < 1
    ([0, 4, 15, 31, 50, 69, 85, 96, 100], True)
    """
    known: dict[int, Array | None] = {}
    values: list[Array | None] = [None] * len(places)
    errors = [0.0] * len(places)

    def at(points: list[int]) -> list[Array] | None:
        for i in points:
            if i not in known:
                known[i] = found(i)
        here = [value for i in points if (value := known[i]) is not None]
        return here if len(here) == len(points) else None

    panels = [(0, len(places) - 1)]
    while panels:
        low, high = panels.pop()
        inside = range(low, high + 1)
        if len(inside) <= _SIZES[-1]:
            at(list(inside))
            continue
        smooth = _panel(at, places, inside, tolerance)
        if smooth is None:
            middle = int(np.searchsorted(places, (places[low] + places[high]) / 2))
            middle = min(max(middle, low + 1), high - 1)
            panels += [(middle, high), (low, middle)]
            continue
        interpolant, error = smooth
        for i in inside:
            values[i], errors[i] = np.asarray(interpolant(places[i]), np.float64), error
    for i, value in known.items():
        values[i], errors[i] = value, 0.0
    return Interpolated(tuple(values), tuple(errors), frozenset(known))


def _panel(
    at: Callable[[list[int]], list[Array] | None],
    places: Array,
    inside: range,
    tolerance: Callable[[Array], Array],
) -> tuple[Callable[[Array], Array], float] | None:
    """The polynomial on one panel and its error in units of the tolerance; None where it takes more than nine knots."""
    from scipy.interpolate import BarycentricInterpolator

    before: tuple[Callable[[Array], Array], float] | None = None
    for size in _SIZES:
        knots = _nearest(places, inside, size)
        found = at(knots)
        if found is None:
            return None
        # Nothing is known of the convergence: the first miss counts as it is.
        missed, error = 1e-300, np.inf
        if before is not None:
            off = np.abs(before[0](places[knots]) - np.array(found))
            missed = float(max(np.max(o / tolerance(v)) for o, v in zip(off, found, strict=True)))
            error = _MORE * missed * min(1.0, missed / max(before[1], 1e-300))
        polynomial = BarycentricInterpolator(places[knots], np.array(found))
        if error <= 1.0:
            return polynomial, error
        before = (polynomial, missed)
    return None


def _nearest(places: Array, inside: range, size: int) -> list[int]:
    """The points of ``inside`` next to the Chebyshev points (second kind) of their interval."""
    here = places[inside.start : inside.stop]
    part = (1 - np.cos(np.pi * np.arange(size) / (size - 1))) / 2
    wanted = here[0] + (here[-1] - here[0]) * part
    return sorted({inside.start + int(np.argmin(np.abs(here - x))) for x in wanted})
