"""Two functions along correlated directions: a second quadrature, closed limits, and bounds that hold."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss, hermeval

from hermite import Target, expand, leap
from hermite.engines.trapezoid import normalised_coefficients, root_mean_square
from hermite.engines.univariate import Univariate
from hermite.exact.scalars import Scalar

ZERO, ONE = Scalar.of(0), Scalar.of(1)


def line(
    power: int = 0, *factors: tuple[str, int, Fraction, int], tilt: Fraction = Fraction(0)
) -> Univariate:
    own = tuple((name, Scalar.of(c), Scalar.of(e), k) for name, c, e, k in factors)
    return Univariate(power, (), own, Scalar.of(tilt), ZERO, Fraction(2, 3))


@pytest.mark.parametrize(
    "text",
    [
        "tanh(z1)*tanh(z1+z2)",
        "tanh(z1/2+1/3)*erf(z1-z2/2)*z2",
        "logistic(z1)*softplus(2*z1+z2)",
        "erf(z1)^2*tanh(z1-z2)*exp(z1/3+z2/4)",
        "tanh(z1)*exp(-z1^2/2)*erf(z1+3*z2)",
    ],
)
def test_smooth_pairs_are_those_of_quadrature(text: str) -> None:
    f = Target(text)
    e = expand(f, order=3)
    assert e.exactness == "certified"
    x, w = hermegauss(200)
    z = np.stack([a.ravel() for a in np.meshgrid(x, x, indexing="ij")], axis=1)
    weights = np.outer(w, w).ravel() / (2 * math.pi)
    y = np.asarray(f(z))
    scale = math.sqrt(weights @ y**2)
    for a in range(4):
        for b in range(4 - a):
            right = weights @ (y * hermeval(z[:, 0], np.eye(4)[a]) * hermeval(z[:, 1], np.eye(4)[b]))
            assert e.value((a, b)) == pytest.approx(right, abs=3e-9 * scale)
    assert float(e.total_scalar) == pytest.approx(scale**2, rel=1e-8)


@pytest.mark.parametrize(
    "text", ["relu(z1-1)*relu(z1+z2)", "tanh(z1)*abs(z1+2*z2-1/3)", "(z1+2)*sign(z1-z2)*erf(z2)"]
)
def test_kinked_pairs_agree_with_monte_carlo(text: str) -> None:
    f = Target(text)
    e = expand(f, order=2)
    z = np.random.default_rng(3).standard_normal((400_000, 2))
    y = np.asarray(f(z))
    for a in range(3):
        for b in range(3 - a):
            values = y * hermeval(z[:, 0], np.eye(3)[a]) * hermeval(z[:, 1], np.eye(3)[b])
            assert abs(values.mean() - e.value((a, b))) < 4.5 * values.std() / math.sqrt(len(z))


def test_error_functions_have_their_closed_form() -> None:
    """E erf(x) erf(y) = (2/π) arcsin(2ρ/√((1 + 2)(1 + 2))) for standard x and y."""
    e = expand(Target("erf(z1)*erf(3/5*z1+4/5*z2)"), order=0)
    right = 2 / math.pi * math.asin(2 * 0.6 / 3)
    assert float(e.scalar((0, 0))) == pytest.approx(right, rel=1e-15)


@pytest.mark.parametrize(
    "u",
    [
        line(0, ("tanh", 2, Fraction(1, 3), 1)),
        line(2, ("tanh", 1, Fraction(0), 3)),
        line(1, ("logcosh", 3, Fraction(-1, 2), 2)),
        line(0, ("erf", 1, Fraction(1), 1), ("tanh", 1, Fraction(2), 1), tilt=Fraction(-1, 2)),
    ],
)
def test_all_coefficients_at_once_are_the_integrals_one_by_one(u: Univariate) -> None:
    values = normalised_coefficients(u, 60)
    for n in (0, 1, 2, 7, 30, 59):
        one = u.coefficient(n).ball() / math.sqrt(math.factorial(n)) if n < 20 else u.coefficient(n).ball()
        if n >= 20:
            import flint

            one = one / flint.arb.fac_ui(n).sqrt()
        assert abs(values[n] - one) < 1e-14
        assert values[n].rad() < 1e-20
    assert sum(float(v) ** 2 for v in values) <= float(root_mean_square(u)) ** 2


@pytest.mark.parametrize(
    "text", ["tanh(z1)*tanh(z1+z2)", "erf(z1+z2)*tanh(z1-2*z2)", "tanh(z1)*tanh(z1+z2)+z2*z3"]
)
def test_products_along_correlated_directions_are_decided(text: str) -> None:
    report = leap(Target(text))
    assert report.exactness == "certified"
    assert report.relevant_dim == Target(text).r
