"""Quadratic exponents: Σ q_ij z_i z_j as squares along orthogonal rational directions, where that is plain to see."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hermite.scalars import Scalar


def diagonal_squares(squares: dict[tuple[int, ...], Scalar], r: int) -> tuple[Any, ...]:
    """((direction, b), …) with Σ q_ij z_i z_j = Σ_j b_j ⟨direction_j, z⟩²; raises ``Unsupported`` where it is not seen.

    Seen are a diagonal form and a multiple of one square, as in exp(-(z1 + z2)^2).
    """
    from hermite.engines.canonical import Unsupported, as_fraction, primitive

    if all(max(key) == 2 for key in squares):
        axes = {tuple(Fraction(a // 2) for a in key): c for key, c in squares.items()}
        return tuple(sorted(axes.items(), key=lambda x: x[0]))
    if not all(c.is_rational for c in squares.values()):
        raise Unsupported("exp of a quadratic form that is neither diagonal nor one square")
    matrix = [[Fraction(0)] * r for _ in range(r)]
    for key, c in squares.items():
        places = [i for i, a in enumerate(key) for _ in range(a)]
        i, j = places
        matrix[i][j] += as_fraction(c) / 2
        matrix[j][i] += as_fraction(c) / 2
    row = next(line for line in matrix if any(line))
    i = matrix.index(row)
    if row[i] == 0 or any(matrix[a][b] * row[i] != row[a] * row[b] for a in range(r) for b in range(r)):
        raise Unsupported("exp of a quadratic form that is neither diagonal nor one square")
    direction, content = primitive(tuple(row))
    return ((direction, Scalar.of(content * content / row[i])),)
