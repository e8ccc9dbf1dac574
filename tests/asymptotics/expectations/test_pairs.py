"""Paired neurons (symmetric initialisation): identities that tie pairs to groups, and Gaussian product moments."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.expectations.activations import get_activation
from asymptotics.expectations.pairs import slope_product
from asymptotics.generalisation.spiked.feature_moments import group_moments, product_moment
from asymptotics.generalisation.spiked.linear_sector import solve_units
from asymptotics.generalisation.spiked.spiked_layer import SpikedNeurons, spiked_units
from hermite import Target

F = Target("z1 + He2(z1)", noise=0.05)


def both(sigma, c, s, alpha, beta, lam, f=F, gamma=0.8, d=None, **options):
    neurons = SpikedNeurons(np.array(c)[:, None], s, **options)
    units = spiked_units(f, get_activation(sigma), neurons, [[gamma]])
    errors = solve_units(units, alpha, beta, lam, d=d)
    return np.array([errors.test, errors.train])


def test_shared_rows_give_the_reference() -> None:
    """ρ = 1 and a kinked activation: the value of an independent implementation, confirmed by simulation."""
    found = both("relu", [1, -1], [1, 1], 2, 1, 0.1, pairs=[(0, 1)], rho=[1.0])
    np.testing.assert_allclose(found, [2.453693, 0.882831], atol=1.1e-6)
    finite = both("relu", [1, -1], [1, 1], 2, 1, 0.1, pairs=[(0, 1)], rho=[1.0], d=1000)
    np.testing.assert_allclose(finite, [2.45413, 0.88299], atol=1.1e-5)


@pytest.mark.parametrize("sigma", ["relu", "tanh"])
def test_uncorrelated_pairs_are_independent_groups(sigma) -> None:
    c, s = [1.0, -0.7], [1.0, 1.2]
    pairs = both(sigma, c, s, 2, 1.2, 0.05, pairs=[(0, 1)], rho=[0.0])
    np.testing.assert_allclose(pairs, both(sigma, c, s, 2, 1.2, 0.05), rtol=1e-9)


@pytest.mark.parametrize("sigma", ["relu", "tanh"])
def test_equal_neurons_are_half_as_many(sigma) -> None:
    """Before any step the two neurons of a pair are equal: β/2 distinct features, λ unchanged."""
    f = Target("z1 + He2(z1)/2", noise=0.1)
    pairs = both(sigma, [0.0, 0.0], [1.0, 1.0], 2, 1.4, 0.1, f, pairs=[(0, 1)], rho=[1.0])
    plain = spiked_units(f, get_activation(sigma), SpikedNeurons([[]], [1.0]))
    half, whole = (solve_units(plain, 2, beta, 0.1) for beta in (0.7, 1.4))
    np.testing.assert_allclose(pairs, [half.test, half.train], rtol=1e-9)
    assert abs(whole.test - half.test) > 0.05  # negative control: forgetting the factor 2 is seen


@pytest.mark.parametrize(("c", "rho"), [(0.4, 0.9), (1.1, 0.2), (0.8, 1.0), (0.8, -1.0), (0.6, 0.999999)])
@pytest.mark.parametrize("sigma", ["relu", "relu(x - 7/10)", "tanh", "abs(x) + x^2/3"])
def test_the_product_moment_is_that_of_quadrature(sigma, c, rho) -> None:
    """Against direct two-dimensional quadrature on a fine grid."""
    activation = get_activation(sigma)
    mean = np.array([[c * k, -c * k + 0.1] for k in (-2.0, 0.0, 1.3)])
    s = np.array([1.2, 0.8])
    found = product_moment(activation, mean, s, rho)
    step = 0.004
    x = np.arange(-8, 8 + step / 2, step)
    w = np.exp(-(x**2) / 2) * step / np.sqrt(2 * np.pi)
    for value, (a, b) in zip(found, mean, strict=True):
        first = activation(a + np.sqrt(s[0]) * x)
        if abs(rho) == 1:
            second = activation(b + np.sqrt(s[1]) * rho * x)
        else:
            y = x[::8]
            v = w[::8] * 8
            inner = b + np.sqrt(s[1]) * (rho * x[:, None] + np.sqrt(1 - rho**2) * y)
            second = activation(inner) @ v
        assert value == pytest.approx(float(w @ (first * second)), abs=3e-5)


def test_group_moments_are_those_of_relu() -> None:
    m = np.linspace(-3, 3, 7)[:, None]
    mu0, mu1, rest = group_moments(get_activation("relu"), m, np.array([1.5]))
    from scipy.stats import norm

    u, root = m / np.sqrt(1.5), np.sqrt(1.5)
    np.testing.assert_allclose(mu0, m * norm.cdf(u) + root * norm.pdf(u), atol=1e-13)
    np.testing.assert_allclose(mu1, root * norm.cdf(u), atol=1e-13)
    second = (m**2 + 1.5) * norm.cdf(u) + m * root * norm.pdf(u)
    np.testing.assert_allclose(rest, second - mu0**2 - mu1**2, atol=1e-13)


@pytest.mark.parametrize(
    "name",
    ["relu", "abs", "relu(x - 7/10)", "max(x, -x/3) + 1", "x + He3(x)/3", "tanh", "sin(2*x)", "tanh(4*x)"],
)
@pytest.mark.parametrize("rho", [-1.0, -0.6, 0.0, 0.45, 0.999, 1.0])
def test_products_in_closed_form_and_by_series_are_those_of_the_quadrature(
    name: str, rho: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asymptotics.generalisation.spiked import feature_moments

    activation = get_activation(name)
    mean, norm2 = np.random.default_rng(3).uniform(-4, 4, (40, 2)), np.array([1.3, 0.6])
    found = feature_moments.product_moment(activation, mean, norm2, rho)
    monkeypatch.setattr(feature_moments, "value_product", lambda *_: None)
    expected = feature_moments.product_moment(activation, mean, norm2, rho)
    sizes = [activation.squares(mean[:, i], np.full(40, np.sqrt(norm2[i]))) for i in (0, 1)]
    np.testing.assert_allclose(found / np.sqrt(np.max(sizes)), expected / np.sqrt(np.max(sizes)), atol=1e-12)


@pytest.mark.parametrize("unit", ["1e-9", "1e9"])
def test_products_of_slopes_scale_with_the_square_of_the_activation(unit: str) -> None:
    """Also where the series of a sharp slope is no good, and whether it is does not depend on the unit."""
    rng = np.random.default_rng(5)
    m1, m2 = rng.normal(size=(2, 6))
    s1, s2, rho = rng.uniform(0.5, 1.5, 6), rng.uniform(0.5, 1.5, 6), rng.uniform(-0.95, 0.95, 6)
    for text in ("tanh(12*x)", "tanh(x)"):
        plain, scaled = (get_activation(a) for a in (text, f"{unit}*({text})"))
        expected = slope_product(plain, m1, s1, m2, s2, rho)
        found = slope_product(scaled, m1, s1, m2, s2, rho)
        np.testing.assert_allclose(found, float(unit) ** 2 * expected, rtol=1e-7)
