"""Exact rational matrices: reading a Gram matrix, positive definiteness, inverse."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from hermite.errors import InputError
from hermite.nodes import Number
from hermite.parsing import parse

Matrix = tuple[tuple[Fraction, ...], ...]


def exact_entry(value: Any, place: str) -> Fraction:
    """A rational from an integer, a Fraction, text such as "1/2", or a float (its shortest decimal)."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, Fraction):
        return value
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = parse(repr(value) if not isinstance(value, str) else value)
        except InputError:
            number = None
        if isinstance(number, Number):
            return number.value
    raise InputError(f"gram {place} must be a rational number such as 1/2 or 0.25, not {ascii(value)[:60]}")


def exact_matrix(gram: Any, r: int) -> Matrix:
    """``gram`` as an exact matrix; one sentence if it is not (r, r), symmetric and positive definite."""
    rows = gram.tolist() if hasattr(gram, "tolist") else gram
    shaped = (
        isinstance(rows, Sequence)
        and not isinstance(rows, str)
        and len(rows) == r
        and all(isinstance(row, Sequence) and not isinstance(row, str) and len(row) == r for row in rows)
    )
    if not shaped:
        raise InputError(
            f"gram must be a {r} x {r} matrix (a list of {r} rows of {r} rationals, r = {r} variables)"
        )
    matrix = tuple(
        tuple(exact_entry(x, f"entry ({i + 1}, {j + 1})") for j, x in enumerate(row))
        for i, row in enumerate(rows)
    )
    for i in range(r):
        for j in range(i):
            if matrix[i][j] != matrix[j][i]:
                raise InputError(
                    f"gram must be symmetric, but entry ({j + 1}, {i + 1}) is {matrix[j][i]} "
                    f"and entry ({i + 1}, {j + 1}) is {matrix[i][j]}"
                )
    if not is_positive_definite(matrix):
        raise InputError("gram must be positive definite (linearly independent directions)")
    return matrix


def is_positive_definite(matrix: Sequence[Sequence[Fraction]]) -> bool:
    """Whether a symmetric rational matrix is positive definite: all pivots of LDL^T are positive, exactly."""
    a = [list(row) for row in matrix]
    for k in range(len(a)):
        if a[k][k] <= 0:
            return False
        for i in range(k + 1, len(a)):
            factor = a[i][k] / a[k][k]
            if factor:
                a[i] = [x - factor * y for x, y in zip(a[i], a[k], strict=True)]
    return True


def inverse(matrix: Sequence[Sequence[Fraction]]) -> Matrix:
    """Inverse of a positive definite rational matrix (Gauss-Jordan without pivoting)."""
    r = len(matrix)
    a = [list(row) + [Fraction(int(i == j)) for j in range(r)] for i, row in enumerate(matrix)]
    for k in range(r):
        pivot = a[k][k]
        a[k] = [x / pivot for x in a[k]]
        for i in range(r):
            if i != k and a[i][k]:
                factor = a[i][k]
                a[i] = [x - factor * y for x, y in zip(a[i], a[k], strict=True)]
    return tuple(tuple(row[r:]) for row in a)
