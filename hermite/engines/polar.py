"""Two correlated signs and their polynomials: E[t_1^p t_2^q Π sign(⟨d_j, t⟩) He_k(t_1/s_1) He_m(t_2/s_2)], exactly.

In polar coordinates (ρ, θ) of the plane the integrand is homogeneous: E ρ^n = n E ρ^(n−2), E ρ = √(π/2), times sums of
antiderivatives of cos^i θ sin^j θ at the angles where a sign flips. Angles are π times a rational, or arctan √q.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import flint

from hermite.engines.forms import Vector
from hermite.engines.hermite_rows import hermite_row
from hermite.engines.univariate import ONE, ZERO
from hermite.exact.atoms import Atom
from hermite.exact.scalars import Scalar

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class Plane:
    """t_1^p t_2^q Π_j sign(⟨d_j, t⟩), t_i = ⟨a_i, u⟩ ~ N(0, variances_i) independent.

    ``axes`` (a_1, a_2) orthogonal; ``signs`` the d_j in these coordinates: t = Σ (d_j)_i t_i.
    """

    axes: tuple[Vector, ...]
    powers: tuple[int, ...]
    signs: tuple[Vector, ...]
    variances: tuple[Fraction, ...]

    def coefficient(self, index: tuple[int, ...]) -> Scalar:
        """E[u(t) He_k(t_1/s_1) He_m(t_2/s_2)], (k, m) = ``index``; zero if k + m has the wrong parity."""
        k, m = index
        if (k + m + sum(self.powers) + len(self.signs)) % 2:
            return ZERO
        if (k, m) not in self._coefficients:
            total = ZERO
            for i, a in enumerate(hermite_row(k)):
                for j, b in enumerate(hermite_row(m)):
                    if a * b:
                        total = total + self._moment(i + self.powers[0], j + self.powers[1]) * (a * b)
            sizes = [Scalar.sqrt(v) ** p for v, p in zip(self.variances, self.powers, strict=True)]
            self._coefficients[k, m] = total * sizes[0] * sizes[1]
        return self._coefficients[k, m]

    @cached_property
    def _coefficients(self) -> dict[tuple[int, int], Scalar]:
        return {}

    @cached_property
    def _moments(self) -> dict[tuple[int, int], Scalar]:
        return {}

    def _moment(self, i: int, j: int) -> Scalar:
        """E[x^i y^j Π signs], x and y standard: radial moment times the mean over the angle in (−π/2, π/2)."""
        if (i, j) not in self._moments:
            sign, total = self._first_sign, ZERO
            places = [(ZERO, -ONE, -_HALF_TURN), *self._flips, (ZERO, ONE, _HALF_TURN)]
            values = [_antiderivative(i, j, *place) for place in places]
            for below, above in pairwise(values):
                total = total + (above - below) * sign
                sign = -sign
            self._moments[i, j] = total * _radial(i + j) * Scalar.sqrt_pi(-2)
        return self._moments[i, j]

    @cached_property
    def _first_sign(self) -> int:
        """Π signs just after θ = −π/2."""
        sign = 1
        for x, y in self.signs:
            sign *= -1 if y > 0 or (y == 0 and x < 0) else 1
        return sign

    @cached_property
    def _flips(self) -> list[tuple[Scalar, Scalar, Scalar]]:
        """(cos θ, sin θ, θ) of the angles in (−π/2, π/2] at which a sign flips, by rising angle."""
        v, w = self.variances
        keyed = []
        for x, y in self.signs:
            if y == 0:
                keyed.append((1, Fraction(0), (ZERO, ONE, _HALF_TURN)))
                continue
            # The direction orthogonal to (x √v, y √w) has tan θ = −x √v / (y √w).
            tangent2 = Fraction(x * x * v, y * y * w)
            side = -1 if x * y > 0 else 1
            cosine = Scalar.sqrt(1 / (1 + tangent2))
            sine = Scalar.sqrt(tangent2 / (1 + tangent2)) * side
            keyed.append((0, side * tangent2, (cosine, sine, arctan_root(tangent2) * side)))
        return [place for *_, place in sorted(keyed, key=lambda item: item[:2])]


_HALF_TURN = Scalar.sqrt_pi(2) * Fraction(1, 2)


def arctan_root(q: Fraction) -> Scalar:
    """arctan √q for rational q ≥ 0: π times a rational where it is one, and at most π/4 as an opaque constant."""
    known: dict[Fraction, int | Fraction] = {
        Fraction(0): 0,
        Fraction(1, 3): Fraction(1, 6),
        Fraction(1): Fraction(1, 4),
        Fraction(3): Fraction(1, 3),
    }
    if q in known:
        return Scalar.sqrt_pi(2) * known[q]
    if q > 1:
        return _HALF_TURN - arctan_root(1 / q)

    def enclose() -> flint.arb:
        return flint.arb(flint.fmpq(q.numerator, q.denominator)).sqrt().atan()

    def symbol() -> sympy.Expr:
        import sympy

        return sympy.atan(sympy.sqrt(sympy.Rational(q.numerator, q.denominator)))

    return Scalar.atom(Atom(f"atan(sqrt({q}))", enclose, symbol))


def _radial(n: int) -> Scalar:
    """E ρ^n of a plane Gaussian: n!! for even n, n!! √(π/2) for odd n."""
    value = Scalar.sqrt_pi(1) * Scalar.sqrt(Fraction(1, 2)) if n % 2 else ONE
    for k in range(n, 1, -2):
        value = value * k
    return value


def _antiderivative(i: int, j: int, c: Scalar, s: Scalar, theta: Scalar) -> Scalar:
    """∫ cos^i sin^j dθ at an angle θ with cosine c and sine s."""
    if i == 0 and j == 0:
        return theta
    if i == 1:
        return s ** (j + 1) * Fraction(1, j + 1)
    if j == 1:
        return -(c ** (i + 1)) * Fraction(1, i + 1)
    if j >= 2:
        rest = _antiderivative(i, j - 2, c, s, theta)
        return (rest * (j - 1) - c ** (i + 1) * s ** (j - 1)) * Fraction(1, i + j)
    return (_antiderivative(i - 2, j, c, s, theta) * (i - 1) + c ** (i - 1) * s) * Fraction(1, i)
