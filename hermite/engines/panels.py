"""Gauss–Legendre panels along one axis of a Gaussian integral, with a proved error.

N points on a panel of half width w miss the integral of a function that is analytic and at most M on the Bernstein ellipse
of parameter ρ (semi-axes w(ρ ± 1/ρ)/2) by at most (64/15) w M ρ^{−2(N−1)}/(1 − ρ^{−2}) (Trefethen 2008, theorem 4.5). A panel is
halved until at most :data:`MOST_POINTS` points do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import flint

from hermite.engines.constants import Unsupported

#: Points of one panel; panels of one axis.
MOST_POINTS, MOST_PANELS = 18, 600
_RATIOS = [1.15 * 1.09**k for k in range(36)]
#: bound(centre, a, b) of |F| on an ellipse of these semi-axes, all other variables real; inf where unknown.
Bound = Callable[[float, float, float], float]


@dataclass(frozen=True)
class Panel:
    centre: float
    half: float
    points: int


def panels(edges: Sequence[float], bound: Bound, tolerance: float) -> tuple[list[Panel], float]:
    """(panels, proved error of ∫F along this axis) between ``edges``, the error about ``tolerance`` at most.

    ``bound(centre, a, b)`` bounds |F| for real parts within a of the centre and imaginary parts within b of 0.
    """
    length = edges[-1] - edges[0]
    left = [(low, high) for low, high in pairwise(edges) if high > low]
    found: list[Panel] = []
    total = 0.0
    while left:
        low, high = left.pop()
        centre, half = (low + high) / 2, (high - low) / 2
        allowed = tolerance * 2 * half / length
        flat = 2 * half * bound(centre, half, 0.0)
        if flat <= allowed:
            total += flat
            continue
        points, error = _points(centre, half, bound, allowed)
        if points:
            found.append(Panel(centre, half, points))
            total += error
            continue
        if len(found) + len(left) > MOST_PANELS or half < 1e-7 * (1 + abs(centre)):
            raise Unsupported("a function too steep, or with poles too near, for panels")
        left += [(low, centre), (centre, high)]
    return found, total


def _points(centre: float, half: float, bound: Bound, allowed: float) -> tuple[int, float]:
    """(fewest points, error); (0, 0) where MOST_POINTS are too few."""
    best, error = 0, 0.0
    for rho in _RATIOS:
        m = bound(centre, half * (rho + 1 / rho) / 2, half * (rho - 1 / rho) / 2)
        if not math.isfinite(m):
            break
        front = 64 / 15 * half * m / (1 - rho**-2)
        n = 2 if front <= allowed else 2 + math.ceil(math.log(front / allowed) / (2 * math.log(rho)))
        if n <= MOST_POINTS and (not best or n < best):
            best, error = n, front * rho ** (-2 * (n - 1)) * (1 + 1e-9)
    return best, error


@lru_cache(maxsize=64)
def rule(points: int) -> tuple[tuple[flint.arb, flint.arb], ...]:
    """Nodes and weights on [−1, 1]."""
    with flint.ctx.workprec(96):
        return tuple(flint.arb.legendre_p_root(points, k, weight=True) for k in range(points))
