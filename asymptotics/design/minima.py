"""Minima of one variable on a logarithmic scale, at few values of a costly function: a grid, a walk, parabolas."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

#: Steps of a walk to a minimum (factors of 3), and how many at most; parabolas after it.
_STRIDE, _WALK, _PARABOLAS = math.log(3.0), 6, 6


def vertex(points: list[tuple[float, float]]) -> float:
    """Where the parabola through three points (in order) is least, within one more step on either side."""
    (a, fa), (b, fb), (c, fc) = points
    left, right = (b - a) * (fb - fc), (b - c) * (fb - fa)
    if not left - right < 0:  # no minimum between or beyond: downhill
        return a - (b - a) if fa < fc else c + (c - b)
    x = b - 0.5 * ((b - a) * left - (b - c) * right) / (left - right)
    return min(max(x, a - (b - a)), c + (c - b))


def least_of(
    function: Callable[[float], float],
    bounds: tuple[float, float],
    per_decade: int,
    accuracy: float,
    fewest: int = 5,
    hopeless: float = math.inf,
    *,
    few: bool = False,
) -> tuple[float, bool]:
    """The minimum over a logarithmic range, and whether it is at the edge: a grid, then a bounded search around its best.

    With a finite ``hopeless`` the grid goes down from the upper end, no further than to that many times its least value (> 0).
    ``few``: by parabolas. ``function`` is infinite where it has no value; where it has none on the grid, the lower bound.
    """
    from scipy.optimize import minimize_scalar

    low, high = math.log(bounds[0]), math.log(bounds[1])
    count = max(fewest, 1 + math.ceil(per_decade * (high - low) / math.log(10)))
    grid = [low + (high - low) * i / (count - 1) for i in range(count)]
    known: dict[float, float] = {}
    for x in grid if hopeless == math.inf else reversed(grid):
        known[x] = function(math.exp(x))
        if hopeless < math.inf and hopeless * min(known.values()) < known[x] < math.inf:
            break
    if not any(map(math.isfinite, known.values())):
        return math.exp(grid[0]), False

    def again(x: float) -> float:
        known[x] = function(math.exp(x))
        return known[x]

    if few:
        _by_parabolas(again, known, (low, high), accuracy)
    else:
        best = min(range(count), key=lambda i: known[grid[i]])
        left, right = grid[max(best - 1, 0)], grid[min(best + 1, count - 1)]
        # Its parabolas do without infinities: what is larger than all there is turns it as well.
        top = 10 * max(abs(value) for value in known.values() if math.isfinite(value))
        minimize_scalar(
            lambda x: min(again(float(x)), top),
            bounds=(left, right),
            method="bounded",
            options={"xatol": accuracy},
        )
    found = min(known, key=known.__getitem__)
    tolerance = 3 * accuracy
    return math.exp(found), found - low < tolerance or high - found < tolerance


def nearby_least(
    function: Callable[[float], float], near: float, bounds: tuple[float, float], accuracy: float
) -> float | None:
    """The minimum around ``near`` by a walk over thirds and parabolas; None where none is met inside ``bounds``."""
    low, high, x = math.log(bounds[0]), math.log(bounds[1]), math.log(near)
    known: dict[float, float] = {}

    def again(x: float) -> float:
        known[x] = function(math.exp(x))
        return known[x]

    for _ in range(_WALK):
        if x - _STRIDE < low or x + _STRIDE > high:
            return None
        triple = [x + k * _STRIDE for k in (-1, 0, 1)]
        values = [again(y) if (y := _among(z, known)) not in known else known[y] for z in triple]
        if not all(map(math.isfinite, values)):
            return None
        best = min(range(3), key=values.__getitem__)
        if best == 1:
            _by_parabolas(again, known, (low, high), accuracy)
            return math.exp(min(known, key=known.__getitem__))
        x = triple[best]
    return None


def _among(x: float, known: Mapping[float, float]) -> float:
    """``x`` as it was asked for before."""
    return next((y for y in known if abs(y - x) < 1e-9), x)


def _by_parabolas(
    ask: Callable[[float], float], known: Mapping[float, float], bounds: tuple[float, float], accuracy: float
) -> None:
    """Ask where the parabola through the best of the ``known`` points and its neighbours is least, until that has been asked.

    Beside a place without a value the longer of the two gaps is halved, of equal ones that to this place.
    """
    for _ in range(_PARABOLAS):
        places = sorted(known)
        best = min(range(len(places)), key=lambda i: known[places[i]])
        if not 0 < best < len(places) - 1:
            # At an edge: half of the way to the neighbour inside.
            inside = places[1] if best == 0 else places[-2]
            x = 0.5 * (places[best] + inside)
        else:
            a, b, c = triple = places[best - 1 : best + 2]
            if all(math.isfinite(known[y]) for y in triple):
                x = min(max(vertex([(y, known[y]) for y in triple]), a), c)
            else:
                left = c - b < b - a - accuracy or (known[a] == math.inf and c - b < b - a + accuracy)
                x = 0.5 * (a + b if left else b + c)
        x = min(max(x, bounds[0]), bounds[1])
        if min(abs(x - y) for y in places) < accuracy:
            return
        ask(x)
