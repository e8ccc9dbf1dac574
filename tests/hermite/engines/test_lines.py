"""Sums of functions of one direction each, at irrational angles: closed forms, sampling, and equal forms."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy.special import eval_hermitenorm

from hermite import Target, expand, leap

#: (target, dimensions of its staircase)
SUMS = [
    ("max(sqrt(2)*z1+z2,z1)", (0, 1, 2)),
    ("min(sqrt(3)*z1-z2/2,z2+z1)+z3", (0, 1, 2)),
    ("relu(pi*z1+z2)+abs(z1-z2)", (0, 1, 2)),
    ("abs(sqrt(2)*z1+sqrt(3)*z2+1)+relu(z1)*z2", (0, 1, 2)),
    ("sign(sqrt(2)*z1+z2/3)-z1", (0, 1, 2)),
    ("tanh(pi*z1+z2)+tanh(z1)", (0, 1, 2)),
    ("relu(sqrt(2)*z1+z2+pi)-relu(sqrt(2)*z1+z2)+Heaviside(z1+pi*z2)", (0, 1, 2)),
    ("relu(exp(1)*z1-z2)^2+z1*z2", (0, 1, 2)),
    ("max(sqrt(2)*z1+z2,z1)+min(z1,pi*z2)", (0, 1, 2)),
]


@pytest.mark.parametrize(("text", "dims"), SUMS)
def test_functions_along_lines_at_irrational_angles_are_decided_and_those_of_sampling(text, dims) -> None:
    f, e, report = Target(text), expand(text, 3), leap(text)
    assert report.exactness in ("exact", "certified")
    assert (report.leap_index, report.staircase.dims) == (1, dims)
    z = np.random.default_rng(5).standard_normal((100_000, f.r))
    y = f(z)
    for alpha in product(range(4), repeat=f.r):
        if sum(alpha) <= 3:
            sample = y * np.prod([eval_hermitenorm(a, z[:, i]) for i, a in enumerate(alpha)], axis=0)
            assert abs(e.value(alpha) - sample.mean()) < 4.5 * sample.std() / math.sqrt(len(z))
    sample = y * y
    if e.total_energy is not None:
        assert abs(float(e.total_energy) - sample.mean()) < 4.5 * sample.std() / math.sqrt(len(z))


def test_the_larger_of_two_lines_at_an_irrational_angle_has_its_closed_form() -> None:
    """(a + b + |a − b|)/2: C_1 is half the sum of the lines, C_2 = v vᵀ/(|v| √(2π)) for v their difference."""
    e = expand("max(sqrt(2)*z1+z2,z1)", 4)
    v = np.array([math.sqrt(2) - 1, 1])
    size = math.hypot(*v)
    assert e.exactness == "exact"
    assert e.tensor(1) == pytest.approx(np.array([math.sqrt(2) + 1, 1]) / 2, rel=1e-14)
    assert e.tensor(2) == pytest.approx(np.outer(v, v) / size / math.sqrt(2 * math.pi), rel=1e-14)
    assert float(e.value((0, 0))) == pytest.approx(size / math.sqrt(2 * math.pi), rel=1e-14)
    # E max² = E (a² + b²)/2, since (a, b) and (−a, −b) have one law.
    assert float(e.total_energy) == pytest.approx(2, rel=1e-9)


def test_one_irrational_direction_hides_all_that_is_orthogonal_to_it() -> None:
    """Even orders of v alone: the leap of z3 is that of its own function, not one found through v."""
    report = leap("abs(pi*z1+z2)+He3(z3)")
    assert (report.leap_index, report.isotropic_leap, report.staircase.dims) == (2, 3, (0,))
    assert leap("abs(pi*z1+z2)-abs(-z2-pi*z1)+z1").relevant_dim == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("max(sqrt(2)*z1+z2,z1)", "(z1*(1+sqrt(2))+z2+abs(z1*(sqrt(2)-1)+z2))/2"),
        ("max(pi*z1+z2,z1)", "z1+relu((pi-1)*z1+z2)"),
        ("min(sqrt(2)*z1+z2,z1)", "-max(-z1,-sqrt(2)*z1-z2)"),
        ("abs(pi*z1+z2)+z1", "relu(pi*z1+z2)+relu(-pi*z1-z2)+z1"),
        ("sign(sqrt(2)*z1+z2/3)+z2", "2*Heaviside(6*z1+sqrt(2)*z2)-1+z2"),
        ("tanh(pi*z1+z2)-z1", "2*logistic(2*pi*z1+2*z2)-1-z1"),
    ],
)
def test_equal_forms_at_irrational_angles_have_equal_answers(one: str, other: str) -> None:
    a, b = leap(one), leap(other)
    assert "undecided" not in (a.exactness, b.exactness)
    assert (a.leap_index, a.staircase.dims, a.flag_dims, a.isotropic_leap) == (
        b.leap_index,
        b.staircase.dims,
        b.flag_dims,
        b.isotropic_leap,
    )
    np.testing.assert_allclose(expand(one, 4).energies, expand(other, 4).energies, rtol=1e-12, atol=1e-15)
