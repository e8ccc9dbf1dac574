"""Targets along their own axes: f(z) = u(⟨v_1, z⟩/|v_1|, …), one variable a direction; and what hides along an axis.

u(x) = T(x² e^{−x²}) hides order 2 from every label: with Y' = x² e^{−x²}, x φ(x) = ±√(Y'/2π), so that
E[T(Y') He_2] = −∫ T d(xφ) = 0 for all T, as Y' vanishes at 0 and ∞ (indices of single-index targets, generative exponent 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING

from hermite.errors import InputError
from hermite.exact.rows import Row
from hermite.exact.subspaces import Span
from hermite.language.nodes import Expression, Variable, children, is_constant, postorder, variables_of

if TYPE_CHECKING:
    from hermite.engines.forms import Form
    from hermite.target import Target


@dataclass(frozen=True)
class Frame:
    """f(z) = u(x) with x_i = ⟨v_i, z⟩/|v_i| for orthogonal ``axes`` v_i: a target ``u`` of as many variables."""

    u: Target
    axes: tuple[Row, ...]

    def lift(self, space: Span) -> Span:
        """A space of vectors in the coordinates x as one of vectors in those of z."""
        from hermite.exact.scalars import Scalar

        n = len(self.axes[0])
        scales = [Scalar.sqrt(1 / _square(v)) for v in self.axes]
        return Span(
            n,
            [
                [
                    sum(
                        (x * c * v[j] for x, c, v in zip(row, scales, self.axes, strict=True)),
                        start=Scalar.of(0),
                    )
                    for j in range(n)
                ]
                for row in space.rows
            ],
        )


def frame(f: Target) -> Frame | None:
    """``f`` along its own axes: the largest linear sub-expressions have directions that are equal or orthogonal.

    None where they are not, and where they are the coordinates themselves.
    """
    from hermite.language.building import add, call, multiply, substitute
    from hermite.language.nodes import Number
    from hermite.target import Target

    assert f.tree is not None
    axes: list[Row] = []
    for v in slopes_of(f):
        if not any(Span(f.r, [own]).contains(v) for own in axes):
            axes.append(v)
    pairs = combinations(axes, 2)
    if (
        f.gram is not None
        or not axes
        or any(sum(x * y for x, y in zip(u, v, strict=True)) != 0 for u, v in pairs)
    ):
        return None
    if len(axes) == f.r and all(sum(1 for x in v if x != 0) == 1 for v in axes):
        return None
    inverses = [call("sqrt", (Number(1 / _square(v)),)) for v in axes]
    values = {
        j: add(
            multiply((Number(Fraction(int(v[j].p), int(v[j].q))), inverse, Variable(i)))
            for i, (v, inverse) in enumerate(zip(axes, inverses, strict=True))
            if v[j] != 0
        )
        for j in range(f.r)
    }
    names = tuple(f"x{i + 1}" for i in range(len(axes)))
    try:
        return Frame(Target(substitute(f.tree, values), names, noise=f.noise), tuple(axes))
    except InputError:
        # Its numbers may be longer than those that may be written: f stays as it is.
        return None


def single_index(f: Target) -> Target | None:
    """u with f(z) = u(⟨v, z⟩/|v|), where the expression shows one direction only; None otherwise."""
    found = frame(f)
    return found.u if found is not None and len(found.axes) == 1 else None


def _square(v: Row) -> Fraction:
    size = sum(x * x for x in v)
    return Fraction(int(size.p), int(size.q))


def linear_directions(f: Target) -> Span:
    """The span of the slopes of the largest linear sub-expressions: f varies along it only."""
    return Span(f.r, slopes_of(f))


def slopes_of(f: Target) -> list[Row]:
    """The rational gradients of the largest sub-expressions that are linear in the variables."""
    assert f.tree is not None
    slopes: dict[Expression, Row | None] = {}
    nodes = postorder(f.tree)
    for node in nodes:
        slopes[node] = _slope(node, slopes, f.r)
    inner = {
        child: None
        for node in nodes
        if slopes[node] is None
        for child in children(node)
        if slopes[child] is not None
    }
    if slopes[f.tree] is not None:
        inner[f.tree] = None
    return [row for node in inner if (row := slopes[node]) is not None and any(x != 0 for x in row)]


def _slope(e: Expression, known: dict[Expression, Row | None], r: int) -> Row | None:
    """The rational gradient of an affine expression, or None."""
    from hermite.exact.rows import rational
    from hermite.language.nodes import Number, Product, Sum

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
    """Whether f depends on z_i through z_i² e^{−z_i²} alone, the other variables being parameters; proved by rewriting.

    Powers of it count, |z_i| e^{−z_i²/2} among them.
    """
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


def _is_gaussian_square(form: Form, i: int) -> bool:
    """Whether z_i enters every product as (z_i² e^{−z_i²})^{p/2} = |z_i|^p e^{−p z_i²/2}, p = 0, 1, 2, …"""
    axis = tuple(Fraction(int(i == j)) for j in range(len(next(iter(form)).powers))) if form else ()
    for key in form:
        p = key.powers[i]
        own = {pair: c for pair, c in key.quadratic if i in pair}
        along = [(ridge, k) for ridge, k in key.ridges if ridge.direction[i]]
        modulus = all(
            ridge.name == "sign" and ridge.direction == axis and ridge.offset.is_zero() is True
            for ridge, _ in along
        )
        if not modulus or sum(k for _, k in along) % 2 != p % 2 or any(place == i for place, _ in key.tilt):
            return False
        if set(own) != ({(i, i)} if p else set()) or any(c != -Fraction(p, 2) for c in own.values()):
            return False
    return True
