"""Expressions as vectorised functions of arrays: z of shape (..., r) to values of shape (...)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hermite.constants import TooLarge
from hermite.errors import InputError
from hermite.nodes import (
    Call,
    Expression,
    Hermite,
    Number,
    Power,
    Product,
    Sum,
    Variable,
    is_constant,
    postorder,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


def compile_numpy(e: Expression) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """A function of NumPy arrays z of shape (..., r), returning e(z) of shape (...) in the same precision.

    Sub-expressions that occur twice are evaluated once. Raises :class:`InputError` if a constant does not fit
    a float.
    """
    import numpy as np

    evaluate = compile_array(e, np)

    def function(z: NDArray[Any]) -> NDArray[Any]:
        z = np.asarray(z)
        if z.dtype.kind != "f":
            z = z.astype(np.float64)
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(evaluate(z))

    return function


def compile_array(e: Expression, xp: Any) -> Callable[[Any], Any]:
    """:func:`compile_numpy` for arrays of the array-API namespace ``xp`` (NumPy, torch, array_api_strict)."""
    plan = [node for node in postorder(e) if not is_constant(node)]
    constants = {node: constant_value(node) for node in postorder(e) if is_constant(node)}

    def function(z: Any) -> Any:
        values: dict[Expression, Any] = dict(constants)
        for node in plan:
            values[node] = _value(node, values, z, xp)
        result = values[e]
        return xp.zeros_like(z[..., 0]) + result if e in constants else result

    return function


def constant_value(e: Expression) -> float:
    """The float of a constant expression; raises :class:`InputError` if it overflows."""
    from hermite.constants import ball

    try:
        value = float(e.value) if isinstance(e, Number) else float(ball(e).mid())
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise InputError("the expression holds a constant that does not fit a 64-bit float (about 1.8e308)")
    return value


def _value(node: Expression, values: dict[Expression, Any], z: Any, xp: Any) -> Any:
    """The array of one node from those of its children."""
    match node:
        case Variable():
            return z[..., node.index]
        case Sum():
            total = values[node.terms[0]]
            for term in node.terms[1:]:
                total = total + values[term]
            return total
        case Product():
            result = values[node.factors[0]]
            for factor in node.factors[1:]:
                result = result * values[factor]
            return result
        case Power():
            return integer_power(values[node.base], node.exponent, xp)
        case Hermite():
            return hermite(values[node.argument], node.order, xp)
        case Call():
            x = [values[a] for a in node.arguments]
            return call_function(node.name, [_as_array(a, z, xp) for a in x], xp)
        case _:
            raise TypeError(f"not an expression node: {type(node).__name__}")


def _as_array(x: Any, z: Any, xp: Any) -> Any:
    """A constant argument as an array that broadcasts with the others."""
    return xp.zeros_like(z[..., 0]) + x if isinstance(x, float) else x


def integer_power(x: Any, n: int, xp: Any) -> Any:
    """x^n by repeated squaring."""
    result = None
    while n:
        if n & 1:
            result = x if result is None else result * x
        n >>= 1
        if n:
            x = x * x
    return xp.ones_like(x) if result is None else result


def hermite(x: Any, order: int, xp: Any) -> Any:
    """He_order(x) by the recursion He_{k+1} = x He_k - k He_{k-1}."""
    low, high = xp.zeros_like(x), xp.ones_like(x)
    for k in range(order):
        low, high = high, x * high - float(k) * low
    return high


def call_function(name: str, x: list[Any], xp: Any) -> Any:
    """One named function at arrays; written so that nothing overflows on the way to a finite value."""
    u = x[0]
    match name:
        case "max" | "min":
            choose = xp.maximum if name == "max" else xp.minimum
            for other in x[1:]:
                u = choose(u, other)
            return u
        case "relu":
            return xp.where(u > 0, u, xp.zeros_like(u))
        case "heaviside":
            return (xp.sign(u) + 1.0) * 0.5
        case "logistic":
            return 0.5 * xp.tanh(0.5 * u) + 0.5
        case "softplus":
            return xp.where(u > 0, u, xp.zeros_like(u)) + xp.log1p(xp.exp(-xp.abs(u)))
        case "erf":
            return _erf(u, xp)
        case _:
            return getattr(xp, name)(u)


def _erf(u: Any, xp: Any) -> Any:
    """erf of the namespace if it has one, else of SciPy."""
    native = getattr(xp, "erf", None)
    if native is not None:
        return native(u)
    import numpy as np
    from scipy.special import erf

    return erf(u) if xp is np else xp.asarray(erf(np.asarray(u)))


__all__ = ["TooLarge", "compile_array", "compile_numpy", "constant_value"]
