"""A normal form of expressions under what any eye sees: like terms, order of terms, and parity of the functions.

Like terms of sums are collected; terms, factors of products and arguments of max and min are sorted; u^2, |u|, cos u forget
the sign of u, and u^3, sign u, tanh u, erf u, sin u pass it on. Equal normal forms are equal functions; unequal ones may be
equal all the same.
"""

from __future__ import annotations

from fractions import Fraction
from math import prod

from hermite.language import nodes as ex
from hermite.language.building import add, multiply, negate, rebuild
from hermite.language.printing import to_text

_EVEN, _ODD = ("abs", "cos"), ("sign", "tanh", "erf", "sin")


def normal_form(e: ex.Expression) -> ex.Expression:
    """``e`` sorted, and with the signs of arguments settled by parity."""
    done: dict[ex.Expression, ex.Expression] = {}
    for node in ex.postorder(e):
        done[node] = _settled(node, tuple(done[child] for child in ex.children(node)))
    return done[e]


def _settled(e: ex.Expression, below: tuple[ex.Expression, ...]) -> ex.Expression:
    match e:
        case ex.Sum():
            return _sorted_sum(add(below))
        case ex.Product():
            return _sorted_product(multiply(below))
        case ex.Call() if e.name in ("max", "min"):
            return ex.Call(e.name, tuple(sorted(below, key=to_text)))
        case ex.Power() | ex.Hermite() | ex.Call():
            parity = _parity(e)
            mirrored = _negative(below[0]) if parity else below[0]
            if parity and _rank(mirrored) < _rank(below[0]):
                image = rebuild(e, (mirrored,))
                return image if parity > 0 else _negative(image)
    return rebuild(e, below)


def _rank(e: ex.Expression) -> tuple[int, str]:
    """Which of u and −u stands: the shorter text."""
    text = to_text(e)
    return len(text), text


def _parity(e: ex.Expression) -> int:
    """1: even, -1: odd, 0: neither, as a function of its one argument."""
    if isinstance(e, (ex.Power, ex.Hermite)):
        k = e.exponent if isinstance(e, ex.Power) else e.order
        return -1 if k % 2 else 1
    assert isinstance(e, ex.Call)
    return (e.name in _EVEN) - (e.name in _ODD)


def _negative(e: ex.Expression) -> ex.Expression:
    if isinstance(e, ex.Sum):
        return _sorted_sum(add(_negative(term) for term in e.terms))
    return _sorted_product(negate(e))


def _sorted_sum(e: ex.Expression) -> ex.Expression:
    """Like terms collected, and sorted."""
    if not isinstance(e, ex.Sum):
        return e
    totals: dict[ex.Expression, Fraction] = {}
    for term in e.terms:
        c, rest = rational_factor(term)
        totals[rest] = totals.get(rest, Fraction(0)) + c
    whole = add(multiply((ex.Number(c), rest)) for rest, c in totals.items() if c)
    return ex.Sum(tuple(sorted(whole.terms, key=to_text))) if isinstance(whole, ex.Sum) else whole


def rational_factor(e: ex.Expression) -> tuple[Fraction, ex.Expression]:
    """(c, u) with e = c u, c the rational factor."""
    if isinstance(e, ex.Number):
        return e.value, ex.ONE
    if isinstance(e, ex.Product):
        c = prod((x.value for x in e.factors if isinstance(x, ex.Number)), start=Fraction(1))
        return c, multiply(x for x in e.factors if not isinstance(x, ex.Number))
    return Fraction(1), e


def _sorted_product(e: ex.Expression) -> ex.Expression:
    if not isinstance(e, ex.Product):
        return e
    if len(e.factors) == 2 and isinstance(e.factors[0], ex.Number) and isinstance(e.factors[1], ex.Sum):
        return _sorted_sum(add(_sorted_product(multiply((e.factors[0], t))) for t in e.factors[1].terms))
    return ex.Product(tuple(sorted(e.factors, key=to_text)))
