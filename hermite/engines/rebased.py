"""Targets along irrational directions whose angles are rational: f(z) = F(A z), the rows of A a basis with G = A Aᵀ rational.

max(√2 z1 + z2, z3) is max(w1, w2) with E w wᵀ = diag(3, 1): an expression whose directions are the variables themselves. The
engine of F in this metric answers; h_f(μ) = h_F(A μ), and a coefficient vector c of the w is Aᵀc of the z.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import flint

from hermite.engines.analytic import AnalyticEngine
from hermite.engines.constants import Unsupported, constant_scalar
from hermite.engines.series import Index, Series, times
from hermite.errors import InputError
from hermite.exact.exactness import Exactness
from hermite.exact.rows import Row
from hermite.exact.scalars import Scalar
from hermite.exact.subspaces import Span
from hermite.exact.undecided import Undecided
from hermite.language import building
from hermite.language import nodes as ex
from hermite.target import Target

#: The gradient of an affine expression: {variable: constant expression}.
Slope = dict[int, ex.Expression]
Vector = tuple[Scalar, ...]


class RebasedEngine(AnalyticEngine):
    """The engine of f by that of F; ``rows`` are those of A."""

    def __init__(self, target: Target, inner: Target, rows: Sequence[Vector]) -> None:
        self.target, self.r, self.gram = target, target.r, None
        self.inner, self.rows = AnalyticEngine(inner), rows
        self.form, self.terms, self.patched = self.inner.form, self.inner.terms, self.inner.patched
        self.reason, self.cost = self.inner.reason, self.inner.cost

    @property
    def exactness(self) -> Exactness:
        return self.inner.exactness

    def heat_series(self, order: int) -> Series:
        """h_F(A μ)."""
        lines: list[list[Series]] = []
        zero = (0,) * self.r
        for row in self.rows:
            line: Series = {
                tuple(int(i == j) for j in range(self.r)): x
                for i, x in enumerate(row)
                if x.is_zero() is not True
            }
            powers: list[Series] = [{zero: Scalar.of(1)}]
            for _ in range(order):
                powers.append(times(powers[-1], line, order))
            lines.append(powers)
        parts: dict[Index, list[Scalar]] = {}
        for beta, c in self.inner.heat_series(order).items():
            term: Series = {zero: c}
            for k, powers in zip(beta, lines, strict=True):
                term = times(term, powers[k], order) if k else term
            for alpha, value in term.items():
                parts.setdefault(alpha, []).append(value)
        total = {alpha: Scalar.total(own) for alpha, own in parts.items()}
        return {alpha: c for alpha, c in total.items() if c.is_zero() is not True}

    def direction_span(self, order: int = 1) -> Span:
        return self._outer(self.inner.direction_span(order))

    def reach(self, space: Span, level: int) -> Span:
        return self._outer(self.inner.reach(self._inside(space), level))

    def total_energy(self) -> Scalar | None:
        return self.inner.total_energy()

    def _outer(self, span: Span) -> Span:
        """Aᵀc for the c of a span."""
        return Span(self.r, [_combined([Scalar.of(c) for c in row], self.rows) for row in span.rows])

    def _inside(self, span: Span) -> Span:
        """The c with Aᵀc = u: G⁻¹ A u; raises :class:`Undecided` for a u that is no combination of the rows."""
        assert self.inner.gram is not None
        inverse = flint.fmpq_mat([[_fmpq(x) for x in row] for row in self.inner.gram]).inv()
        found = []
        for row in span.rows:
            u = [Scalar.of(x) for x in row]
            along = [scalar_product(own, u) for own in self.rows]
            c = [Scalar.total(along[j] * inverse[i, j] for j in range(len(along))) for i in range(len(along))]
            back = _combined(c, self.rows)
            if any((x - y).is_zero() is not True for x, y in zip(back, u, strict=True)):
                raise Undecided("a direction that the target does not name")
            found.append(c)
        return Span(len(self.rows), found)


def rebased(target: Target, slopes: Sequence[Slope], rows: Sequence[Vector]) -> RebasedEngine | None:
    """The engine in the coordinates along ``rows``; None where the angles of these are irrational too."""
    assert target.tree is not None
    try:
        basis: list[int] = []
        gram: list[list[Fraction]] = []
        for at, row in enumerate(rows):
            along = [_rational(scalar_product(rows[i], row)) for i in basis]
            size = _rational(scalar_product(row, row))
            if basis and _is_combination(row, [rows[i] for i in basis], gram, along):
                continue
            gram = [[*own, x] for own, x in zip(gram, along, strict=True)] + [[*along, size]]
            basis.append(at)
        inner = _inner_target(target.tree, [slopes[i] for i in basis], gram)
        return RebasedEngine(target, inner, [rows[i] for i in basis])
    except (Undecided, InputError, ZeroDivisionError):
        return None


def _inner_target(tree: ex.Expression, slopes: Sequence[Slope], gram: Sequence[Sequence[Fraction]]) -> Target:
    """F(w): z = Aᵀ G⁻¹ w, and what is orthogonal to the rows, on which f does not depend."""
    inverse = flint.fmpq_mat([[_fmpq(x) for x in row] for row in gram]).inv()
    n = len(slopes)
    images = {
        i: building.add(
            building.multiply(
                (slope[i], ex.Number(Fraction(int(inverse[k, j].p), int(inverse[k, j].q))), ex.Variable(j))
            )
            for k, slope in enumerate(slopes)
            if i in slope
            for j in range(n)
            if inverse[k, j] != 0
        )
        for i in ex.variables_of(tree)
    }
    return Target(
        building.substitute(tree, images),
        tuple(f"w{j + 1}" for j in range(n)),
        gram=[list(row) for row in gram],
    )


def affine_slopes(tree: ex.Expression) -> dict[ex.Expression, Slope | None]:
    """The gradient of every affine sub-expression; None of the others."""
    slopes: dict[ex.Expression, Slope | None] = {}
    for node in ex.postorder(tree):
        slopes[node] = _slope(node, slopes)
    return slopes


def _slope(e: ex.Expression, known: dict[ex.Expression, Slope | None]) -> Slope | None:
    if ex.is_constant(e):
        return {}
    if isinstance(e, ex.Variable):
        return {e.index: ex.ONE}
    if isinstance(e, ex.Sum):
        total: dict[int, list[ex.Expression]] = {}
        for term in e.terms:
            own = known[term]
            if own is None:
                return None
            for i, c in own.items():
                total.setdefault(i, []).append(c)
        return {i: building.add(parts) for i, parts in total.items()}
    if isinstance(e, ex.Product):
        varying = [factor for factor in e.factors if not ex.is_constant(factor)]
        front = [factor for factor in e.factors if ex.is_constant(factor)]
        own = known[varying[0]] if len(varying) == 1 else None
        return None if own is None else {i: building.multiply((*front, c)) for i, c in own.items()}
    return None


def vector_of(slope: Slope, r: int) -> Vector:
    return tuple(constant_scalar(slope[i]) if i in slope else Scalar.of(0) for i in range(r))


def is_rational_line(row: Vector) -> bool:
    """Whether the row is some constant times a rational one."""
    lead = next((x.inverse() for x in row if x.is_zero() is not True), None)
    return lead is not None and all((x * lead).is_rational for x in row)


def _is_combination(
    row: Vector, basis: Sequence[Vector], gram: Sequence[Sequence[Fraction]], along: Sequence[Fraction]
) -> bool:
    """Whether the row is one of the span of the basis: its projection is itself; raises where that is not told."""
    inverse = flint.fmpq_mat([[_fmpq(x) for x in own] for own in gram]).inv()
    c = [
        Scalar.of(sum((inverse[i, j] * _fmpq(along[j]) for j in range(len(basis))), flint.fmpq(0)))
        for i in range(len(basis))
    ]
    rest = [(x - y).is_zero() for x, y in zip(row, _combined(c, basis), strict=True)]
    if None in rest:
        raise Unsupported("a direction that is not told from another")
    return all(rest)


def _combined(c: Sequence[Scalar], rows: Sequence[Vector]) -> Row:
    return tuple(
        Scalar.total(x * own[i] for x, own in zip(c, rows, strict=True)) for i in range(len(rows[0]))
    )


def scalar_product(a: Sequence[Scalar], b: Sequence[Scalar]) -> Scalar:
    return Scalar.total(x * y for x, y in zip(a, b, strict=True))


def _rational(c: Scalar) -> Fraction:
    value = c.rational_value()
    if value is None:
        raise Unsupported("directions at an irrational angle")
    return Fraction(int(value.p), int(value.q))


def _fmpq(x: Fraction) -> flint.fmpq:
    return flint.fmpq(x.numerator, x.denominator)
