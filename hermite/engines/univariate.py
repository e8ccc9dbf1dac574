"""Hermite coefficients of functions of one Gaussian variable: E[u(t) He_n(t/s)], t ~ N(0, s²).

u(t) = t^m Π sign(t + θ_j) Π g(c t + e) exp(a t + b t²), g among tanh, erf, sin, cos, log 2cosh(·/2) and the
bounded functions of :mod:`hermite.engines.composite`. Closed forms:

* signs only (piecewise polynomials): partial moments T_q(x0) = E[x^q 1{x > x0}], T_0 = (1 − erf(x0/√2))/2,
  T_1 = φ(x0), T_q = x0^(q−1) φ(x0) + (q − 1) T_(q−2); with an exp under the Gaussian weight N(αv, v) of the next line;
* exp, sin, cos: E[x^q e^{αx − βx²}] = e^{α²v/2} √v E_{N(αv, v)}[x^q], v = 1/(1 + 2β), with complex α;
* one erf: E[erf(cx + e) He_j] = E[g^(j−1)], g the Gaussian derivative, and erf(e/√(1 + 2c²)) for j = 0;
* one log 2cosh: in the same way by its derivative, a tanh, but for j = 0.

The rest is an opaque constant known by a certified integral (:mod:`hermite.engines.certified`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from hermite.engines.certified import integral
from hermite.engines.composite import mirrored_name, parity
from hermite.engines.constants import (
    inverse_of,
    scalar_exp,
    scalar_sqrt,
    sign_of,
    special_value,
)
from hermite.engines.hermite_rows import hermite_row
from hermite.exact.effort import Memo
from hermite.exact.scalars import Scalar

#: (name, scale, offset, power) of a factor name(scale·t + offset)^power.
Factor = tuple[str, Scalar, Scalar, int]
ZERO, ONE = Scalar.of(0), Scalar.of(1)


@dataclass(frozen=True)
class Univariate:
    """t^power Π sign(t + θ) Π factors · exp(tilt t + quadratic t²) with t ~ N(0, variance)."""

    power: int
    thresholds: tuple[Scalar, ...]
    factors: tuple[Factor, ...]
    tilt: Scalar
    quadratic: Scalar
    variance: Fraction

    # Fractions and constants are slow to hash, and functions are looked up often.
    @cached_property
    def _hash(self) -> int:
        own = (self.power, self.thresholds, self.factors, self.tilt, self.quadratic, self.variance)
        return hash(own)

    def __hash__(self) -> int:
        return self._hash

    @property
    def parity(self) -> str | None:
        """ "even", "odd" or None: a proof that every other coefficient is zero."""
        if self.tilt.is_zero() is not True or any(e.is_zero() is not True for _, _, e, _ in self.factors):
            return None
        shifts = [theta for theta in self.thresholds if theta.is_zero() is not True]
        if any(-theta not in shifts for theta in shifts):
            return None
        parities = [(parity(name), k) for name, _, _, k in self.factors]
        if any(own == 0 for own, _ in parities):
            return None
        odd = self.power + len(self.thresholds) - len(shifts) + sum(k for own, k in parities if own < 0)
        return "odd" if odd % 2 else "even"

    @cached_property
    def is_one(self) -> bool:
        return self.is_power and not self.power

    @property
    def is_power(self) -> bool:
        """Whether it is t^power alone."""
        return self == Univariate(self.power, (), (), ZERO, ZERO, self.variance)

    @property
    def is_integrable(self) -> bool:
        """Whether the Gaussian outweighs e^{quadratic t²}."""
        return (
            self.quadratic.is_zero() is True
            or sign_of(ONE - self.quadratic * Scalar.of(2 * self.variance)) > 0
        )

    def mirrored(self) -> tuple[Univariate, int]:
        """(v, σ) with u(−t) = σ v(t), v of the same kind."""
        odd = self.power + len(self.thresholds)
        factors = []
        for name, c, e, k in self.factors:
            mirror, sign = mirrored_name(name)
            factors.append((mirror, c, -e, k))
            odd += k if sign < 0 else 0
        return Univariate(
            self.power,
            tuple(sorted((-theta for theta in self.thresholds), key=str)),
            tuple(sorted(factors, key=str)),
            -self.tilt,
            self.quadratic,
            self.variance,
        ), (-1 if odd % 2 else 1)

    def coefficient(self, n: int) -> Scalar:
        """E[u(t) He_n(t/s)]; a zero by parity is exact."""
        parity = self.parity
        if (parity == "even" and n % 2) or (parity == "odd" and n % 2 == 0):
            return ZERO
        return self._cached(n)

    @cached_property
    def _table(self) -> Memo[Scalar]:
        return Memo(1000)

    def _cached(self, n: int) -> Scalar:
        return self._table.get(("coefficient", self, n), lambda: self._closed_form(n))

    @cached_property
    def s(self) -> Scalar:
        return Scalar.sqrt(self.variance)

    def _closed_form(self, n: int) -> Scalar:
        weight = self.s**self.power
        row = _times_power(hermite_row(n), self.power)
        if self.is_power:
            return weight * _combine(row, _full_moments(len(row)))
        names = {name for name, *_ in self.factors}
        smooth = self.tilt.is_zero() is True and self.quadratic.is_zero() is True
        if not self.factors and self.thresholds and self._precision is not None:
            return weight * self._piecewise(row)
        if not self.thresholds and names <= {"sin", "cos"} and self._precision is not None:
            return weight * self._waves(row)
        single = len(self.factors) == 1 and self.factors[0][3] == 1 and names == {"erf"}
        if single and not self.thresholds and smooth:
            value = self._error_function(row)
            if value is not None:
                return weight * value
        plain = smooth and not self.thresholds and len(self.factors) == 1 and self.factors[0][3] == 1
        if plain and names == {"logcosh"} and n + self.power:
            return weight * self._log_cosh(row)
        return integral(self, n)

    def _piecewise(self, row: Sequence[int]) -> Scalar:
        """Σ row_q E[x^q e^{αx − βx²} Π sign(s x + θ_j)]: the product starts at (−1)^J and flips at every breakpoint.

        Under the weight x is N(αv, v), with the mass e^{α²v/2} √v.
        """
        assert self._precision is not None
        v, alpha = inverse_of(self._precision), self.tilt * self.s
        root = scalar_sqrt(v)
        assert root is not None
        mean, inverse = alpha * v, inverse_of(root)
        moved = _shifted(row, mean, root)
        breaks = sorted(
            ((-theta * inverse_of(self.s) - mean) * inverse for theta in self.thresholds), key=_Ordered
        )
        total = Scalar.of((-1) ** len(breaks)) * _combine(moved, _full_moments(len(row)))
        for j, x0 in enumerate(breaks, start=1):
            jump = 2 * (-1) ** (len(breaks) - j)
            total = total + Scalar.of(jump) * _combine(moved, _tail_moments(x0, len(row)))
        return total * root * scalar_exp(alpha * alpha * v * Fraction(1, 2))

    @cached_property
    def _precision(self) -> Scalar | None:
        """1/v = 1 − 2 quadratic s², or None if it has no inverse in closed form."""
        value = ONE - self.quadratic * Scalar.of(2 * self.variance)
        return value if value.inverse() is not None and scalar_sqrt(value) is not None else None

    def _waves(self, row: list[int]) -> Scalar:
        """exp and trigonometric factors: products of cosines as sums of cosines, then complex Gaussian moments."""
        # {(frequency, phase, quarter turns): weight}, like waves collected.
        waves: dict[tuple[Scalar, Scalar, int], Fraction] = {(ZERO, ZERO, 0): Fraction(1)}
        for name, scale, offset, k in self.factors:
            quarter = -1 if name == "sin" else 0
            for _ in range(k):
                grown: dict[tuple[Scalar, Scalar, int], Fraction] = {}
                for (w, phase, turns), c in waves.items():
                    for sign in (1, -1):
                        place = (w + sign * scale, phase + sign * offset, (turns + sign * quarter) % 4)
                        grown[place] = grown.get(place, Fraction(0)) + c / 2
                waves = grown
        assert self._precision is not None
        v = inverse_of(self._precision)
        root = scalar_sqrt(v)
        assert root is not None
        total = ZERO
        alpha = self.tilt * self.s
        for (w, phase, turns), c in waves.items():
            omega = w * self.s
            decay = scalar_exp((alpha * alpha - omega * omega) * v * Fraction(1, 2))
            angle = phase + alpha * omega * v
            cosine, sine = _turned(angle, turns)
            real, imaginary = _complex_moments(alpha * v, omega * v, v, row)
            total = total + Scalar.of(c) * decay * root * (cosine * real - sine * imaginary)
        return total

    def _log_cosh(self, row: list[int]) -> Scalar:
        """x^m He_n in the Hermite basis, then Stein's lemma: the derivative of log 2cosh(w/2) is tanh(w/2)/2."""
        _, scale, e, _ = self.factors[0]
        half = Fraction(1, 2)
        slope = Univariate(0, (), (("tanh", scale * half, e * half, 1),), ZERO, ZERO, self.variance)
        parts = []
        for j, h in enumerate(_to_hermite(row)):
            if h and j:
                parts.append(slope.coefficient(j - 1) * (h * half))
        whole = Scalar.total(parts) * scale * self.s
        level = _to_hermite(row)[0]
        if level:
            whole = whole + integral(replace(self, power=0), 0) * level
        return whole

    def _error_function(self, row: list[int]) -> Scalar | None:
        """x^m He_n in the Hermite basis, then Stein's lemma on erf(c x + e)."""
        _, scale, e, _ = self.factors[0]
        c = scale * self.s
        spread = ONE + c * c * 2
        root = scalar_sqrt(spread)
        if root is None or root.inverse() is None or spread.inverse() is None:
            return None
        gauss = Univariate(0, (), (), c * e * -2, -(c * c), Fraction(1))
        front = c * 2 * Scalar.sqrt_pi(-1) * scalar_exp(-(e * e))
        total = ZERO
        for j, h in enumerate(_to_hermite(row)):
            if h == 0:
                continue
            if j == 0:
                value = special_value("erf", e * inverse_of(root))
            else:
                value = front * gauss.coefficient(j - 1)
            total = total + Scalar.of(h) * value
        return total


class _Ordered:
    """Order of real constants by their balls; equal ones are formally equal."""

    def __init__(self, x: Scalar) -> None:
        self.x = x

    def __lt__(self, other: _Ordered) -> bool:
        return sign_of(self.x - other.x) < 0


def _times_power(row: list[int], m: int) -> list[int]:
    return [0] * m + row


def _to_hermite(row: list[int]) -> list[Fraction]:
    """Coefficients of a polynomial in He_0, He_1, …: x^q = Σ_j q!/(j! (q−2j)! 2^j) He_{q−2j}."""
    out = [Fraction(0)] * len(row)
    for q, c in enumerate(row):
        weight = Fraction(c)
        for j in range(q // 2 + 1):
            out[q - 2 * j] += weight
            weight = weight * (q - 2 * j) * (q - 2 * j - 1) / (2 * (j + 1))
    return out


def _shifted(row: Sequence[int], mean: Scalar, width: Scalar) -> list[Scalar]:
    """Coefficients in y of Σ row_q (mean + width y)^q."""
    if mean.is_zero() is True and width == 1:
        return [Scalar.of(c) for c in row]
    out: list[Scalar] = []
    for c in reversed(row):
        lower = [mean * x for x in out] + [ZERO]
        upper = [ZERO] + [width * x for x in out]
        out = [x + y for x, y in zip(lower, upper, strict=True)]
        out[0] = out[0] + c
    return out


def _combine(row: Sequence[int | Scalar], moments: list[Scalar]) -> Scalar:
    return Scalar.total(moments[q] * c for q, c in enumerate(row) if c != 0)


def _full_moments(count: int) -> list[Scalar]:
    values = [1, 0]
    for q in range(2, count):
        values.append((q - 1) * values[q - 2])
    return [Scalar.of(value) for value in values]


def _tail_moments(x0: Scalar, count: int) -> list[Scalar]:
    """T_q(x0) = E[x^q 1{x > x0}], q < ``count``."""
    half, root2 = Scalar.of(Fraction(1, 2)), Scalar.sqrt(2)
    density = scalar_exp(x0 * x0 * Fraction(-1, 2)) * Scalar.sqrt(Fraction(1, 2)) * Scalar.sqrt_pi(-1)
    below = special_value("erf", x0 * root2 * half)
    moments = [half - half * below, density]
    power = x0
    for q in range(2, max(count, 2)):
        moments.append(power * density + Scalar.of(q - 1) * moments[q - 2])
        power = power * x0
    return moments


def _turned(angle: Scalar, turns: int) -> tuple[Scalar, Scalar]:
    """(cos, sin) of angle + turns·π/2."""
    whole = angle + Scalar.sqrt_pi(2) * Fraction(turns, 2)
    return special_value("cos", whole), special_value("sin", whole)


def _complex_moments(a: Scalar, b: Scalar, v: Scalar, row: list[int]) -> tuple[Scalar, Scalar]:
    """Σ row_q E[X^q] with X ~ N(a + ib, v): M_q = (a + ib) M_(q−1) + (q − 1) v M_(q−2)."""
    moments = [(ONE, ZERO), (a, b)]
    for q in range(2, len(row)):
        x, y = moments[q - 1]
        p, r = moments[q - 2]
        moments.append((a * x - b * y + v * p * (q - 1), a * y + b * x + v * r * (q - 1)))
    real = sum((moments[q][0] * c for q, c in enumerate(row) if c), ZERO)
    imaginary = sum((moments[q][1] * c for q, c in enumerate(row) if c), ZERO)
    return real, imaginary
