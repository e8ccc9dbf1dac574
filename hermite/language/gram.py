"""Exact rational matrices: reading a Gram matrix, positive definiteness, inverse."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

from hermite.errors import InputError
from hermite.language.nodes import Number
from hermite.language.parsing import parse
from hermite.language.sympy_text import is_sympy, sympy_text

if TYPE_CHECKING:
    import flint

Matrix = tuple[tuple[Fraction, ...], ...]
N = TypeVar("N", Fraction, "flint.arb")


def exact_entry(value: object, place: str) -> Fraction:
    """A rational from an integer, a Fraction, text such as "1/2", a float (its shortest decimal), SymPy or Decimal."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, Fraction):
        return value
    if is_sympy(value):
        value = sympy_text(value)
    if isinstance(value, (int, float, str, Decimal)) and not isinstance(value, bool):
        try:
            number = parse(repr(value) if isinstance(value, (int, float)) else str(value))
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
    """Whether a symmetric rational matrix is proved positive definite: the pivots of LDL^T are positive.

    Exact, except that with very long entries (where exact pivots would take minutes) the pivots are balls of
    up to 8192 bits and a pivot that they do not tell from zero counts as zero.
    """
    bits = max(x.numerator.bit_length() + x.denominator.bit_length() for row in matrix for x in row)
    if bits * len(matrix) ** 2 <= _EXACT_BITS:
        return _smallest_sign([list(row) for row in matrix], Fraction(0)) == 1
    import flint

    for precision in (512, 8192):
        with flint.ctx.workprec(precision):
            balls = [[flint.arb(flint.fmpq(x.numerator, x.denominator)) for x in row] for row in matrix]
            sign = _smallest_sign(balls, flint.arb(0))
        if sign is not None:
            return sign == 1
    return False


#: Exact pivots are used up to this many bits an entry times the squared size of the matrix.
_EXACT_BITS = 40_000


def _smallest_sign(a: list[list[N]], zero: N) -> int | None:
    """1 if all pivots of LDL^T are positive, -1 if one is not, None if a ball does not tell; ``a`` is used up."""
    for k in range(len(a)):
        if a[k][k] <= zero:
            return -1
        if not a[k][k] > zero:
            return None
        for i in range(k + 1, len(a)):
            factor = a[i][k] / a[k][k]
            if factor != zero:
                a[i] = [x - factor * y for x, y in zip(a[i], a[k], strict=True)]
    return 1


def congruent(g: Sequence[Sequence[Fraction]], q: Sequence[Sequence[Fraction]]) -> list[list[Fraction]]:
    """G Q G for symmetric G and Q."""
    r = range(len(g))
    left = [[sum((g[i][k] * q[k][j] for k in r if q[k][j]), Fraction(0)) for j in r] for i in r]
    return [[sum((left[i][k] * g[k][j] for k in r if left[i][k]), Fraction(0)) for j in r] for i in r]
