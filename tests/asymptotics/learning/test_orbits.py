"""Exchangeable neurons share the entries of K, and erf networks have them in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.expectations.activations import get_activation
from asymptotics.learning.giant.erf_kernel import erf_kernel, has_closed_kernel
from asymptotics.learning.giant.noise_kernel import (
    Student,
    exact_part,
    kernel_by_cubature,
    kernel_by_sampling,
)
from asymptotics.learning.giant.orbits import orbits_of
from asymptotics.learning.giant.recursion import Rates, initial_student, recursion
from hermite import Target

STAIR = Target("z1 + z1*z2")


def student(readout, r=2, symmetric=True) -> Student:
    readout = np.asarray(readout, float)
    return initial_student(readout, np.zeros(len(readout)), r, symmetric=symmetric)


@pytest.mark.parametrize(
    ("readout", "count"),
    [
        ([1, -1], 3),  # each with itself, and twins
        ([1, 1, -1, -1], 7 - 1),  # (+,+), (−,−) own; twins; others ++, −−, +−
        ([2, 1, -1, -2], 4 + 2 + 4),
        ([3, 2, 1, -1, -2, -3], 6 + 3 + 12),
    ],
)
def test_neurons_of_one_kind_share_their_entries(readout, count) -> None:
    orbits = orbits_of(student(readout))
    assert len(orbits.pairs) == count
    values = np.arange(float(count))
    matrix = orbits.spread(values)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_array_equal(orbits.mean(matrix), matrix)
    np.testing.assert_array_equal([matrix[i, j] for i, j in orbits.pairs], values)


def test_a_start_without_the_symmetry_keeps_every_pair_apart() -> None:
    rng = np.random.default_rng(0)
    W = rng.standard_normal((4, 6))
    orbits = orbits_of(Student(np.array([1.0, 1, -1, -1]), np.zeros(4), W[:, :2], W @ W.T))
    assert len(orbits.pairs) == 10
    K = W @ W.T
    np.testing.assert_array_equal(orbits.mean(K), K)
    # Biases tell neurons apart as readouts do.
    biased = initial_student(np.array([1.0, 1, -1, -1]), np.array([0.1, 0.2, 0.2, 0.1]), 2, symmetric=True)
    assert len(orbits_of(biased).pairs) == 10


def test_the_mean_over_an_orbit_has_no_bias_and_less_noise() -> None:
    """relu, p = 8 after a step: orbit means of single samples around the long mean (|z| < 4), never noisier than the entries."""
    activation = get_activation("relu")
    path = recursion(STAIR, activation, student([1.0] * 4 + [-1.0] * 4), 1, Rates(1.5, 4.0), 1e-3)
    state = path.students[1]
    orbits, exact = orbits_of(state), exact_part(STAIR, activation, state)
    runs = np.array([kernel_by_sampling(STAIR, activation, state, 10, seed, exact)[0] for seed in range(24)])
    means = np.array([orbits.mean(K) for K in runs])
    long = orbits.mean(kernel_by_sampling(STAIR, activation, state, 17, 99, exact)[0])
    sem = means.std(axis=0, ddof=1) / np.sqrt(len(means))
    assert np.abs((means.mean(axis=0) - long) / sem).max() < 4
    # The mean of an orbit has at most the mean variance of its entries (equal only if they err as one).
    ratio = means.var(axis=0) / orbits.mean(runs.var(axis=0))
    assert ratio.max() <= 1 + 1e-12
    assert np.median(ratio) < 0.7


@pytest.mark.parametrize("text", ["z1 + z1*z2", "erf(z1) + z2^2/3", "relu(z1) - z2"])
def test_erf_kernel_is_the_cubature_of_two_neurons(text) -> None:
    f, activation = Target(text), get_activation("erf")
    state = recursion(f, activation, student([1.0, -1.0]), 1, Rates(1.5, 4.0)).students[1]
    assert has_closed_kernel(f, activation, state)
    np.testing.assert_allclose(
        erf_kernel(f, activation, state), kernel_by_cubature(f, activation, state, refine=1.5)[0], atol=5e-6
    )


def test_erf_kernel_of_unlike_neurons_is_that_of_samples() -> None:
    """Five neurons without any symmetry, 16 scrambles of 2^14 points: |z| < 4.5 over 15 entries."""
    activation, rng = get_activation("erf(x/2)"), np.random.default_rng(1)
    W = 0.5 * rng.standard_normal((5, 7))
    state = Student(np.array([1, 2, -1, 0.5, -0.3]), np.zeros(5), W[:, :2], W @ W.T + 0.3 * np.eye(5))
    exact = exact_part(STAIR, activation, state)
    runs = np.array([kernel_by_sampling(STAIR, activation, state, 14, s, exact)[0] for s in range(16)])
    found = erf_kernel(STAIR, activation, state)
    z = (runs.mean(axis=0) - found) / (runs.std(axis=0, ddof=1) / 4)
    assert np.abs(z).max() < 4.5
    # The output of the network matters: without it the kernel is another one.
    silent = Student(np.zeros(5), state.bias, state.M, state.Q)
    assert (
        np.abs(erf_kernel(STAIR, activation, silent) - found).max()
        > 20 * np.abs(runs.mean(axis=0) - found).max()
    )


def test_wide_erf_networks_are_exact_and_tend_to_the_mean_field() -> None:
    """Errors of the cubature alone at p = 128, and corrections of order 1/p: halving from 64 to 128."""
    activation = get_activation("erf")
    found = {
        p: recursion(STAIR, activation, student(np.repeat([1.0, -1.0], p // 2)), 2, Rates(1.5, 4.0))
        for p in (32, 64, 128)
    }
    assert all(path.error < 1e-9 for path in found.values())
    risks = [found[p].risks[2] for p in (32, 64, 128)]
    assert (risks[0] - risks[1]) / (risks[1] - risks[2]) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("activation", ["erf(x + 1/2)", "tanh", "2*erf(x)"])
def test_other_activations_have_no_closed_kernel(activation) -> None:
    assert not has_closed_kernel(STAIR, get_activation(activation), student([1.0, -1.0]))
    biased = initial_student(np.array([1.0, -1.0]), np.full(2, 0.3), 2, symmetric=True)
    assert not has_closed_kernel(STAIR, get_activation("erf"), biased)
