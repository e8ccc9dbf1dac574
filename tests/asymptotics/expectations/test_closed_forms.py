"""Closed forms of erf and of piecewise polynomials, and rules without a scan, against quadrature that knows nothing of them."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

from asymptotics.expectations.activations import get_activation
from asymptotics.expectations.erf_moments import erf_product, erf_slope_product
from asymptotics.expectations.pairs import gram_moments, group_products, value_product
from asymptotics.expectations.quadrature import hermite_values, piecewise_rule
from asymptotics.expectations.sharpness import degree_along
from asymptotics.expectations.sigma_rules import Resolved
from asymptotics.expectations.target_rule import rule_of
from hermite import Target

_ERFS = ["erf", "erf(x/1000)", "erf(20*x)", "erf(3*x - 1)", "erf(3 - x/2)", "erf(x/1000000000)"]


def _normal(g, breaks=()) -> float:
    density = lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi)  # noqa: E731
    inside = sorted(b for b in breaks if -12 < b < 12) or None
    return quad(lambda z: g(z) * density(z), -12, 12, points=inside, limit=600, epsabs=0, epsrel=1e-13)[0]


@pytest.mark.parametrize("seed", range(12))
def test_products_of_two_erf_neurons_are_those_of_quadrature_relative_to_their_size(seed: int) -> None:
    """Slopes from 1/400 to 20, shifts, spreads, correlations up to ±1: E erf erf given the first neuron is an erf again."""
    rng = np.random.default_rng(seed)
    kappa, shift = float(np.exp(rng.uniform(-6, 3))), float(rng.choice([0.0, rng.standard_normal()]))
    (m1, m2), (s1, s2) = rng.standard_normal(2), np.exp(0.7 * rng.standard_normal(2))
    rho = float(rng.choice([1.0, -1.0, 0.999, rng.uniform(-1, 1)]))
    width = math.sqrt(1 + 2 * (kappa * s2) ** 2 * (1 - rho**2))

    def given(z: float) -> float:
        return math.erf(kappa * (m1 + s1 * z) + shift) * math.erf(
            (kappa * (m2 + rho * s2 * z) + shift) / width
        )

    centre = (-shift / kappa - m1) / s1
    breaks = [centre + x / (kappa * s1) for x in (-6, -2, -1, 0, 1, 2, 6)] + list(range(-8, 9))
    found = [
        float(erf_product(kappa, shift, *(np.array([x]) for x in (a, b, c, d, r)))[0])
        for a, b, c, d, r in ((m1, s1, m2, s2, rho), (m1, s1, m1, s1, 1.0), (m2, s2, m2, s2, 1.0))
    ]
    assert found[0] == pytest.approx(_normal(given, breaks), abs=1e-12 * math.sqrt(found[1] * found[2]))


@pytest.mark.parametrize("kappa", [1e-8, 1.0, 20.0, 200.0, 1e6, 1e9])
def test_products_of_slopes_of_steep_erf_neurons_have_all_digits_at_correlations_near_one(
    kappa: float,
) -> None:
    """Against the same formula with 80 digits: 1e-11 was lost at a slope of 20, all of them at 1e8."""
    for rho in (0.0, 0.5, -0.99, 1 - 1e-9, -1 + 1e-9, 1.0, -1.0):
        for m1, m2, shift, s1, s2 in (
            (0.0, 0.0, 0.0, 1.1, 1.1),
            (0.3, 0.3, 0.0, 1.1, 1.1),
            (0.1, -0.1, -0.05, 0.7, 0.7),
            (0.5, 0.25, 0.1, 1.0, 0.5),
        ):
            with mpmath.workdps(80):
                k, b, r, *rest = map(mpmath.mpf, (kappa, shift * kappa, rho, m1, s1, m2, s2))
                u1, t1, u2, t2 = k * rest[0] + b, k * rest[1], k * rest[2] + b, k * rest[3]
                w1, c, w2 = 1 + 2 * t1**2, 2 * r * t1 * t2, 1 + 2 * t2**2
                det = w1 * w2 - c**2
                exponent = (w2 * u1**2 - 2 * c * u1 * u2 + w1 * u2**2) / det
                right = float(4 * k**2 / mpmath.pi / mpmath.sqrt(det) * mpmath.exp(-exponent))
            with np.errstate(under="ignore"):
                found = erf_slope_product(
                    kappa, shift * kappa, *(np.array([x]) for x in (m1, s1, m2, s2, rho))
                )
            assert float(found[0]) == pytest.approx(right, rel=1e-12, abs=1e-280)


@pytest.mark.parametrize("text", _ERFS)
def test_coefficients_and_squares_of_erf_are_those_of_quadrature(text: str) -> None:
    sigma = get_activation(text)
    assert sigma.error == 0
    kappa, shift = sigma.gauss_error
    for bias in (0.0, -1.3):
        centre = -shift / kappa - bias
        x, w = piecewise_rule([centre + t / abs(kappa) for t in (-6, -3, -1.5, -0.7, 0, 0.7, 1.5, 3, 6)], 0.5)
        basis = hermite_values(x, 7)
        units = np.sqrt([float(math.factorial(k)) for k in range(8)])
        size = math.sqrt(float(w @ sigma(x + bias) ** 2))
        expected = units * (basis @ (w * sigma(x + bias)))
        assert np.abs((sigma.coefficients(7, bias=bias) - expected) / units).max() < 1e-12 * size
        slopes = units * (basis @ (w * sigma.derivative(x + bias)))
        size = math.sqrt(float(w @ sigma.derivative(x + bias) ** 2))
        assert np.abs((sigma.slope_coefficients(7, bias=bias) - slopes) / units).max() < 1e-12 * size
        square = float(sigma.squares(np.array([bias]), np.ones(1))[0])
        assert square == pytest.approx(float(w @ sigma(x + bias) ** 2), rel=1e-12)


@pytest.mark.parametrize(
    "text",
    ["relu", "abs", "sign", "relu(x - 7/10)^2", "x + He2(x)/2", "max(x, x/10)", "relu(x) - relu(x - 1)",
     "Heaviside(x - 1/3)*x^3", "relu(x^2 - 1)", "relu(3*x + 1)", "max(x^2, 1)", "2"],
)  # fmt: skip
def test_coefficients_of_pieces_are_those_of_quadrature(text: str) -> None:
    sigma = get_activation(text)
    units = np.sqrt([float(math.factorial(k)) for k in range(21)])
    for bias in (0.0, 0.3, -1.7):
        x, w = piecewise_rule([kink - bias for kink in sigma.kinks], 0.5)
        basis = hermite_values(x, 20)
        for found, values in (
            (sigma.coefficients(20, bias=bias), sigma(x + bias)),
            (sigma.slope_coefficients(20, bias=bias), sigma.derivative(x + bias)),
        ):
            size = max(1.0, math.sqrt(float(w @ values**2)))
            assert np.abs(found / units - basis @ (w * values)).max() < 1e-12 * size


def test_kinks_of_affine_arguments_are_their_zeros() -> None:
    assert get_activation("relu(3*x + 1) + abs(x - 7/10) + relu(-x)").kinks == (-1 / 3, 0.0, 0.7)
    assert get_activation("relu(x - 1000)").kinks == ()


@pytest.mark.parametrize(
    "text",
    [
        "tanh",
        "tanh(4*x)",
        "softplus(3*x)",
        "gelu",
        "x*tanh(x)",
        "sin(4*x)",
        "exp(-2*x^2)",
        "exp(x/2)*cos(3*x)",
    ],
)
def test_the_trapezoid_rule_of_a_plain_activation_is_within_its_error_of_the_panels(text: str) -> None:
    sigma = get_activation(text)
    seen = sigma.resolved
    assert seen.plain
    assert seen.step
    assert sigma.error < 1e-10
    scanned = Resolved(seen.value, seen.slope, seen.kinks, seen.layers)
    m, s = (a.ravel() for a in np.meshgrid([-2.0, -0.5, 0.0, 1.0], [0.1, 0.5, 1.0, 3.0]))
    rows = scanned.panel_rule(m[:, None], s[:, None], 20, 0.75)
    exact = np.stack(
        [np.sum(rows[1] * g(m[:, None] + s[:, None] * rows[0]), axis=1) for g in (
            sigma, sigma.derivative, lambda x: sigma(x) ** 2, lambda x: sigma.derivative(x) ** 2)], axis=1,
    )  # fmt: skip
    found = np.stack(
        [sigma.mean(m, s), sigma.S1(m, s), sigma.squares(m, s), sigma.slope_squares(m, s)], axis=1
    )
    size = np.concatenate([np.sqrt(exact[:, 2:]), exact[:, 2:]], axis=1)
    assert np.all(np.abs(found - exact) <= 1e-10 * np.maximum(size, 1e-3 * size.max(axis=0)))


@pytest.mark.parametrize(
    "text", ["relu", "erf", "erf(2*x - 1)", "tanh", "x + He3(x)/3", "relu(x)*tanh(x)", "max(x, x/10)"]
)
def test_products_of_two_neurons_of_groups_are_those_of_all_pairs(text: str) -> None:
    """As blocks off the diagonal of the covariance of two neurons a group, by the way that also has slopes and curvatures."""
    sigma = get_activation(text)
    rng = np.random.default_rng(3)
    c, means = 0.6 * rng.standard_normal((3, 2)), np.array([0.0, 0.4, -0.7])
    gram, own = c @ c.T, np.diag([1.0, 0.5, 0.2])
    both = np.block([[gram + own, gram], [gram, gram + own]])
    expected = gram_moments(sigma, np.tile(means, 2), both).second[:3, 3:]
    found = group_products(sigma, means, np.sqrt(np.diag(gram + own)), gram)
    assert found == pytest.approx(expected, abs=1e-8)
    one = value_product(sigma, means[:1], 1.0, means[1:2], 0.7, 0.3)
    assert one is None or one[0] == pytest.approx(
        gram_moments(sigma, means[:2], np.array([[1.0, 0.21], [0.21, 0.49]])).second[0, 1], abs=1e-8
    )


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("tanh(z1)+z2*z3/2", [None, 1, 1]),
        ("exp(z2-z1^2)*z3^2", [None, None, 2]),
        ("He3(z1)*sin(z2)+z1", [3, None]),
        ("relu(z1*z2)+z3", [None, None, 1]),
        ("(z1+z2)^3", [3, 3]),
    ],
)
def test_degrees_along_variables_are_known_where_no_function_depends_on_them(
    text: str, degrees: list
) -> None:
    f = Target(text)
    assert [degree_along(f, axis) for axis in np.eye(f.r)] == degrees
    assert degree_along(f, np.full(f.r, f.r**-0.5)) is None or f.r == 1


@pytest.mark.parametrize(
    "text",
    [
        "tanh(z1)+z2*z3/2",
        "tanh(2*z1)*z2^2+z3",
        "exp(z1/2)*z2^3-z2",
        "abs(z1)*z2^3+tanh(z3)",
        "sin(3*z1)*He4(z2)",
    ],
)
@pytest.mark.parametrize("refine", [0.4, 0.6, 1.0])
def test_rules_with_polynomial_axes_are_within_their_error(text: str, refine: float) -> None:
    """E f, C_1 and E f² as the expansion knows them: nothing of it is in the rule."""
    from asymptotics.expectations.known_moments import known_moments

    f = Target(text)
    rule, known = rule_of(f, refine), known_moments(f)
    values = f(rule.nodes)
    energy = float(rule.weights @ values**2) if known[2] is None else known[2]
    assert "plain" in rule.method
    assert abs(rule.weights @ values - known[0]) <= (rule.error + 1e-13) * math.sqrt(energy)
    assert np.all(
        np.abs((rule.weights * values) @ rule.nodes - known[1]) <= (rule.error + 1e-13) * math.sqrt(energy)
    )
    assert abs(float(rule.weights @ values**2) - energy) <= (rule.error + 1e-13) * energy
