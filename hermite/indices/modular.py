"""Conditional spans of rational tables modulo a prime: a quick proof that they fill what they can.

A minor of exact rational rows that does not vanish modulo a prime does not vanish: rows that are independent modulo it are
independent. So a space is proved to grow to its goal without the rational numbers of thousands of digits that an exact
evaluation far along a learned direction meets; that it does *not* grow is proved nowhere here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

PRIME = 2**61 - 1
#: Points beyond those that are needed if every one shows a new direction.
_SPARE = 2

Terms = dict[tuple[int, ...], int]


def residue(q: Any) -> int | None:
    """A rational modulo the prime; None where its denominator vanishes there."""
    below = int(q.q) % PRIME
    return int(q.p) % PRIME * pow(below, -1, PRIME) % PRIME if below else None


def residues(rows: Sequence[Sequence[Any]]) -> list[list[int]] | None:
    """Rows modulo the prime; None where an entry has no residue."""
    out = [[residue(x) for x in row] for row in rows]
    if any(x is None for row in out for x in row):
        return None
    return [[x for x in row if x is not None] for row in out]


def spans_modulo(
    table: Mapping[tuple[int, ...], Any],
    learned: Sequence[Sequence[Any]],
    basis: Sequence[Sequence[Any]],
    normals: Sequence[Sequence[Any]],
    k: int,
    dim: int,
) -> bool:
    """Whether ``learned`` rows and gradients of ∂_ν^{k−1} h at points of the space are proved to have rank ``dim``.

    ``basis`` and ``normals``: covectors of the learned space and of what is orthogonal to it; ν and the points are drawn.
    """
    parts = [residues(rows) for rows in (learned, basis, normals, [list(table.values())])]
    if any(part is None for part in parts):
        return False
    rows, inside, outside, (values,) = (part for part in parts if part is not None)
    terms: Terms = dict(zip(table, values, strict=True))
    draw = Random(k)
    found: list[list[int]] = []
    for row in rows:
        _include(found, row)
    for _ in range(dim - len(found) + _SPARE):
        if len(found) >= dim:
            break
        form = terms
        for _ in range(k - 1):
            form = _derivative(form, _mixture(outside, draw))
        _include(found, _gradient(form, _mixture(inside, draw)))
    return len(found) >= dim


def _mixture(rows: Sequence[Sequence[int]], draw: Random) -> list[int]:
    weights = [draw.randrange(1, PRIME) for _ in rows]
    return [
        sum(w * x for w, x in zip(weights, column, strict=True)) % PRIME for column in zip(*rows, strict=True)
    ]


def _derivative(terms: Terms, covector: Sequence[int]) -> Terms:
    out: Terms = {}
    for alpha, c in terms.items():
        for i, a in enumerate(alpha):
            if a and covector[i]:
                key = (*alpha[:i], a - 1, *alpha[i + 1 :])
                out[key] = (out.get(key, 0) + c * covector[i] * a) % PRIME
    return out


def _gradient(terms: Terms, point: Sequence[int]) -> list[int]:
    """(∂h/∂u_i)_i at a point."""
    r = len(point)
    top = max((max(alpha) for alpha in terms), default=0)
    powers = []
    for x in point:
        row = [1]
        for _ in range(top):
            row.append(row[-1] * x % PRIME)
        powers.append(row)
    total = [0] * r
    for alpha, c in terms.items():
        for i, a in enumerate(alpha):
            if a:
                value = c * a
                for j, b in enumerate(alpha):
                    if b and (j != i or b > 1):
                        value = value * powers[j][b - (j == i)] % PRIME
                total[i] += value
    return [x % PRIME for x in total]


def _include(found: list[list[int]], row: Sequence[int]) -> None:
    """Add a row to a basis in echelon form, its first entry 1, if it is independent of it."""
    left = list(row)
    for own in found:
        pivot = next(i for i, x in enumerate(own) if x)
        if left[pivot]:
            factor = left[pivot]
            left = [(x - factor * y) % PRIME for x, y in zip(left, own, strict=True)]
    pivot_value = next((x for x in left if x), None)
    if pivot_value is not None:
        inverse = pow(pivot_value, -1, PRIME)
        found.append([x * inverse % PRIME for x in left])
