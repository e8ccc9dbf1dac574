"""A normal form of expressions under what any eye sees: like terms, order of terms, and parity of the functions.

Like terms of sums are collected; terms, factors of products and arguments of max and min are sorted; u^2, |u|, cos u forget
the sign of u, and u^3, sign u, tanh u, erf u, sin u pass it on. Equal normal forms are equal functions; unequal ones may be
equal all the same.
"""

from __future__ import annotations

from fractions import Fraction
from math import prod

from hermite.language.building import add, multiply, negate, rebuild
from hermite.language.nodes import (
    ONE,
    Call,
    Expression,
    Hermite,
    Number,
    Power,
    Product,
    Sum,
    children,
    postorder,
)
from hermite.language.printing import to_text

_EVEN, _ODD = ("abs", "cos"), ("sign", "tanh", "erf", "sin")


def normal_form(e: Expression) -> Expression:
    """``e`` sorted, and with the signs of arguments settled by parity."""
    done: dict[Expression, Expression] = {}
    for node in postorder(e):
        done[node] = _settled(node, tuple(done[child] for child in children(node)))
    return done[e]


def _settled(e: Expression, below: tuple[Expression, ...]) -> Expression:
    match e:
        case Sum():
            return _sorted_sum(add(below))
        case Product():
            return _sorted_product(multiply(below))
        case Call() if e.name in ("max", "min"):
            return Call(e.name, tuple(sorted(below, key=to_text)))
        case Power() | Hermite() | Call():
            parity = _parity(e)
            mirrored = _negative(below[0]) if parity else below[0]
            if parity and _rank(mirrored) < _rank(below[0]):
                image = rebuild(e, (mirrored,))
                return image if parity > 0 else _negative(image)
    return rebuild(e, below)


def _rank(e: Expression) -> tuple[int, str]:
    """Which of u and −u stands: the shorter text."""
    text = to_text(e)
    return len(text), text


def _parity(e: Expression) -> int:
    """1: even, -1: odd, 0: neither, as a function of its one argument."""
    if isinstance(e, (Power, Hermite)):
        k = e.exponent if isinstance(e, Power) else e.order
        return -1 if k % 2 else 1
    assert isinstance(e, Call)
    return (e.name in _EVEN) - (e.name in _ODD)


def _negative(e: Expression) -> Expression:
    if isinstance(e, Sum):
        return _sorted_sum(add(_negative(term) for term in e.terms))
    return _sorted_product(negate(e))


def _sorted_sum(e: Expression) -> Expression:
    """Like terms collected, and sorted."""
    if not isinstance(e, Sum):
        return e
    totals: dict[Expression, Fraction] = {}
    for term in e.terms:
        c, rest = rational_factor(term)
        totals[rest] = totals.get(rest, Fraction(0)) + c
    whole = add(multiply((Number(c), rest)) for rest, c in totals.items() if c)
    return Sum(tuple(sorted(whole.terms, key=to_text))) if isinstance(whole, Sum) else whole


def rational_factor(e: Expression) -> tuple[Fraction, Expression]:
    """(c, u) with e = c u, c the rational factor."""
    if isinstance(e, Number):
        return e.value, ONE
    if isinstance(e, Product):
        c = prod((x.value for x in e.factors if isinstance(x, Number)), start=Fraction(1))
        return c, multiply(x for x in e.factors if not isinstance(x, Number))
    return Fraction(1), e


def _sorted_product(e: Expression) -> Expression:
    if not isinstance(e, Product):
        return e
    if len(e.factors) == 2 and isinstance(e.factors[0], Number) and isinstance(e.factors[1], Sum):
        return _sorted_sum(add(_sorted_product(multiply((e.factors[0], t))) for t in e.factors[1].terms))
    return Product(tuple(sorted(e.factors, key=to_text)))
