"""Independence of rows proved by balls: elimination by interval arithmetic, quick and never wrong, but not always able."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import flint

if TYPE_CHECKING:
    from hermite.exact.scalars import Exact

#: Working precisions of the balls by which rows are told apart (the second where the first does not tell), and of those that
#: floats are made of.
_QUICK_BITS, _BITS, _CLEAR_BITS = 128, 512, 4096
#: Rows with larger entries are reduced further before they become floats.
_LARGE = 1000


class BallRows:
    """Rows of length ``n`` that balls have proved independent, one after the other."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._bits = _QUICK_BITS
        self._sources: list[Sequence[Exact | flint.arb]] = []
        #: (pivot, [(place, entry), …]): most entries of a row are zeros.
        self._rows: list[tuple[int, list[tuple[int, flint.arb]]]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def copy(self) -> BallRows:
        other = BallRows(self.n)
        other._bits, other._sources, other._rows = self._bits, list(self._sources), list(self._rows)
        return other

    def outside(self, row: Sequence[Exact | flint.arb]) -> bool:
        """Whether balls prove ``row`` to be outside those of the rows that were asked about before; it joins them then."""
        if self._joins(row):
            self._sources.append(row)
            return True
        if self._bits == _BITS or all(isinstance(x, flint.arb) for x in row):
            return False
        sources, self._rows, self._bits = self._sources, [], _BITS
        if not all(self._joins(own) for own in sources):
            raise ArithmeticError("sharper balls tell less")
        return self.outside(row)

    def _joins(self, row: Sequence[Exact | flint.arb]) -> bool:
        with flint.ctx.workprec(_BITS):
            rest = self._residue(row)
            if all(x.contains(0) for x in rest):
                return False
            self._include(rest)
            return True

    def _residue(self, row: Sequence[Exact | flint.arb]) -> list[flint.arb]:
        rest = [ball_of(x, self._bits) for x in row]
        for pivot, own in self._rows:
            factor = rest[pivot]
            if not factor.is_zero():
                for i, y in own:
                    rest[i] = rest[i] - factor * y
                rest[pivot] = flint.arb(0)
        return rest

    def _include(self, rest: list[flint.arb]) -> None:
        sure = [i for i in range(self.n) if not rest[i].contains(0)]
        pivot = max(sure, key=lambda i: rest[i].abs_lower().log().mid())
        self._rows.append((pivot, [(i, x / rest[pivot]) for i, x in enumerate(rest) if not x.is_zero()]))


def surely_spans(n: int, limit: int, rows: Iterable[Sequence[Exact | flint.arb]]) -> bool:
    """Whether balls prove ``limit`` of the rows (of balls or exact scalars) independent."""
    found = BallRows(n)
    return any(found.outside(row) and len(found) == limit for row in rows)


def float_rows(rows: Sequence[Sequence[Exact | flint.arb]], pivots: Sequence[int]) -> list[list[float]]:
    """Reduced rows over their pivots as floats; where entries are large, reduced further by the largest of them."""
    with flint.ctx.workprec(_CLEAR_BITS):
        balls = []
        for p, row in zip(pivots, rows, strict=True):
            own = [ball_of(x, _CLEAR_BITS) for x in row]
            balls.append([x / own[p] for x in own])
        if any(bool(abs(x) > _LARGE) for row in balls for x in row):
            balls = _reduced_by_largest(balls)
        return [[float(x.mid()) for x in row] for row in balls]


def _reduced_by_largest(rows: list[list[flint.arb]]) -> list[list[flint.arb]]:
    """Gauss–Jordan elimination, the largest entry that is left as the next pivot: few entries stay large."""
    left = list(range(len(rows)))
    while left:
        places = [(i, j) for i in left for j, x in enumerate(rows[i]) if not x.contains(0)]
        i, j = max(places, key=lambda place: abs(rows[place[0]][place[1]]).log().mid())
        lead = rows[i][j]
        rows[i] = [x / lead for x in rows[i]]
        for k in range(len(rows)):
            if k != i:
                factor = rows[k][j]
                rows[k] = [x - factor * y for x, y in zip(rows[k], rows[i], strict=True)]
                rows[k][j] = flint.arb(0)
        left.remove(i)
    return rows


def ball_of(x: Exact | flint.arb, bits: int = _BITS) -> flint.arb:
    """A ball around an exact scalar, at the precision at which rows are told apart if not another; a ball is its own."""
    if isinstance(x, flint.arb):
        return x
    return flint.arb(x) if isinstance(x, (int, float, flint.fmpq)) else x.ball(bits)
