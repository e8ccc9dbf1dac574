"""Derivatives of expressions, almost everywhere: relu' = Heaviside, abs' = sign, sign' = Heaviside' = 0."""

from __future__ import annotations

from fractions import Fraction

from hermite.language.building import add, call, multiply, negate, power
from hermite.language.nodes import (
    ONE,
    ZERO,
    Call,
    Expression,
    Hermite,
    Number,
    Pi,
    Power,
    Product,
    Sum,
    Variable,
    is_constant,
    postorder,
    variables_of,
)


def differentiate(e: Expression, index: int) -> Expression:
    """The derivative of ``e`` in variable ``index``, where it exists (no Dirac mass at a jump).

    max and min are differentiated through the Heaviside of the gap between each argument and the best of the
    others: exact except on ties.
    """
    d: dict[Expression, Expression] = {}
    for node in postorder(e):
        d[node] = _derivative(node, index, d) if index in variables_of(node) else ZERO
    return d[e]


def _derivative(e: Expression, index: int, d: dict[Expression, Expression]) -> Expression:
    match e:
        case Variable():
            return ONE if e.index == index else ZERO
        case Sum():
            return add(d[t] for t in e.terms)
        case Product():
            return add(
                multiply((*e.factors[:i], d[factor], *e.factors[i + 1 :]))
                for i, factor in enumerate(e.factors)
                if d[factor] != ZERO
            )
        case Power():
            return multiply((_number(e.exponent), power(e.base, e.exponent - 1), d[e.base]))
        case Hermite():
            if e.order == 0:
                return ZERO
            lower = Hermite(e.order - 1, e.argument) if e.order > 1 else ONE
            return multiply((_number(e.order), lower, d[e.argument]))
        case Call(name="max" | "min"):
            return _derivative_of_extremum(e, d)
        case Call():
            u = e.arguments[0]
            return multiply((_outer(e.name, u, e), d[u]))
        case _:
            return ZERO


def _number(value: int) -> Number:
    return Number(Fraction(value))


def _outer(name: str, u: Expression, e: Expression) -> Expression:
    """Derivative of a one-argument function at ``u``; ``e`` is the function itself."""
    match name:
        case "relu":
            return call("heaviside", (u,))
        case "abs":
            return call("sign", (u,))
        case "exp":
            return e
        case "sin":
            return call("cos", (u,))
        case "cos":
            return negate(call("sin", (u,)))
        case "tanh":
            return add((ONE, negate(Power(e, 2))))
        case "erf":
            gaussian = call("exp", (negate(power(u, 2)),))
            return multiply((_number(2), Power(Call("sqrt", (Pi(),)), -1), gaussian))
        case "logistic":
            return multiply((e, call("logistic", (negate(u),))))
        case "softplus":
            return call("logistic", (u,))
        case _:
            return ZERO


def _derivative_of_extremum(e: Call, d: dict[Expression, Expression]) -> Expression:
    """d max(u_1, ..., u_m) = sum_i Heaviside(u_i - max of the others) du_i; min with the gap reversed."""
    terms: list[Expression] = []
    for i, u in enumerate(e.arguments):
        if is_constant(d[u]) and d[u] == ZERO:
            continue
        others = e.arguments[:i] + e.arguments[i + 1 :]
        rival = others[0] if len(others) == 1 else call(e.name, others)
        gap = add((u, negate(rival))) if e.name == "max" else add((rival, negate(u)))
        terms.append(multiply((call("heaviside", (gap,)), d[u])))
    return add(terms)
