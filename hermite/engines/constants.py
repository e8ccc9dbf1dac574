"""Constants of closed forms: expressions without variables, square roots, signs and special values as Scalars."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import flint

from hermite.exact.scalars import Atom, Scalar
from hermite.language.constants import ball
from hermite.language.nodes import Call, Expression, Number, Pi, Power, Product, Sum
from hermite.language.printing import to_text


class Unsupported(Exception):
    """No engine can decide this target; the text says why."""


def constant_scalar(e: Expression) -> Scalar:
    """An expression without variables as a Scalar; what has no closed form becomes an opaque constant."""
    match e:
        case Number():
            return Scalar.of(e.value)
        case Pi():
            return Scalar.sqrt_pi(2)
        case Sum():
            return sum((constant_scalar(t) for t in e.terms), Scalar.of(0))
        case Product():
            result = Scalar.of(1)
            for factor in e.factors:
                result = result * constant_scalar(factor)
            return result
        case Power() if e.exponent >= 0:
            return constant_scalar(e.base) ** e.exponent
        case Power():
            inverse = (constant_scalar(e.base) ** -e.exponent).inverse()
            return _opaque(e) if inverse is None else inverse
        case Call(name="sqrt"):
            inside = constant_scalar(e.arguments[0])
            root = scalar_sqrt(inside)
            return _opaque(e) if root is None else root
        case Call(name="exp") if isinstance(e.arguments[0], Number):
            return Scalar.exp(e.arguments[0].value)
        case _:
            return _opaque(e)


def scalar_sqrt(x: Scalar) -> Scalar | None:
    """√x where x = q π^k with rational q ≥ 0 and integer k; else None."""
    if x.is_rational:
        return Scalar.sqrt(as_fraction(x))
    for k in (-2, -1, 1, 2):
        rest = x * Scalar.sqrt_pi(-2 * k)
        if rest.is_rational:
            return Scalar.sqrt(as_fraction(rest)) * Scalar.sqrt_pi(k)
    return None


def as_fraction(x: Scalar) -> Fraction:
    """A rational Scalar as a Fraction."""
    value = sum(x._terms.values(), flint.fmpq(0))
    return Fraction(int(value.p), int(value.q))


def _opaque(e: Expression) -> Scalar:
    def symbol() -> Any:
        import sympy

        return sympy.Symbol(to_text(e), real=True)

    return Scalar.atom(Atom(to_text(e), lambda: ball(e, flint.ctx.prec), symbol))


def sign_of(x: Scalar) -> int:
    """Sign of a constant, proved; raises :class:`Unsupported` where it is undecided."""
    if x.is_zero():
        return 0
    if x.is_zero() is None:
        raise Unsupported(f"the sign of {x} is undecided")
    return 1 if x.ball(512) > 0 or x.ball(2048) > 0 else -1


def scalar_exp(x: Scalar) -> Scalar:
    """e^x: an exact power of e for rational x, else an opaque constant."""
    if x.is_rational:
        return Scalar.exp(as_fraction(x))
    return special_value("exp", x)


_ODD, _EVEN = frozenset({"erf", "sin", "tanh"}), frozenset({"cos", "logcosh"})


def special_value(name: str, x: Scalar) -> Scalar:
    """name(x) of a constant: exact at 0, else an opaque constant, of positive argument where parity allows it."""
    if x.is_zero() is True and name in _ODD:
        return Scalar.of(0)
    if x.is_zero() is True and name == "cos":
        return Scalar.of(1)
    if name in _ODD | _EVEN and x.is_zero() is False and sign_of(x) < 0:
        return -_named_value(name, -x) if name in _ODD else _named_value(name, -x)
    return _named_value(name, x)


def _named_value(name: str, x: Scalar) -> Scalar:
    def enclose() -> Any:
        inside = x.ball(flint.ctx.prec + 32)
        return (2 * (inside / 2).cosh()).log() if name == "logcosh" else getattr(inside, name)()

    def symbol() -> Any:
        import sympy

        inside = x.to_sympy()
        return sympy.log(2 * sympy.cosh(inside / 2)) if name == "logcosh" else getattr(sympy, name)(inside)

    return Scalar.atom(Atom(f"{name}({x})", enclose, symbol))
