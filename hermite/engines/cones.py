"""Signs of any number of correlated directions through the origin, and their polynomials, exactly.

For S(t) = Π_a sign⟨d_a, t⟩, t ~ N(0, diag(s²)), the heat-smoothed h(τ) = E S(t + τ) has the gradient

    ∂_i h = Σ_a 2 d_ai e^{−⟨d_a,τ⟩²/(2 D_a)}/√(2π D_a) · h_a(τ),     D_ab = Σ_i d_ai d_bi s_i²,

h_a being that of the other signs on the plane ⟨d_a, t⟩ = 0, whose directions are d_b − (D_ab/D_a) d_a: again rational (signs
that become parallel there merge). So the Taylor series of h closes over rationals, square roots and the means of
products of an even number of signs: (2/π) arcsin ρ of two, of four a certified integral (:func:`mean_of_four`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import combinations, permutations, product
from math import factorial
from typing import TYPE_CHECKING

import flint

from hermite.engines.constants import Unsupported
from hermite.engines.forms import Vector, primitive
from hermite.engines.integration import TooManyEvaluations, integrated
from hermite.engines.polar import Plane, arctan_root
from hermite.engines.series import Index, Series, linear_form, ring, times_rational
from hermite.exact.atoms import Atom
from hermite.exact.effort import spend
from hermite.exact.scalars import Scalar

if TYPE_CHECKING:
    import sympy

#: Most values of an integrand, and the cost of one in units of :mod:`hermite.exact.effort`.
_MOST, _COST = 25_000, 40

#: Largest working precision of an integral.
MAX_BITS = 512
ZERO, ONE = Scalar.of(0), Scalar.of(1)


@dataclass(frozen=True)
class Cone:
    """Π_i t_i^{p_i} Π_j sign⟨d_j, t⟩, t_i = ⟨a_i, u⟩ ~ N(0, variances_i) independent.

    ``axes`` a_i orthogonal; ``signs`` the d_j in these coordinates.
    """

    axes: tuple[Vector, ...]
    powers: Index
    signs: tuple[Vector, ...]
    variances: tuple[Fraction, ...]

    def coefficient(self, k: Index) -> Scalar:
        """E[u(t) Π He_{k_i}(t_i/s_i)]; zero if Σ k_i has the wrong parity. Raises :class:`Unsupported`."""
        if (sum(k) + sum(self.powers) + len(self.signs)) % 2:
            return ZERO
        if k not in self._coefficients:
            # x^p He_k(x) = Σ_m a_m He_m(x), and E[S Π He_m(t/s)] = Π s^m ∂^m h(0), as Stein has it.
            series = self._taylor(sum(k) + sum(self.powers))
            rows = [raised(p, i) for p, i in zip(self.powers, k, strict=True)]
            parts = []
            for m in product(*rows):
                if m in series:
                    weight = Fraction(1)
                    for row, i, p, v in zip(rows, m, self.powers, self.variances, strict=True):
                        weight *= row[i] * factorial(i) * v ** ((i + p) // 2)
                    parts.append(series[m] * weight)
            total = Scalar.total(parts)
            for i, v in zip(k, self.variances, strict=True):
                total = total * Scalar.sqrt(v) if i % 2 else total
            self._coefficients[k] = total
        return self._coefficients[k]

    @cached_property
    def _coefficients(self) -> dict[Index, Scalar]:
        return {}

    @cached_property
    def _known(self) -> list[tuple[int, Series]]:
        return []

    def _taylor(self, order: int) -> Series:
        """:func:`heat_series` to ``order`` at least: the longest so far serves for all."""
        if not self._known or self._known[0][0] < order:
            self._known[:] = [(order, heat_series(self.signs, self.variances, order))]
        return self._known[0][1]


@lru_cache(maxsize=1024)
def raised(p: int, k: int) -> dict[int, int]:
    """{m: a_m} with x^p He_k(x) = Σ_m a_m He_m(x)."""
    row = {k: 1}
    for _ in range(p):
        grown: dict[int, int] = {}
        for m, a in row.items():
            grown[m + 1] = grown.get(m + 1, 0) + a
            if m:
                grown[m - 1] = grown.get(m - 1, 0) + m * a
        row = grown
    return row


@lru_cache(maxsize=1024)
def heat_series(signs: tuple[Vector, ...], variances: tuple[Fraction, ...], order: int) -> Series:
    """Taylor coefficients of h(τ) = E Π sign⟨d, t + τ⟩ up to total degree ``order``; absent ones are zero."""
    n = len(variances)
    total: Series = {}
    constant = mean_of_signs(signs, variances)
    if constant.is_zero() is not True:
        total[(0,) * n] = constant
    gradients: list[Series] = [{} for _ in range(n)]
    for a, d in enumerate(signs if order else ()):
        size = covariance(d, d, variances)
        sign, others = merged([projected(e, d, variances) for b, e in enumerate(signs) if b != a])
        density = _density(d, size, order - 1)
        front = Scalar.sqrt(2 / size) * Scalar.sqrt_pi(-1) * sign
        slope = times_rational(heat_series(others, variances, order - 1), density, order - 1)
        for i, x in enumerate(d):
            for alpha, c in slope.items() if x else ():
                value = c * front * x
                gradients[i][alpha] = gradients[i][alpha] + value if alpha in gradients[i] else value
    for i, gradient in enumerate(gradients):
        for alpha, c in gradient.items():
            # Each coefficient is read off the derivative in its first variable.
            if not any(alpha[:i]) and c.is_zero() is not True:
                total[(*alpha[:i], alpha[i] + 1, *alpha[i + 1 :])] = c * Fraction(1, alpha[i] + 1)
    return total


def _density(d: Vector, size: Fraction, order: int) -> flint.fmpq_mpoly:
    """e^{−⟨d,τ⟩²/(2 size)} up to total degree ``order``, a rational polynomial."""
    square = linear_form(d) ** 2 * _fmpq(-1 / (2 * size))
    term = ring(len(d)).constant(1)
    total = term
    for k in range(1, order // 2 + 1):
        term = term * square * flint.fmpq(1, k)
        total += term
    return total


def covariance(a: Vector, b: Vector, variances: Sequence[Fraction]) -> Fraction:
    return sum((x * y * v for x, y, v in zip(a, b, variances, strict=True)), Fraction(0))


def projected(e: Vector, d: Vector, variances: Sequence[Fraction]) -> Vector:
    """The direction of ⟨e, t⟩ given ⟨d, t⟩ = 0."""
    share = covariance(e, d, variances) / covariance(d, d, variances)
    return tuple(x - share * y for x, y in zip(e, d, strict=True))


def merged(directions: Sequence[Vector]) -> tuple[int, tuple[Vector, ...]]:
    """(±1, primitive directions) of a product of signs: the square of a sign is 1."""
    left: set[Vector] = set()
    sign = 1
    for d in directions:
        v, content = primitive(d)
        sign *= 1 if content > 0 else -1
        left ^= {v}
    return sign, tuple(sorted(left))


@lru_cache(maxsize=1024)
def mean_of_signs(signs: tuple[Vector, ...], variances: tuple[Fraction, ...]) -> Scalar:
    """E Π sign⟨d, t⟩; raises :class:`Unsupported` for six signs or more that span more than a plane."""
    if len(signs) % 2:
        return ZERO
    if not signs:
        return ONE
    # Signs that are independent of all others have mean zero.
    if any(all(covariance(d, e, variances) == 0 for e in signs if e != d) for d in signs):
        return ZERO
    rank = int(flint.fmpq_mat([[flint.fmpq(x.numerator, x.denominator) for x in d] for d in signs]).rank())
    if rank == 2:
        return _mean_in_a_plane(signs, variances)
    if len(signs) == 4:
        return mean_of_four(signs, variances)
    raise Unsupported(f"a product of {len(signs)} signs along directions that are not orthogonal")


def _mean_in_a_plane(signs: tuple[Vector, ...], variances: tuple[Fraction, ...]) -> Scalar:
    first = signs[0]
    second = projected(signs[1], first, variances)
    sizes = (covariance(first, first, variances), covariance(second, second, variances))
    if len(signs) == 2:
        share = covariance(signs[1], first, variances)
        rest = covariance(signs[1], signs[1], variances) - share * share / sizes[0]
        angle = arctan_root(share * share / (sizes[0] * rest))
        return angle * (2 if share > 0 else -2) * Scalar.sqrt_pi(-2)
    inside = tuple(
        (covariance(d, first, variances) / sizes[0], covariance(d, second, variances) / sizes[1])
        for d in signs
    )
    return Plane((first, second), (0, 0), inside, sizes).coefficient((0, 0))


def mean_of_four(signs: tuple[Vector, ...], variances: tuple[Fraction, ...]) -> Scalar:
    """E of a product of four signs along (1 − t) 1 + t R from independence, where it vanishes, to R (Plackett 1954).

    dE/dt = Σ_{a<b} R_ab (2/π)²/√(1 − t² R_ab²) arcsin r_cd·ab(t), r the partial correlation of the other two.
    """
    d = tuple(tuple(covariance(a, b, variances) for b in signs) for a in signs)
    squares = {(a, b): d[a][b] * abs(d[a][b]) / (d[a][a] * d[b][b]) for (a, b) in combinations(range(4), 2)}
    sign, key = _canonical(squares)
    text = ", ".join(str(x) for x in key)

    def enclose() -> flint.arb:
        return _integral_of_four(d, max(128, min(int(flint.ctx.prec), MAX_BITS))) * sign

    def symbol() -> sympy.Expr:
        import sympy

        return sympy.Float((_integral_of_four(d, 256) * sign).str(50, radius=False))

    return Scalar.atom(Atom(f"E[four signs of squared correlations {text}]", enclose, symbol)) * sign


def _canonical(squares: dict[tuple[int, int], Fraction]) -> tuple[int, tuple[Fraction, ...]]:
    """(±1, signed squared correlations) by the least of all orders and reflections of the directions."""
    pairs = list(combinations(range(4), 2))
    best: tuple[tuple[Fraction, ...], int] | None = None
    for order in permutations(range(4)):
        for flips in product((1, -1), repeat=4):
            own = tuple(
                squares[min(order[a], order[b]), max(order[a], order[b])] * flips[a] * flips[b]
                for a, b in pairs
            )
            sign = flips[0] * flips[1] * flips[2] * flips[3]
            if best is None or (own, -sign) < (best[0], -best[1]):
                best = (own, sign)
    assert best is not None
    return best[1], best[0]


@lru_cache(maxsize=256)
def _integral_of_four(d: tuple[tuple[Fraction, ...], ...], bits: int) -> flint.arb:
    """The integral over t = 1 − s², D_ab the covariances, of Σ D_ab/√q arctan(m/√(q det)), q = D_aa D_bb − t² D_ab².

    A singular R has det = s² g(s): the root is taken of g, and the arctangent at infinity is analytic in its inverse.
    """
    t = flint.fmpq_poly([1, 0, -1])
    det = _determinant(d)(t)
    det, order = _without_zero(det)
    parts = []
    for a, b in combinations(range(4), 2):
        if d[a][b]:
            c, e = (x for x in range(4) if x not in (a, b))
            q = flint.fmpq_poly([_fmpq(d[a][a] * d[b][b]), 0, _fmpq(-(d[a][b] ** 2))])(t)
            mixed, zeros = _without_zero(_mixed(d, a, b, c, e)(t))
            if mixed.coeffs():
                parts.append((_fmpq(d[a][b]), q, q * det, mixed, zeros - order // 2))

    def integrand(s: flint.acb, analytic: bool) -> flint.acb:
        total = flint.acb(0)
        for front, q, below, mixed, zeros in parts:
            root = flint.acb_poly(below)(s).sqrt(analytic=analytic)
            angle = _angle(flint.acb_poly(mixed)(s), root, s, zeros, analytic)
            total += angle * front / flint.acb_poly(q)(s).sqrt(analytic=analytic)
        return total * 2 * s

    with flint.ctx.workprec(bits + 32):
        try:
            value, _ = integrated(integrand, 0, 1, _MOST, lambda: spend(_COST))
        except TooManyEvaluations as why:
            raise Unsupported(f"the probability of a cone of four directions ({why})") from None
        return value.real * (2 / flint.arb.pi()) ** 2


def _angle(top: flint.acb, bottom: flint.acb, s: flint.acb, zeros: int, analytic: bool) -> flint.acb:
    """arctan(s^zeros top/bottom), as it goes on from real s > 0 where ``bottom`` > 0."""
    if zeros < 0 and not top.real.contains(0):
        return top.real.sgn() * flint.arb.pi() / 2 - _arctan(s**-zeros * bottom / top, analytic)
    return _arctan(top * s**zeros / bottom, analytic)


def _arctan(w: flint.acb, analytic: bool) -> flint.acb:
    """arctan off its cuts; on a real interval at least bounded."""
    if analytic:
        return flint.acb("nan") if w.real.contains(0) and not abs(w.imag) < 1 else w.atan()
    value = w.atan()
    return value if value.is_finite() else flint.acb(flint.arb(0, 1) * (flint.arb.pi() / 2))


def _without_zero(p: flint.fmpq_poly) -> tuple[flint.fmpq_poly, int]:
    """(q, k) with p = s^k q and q(0) ≠ 0; (0, 0) for zero."""
    coefficients = p.coeffs()
    k = next((i for i, c in enumerate(coefficients) if c != 0), 0)
    return flint.fmpq_poly(coefficients[k:]), k


def _determinant(d: tuple[tuple[Fraction, ...], ...]) -> flint.fmpq_poly:
    """det of D with its off-diagonal entries times t."""
    total = flint.fmpq_poly([0])
    for order in permutations(range(4)):
        inversions = sum(order[a] > order[b] for a, b in combinations(range(4), 2))
        weight = Fraction((-1) ** inversions)
        for i, j in enumerate(order):
            weight *= d[i][j]
        total += flint.fmpq_poly([0] * sum(i != j for i, j in enumerate(order)) + [_fmpq(weight)])
    return total


def _mixed(d: tuple[tuple[Fraction, ...], ...], a: int, b: int, c: int, e: int) -> flint.fmpq_poly:
    """The numerator of the partial correlation of c and e given a and b, in t."""
    return flint.fmpq_poly(
        [
            0,
            _fmpq(d[c][e] * d[a][a] * d[b][b]),
            _fmpq(-d[a][c] * d[a][e] * d[b][b] - d[b][c] * d[b][e] * d[a][a]),
            _fmpq(d[a][b] * (d[a][c] * d[b][e] + d[b][c] * d[a][e]) - d[c][e] * d[a][b] ** 2),
        ]
    )


def _fmpq(x: Fraction) -> flint.fmpq:
    return flint.fmpq(x.numerator, x.denominator)
