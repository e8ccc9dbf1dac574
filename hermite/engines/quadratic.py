"""Quadratic exponents along orthogonal directions: Σ q_ij u_i u_j = Σ_k b_k ⟨a_k, u⟩² with ⟨a_k, a_l⟩ = 0.

With G the covariance of u the a_k are eigenvectors of Q G, which is self-adjoint in the metric ⟨a, b⟩ = aᵀ G b; they are
rational if the eigenvalues are. Irrational constants in front of rational matrices must share their eigenvectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import flint

from hermite.engines.constants import Unsupported, as_fraction
from hermite.engines.forms import Vector, primitive
from hermite.exact.scalars import Scalar

Metric = Sequence[Sequence[Fraction]]
_REFUSAL = "exp of a quadratic form without rational principal axes"


def inner(a: Vector, b: Vector, gram: Metric | None) -> Fraction:
    """⟨Σ a_i w_i, Σ b_j w_j⟩."""
    # Most coefficients are 0, and Fractions are slow.
    if gram is None:
        return sum((x * y for x, y in zip(a, b, strict=True) if x and y), Fraction(0))
    right = [(j, y) for j, y in enumerate(b) if y]
    return sum((x * row[j] * y for x, row in zip(a, gram, strict=True) if x for j, y in right), Fraction(0))


def orthogonal_to(vector: Vector, basis: Sequence[Vector], gram: Metric | None) -> Vector | None:
    """The part of ``vector`` orthogonal to an orthogonal ``basis``, made primitive; None if nothing is left."""
    for a in basis:
        share = inner(vector, a, gram) / inner(a, a, gram)
        vector = tuple(x - share * y for x, y in zip(vector, a, strict=True))
    return primitive(vector)[0] if any(vector) else None


def principal_axes(
    quadratic: Sequence[tuple[tuple[int, int], Scalar]], given: Sequence[Vector], r: int, gram: Metric | None
) -> dict[Vector, Scalar]:
    """{a_k: b_k} with the directions ``given``, which are orthogonal, among the a_k; ``Unsupported`` if impossible."""
    if not quadratic:
        return dict.fromkeys(given, Scalar.of(0))
    lead = quadratic[0][1]
    inverse = lead.inverse()
    shares = None if inverse is None else [(place, c * inverse) for place, c in quadratic]
    if shares is None or not all(c.is_rational for _, c in shares):
        return _axes_of_a_diagonal(quadratic, given, r, gram)
    matrix = [[Fraction(0)] * r for _ in range(r)]
    for (i, j), c in shares:
        matrix[i][j] += as_fraction(c) / 2
        matrix[j][i] += as_fraction(c) / 2
    operator = _times_gram(matrix, gram)
    axes: dict[Vector, Scalar] = {}
    for value, space in _eigenspaces(tuple(map(tuple, operator))):
        basis = [a for a in given if _image(operator, a) == tuple(value * x for x in a)]
        for vector in space if value else []:
            rest = orthogonal_to(vector, basis, gram)
            if rest is not None:
                basis.append(rest)
        axes |= {a: lead * (value / inner(a, a, gram)) for a in basis}
    if any(a not in axes for a in given):
        raise Unsupported("a product of an exp and a function along a direction that is not one of its axes")
    return axes


def _axes_of_a_diagonal(
    quadratic: Sequence[tuple[tuple[int, int], Scalar]], given: Sequence[Vector], r: int, gram: Metric | None
) -> dict[Vector, Scalar]:
    """Squares of orthogonal variables with any coefficients."""
    axes = dict.fromkeys(given, Scalar.of(0))
    for (i, j), c in quadratic:
        axis = tuple(Fraction(int(i == k)) for k in range(r))
        if i != j or any(inner(axis, a, gram) for a in axes if a != axis):
            raise Unsupported(_REFUSAL)
        axes[axis] = c
    return axes


def _times_gram(matrix: list[list[Fraction]], gram: Metric | None) -> list[list[Fraction]]:
    if gram is None:
        return matrix
    columns = list(zip(*gram, strict=True))
    return [
        [sum((x * y for x, y in zip(row, c, strict=True)), Fraction(0)) for c in columns] for row in matrix
    ]


def _image(operator: list[list[Fraction]], a: Vector) -> Vector:
    return tuple(sum((x * y for x, y in zip(row, a, strict=True)), Fraction(0)) for row in operator)


def _flint(operator: list[list[Fraction]]) -> flint.fmpq_mat:
    return flint.fmpq_mat([[flint.fmpq(x.numerator, x.denominator) for x in row] for row in operator])


@lru_cache(maxsize=256)
def _eigenspaces(operator: tuple[Vector, ...]) -> tuple[tuple[Fraction, tuple[Vector, ...]], ...]:
    """(eigenvalue, basis of its space): the terms of a target share few quadratic parts."""
    rows = [list(row) for row in operator]
    return tuple((value, tuple(_eigenspace(rows, value))) for value in _rational_eigenvalues(rows))


def _rational_eigenvalues(operator: list[list[Fraction]]) -> list[Fraction]:
    values = []
    for factor, _ in _flint(operator).charpoly().factor()[1]:
        if factor.degree() > 1:
            raise Unsupported(_REFUSAL)
        root = -factor[0] / factor[1]
        values.append(Fraction(int(root.p), int(root.q)))
    return values


def _eigenspace(operator: list[list[Fraction]], value: Fraction) -> list[Vector]:
    """A rational basis of the kernel of operator − value, from its reduced echelon form."""
    n = len(operator)
    shifted = [[x - value * (i == j) for j, x in enumerate(row)] for i, row in enumerate(operator)]
    echelon, rank = _flint(shifted).rref()
    pivots = [next(j for j in range(n) if echelon[i, j] != 0) for i in range(rank)]
    basis = []
    for free in (j for j in range(n) if j not in pivots):
        vector = [Fraction(int(free == j)) for j in range(n)]
        for i, pivot in enumerate(pivots):
            entry = echelon[i, free]
            vector[pivot] = -Fraction(int(entry.p), int(entry.q))
        basis.append(tuple(vector))
    return basis
