"""Expressions as vectorised functions of arrays: z of shape (..., r) to values of shape (...).

Each distinct sub-expression is evaluated once. Under NumPy the rows go through in blocks, so that memory
stays bounded, and the monomials of a long sum are evaluated together from one table of powers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add, mul
from typing import TYPE_CHECKING, Any

from hermite.errors import InputError
from hermite.language import nodes as ex
from hermite.language.constants import sharp_ball
from hermite.language.error_function import erf

if TYPE_CHECKING:
    import flint
    from numpy.typing import NDArray

#: Sums of at least this many monomials are evaluated from a table of powers.
_LONG_SUM = 16
#: Numbers held at once by one block of rows, roughly.
_BLOCK = 1 << 20


def compile_numpy(e: ex.Expression) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """A function of NumPy arrays z of shape (..., r), returning e(z) of shape (...) in the same precision.

    Raises :class:`InputError` if a constant does not fit a float.
    """
    together = compile_together(e)
    return lambda z: together(z)[0]


def compile_together(*roots: ex.Expression) -> Callable[[NDArray[Any]], tuple[NDArray[Any], ...]]:
    """:func:`compile_numpy` of several expressions at the same points; what they share is evaluated once."""
    import numpy as np

    plan, width = _plan(roots, long_sums=True)
    rows = max(64, min(1 << 16, _BLOCK // width))
    # Results are the caller's own: neither the points themselves nor one array under two names.
    shared = [isinstance(e, ex.Variable) or e in roots[:k] for k, e in enumerate(roots)]

    def function(z: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        z = np.asarray(z)
        if z.dtype.kind != "f":
            z = z.astype(np.float64)
        flat = z.reshape(-1, z.shape[-1])
        with np.errstate(over="ignore", under="ignore"):
            if len(flat) <= rows:
                found = plan.run(flat, np)
                return tuple(
                    part.astype(z.dtype, copy=copied).reshape(z.shape[:-1])
                    for part, copied in zip(found, shared, strict=True)
                )
            out = [np.empty(len(flat), z.dtype) for _ in roots]
            for start in range(0, len(flat), rows):
                found = plan.run(flat[start : start + rows], np)
                for whole, part in zip(out, found, strict=True):
                    whole[start : start + rows] = part
        return tuple(whole.reshape(z.shape[:-1]) for whole in out)

    return function


def compile_array(e: ex.Expression, xp: object) -> Callable[[object], object]:
    """:func:`compile_numpy` for arrays of an array-API namespace ``xp`` (torch, array_api_strict)."""
    plan, _ = _plan((e,), long_sums=False)
    return lambda z: plan.run(z, xp)[0]


def constant_value(e: ex.Expression) -> float:
    """The float of a constant expression, 0 where 2048 bits do not tell it from 0; raises :class:`InputError` if it overflows."""
    try:
        value = float(e.value) if isinstance(e, ex.Number) else _middle(sharp_ball(e))
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise InputError("the expression holds a constant that does not fit a 64-bit float (about 1.8e308)")
    return value


def _middle(ball: flint.arb) -> float:
    return 0.0 if ball.contains(0) else float(ball.mid())


def _plan(roots: Sequence[ex.Expression], *, long_sums: bool) -> tuple[_Plan, int]:
    """What to evaluate in turn, and the numbers that it takes per row."""
    nodes = list(dict.fromkeys(node for e in roots for node in ex.postorder(e)))
    fused: dict[ex.Expression, _Monomials] = {}
    if long_sums:
        for node in nodes:
            if isinstance(node, ex.Sum) and (monomials := _Monomials.of(node)) is not None:
                fused[node] = monomials
    needed = _needed(roots, fused)
    place = {node: k for k, node in enumerate(node for node in nodes if node in needed)}
    constants = {node: constant_value(node) for node in place if ex.is_constant(node)}
    operations = [
        (k, _sum_of_monomials(fused[node], place) if node in fused else _operation(node, place))
        for node, k in place.items()
        if node not in constants
    ]
    plan = _Plan([constants.get(node) for node in place], operations, [place[e] for e in roots])
    return plan, len(operations) + 2 * sum(len(m.coefficients) for m in fused.values()) + len(roots)


def _needed(roots: Sequence[ex.Expression], fused: dict[ex.Expression, _Monomials]) -> set[ex.Expression]:
    """Nodes that must be evaluated one by one: not those inside a constant or a fused monomial."""
    needed: set[ex.Expression] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node in needed:
            continue
        needed.add(node)
        if node in fused:
            stack.extend(fused[node].others)
        elif not ex.is_constant(node):
            stack.extend(ex.children(node))
    return needed


#: (values found so far, z, namespace) → the array of one node.
_Operation = Callable[[list[Any], Any, Any], Any]


@dataclass(frozen=True, eq=False)
class _Plan:
    """``values`` holds the constants at their places; every operation fills a place; the roots are found at ``roots``."""

    values: list[float | None]
    operations: list[tuple[int, _Operation]]
    roots: list[int]

    def run(self, z: Any, xp: Any) -> list[Any]:
        values: list[Any] = self.values.copy()
        for place, operation in self.operations:
            values[place] = operation(values, z, xp)
        return [_spread(values[place], z, xp) for place in self.roots]


def _operation(node: ex.Expression, place: dict[ex.Expression, int]) -> _Operation:
    """The array of one node from those of its children."""
    parts = [place[child] for child in ex.children(node)]
    match node:
        case ex.Variable():
            k = node.index
            return lambda values, z, xp: z[..., k]
        case ex.Sum():
            return lambda values, z, xp: reduce(add, [values[k] for k in parts])
        case ex.Product():
            return lambda values, z, xp: reduce(mul, [values[k] for k in parts])
        case ex.Power():
            (base,), exponent = parts, node.exponent
            return lambda values, z, xp: integer_power(values[base], exponent, xp)
        case ex.Hermite():
            (argument,), order = parts, node.order
            return lambda values, z, xp: hermite(values[argument], order, xp)
        case ex.Call():
            name = node.name
            return lambda values, z, xp: call_function(name, [_spread(values[k], z, xp) for k in parts], xp)
        case _:
            raise TypeError(f"not an expression node: {type(node).__name__}")


def _sum_of_monomials(monomials: _Monomials, place: dict[ex.Expression, int]) -> _Operation:
    """A long sum: its monomials, and its other terms added one by one."""
    others = [place[term] for term in monomials.others]
    return lambda values, z, xp: reduce(add, [values[k] for k in others], monomials.evaluate(z))


def _spread(value: object, z: Any, xp: Any) -> Any:
    """``value``, or an array of the constant that it is."""
    return xp.zeros_like(z[..., 0]) + value if isinstance(value, float) else value


class _Monomials:
    """The monomials of a long sum: value sum_t c_t prod_j z_j^n_tj, plus the ``others`` added one by one."""

    def __init__(self, terms: list[tuple[float, dict[int, int]]], others: list[ex.Expression]) -> None:
        import numpy as np

        self.coefficients = np.array([c for c, _ in terms])
        self.others = others
        #: (variable, rows of the monomials that hold it, its exponent in each)
        self.columns: list[tuple[int, Any, Any]] = []
        for j in sorted({j for _, exponents in terms for j in exponents}):
            where = [t for t, (_, exponents) in enumerate(terms) if j in exponents]
            self.columns.append((j, np.array(where), np.array([terms[t][1][j] for t in where])))

    @classmethod
    def of(cls, e: ex.Sum) -> _Monomials | None:
        """The monomials among the terms of ``e``, or None if there are few."""
        terms, others = [], []
        for term in e.terms:
            monomial = _as_monomial(term)
            if monomial is None:
                others.append(term)
            else:
                terms.append(monomial)
        return cls(terms, others) if len(terms) >= _LONG_SUM else None

    def evaluate(self, z: NDArray[Any]) -> NDArray[Any]:
        """Values of shape (N,) at z of shape (N, r), without the others."""
        import numpy as np

        table = np.ones((len(self.coefficients), len(z)), z.dtype)
        for j, where, exponents in self.columns:
            powers = np.empty((int(exponents.max()) + 1, len(z)), z.dtype)
            powers[0], powers[1] = 1.0, z[:, j]
            for n in range(2, len(powers)):
                powers[n] = powers[n // 2] * powers[n - n // 2]
            table[where] *= powers[exponents]
        total: NDArray[Any] = self.coefficients.astype(z.dtype) @ table
        return total


def _as_monomial(e: ex.Expression) -> tuple[float, dict[int, int]] | None:
    """(coefficient, exponents) if ``e`` is a constant times powers of variables."""
    coefficient = 1.0
    exponents: dict[int, int] = {}
    for factor in e.factors if isinstance(e, ex.Product) else (e,):
        if ex.is_constant(factor):
            coefficient *= constant_value(factor)
            continue
        base, n = (factor.base, factor.exponent) if isinstance(factor, ex.Power) else (factor, 1)
        if not isinstance(base, ex.Variable):
            return None
        if n:
            exponents[base.index] = exponents.get(base.index, 0) + n
    return coefficient, exponents


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
            return xp.where(u < 0, xp.zeros_like(u), u)
        case "heaviside":
            return (xp.sign(u) + 1.0) * 0.5
        case "logistic":
            small = xp.exp(-xp.abs(u))
            return xp.where(u < 0, small, xp.ones_like(u)) / (1.0 + small)
        case "softplus":
            return xp.where(u < 0, xp.zeros_like(u), u) + xp.log1p(xp.exp(-xp.abs(u)))
        case "erf":
            return _erf(u, xp)
        case "sin" | "cos":
            return _turned(name, u, xp)
        case _:
            return getattr(xp, name)(u)


def _turned(name: str, u: Any, xp: Any) -> Any:
    """sin or cos; of NumPy arrays by t = tan(u/2), to 4e-16: 2t/(1 + t²) and (1 − t²)/(1 + t²), at a fourth of the price of
    NumPy's own, which vectorises its tangent alone."""
    import numpy as np

    if xp is not np:
        return getattr(xp, name)(u)
    t = np.tan(0.5 * u)
    share = 2.0 / (1.0 + t * t)
    return share * t if name == "sin" else share - 1.0


def _erf(u: Any, xp: Any) -> Any:
    """erf of the namespace if it has one (torch), else that of NumPy arrays."""
    import numpy as np

    if xp is np:
        return erf(u)
    native = getattr(xp, "erf", None)
    return xp.asarray(erf(np.asarray(u))) if native is None else native(u)
