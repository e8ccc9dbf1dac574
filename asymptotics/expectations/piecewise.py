"""Piecewise polynomial functions of one Gaussian variable: exact truncated moments.

On the pieces between ``kinks`` κ_1 < … < κ_K the function is a polynomial. With h = m + sζ, ζ ~ N(0, 1),

    E[q(h) ζ^j 1(a < h < b)] = Σ_i q^(i)(m) s^i/i! J_{i+j},    J_k = E[ζ^k 1(α < ζ < β)],
    J_k = (k−1) J_{k−2} − [β^{k−1} φ(β) − α^{k−1} φ(α)],

α = (a − m)/s, β = (b − m)/s. relu, |x|, sign, max(x, x/10), relu(x − 0.7)² and polynomials are of this kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.normal_law import normal_cdf
from asymptotics.expectations.quadrature import hermite_values
from hermite.language import expressions as ex
from hermite.language.building import add, negate
from hermite.language.evaluation import constant_value

Array = npt.NDArray[np.float64]
Polynomial = tuple[float, ...]  # coefficients, constant first

_FAR = 38.0  # φ(38) = 0 in floats
_PIECEWISE = frozenset({"relu", "abs", "sign", "heaviside", "max", "min", "sqrt"})


@dataclass(frozen=True)
class PiecewisePolynomial:
    """``pieces[i]`` holds between ``kinks[i-1]`` and ``kinks[i]``; one more piece than kinks."""

    kinks: tuple[float, ...]
    pieces: tuple[Polynomial, ...]

    @property
    def degree(self) -> int:
        return max(len(piece) for piece in self.pieces) - 1

    @property
    def is_polynomial(self) -> bool:
        return all(piece == self.pieces[0] for piece in self.pieces)

    def derivative(self) -> PiecewisePolynomial:
        """The derivative between the kinks (no Dirac mass at a jump)."""
        pieces = tuple(_plain(np.polynomial.polynomial.polyder(piece)) for piece in self.pieces)
        return PiecewisePolynomial(self.kinks, pieces)

    def square(self) -> PiecewisePolynomial:
        pieces = tuple(_plain(np.polynomial.polynomial.polymul(piece, piece)) for piece in self.pieces)
        return PiecewisePolynomial(self.kinks, pieces)

    def coefficients(self, order: int, bias: float = 0.0) -> Array:
        """E[q(x + bias) He_k(x)], k = 0..order, by parts: He_k φ = −(He_{k−1} φ)'.

        E[q^(k)(x + bias)] + Σ_κ Σ_{j<k} [jump of q^(j) at κ] He_{k−1−j}(κ − bias) φ(κ − bias).
        """
        found = np.zeros(order + 1)
        derived = [self]
        while derived[-1].degree > 0:
            derived.append(derived[-1].derivative())
        for k, q in enumerate(derived[: order + 1]):
            found[k] = float(q.expectation(np.full(1, bias), np.ones(1))[0])
        if order == 0 or not self.kinks:
            return found
        at = np.array(self.kinks)
        waves = hermite_values(at - bias, order - 1) * normal_density(at - bias)
        roots = np.sqrt([float(math.factorial(k)) for k in range(order)])
        for j, q in enumerate(derived[:order]):
            jumps = [
                _horner(b, x) - _horner(a, x) for x, a, b in zip(at, q.pieces[:-1], q.pieces[1:], strict=True)
            ]
            found[j + 1 :] += (roots[:, None] * waves)[: order - j] @ np.asarray(jumps, float)
        return found

    def expectation(self, mean: Array, scale: Array, power: int = 0) -> Array:
        """E[q(mean + scale ζ) ζ^power] for arrays that broadcast; scale > 0."""
        return expectations([(self, power)], mean, scale)[0]


def expectations(wanted: Sequence[tuple[PiecewisePolynomial, int]], mean: Array, scale: Array) -> list[Array]:
    """:meth:`PiecewisePolynomial.expectation` of several (q, power) of the same kinks, whose Φ and φ are worked out once."""
    mean, scale = np.broadcast_arrays(np.asarray(mean, float), np.asarray(scale, float))
    kinks = wanted[0][0].kinks
    edges = [None, *(_Edge.at(kink, mean, scale) for kink in kinks), None]
    out = []
    for q, power in wanted:
        total = np.zeros(mean.shape)
        if q.is_polynomial:
            whole = _full_moments(q.degree + power, mean)
            out.append(total + _moments_of(q.pieces[0], mean, scale, whole, power))
            continue
        for piece, low, high in zip(q.pieces, edges[:-1], edges[1:], strict=True):
            if any(piece):
                between = _Between(low, high)
                total = total + _moments_of(piece, mean, scale, between, power)
        out.append(total)
    return out


def _moments_of(
    piece: Polynomial, mean: Array, scale: Array, moments: list[Array] | _Between, power: int
) -> Array:
    """Σ_i q^(i)(mean) scale^i/i! J_{i+power}."""
    total: Array | float = 0.0
    factor: Array | float = 1.0
    for i, coefficients in enumerate(_derivatives(piece)):
        if any(coefficients):
            total = total + _horner(coefficients, mean) / math.factorial(i) * factor * moments[i + power]
        factor = factor * scale
    return np.asarray(total)


@lru_cache(maxsize=256)
def _derivatives(piece: Polynomial) -> tuple[Polynomial, ...]:
    """The coefficients of q, q', q'', … down to the constant."""
    found = [piece]
    while len(found[-1]) > 1:
        found.append(tuple(k * c for k, c in enumerate(found[-1]) if k))
    return tuple(found)


def _horner(coefficients: Polynomial, x: Array) -> Array | float:
    value: Array | float = coefficients[-1]
    for c in coefficients[-2::-1]:
        value = c + value * x
    return value


def _full_moments(order: int, like: Array) -> list[Array]:
    """E ζ^k, k = 0..order, as arrays of the shape of ``like``."""
    values = [1.0, 0.0]
    for k in range(2, order + 1):
        values.append((k - 1) * values[k - 2])
    return [np.full(like.shape, v) for v in values[: order + 1]]


@dataclass(frozen=True)
class _Edge:
    """An end ζ = ``z`` of an interval, with Φ(−z), Φ(z) and φ(z), each worked out where it is asked for."""

    z: Array

    @classmethod
    def at(cls, kink: float, mean: Array, scale: Array) -> _Edge:
        return cls(np.clip((kink - mean) / scale, -_FAR, _FAR))

    @cached_property
    def above(self) -> Array:
        return normal_cdf(-self.z)

    @cached_property
    def below(self) -> Array:
        return normal_cdf(self.z)

    @cached_property
    def density(self) -> Array:
        return normal_density(self.z)


class _Between:
    """J_k = E[ζ^k 1(low < ζ < high)], each worked out where it is asked for; None is an end at infinity."""

    def __init__(self, low: _Edge | None, high: _Edge | None) -> None:
        self.low, self.high = low, high
        self._known: dict[int, Array] = {}

    def __getitem__(self, k: int) -> Array:
        if k not in self._known:
            self._known[k] = self._moment(k) if k else _probability(self.low, self.high)
        return self._known[k]

    def _moment(self, k: int) -> Array:
        value: Array | float = (k - 1) * self[k - 2] if k > 1 else 0.0
        for end, sign in ((self.low, 1.0), (self.high, -1.0)):
            if end is not None:
                value = value + sign * (end.z ** (k - 1) * end.density if k > 1 else end.density)
        return np.asarray(value)


def _probability(low: _Edge | None, high: _Edge | None) -> Array:
    if low is not None and high is not None:
        # Both tails from the nearer side: differences near 1 would lose all digits.
        return np.where(low.z > 0, low.above - high.above, high.below - low.below)
    if low is not None:
        return low.above
    return high.below if high is not None else np.ones(())


def normal_density(x: Array) -> Array:
    """φ(x)."""
    density: Array = np.exp(-0.5 * np.square(x)) / math.sqrt(2 * math.pi)
    return density


def _plain(coefficients: npt.ArrayLike) -> Polynomial:
    return tuple(float(c) for c in np.atleast_1d(np.asarray(coefficients, float)))


def kinks_of(tree: ex.Expression, reach: float = 40.0) -> tuple[float, ...]:
    """Where an argument of relu, abs, sign, max, … changes its sign, by bisection on a fine grid (sorted)."""
    arguments: list[ex.Expression] = []
    for node in ex.postorder(tree):
        if not isinstance(node, ex.Call) or ex.is_constant(node):
            continue
        if node.name in ("relu", "abs", "sign", "heaviside"):
            arguments.append(node.arguments[0])
        elif node.name in ("max", "min"):
            a = node.arguments
            arguments += [add((a[i], negate(a[j]))) for i in range(len(a)) for j in range(i)]
    found: set[float] = set()
    for argument in arguments:
        if ex.is_constant(argument):
            continue
        root = _root_of_affine(argument)
        if root is not None:
            found.update([root] if abs(root) <= reach else [])
            continue
        function = ex.compile_numpy(argument)
        # An even number of cells: 0 is a grid point, and is found exactly.
        grid = np.linspace(-reach, reach, 16001)
        values = function(grid[:, None])
        found.update(grid[np.flatnonzero(values == 0)].tolist() if np.count_nonzero(values == 0) < 50 else [])
        change = np.flatnonzero(values[:-1] * values[1:] < 0)
        low, high = grid[change], grid[change + 1]
        sign = np.sign(values[change])
        for _ in range(60):
            middle = (low + high) / 2
            same = np.sign(function(middle[:, None])) == sign
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        # Adjacent floats remain: take the one at which the argument is smaller.
        better = np.abs(function(low[:, None])) < np.abs(function(high[:, None]))
        found.update(np.where(better, low, high).tolist())
    merged: list[float] = []
    for kink in sorted(found):
        # In units of the standard normal argument.
        if not merged or kink - merged[-1] > 1e-9:
            merged.append(kink)
    return tuple(merged)


def _root_of_affine(tree: ex.Expression) -> float | None:
    """−b/a of a x + b, a ≠ 0; None for other expressions."""
    calls = any(isinstance(node, ex.Call) and not ex.is_constant(node) for node in ex.postorder(tree))
    if calls or ex.degree_bound(tree) > 1:
        return None
    line = _piece_at(tree, 0.0)
    return -line[0] / line[1] + 0.0 if len(line) == 2 else None


def from_tree(tree: ex.Expression, kinks: tuple[float, ...]) -> PiecewisePolynomial | None:
    """The pieces of ``tree`` between ``kinks``, or None if it is not piecewise polynomial."""
    for node in ex.postorder(tree):
        if isinstance(node, ex.Call) and not ex.is_constant(node) and node.name not in _PIECEWISE:
            return None
    edges = [kinks[0] - 1.0 if kinks else 0.0, *kinks, kinks[-1] + 1.0 if kinks else 0.0]
    middles = [(a + b) / 2 for a, b in pairwise(edges)]
    return PiecewisePolynomial(kinks, tuple(_piece_at(tree, x) for x in middles))


def _piece_at(tree: ex.Expression, x: float) -> Polynomial:
    """The polynomial that ``tree`` equals around ``x``."""
    poly = np.polynomial.polynomial
    value: Any
    values: dict[ex.Expression, npt.NDArray[Any]] = {}
    for node in ex.postorder(tree):
        match node:
            case _ if ex.is_constant(node):
                value = np.array([constant_value(node)])
            case ex.Variable():
                value = np.array([0.0, 1.0])
            case ex.Sum():
                value = values[node.terms[0]]
                for term in node.terms[1:]:
                    value = poly.polyadd(value, values[term])
            case ex.Product():
                value = values[node.factors[0]]
                for factor in node.factors[1:]:
                    value = poly.polymul(value, values[factor])
            case ex.Power():
                value = poly.polypow(values[node.base], node.exponent)
            case ex.Hermite():
                lower, value = np.zeros(1), np.ones(1)
                for k in range(node.order):
                    lower, value = value, poly.polysub(poly.polymul(values[node.argument], value), k * lower)
            case ex.Call():
                value = _call_at(node.name, [values[a] for a in node.arguments], x)
            case _:
                raise TypeError(f"not an expression node: {type(node).__name__}")
        values[node] = value
    return _plain(poly.polytrim(values[tree]))


def _call_at(name: str, arguments: list[Array], x: float) -> Array:
    at = [float(np.polynomial.polynomial.polyval(x, a)) for a in arguments]
    first = arguments[0]
    match name:
        case "relu":
            return first if at[0] > 0 else np.zeros(1)
        case "abs":
            return first if at[0] > 0 else -first
        case "sign":
            return np.array([float(np.sign(at[0]))])
        case "heaviside":
            return np.array([(float(np.sign(at[0])) + 1) / 2])
        case "max":
            return arguments[int(np.argmax(at))]
        case _:
            return arguments[int(np.argmin(at))]
