"""Infinite expansions: h(μ) = Σ c Π_j H_j(⟨a_j, μ⟩/|a_j|), H_j(x) = Σ_k E[u_j(t_j) He_k(t_j/|a_j|)] x^k/k!, exactly.

Each product of the canonical form is written in an orthogonal basis a_1, a_2, … (Gram–Schmidt over Q, in the metric of
the Gram matrix) that contains its ridge directions, so that its expectation factorises.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from hermite.engines.canonical import canonical
from hermite.engines.composite import is_composite
from hermite.engines.constants import Unsupported, as_fraction
from hermite.engines.correlated_products import Bundle
from hermite.engines.forms import Form, Vector, direction_rows, multiply
from hermite.engines.mehler import Pair
from hermite.engines.orthogonal import orthogonal_terms
from hermite.engines.series import Series, indices
from hermite.engines.terms import Lines, Term, expanded, try_integrals
from hermite.exact.effort import ALLOWANCE, Exhausted, Memo, allowance, spent
from hermite.exact.exactness import Exactness
from hermite.exact.rows import Row, lower, rational
from hermite.exact.scalars import Exact, Scalar
from hermite.exact.subspaces import Span, full
from hermite.exact.undecided import Undecided
from hermite.language.building import power
from hermite.language.nodes import Call, Expression, Variable, postorder

if TYPE_CHECKING:
    from hermite.target import Target


#: Units of work for the canonical form of one target.
_MOST_WORK = 1_000_000
#: What E f² may cost: beside the expansion it is one number, and its square has the square of the terms.
_SQUARE = ALLOWANCE // 2


class AnalyticEngine:
    """Closed forms where they exist, certified integrals elsewhere, "undecided" where neither applies."""

    degree = None

    def __init__(self, target: Target) -> None:
        assert target.tree is not None
        self.target, self.r, self.gram = target, target.r, target.gram
        self.reason = ""
        self._series: Memo[dict[tuple[int, ...], Scalar]] = Memo(100)
        self._energy: Memo[Scalar | None] = Memo(1)
        #: Products that hold a function of two directions; the form is all the rest.
        self.patched: tuple[Term, ...] = ()
        with allowance(_MOST_WORK, kept=True):
            try:
                self.form: Form | None
                self.form, self.terms = self._in_closed_form(target.tree)
            except (Undecided, ArithmeticError) as why:
                self.form, self.terms, self.reason = None, (), str(why)
            #: What all this cost, in units of :mod:`hermite.exact.effort`.
            self.cost = spent()

    def _in_closed_form(self, tree: Expression) -> tuple[Form, tuple[Term, ...]]:
        r, gram = self.r, self.gram
        try:
            if any(isinstance(e, Call) and len(e.arguments) > 1 for e in postorder(tree)):
                self._refuse_crowds(tree)
            form = canonical(tree, r)
            terms = orthogonal_terms(form, r, gram)
            try_integrals(terms)
            return form, terms
        except Exhausted:
            raise
        except (Undecided, ArithmeticError):
            from hermite.engines.patches import pieces
            from hermite.engines.rewriting import rewritten

            other = rewritten(tree)
            if other != tree:
                return self._in_closed_form(other)
            form, self.patched = pieces(tree, r, gram)
            return form, orthogonal_terms(form, r, gram) + self.patched

    def _refuse_crowds(self, tree: Expression) -> None:
        """Raise for maxima of many lines, which are integrals of their own."""
        from hermite.engines.patches import crowded, products

        if any(crowded(factor, self.r, self.gram) for factors in products(tree) for factor in factors):
            raise Unsupported("a maximum of many lines")

    @property
    def decided(self) -> bool:
        return self.form is not None

    @cached_property
    def exactness(self) -> Exactness:
        if not self.decided:
            return Exactness.UNDECIDED
        names = {name for term in self.terms for _, u in term.factors for name, *_ in u.factors}
        by_integral = names & {"tanh", "logcosh"} or any(map(is_composite, names))
        return Exactness.CERTIFIED if by_integral or self._mixed() else Exactness.EXACT

    def _mixed(self) -> bool:
        """Whether some coefficient is known by an integral only, or not at all."""
        if self.patched:
            from hermite.engines.patches import Patch

            if any(isinstance(plane, Patch) for term in self.patched for plane in term.planes):
                return True
        try:
            with allowance(fresh=False):
                lines = {u for term in self.terms for _, u in term.factors if not u.is_power}
                planes = {plane for term in self.terms for plane in term.planes}
                return any("E[" in str(u.coefficient(k)) for u in lines for k in range(4)) or any(
                    isinstance(plane, Pair | Bundle)
                    or any("E[" in str(plane.coefficient(k)) for k in indices(len(plane.axes), 2))
                    for plane in planes
                )
        except Undecided:
            return True

    def heat_series(self, order: int) -> dict[tuple[int, ...], Scalar]:
        """{α: c_α/α!} up to total degree ``order``; entries that cancel formally (a proof of zero) are left out.

        Raises :class:`~hermite.exact.subspaces.Undecided` where a coefficient is out of reach of the integrals.
        """
        with allowance(fresh=False):
            return self._series.get(("series", self.target, order), lambda: self._expanded(order))

    def _expanded(self, order: int) -> dict[tuple[int, ...], Scalar]:
        parts: dict[tuple[int, ...], list[Scalar]] = {}
        lines: Lines = {}
        for term in self.terms:
            for alpha, c in expanded(term, order, self.r, lines).items():
                parts.setdefault(alpha, []).append(c)
        total = {alpha: Scalar.total(own) for alpha, own in parts.items()}
        return {alpha: c for alpha, c in total.items() if c.is_zero() is not True}

    def direction_span(self, order: int = 1) -> Span:
        """The span of the directions that occur in what has orders from ``order`` on: it holds the spans of their tensors.

        For order 1 an upper bound of the relevant space; beyond it polynomials of lower degree bring nothing.
        """
        if self.form is None:
            assert self.target.tree is not None
            used = {node.index for node in postorder(self.target.tree) if isinstance(node, Variable)}
            return Span(self.r, [row for i, row in enumerate(full(self.r).rows) if i in used])
        form = {key: c for key, c in self.form.items() if key.varies_beyond(order)}
        rows = [*direction_rows(form, self.r)]
        rows += [[Scalar.of(x) for x in v] for term in self.patched for v in term.directions_of_order(order)]
        return Span(self.r, rows)

    def proves_closed(self, space: Span, level: int) -> bool:
        """Whether U = ``space`` is *proved* closed at ``level`` by terms that split over U and U⊥."""
        return self.decided and self.reach(space, level).dim == space.dim

    def reach(self, space: Span, level: int) -> Span:
        """A space that holds all that orders 1..``level`` add to U = ``space``.

        A term is A(z_U) M(z) B(z_⊥), M along directions that lie in neither: its orders in U⊥ are those of B, beside which
        M may add any direction of its own where B has an order below ``level``. Terms with one and the same A and M are
        added before their B are looked at.
        """
        groups: dict[tuple[Hashable, frozenset[Vector]], Series] = {}
        lines: Lines = {}
        for term in self._adapted(space):
            inside = {v for v in term.directions if space.contains(_row(v))}
            outside = {v for v in term.directions if v not in inside and self._is_orthogonal(v, space)}
            away = [plane for plane in term.planes if all(a in outside for a in plane.axes)]
            rest = Term(
                term.coefficient, tuple(item for item in term.factors if item[0] in outside), tuple(away)
            )
            own = (
                tuple(item for item in term.factors if item[0] not in outside),
                tuple(plane for plane in term.planes if plane not in away),
            )
            mixed = {v for v, _ in own[0]} | {a for plane in own[1] for a in plane.axes}
            total = groups.setdefault((own, frozenset(mixed - inside)), {})
            for alpha, c in expanded(rest, level, self.r, lines).items():
                total[alpha] = total[alpha] + c if alpha in total else c
        span = space.copy()
        for (_, others), total in groups.items():
            for row in _gradients(total, self.r):
                span.add(row)
            if any(sum(alpha) < level and c != 0 for alpha, c in total.items()):
                for v in sorted(others):
                    span.add(_row(v))
        return span

    def _adapted(self, space: Span) -> tuple[Term, ...]:
        """The terms with their polynomials written along U and U⊥, if U is rational."""
        rows = [[Scalar.of(x) for x in row] for row in space.rows]
        if self.form is None or not all(x.is_rational for row in rows for x in row):
            return self.terms
        frame = [tuple(as_fraction(x) for x in row) for row in rows]
        return orthogonal_terms(self.form, self.r, self.gram, frame) + self.patched

    def _is_orthogonal(self, v: Vector, space: Span) -> bool:
        covector = _row(v) if self.gram is None else lower(_row(v), self.gram)
        zero = Scalar.of(0)
        return all(sum((x * y for x, y in zip(covector, own, strict=True)), zero) == 0 for own in space.rows)

    def total_energy(self) -> Scalar | None:
        """E f² by the same machinery; None where it has no closed form."""
        if self.form is None:
            return None
        with allowance(_SQUARE, fresh=False):
            try:
                form = self.form
                return self._energy.get(("energy", self.target), lambda: self._squared(form))
            except Exhausted:
                # By what else this question cost: the next may have the means.
                return None

    def _squared(self, form: Form) -> Scalar | None:
        try:
            if not self.patched:
                try:
                    square = orthogonal_terms(multiply(form, form), self.r, self.gram)
                    try_integrals(square)
                    return Scalar.total(term.mean() for term in square)
                except Exhausted:
                    raise
                except Undecided:
                    pass
            return self._squared_by_cells()
        except Exhausted:
            raise
        except Undecided:
            return None

    def _squared_by_cells(self) -> Scalar:
        """E f² of the products of f², by certified sums where they have no closed form."""
        from hermite.engines.patches import pieces
        from hermite.engines.rewriting import rewritten

        assert self.target.tree is not None
        form, others = pieces(power(rewritten(self.target.tree), 2), self.r, self.gram)
        return Scalar.total(term.mean() for term in orthogonal_terms(form, self.r, self.gram) + others)


def _gradients(series: Series, r: int) -> Iterator[Row]:
    """Coefficient vectors of the gradient; what is proved to vanish is left out."""
    rows: dict[tuple[int, ...], list[Exact]] = {}
    for alpha, c in series.items():
        for i, a in enumerate(alpha if c != 0 else ()):
            if a:
                rows.setdefault((*alpha[:i], a - 1, *alpha[i + 1 :]), [rational(0)] * r)[i] = c * a
    return (tuple(row) for row in rows.values())


def _row(v: Vector) -> Row:
    return tuple(rational(x) for x in v)
