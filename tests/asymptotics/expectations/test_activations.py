"""Moments of activations against scipy.integrate, closed Hermite coefficients, kinks, and pairs of neurons."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from asymptotics.expectations.activations import Activation, get_activation
from asymptotics.expectations.normal_law import upper_probability
from asymptotics.expectations.pairs import gram_moments, slope_product
from asymptotics.expectations.quadrature import piecewise_rule
from asymptotics.expectations.ramp_pairs import ramps_of
from asymptotics.expectations.sigma_moments import TABLE_ABOVE
from hermite.errors import InputError

NAMES = [
    "relu", "erf", "tanh", "He3", "relu(x - 7/10)", "abs", "max(x, x/10)", "He2(x) + x", "erf(x/sqrt(2) + 1/3)",
    "relu(x)*tanh(x)", "relu(x - 1/2)^2", "softplus", "logistic", "exp(-x^2)", "sin", "sign", "max(min(x, 1), -1)",
]  # fmt: skip


def expectation(activation: Activation, g, m: float, s: float) -> float:
    kinks = [(k - m) / s for k in activation.kinks if abs(k - m) < 9 * s]
    value, _ = quad(
        lambda z: float(g(np.array(m + s * z), z)) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi),
        -9, 9, points=kinks or None, limit=400, epsabs=1e-13, epsrel=1e-12,
    )  # fmt: skip
    return value


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("m", "s"), [(0.3, 1.2), (-1.0, 0.4), (2.0, 3.0)])
def test_moments_are_those_of_adaptive_quadrature(name: str, m: float, s: float) -> None:
    a = get_activation(name)
    expected = [
        expectation(a, lambda x, z: a(x), m, s),
        expectation(a, lambda x, z: a.derivative(x), m, s),
        expectation(a, lambda x, z: a.derivative(x) * z, m, s) / s,
        expectation(a, lambda x, z: a(x) ** 2, m, s),
        expectation(a, lambda x, z: a.derivative(x) ** 2, m, s),
        expectation(a, lambda x, z: a(x) * z, m, s),
    ]
    found = [a.mean(m, s), a.S1(m, s), a.S2(m, s), a.squares(m, s), a.slope_squares(m, s)]
    found.append(a.conditional_moments(m, s * s)[1])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_hermite_coefficients_are_the_closed_ones() -> None:
    root = 1 / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(
        get_activation("relu").coefficients(4), [root, 0.5, root, 0, -root], atol=1e-13
    )
    np.testing.assert_allclose(get_activation("He3").coefficients(4), [0, 0, 0, 6, 0], atol=1e-12)
    two = 2 / math.sqrt(3 * math.pi)
    np.testing.assert_allclose(get_activation("erf").coefficients(3), [0, two, 0, -two * 2 / 3], atol=1e-13)
    assert get_activation("relu").derivative_second_moment == pytest.approx(0.5, abs=1e-14)
    assert get_activation("relu").second_moment == pytest.approx(0.5, abs=1e-14)
    kappa = 0.7
    moment = get_activation("erf(7/10*x)").derivative_second_moment
    assert moment == pytest.approx(4 * kappa**2 / math.pi / math.sqrt(1 + 4 * kappa**2))


def test_slope_coefficients_shift_by_one_if_continuous() -> None:
    for name in ("tanh(x + 1/2)", "relu(x - 7/10)", "softplus"):
        a = get_activation(name)
        np.testing.assert_allclose(a.slope_coefficients(4), a.coefficients(5)[1:], atol=1e-11)
    # The gradient of a jump is zero almost everywhere; its coefficient is not.
    sign = get_activation("sign")
    assert sign.coefficient(1) == pytest.approx(math.sqrt(2 / math.pi))
    assert sign.slope_coefficients(2).tolist() == [0.0, 0.0, 0.0]


def test_zero_coefficients_are_proved() -> None:
    assert get_activation("relu").coefficient_is_zero(3) is True
    assert get_activation("relu").coefficient_is_zero(2) is False
    assert get_activation("tanh").coefficient_is_zero(2) is True
    assert get_activation("relu(x - 7/10)").coefficient_is_zero(3) is False


def test_kinks_are_found() -> None:
    assert get_activation("relu").kinks == (0.0,)
    assert get_activation("tanh").kinks == ()
    np.testing.assert_allclose(get_activation("max(min(x, 1), -1)").kinks, [-1, 1], atol=1e-12)
    np.testing.assert_allclose(
        get_activation("abs(x^2 - 2)").kinks, [-math.sqrt(2), math.sqrt(2)], atol=1e-12
    )
    assert get_activation("relu(x - 7/10)").kinks == (0.7,)


def test_parity_is_told_from_values() -> None:
    assert get_activation("tanh").parity == "odd"
    assert get_activation("He2").parity == "even"
    assert get_activation("relu").parity is None


@pytest.mark.parametrize("unit", ["1/10^40", "1/10^20", "10^20", "10^40"])
@pytest.mark.parametrize("text", ["relu(x)", "tanh(x)", "He2(x)", "exp(x/2)", "x + x^2/1000", "cos(x) + x^3"])
def test_parity_does_not_depend_on_the_unit_of_an_activation(text: str, unit: str) -> None:
    assert get_activation(f"{unit}*({text})").parity == get_activation(text).parity


@pytest.mark.parametrize("unit", ["1/10^40", "1/10^20", "10^20"])
def test_a_jump_of_any_size_is_no_ramp(unit: str) -> None:
    for text, ramp in (("heaviside(x)", False), ("x + sign(x - 1)", False), ("relu(x) - abs(x - 1)", True)):
        assert (ramps_of(get_activation(f"{unit}*({text})")) is not None) is ramp


def test_a_bias_shifts_the_argument() -> None:
    np.testing.assert_allclose(
        get_activation("relu(x + 1/4)").coefficients(3),
        get_activation("relu").coefficients(3, bias=0.25),
        atol=1e-12,
    )


def test_precision_and_shape_are_kept() -> None:
    a = get_activation("tanh(x + 1/2)")
    x = np.ones((2, 3), dtype=np.float32)
    assert a(x).dtype == np.float32
    assert a.derivative(x).shape == (2, 3)


def test_other_array_namespaces_give_the_same_values() -> None:
    xp = pytest.importorskip("array_api_strict")
    for name in ("relu(x - 7/10)", "erf", "tanh"):
        a = get_activation(name)
        value, slope = a.for_namespace(xp)
        x = np.linspace(-2, 2, 8)
        np.testing.assert_allclose(np.asarray(value(xp.asarray(x))), a(x), rtol=1e-12)
        np.testing.assert_allclose(np.asarray(slope(xp.asarray(x))), a.derivative(x), rtol=1e-12)


def test_a_callable_needs_no_derivative() -> None:
    plain = get_activation(np.tanh)
    assert "numerically" in plain.note
    np.testing.assert_allclose(plain.coefficients(4), get_activation("tanh").coefficients(4), atol=1e-12)
    np.testing.assert_allclose(
        plain.slope_coefficients(3), get_activation("tanh").slope_coefficients(3), atol=1e-8
    )
    given = get_activation(np.tanh, lambda x: 1 - np.tanh(x) ** 2)
    assert given.note == ""
    kinked = get_activation(lambda x: np.maximum(x - 0.7, 0))
    np.testing.assert_allclose(kinked.kinks, [0.7], atol=1e-9)
    np.testing.assert_allclose(
        kinked.coefficients(3), get_activation("relu(x - 7/10)").coefficients(3), atol=1e-9
    )
    assert get_activation(given) is given


@pytest.mark.parametrize("bad", [3, None, ["relu"], lambda x: "no", lambda x: x[:2]])
def test_bad_activations_are_refused(bad) -> None:
    with pytest.raises((InputError, ValueError)):
        get_activation(bad)


def test_bad_text_is_refused() -> None:
    with pytest.raises(InputError):
        get_activation("reluu(x)")
    with pytest.raises(InputError):
        get_activation("z1 + z2")


@pytest.mark.parametrize("name", ["tanh", "softplus", "relu(x)*tanh(x)"])
@pytest.mark.parametrize("s", [0.3, 1.0, 3.0])
def test_tables_agree_with_quadrature(name: str, s: float) -> None:
    a, m = get_activation(name), np.linspace(-7, 9, 9001)
    for moment in (a.mean, a.S1, a.S2, a.slope_squares):
        np.testing.assert_allclose(
            moment(m[None], np.array([[s]]))[0], moment(m, np.full_like(m, s)), atol=1e-9
        )


# ---- pairs -----------------------------------------------------------------------------------


def by_quadrature(a: Activation, m, Q, i: int, j: int) -> tuple[float, float, float]:
    """The three pair moments by a fine rule over h_i, the conditional moments of h_j inside."""
    si, sj = math.sqrt(Q[i, i]), math.sqrt(Q[j, j])
    rho = float(np.clip(Q[i, j] / si / sj, -1, 1))
    u, w = piecewise_rule([(k - m[i]) / si for k in a.kinks], panel=0.25)
    mean, spread = m[j] + rho * sj * u, np.full_like(u, sj * math.sqrt(max(0.0, 1 - rho**2)))
    value, slope, h = a.mean(mean, spread), a.S1(mean, spread), m[i] + si * u
    slopes = float(w @ (a.derivative(h) * slope))
    curvature = (w @ (a.derivative(h) * value * si * u) - Q[i, j] * slopes) / si**2
    return float(w @ (a(h) * value)), slopes, float(curvature)


@pytest.mark.parametrize(
    "name",
    [
        "relu",
        "relu(x - 7/10)",
        "max(x, x/10)",
        "abs",
        "tanh(x + 1/2)",
        "erf",
        "He3",
        "relu(x)^2",
        "relu(x)*tanh(x)",
    ],
)
def test_pair_moments_are_those_of_two_dimensional_quadrature(name: str) -> None:
    a = get_activation(name)
    X = np.random.default_rng(3).standard_normal((4, 6))
    Q = X @ X.T / 4
    Q[3], Q[:, 3] = Q[0], Q[:, 0]
    Q[3, 3] = Q[0, 0]
    m = np.array([0.0, 0.3, -0.4, 0.0])
    found = gram_moments(a, m, Q)
    for i in range(4):
        for j in range(4):
            expected = by_quadrature(a, m, Q, i, j)
            np.testing.assert_allclose([part[i, j] for part in found], expected, atol=3e-7)
    rho = Q[0, 1] / math.sqrt(Q[0, 0] * Q[1, 1])
    alone = slope_product(a, m[0], math.sqrt(Q[0, 0]), m[1], math.sqrt(Q[1, 1]), rho)
    assert float(alone) == pytest.approx(found.slopes[0, 1], abs=1e-10)


def test_relu_pairs_are_the_arc_cosine_kernels() -> None:
    Q = np.array([[2.0, -0.7], [-0.7, 1.3]])
    rho = -0.7 / math.sqrt(2.6)
    found = gram_moments(get_activation("relu"), np.zeros(2), Q)
    angle = math.pi - math.acos(rho)
    assert found.slopes[0, 1] == pytest.approx(angle / (2 * math.pi), abs=1e-14)
    second = math.sqrt(2.6) * (math.sqrt(1 - rho**2) + angle * rho) / (2 * math.pi)
    assert found.second[0, 1] == pytest.approx(second, abs=1e-14)
    curvature = math.sqrt(1 - rho**2) * math.sqrt(1.3 / 2.0) / (2 * math.pi)
    assert found.curvature[0, 1] == pytest.approx(curvature, abs=1e-14)


def test_the_bivariate_normal_probability_has_its_limits() -> None:
    h, k = np.array([0.5, 0.5, -0.3, 0.0, 0.0]), np.array([0.5, 0.5, 0.4, 0.0, 0.7])
    rho = np.array([1.0, -1.0, 0.0, 0.3, 1.0])
    tail = [
        0.3085375387,
        0.0,
        0.6179114222 * 0.3445782584,
        0.25 + math.asin(0.3) / (2 * math.pi),
        0.2419636522,
    ]
    np.testing.assert_allclose(upper_probability(h, k, rho), tail, atol=1e-10)


@pytest.mark.parametrize("name", ["relu", "tanh", "abs(x)", "He3(x)/6 + x/2", "max(x, x^2/4 - 1)", "erf(x)"])
def test_averages_of_the_slope_together_are_those_alone(name: str) -> None:
    sigma = get_activation(name)
    m, s = np.linspace(-9, 9, 61)[None, :] * np.ones((2, 1)), np.array([[0.3], [2.0]])
    together = sigma.slope_averages(m, s)
    alone = sigma.S1(m, s), sigma.S2(m, s), sigma.slope_squares(m, s)
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    ("reach", "spread"),
    # A table of splines; one mean; means too far apart and too sharp for a table.
    [(3.0, 0.7), (0.0, 0.7), (400.0, 0.01)],
)
def test_many_means_at_one_spread_are_those_one_by_one(reach: float, spread: float) -> None:
    sigma, m = get_activation("tanh(x + 1/2)*x"), np.linspace(-reach, reach, TABLE_ABOVE + 7)
    together = sigma.mean(m[None, :], np.array([[spread]]))[0]
    alone = sigma.mean(m[:, None], np.full((len(m), 1), spread))[:, 0]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-9 * np.max(np.abs(alone)))
