"""Balls that contain every value of an expression over a box, by interval arithmetic (Arb).

Kinks and jumps take the hull of both sides where a ball does not tell them apart, so that a box is never cut wrongly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import factorial, prod
from typing import Any

import flint

from hermite.exact.effort import spend
from hermite.language import nodes as ex

#: Orders from which Hermite polynomials over a ball are bounded at once, and their values kept: so many.
_HIGH, _MOST_KEPT = 24, 1 << 14


def enclosure(e: ex.Expression) -> Callable[[Sequence[flint.arb]], flint.arb]:
    """z (r balls) ↦ a ball that contains e(z) for every z of the box."""
    nodes = ex.postorder(e)
    place = {node: i for i, node in enumerate(nodes)}
    below = [tuple(place[child] for child in ex.children(node)) for node in nodes]
    kept: dict[tuple[Any, ...], flint.arb] = {}

    def function(z: Sequence[flint.arb]) -> flint.arb:
        values: list[flint.arb] = []
        for node, own in zip(nodes, below, strict=True):
            if isinstance(node, ex.Hermite) and node.order >= _HIGH:
                values.append(_high_order(node.order, values[own[0]], kept))
            else:
                values.append(_value(node, [values[i] for i in own], z))
        return values[-1]

    return function


def _high_order(k: int, x: flint.arb, kept: dict[tuple[Any, ...], flint.arb]) -> flint.arb:
    """He_k(x) of a high order: boxes that are halved have few different sides."""
    if not x.is_finite():
        return hermite_value(k, x)
    key = (k, *x.mid().man_exp(), *x.rad().man_exp(), flint.ctx.prec)
    value = kept.get(key)
    if value is None:
        spend(k // 2)
        value = hermite_value(k, x)
        if len(kept) < _MOST_KEPT:
            kept[key] = value
    return value


def _value(e: ex.Expression, x: list[flint.arb], z: Sequence[flint.arb]) -> flint.arb:
    match e:
        case ex.Number():
            return flint.arb(flint.fmpq(e.value.numerator, e.value.denominator))
        case ex.Pi():
            return flint.arb.pi()
        case ex.Variable():
            return z[e.index]
        case ex.Sum():
            return sum(x[1:], start=x[0])
        case ex.Product():
            return prod(x[1:], start=x[0])
        case ex.Power():
            return power(x[0], e.exponent)
        case ex.Hermite():
            return hermite_value(e.order, x[0])
        case ex.Call():
            return _call(e.name, x)
    raise TypeError(f"no enclosure of {type(e).__name__}")


def power(x: flint.arb, k: int) -> flint.arb:
    """x^k over a ball, from its ends where it is monotone; an even power of a ball around 0 begins at 0."""
    low, high = (_point_power(end, abs(k)) for end in (x.lower(), x.upper()))
    value = low.union(high)
    if k % 2 == 0 and x.contains(0):
        value = value.union(flint.arb(0))
    return 1 / value if k < 0 else value


def _point_power(x: flint.arb, k: int) -> flint.arb:
    result = flint.arb(1)
    while k:
        if k % 2:
            result = result * x
        x, k = x * x, k // 2
    return result


def hermite_value(k: int, x: flint.arb) -> flint.arb:
    """He_k(x) over a ball, by He_k' = k He_{k−1} about the midpoint: plain recursion would blow the ball up."""
    low, high = flint.arb(0), flint.arb(1)
    slope, exact = flint.arb(0), x.mid()
    for j in range(k):
        low, high = high, exact * high - j * low
    if k and not x.is_exact():
        if k >= _HIGH:
            slope = k * _bound(k - 1, x)
            return _smaller(high + slope * (x - exact), _bound(k, x))
        bound_low, bound = flint.arb(0), flint.arb(1)
        for j in range(k - 1):
            bound_low, bound = bound, x * bound - j * bound_low
        slope = k * bound
    return high + slope * (x - exact)


def _bound(k: int, x: flint.arb) -> flint.arb:
    """A ball around 0 that holds He_k over a ball: |He_k(x)| ≤ √(k!) e^{x²/4} (Indritz 1961; DLMF 18.14.9)."""
    return (flint.arb(factorial(k)).sqrt() * (abs(x).upper() ** 2 / 4).exp()) * flint.arb(0, 1)


def _smaller(x: flint.arb, y: flint.arb) -> flint.arb:
    """The smaller of two balls that hold the same values."""
    return y if y.rad() < x.rad() else x


def _call(name: str, x: list[flint.arb]) -> flint.arb:
    u = x[0]
    match name:
        case "max" | "min":
            for other in x[1:]:
                u = u.max(other) if name == "max" else u.min(other)
            return u
        case "relu":
            return u.max(flint.arb(0))
        case "abs":
            return abs(u)
        case "sign":
            return _step(u)
        case "heaviside":
            return (_step(u) + 1) / 2
        case "logistic":
            return (_call("tanh", [u / 2]) + 1) / 2
        case "tanh" | "erf" | "sin" | "cos" if not u.is_finite():
            return flint.arb(0, 1)
        case "exp" | "tanh" | "erf" | "sqrt" | "softplus":
            return _increasing(name, u)
        case "sin" | "cos":
            return u.sin() if name == "sin" else u.cos()
    raise TypeError(f"no enclosure of {name}")


def _increasing(name: str, u: flint.arb) -> flint.arb:
    """An increasing function over a ball: the hull of its values at the ends, tighter than the function of the ball."""
    if u.is_exact():
        return _softplus(u) if name == "softplus" else getattr(u, name)()
    return _increasing(name, u.lower()).union(_increasing(name, u.upper()))


def _softplus(u: flint.arb) -> flint.arb:
    return u.max(flint.arb(0)) + (-abs(u)).exp().log1p()


def _step(u: flint.arb) -> flint.arb:
    """sign over a ball; 0 counts as either side, a null set of the inputs."""
    if u > 0:
        return flint.arb(1)
    return flint.arb(-1) if u < 0 else flint.arb(0, 1)
