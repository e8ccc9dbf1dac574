"""Exact numbers whose size no float holds: they are shown in decimals, and null in JSON, never as 0 or an infinity."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import TYPE_CHECKING

import flint

from hermite.exact.rows import rational, sharp, to_float
from hermite.exact.undecided import Undecided

if TYPE_CHECKING:
    from hermite.exact.scalars import Exact


def beyond_floats(x: Exact | Fraction | float) -> bool:
    """Whether ``x`` is not zero and its nearest float is 0 or infinite.

    >>> beyond_floats(rational(10) ** 400), beyond_floats(rational(10) ** -400), beyond_floats(rational(0))
    (True, True, False)
    """
    if isinstance(x, float):
        return False
    try:
        value = to_float(_exact(x))
    except Undecided:
        # It rests on an integral that could not be enclosed: nothing is known of its size.
        return False
    return math.isinf(value) or (value == 0.0 and _is_not_zero(x))


def held(value: float) -> bool:
    """Whether a product of floats that is not zero is a number with all its digits.

    >>> held(1e300 * 1e300), held(1e-200 * 1e-200), held(0.1)
    (False, False, True)
    """
    return sys.float_info.min <= abs(value) < math.inf


def of_float(value: float) -> flint.fmpq:
    """A finite float as the fraction that it is."""
    return rational(Fraction(value))


def json_value(x: Exact | Fraction | float) -> float | None:
    """The nearest float, or None for what no float holds (its exact form or its decimal says how large it is)."""
    return None if beyond_floats(x) else to_float(_exact(x))


def decimal(x: Exact | Fraction | float, digits: int = 6) -> str:
    """``x`` as a decimal of ``digits`` digits, whatever its size (see ``ball_text``).

    >>> decimal(rational(2) * rational(10) ** 400), decimal(0.5), decimal(Fraction(1, 3), 3)
    ('2e+400', '0.5', '0.333')
    """
    if not beyond_floats(x):
        return f"{to_float(_exact(x)):.{digits}g}"
    with flint.ctx.workprec(256):
        return ball_text(sharp(_exact(x)), digits)


#: Digits of the longest exponent that is written out.
_EXPONENT = 12


def ball_text(ball: flint.arb, digits: int) -> str:
    """The middle of a ball in ``digits`` digits; a power of ten where its exponent is long itself.

    >>> ball_text(flint.arb(10) ** 400, 3), ball_text(-(flint.arb(10) ** 20).exp(), 3)
    ('1e+400', '-10^(4.34e+19)')
    """
    text = str(ball.mid().str(digits, radius=False))
    mantissa, _, exponent = text.partition("e")
    if len(exponent) > _EXPONENT + 1:
        sign = "-" if mantissa.startswith("-") else ""
        power = str(flint.arb(exponent.removeprefix("+")).str(digits, radius=False))
        return f"{sign}10^({power})"
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{exponent}" if exponent else mantissa


def _exact(x: Exact | Fraction | float) -> Exact | flint.arb | float:
    return rational(x) if isinstance(x, (int, Fraction)) else x


def _is_not_zero(x: Exact | Fraction | float) -> bool:
    if isinstance(x, (int, float, Fraction, flint.fmpq)):
        return bool(x != 0)
    try:
        return x.is_zero() is False
    except Undecided:
        return False
