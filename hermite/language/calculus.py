"""Derivatives of expressions, almost everywhere: relu' = Heaviside, abs' = sign, sign' = Heaviside' = 0."""

from __future__ import annotations

from fractions import Fraction

from hermite.language import nodes as ex
from hermite.language.building import add, call, multiply, negate, power


def differentiate(e: ex.Expression, index: int) -> ex.Expression:
    """The derivative of ``e`` in variable ``index``, where it exists (no Dirac mass at a jump).

    max and min are differentiated through the Heaviside of the gap between each argument and the best of the
    others: exact except on ties.
    """
    d: dict[ex.Expression, ex.Expression] = {}
    for node in ex.postorder(e):
        d[node] = _derivative(node, index, d) if index in ex.variables_of(node) else ex.ZERO
    return d[e]


def _derivative(e: ex.Expression, index: int, d: dict[ex.Expression, ex.Expression]) -> ex.Expression:
    match e:
        case ex.Variable():
            return ex.ONE if e.index == index else ex.ZERO
        case ex.Sum():
            return add(d[t] for t in e.terms)
        case ex.Product():
            return add(
                multiply((*e.factors[:i], d[factor], *e.factors[i + 1 :]))
                for i, factor in enumerate(e.factors)
                if d[factor] != ex.ZERO
            )
        case ex.Power():
            return multiply((_number(e.exponent), power(e.base, e.exponent - 1), d[e.base]))
        case ex.Hermite():
            if e.order == 0:
                return ex.ZERO
            lower = ex.Hermite(e.order - 1, e.argument) if e.order > 1 else ex.ONE
            return multiply((_number(e.order), lower, d[e.argument]))
        case ex.Call(name="max" | "min"):
            return _derivative_of_extremum(e, d)
        case ex.Call():
            u = e.arguments[0]
            return multiply((_outer(e.name, u, e), d[u]))
        case _:
            return ex.ZERO


def _number(value: int) -> ex.Number:
    return ex.Number(Fraction(value))


def _outer(name: str, u: ex.Expression, e: ex.Expression) -> ex.Expression:
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
            return add((ex.ONE, negate(ex.Power(e, 2))))
        case "erf":
            gaussian = call("exp", (negate(power(u, 2)),))
            return multiply((_number(2), ex.Power(ex.Call("sqrt", (ex.Pi(),)), -1), gaussian))
        case "logistic":
            return multiply((e, call("logistic", (negate(u),))))
        case "softplus":
            return call("logistic", (u,))
        case _:
            return ex.ZERO


def _derivative_of_extremum(e: ex.Call, d: dict[ex.Expression, ex.Expression]) -> ex.Expression:
    """d max(u_1, ..., u_m) = sum_i Heaviside(u_i - max of the others) du_i; min with the gap reversed."""
    terms: list[ex.Expression] = []
    for i, u in enumerate(e.arguments):
        if ex.is_constant(d[u]) and d[u] == ex.ZERO:
            continue
        others = e.arguments[:i] + e.arguments[i + 1 :]
        rival = others[0] if len(others) == 1 else call(e.name, others)
        gap = add((u, negate(rival))) if e.name == "max" else add((rival, negate(u)))
        terms.append(multiply((call("heaviside", (gap,)), d[u])))
    return add(terms)
