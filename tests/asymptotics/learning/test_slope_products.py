"""Tabulated slope products of pairs equal the series node by node."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.expectations.activations import get_activation
from asymptotics.expectations.pairs import slope_product
from asymptotics.learning.features import Links
from asymptotics.learning.giant import slope_products
from asymptotics.learning.giant.slope_products import pair_products
from asymptotics.learning.groups import Groups

LINKS = Links.of(Groups(np.array([1.0, -1.0]), np.zeros(2), np.full(2, 0.5), ((0, 1),)))


@pytest.mark.parametrize("name", ["tanh", "tanh(x + 1/2)", "softplus(x)", "sin(2*x)", "x*exp(-x^2/2)"])
@pytest.mark.parametrize(
    ("s1", "s2", "rho", "spread"), [(1.3, 0.6, -0.9, 3.0), (1.0, 1.0, 1.0, 1.0), (0.3, 0.4, 0.5, 2.0)]
)
def test_the_table_is_the_series(name, s1, s2, rho, spread) -> None:
    sigma, rng = get_activation(name), np.random.default_rng(1)
    mu = spread * rng.standard_normal((2, 3000))
    found = pair_products(sigma, LINKS, np.array([1.0, 1.0, rho]), mu, np.array([s1, s2]))
    some = mu[:, :200]
    direct = slope_product(sigma, some[0], s1, some[1], s2, rho)
    np.testing.assert_allclose(found[0, :200], direct, atol=1e-12 * np.abs(direct).max())


def test_equal_means_at_all_nodes_are_no_special_case() -> None:
    sigma = get_activation("tanh")
    mu = np.full((2, 500), 0.3)
    found = pair_products(sigma, LINKS, np.array([1.0, 1.0, 0.4]), mu, np.ones(2))
    np.testing.assert_allclose(found, slope_product(sigma, 0.3, 1.0, 0.3, 1.0, 0.4), rtol=1e-12)


def test_what_no_table_resolves_goes_through_the_series(monkeypatch) -> None:
    sigma, rng = get_activation("tanh"), np.random.default_rng(2)
    mu = rng.standard_normal((2, 400))
    tabulated = pair_products(sigma, LINKS, np.array([1.0, 1.0, 0.6]), mu, np.ones(2))
    monkeypatch.setattr(slope_products, "_SIZES", (4,))
    direct = pair_products(sigma, LINKS, np.array([1.0, 1.0, 0.6]), mu, np.ones(2))
    np.testing.assert_allclose(tabulated, direct, atol=1e-13)
