"""Sums of functions of one direction each, whatever the angles between these directions.

f = g(z) + Σ_j u_j(⟨v_j, z⟩/|v_j|), the directions of g rational, those v_j not: every part has an engine of its own, and the
series are added. So max(√2 z1 + z2, z1) = (a + b + |a − b|)/2 has C_k ∝ v^{⊗k} for k ≥ 2, exactly, though |v| = (4 − 2√2)^½.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from hermite.engines.analytic import AnalyticEngine
from hermite.engines.constants import constant_scalar, inverse_of
from hermite.engines.forms import Form
from hermite.engines.patches import outermost, products
from hermite.engines.rebased import (
    RebasedEngine,
    Slope,
    Vector,
    affine_slopes,
    is_rational_line,
    scalar_product,
    vector_of,
)
from hermite.engines.series import Series
from hermite.errors import InputError
from hermite.exact.effort import Exhausted, Memo
from hermite.exact.exactness import Exactness
from hermite.exact.scalars import Scalar
from hermite.exact.subspaces import Span
from hermite.exact.undecided import Undecided
from hermite.language import building
from hermite.language import nodes as ex
from hermite.target import Target

_HALF = ex.Number(Fraction(1, 2))
#: Largest denominator of the ratio of two parallel directions.
_DENOMINATOR = 10**6


class LinesEngine(AnalyticEngine):
    """The engine of a sum of ``rest`` and of functions of one irrational direction each."""

    def __init__(self, target: Target, rest: AnalyticEngine, lines: Sequence[RebasedEngine]) -> None:
        self.target, self.r, self.gram = target, target.r, None
        self.rest, self.lines = rest, tuple(lines)
        self._all: tuple[AnalyticEngine, ...] = (rest, *self.lines)
        self._energy = Memo(1)
        self.form, self.terms, self.patched = rest.form, rest.terms, rest.patched
        missing = next((part for part in self._all if not part.decided), None)
        self.reason = "" if missing is None else missing.reason
        self.cost = sum(part.cost for part in self._all)

    @property
    def decided(self) -> bool:
        return not self.reason

    @property
    def exactness(self) -> Exactness:
        if not self.decided:
            return Exactness.UNDECIDED
        exact = all(part.exactness == Exactness.EXACT for part in self._all)
        return Exactness.EXACT if exact else Exactness.CERTIFIED

    def heat_series(self, order: int) -> Series:
        """The sum of the series."""
        parts: dict[tuple[int, ...], list[Scalar]] = {}
        for part in self._all:
            for alpha, c in part.heat_series(order).items():
                parts.setdefault(alpha, []).append(c)
        total = {alpha: Scalar.total(own) for alpha, own in parts.items()}
        return {alpha: c for alpha, c in total.items() if c.is_zero() is not True}

    def direction_span(self, order: int = 1) -> Span:
        return _joined([part.direction_span(order) for part in self._all], self.r)

    def reach(self, space: Span, level: int) -> Span:
        """What the parts add: a function of ⟨v, z⟩ adds v, and not below its first order where v is orthogonal to U."""
        found = self.rest.reach(space, level)
        for line in self.lines:
            (row,) = line.rows
            if space.contains(row):
                continue
            apart = all(
                scalar_product(row, [Scalar.of(x) for x in own]).is_zero() is True for own in space.rows
            )
            if not apart or line.reach(Span(self.r), level).dim:
                found.add(row)
        return found

    def _squared(self, form: Form) -> Scalar | None:
        """Products of functions of two such directions have no closed form: by certified sums."""
        try:
            return self._squared_by_cells()
        except Exhausted:
            raise
        except Undecided:
            return None


def _joined(spans: Sequence[Span], r: int) -> Span:
    return Span(r, [row for span in spans for row in span.rows])


def sum_of_lines(target: Target) -> LinesEngine | None:
    """``target`` as such a sum, or None."""
    assert target.tree is not None
    try:
        return _sum_of_lines(target, _opened(target.tree))
    except (Undecided, InputError, ZeroDivisionError):
        return None


def _sum_of_lines(target: Target, tree: ex.Expression) -> LinesEngine | None:
    rest: list[ex.Expression] = []
    lines: list[tuple[Vector, ex.Expression, list[ex.Expression]]] = []
    for factors in products(tree):
        own = building.multiply(factors)
        slopes = affine_slopes(own)
        found = [(slope, vector_of(slope, target.r)) for slope in outermost(own, slopes) if slope]
        if all(is_rational_line(row) for _, row in found):
            rest.append(own)
            continue
        row = next((v for v, _, _ in lines if _ratio(found[0][1], v) is not None), None)
        if row is None:
            row = found[0][1]
            lines.append((row, _length(found[0][0], row), []))
        _, size, parts = next(line for line in lines if line[0] is row)
        image = _along(own, slopes, row, size, target.r)
        if image is None:
            return None
        parts.append(image)
    if not lines:
        return None
    engines = []
    for row, size, parts in lines:
        scale = inverse_of(constant_scalar(size))
        inner = Target(building.add(parts), ("w1",), gram=[[1]])
        engines.append(RebasedEngine(target, inner, [tuple(x * scale for x in row)]))
    return LinesEngine(target, AnalyticEngine(Target(building.add(rest), target.variables)), engines)


def _opened(tree: ex.Expression) -> ex.Expression:
    """max(a, b) = (a + b + |a − b|)/2 for affine a and b, and likewise min."""
    slopes = affine_slopes(tree)
    done: dict[ex.Expression, ex.Expression] = {}
    for node in ex.postorder(tree):
        below = tuple(done[child] for child in ex.children(node))
        made = building.rebuild(node, below)
        if isinstance(node, ex.Call) and node.name in ("max", "min") and len(below) == 2:
            a, b = below
            if all(slopes[u] is not None for u in node.arguments) and not ex.is_constant(node):
                gap = building.call("abs", (building.add((a, building.negate(b))),))
                side = gap if node.name == "max" else building.negate(gap)
                made = building.add(building.multiply((_HALF, part)) for part in (a, b, side))
        done[node] = made
    return done[tree]


def _length(slope: Slope, row: Vector) -> ex.Expression:
    """|v|."""
    square = scalar_product(row, row).rational_value()
    inside: ex.Expression = building.add(building.power(c, 2) for c in slope.values())
    if square is not None:
        inside = ex.Number(Fraction(int(square.p), int(square.q)))
    return building.call("sqrt", (inside,))


def _along(
    e: ex.Expression, slopes: dict[ex.Expression, Slope | None], v: Vector, size: ex.Expression, r: int
) -> ex.Expression | None:
    """``e`` as a function of w = ⟨v, z⟩/|v|; None if it varies along other directions too."""
    done: dict[ex.Expression, ex.Expression] = {}
    origin: dict[int, ex.Expression] = dict.fromkeys(ex.variables_of(e), ex.ZERO)
    for node in ex.postorder(e):
        slope = slopes[node]
        if slope is None:
            if any(child not in done for child in ex.children(node)):
                return None
            done[node] = building.rebuild(node, tuple(done[child] for child in ex.children(node)))
            continue
        ratio = _ratio(vector_of(slope, r), v)
        if ratio is not None:
            line = building.multiply((ex.Number(ratio), size, ex.Variable(0)))
            done[node] = building.add((line, building.substitute(node, origin)))
    return done.get(e)


def _ratio(row: Vector, v: Vector) -> Fraction | None:
    """The rational q with row = q v, or None."""
    place = next((i for i, x in enumerate(v) if x.is_zero() is False), None)
    if place is None:
        return None
    above, below = float(row[place]), float(v[place])
    if not below or not math.isfinite(above / below):
        # No float holds it: a direction of its own.
        return None
    q = Fraction(above / below).limit_denominator(_DENOMINATOR)
    return q if all((x - y * q).is_zero() is True for x, y in zip(row, v, strict=True)) else None
