"""Independence of rows proved by balls: elimination by interval arithmetic, quick and never wrong, but not always able."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import flint

#: Working precision of the balls by which rows are told apart.
_BITS = 512


class BallRows:
    """Rows of length ``n`` that balls have proved independent, one after the other."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._rows: list[tuple[int, list[flint.arb]]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def copy(self) -> BallRows:
        other = BallRows(self.n)
        other._rows = list(self._rows)
        return other

    def outside(self, row: Sequence[Any]) -> bool:
        """Whether balls prove ``row`` to be outside those of the rows that were asked about before; it joins them then."""
        with flint.ctx.workprec(_BITS):
            rest = self._residue(row)
            if all(x.contains(0) for x in rest):
                return False
            self._include(rest)
            return True

    def _residue(self, row: Sequence[Any]) -> list[flint.arb]:
        rest = [ball_of(x) for x in row]
        for pivot, own in self._rows:
            factor = rest[pivot]
            rest = [x - factor * y for x, y in zip(rest, own, strict=True)]
            rest[pivot] = flint.arb(0)
        return rest

    def _include(self, rest: list[flint.arb]) -> None:
        sure = [i for i in range(self.n) if not rest[i].contains(0)]
        pivot = max(sure, key=lambda i: rest[i].abs_lower().log().mid())
        self._rows.append((pivot, [x / rest[pivot] for x in rest]))


def surely_spans(n: int, limit: int, rows: Iterable[Sequence[Any]]) -> bool:
    """Whether balls prove ``limit`` of the rows (of balls or exact scalars) independent."""
    found = BallRows(n)
    return any(found.outside(row) and len(found) == limit for row in rows)


def ball_of(x: Any) -> flint.arb:
    """A ball around an exact scalar at the precision at which rows are told apart; a ball is its own."""
    if isinstance(x, flint.arb):
        return x
    own = getattr(x, "ball", None)
    return flint.arb(x) if own is None else own(_BITS)
