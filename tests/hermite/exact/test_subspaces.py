"""Spans over Q: canonical form, complements in a metric, intersections; a pivot nobody can decide stops the work."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermite.exact.atoms import Atom
from hermite.exact.rows import rational
from hermite.exact.scalars import Scalar
from hermite.exact.subspaces import Span, full
from hermite.exact.undecided import Undecided

matrices = st.lists(st.lists(st.integers(-3, 3), min_size=4, max_size=4), min_size=0, max_size=5)


def span(rows: list[list[int]]) -> Span:
    return Span(4, [[rational(x) for x in row] for row in rows])


@settings(max_examples=80, deadline=None, derandomize=True)
@given(matrices, matrices)
def test_dimensions_of_complement_and_intersection_add_up(a: list[list[int]], b: list[list[int]]) -> None:
    u, v = span(a), span(b)
    rank = int(np.linalg.matrix_rank(np.array(a or [[0] * 4])))
    assert u.dim == rank
    assert u.complement().dim == 4 - rank
    assert u.complement().complement() == u
    assert u.intersection(v).dim == u.dim + v.dim - (u + v).dim
    assert (u + v).includes(u)
    assert span(a[::-1]).strings() == u.strings()


def test_a_complement_is_orthogonal_in_its_metric() -> None:
    gram = [[Fraction(2), Fraction(1)], [Fraction(1), Fraction(3)]]
    e1 = Span(2, [[rational(1), rational(0)]])
    assert e1.complement(gram).strings() == [["1", "-2"]]
    assert full(2).complement(gram).dim == 0


def test_irrational_rows_print_exactly() -> None:
    root = Scalar.sqrt(2)
    line = Span(2, [[root, Scalar.of(1)]])
    assert line.strings() == [["1", "sqrt(2)/2"]]
    assert line.contains([Scalar.of(2), root])


def test_an_undecided_pivot_is_not_guessed() -> None:
    unknown = Scalar.atom(Atom("unknown", lambda: flint.arb(0, 1), lambda: None))
    line = Span(2, [[unknown, Scalar.of(1)]])
    assert line.dim == 1
    with pytest.raises(Undecided, match="unknown"):
        _ = line.rows
    with pytest.raises(Undecided, match="unknown"):
        Span(2, [[unknown, unknown]])


@pytest.mark.parametrize(
    ("rows", "frame"),
    [
        ([[1, 0, 10**300], [0, 1, 10**300]], [[1, -1, 0], [0, 0, 1]]),
        ([[1, 0, 10**390], [0, 1, 3 * 10**390]], [[3, -1, 0], [0, 0, 1]]),
        ([[1, 10**390]], [[0, 1]]),
        ([[1, 0, 2], [0, 1, 3]], [[1, 0, 2], [0, 1, 3]]),
    ],
)
def test_rows_of_huge_entries_span_in_floats_what_they_span(
    rows: list[list[int]], frame: list[list[int]]
) -> None:
    space = np.linalg.qr(np.array(Span(len(rows[0]), [fractions(row) for row in rows]).floats()).T)[0]
    wanted = np.linalg.qr(np.array(frame, float).T)[0]
    np.testing.assert_allclose(space @ space.T, wanted @ wanted.T, atol=1e-15)


def fractions(row: list[int]) -> list[Any]:
    return [rational(x) for x in row]
