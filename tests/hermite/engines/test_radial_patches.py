"""Functions of the distance from the origin: closed forms of the χ law, sampling, and what is no such function."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy
from scipy import integrate, special, stats

from hermite import Target, expand, leap


def test_the_disc_has_its_closed_form() -> None:
    """|z|² is exponential of mean 2 in the plane."""
    e = expand("Heaviside(1-z1^2-z2^2)", 4)
    assert e.exactness == "exact"
    assert e.coefficient((0, 0)) == 1 - sympy.exp(sympy.Rational(-1, 2))
    assert e.coefficient((2, 0)) == e.coefficient((0, 2)) == -sympy.exp(sympy.Rational(-1, 2)) / 2
    assert e.is_zero((1, 1)) is True
    assert e.total_energy == e.coefficient((0, 0))
    assert expand("abs(z1^2+z2^2-2)", 0).coefficient((0, 0)) == 4 * sympy.exp(-1)


@pytest.mark.parametrize("k", [2, 3, 4, 5, 6])
def test_balls_have_the_probabilities_of_chi_square(k: int) -> None:
    q = "+".join(f"z{i + 1}^2" for i in range(k))
    e = expand(f"Heaviside(4-({q}))", 2)
    assert e.value((0,) * k) == pytest.approx(stats.chi2.cdf(4, k), rel=1e-13)
    # E[(q − k) 1(q < 4)]/k is the coefficient of He_2 along one axis.
    inside = integrate.quad(lambda x: (x - k) * stats.chi2.pdf(x, k), 0, 4, epsabs=1e-14)[0] / k
    assert e.value((2,) + (0,) * (k - 1)) == pytest.approx(inside, rel=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "tanh((z1+z2)^2+(z1-z2)^2+2*z3^2-3)",
        "relu(z1^2+z2^2+z3^2-3)^2",
        "exp(-abs(z1^2+z2^2-1))*z3",
        "cos((z1^2+z2^2)^2/8)",
    ],
)
def test_coefficients_are_those_of_sampling(text: str) -> None:
    f = Target(text)
    e = expand(f, 5)
    assert e.exactness in ("exact", "certified")
    z = np.random.default_rng(11).standard_normal((200_000, f.r))
    y = f(z)
    rest = (0,) * (f.r - 2)
    odd = int("z3" in text and text.endswith("z3"))
    for alpha in [(0, 0, *rest), (2, 0, *rest), (2, 2, *rest), (4, 0, *rest), (1, 1, *rest)]:
        alpha = (*alpha[:2], odd) if f.r == 3 else alpha
        sample = y * np.prod([special.eval_hermitenorm(k, z[:, i]) for i, k in enumerate(alpha)], axis=0)
        assert abs(e.value(alpha) - sample.mean()) < 4.5 * sample.std() / math.sqrt(len(z))


def test_all_directions_of_a_radial_target_are_hard_at_level_one() -> None:
    for text, r in (("Heaviside(1-z1^2-z2^2)", 2), ("tanh(z1^2+z2^2+z3^2)", 3)):
        report = leap(text)
        assert (report.leap_index, report.staircase.dims, len(report.hard_directions)) == (2, (0,), r)
        assert report.isotropic_leap == 2


def test_what_is_no_function_of_the_distance_is_not_taken_for_one() -> None:
    assert leap("tanh(z1^2+2*z2^2+z3^2+z4^2)").exactness == "undecided"
    ellipse = expand("tanh(z1^2+2*z2^2)", 2)
    assert abs(ellipse.value((2, 0)) - ellipse.value((0, 2))) > 0.01
