"""Stairs of infinite expansions: what a table up to some order shows grows on, and what is said to be whole is proved."""

from __future__ import annotations

import pytest

from hermite import leap
from hermite.exact.rows import rational
from hermite.indices.closure import coordinate_closure, coordinate_leap
from hermite.indices.heat import Heat


@pytest.mark.parametrize(
    ("text", "dims"),
    [
        # Given z1 + z2 the product of three signs shows z4, beside z5: at order 4 the first of the two is not seen yet.
        ("relu(z1+z2)+sign(z1*(z2+z3)*z4)+tanh(z1)*z2*z5", (0, 1, 3, 5)),
        ("tanh(z1)+z1*z2+z2*z3", (0, 1, 2, 3)),
        ("tanh(z1)*z2+z1+exp(z1/2)*z3", (0, 1, 3)),
        ("erf(z1+z2)+He7(z1-z2)*z3", (0, 1)),
        ("relu(z1)*relu(z1+z2)*relu(z2+z3)", (0, 1, 3)),
        # C_1, C_3(v, v, ·) and C_5(v, v, v, v, ·) are three directions.
        ("tanh(z1)*tanh(z1+z2)*tanh(z2+z3)", (0, 1, 3)),
    ],
)
def test_a_step_holds_all_that_the_whole_expansion_adds(text: str, dims: tuple[int, ...]) -> None:
    report = leap(text)
    assert report.exactness != "undecided"
    assert report.staircase.dims == dims


@pytest.mark.parametrize(
    ("text", "dims"),
    [
        ("z1+min(z2,20)", (0, 1, 2)),
        ("z1+relu(z2-1e50)", (0, 1, 2)),
        ("z1+z2+abs(z3+1e40)-z4", (0, 1, 2)),
        ("z1+relu(z2-10)+relu(z3-15)", (0, 1, 3)),
        ("z1+1e-100*z2^3+1e-60*abs(z3)+1e-90*relu(z3)", (0, 1, 3)),
        ("z1+tanh(z2-60)", (0, 1, 2)),
    ],
)
def test_a_step_is_seen_however_small_it_is_beside_the_one_before(text: str, dims: tuple[int, ...]) -> None:
    """Along u = (1, c) with a tiny c the second order of a kink is (0, c φ): 10^-40 of u, and more, but not zero."""
    report = leap(text)
    assert report.exactness != "undecided"
    assert report.staircase.dims == dims


def test_coefficients_are_equal_and_zero_as_the_symmetries_say() -> None:
    """Exchange of two axes, and z3 → −z3."""
    terms = {(2, 1, 0): rational(3), (1, 2, 0): rational(4), (0, 0, 1): rational(5), (0, 0, 2): rational(6)}
    one, none, minus = rational(1), rational(0), rational(-1)
    exchange = ((none, one, none), (one, none, none), (none, none, one))
    mirror = ((one, none, none), (none, one, none), (none, none, minus))
    own = Heat(3, terms, 3, truncated=True).symmetrised([exchange, mirror])
    assert own.terms == {(2, 1, 0): rational(3), (1, 2, 0): rational(3), (0, 0, 2): rational(6)}


def test_a_coefficient_that_nobody_decides_matters_only_if_the_leap_depends_on_it() -> None:
    import flint

    from hermite.exact.atoms import Atom
    from hermite.exact.scalars import Scalar
    from hermite.exact.undecided import Undecided

    unknown = Scalar.atom(Atom("unknown", lambda: flint.arb(0, 1), lambda: None))
    known = {(1, 0): Scalar.of(1), (1, 1): Scalar.of(1)}
    assert coordinate_leap(Heat(2, {**known, (2, 2): unknown}, 4, truncated=True)) == 1
    with pytest.raises(Undecided):
        coordinate_leap(
            Heat(2, {(1, 0): Scalar.of(1), (0, 3): Scalar.of(1), (1, 1): unknown}, 4, truncated=True)
        )


def test_a_space_is_closed_by_a_symmetry_in_the_plane_of_the_target() -> None:
    """relu(x) relu(y) in space: the reflection that exchanges x/|x| and y/|y| also fixes what is orthogonal to both."""
    report = leap("relu(-2*z1+z2+2*z3)*relu(-2*z2+3*z3)")
    assert (report.exactness, report.staircase.dims, report.staircase.complete) == ("exact", (0, 1), False)


@pytest.mark.parametrize(
    ("text", "leap_coordinates"),
    [
        # z3 is reached by the seventh order at cost 1: the fourth knows the way by z3^2 alone.
        ("exp(z1+z2)+(z1-z2)^2+z3^2+z3*He6((z1-z2)/sqrt(2))", 1),
        ("tanh(z1+z2)+(z1-z2)^2+z3^2+z3*He6((z1-z2)/sqrt(2))", 1),
        ("sqrt(2)*(z1+z2)+(z1-z2)^2+z3^2+z3*He6((z1-z2)/sqrt(2))", 1),
        ("exp(z1+z2)+(z1-z2)^2+z3^2*tanh(z1)^2", 2),
        ("abs(z1)+tanh(z2)", 2),
        ("tanh(z1)+z2^2*z3*tanh(z1)", 2),
        ("tanh(z1)+He2(z2)*z3*tanh(z1)", 3),
    ],
)
def test_the_leap_in_coordinates_is_that_of_the_whole_expansion(text: str, leap_coordinates: int) -> None:
    report = leap(text)
    assert report.exactness != "undecided"
    assert report.leap_coordinates == leap_coordinates


def test_axes_are_reached_by_terms_that_bring_few_powers_of_new_ones() -> None:
    one = rational(1)
    heat = Heat(4, {(1, 0, 0, 0): one, (3, 1, 0, 0): one, (0, 1, 2, 0): one, (0, 0, 1, 3): one}, 4)
    assert [coordinate_closure(heat, level) for level in (1, 2, 3)] == [[0, 1], [0, 1, 2], [0, 1, 2, 3]]
