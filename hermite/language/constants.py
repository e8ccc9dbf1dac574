"""Exact constants: rational folding with bounded digits, and signs proved by ball arithmetic.

A rational operation is refused before it is done if its result could exceed 400 digits. An irrational
constant (pi, sqrt(2), exp(1/2), ...) is enclosed in a ball; its sign counts only if the ball excludes zero.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from hermite.exact.undecided import Undecided
from hermite.language.nodes import Call, Expression, Hermite, Number, Pi, Power, Product, Sum, postorder

if TYPE_CHECKING:
    import flint

#: Largest number of digits in the numerator or denominator of a rational number.
MAX_DIGITS = 400
_LIMIT = 10**MAX_DIGITS
_PRECISIONS = (128, 512, 2048)
#: Relative accuracy in bits of what becomes a float.
_FLOAT_BITS = 60


class TooLarge(ValueError, Undecided):
    """What is beyond it stays undecided: a constant has more than 400 digits, or its size cannot be bounded by 10^400."""


def bounded(value: Fraction) -> Fraction:
    """``value`` itself; raises :class:`TooLarge` above 400 digits."""
    if abs(value.numerator) >= _LIMIT or value.denominator >= _LIMIT:
        raise TooLarge(f"a number of more than {MAX_DIGITS} digits")
    return value


def rational_power(base: Fraction, exponent: int) -> Fraction:
    """``base**exponent`` for exponent >= 0, refused before it is computed if it would be too long."""
    if exponent == 0 or base == 1:
        return Fraction(1)
    if base == 0:
        return base
    if base == -1:
        return base if exponent % 2 else -base
    bits = max(abs(base.numerator).bit_length(), base.denominator.bit_length()) - 1
    if bits * exponent > _LIMIT.bit_length():
        raise TooLarge(f"a number of more than {MAX_DIGITS} digits")
    return bounded(base**exponent)


def ball(e: Expression, precision: int = 128) -> flint.arb:
    """A ball that contains the constant ``e`` (midpoint and radius at ``precision`` bits)."""
    import flint

    with flint.ctx.workprec(precision):
        values: dict[Expression, flint.arb] = {}
        for node in postorder(e):
            values[node] = _ball_of_node(node, values)
        return values[e]


def sharp_ball(e: Expression) -> flint.arb:
    """A ball of 60 bits relative accuracy around the constant ``e``; the best of 2048 bits where there is none."""
    for precision in _PRECISIONS:
        value = ball(e, precision)
        if value.rel_accuracy_bits() >= _FLOAT_BITS:
            break
    return value


def _ball_of_node(node: Expression, values: dict[Expression, flint.arb]) -> flint.arb:
    import flint

    from hermite.exact.atoms import ball_power

    match node:
        case Number():
            return flint.arb(flint.fmpq(node.value.numerator, node.value.denominator))
        case Pi():
            return flint.arb.pi()
        case Sum():
            return sum((values[t] for t in node.terms), flint.arb(0))
        case Product():
            result = flint.arb(1)
            for factor in node.factors:
                result *= values[factor]
            return result
        case Power():
            # The library's own power is not finite where the ball contains 0.
            return ball_power(values[node.base], node.exponent)
        case Hermite():
            x, low, high = values[node.argument], flint.arb(0), flint.arb(1)
            for k in range(node.order):
                low, high = high, x * high - k * low
            return high
        case Call():
            return _ball_of_call(node.name, [values[a] for a in node.arguments])
        case _:
            raise TypeError("a variable has no ball")


def _ball_of_call(name: str, x: list[flint.arb]) -> flint.arb:
    import flint

    half = flint.arb(1) / 2
    match name:
        case "max" | "min":
            result = x[0]
            for other in x[1:]:
                result = result.max(other) if name == "max" else result.min(other)
            return result
        case "relu":
            return x[0].max(flint.arb(0))
        case "abs":
            return abs(x[0])
        case "sign":
            return x[0].sgn()
        case "heaviside":
            return (x[0].sgn() + 1) * half
        case "logistic":
            return half + (x[0] * half).tanh() * half
        case "softplus":
            return x[0].max(flint.arb(0)) + (-abs(x[0])).exp().log1p()
        case "sqrt":
            return x[0].sqrt()
        case _:
            value: flint.arb = getattr(x[0], name)()
            return value


def sign_of(e: Expression) -> int | None:
    """Sign -1, 0 or 1 of a constant, or None if 2048 bits do not tell it from zero."""
    if isinstance(e, Number):
        return (e.value > 0) - (e.value < 0)
    for precision in _PRECISIONS:
        value = ball(e, precision)
        if value > 0:
            return 1
        if value < 0:
            return -1
    return None


def check_size(e: Expression) -> None:
    """Raise :class:`TooLarge` unless the constant ``e`` is proved to be below 10^400 in modulus."""
    if isinstance(e, Number):
        bounded(e.value)
    elif not abs(ball(e)) < _LIMIT:
        raise TooLarge(f"a constant that is not below 10^{MAX_DIGITS}")
