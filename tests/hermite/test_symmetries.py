"""Symmetries of targets: what is found, what is rightly not found, and the vectors that are left fixed."""

from __future__ import annotations

import numpy as np
import pytest

from hermite import Target
from hermite.nodes import Variable
from hermite.normal_form import normal_form
from hermite.subspaces import Span
from hermite.symmetries import apply, symmetries


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
def test_rotations_of_a_plane(text: str, planes: int) -> None:
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
    ],
)
def test_signed_permutations(text: str, count: int) -> None:
    f = Target(text)
    found = symmetries(f).permutations
    assert len(found) == count
    z = np.random.default_rng(1).standard_normal((100, f.r))
    for g in found:
        moved = np.array([apply(g, tuple(row)) for row in z])
        assert f(moved) == pytest.approx(f(z))


def test_flips_of_one_variable() -> None:
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
