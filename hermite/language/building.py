"""Constructors that flatten n-ary nodes and fold rational constants; no term is cancelled or reordered."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import isqrt

from hermite.language import nodes as ex
from hermite.language.constants import bounded, rational_power


def add(terms: Iterable[ex.Expression]) -> ex.Expression:
    """The sum, nested sums flattened, rational numbers folded into one last term.

    Raises :class:`hermite.language.constants.TooLarge` if a folded number has more than 400 digits.
    """
    constant, rest = Fraction(0), []
    for term in terms:
        for part in term.terms if isinstance(term, ex.Sum) else (term,):
            if isinstance(part, ex.Number):
                constant = bounded(constant + part.value)
            else:
                rest.append(part)
    if constant or not rest:
        rest.append(ex.Number(constant))
    return rest[0] if len(rest) == 1 else ex.Sum(tuple(rest))


def multiply(factors: Iterable[ex.Expression]) -> ex.Expression:
    """The product, nested products flattened, rational numbers folded into one first factor.

    Raises :class:`hermite.language.constants.TooLarge` if a folded number has more than 400 digits.
    """
    constant, rest = Fraction(1), []
    for factor in factors:
        for part in factor.factors if isinstance(factor, ex.Product) else (factor,):
            if isinstance(part, ex.Number):
                constant = bounded(constant * part.value) if part.value != 1 else constant
            else:
                rest.append(part)
    if not constant:
        return ex.ZERO
    if constant != 1 or not rest:
        rest.insert(0, ex.Number(constant))
    return rest[0] if len(rest) == 1 else ex.Product(tuple(rest))


def power(base: ex.Expression, exponent: int) -> ex.Expression:
    """``base`` to an integer power; a negative one is for non-zero constants only (the caller proves it)."""
    if exponent == 1:
        return base
    if isinstance(base, ex.Number):
        value = rational_power(base.value, abs(exponent))
        return ex.Number(value if exponent >= 0 else 1 / value)
    return ex.ONE if exponent == 0 else ex.Power(base, exponent)


def negate(e: ex.Expression) -> ex.Expression:
    """-e."""
    return multiply((ex.Number(Fraction(-1)), e))


def call(name: str, arguments: tuple[ex.Expression, ...]) -> ex.Expression:
    """A function; those that take rationals to rationals are folded, sqrt(u^2) is abs(u)."""
    u = arguments[0]
    if name == "sqrt" and not ex.is_constant(u):
        root = square_root(u)
        if root is None:
            raise ValueError("sqrt of something that is neither a constant nor a square")
        return root
    if all(isinstance(a, ex.Number) for a in arguments):
        values = [a.value for a in arguments if isinstance(a, ex.Number)]
        folded = _fold(name, values)
        if folded is not None:
            return ex.Number(folded)
    return ex.Call(name, arguments)


def _fold(name: str, x: list[Fraction]) -> Fraction | None:
    """The rational value of a function at rationals, where it is plainly rational."""
    sign = (x[0] > 0) - (x[0] < 0)
    match name:
        case "max":
            return max(x)
        case "min":
            return min(x)
        case "relu":
            return max(x[0], Fraction(0))
        case "abs":
            return abs(x[0])
        case "sign":
            return Fraction(sign)
        case "heaviside":
            return Fraction(1 + sign, 2)
        case "sqrt" if sign >= 0:
            top, bottom = isqrt(x[0].numerator), isqrt(x[0].denominator)
            return Fraction(top, bottom) if Fraction(top, bottom) ** 2 == x[0] else None
        case "exp" | "cos" if sign == 0:
            return Fraction(1)
        case "sin" | "tanh" | "erf" if sign == 0:
            return Fraction(0)
        case "logistic" if sign == 0:
            return Fraction(1, 2)
        case _:
            return None


def square_root(e: ex.Expression) -> ex.Expression | None:
    """The u >= 0 with u^2 = e, if ``e`` is written as a square: u^2, u*u, products of squares, 4*u^2."""
    parts: list[ex.Expression] = []
    for factor in e.factors if isinstance(e, ex.Product) else (e,):
        if isinstance(factor, ex.Power) and factor.exponent % 2 == 0 and not ex.is_constant(factor):
            parts.append(call("abs", (power(factor.base, factor.exponent // 2),)))
        elif isinstance(factor, ex.Number) and factor.value >= 0:
            parts.append(call("sqrt", (factor,)))
        elif isinstance(e, ex.Product) and e.factors == (factor, factor):
            return call("abs", (factor,))
        else:
            return None
    return multiply(parts)


def rebuild(e: ex.Expression, below: tuple[ex.Expression, ...]) -> ex.Expression:
    """The node ``e`` over new sub-expressions, flattened and folded."""
    match e:
        case ex.Sum():
            return add(below)
        case ex.Product():
            return multiply(below)
        case ex.Power():
            return power(below[0], e.exponent)
        case ex.Hermite():
            return ex.Hermite(e.order, below[0])
        case ex.Call():
            return call(e.name, below)
        case _:
            return ex.with_children(e, below)


def substitute(e: ex.Expression, values: dict[int, ex.Expression]) -> ex.Expression:
    """``e`` with variable number i replaced by ``values[i]``; the others stay."""
    new: dict[ex.Expression, ex.Expression] = {}
    for node in ex.postorder(e):
        if isinstance(node, ex.Variable):
            new[node] = values.get(node.index, node)
        else:
            new[node] = rebuild(node, tuple(new[child] for child in ex.children(node)))
    return new[e]
