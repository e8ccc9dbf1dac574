"""Exact linear algebra of spans: echelon forms, complements, strings.

Rows are sequences of exact scalars: ``flint.fmpq``, or :class:`hermite.exact.scalars.Scalar`, whose zero test has three
answers. Elimination is fraction-free (rows are cross-multiplied), so that a sum that vanishes does so formally; a
pivot that nobody can decide raises :class:`Undecided`, and no verdict is ever read off a float.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import flint

from hermite.exact.ball_rows import BallRows, float_rows
from hermite.exact.effort import Exhausted
from hermite.exact.rows import (
    Row,
    components,
    full_rows,
    lower,
    normalised,
    ratio_text,
    vanishes,
    zero_like,
)
from hermite.exact.undecided import Undecided

if TYPE_CHECKING:
    from hermite.exact.scalars import Exact


class Span:
    """A subspace of Q^n (or of its extension by constants), grown row by row.

    ``rows`` is a reduced echelon basis; each row has its own pivot column, in which all others vanish. Rows that are no
    rationals are kept as they come as long as balls prove them independent: nothing is multiplied out before it must be.
    A row Σ q_m m over monomials m lies in the hull of its rational q_m; where the hull has no larger dimension than the
    rows are proved to have, it is the space.
    """

    def __init__(self, n: int, rows: Iterable[Sequence[Exact]] = ()) -> None:
        self.n = n
        self._rows: dict[int, Row] = {}
        self._waiting: list[Row] = []
        self._balls = BallRows(n)
        self._hull: list[Row] = []
        for row in rows:
            self.add(row)

    @property
    def dim(self) -> int:
        return len(self._rows) + len(self._waiting)

    @property
    def rows(self) -> tuple[Row, ...]:
        reduced = self._reduced()
        return tuple(reduced[p] for p in sorted(reduced))

    @property
    def pivots(self) -> tuple[int, ...]:
        return tuple(sorted(self._reduced()))

    def copy(self) -> Span:
        other = Span(self.n)
        other._rows, other._waiting, other._balls = dict(self._rows), list(self._waiting), self._balls.copy()
        other._hull = list(self._hull)
        return other

    def _reduced(self) -> dict[int, Row]:
        """The reduced rows by pivot, those that wait included; raises :class:`Undecided`."""
        while self._waiting:
            new = self._residue(self._waiting[0])
            pivot = next((i for i, x in enumerate(new) if not vanishes(x)), None)
            if pivot is None:
                raise Undecided("a row is both independent and not")
            self._include(new, pivot)
            self._waiting.pop(0)
        return self._rows

    def residue(self, row: Sequence[Exact]) -> Row:
        """A multiple of ``row`` less its part in the span, zero in every pivot column."""
        self._reduced()
        return self._residue(row)

    def _residue(self, row: Sequence[Exact]) -> Row:
        current = tuple(row)
        for pivot, own in self._rows.items():
            factor = current[pivot]
            if not vanishes(factor):
                lead = own[pivot]
                current = tuple(lead * x - factor * y for x, y in zip(current, own, strict=True))
        return current

    def add(self, row: Sequence[Exact]) -> bool:
        """Include ``row``; whether the span grew."""
        known = self._add_quickly(row)
        if known is not None:
            return known
        grew = self._add_formally(row)
        if grew:
            self._hull = self._hull_of(components(row))
            self._settle_if_known()
        return grew

    def _add_quickly(self, row: Sequence[Exact]) -> bool | None:
        """:meth:`add` by rational arithmetic or by balls; None where these do not tell."""
        if self.dim == self.n:
            return False
        if all(isinstance(x, flint.fmpq) for x in row):
            grew = self._add_formally(row)
            if grew and self._hull:
                self._hull = self._hull_of([tuple(row)])
        else:
            parts = components(row)
            if self._is_rational and len(self._hull_of(parts)) == self.dim:
                return False
            if not self._surely_independent(row):
                return None
            grew = True
            self._waiting.append(tuple(row))
            self._hull = self._hull_of(parts)
        if grew:
            self._settle_if_known()
        return grew

    def _settle_if_known(self) -> None:
        """Simple rows, where the space fills what is known to hold it."""
        if self.dim == self.n or len(self._hull) == self.dim:
            self._settle(self._hull if self.dim < self.n else full_rows(self.n))

    @property
    def _is_rational(self) -> bool:
        """Whether all rows are rational."""
        return not self._waiting and all(
            isinstance(x, flint.fmpq) for row in self._rows.values() for x in row
        )

    def _add_formally(self, row: Sequence[Exact]) -> bool:
        new = self.residue(row)
        pivot = next((i for i, x in enumerate(new) if not vanishes(x)), None)
        if pivot is not None:
            self._include(new, pivot)
        return pivot is not None

    def _hull_of(self, parts: Sequence[Row]) -> list[Row]:
        """Reduced rational rows of the smallest rational space that is known to hold the span and ``parts``."""
        own: list[Row] = self._hull
        if not own:
            for row in self._rows.values():
                own = [*own, *components(row)]
        rows = [*own, *parts]
        if not rows:
            return []
        echelon, rank = flint.fmpq_mat([list(row) for row in rows]).rref()
        return [tuple(echelon[i, j] for j in range(self.n)) for i in range(rank)]

    def _settle(self, rows: Sequence[Row]) -> None:
        """The same space by reduced rational rows."""
        self._waiting, self._hull = [], list(rows)
        self._rows = {next(i for i, x in enumerate(row) if x != 0): row for row in rows}

    def _include(self, new: Row, pivot: int) -> None:
        new = normalised(new, pivot)
        lead = new[pivot]
        for other, own in self._rows.items():
            factor = own[pivot]
            if not vanishes(factor):
                mixed = tuple(lead * x - factor * y for x, y in zip(own, new, strict=True))
                self._rows[other] = normalised(mixed, other)
        self._rows[pivot] = new

    def _surely_independent(self, row: Sequence[Exact]) -> bool:
        """Whether balls prove ``row`` to be outside the span."""
        if not self._waiting:
            self._balls = BallRows(self.n)
            for own in self._rows.values():
                self._balls.outside(own)
        return self._balls.outside(row)

    def grow(self, rows: Iterable[Sequence[Exact]], limit: int | None = None) -> Span:
        """Include rows until dimension ``limit``; rows that are not quickly decided wait for the others. Returns the span."""
        slow, doubtful = [], []
        for row in rows:
            if self.dim == limit or self.dim == self.n:
                return self
            if self._add_quickly(row) is None:
                slow.append(row)
        for row in slow:
            if self.dim == limit or self.dim == self.n:
                return self
            try:
                self.add(row)
            except Exhausted:
                raise
            except Undecided:
                doubtful.append(row)
        for row in doubtful:
            if self.dim != limit:
                self.add(row)
        return self

    def contains(self, row: Sequence[Exact]) -> bool:
        return all(vanishes(x) for x in self.residue(row))

    def includes(self, other: Span) -> bool:
        return all(self.contains(row) for row in other.rows)

    def __add__(self, other: Span) -> Span:
        total = self.copy()
        for row in other.rows:
            total.add(row)
        return total

    def annihilator(self) -> list[Row]:
        """Basis of {v : ⟨row, v⟩ = 0 for all rows} in the coordinate pairing."""
        pivots, rows = self.pivots, self._reduced()
        basis: list[Row] = []
        for free in (i for i in range(self.n) if i not in pivots):
            common: Exact = flint.fmpq(1)
            for p in pivots:
                common = common * rows[p][p]
            v: list[Exact] = [zero_like(common)] * self.n
            v[free] = common
            for p in pivots:
                others: Exact = flint.fmpq(1)
                for q in pivots:
                    if q != p:
                        others = others * rows[q][q]
                v[p] = -(rows[p][free] * others)
            basis.append(tuple(v))
        return basis

    def complement(self, gram: Sequence[Sequence[Fraction]] | None = None) -> Span:
        """Orthogonal complement, in the metric ``gram`` of the coordinates if one is given."""
        rows = self.rows if gram is None else [lower(row, gram) for row in self.rows]
        return Span(self.n, Span(self.n, rows).annihilator()) if self.dim else full(self.n)

    def intersection(self, other: Span) -> Span:
        """The common subspace, as the annihilator of the sum of annihilators."""
        constraints = Span(self.n, [*self.annihilator(), *other.annihilator()])
        return Span(self.n, constraints.annihilator())

    def is_coordinate(self) -> bool:
        """Whether the span is that of some coordinate axes."""
        return all(sum(1 for x in row if not vanishes(x)) == 1 for row in self.rows)

    def over_rationals(self) -> Span | None:
        """The same span with rational rows, or None if its reduced rows are not rational."""
        out = Span(self.n)
        for pivot, row in self._reduced().items():
            values = [x if isinstance(x, flint.fmpq) else x.rational_value() for x in row]
            if any(x is None for x in values):
                return None
            out._rows[pivot] = tuple(values)
        return out

    def strings(self) -> list[list[str]]:
        """Row-reduced echelon form as exact strings: equal subspaces print equally."""
        rows = self._reduced()
        return [[ratio_text(x, rows[p][p]) for x in rows[p]] for p in self.pivots]

    def floats(self) -> list[list[float]]:
        """The rows of :meth:`strings` as floats; rows of larger entries are reduced further, by the largest of them.

        (1, 0, 1e300) and (0, 1, 1e300) are one direction in floats: (1, -1, 0) and (0, 1e-300, 1) are two.
        """
        return float_rows(self.rows, self.pivots)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Span) and self.dim == other.dim and self.includes(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Span({self.strings()})"


def full(n: int) -> Span:
    """The whole space."""
    return Span(n, full_rows(n))
