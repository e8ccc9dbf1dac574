"""Rules for the normal law: exactness where they promise it, and what plain Gauss–Hermite misses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from asymptotics.expectations.quadrature import (
    hermite_rule,
    hermite_values,
    piecewise_rule,
    sobol_chunks,
    sobol_normal,
    split_hermite_rule,
    tensor_rule,
    trapezoid_rule,
)


@pytest.mark.parametrize("degree", range(0, 16, 2))
def test_rules_give_the_moments_of_the_normal_law(degree: int) -> None:
    expected = math.prod(range(degree - 1, 0, -2))
    for x, w in (hermite_rule(12), piecewise_rule((0.3,)), split_hermite_rule((0.7,), 12)):
        assert w @ x**degree == pytest.approx(expected, rel=1e-11)


def test_kinked_functions_need_their_kinks() -> None:
    exact = math.sqrt(2 / math.pi)
    x, w = split_hermite_rule((0.0,), 16)
    assert w @ np.abs(x) == pytest.approx(exact, abs=1e-14)
    x, w = piecewise_rule((0.0,))
    assert w @ np.abs(x) == pytest.approx(exact, abs=1e-14)
    x, w = hermite_rule(95)
    assert abs(w @ np.abs(x) - exact) > 1e-3


def test_trapezoid_is_spectral_where_gauss_hermite_is_slow() -> None:
    x, w = trapezoid_rule(0.05)
    fine = w @ np.tanh(3.6 * x + 1) ** 2
    x, w = trapezoid_rule(0.1)
    assert w @ np.tanh(3.6 * x + 1) ** 2 == pytest.approx(fine, abs=1e-10)
    x, w = hermite_rule(64)
    assert abs(w @ np.tanh(3.6 * x + 1) ** 2 - fine) > 1e-4


def test_tensor_rule_is_a_product() -> None:
    x, w = tensor_rule([4, 6])
    assert x.shape == (24, 2)
    assert w @ (x[:, 0] ** 2 * x[:, 1] ** 4) == pytest.approx(3.0)
    x, w = tensor_rule([])
    assert x.shape == (1, 0)
    assert w.tolist() == [1.0]


def test_hermite_values_are_orthonormal() -> None:
    x, w = hermite_rule(40)
    h = hermite_values(x, 10)
    np.testing.assert_allclose((h * w) @ h.T, np.eye(11), atol=1e-11)


def test_sobol_scrambles_are_independent_and_reproducible() -> None:
    first, again, other = (sobol_normal(3, 12, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(first, np.concatenate(list(sobol_chunks(3, 12, 1, 100))))
    # E x_1² x_2² = 1 with an error far below that of 2^12 independent draws (0.044).
    errors = [
        np.mean(sobol_normal(3, 12, s)[:, 0] ** 2 * sobol_normal(3, 12, s)[:, 1] ** 2) - 1 for s in range(8)
    ]
    assert np.std(errors) < 0.015
    assert abs(np.mean(errors)) < 4 * np.std(errors) / math.sqrt(7)
