"""Expressions over arrays of complex discs with real centres: values, bounds and rounding errors in one sweep.

A disc is (c, r): every w with |w − c| ≤ r, c real. Sums, products and the functions of an expression take discs to discs that
hold all images (r = 0: a value with its rounding). Where a kink or jump may lie, a first sweep over *real* cells tells on which
side of it each cell lies; the function of that side is analytic, and the sweeps over complex discs go on with it. Where the side
is not told, the real sweep takes the hull of both, the complex one is unbounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hermite.engines.constants import Unsupported
from hermite.language import nodes as ex
from hermite.language.enclosure import enclosure
from hermite.language.printing import to_text

Array = NDArray[np.float64]
Disc = tuple[Array, Array]
#: Of every piece of an expression with a kink or jump (its node, its place in a maximum): 1, −1, or 0 where it is not told.
Sides = dict[tuple[ex.Expression, int], NDArray[np.int8]]
#: Rounding of one operation, that of functions (a few units in the last place) included, and that of radii.
ROUNDING, _RADII = 2e-15, 1 + 1e-13
_JUMPS = ("sign", "heaviside", "abs", "relu")


def values(tree: ex.Expression, x: Sequence[Disc], sides: Sides, *, real: bool = False) -> Disc:
    """The disc of ``tree`` over the discs ``x`` of its variables, which broadcast.

    ``real``: the discs are real intervals, and ``sides`` is filled in; else it is read. Raises :class:`Unsupported` for a
    function that has no rule.
    """
    done: dict[ex.Expression, Disc] = {}
    with np.errstate(all="ignore"):
        for node in ex.postorder(tree):
            done[node] = _value(node, done, x, sides, real)
        mid, rad = done[tree]
        # What is not a number anywhere is not bounded there.
        lost = ~(np.isfinite(mid) & np.isfinite(rad))
        return np.where(lost, 0.0, mid), np.where(lost, np.inf, rad)


def _value(
    e: ex.Expression, done: dict[ex.Expression, Disc], x: Sequence[Disc], sides: Sides, real: bool
) -> Disc:
    if ex.is_constant(e):
        ball = enclosure(e)([])
        mid = float(ball.mid())
        return np.array(mid), np.array(float(ball.rad()) * _RADII + abs(mid) * ROUNDING)
    if isinstance(e, ex.Variable):
        return x[e.index]
    below = [done[child] for child in ex.children(e)]
    match e:
        case ex.Sum():
            total = below[0]
            for other in below[1:]:
                total = _rounded(total[0] + other[0], total[1] + other[1])
            return total
        case ex.Product():
            total = below[0]
            for other in below[1:]:
                total = product(total, other)
            return total
        case ex.Power():
            return _power(below[0], e.exponent, real)
        case ex.Hermite():
            return _hermite(e.order, below[0])
        case ex.Call() if e.name in ("max", "min"):
            best = below[0]
            for place, other in enumerate(below[1:]):
                best = _extreme(e, place, best, other, sides, real)
            return best
        case ex.Call() if e.name in _JUMPS:
            return _jump(e, below[0], sides, real)
        case ex.Call():
            return _smooth(e.name, below[0], real)
    raise Unsupported(f"{to_text(e)} has no bound over discs")


def _rounded(mid: Array, rad: Array) -> Disc:
    return mid, rad * _RADII + np.abs(mid) * ROUNDING


def product(a: Disc, b: Disc) -> Disc:
    return _rounded(a[0] * b[0], np.abs(a[0]) * b[1] + np.abs(b[0]) * a[1] + a[1] * b[1])


def _power(u: Disc, k: int, real: bool) -> Disc:
    c, r = u
    top = (np.abs(c) + r) ** k
    if real and k % 2 == 0:
        # An interval of its own: no square is negative.
        low = np.maximum(np.abs(c) - r, 0.0) ** k
        return (top + low) / 2, (top - low) / 2 * _RADII + top * (k * ROUNDING)
    return c**k, (top - np.abs(c) ** k) * _RADII + top * (k * ROUNDING)


def _hermite(k: int, u: Disc) -> Disc:
    """He_k(c + δ) = Σ_j C(k, j) He_{k−j}(c) δ^j."""
    c, r = u
    rows, sizes = [np.ones_like(c), c], [np.ones_like(c), np.abs(c)]
    for j in range(1, k):
        rows.append(c * rows[j] - j * rows[j - 1])
        sizes.append(np.abs(c) * sizes[j] + j * sizes[j - 1])
    rad = np.zeros(np.broadcast(c, r).shape)
    # Horner's rule: powers of arrays are dear.
    for j in range(k, 0, -1):
        rad = (rad + comb(k, j) * (np.abs(rows[k - j]) + sizes[k - j] * (k * ROUNDING))) * r
    return rows[k], rad * _RADII + sizes[k] * (k * ROUNDING)


def hermite_tops(order: int, size: Array) -> list[Array]:
    """Bounds of |He_k(w)|/√k! for |w| ≤ ``size``, k ≤ ``order``: He_k with all signs positive."""
    rows = [np.ones_like(size), size]
    for k in range(1, order):
        rows.append((size * rows[k] + np.sqrt(k) * rows[k - 1]) / np.sqrt(k + 1))
    return rows[: order + 1]


def _side(sides: Sides, key: tuple[ex.Expression, int], gap: Disc, real: bool) -> NDArray[np.int8]:
    if real:
        sides[key] = np.where(np.abs(gap[0]) > gap[1], np.sign(gap[0]), 0).astype(np.int8)
    return sides[key]


def _jump(e: ex.Call, u: Disc, sides: Sides, real: bool) -> Disc:
    side = _side(sides, (e, 0), u, real)
    c, r = u
    open_ = np.full_like(c, np.inf)
    match e.name:
        case "sign":
            return side + 0.0 * c, np.where(side == 0, 1.0 if real else open_, 0.0)
        case "heaviside":
            return (side + 1) / 2 + 0.0 * c, np.where(side == 0, 0.5 if real else open_, 0.0)
        case "abs":
            top = (np.abs(c) + r) / 2
            return np.where(side == 0, top, side * c), np.where(side == 0, top if real else open_, r)
    top = np.maximum(c + r, 0.0) / 2
    mid = np.where(side == 0, top, np.where(side > 0, c, 0.0))
    return mid, np.where(side == 0, top if real else open_, np.where(side > 0, r, 0.0))


def _extreme(e: ex.Call, place: int, a: Disc, b: Disc, sides: Sides, real: bool) -> Disc:
    side = _side(sides, (e, place), _rounded(a[0] - b[0], a[1] + b[1]), real)
    best = np.maximum if e.name == "max" else np.minimum
    first = (side > 0) == (e.name == "max")
    low, high = best(a[0] - a[1], b[0] - b[1]), best(a[0] + a[1], b[0] + b[1])
    hull = (low + high) / 2, (high - low) / 2 * _RADII + (np.abs(low) + np.abs(high)) * ROUNDING
    mid = np.where(side == 0, hull[0], np.where(first, a[0], b[0]))
    rad = np.where(side == 0, hull[1] if real else np.inf, np.where(first, a[1], b[1]))
    return mid, rad


def _smooth(name: str, u: Disc, real: bool) -> Disc:
    c, r = u
    match name:
        case "exp":
            if real:
                low, high = np.exp(c - r), np.exp(c + r)
                return _rounded((low + high) / 2, (high - low) / 2 + high * ROUNDING)
            # e^c (e^r − 1), where neither factor overflows that the product does not.
            return _rounded(np.exp(c), np.exp(c + r) * -np.expm1(-r))
        case "sin" | "cos":
            own, other = (np.sin(c), np.cos(c)) if name == "sin" else (np.cos(c), np.sin(c))
            # cosh r − 1 = 2 sinh²(r/2).
            rad = np.abs(own) * 2 * np.sinh(r / 2) ** 2 + np.abs(other) * np.sinh(r)
            return _rounded(own, np.minimum(np.minimum(rad, r), 2.0) if real else rad)
        case "tanh":
            return _tanh(c, r, real)
        case "logistic":
            mid, rad = _tanh(c / 2, r / 2, real)
            # Rounding relative to 1, as 1 + tanh cancels for negative arguments.
            return (mid + 1) / 2, rad / 2 * _RADII + ROUNDING
        case "erf":
            # |erf′(w)| = (2/√π) e^{−Re w²}, Re w² ≥ c² − 2 |c| r − r² on the disc.
            rad = 2 / np.sqrt(np.pi) * r * np.exp(-c * c + 2 * np.abs(c) * r + r * r)
            if real:
                near = np.maximum(np.abs(c) - r, 0.0)
                rad = np.minimum(2 / np.sqrt(np.pi) * r * np.exp(-near * near), 2.0)
            return _rounded(special.erf(c), rad)
        case "softplus":
            # |logistic| ≤ 1 for |Im w| ≤ π/2, ≤ 1/sin|Im w| below π.
            slope = np.where(r <= np.pi / 2, 1.0, np.where(r < 3.1, 1 / np.sin(np.minimum(r, 3.1)), np.inf))
            return _rounded(np.logaddexp(0.0, c), r if real else r * slope)
    raise Unsupported(f"{name} has no bound over discs")


def _tanh(c: Array, r: Array, real: bool) -> Disc:
    """tanh(c + δ) − T = t (1 − T²)/(1 + T t), |t| = |tanh δ| ≤ tan r; far from 0 by |tanh w − ±1| ≤ 2 e^{−2x}/(1 − e^{−2x})."""
    fall = np.exp(-2 * np.abs(c))
    t = np.where(r < 1.5, np.tan(np.minimum(r, 1.5)), np.inf)
    size = np.tanh(np.abs(c))
    below = 1 - size * t
    near = np.where(below > 0, t * 4 * fall / (1 + fall) ** 2 / below, np.inf)
    edge = np.exp(-2 * (np.abs(c) - r))
    far = np.where(edge < 0.9, 2 * edge / (1 - edge) + 2 * fall, np.inf)
    rad = np.minimum(near, far)
    return _rounded(np.tanh(c), np.minimum(np.minimum(rad, r), 2.0) if real else rad)
