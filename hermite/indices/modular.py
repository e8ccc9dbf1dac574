"""Conditional spans of rational tables modulo a prime: a quick proof that they fill what they can.

A minor of exact rational rows that does not vanish modulo a prime does not vanish: rows that are independent modulo it are
independent. So a space is proved to grow to its goal without the rational numbers of thousands of digits that an exact
evaluation far along a learned direction meets; that it does *not* grow is proved nowhere here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from hermite.exact.effort import spend
from hermite.exact.rows import rational

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
        spend(k * len(terms))
        for _ in range(k - 1):
            form = _derivative(form, _mixture(outside, draw))
        _include(found, _gradient(form, _mixture(inside, draw)))
    return len(found) >= dim


def dims_modulo(
    table: Mapping[tuple[int, ...], Any], r: int, dim: int, gram: Sequence[Sequence[Any]] | None, draw: Random
) -> tuple[int, ...] | None:
    """Dimensions of U_0 = {0} ⊂ U_1 ⊂ …, U_{t+1} = U_t + span of ∇h on μ + U_t, at a mean μ that is drawn.

    Each space is spanned at points that are drawn until one adds nothing. Lower bounds for the mean, with equality but for a
    probability of about (degree · ``dim``)/2^61. None where a coefficient has no residue.
    """
    metric = [] if gram is None else residues([[rational(x) for x in row] for row in gram])
    values = residues([list(table.values())])
    if values is None or metric is None:
        return None
    terms: Terms = dict(zip(table, values[0], strict=True))
    mean = [draw.randrange(1, PRIME) for _ in range(r)]
    learned: list[list[int]] = []
    dims = [0]
    while dims[-1] < dim:
        moves = learned if gram is None else [_applied(metric, row) for row in learned]
        grown, size = list(learned), -1
        while size < len(grown) < dim:
            size = len(grown)
            step = _mixture(moves, draw) if moves else [0] * r
            spend(r * len(terms))
            _include(grown, _gradient(terms, [(x + y) % PRIME for x, y in zip(mean, step, strict=True)]))
        if len(grown) == len(learned):
            break
        learned = grown
        dims.append(len(learned))
    return tuple(dims)


def _applied(matrix: Sequence[Sequence[int]], row: Sequence[int]) -> list[int]:
    return [sum(x * y for x, y in zip(own, row, strict=True)) % PRIME for own in matrix]


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
