"""The laws after one giant step, order by order, against their formulas and a direct simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from asymptotics.expectations.activations import get_activation
from asymptotics.expectations.quadrature import hermite_rule
from asymptotics.learning.features import untrained
from asymptotics.learning.giant.low_orders import check_orders, low_orders, without_orders
from asymptotics.learning.giant.mean_field import mean_field
from asymptotics.learning.giant.one_step import (
    hermite_tensor,
    one_step_law,
    overlap_below_threshold,
    start_slopes,
    weighted_quantiles,
)
from asymptotics.learning.groups import product_groups
from hermite import Target, expand
from hermite.errors import InputError

LEAP2, LEAP3 = "z1*z2 + He2(z1)/2", "z1*z2*z3 + He3(z1)/6"


def law_of(
    target, activation, eta, alpha, order, values=(1.0, -1.0), noise=0.0, bias=0.0, symmetric=True, **options
):
    f = Target(target, noise=noise)
    values = np.asarray(values)
    groups = product_groups(
        values, np.full(len(values), 1 / len(values)), np.array([bias]), np.ones(1), symmetric=symmetric
    )
    options.setdefault("exponent", float(order or 1))
    return one_step_law(f, get_activation(activation), groups, eta, alpha, order, **options)


@pytest.mark.parametrize(
    ("target", "activation", "noise", "bias", "symmetric"),
    [
        ("z1 + z1*z2", "relu", 0.0, 0.0, True),
        ("4*z1 + z1^2 + z2", "relu", 0.3, 0.0, True),
        ("z1 + z2^2", "tanh(x + 1/2)", 0.2, 0.4, True),
        ("relu(z1) + erf(z2)", "erf", 0.1, -0.3, True),
    ],
)
def test_first_order_agrees_with_the_mean_field(target, activation, noise, bias, symmetric) -> None:
    """Two derivations of one step at n = alpha d: Hermite coefficients, and averages over the fields."""
    law = law_of(target, activation, 0.7, 3.0, 1, noise=noise, bias=bias, symmetric=symmetric)
    f = Target(target, noise=noise)
    groups = product_groups(
        np.array([1.0, -1.0]), np.full(2, 0.5), np.array([bias]), np.ones(1), symmetric=symmetric
    )
    state = mean_field(f, get_activation(activation), untrained(groups, f.r), 1, 0.7, 3.0).states[1]
    np.testing.assert_allclose(law.M, state.M, atol=1e-9)
    np.testing.assert_allclose(law.norm2, state.weight_norm2, atol=1e-9)
    np.testing.assert_allclose(law.Q, state.gram, atol=1e-9)
    np.testing.assert_allclose(law.residual2, state.residual_norm2, atol=1e-9)
    np.testing.assert_allclose(law.pair_covariance, np.repeat(state.R[2:], 2), atol=1e-9)


def test_the_first_order_has_its_closed_numbers() -> None:
    law = law_of("z1 + z1*z2", "relu", 1.5, 4.0, 1)
    np.testing.assert_allclose(law.M, [[0.75, 0], [-0.75, 0]], atol=1e-14)
    np.testing.assert_allclose(law.norm2, 2.125, atol=1e-12)
    np.testing.assert_allclose(law.residual2, 1.28125, atol=1e-12)
    np.testing.assert_allclose(law.common**2, 0.28125, atol=1e-12)
    cosine = law.quantiles()["cosine_subspace"]
    np.testing.assert_allclose(cosine, 0.75 / math.sqrt(2.125), atol=1e-12)


def test_second_order_is_a_linear_image_of_a_gaussian() -> None:
    law = law_of(LEAP2, "relu", 1.0, 2.0, 2)
    gain = get_activation("relu").coefficient(2)
    C2 = np.array([[1.0, 1.0], [1.0, 0.0]])
    np.testing.assert_allclose(law.tensor, C2, atol=1e-12)
    np.testing.assert_allclose(law.M, 0, atol=1e-14)
    np.testing.assert_allclose(law.M_cov[0], gain**2 * C2 @ C2, atol=1e-12)
    energy = 1.5
    norm2 = 1 + gain**2 * 3 + energy / 2 * 0.5
    np.testing.assert_allclose(law.norm2, norm2, atol=1e-12)
    levels = (0.05, 0.25, 0.5, 0.9)
    found = law.quantiles(levels)["M"][0]
    expected = norm.ppf(levels)[:, None] * gain * np.sqrt([2.0, 1.0])
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert law.deterministic is False


def test_third_order_is_quadratic_in_the_start() -> None:
    law = law_of(LEAP3, "tanh(x + 1/2)", 1.5, 2.0, 3)
    gain = 1.5 * get_activation("tanh(x + 1/2)").coefficient(3) / 2
    x = np.array([[0.3, -1.0, 0.5]])
    direction = [0.09 + 2 * (-1.0) * 0.5, 2 * 0.3 * 0.5, 2 * 0.3 * -1.0]
    np.testing.assert_allclose(law.overlap(x)[0, 0], gain * np.array(direction), atol=1e-11)
    # E over x: C_3[x, x] has mean (1, 0, 0); E Q_ii = 2.242 (published).
    np.testing.assert_allclose(law.M[0], [gain, 0, 0], atol=1e-11)
    assert law.norm2[0] == pytest.approx(2.242, abs=0.011)
    variance = gain**2 * np.diag([2 + 4, 4, 4])
    np.testing.assert_allclose(law.M_cov[0], variance, atol=1e-10)


def test_hermite_tensors_agree_with_the_symbolic_ones() -> None:
    f = Target("z1*z2*z3 + He3(z1)/6 + z2^2 + 3*z3")
    expansion = expand(f, order=3)
    for k in range(4):
        np.testing.assert_allclose(hermite_tensor(f, k), expansion.tensor(k), atol=1e-11)
    kinked = Target("relu(z1) + max(z1, z2)")
    expansion = expand(kinked, order=2)
    for k in range(3):
        np.testing.assert_allclose(hermite_tensor(kinked, k), expansion.tensor(k), atol=1e-11)


def test_moments_of_the_law_are_those_of_its_samples() -> None:
    law = law_of(LEAP3, "tanh(x + 1/2)", 1.5, 2.0, 3)
    sample = law.samples(14)
    np.testing.assert_allclose(sample["M"].mean(axis=1), law.M, atol=5e-3)
    np.testing.assert_allclose(sample["norm2"].mean(axis=1), law.norm2, rtol=5e-3)


def test_groups_of_starts_keep_the_moments() -> None:
    for target, activation, order in ((LEAP2, "relu", 2), (LEAP3, "tanh(x + 1/2)", 3)):
        law = law_of(target, activation, 1.0, 2.0, order)
        state = law.layer()
        assert state.weight.sum() == pytest.approx(1)
        half = state.readout > 0
        np.testing.assert_allclose(2 * state.weight[half] @ state.M[half], law.M[0], atol=1e-10)
        assert 2 * state.weight[half] @ state.weight_norm2[half] == pytest.approx(law.norm2[0], rel=1e-9)
        np.testing.assert_array_equal(state.readout[state.partner], -state.readout)
        np.testing.assert_allclose(state.M[state.partner], -state.M, atol=1e-12)


def test_gaussian_readout_mixes_over_neurons() -> None:
    x, w = hermite_rule(16)
    f = Target("z1")
    groups = product_groups(x, w, np.zeros(1), np.ones(1), symmetric=True)
    law = one_step_law(f, get_activation("relu"), groups, 1.0, 4.0, 1)
    np.testing.assert_allclose(law.M[:, 0], 0.5 * x, atol=1e-12)
    assert law.quantiles((0.5,), [np.arange(len(x))])["norm_M"].shape == (1, 1)


def test_weighted_quantiles_are_those_of_repeated_values() -> None:
    values = np.array([3.0, 1.0, 2.0])
    np.testing.assert_allclose(weighted_quantiles(values, np.array([1, 2, 1.0]), (0.5, 0.75, 1.0)), [1, 2, 3])


def test_uncentred_labels_are_refused_above_first_order() -> None:
    with pytest.raises(InputError, match="remove_orders"):
        law_of("z1^2", "relu", 1.0, 2.0, 2)
    law_of("z1^2", "tanh", 1.0, 2.0, 2)  # c_2 = 0: nothing diverges
    law = law_of("z1^2", "relu", 1.0, 2.0, 2, removed=(0,))
    assert law.norm2[0] == pytest.approx(1 + (2 * get_activation("relu").coefficient(2)) ** 2 + 2 / 2 * 0.5)


def test_removed_linear_part_changes_the_common_noise() -> None:
    """Off-diagonal Gram orthogonal to the teacher, relu, n/d = eta²: published formula 0.125, raw labels 0.1927."""
    text = "((He1(z1)+He2(z1)/2+He4(z1)/24)+(He1(z2)+He2(z2)/2+He4(z2)/24))/2"
    law = law_of(text, "relu", 1.0, 1.0, 2, removed=(0, 1), exponent=2.0)
    assert law.common[0] ** 2 == pytest.approx(0.125, abs=1e-12)
    raw = law_of(text, "relu", 1.0, 1.0, 1)
    assert raw.common[0] ** 2 == pytest.approx(0.1927, abs=1e-4)


def test_removed_orders_are_gone_from_the_labels() -> None:
    f = Target("3 + z1 + 2*z2 + z1*z2", noise=0.3)
    low = low_orders(f)
    assert low.constant == pytest.approx(3)
    np.testing.assert_allclose(low.linear, [1, 2])
    rest = without_orders(f, (0, 1))
    x = np.random.default_rng(0).standard_normal((5, 2))
    np.testing.assert_allclose(rest(x), x[:, 0] * x[:, 1], atol=1e-12)
    assert rest.noise == 0.3
    assert without_orders(f, ()) is f
    plain = Target.from_function(lambda x: x[:, 0] + 1, 1)
    np.testing.assert_allclose(without_orders(plain, (0, 1))(x[:, :1]), 0, atol=1e-10)
    turned = Target("z1 + z1*z2", gram=[["1", "1/2"], ["1/2", "1"]])
    left = low_orders(without_orders(turned, (0, 1)))
    assert left.constant == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(left.linear, 0, atol=1e-12)
    for bad in ((1,), (2,), (0, 2)):
        with pytest.raises(InputError):
            check_orders(bad)


def test_below_the_threshold_nothing_is_learned() -> None:
    law = law_of(LEAP2, "relu", 1.0, 2.0, None, exponent=1.0)
    np.testing.assert_array_equal(law.M, 0.0)
    # Published rms cosines (formula; simulations lie up to 8 % below).
    for exponent, d, size in ((1.0, 512, 0.0805), (1.0, 2048, 0.0406), (1.5, 256, 0.177), (1.5, 1024, 0.114)):
        found = overlap_below_threshold(law, d, 2, exponent, 2.0)
        assert found[0] == pytest.approx(size, rel=0.04)


def test_wrong_order_has_no_signal() -> None:
    law = law_of(LEAP3, "relu", 1.0, 2.0, 3)  # relu: c_3 = 0
    np.testing.assert_array_equal(law.gain, 0.0)


def test_overflow_is_an_error() -> None:
    with pytest.raises(InputError, match="eta"):
        law_of("z1", "relu", 1e200, 2.0, 1)


@pytest.mark.parametrize(
    ("order", "activation", "target", "d"), [(1, "relu", "z1 + z1*z2", 400), (2, "relu", LEAP2, 96)]
)
def test_the_law_is_that_of_a_direct_step(order: int, activation: str, target: str, d: int) -> None:
    """A plain NumPy step: M neuron by neuron given its start, and the mean of ‖w‖²; corrections are O(d^-1/2)."""
    rng = np.random.default_rng(order)
    f, a, p, alpha, eta = Target(target), get_activation(activation), 64, 2.0, 1.0
    n = round(alpha * d**order)
    W = rng.standard_normal((p // 2, d))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    W = np.concatenate([W, W[::-1]])
    readout = np.repeat([1.0, -1.0], p // 2)
    gradient = np.zeros((p, d))
    for start in range(0, n, 4096):
        z = rng.standard_normal((min(4096, n - start), d))
        y = f(z[:, : f.r])
        gradient += (a.derivative(z @ W.T) * y[:, None]).T @ z
    after = W + eta * d ** ((order - 1) / 2) * readout[:, None] * gradient / n
    law = law_of(target, activation, eta, alpha, order)
    x = math.sqrt(d) * W[:, : f.r]
    predicted = np.where(readout[:, None] > 0, 1, -1) * law.overlap(x)[0]
    size = np.sqrt(np.mean(after[:, : f.r] ** 2))
    assert np.sqrt(np.mean((after[:, : f.r] - predicted) ** 2)) < 6 / math.sqrt(d) * max(size, 0.3)
    assert np.mean(np.sum(after**2, axis=1)) == pytest.approx(law.norm2[0], rel=0.12)


def test_the_initial_output_is_the_mean_over_readouts_and_biases() -> None:
    """f_0 = Σ π ã E σ(x + b), E relu(x + b) = b Φ(b) + φ(b)."""
    values, shares, biases, weights = (
        np.array(x) for x in ([2.0, -1.0], [0.25, 0.75], [-0.5, 1.0], [0.4, 0.6])
    )
    groups = product_groups(values, shares, biases, weights, symmetric=False)
    mean = weights @ (biases * norm.cdf(biases) + norm.pdf(biases))
    _, f0 = start_slopes(get_activation("relu"), groups, 2)
    assert f0 == pytest.approx((0.25 * 2 - 0.75) * mean, rel=1e-9)


@pytest.mark.parametrize("orders", [(0,), (0, 1)])
def test_a_callable_without_low_orders_is_its_expression_without_them(orders: tuple[int, ...]) -> None:
    text = Target("1 + 2*z1 + z1*z2", noise=0.3)
    function = Target.from_function(lambda z: 1 + 2 * z[:, 0] + z[:, 0] * z[:, 1], 2, noise=0.3)
    z = np.random.default_rng(0).standard_normal((20, 2))
    one, other = (without_orders(f, orders) for f in (text, function))
    np.testing.assert_allclose(other(z), one(z), atol=1e-6)
    assert one.noise == other.noise == 0.3
