"""The range of an expression over all inputs, and a power of |z| that bounds it: intervals of floats, rounded outwards."""

from __future__ import annotations

from math import exp, inf, isfinite, log1p, tanh

from hermite.engines.constants import Unsupported
from hermite.language import nodes as ex
from hermite.language.enclosure import enclosure
from hermite.language.printing import to_text

Interval = tuple[float, float]
_BOUNDED = frozenset({"sin", "cos", "erf", "sign"})


def growth(tree: ex.Expression) -> tuple[float, int]:
    """(C, D) with |f(z)| ≤ C (1 + |z|)^D; raises :class:`Unsupported` where none is proved."""
    ranges: dict[ex.Expression, Interval] = {}
    bounds: dict[ex.Expression, tuple[float, int]] = {}
    try:
        for node in ex.postorder(tree):
            ranges[node] = low, high = _outwards(_range(node, ranges))
            size = max(abs(low), abs(high))
            bounds[node] = (size, 0) if isfinite(size) else _growth(node, bounds)
    except OverflowError:
        raise Unsupported("a function too large for the floats of its bound") from None
    if not isfinite(bounds[tree][0]):
        raise Unsupported("a function too large for the floats of its bound")
    return bounds[tree]


def ranged(e: ex.Expression, known: dict[ex.Expression, Interval]) -> Interval:
    """(low, high) with low ≤ e(z) ≤ high for every z; ``known`` keeps those of sub-expressions."""
    if e not in known:
        for node in ex.postorder(e):
            if node not in known:
                try:
                    known[node] = _outwards(_range(node, known))
                except OverflowError:
                    known[node] = -inf, inf
    return known[e]


def _growth(e: ex.Expression, bounds: dict[ex.Expression, tuple[float, int]]) -> tuple[float, int]:
    below = [bounds[child] for child in ex.children(e)]
    match e:
        case ex.Variable():
            return 1.0, 1
        case ex.Sum():
            return sum(c for c, _ in below) * (1 + 1e-12), max(d for _, d in below)
        case ex.Product():
            size, degree = 1.0, 0
            for c, d in below:
                size, degree = size * c * (1 + 1e-12), degree + d
            return size, degree
        case ex.Power():
            return below[0][0] ** e.exponent * (1 + 1e-9), below[0][1] * e.exponent
        case ex.Hermite():
            # He_k with all signs positive, at C (1 + |z|)^D.
            low, high = 1.0, below[0][0]
            for k in range(1, e.order):
                low, high = high, below[0][0] * high + k * low
            return high * (1 + 1e-9), below[0][1] * e.order
        case ex.Call() if e.name in ("max", "min"):
            return max(c for c, _ in below), max(d for _, d in below)
        case ex.Call() if e.name in ("abs", "relu"):
            return below[0]
        case ex.Call() if e.name == "softplus":
            return below[0][0] + 1.0, below[0][1]
    raise Unsupported(f"{to_text(e)} is not proved to be bounded by a polynomial")


def _range(e: ex.Expression, ranges: dict[ex.Expression, Interval]) -> Interval:
    if ex.is_constant(e):
        ball = enclosure(e)([])
        return float(ball.lower()), float(ball.upper())
    below = [ranges[child] for child in ex.children(e)]
    match e:
        case ex.Variable():
            return -inf, inf
        case ex.Sum():
            return sum(low for low, _ in below), sum(high for _, high in below)
        case ex.Product():
            total = below[0]
            for other in below[1:]:
                ends = [_times(x, y) for x in total for y in other]
                total = min(ends), max(ends)
            return total
        case ex.Power():
            low, high = below[0]
            powers = low**e.exponent, high**e.exponent
            if e.exponent % 2:
                return powers
            return 0.0 if low <= 0 <= high else min(powers), max(powers)
        case ex.Call():
            return _call(e.name, below)
    return -inf, inf


def _call(name: str, below: list[Interval]) -> Interval:
    low, high = below[0]
    match name:
        case "max" | "min":
            best = max if name == "max" else min
            return best(a for a, _ in below), best(b for _, b in below)
        case "relu":
            return max(low, 0.0), max(high, 0.0)
        case "abs":
            return (0.0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))
        case "exp":
            return _exp(low), _exp(high)
        case "softplus":
            return max(low, 0.0), max(high, 0.0) + log1p(_exp(-abs(high)))
        case "heaviside" | "logistic":
            return 0.0, 1.0
        case "tanh":
            return tanh(low), tanh(high)
        case _ if name in _BOUNDED:
            return -1.0, 1.0
    return -inf, inf


def _exp(x: float) -> float:
    return exp(x) if x < 700 else inf


def _times(x: float, y: float) -> float:
    return 0.0 if x == 0 or y == 0 else x * y


def _outwards(own: Interval) -> Interval:
    low, high = own
    if low != low or high != high:
        return -inf, inf
    return low - abs(low) * 1e-12, high + abs(high) * 1e-12
