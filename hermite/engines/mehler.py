"""Two functions along directions that are not orthogonal: Mehler's expansion with a proved tail.

With x, y standard of correlation ρ and ĉ_n(u) = E[u(x) He_n(x)]/√n!,

    h(μ) = E[u(x + μ_x) v(y + μ_y)],   ∂_x^i ∂_y^k h(0) = Σ_j ρ^j √((i+j)! (k+j)!)/j! · ĉ_{i+j}(u) ĉ_{k+j}(v),

whose tail beyond J is at most sup_{j>J} (weight) · (E u² E v²)^{1/2} (Cauchy–Schwarz). All ĉ_n of a function come from one
trapezoid sum (:mod:`hermite.engines.trapezoid`), of a piecewise polynomial from a recursion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import flint

from hermite.engines.certified import describe
from hermite.engines.constants import Unsupported
from hermite.engines.forms import Vector
from hermite.engines.trapezoid import BITS, normalised_coefficients, root_mean_square
from hermite.engines.univariate import Univariate
from hermite.exact.atoms import Atom
from hermite.exact.effort import Memo
from hermite.exact.scalars import Scalar

if TYPE_CHECKING:
    import sympy

ZERO, ONE = Scalar.of(0), Scalar.of(1)
#: Most terms of a sum; correlations that need more are refused.
MAX_TERMS = 600
#: Accuracy of a sum in bits, relative to the root mean squares of the two functions.
_TAIL_BITS = 60


@dataclass(frozen=True)
class Pair:
    """Σ weight · u(t_1) v(m_1 t_1 + m_2 t_2), t_i = ⟨a_i, z⟩ ~ N(0, variances_i) independent.

    ``axes`` (a_1, a_2) orthogonal, m = ``second`` the direction of the second function in them.
    """

    axes: tuple[Vector, ...]
    parts: tuple[tuple[Fraction, Univariate, Univariate], ...]
    second: Vector
    variances: tuple[Fraction, ...]

    @cached_property
    def _square(self) -> Fraction:
        """ρ² of the two directions."""
        along, across = (m * m * s for m, s in zip(self.second, self.variances, strict=True))
        return along / (along + across)

    def coefficient(self, index: tuple[int, ...]) -> Scalar:
        """E[f He_k(t_1/s_1) He_m(t_2/s_2)], (k, m) = ``index``: y = ρ x ± √(1 − ρ²) x_2."""
        k, m = index
        rho = Scalar.sqrt(self._square) * (1 if self.second[0] > 0 else -1)
        rest = (Scalar.sqrt(1 - self._square) * (1 if self.second[1] > 0 else -1)) ** m
        total = ZERO
        for weight, u, v in self.parts:
            for j in range(k + 1):
                total = total + rho**j * self._derivative(u, v, k - j, m + j) * (math.comb(k, j) * weight)
        return total * rest

    def reaches(self, order: int) -> None:
        """Raise :class:`Unsupported` where the sums of some coefficient of an order would be too long."""
        with flint.ctx.workprec(BITS):
            square = flint.arb(flint.fmpq(self._square.numerator, self._square.denominator))
            _weights(square.sqrt(), order // 2, order - order // 2)

    def _derivative(self, u: Univariate, v: Univariate, i: int, k: int) -> Scalar:
        parities = (u.parity, v.parity)
        if None not in parities and (i - k + sum(p == "odd" for p in parities)) % 2:
            return ZERO
        sign = 1 if self.second[0] > 0 else -1
        names = sorted((describe(u, i), describe(v, k)))
        rho = f"{'' if sign > 0 else '-'}sqrt({self._square})"

        def enclose() -> flint.arb:
            return mehler_sum(u, v, i, k, self._square, sign)

        def symbol() -> sympy.Expr:
            import sympy

            return sympy.Float(enclose().str(30, radius=False))

        return Scalar.atom(Atom(f"E[{names[0]} {names[1]} correlation {rho}]", enclose, symbol))


_SUMS: Memo[flint.arb] = Memo(4096)


def mehler_sum(u: Univariate, v: Univariate, i: int, k: int, square: Fraction, sign: int) -> flint.arb:
    """A ball around ∂_x^i ∂_y^k h(0); raises :class:`Unsupported` where it would take more than 600 terms."""
    return _SUMS.get(("Mehler", u, v, i, k, square, sign), lambda: _summed(u, v, i, k, square, sign))


def _summed(u: Univariate, v: Univariate, i: int, k: int, square: Fraction, sign: int) -> flint.arb:
    with flint.ctx.workprec(BITS):
        rho = flint.arb(flint.fmpq(square.numerator, square.denominator)).sqrt()
        count, weights = _weights(rho, i, k)
        first = normalised_coefficients(u, count + i)
        second = normalised_coefficients(v, count + k)
        total = flint.arb(0)
        for j in range(count):
            term = weights[j] * first[i + j] * second[k + j]
            total += -term if sign < 0 and j % 2 else term
        tail = weights[count] * root_mean_square(u) * root_mean_square(v)
        return total + flint.arb(0, tail.upper())


def _weights(rho: flint.arb, i: int, k: int) -> tuple[int, list[flint.arb]]:
    """(J, w_0..w_J), w_j = ρ^j √((i+j)! (k+j)!)/j!, with w_j falling from J on and w_J < 2^−60."""
    weights = [(flint.arb.fac_ui(i) * flint.arb.fac_ui(k)).sqrt()]
    while True:
        j = len(weights)
        # The ratio falls to ρ, so that what falls once goes on falling.
        ratio = rho * flint.arb((i + j) * (k + j)).sqrt() / j
        weights.append(weights[-1] * ratio)
        if ratio < 1 and weights[-1] < flint.arb(2) ** -_TAIL_BITS:
            return j, weights
        if j > MAX_TERMS:
            raise Unsupported("a product of functions along two directions that are nearly parallel")
