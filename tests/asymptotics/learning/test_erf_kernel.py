"""K of erf networks on polynomial targets by sums, against nodes over the target's coordinates and against samples."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.expectations.activations import get_activation
from asymptotics.learning.giant import erf_kernel as module
from asymptotics.learning.giant.erf_kernel import erf_kernel
from asymptotics.learning.giant.noise_kernel import Student
from hermite import Target


def student(p: int, r: int, seed: int, size: float = 0.5) -> Student:
    """Neurons that all differ, of overlaps of order ``size``."""
    rng = np.random.default_rng(seed)
    M = size * rng.standard_normal((p, r))
    W = rng.standard_normal((p, 2 * p))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    return Student(rng.standard_normal(p), np.zeros(p), M, M @ M.T + W @ W.T)


@pytest.mark.parametrize(
    ("text", "gram"),
    [
        ("3/2", None),
        ("z1", None),
        ("z1 + z1*z2", None),
        ("1 + z1^2 - 2*z1*z2^2 + He3(z2)", None),
        ("z1*z2*z3 - z3^2/2 + z1", None),
        ("He5(z1)/10 - z1^4/4", None),
        ("He12(z1)/20000 + z1*z2", None),
        ("z1 + z1*z2", [["1", "1/2"], ["1/2", "1"]]),
    ],
)
def test_sums_are_the_averages_over_nodes(text: str, gram: object, monkeypatch: pytest.MonkeyPatch) -> None:
    f, activation = Target(text, gram=gram), get_activation("erf(x/sqrt(2))")
    state = student(5, f.r, 3)
    by_sums = erf_kernel(f, activation, state)
    monkeypatch.setattr(module, "_degree", lambda _: None)
    by_nodes = erf_kernel(f, activation, state, refine=1.5)
    np.testing.assert_allclose(by_sums, by_nodes, rtol=1e-7, atol=1e-9 * np.abs(by_nodes).max())


@pytest.mark.parametrize("unit", ["1e-90", "1e90"])
def test_the_kernel_is_a_square_of_the_targets_unit(unit: str) -> None:
    state, activation = student(4, 2, 5), get_activation("erf(2*x)")
    c = float(unit)
    scaled = Student(c * state.readout, state.bias, state.M, state.Q)
    one = erf_kernel(Target("z1 + z1*z2"), activation, state)
    other = erf_kernel(Target(f"{unit}*(z1 + z1*z2)"), activation, scaled)
    np.testing.assert_allclose(other / c / c, one, rtol=1e-12)


def test_the_kernel_is_that_of_samples() -> None:
    f, activation, state = Target("z1 + z1*z2 - z2^3/4"), get_activation("erf(x)"), student(3, 2, 7)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400_000, 2))
    h = x @ state.M.T + rng.standard_normal((len(x), 3)) @ np.linalg.cholesky(state.remainder).T
    power = (f(x) - activation(h) @ state.readout / 3) ** 2
    slopes = activation.derivative(h)
    products = power[:, None, None] * slopes[:, :, None] * slopes[:, None, :]
    z = (products.mean(axis=0) - erf_kernel(f, activation, state)) / (products.std(axis=0) / np.sqrt(len(x)))
    assert np.abs(z).max() < 4


def test_large_networks_are_done_in_parts_of_the_same_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    f, activation, state = Target("z1 + z1*z2"), get_activation("erf(x)"), student(6, 2, 9)
    whole = erf_kernel(f, activation, state)
    monkeypatch.setattr(module, "_AT_ONCE", 200)
    np.testing.assert_allclose(erf_kernel(f, activation, state), whole, rtol=1e-13)
