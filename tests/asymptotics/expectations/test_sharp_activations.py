"""Moments and pair moments of steep, narrow, oscillating and shifted activations, and of Python functions that jump."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from sharp_functions import Sharp, sharp_functions

from asymptotics.expectations.activations import Activation, get_activation
from asymptotics.expectations.pairs import gram_moments, slope_product
from hermite import Target, expand


def mean(g, m: float, s: float, points: tuple[float, ...]) -> float:
    """E g(m + sζ) by adaptive quadrature over ζ, cut where m + sζ meets ``points``."""
    cuts = {(p - m) / s for p in points if abs(p - m) < 9 * s}
    edges = sorted({-9.0, 9.0, *np.arange(-8.5, 9.0, 0.5).tolist(), *cuts})
    density = lambda z: float(g(m + s * z)) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)  # noqa: E731
    return math.fsum(
        quad(density, a, b, epsabs=1e-14, epsrel=1e-10, limit=200)[0] for a, b in pairwise(edges)
    )


def check(sharp: Sharp, m: float, s: float) -> None:
    text, points = sharp
    a = get_activation(text)
    one = lambda h: float(a(np.array(h)))  # noqa: E731
    square = mean(lambda h: one(h) ** 2, m, s, points)
    # Natural scale, with a floor: far from a bump there is nothing that a relative error could mean.
    size = math.sqrt(square + 1e-6)
    allowed = max(a.error, 1e-9)
    assert abs(float(a.mean(m, s)) - mean(one, m, s, points)) <= allowed * size
    assert abs(float(a.squares(m, s)) - square) <= allowed * size**2


moments = st.tuples(
    sharp_functions("x"), st.sampled_from([-1.0, 0.0, 0.3, 2.0]), st.sampled_from([0.05, 0.5, 1.0, 4.0])
)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(moments)
def test_moments_of_sharp_activations_lie_within_their_error(drawn: tuple[Sharp, float, float]) -> None:
    check(*drawn)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(moments)
def test_moments_of_many_sharp_activations_lie_within_their_error(drawn: tuple[Sharp, float, float]) -> None:
    check(*drawn)


@pytest.mark.parametrize(
    ("name", "energy"),
    [
        ("tanh(10*x)", 0.9205369),
        ("tanh(50*x)", 0.98404493),
        ("erf(20*x)", 0.9681856),
        ("exp(-2000*(x-1)^2)", 0.0067812),
        ("sin(25*x)", 0.5),
        ("logistic(200*(x-1))", 0.15745535),
    ],
)
def test_second_moments_of_sharp_activations_are_right(name: str, energy: float) -> None:
    a = get_activation(name)
    assert a.second_moment == pytest.approx(energy, abs=6e-8)
    known = expand(Target(a.tree), order=3)
    np.testing.assert_allclose(a.coefficients(3), [known.value((k,)) for k in range(4)], atol=1e-10)
    assert a.error < 1e-9


def step(x):
    return np.where(x > math.pi / 7, 1.0, 0.0)


@pytest.mark.parametrize(
    ("function", "kinks", "energy", "slope"),
    [
        (np.sign, [0.0], 1.0, 0.0),
        (np.abs, [0.0], 1.0, 1.0),
        (step, [math.pi / 7], 0.5 * math.erfc(math.pi / 7 / math.sqrt(2)), 0.0),
        (lambda x: np.sign(x + 1.2345) + np.maximum(x - 0.3, 0), [-1.2345, 0.3], None, None),
        (lambda x: 1e-9 * np.maximum(x - 0.3, 0), [0.3], 1e-18 * 0.30206020517588, None),
        # Beside what grows to 700 and 6e4, a jump of 2 is no small one.
        (lambda x: x**3 + np.sign(x), [0.0], 16 + 8 / math.sqrt(2 * math.pi), 27.0),
        (lambda x: x**5 - 10 * x**3 + 15 * x + np.sign(x - 0.2), [0.2], None, 600.0),
    ],
)
def test_jumps_of_functions_and_of_their_slopes_are_found(function, kinks, energy, slope) -> None:
    a = get_activation(function)
    np.testing.assert_allclose(a.kinks, kinks, atol=1e-9)
    if energy is not None:
        assert a.second_moment == pytest.approx(energy, rel=1e-9)
    if slope is not None:
        assert a.derivative_second_moment == pytest.approx(slope, rel=1e-9, abs=1e-9)
    assert a.error < 1e-8


@pytest.mark.parametrize(
    "function",
    [
        np.tanh,
        np.cosh,
        np.exp,
        lambda x: x**3,
        lambda x: np.sin(25 * x),
        lambda x: x**6 + np.cos(x),
        lambda x: 2 + 0 * x,
        lambda x: np.exp(-3000 * (x - 0.7) ** 2),
        lambda x: np.tanh(200 * (x - 1)),
        lambda x: np.log1p(np.exp(x)),
    ],
)
def test_smooth_functions_have_no_jumps(function) -> None:
    """Neither where they turn, nor where a numerical slope is rounding."""
    assert get_activation(function).kinks == ()


def pair(a: Activation, g, m1: float, m2: float, s1: float, s2: float, rho: float, moment) -> float:
    """E[g(h_1) G(h_2)] with the conditional ``moment`` of G, on fine panels over h_1."""
    x, w = np.polynomial.legendre.leggauss(16)
    places = [a.resolved.edges(40.0), np.linspace(-9, 9, 1801) * s1 + m1]
    u = np.unique(np.clip((np.concatenate(places) - m1) / s1, -9, 9))
    width = np.diff(u)
    nodes = (u[:-1, None] + width[:, None] * (x + 1) / 2).ravel()
    weights = (width[:, None] * w / 2).ravel() * np.exp(-0.5 * nodes**2) / math.sqrt(2 * math.pi)
    inner = moment(m2 + rho * s2 * nodes, np.full_like(nodes, s2 * math.sqrt(1 - rho**2)))
    return float(weights @ (g(m1 + s1 * nodes) * inner))


@pytest.mark.parametrize(
    "name", ["tanh(10*x)", "tanh(50*(x-1))", "sin(9*x)", "exp(-200*(x-1/2)^2)", "tanh(x)"]
)
@pytest.mark.parametrize("rho", [0.2, -0.7, 0.999])
def test_pairs_of_sharp_neurons_are_right(name: str, rho: float) -> None:
    a = get_activation(name)
    Q = np.array([[1.0, rho * 1.3], [rho * 1.3, 1.69]])
    m = np.array([0.2, -0.1])
    found = gram_moments(a, m, Q)
    second = pair(a, a, 0.2, -0.1, 1.0, 1.3, rho, a.mean)
    slopes = pair(a, a.derivative, 0.2, -0.1, 1.0, 1.3, rho, a.S1)
    assert found.second[0, 1] == pytest.approx(second, abs=1e-8 * a.second_moment)
    assert found.slopes[0, 1] == pytest.approx(slopes, abs=1e-8 * a.derivative_second_moment)
    assert float(slope_product(a, 0.2, 1.0, -0.1, 1.3, rho)) == pytest.approx(
        slopes, abs=1e-7 * a.derivative_second_moment
    )


@pytest.mark.parametrize("frequency", [9, 17, 23, 30])
@pytest.mark.parametrize("spread", [0.05, 0.2, 0.5, 1.0, 3.0])
def test_waves_are_not_folded_out_of_sight(frequency: int, spread: float) -> None:
    a = get_activation(f"sin({frequency}*(x - 5/4))")
    m = np.linspace(-2, 2, 9)
    exact = (1 - np.cos(2 * frequency * (m - 1.25)) * math.exp(-2 * (frequency * spread) ** 2)) / 2
    np.testing.assert_allclose(a.squares(m, np.full_like(m, spread)), exact, atol=1e-10)
    assert a.error < 1e-10


@pytest.mark.parametrize(
    ("function", "edge"),
    [
        (np.round, lambda k: k - 0.5),
        (np.floor, lambda k: k),
        (lambda x: np.round(3 * x), lambda k: (k - 0.5) / 3),
    ],
)
def test_python_functions_with_many_jumps_are_known_as_far_as_wide_neurons_reach(function, edge) -> None:
    # The value k lies between edge(k) and edge(k + 1).
    upper = [math.erfc(edge(k) / math.sqrt(2)) / 2 for k in range(-40, 42)]
    second = math.fsum(k * k * (a - b) for k, (a, b) in zip(range(-40, 41), pairwise(upper), strict=True))
    first = math.fsum(math.exp(-(edge(k) ** 2) / 2) / math.sqrt(2 * math.pi) for k in range(-40, 41))
    sigma = get_activation(function)
    assert sigma.error < 1e-9
    assert sigma.second_moment == pytest.approx(second, rel=1e-12, abs=0)
    assert sigma.coefficient(1) == pytest.approx(first, rel=1e-12, abs=0)


def test_a_function_that_overflows_far_out_has_its_jumps_without_a_warning() -> None:
    assert get_activation(lambda x: np.exp(x**2 / 5) * 1e-3 + np.sign(x - 1)).kinks == pytest.approx((1.0,))
