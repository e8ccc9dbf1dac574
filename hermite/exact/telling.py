"""Exact scalars as SymPy objects and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flint

from hermite.exact.rows import sharp

if TYPE_CHECKING:
    import sympy

    from hermite.exact.scalars import Exact

#: Characters of the longest coefficient that is written in its exact form inside a formula.
_LONGEST = 300
#: Relative accuracy of a float.
_FLOAT_BITS = 53
#: Binary exponents beyond which a number is written without SymPy.
_LONGEST_EXPONENT = 1 << 20


def to_sympy(c: Exact | float) -> sympy.Expr:
    """An exact scalar as a SymPy object."""
    import sympy

    if isinstance(c, float):
        return sympy.Float(c)
    return sympy.Rational(int(c.p), int(c.q)) if isinstance(c, flint.fmpq) else c.to_sympy()


def latex_over(c: Exact | float, divisor: int) -> str:
    """c/divisor as LaTeX that fits on a page: a decimal of 30 digits where the exact form is long, or beyond SymPy."""
    if not isinstance(c, float) and _beyond_sympy(c):
        digits, _, exponent = (sharp(c) / divisor).str(30, radius=False).partition("e")
        return rf"{digits} \cdot 10^{{{int(exponent)}}}"
    import sympy

    decimal = sympy.Float(sharp(c).str(30, radius=False), 30) if not isinstance(c, float) else sympy.Float(c)
    text = "" if isinstance(c, float) else str(c)
    # "#" names a product that was not written out: there is more behind it than its text.
    if not isinstance(c, float) and len(text) <= _LONGEST and "#" not in text:
        try:
            return str(sympy.latex(to_sympy(c) / divisor))
        except (ArithmeticError, ValueError):
            # SymPy orders terms by their values, which mpmath does not have of erfc(1e200).
            pass
    return str(sympy.latex(decimal / divisor))


def _beyond_sympy(c: Exact) -> bool:
    """Whether the powers of ten that mpmath would write out have millions of digits."""
    ball = sharp(c)
    if ball.contains(0) or not ball.is_finite():
        return False
    mantissa, exponent = ball.mid().man_exp()
    return abs(int(exponent) + int(mantissa).bit_length()) > _LONGEST_EXPONENT


def exact_text(c: Exact | float) -> str:
    """An exact scalar as text; one known by a certified integral as the digits that its ball is sure of, at most 25."""
    text = str(c)
    if isinstance(c, (float, flint.fmpq)) or "E[" not in text:
        return text
    ball = c.ball(256)
    if ball.rel_accuracy_bits() < _FLOAT_BITS:
        ball = c.sharp()
    # A ball around 0 is shown as one: no digit of it is known.
    return str(ball.str(3) if ball.contains(0) else ball.str(25, radius=False))


def shortened(text: str, length: int = 120) -> str:
    """``text`` for a sentence: its middle left out where it is long."""
    return text if len(text) <= length else f"{text[: length * 2 // 3]} … {text[-length // 4 :]}"
