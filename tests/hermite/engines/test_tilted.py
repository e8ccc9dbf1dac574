"""Exponentials of quadratic polynomials beside functions along other directions: one Gaussian is another."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from scipy.special import erf

from hermite import Target, expand, leap

FINE = np.linspace(-11, 11, 1601)


def moments(f: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> list[float]:
    """E f, E f x, E f y, E f x y, E f (x² − 1) by the trapezoid rule; kinks on grid lines or diagonals cost 1e-5."""
    x, y = np.meshgrid(FINE, FINE, indexing="ij")
    weight = np.exp(-(x**2 + y**2) / 2) / (2 * np.pi) * (FINE[1] - FINE[0]) ** 2
    value = f(x, y) * weight
    return [float(np.sum(value * p)) for p in (1.0, x, y, x * y, x**2 - 1)]


CASES: list[tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray], float]] = [
    ("exp(-z1^2)*tanh(z1-z2)", lambda x, y: np.exp(-(x**2)) * np.tanh(x - y), 1e-11),
    (
        "exp(-(z1-z2)^2+z1/2)*erf(z1)*z2",
        lambda x, y: np.exp(-((x - y) ** 2) + x / 2) * erf(x) * y,
        1e-11,
    ),
    (
        "exp(-z1^2-z1*z2-z2^2-z2/3)*tanh(z1)*tanh(z1-2*z2)",
        lambda x, y: np.exp(-(x**2) - x * y - y**2 - y / 3) * np.tanh(x) * np.tanh(x - 2 * y),
        1e-10,
    ),
    ("exp(z1^2/8)*tanh(z1+z2)*z1", lambda x, y: np.exp(x**2 / 8) * np.tanh(x + y) * x, 1e-9),
    (
        "erf(z1)*exp(z1/2+z2)*relu(z1-z2)",
        lambda x, y: erf(x) * np.exp(x / 2 + y) * np.maximum(x - y, 0),
        1e-4,
    ),
    (
        "exp(-z1^2)*relu(z1)*relu(z1+z2)",
        lambda x, y: np.exp(-(x**2)) * np.maximum(x, 0) * np.maximum(x + y, 0),
        1e-4,
    ),
]


@pytest.mark.parametrize(("text", "f", "off"), CASES)
def test_moments_beside_an_exponential_are_those_of_quadrature(
    text: str, f: Callable[[np.ndarray, np.ndarray], np.ndarray], off: float
) -> None:
    expansion = expand(text, order=2)
    assert expansion.exactness in ("exact", "certified")
    found = [float(expansion.coefficient(alpha)) for alpha in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0))]
    np.testing.assert_allclose(found, moments(f), atol=off)
    energy = moments(lambda x, y: f(x, y) ** 2)[0]
    assert float(expansion.total_energy) == pytest.approx(energy, abs=10 * off)


def test_an_exponential_across_a_sign_has_its_closed_form() -> None:
    """E exp(−(x − y)²) sign(x) sign(y) = (2/π) arcsin(2/3)/√5: the new covariance is that of correlation 2/3."""
    found = expand("exp(-(z1-z2)^2)*sign(z1)*sign(z2)", order=0)
    assert found.exactness == "exact"
    assert float(found.scalar((0, 0))) == pytest.approx(
        2 / math.pi * math.asin(2 / 3) / math.sqrt(5), rel=1e-14
    )


def test_a_gram_matrix_is_the_gaussian_that_is_turned_into_another() -> None:
    """With ⟨w_1, w_2⟩ = 3/5 the target is exp(−x²) tanh(x − 3x/5 − 4y/5) of independent x and y."""
    gram = [[Fraction(1), Fraction(3, 5)], [Fraction(3, 5), Fraction(1)]]
    own = expand(Target("exp(-z1^2)*tanh(z1-z2)", gram=gram), order=2)
    plain = expand("exp(-z1^2)*tanh(2/5*z1-4/5*z2)", order=2)
    assert float(own.total_energy) == pytest.approx(float(plain.total_energy), rel=1e-9)
    assert own.energies == pytest.approx(plain.energies, abs=1e-10)


@pytest.mark.parametrize(
    ("text", "index", "dims"),
    [
        ("exp(-z1^2)*tanh(z1-z2)", 1, (0, 1, 2)),
        ("exp(-z1^2-z2^2)*tanh(z1-z2)", 1, (0, 1)),
        ("exp(-(z1-z2)^2)*tanh(z1)*tanh(z2)", 2, (0,)),
        ("erf(z1)*exp(z1+z2)*relu(z1-z2)", 1, (0, 1, 2)),
        ("exp(z1/2+sqrt(2)*z2)*sign(z1)*sign(z1+z2)", 1, (0, 1, 2)),
        ("exp(-(z1-2*z2)^2)*exp(z3)*tanh(z1+z3)", 1, (0, 1, 3)),
    ],
)
def test_products_with_an_exponential_across_their_directions_are_decided(
    text: str, index: int, dims: tuple[int, ...]
) -> None:
    report = leap(text)
    assert report.exactness in ("exact", "certified")
    assert (report.leap_index, report.staircase.dims) == (index, dims)
