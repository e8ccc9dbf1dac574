"""A vector that is costly at the points of a line: found at a few of them, interpolated between, with the error of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Found = Callable[[int], Array | None]

#: Degree of the polynomials that are blended, knots of a panel at first, and of one at most.
_DEGREE, _FIRST, _MOST = 4, 7, 24
#: What is stated of a miss, in units of the estimate.
_MORE = 3.0
#: Knots in a row that are met before they are found.
_MET = 3


@dataclass(frozen=True)
class Interpolated:
    """``values`` by point (None where nothing was found), their ``errors`` in units of the tolerance, and the ``knots``."""

    values: tuple[Array | None, ...]
    errors: tuple[float, ...]
    knots: frozenset[int]


def between_knots(found: Found, places: Array, tolerance: Callable[[Array], Array]) -> Interpolated:
    """``found`` at all ``places`` (N,), which increase, from as few of them as the ``tolerance`` of values (…, m) allows.

    Blended polynomials of degree 4 through all knots (Floater & Hormann 2007), from seven near the Chebyshev points on. The
    next knot is where those of degree 3 differ most from them, until three times that, and three times what any of the last
    three knots was missed by, are within the tolerance: the largest is the error. A panel where 24 are not enough, or nothing
    is found at a knot, is cut in the middle; one of seven places is found place by place. That is an estimate for smooth
    functions, too small for one in thirty of a thousand steps, peaks, waves, roots and kinks: nobody sees a kink between
    knots.

    >>> line = between_knots(lambda i: np.array([np.exp(i / 100)]), np.arange(101.0), lambda v: 1e-3 * abs(v))
    >>> len(line.knots), max(line.errors) < 1
    (10, True)
    """
    known: dict[int, Array | None] = {}
    values: list[Array | None] = [None] * len(places)
    errors = [0.0] * len(places)

    def at(i: int) -> Array | None:
        if i not in known:
            known[i] = found(i)
        return known[i]

    panels = [(0, len(places) - 1)]
    while panels:
        low, high = panels.pop()
        inside = np.arange(low, high + 1)
        if len(inside) <= _FIRST:
            for i in inside.tolist():
                at(i)
            continue
        nodes = sorted({*_nearest(places, inside, _FIRST), *(i for i in known if low <= i <= high)})
        smooth = _panel(at, places, inside, nodes, tolerance)
        if smooth is None:
            middle = int(np.searchsorted(places, (places[low] + places[high]) / 2))
            middle = min(max(middle, low + 1), high - 1)
            panels += [(middle, high), (low, middle)]
            continue
        interpolated, error = smooth
        for i, value in zip(inside.tolist(), interpolated, strict=True):
            values[i], errors[i] = value, error
    for i, one in known.items():
        values[i], errors[i] = one, 0.0
    return Interpolated(tuple(values), tuple(errors), frozenset(known))


def _panel(
    at: Found,
    places: Array,
    inside: npt.NDArray[np.int_],
    nodes: list[int],
    tolerance: Callable[[Array], Array],
) -> tuple[Array, float] | None:
    """The values on one panel and their error in units of the tolerance; None where it takes more knots than it may have."""
    here = places[inside]
    most = len(nodes) + _MOST - _FIRST
    misses: list[float] = []
    while True:
        found = [value for i in nodes if (value := at(i)) is not None]
        if len(found) < len(nodes):
            return None
        knots, vectors = places[nodes], np.array(found)
        fine, rough = (blended(knots, vectors, here, degree) for degree in (_DEGREE, _DEGREE - 1))
        allowed = tolerance(fine)
        off = np.max(np.abs(fine - rough) / allowed, axis=1)
        off[np.searchsorted(inside, nodes)] = 0.0
        error = _MORE * max(float(off.max()), *misses[-_MET:], 0.0)
        if len(misses) >= _MET and error <= 1.0:
            return fine, error
        if len(nodes) >= min(most, len(inside)):
            return None
        place = int(np.argmax(off))
        value = at(int(inside[place]))
        if value is None:
            return None
        misses.append(float(np.max(np.abs(fine[place] - value) / tolerance(value))))
        nodes = sorted([*nodes, int(inside[place])])


def blended(knots: Array, vectors: Array, here: Array, degree: int = _DEGREE) -> Array:
    """The rational interpolant that blends the polynomials through ``degree`` + 1 neighbours, (N, m); it has no poles.

    ``vectors`` (H, m) at ``knots`` (H,), which increase; of fewer knots the polynomial through all.
    """
    count = len(knots)
    degree = min(degree, count - 1)
    gaps = np.abs(knots[:, None] - knots[None, :])
    weights = np.zeros(count)
    for first in range(count - degree):
        own = slice(first, first + degree + 1)
        block = gaps[own, own].copy()
        np.fill_diagonal(block, 1.0)
        weights[own] += 1.0 / np.prod(block, axis=1)
    weights *= np.where(np.arange(count) % 2, -1.0, 1.0)
    away = here[:, None] - knots
    at_knot = away == 0.0
    share = weights / np.where(at_knot, 1.0, away)
    share[at_knot.any(axis=1)] = 0.0
    share[at_knot] = 1.0
    out: Array = (share @ vectors) / share.sum(axis=1, keepdims=True)
    return out


def _nearest(places: Array, inside: npt.NDArray[np.int_], size: int) -> list[int]:
    """The points of ``inside`` next to the Chebyshev points (second kind) of their interval."""
    here = places[inside]
    part = (1 - np.cos(np.pi * np.arange(size) / (size - 1))) / 2
    wanted = here[0] + (here[-1] - here[0]) * part
    return sorted({int(inside[np.argmin(np.abs(here - x))]) for x in wanted})
