"""Certified lattice sums of smooth functions along any directions of a plane."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import flint
import numpy as np
import pytest

from hermite import expand, leap
from hermite.engines.lattice import Sheet
from hermite.exact.scalars import Scalar

ONE, ZERO = Scalar.of(1), Scalar.of(0)
AXES = ((Fraction(1), Fraction(0)), (Fraction(0), Fraction(1)))
FINE = np.linspace(-11, 11, 1401)


def moments(f: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> list[float]:
    """E f, E f x, E f y, E f x y, E f (x² − 1) by the trapezoid rule in floats, which converges geometrically."""
    x, y = np.meshgrid(FINE, FINE, indexing="ij")
    weight = np.exp(-(x**2 + y**2) / 2) / (2 * np.pi) * (FINE[1] - FINE[0]) ** 2
    value = f(x, y) * weight
    return [float(np.sum(value * p)) for p in (1.0, x, y, x * y, x**2 - 1)]


CASES: list[tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = [
    ("tanh(z1)*tanh(z1+z2)*tanh(z2)", lambda x, y: np.tanh(x) * np.tanh(x + y) * np.tanh(y)),
    (
        "z1*tanh(z1)*tanh(z1+z2)*tanh(z1-z2/2)",
        lambda x, y: x * np.tanh(x) * np.tanh(x + y) * np.tanh(x - y / 2),
    ),
    (
        "tanh(z1-1/2)*tanh(z1+z2)^2*tanh(2*z2+1/3)*cos(z1)",
        lambda x, y: np.tanh(x - 0.5) * np.tanh(x + y) ** 2 * np.tanh(2 * y + 1 / 3) * np.cos(x),
    ),
    ("tanh(z1-1/2)*tanh(6*z1+z2)", lambda x, y: np.tanh(x - 0.5) * np.tanh(6 * x + y)),
    ("tanh(z1+1/3)*tanh(3*z1-z2/2-1)", lambda x, y: np.tanh(x + 1 / 3) * np.tanh(3 * x - y / 2 - 1)),
]


@pytest.mark.parametrize(("text", "f"), CASES)
def test_products_of_smooth_functions_in_a_plane_have_their_moments(
    text: str, f: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> None:
    expansion = expand(text, order=2)
    assert expansion.exactness == "certified"
    found = [float(expansion.coefficient(alpha)) for alpha in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0))]
    np.testing.assert_allclose(found, moments(f), atol=2e-12)


def test_a_ball_of_the_lattice_holds_mehlers_sum() -> None:
    """tanh(t1) tanh(t1 + t2): two methods, two balls, one number."""
    factors = (
        ((Fraction(1), Fraction(0)), ("tanh", ONE, ZERO, 1)),
        ((Fraction(1), Fraction(1)), ("tanh", ONE, ZERO, 1)),
    )
    sheet = Sheet(AXES, (0, 0), factors, (Fraction(1), Fraction(1)))
    pair = expand("tanh(z1)*tanh(z1+z2)", order=4)
    for alpha in ((0, 0), (1, 1), (2, 0), (1, 3)):
        ball = sheet.value(alpha)
        with flint.ctx.workprec(128):
            other = pair.scalar(alpha).ball(128)
        assert ball.rad() < 1e-12
        assert ball.overlaps(other)


def test_reflections_and_exchanges_of_the_axes_are_one_constant() -> None:
    expansion = expand("tanh(z1)*tanh(z1+z2)*tanh(z2)", order=3)
    assert expansion.scalar((1, 2)) == expansion.scalar((2, 1))
    assert expansion.scalar((1, 1)) == 0
    assert expand("tanh(z1-1)*tanh(z1+z2/2)*tanh(z2+1)", order=2).scalar((1, 1)) != 0


@pytest.mark.parametrize(
    ("text", "index", "dims"),
    [
        ("tanh(z1)*tanh(z1+z2)*tanh(z2)", 1, (0, 1)),
        ("tanh(z1)*tanh(z1+z2)*tanh(z1-z2/2)", 1, (0, 1, 2)),
        ("erf(z1)*erf(z1+z2)*erf(z2)", 1, (0, 1)),
        ("tanh(z1)*tanh(z1+z2)*erf(z2-z1)*tanh(z1+3*z2)", 2, (0,)),
        ("sin(z1)*tanh(z1+z2)*erf(z2-z1)*tanh(z2/3)", 2, (0,)),
        ("tanh(z1)*erf(4*z1+z2)", 2, (0,)),
        ("tanh(z3)*tanh(z1)*tanh(z1+z2)*tanh(2*z1-z2)", 2, (0,)),
    ],
)
def test_products_of_smooth_functions_along_directions_that_are_not_orthogonal_are_decided(
    text: str, index: int, dims: tuple[int, ...]
) -> None:
    report = leap(text)
    assert report.exactness == "certified"
    assert (report.leap_index, report.staircase.dims) == (index, dims)


def test_what_takes_too_many_nodes_is_undecided_with_that_reason() -> None:
    report = leap("tanh(z1)*tanh(400*z1+z2)")
    assert report.exactness == "undecided"
    assert "nearly parallel" in report.reason
