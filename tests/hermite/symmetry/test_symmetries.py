"""Symmetries of targets: what is found, what is rightly not found, and the vectors that are left fixed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from hermite import Target, leap
from hermite.exact.rows import rational
from hermite.exact.subspaces import Span
from hermite.language.nodes import Variable
from hermite.language.normal_form import normal_form
from hermite.symmetry.invariance import inversion_outside
from hermite.symmetry.symmetries import symmetries


@pytest.mark.parametrize(
    ("text", "planes"),
    [
        ("z1^3 - 3*z1*z2^2", 1),  # by 2π/3
        ("z1^2 + z2^2", 1),
        ("z1*z2", 1),  # by π
        ("(z1^2 + z2^2)*z3", 1),
        ("z1^4 - 6*z1^2*z2^2 + z2^4 + z3", 1),
        ("z1^3 - 3*z1*z2^2 + z2", 0),
        ("z1 + z2^2", 0),
        ("z1^3 + z2^3", 0),
    ],
)
def test_rotations_of_a_plane_are_proved(text: str, planes: int) -> None:
    assert len(symmetries(Target(text)).planes) == planes


@pytest.mark.parametrize("text", ["z1^3 - 3*z1*z2^2", "z1^5 - 10*z1^3*z2^2 + 5*z1*z2^4 + z1^2 + z2^2"])
def test_a_rotation_leaves_no_first_moment(text: str) -> None:
    f = Target(text)
    assert symmetries(f).fixed(Span(2)).dim == 0
    z = np.random.default_rng(0).standard_normal((1 << 18, 2))
    for power in (1, 2, 3):
        label = np.tanh(f(z)) ** power
        means = (label[:, None] * z).mean(0) / ((label[:, None] * z).std(0) / 512)
        assert np.abs(means).max() < 4.5


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("max(z1, z2, z3)", 6),
        ("tanh(z1*z2)", 4),
        ("abs(z1 - z2)", 4),
        ("cos(z1)*sin(z2)", 2),
        ("z1 + z2^2", 2),
        ("relu(z1) + tanh(z2)", 1),
        ("sin(z1 + z2^2)", 2),
        ("exp(z1*z2/4)*tanh(z1 + z2)^2", 4),
        ("(z1 + 2*z2)^2*tanh(2*z1 - z2)", 2),  # along (1, 2): no permutation
        ("cos(z1 + 2*z2)*exp(-(2*z1 + z2)^2)", 2),
    ],
)
def test_matrices_that_leave_a_target_alone_are_found(text: str, count: int) -> None:
    f = Target(text)
    found = symmetries(f).matrices
    z = np.random.default_rng(1).standard_normal((100, f.r))
    for q in found:
        matrix = np.array([[float(Fraction(int(x.p), int(x.q))) for x in row] for row in q])
        assert matrix @ matrix.T == pytest.approx(np.eye(f.r))
        assert f(z @ matrix.T) == pytest.approx(f(z))
    assert len(found) == count


def test_the_space_that_is_asked_about_gives_a_candidate() -> None:
    """In expanded form no direction shows: the space outside of which the label is even is found all the same."""
    f = Target("z1 + z2 + z1^2 - 2*z1*z2 + z2^2")
    line = Span(2, [[rational(1), rational(1)]])
    assert symmetries(f).fixed(line) == line
    assert symmetries(Target("z1 + z2 + z1^2")).fixed(line).dim == 2
    assert inversion_outside(line) == ((0, 1), (1, 0))


def test_flips_of_one_variable_are_found() -> None:
    group = symmetries(Target("z1 + He4(z2)"))
    assert [group.flips(i) for i in range(2)] == [False, True]


def test_normal_forms_forget_order_and_settle_signs() -> None:
    same = [
        ("abs(z1 - z2)", "abs(z2 - z1)"),
        ("tanh(-z1) + z2", "z2 - tanh(z1)"),
        ("max(z1, z2, 1)", "max(1, z2, z1)"),
        ("(z1 - z2)^3*z3", "-z3*(z2 - z1)^3"),
        ("He3(z1 - z2)", "-He3(z2 - z1)"),
    ]
    for a, b in same:
        assert normal_form(Target(a).tree) == normal_form(Target(b, variables=Target(a).variables).tree)
    assert normal_form(Target("tanh(z1)").tree) != normal_form(Target("tanh(-z1)").tree)
    assert normal_form(Variable(0)) == Variable(0)


PAIR = [[1, "1/2"], ["1/2", 1]]
ANTI = [[1, "-3/5"], ["-3/5", 1]]
CHAIN = [[1, "1/2", 0], ["1/2", 1, "1/2"], [0, "1/2", 1]]
TWO_OF_THREE = [[1, "3/5", 0], ["3/5", 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("text", "gram", "fixed"),
    [
        ("relu(z1)*relu(z2)", PAIR, [(1, 1)]),
        ("relu(z1)*relu(-z2)", ANTI, [(1, -1)]),
        ("sign(min(z1,z2,z3))", CHAIN, [(1, 0, 1), (0, 1, 0)]),
        ("max(z1,z2,z3)", TWO_OF_THREE, [(1, 1, 0), (0, 0, 1)]),
        ("relu(z1)*relu(2*z2)", PAIR, [(1, 1)]),
        ("relu(z1)+2*relu(z2)", PAIR, [(1, 0), (0, 1)]),
    ],
)
def test_exchanges_of_correlated_directions_are_symmetries_where_the_gram_matrix_keeps(
    text, gram, fixed
) -> None:
    f = Target(text, gram=gram)
    found, factor = symmetries(f), np.asarray(f.cholesky)
    for q in found.matrices:
        plain = np.array([[float(Fraction(str(x))) for x in row] for row in q])
        turned = np.linalg.solve(factor, plain @ factor)
        np.testing.assert_allclose(turned @ turned.T, np.eye(f.r), atol=1e-12)
    expected = Span(f.r, [tuple(rational(x) for x in row) for row in fixed])
    own = found.fixed(Span(f.r))
    assert own.dim == expected.dim
    assert all(expected.contains(row) for row in own.rows)


@pytest.mark.parametrize(
    ("text", "gram", "dims"),
    [
        ("relu(z1)*relu(z2)", PAIR, (0, 1)),
        ("relu(z1)*relu(-z2)", ANTI, (0, 1)),
        ("sign(min(z1,z2,z3))", CHAIN, (0, 1, 2)),
        ("Heaviside(z1)*Heaviside(z2)*Heaviside(z3)", CHAIN, (0, 1, 2)),
        ("max(z1,z2,z3)", TWO_OF_THREE, (0, 1, 2)),
    ],
)
def test_orthants_and_maxima_of_exchangeable_correlated_directions_are_decided(text, gram, dims) -> None:
    report = leap(Target(text, gram=gram))
    assert report.staircase is not None
    assert tuple(report.staircase.dims) == dims
    assert report.exactness == "exact"
