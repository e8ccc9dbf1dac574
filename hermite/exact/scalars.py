"""Exact constants with a zero test that has three answers.

A :class:`Scalar` is a finite sum of rational multiples of monomials in atoms: powers of √π, square roots of primes, e^q,
and opaque constants known by a ball of any radius (erf(1/2), a certified integral). A sum whose monomials all cancel is
*proved* zero; one whose ball excludes zero, at a precision that rises as far as it helps, is proved non-zero; anything
else stays undecided, because nobody knows, for instance, whether e and π are algebraically independent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

import flint

from hermite.exact.atoms import (
    SQRT_PI,
    UNIT,
    Atom,
    Place,
    ball_power,
    exp_atom,
    is_root,
    merge,
    order,
    radicand,
    root_atom,
    root_factors,
    term_text,
)
from hermite.exact.effort import spend

if TYPE_CHECKING:
    import sympy

_ONE = flint.fmpq(1)
#: Working precisions that are tried in turn, in bits. Cancellation of terms of size 10^400 takes the last of them.
_PRECISIONS = (128, 256, 512, 1024, 2048, 4096, 8192)
#: From here on a ball that does not shrink is one of constants known to a fixed precision only.
_GROWING = 1024
#: Relative accuracy in bits of what is handed on as a float (53 bits, and some to round correctly nearly always).
_FLOAT_BITS = 60
#: A product that would expand to more monomials is kept as one opaque constant: no formal zero, but bounded work.
MAX_PRODUCTS = 2_000


class Scalar:
    """An exact constant Σ q_i m_i; immutable, closed under +, −, * and under division by single monomials."""

    __slots__ = ("_hash", "_sharp", "_terms", "_zero")

    def __init__(self, terms: dict[Place, flint.fmpq]) -> None:
        #: rational coefficients, none of them zero.
        self._terms = {place: c for place, c in terms.items() if c}
        self._zero: bool | str | None = "unknown"
        self._sharp: flint.arb | None = None
        self._hash: int | None = None

    @classmethod
    def of(cls, value: Exact | int | Fraction) -> Scalar:
        """A rational (int, ``Fraction``, ``flint.fmpq``) as a Scalar."""
        if isinstance(value, Scalar):
            return value
        return cls({UNIT: _fmpq(value)})

    @classmethod
    def total(cls, parts: Iterable[Scalar]) -> Scalar:
        """The sum of many constants in one pass."""
        terms: dict[Place, flint.fmpq] = {}
        for part in parts:
            spend(2 + len(part._terms))
            for place, c in part._terms.items():
                terms[place] = terms[place] + c if place in terms else c
        return cls(terms)

    @classmethod
    def atom(cls, atom: Atom, exponent: int = 1) -> Scalar:
        return cls({(0, ((atom, exponent),)): _ONE})

    @classmethod
    def exp(cls, q: Fraction) -> Scalar:
        """e^q for rational q."""
        return cls({(_exponent(Fraction(q)), ()): _ONE})

    @classmethod
    def sqrt(cls, q: Fraction | int) -> Scalar:
        """√q for rational q ≥ 0, through its square-free part. Raises ``ValueError`` for any other."""
        q = Fraction(q)
        if q < 0:
            raise ValueError(f"no real square root of {q}")
        if q == 0:
            return cls.of(0)
        outside, primes = Fraction(1, q.denominator), []
        for p, k in root_factors(q.numerator * q.denominator):
            outside *= Fraction(p ** (k // 2))
            if k % 2:
                primes.append(p)
        key = tuple(sorted((root_atom(p), 1) for p in primes))
        return cls({(0, key): _fmpq(outside)})

    @classmethod
    def sqrt_pi(cls, exponent: int = 1) -> Scalar:
        """π^(exponent/2)."""
        return cls.atom(SQRT_PI, exponent) if exponent else cls.of(1)

    @property
    def terms(self) -> dict[Place, flint.fmpq]:
        """{(exponent of e, other atoms): rational coefficient}, none of them zero; not to be changed."""
        return self._terms

    def conjugate(self, p: int) -> Scalar:
        """√p → −√p for a prime p."""
        root = root_atom(p)
        return Scalar(
            {
                place: -c if any(atom == root and k % 2 for atom, k in place[1]) else c
                for place, c in self._terms.items()
            }
        )

    def __add__(self, other: Exact | int | Fraction) -> Scalar:
        return Scalar.total((self, Scalar.of(other)))

    __radd__ = __add__

    def __neg__(self) -> Scalar:
        return Scalar({key: -c for key, c in self._terms.items()})

    def __sub__(self, other: Exact | int | Fraction) -> Scalar:
        return self + (-Scalar.of(other))

    def __rsub__(self, other: Exact | int | Fraction) -> Scalar:
        return Scalar.of(other) + (-self)

    def __mul__(self, other: Exact | int | Fraction) -> Scalar:
        right = Scalar.of(other)._terms
        if len(right) == 1 and UNIT in right:
            spend(2 + len(self._terms))
            factor = right[UNIT]
            return self if factor == 1 else Scalar({place: c * factor for place, c in self._terms.items()})
        if len(self._terms) == 1 and UNIT in self._terms:
            spend(2 + len(right))
            factor = self._terms[UNIT]
            return Scalar({place: c * factor for place, c in right.items()})
        spend(4 + 3 * len(self._terms) * len(right) * (1 + _words(self._terms) + _words(right)))
        if len(self._terms) * len(right) > MAX_PRODUCTS:
            return Scalar.atom(_product_atom(self, Scalar.of(other)))
        terms: dict[Place, flint.fmpq] = {}
        for (q, key), c in self._terms.items():
            for (s, other_key), d in right.items():
                merged, factor = merge(key, other_key)
                place = (_exponent(q + s), merged)
                value = c * d * factor
                terms[place] = terms[place] + value if place in terms else value
        return Scalar(terms)

    __rmul__ = __mul__

    def __pow__(self, k: int) -> Scalar:
        result = Scalar.of(1)
        for _ in range(k):
            result = result * self
        return result

    def inverse(self) -> Scalar | None:
        """1/self where self is a single monomial, else None: sums have no inverse of this form."""
        if len(self._terms) != 1:
            return None
        ((q, key), c) = next(iter(self._terms.items()))
        result = Scalar({(-q, ()): 1 / c})
        for atom, k in key:
            result = result * (
                Scalar({(0, ((atom, 1),)): flint.fmpq(1, radicand(atom))})
                if is_root(atom)
                else Scalar.atom(atom, -k)
            )
        return result

    def __truediv__(self, other: Exact | int | Fraction) -> Scalar:
        inverse = Scalar.of(other).inverse()
        if inverse is None:
            raise ZeroDivisionError("a Scalar can only be divided by a single non-zero monomial")
        return self * inverse

    def is_zero(self) -> bool | None:
        """True: proved by formal cancellation; False: a ball excludes zero; None: undecided."""
        if self._zero == "unknown":
            self._zero = (
                True if not self._terms else (False if self._is_positive_monomial() else self._by_balls())
            )
        return None if self._zero is None else bool(self._zero)

    def _is_positive_monomial(self) -> bool:
        return len(self._terms) == 1 and all(
            atom is SQRT_PI or is_root(atom) for atom, _ in next(iter(self._terms))[1]
        )

    def _by_balls(self) -> bool | None:
        return False if any(not ball.contains(0) for ball in self._rising()) else None

    def _rising(self) -> Iterator[flint.arb]:
        """Balls at rising precision, as long as they shrink."""
        last = None
        for precision in _PRECISIONS:
            ball = self.ball(precision)
            yield ball
            if precision >= _GROWING and last is not None and not ball.rad() * 2 < last:
                return
            last = ball.rad()

    def sharp(self) -> flint.arb:
        """A ball of 60 bits relative accuracy; the best one within reach where no precision gives that."""
        if self._sharp is None:
            for ball in self._rising() if self._terms else [flint.arb(0)]:
                self._sharp = ball
                if ball.rel_accuracy_bits() >= _FLOAT_BITS:
                    break
        assert self._sharp is not None
        return self._sharp

    def sign(self) -> int | None:
        """−1, 0 or 1, proved; None where it is undecided."""
        zero = self.is_zero()
        if zero is not False:
            return 0 if zero else None
        if self._is_positive_monomial():
            return 1 if next(iter(self._terms.values())) > 0 else -1
        return next((1 if ball > 0 else -1 for ball in self._rising() if not ball.contains(0)), None)

    def ball(self, precision: int = 256) -> flint.arb:
        """A ball (``flint.arb``) that contains the constant."""
        spend(2 * len(self._terms) * (1 + precision // 256))
        with flint.ctx.workprec(precision):
            total = flint.arb(0)
            for (q, key), c in self._terms.items():
                value = flint.arb(c)
                if q:
                    value *= exp_atom(q.numerator, q.denominator).enclose()
                for atom, k in key:
                    value *= ball_power(atom.enclose(), k)
                total += value
            return total

    @property
    def is_rational(self) -> bool:
        return all(q == 0 and not key for q, key in self._terms)

    def rational_value(self) -> flint.fmpq | None:
        """The value as ``flint.fmpq``, or None."""
        return sum(self._terms.values(), flint.fmpq(0)) if self.is_rational else None

    def split_rational(self) -> tuple[Fraction, list[tuple[Fraction, Scalar]]]:
        """(q, [(c, m), …]) with self = q + Σ c m: rational coefficients of monomials."""
        rest = [(_fraction(c), Scalar({place: _ONE})) for place, c in self._terms.items() if place != UNIT]
        return _fraction(self._terms.get(UNIT, _ONE * 0)), rest

    def split_pi(self) -> tuple[Fraction, Scalar]:
        """(q, rest) with self = q π + rest."""
        place: Place = (0, ((SQRT_PI, 2),))
        rest = {own: c for own, c in self._terms.items() if own != place}
        return _fraction(self._terms.get(place, _ONE * 0)), Scalar(rest)

    def __float__(self) -> float:
        """The value to 53 bits, or to as many as its ball is sure of; NaN where the ball leaves even the sign open."""
        ball = self.sharp()
        known = ball.is_finite() and not (ball.contains(0) and self._terms)
        return float(ball.mid()) + 0.0 if known else math.nan

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, (Scalar, int, Fraction, flint.fmpq)) and self._terms == Scalar.of(other)._terms
        )

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self._terms.items()))
        return self._hash

    def __str__(self) -> str:
        if not self._terms:
            return "0"
        text = " + ".join(term_text(q, key, c) for (q, key), c in sorted(self._terms.items(), key=order))
        return text.replace("+ -", "- ")

    def __repr__(self) -> str:
        return f"Scalar({self})"

    def to_sympy(self) -> sympy.Expr:
        """The constant as a SymPy expression."""
        import sympy

        total = sympy.Integer(0)
        for (q, key), c in self._terms.items():
            value = sympy.Rational(int(c.p), int(c.q)) * sympy.exp(sympy.Rational(q.numerator, q.denominator))
            for atom, k in key:
                value *= atom.symbol() ** k
            total += value
        return total


#: An exact number: a rational, or a sum of constants.
Exact = flint.fmpq | Scalar


def _exponent(q: Fraction | int) -> Fraction | int:
    """``q`` as an integer if it is one: integers hash much faster, and nearly all are 0."""
    return q.numerator if q.denominator == 1 else q


def _words(terms: dict[Place, flint.fmpq]) -> int:
    """Length of the first coefficient, in words."""
    return int(next(iter(terms.values())).height_bits()) // 64 if terms else 0


def _fmpq(value: int | Fraction | flint.fmpq) -> flint.fmpq:
    if isinstance(value, Fraction):
        return flint.fmpq(value.numerator, value.denominator)
    return flint.fmpq(value)


def _fraction(value: flint.fmpq) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _product_atom(a: Scalar, b: Scalar) -> Atom:
    """a·b as an opaque constant, named by its first digits and a digest of the factors."""
    from hashlib import sha256

    texts = sorted((str(a), str(b)))
    digits = (a.ball(128) * b.ball(128)).str(20, radius=False)

    @lru_cache(maxsize=4)
    def enclose(precision: int) -> flint.arb:
        return a.ball(precision) * b.ball(precision)

    return Atom(
        f"[{digits}#{sha256('*'.join(texts).encode()).hexdigest()[:16]}]",
        lambda: enclose(int(flint.ctx.prec)),
        lambda: a.to_sympy() * b.to_sympy(),
    )
