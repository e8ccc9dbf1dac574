"""Exact linear algebra of spans: echelon forms, complements, strings.

Rows are sequences of exact scalars: ``flint.fmpq``, or :class:`hermite.exact.scalars.Scalar`, whose zero test has three
answers. Elimination is fraction-free (rows are cross-multiplied), so that a sum that vanishes does so formally; a
pivot that nobody can decide raises :class:`Undecided`, and no verdict is ever read off a float.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import flint

Row = tuple[Any, ...]


class Undecided(Exception):
    """A zero test had no answer; the text is the reason that the report gives."""


def vanishes(x: Any) -> bool:
    """Whether an exact scalar is zero: proved either way, or :class:`Undecided`."""
    if isinstance(x, (int, flint.fmpq)):
        return bool(x == 0)
    answer = x.is_zero()
    if answer is None:
        raise Undecided(f"{x} is indistinguishable from 0 and not proved to be 0")
    return bool(answer)


class Span:
    """A subspace of Q^n (or of its extension by constants), grown row by row.

    ``rows`` is a reduced echelon basis; each row has its own pivot column, in which all others vanish.
    """

    def __init__(self, n: int, rows: Iterable[Sequence[Any]] = ()) -> None:
        self.n = n
        self._rows: dict[int, Row] = {}
        for row in rows:
            self.add(row)

    @property
    def dim(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(self._rows[p] for p in sorted(self._rows))

    @property
    def pivots(self) -> tuple[int, ...]:
        return tuple(sorted(self._rows))

    def copy(self) -> Span:
        other = Span(self.n)
        other._rows = dict(self._rows)
        return other

    def residue(self, row: Sequence[Any]) -> Row:
        """A multiple of ``row`` less its part in the span, zero in every pivot column."""
        current = tuple(row)
        for pivot, own in self._rows.items():
            factor = current[pivot]
            if not vanishes(factor):
                lead = own[pivot]
                current = tuple(lead * x - factor * y for x, y in zip(current, own, strict=True))
        return current

    def add(self, row: Sequence[Any]) -> bool:
        """Include ``row``; whether the span grew."""
        if self.dim == self.n:
            return False
        new = self.residue(row)
        pivot = next((i for i, x in enumerate(new) if not vanishes(x)), None)
        if pivot is None:
            return False
        new = normalised(new, pivot)
        lead = new[pivot]
        for other, own in self._rows.items():
            factor = own[pivot]
            if not vanishes(factor):
                mixed = tuple(lead * x - factor * y for x, y in zip(own, new, strict=True))
                self._rows[other] = normalised(mixed, other)
        self._rows[pivot] = new
        return True

    def contains(self, row: Sequence[Any]) -> bool:
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
        pivots = self.pivots
        basis: list[Row] = []
        for free in (i for i in range(self.n) if i not in self._rows):
            common: Any = flint.fmpq(1)
            for p in pivots:
                common = common * self._rows[p][p]
            v: list[Any] = [_zero_like(common)] * self.n
            v[free] = common
            for p in pivots:
                others: Any = flint.fmpq(1)
                for q in pivots:
                    if q != p:
                        others = others * self._rows[q][q]
                v[p] = -(self._rows[p][free] * others)
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
        for pivot, row in self._rows.items():
            values = [x if isinstance(x, flint.fmpq) else x.rational_value() for x in row]
            if any(x is None for x in values):
                return None
            out._rows[pivot] = tuple(values)
        return out

    def strings(self) -> list[list[str]]:
        """Row-reduced echelon form as exact strings: equal subspaces print equally."""
        return [[_ratio_text(x, self._rows[p][p]) for x in self._rows[p]] for p in self.pivots]

    def floats(self) -> list[list[float]]:
        """The rows of :meth:`strings` as floats."""
        return [[to_float(x) / to_float(self._rows[p][p]) for x in self._rows[p]] for p in self.pivots]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Span) and self.dim == other.dim and self.includes(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Span({self.strings()})"


def full(n: int) -> Span:
    """The whole space."""
    return Span(n, [[flint.fmpq(int(i == j)) for j in range(n)] for i in range(n)])


def lower(row: Sequence[Any], gram: Sequence[Sequence[Fraction]]) -> Row:
    """The covector G v of the vector v with coordinates ``row``."""
    return tuple(
        sum((rational(g) * x for g, x in zip(line, row, strict=True) if g), start=_zero_like(row[0]))
        for line in gram
    )


def rational(value: Fraction | int) -> Any:
    """A Python rational as ``flint.fmpq``."""
    value = Fraction(value)
    return flint.fmpq(value.numerator, value.denominator)


def normalised(row: Row, pivot: int) -> Row:
    """``row`` over its pivot where that division is exact (rationals, monomials), else unchanged."""
    lead = row[pivot]
    inverse = getattr(lead, "inverse", None)
    if inverse is not None:
        reciprocal = inverse()
        return row if reciprocal is None else tuple(x * reciprocal for x in row)
    return tuple(x / lead for x in row)


def _zero_like(x: Any) -> Any:
    return x - x


def _ratio_text(x: Any, lead: Any) -> str:
    if vanishes(x):
        return "0"
    if x is lead or vanishes(x - lead):
        return "1"
    if vanishes(lead - 1):
        return str(x)
    return f"({x})/({lead})"


def sharp(x: Any) -> Any:
    """A ball of high relative accuracy around an exact scalar, or the best one within reach."""
    own = getattr(x, "sharp", None)
    return flint.arb(x) if own is None else own()


def to_float(x: Any) -> float:
    numerator = getattr(x, "p", None)
    return float(x) if numerator is None else int(x.p) / int(x.q)
