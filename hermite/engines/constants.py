"""Constants of closed forms: expressions without variables, square roots, signs and special values as Scalars."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from math import floor, prod
from typing import TYPE_CHECKING

import flint

from hermite.exact.atoms import Atom
from hermite.exact.scalars import Scalar
from hermite.exact.undecided import Undecided
from hermite.language.constants import ball
from hermite.language.nodes import Call, Expression, Hermite, Number, Pi, Power, Product, Sum
from hermite.language.printing import to_text

if TYPE_CHECKING:
    import sympy


class Unsupported(Undecided):
    """No engine can decide this target; the text says why."""


def constant_scalar(e: Expression) -> Scalar:
    """An expression without variables as a Scalar; what has no closed form becomes an opaque constant."""
    try:
        return _folded(e)
    except Unsupported:
        return _opaque(e)


def _folded(e: Expression) -> Scalar:
    """The constant by its closed form; raises :class:`Unsupported` where it has none."""
    match e:
        case Number():
            return Scalar.of(e.value)
        case Pi():
            return Scalar.sqrt_pi(2)
        case Sum():
            return Scalar.total(constant_scalar(t) for t in e.terms)
        case Product():
            return prod((constant_scalar(t) for t in e.factors), start=Scalar.of(1))
        case Power():
            base = constant_scalar(e.base)
            return base**e.exponent if e.exponent >= 0 else inverse_of(base**-e.exponent)
        case Hermite():
            x = constant_scalar(e.argument)
            low, high = Scalar.of(0), Scalar.of(1)
            for k in range(e.order):
                low, high = high, x * high - low * k
            return high
        case Call(name="sqrt"):
            root = scalar_sqrt(constant_scalar(e.arguments[0]))
            if root is None:
                raise Unsupported("an irrational root")
            return root
        case Call():
            return _function(e.name, [constant_scalar(a) for a in e.arguments])
        case _:
            raise Unsupported("not a constant")


def inverse_of(x: Scalar) -> Scalar:
    """1/x; raises :class:`Unsupported` where it has no closed form."""
    inverse = x.inverse()
    if inverse is None:
        raise Unsupported(f"1/({x}) has no closed form")
    return inverse


def _function(name: str, x: list[Scalar]) -> Scalar:
    """A function of constants: piecewise ones by proved signs, the others by their parities and periods."""
    half = Fraction(1, 2)
    match name:
        case "sign":
            return Scalar.of(sign_of(x[0]))
        case "abs":
            return x[0] * sign_of(x[0])
        case "heaviside":
            return Scalar.of(half * (1 + sign_of(x[0])))
        case "relu":
            return x[0] if sign_of(x[0]) > 0 else Scalar.of(0)
        case "max" | "min":
            side = 1 if name == "max" else -1
            return reduce(lambda best, own: own if sign_of(own - best) == side else best, x)
        case "logistic":
            return (special_value("tanh", x[0] * half) + 1) * half
        case "softplus":
            return x[0] * half + special_value("logcosh", x[0])
        case "exp":
            return scalar_exp(x[0])
        case _:
            return special_value(name, x[0])


def scalar_sqrt(x: Scalar) -> Scalar | None:
    """√x where x = q π^k with rational q ≥ 0 and integer k; else None."""
    if x.is_rational:
        value = as_fraction(x)
        return Scalar.sqrt(value) if value >= 0 else None
    for k in (-2, -1, 1, 2):
        rest = x * Scalar.sqrt_pi(-2 * k)
        if rest.is_rational:
            value = as_fraction(rest)
            return Scalar.sqrt(value) * Scalar.sqrt_pi(k) if value >= 0 else None
    return None


def as_fraction(x: Scalar) -> Fraction:
    """A rational Scalar as a Fraction."""
    value = sum(x._terms.values(), flint.fmpq(0))
    return Fraction(int(value.p), int(value.q))


def _opaque(e: Expression) -> Scalar:
    def symbol() -> sympy.Expr:
        import sympy

        return sympy.Symbol(to_text(e), real=True)

    return Scalar.atom(Atom(to_text(e), lambda: ball(e, flint.ctx.prec), symbol))


def sign_of(x: Scalar) -> int:
    """Sign of a constant, proved; raises :class:`Unsupported` where it is undecided."""
    sign = x.sign()
    if sign is None:
        raise Unsupported(f"the sign of {x} is undecided")
    return sign


def scalar_exp(x: Scalar) -> Scalar:
    """e^x: an exact power of e times one of e^m for each other monomial m of x, so that e^x e^−x = 1 shows."""
    rational, rest = x.split_rational()
    value = Scalar.exp(rational)
    for size, m in rest:
        power = size.numerator
        value = value * Scalar.atom(_value_atom("exp", m * Fraction(1, size.denominator)), power)
    return value


_ODD, _EVEN = frozenset({"erf", "sin", "tanh"}), frozenset({"cos", "logcosh"})
#: Beyond it erf(x) is 1 − erfc(x), so that a tail has its own relative accuracy.
_TAIL = 3
#: cos(π q) for q = 0, 1/6, 1/4, 1/3, 1/2.
_COSINES = {
    Fraction(0): Scalar.of(1),
    Fraction(1, 6): Scalar.sqrt(3) * Fraction(1, 2),
    Fraction(1, 4): Scalar.sqrt(2) * Fraction(1, 2),
    Fraction(1, 3): Scalar.of(Fraction(1, 2)),
    Fraction(1, 2): Scalar.of(0),
}


def special_value(name: str, x: Scalar) -> Scalar:
    """name(x) of a constant: exact where it is, else an opaque constant, of positive argument where parity allows it.

    Whole multiples of π/2 leave the arguments of sin and cos.
    """
    if name in ("sin", "cos"):
        return _wave_value(name, x)
    if x.is_zero() is True and name in _ODD:
        return Scalar.of(0)
    if name in _ODD | _EVEN and x.sign() == -1:
        return -special_value(name, -x) if name in _ODD else special_value(name, -x)
    if name == "erf" and (x - _TAIL).sign() == 1:
        return Scalar.of(1) - Scalar.atom(_value_atom("erfc", x))
    return Scalar.atom(_value_atom(name, x))


def _wave_value(name: str, x: Scalar) -> Scalar:
    """sin x or cos x, with x = rest + (π/2) k + π q, rest ≥ 0 and 0 ≤ q < 1/2 rational."""
    turns, rest = x.split_pi()
    if rest.sign() == -1:
        return -_wave_value(name, -x) if name == "sin" else _wave_value(name, -x)
    k = floor(2 * turns)
    turns -= Fraction(k, 2)
    # sin x = cos(x − π/2).
    k -= name == "sin"
    if rest.is_zero() is True:
        pair = (_cosine_of_turns(turns), _cosine_of_turns(Fraction(1, 2) - turns))
    else:
        angle = rest + Scalar.sqrt_pi(2) * turns
        pair = (Scalar.atom(_value_atom("cos", angle)), Scalar.atom(_value_atom("sin", angle)))
    cosine, sine = pair
    return (cosine, -sine, -cosine, sine)[k % 4]


def _cosine_of_turns(q: Fraction) -> Scalar:
    """cos(π q) for 0 ≤ q ≤ 1/2."""
    known = _COSINES.get(q)
    return Scalar.atom(_value_atom("cos", Scalar.sqrt_pi(2) * q)) if known is None else known


def _value_atom(name: str, x: Scalar) -> Atom:
    def enclose() -> flint.arb:
        inside = x.ball(flint.ctx.prec + 32)
        return (2 * (inside / 2).cosh()).log() if name == "logcosh" else getattr(inside, name)()

    def symbol() -> sympy.Expr:
        import sympy

        inside = x.to_sympy()
        return sympy.log(2 * sympy.cosh(inside / 2)) if name == "logcosh" else getattr(sympy, name)(inside)

    return Atom(f"{name}({x})", enclose, symbol)
