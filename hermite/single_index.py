"""Targets of one direction: f(z) = u(⟨v, z⟩/|v|), written as a target u of one variable; and what is proved of u.

u(x) = T(x² e^{−x²}) hides order 2 from every label: with Y' = x² e^{−x²}, x φ(x) = ±√(Y'/2π), so that
E[T(Y') He_2] = −∫ T d(xφ) = 0 for all T, as Y' vanishes at 0 and ∞ (indices of single-index targets, generative exponent 4).
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hermite.nodes import Expression, Variable, children, is_constant, postorder, variables_of
from hermite.subspaces import Row, Span

if TYPE_CHECKING:
    from hermite.target import Target


def single_index(f: Target) -> tuple[Target, Row] | None:
    """(u, v) with f(z) = u(⟨v, z⟩/|v|), where the expression shows one direction only; None otherwise.

    Looked at are the largest sub-expressions that are linear in the variables.
    """
    from hermite.building import call, multiply, substitute
    from hermite.nodes import Number
    from hermite.target import Target

    assert f.tree is not None
    if f.gram is not None or f.r == 1:
        return None
    span = linear_directions(f)
    if span is None or span.dim != 1:
        return None
    v = span.rows[0]
    entries = [Fraction(int(x.p), int(x.q)) for x in v]
    inverse = call("sqrt", (Number(1 / sum((x * x for x in entries), start=Fraction(0))),))
    x = Variable(0)
    values = {i: multiply((Number(a), inverse, x)) for i, a in enumerate(entries)}
    return Target(substitute(f.tree, values), ("x",), noise=f.noise), v


def linear_directions(f: Target) -> Span | None:
    """The span of the slopes of the largest linear sub-expressions: f varies along it only. None: not rational."""
    assert f.tree is not None
    slopes: dict[Expression, Row | None] = {}
    nodes = postorder(f.tree)
    for node in nodes:
        slopes[node] = _slope(node, slopes, f.r)
    inner = {
        child
        for node in nodes
        if slopes[node] is None
        for child in children(node)
        if slopes[child] is not None
    }
    if slopes[f.tree] is not None:
        inner.add(f.tree)
    return Span(f.r, [row for node in inner if (row := slopes[node]) is not None])


def _slope(e: Expression, known: dict[Expression, Row | None], r: int) -> Row | None:
    """The rational gradient of an affine expression, or None."""
    from hermite.nodes import Number, Product, Sum
    from hermite.subspaces import rational

    zero = tuple(rational(0) for _ in range(r))
    if is_constant(e):
        return zero
    if isinstance(e, Variable):
        return tuple(rational(int(i == e.index)) for i in range(r))
    if isinstance(e, Sum):
        rows = [known[term] for term in e.terms]
        if any(row is None for row in rows):
            return None
        return tuple(
            sum(column, start=rational(0)) for column in zip(*(row for row in rows if row), strict=True)
        )
    if isinstance(e, Product):
        varying = [factor for factor in e.factors if not is_constant(factor)]
        rest = [factor for factor in e.factors if is_constant(factor)]
        row = known[varying[0]]
        if len(varying) > 1 or row is None or not all(isinstance(factor, Number) for factor in rest):
            return None
        for factor in rest:
            assert isinstance(factor, Number)
            row = tuple(rational(factor.value) * x for x in row)
        return row
    return None


def hides_order_two(f: Target, i: int) -> bool:
    """Whether f depends on z_i through z_i² e^{−z_i²} alone, the other variables being parameters; proved by rewriting."""
    from hermite.engines.canonical import canonical
    from hermite.engines.constants import Unsupported

    assert f.tree is not None
    if f.gram is not None or i not in variables_of(f.tree):
        return False
    good: dict[Expression, bool] = {}
    for node in postorder(f.tree):
        below = children(node)
        good[node] = i not in variables_of(node) or (bool(below) and all(good[child] for child in below))
        if not good[node] and below:
            try:
                good[node] = _is_gaussian_square(canonical(node, f.r), i)
            except Unsupported:
                continue
    return good[f.tree]


def _is_gaussian_square(form: Any, i: int) -> bool:
    """Whether z_i enters every product as (z_i² e^{−z_i²})^m, m = 0, 1, 2, …"""
    for key in form:
        m, odd = divmod(key.powers[i], 2)
        own = {pair: c for pair, c in key.quadratic if i in pair}
        if (
            odd
            or any(ridge.direction[i] for ridge, _ in key.ridges)
            or any(place == i for place, _ in key.tilt)
        ):
            return False
        if set(own) != ({(i, i)} if m else set()) or any(c != -Fraction(m) for c in own.values()):
            return False
    return True
