"""Rows of exact scalars, ``flint.fmpq`` or :class:`hermite.exact.scalars.Scalar`, and what one of their entries is.

The zero test of a scalar has three answers; where it has none, :class:`Undecided` is raised, and no verdict is ever read off a
float.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import flint

from hermite.exact.undecided import Undecided

if TYPE_CHECKING:
    from hermite.exact.scalars import Exact

#: Of ``flint.fmpq`` or ``Scalar``; in the places that rest on balls alone of ``flint.arb``.
Row = tuple[Any, ...]


def vanishes(x: Exact | int) -> bool:
    """Whether an exact scalar is zero: proved either way, or :class:`Undecided`."""
    if isinstance(x, (int, flint.fmpq)):
        return bool(x == 0)
    answer = x.is_zero()
    if answer is None:
        raise Undecided(f"{x} is indistinguishable from 0 and not proved to be 0")
    return bool(answer)


def rational(value: Fraction | int) -> flint.fmpq:
    """A Python rational as ``flint.fmpq``."""
    if type(value) is int:
        return flint.fmpq(value)
    value = Fraction(value)
    return flint.fmpq(value.numerator, value.denominator)


def integral(row: Row) -> Row:
    """The rational row times the least common denominator."""
    below = flint.fmpz(1)
    for x in row:
        below = below.lcm(x.q)
    return tuple(x * below for x in row)


def zero_like(x: Exact) -> Exact:
    """0 of the kind of ``x``."""
    return x - x


def full_rows(n: int) -> list[Row]:
    """The unit vectors."""
    return [tuple(flint.fmpq(int(i == j)) for j in range(n)) for i in range(n)]


def components(row: Sequence[Exact]) -> list[Row]:
    """The rational vectors q_m of a row Σ q_m m over the monomials m of its constants."""
    if all(isinstance(x, flint.fmpq) for x in row):
        return [tuple(row)]
    from hermite.exact.scalars import Scalar

    terms = [Scalar.of(x).terms for x in row]
    zero = flint.fmpq(0)
    return [
        tuple(own.get(place, zero) for own in terms) for place in dict.fromkeys(p for t in terms for p in t)
    ]


def lower(row: Sequence[Exact], gram: Sequence[Sequence[Fraction]]) -> Row:
    """The covector G v of the vector v with coordinates ``row``."""
    return tuple(
        sum((rational(g) * x for g, x in zip(line, row, strict=True) if g), start=zero_like(row[0]))
        for line in gram
    )


def normalised(row: Row, pivot: int) -> Row:
    """``row`` over its pivot where that division is exact, else free of common factors."""
    if isinstance(row[pivot], flint.fmpq):
        return tuple(x / row[pivot] for x in row)
    reciprocal = row[pivot].inverse()
    if reciprocal is None:
        from hermite.exact.ratios import quotients, without_common_factor
        from hermite.exact.scalars import Scalar

        scalars = [Scalar.of(x) for x in row]
        return quotients(scalars, scalars[pivot]) or without_common_factor(scalars)
    return tuple(x * reciprocal for x in row)


#: Longest text of a quotient that is written out; digits beyond it.
_LONGEST = 120
#: Digits of a quotient that is not written out: all of them sure.
_DIGITS = 30


def ratio_text(x: Exact, lead: Exact) -> str:
    """x/lead as text, the same for equal quotients."""
    if vanishes(x):
        return "0"
    if isinstance(lead, flint.fmpq) and isinstance(x, flint.fmpq):
        return str(x / lead)
    from hermite.exact.ratios import quotient
    from hermite.exact.scalars import Scalar

    pair = quotient(Scalar.of(x), Scalar.of(lead))
    if pair is not None:
        top, bottom = pair
        inverse = bottom.inverse()
        text = f"({top})/({bottom})" if inverse is None else str(top * inverse)
        if len(text) <= _LONGEST and "#" not in text:
            return text
    return str((Scalar.of(x).ball(512) / Scalar.of(lead).ball(512)).str(_DIGITS, radius=False))


def sharp(x: Exact | flint.arb | float) -> flint.arb:
    """A ball of high relative accuracy around an exact scalar, or the best one within reach."""
    return flint.arb(x) if isinstance(x, (int, float, flint.fmpq, flint.arb)) else x.sharp()


def to_float(x: Exact | Fraction | flint.arb | float) -> float:
    """The nearest float; beyond the floats an infinity of its sign."""
    try:
        return int(x.p) / int(x.q) if isinstance(x, flint.fmpq) else float(x)
    except OverflowError:
        # Rationals alone raise it: balls and what they enclose become infinite by themselves.
        return math.inf if isinstance(x, (int, Fraction, flint.fmpq)) and x > 0 else -math.inf
