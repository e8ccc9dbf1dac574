"""Metamorphic: expressions in equal forms, permuted, rotated, scaled and added never contradict one another."""

from __future__ import annotations

from itertools import permutations

import pytest

from hermite import Target, leap
from hermite.indices.report import LeapReport

#: Written in {0}, {1}, {2}: any three directions may stand there.
SHAPES = [
    "relu({0})*relu({0}+{1})",
    "Heaviside({0})*Heaviside({0}+{1})*{2}",
    "sign(min({0},{1},{2}))",
    "max({0},{1},{2})",
    "{0}+{0}*{1}+{0}*{1}*{2}",
    "tanh({0})*{1}+exp({2}/2)",
    "abs({0}-{1})*({2}+1)",
    "sin({0}+{1})*{2}^2",
    "erf({0})*relu({1})-{2}",
]

#: Pairs of one function.
EQUAL = [
    ("relu(z1)*relu(z1+z2)", "z1*(z1+z2)*Heaviside(z1)*Heaviside(z1+z2)"),
    ("max(z1,z2)", "(z1+z2+abs(z1-z2))/2"),
    ("max(z1,z2,z3)", "-min(-z3,-z1,-z2)"),
    ("abs(z1)*z2", "relu(z1)*z2+relu(-z1)*z2"),
    ("tanh(z1)*tanh(z1+z2)", "(2*logistic(2*z1)-1)*tanh(z2+z1)"),
    ("sin(z1+z2)*z3", "cos(z1+z2-pi/2)*z3"),
    ("softplus(z1)*z2", "(softplus(-z1)+z1)*z2"),
    ("He3(z1)*z2", "(z1^3-3*z1)*z2"),
    ("exp(z1+z2)", "exp(z1)*exp(z2)"),
    ("sign(z1*z2)", "sign(z1)*sign(z2)"),
]

#: Functions of two directions without a closed form, and the same under maxima, minima, absolute values and signs.
COMPOSITE = [
    ("tanh(z1*z2)", "max(tanh(z1*z2), tanh(z2*z1))"),
    ("z3+tanh(z1*z2)", "z3+min(tanh(z1*z2), tanh(z1*z2), 2)"),
    ("tanh(z1*z2)", "relu(tanh(z1*z2))-relu(-tanh(z1*z2))"),
    ("2*tanh(z1*z2)+z1", "2*relu(tanh(z2*z1))-2*relu(tanh(-z1*z2))+z1"),
    ("abs(sin(z1*z2))", "max(sin(z1*z2), -sin(z1*z2))"),
    ("abs(sin(z1*z2))", "relu(sin(z1*z2))+relu(sin(-z1*z2))"),
    ("-abs(tanh(z1*z2-z1))", "min(tanh(z1*z2-z1), tanh(z1-z1*z2))"),
    ("cos(z1*z2)^2*z1", "relu(cos(z1*z2)^2)*z1-relu(-cos(z1*z2)^2)*z1"),
    ("exp(-z1^4*z2^2)+z2", "abs(exp(-z1^4*z2^2))+sign(exp(-z1^4*z2^2))*z2"),
    ("exp(-z1^4*z2^2)", "relu(exp(-z1^4*z2^2))-relu(-exp(-z1^4*z2^2))"),
    ("erf(z1*z2)*z3", "max(erf(z1*z2), -2-z1^2)*z3"),
    ("logistic(z1*z2)", "min(logistic(z1*z2), 2)*Heaviside(logistic(z1*z2))"),
]


def indices(report: LeapReport) -> tuple[object, ...]:
    """What no rotation and no unit changes."""
    return (
        report.relevant_dim,
        report.information_exponent,
        report.staircase.dims,
        report.staircase.complete,
        report.flag_dims,
        report.closure_dims_by_level,
    )


def spaces(report: LeapReport) -> tuple[object, ...]:
    return (
        report.relevant_subspace,
        report.leap_span,
        report.staircase.subspaces,
        report.hard_directions,
        report.beyond_one_step,
    )


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_forms_have_equal_answers(one: str, other: str) -> None:
    a, b = leap(Target(one)), leap(Target(other))
    assert "undecided" not in (a.exactness, b.exactness)
    assert indices(a) == indices(b)
    assert spaces(a) == spaces(b)


@pytest.mark.parametrize(("one", "other"), COMPOSITE)
def test_functions_of_two_directions_are_decided_in_every_equal_form(one: str, other: str) -> None:
    a, b = leap(Target(one)), leap(Target(other))
    assert "undecided" not in (a.exactness, b.exactness)
    assert (indices(a), spaces(a)) == (indices(b), spaces(b))


@pytest.mark.parametrize("shape", SHAPES)
def test_permuted_and_scaled_targets_have_the_same_stairs(shape: str) -> None:
    names = ("z1", "z2", "z3")
    first = leap(Target(shape.format(*names), variables=names))
    assert first.exactness != "undecided"
    for order in list(permutations(range(3)))[1:4]:
        other = leap(Target(shape.format(*(names[i] for i in order)), variables=names))
        assert indices(other) == indices(first)
        # ⟨direction, z⟩ with z_{order_i} in the place of z_i: column i of the first is column order_i of the other.
        for a, b in zip(first.staircase.bases, other.staircase.bases, strict=True):
            moved = b[:, list(order)]
            assert a.T @ a == pytest.approx(moved.T @ moved, abs=1e-9)
    scaled = leap(Target(f"-7/3*({shape.format(*names)}) + 5", variables=names))
    assert indices(scaled) == indices(first)
    assert spaces(scaled) == spaces(first)


#: Rational rotations: rows of an orthogonal matrix.
ROTATIONS = [
    ("(3*z1+4*z2)/5", "(-4*z1+3*z2)/5", "z3"),
    ("(z1+2*z2+2*z3)/3", "(2*z1+z2-2*z3)/3", "(2*z1-2*z2+z3)/3"),
]


@pytest.mark.parametrize("rows", ROTATIONS)
@pytest.mark.parametrize("shape", [s for s in SHAPES if "sin" not in s])
def test_rotated_targets_have_the_same_dimensions(shape: str, rows: tuple[str, str, str]) -> None:
    names = ("z1", "z2", "z3")
    first = leap(Target(shape.format(*names), variables=names))
    turned = leap(Target(shape.format(*(f"({row})" for row in rows)), variables=names))
    if turned.exactness == "undecided":
        # Undecided is no contradiction, but what is proved of it must agree.
        assert turned.relevant_dim is None or turned.relevant_dim <= first.relevant_dim
        return
    assert indices(turned) == indices(first)


@pytest.mark.parametrize("shape", SHAPES[:5])
def test_what_is_added_and_taken_away_leaves_no_trace(shape: str) -> None:
    names = ("z1", "z2", "z3")
    text = shape.format(*names)
    first = leap(Target(text, variables=names))
    for extra in ("relu(z2)", "z3^2", "abs(z1-z3)"):
        other = leap(Target(f"{text} + 2*{extra} - {extra} - {extra}", variables=names))
        assert other.relevant_subspace == first.relevant_subspace
        assert other.staircase.subspaces == first.staircase.subspaces
        # A symmetry that is looked for in the expression may hide behind what cancels: undecided, no contradiction.
        assert other.staircase.complete in (first.staircase.complete, None)
