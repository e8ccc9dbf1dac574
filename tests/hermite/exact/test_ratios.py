"""Equal subspaces print equally: quotients of constants in one form, rational spaces by rational rows."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermite import Target, leap
from hermite.engines.constants import special_value
from hermite.exact.ratios import quotient
from hermite.exact.rows import rational
from hermite.exact.scalars import Scalar
from hermite.exact.subspaces import Span

ERF = special_value("erf", Scalar.of(Fraction(1, 2)))
PIECES = [Scalar.of(1), Scalar.sqrt(2), Scalar.sqrt(6), Scalar.sqrt_pi(-1), Scalar.exp(Fraction(-1, 3)), ERF]


@st.composite
def constants(draw: st.DrawFn) -> Scalar:
    chosen = draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=3))
    return Scalar.total(piece * draw(st.integers(1, 5)) for piece in chosen)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(constants(), constants(), constants())
def test_a_quotient_has_one_form(x: Scalar, y: Scalar, factor: Scalar) -> None:
    top, bottom = quotient(x, y) or (None, None)
    assert top is not None
    assert quotient(x * factor, y * factor) == (top, bottom)
    assert (top * y - bottom * x).is_zero() is True


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(st.lists(st.integers(-3, 3), min_size=4, max_size=4), min_size=2, max_size=3),
    st.lists(st.lists(constants(), min_size=3, max_size=3), min_size=3, max_size=3),
)
def test_a_rational_space_is_known_by_any_of_its_bases(
    rows: list[list[int]], mixing: list[list[Scalar]]
) -> None:
    plain = Span(4, [[rational(x) for x in row] for row in rows])
    mixed = Span(4)
    for weights in mixing:
        mixed.add([Scalar.total(w * row[j] for w, row in zip(weights, rows, strict=False)) for j in range(4)])
    if mixed.dim == plain.dim:
        assert mixed.strings() == plain.strings()
        assert mixed == plain
    assert all(plain.contains(row) for row in mixed.rows)


def test_an_irrational_line_prints_equally_whatever_spans_it() -> None:
    line = [Scalar.of(1), Scalar.sqrt(2) - 1]
    spans = [
        Span(2, [[x * c for x in line]]) for c in (Scalar.of(3), ERF + Scalar.sqrt_pi(1), Scalar.sqrt(2) + 1)
    ]
    assert [span.strings() for span in spans] == [[["1", "-1 + sqrt(2)"]]] * 3
    # A row known to hold the hull of an irrational line is not called part of the line.
    assert spans[0].add([Scalar.of(1), Scalar.sqrt(2) + 1])


@pytest.mark.parametrize(
    "text",
    [
        "(z2-3/2)*max(5*z2,z2-2*z1)",
        "relu(z1)*relu(z1+z2)*z3",
        "max(z1,z2/3+1/2)*(z1+2)",
        "relu(z1-1/2)*erf(z2)+z2*exp(z1/3)",
        "abs(z1-1)*(z2+z3)+min(z1,z2)",
        "max(z1,z2+z1/2,z3-z2,z4+z1)",
        "min(z1+z2/3+5,z1)*z1*z2",
        "(1+sqrt(2))*relu(z1)*(z2+z3*sqrt(3))",
    ],
)
def test_multiples_of_a_target_have_its_subspaces(text: str) -> None:
    f = Target(text)
    first = leap(f)
    for factor in ("3", "-2/7", "sqrt(2)", "erf(1/3)"):
        other = leap(Target(f"{factor}*({text})", variables=f.variables))
        assert (other.exactness, other.relevant_subspace) == (first.exactness, first.relevant_subspace)
        assert other.leap_span == first.leap_span
        assert other.staircase.subspaces == first.staircase.subspaces
        assert (other.hard_directions, other.beyond_one_step) == (
            first.hard_directions,
            first.beyond_one_step,
        )
    shown = [x for space in first.staircase.subspaces for row in space for x in row]
    assert not any("#" in x for x in shown)


def test_rational_and_irrational_rows_span_what_they_span_in_any_order() -> None:
    root = Scalar.sqrt(2)
    rows = [[Scalar.of(1), root - 1, Scalar.of(0)], [rational(0), rational(0), rational(1)]]
    for order in (rows, rows[::-1]):
        plane = Span(3, order)
        assert plane.strings() == [["1", "-1 + sqrt(2)", "0"], ["0", "0", "1"]]
        assert plane.complement().strings() == [["1", "-1 - sqrt(2)", "0"]]
        assert plane.complement().complement().strings() == plane.strings()


def test_a_negative_sum_keeps_its_sign_in_print() -> None:
    assert "span{z1 + (-1 + sqrt(2))*z2}" in repr(leap(Target("relu(z1)*relu(z1+z2)")))


def test_quotients_of_powers_of_e_beyond_machine_words_are_reduced_or_left() -> None:
    huge = Scalar.exp(Fraction(2) ** 400)
    top, bottom = (huge + 1) * (huge - 2), (huge + 1) * 3
    assert quotient(top, bottom) == ((huge - 2) * Fraction(1, 3), Scalar.of(1))
    # With e itself the exponents have no common measure that fits: nothing is reduced, and nothing breaks.
    assert quotient(top * Scalar.exp(Fraction(1)) + 1, bottom) is None
