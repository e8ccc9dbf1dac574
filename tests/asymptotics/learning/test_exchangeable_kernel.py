"""Networks of a few kinds of exchangeable neurons: K by quadrature given the common fields, at any width."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asymptotics.expectations.activations import get_activation
from asymptotics.learning.giant.erf_kernel import erf_kernel
from asymptotics.learning.giant.exchangeable_kernel import exchangeable, exchangeable_kernel
from asymptotics.learning.giant.noise_kernel import Student, exact_part, kernel_by_sampling
from asymptotics.learning.giant.orbits import orbits_of
from asymptotics.learning.giant.recursion import Rates, initial_student, recursion
from hermite import Target

STAIR = Target("z1 + z1*z2")


def start(readout, symmetric=True, bias=0.0) -> Student:
    readout = np.asarray(readout, float)
    return initial_student(readout, np.full(len(readout), bias), 2, symmetric=symmetric)


def after_a_step(activation, readout, symmetric=True, bias=0.0) -> Student:
    path = recursion(
        STAIR, get_activation(activation), start(readout, symmetric, bias), 1, Rates(1.5, 4.0), 1e-3
    )
    return path.students[1]


@pytest.mark.parametrize(
    ("readout", "symmetric"),
    [([1] * 3 + [-1] * 3, True), ([1] * 3 + [-1] * 3, False), ([2, 2, 1, 1, -1, -1, -2, -2], True)],
)
def test_it_is_the_closed_kernel_of_erf_networks(readout, symmetric) -> None:
    activation, state = get_activation("erf"), after_a_step("erf", readout, symmetric)
    law = exchangeable(state)
    assert law is not None
    assert law.coupled == symmetric
    closed = erf_kernel(STAIR, activation, state)
    coarse, fine = (
        np.abs(exchangeable_kernel(STAIR, activation, law, refine) - closed).max() for refine in (0.3, 0.45)
    )
    # Refined by a half the error falls fivefold, so that the change covers it.
    assert fine < coarse / 5
    assert fine < 1e-3 * closed.max()


@pytest.mark.parametrize(
    ("activation", "symmetric", "bias"),
    [("relu", True, 0.0), ("relu", False, 0.0), ("tanh(x + 1/2)", True, 0.3), ("relu", True, -0.4)],
)
def test_it_is_the_mean_of_samples(activation, symmetric, bias) -> None:
    """Eight neurons after a step, 32 scrambles of 2^12 points (few have a spread that says little): |z| < 4.5."""
    state = after_a_step(activation, [1] * 4 + [-1] * 4, symmetric, bias)
    law, sigma, orbits = exchangeable(state), get_activation(activation), orbits_of(state)
    assert law is not None
    exact = exact_part(STAIR, sigma, state)
    runs = [orbits.mean(kernel_by_sampling(STAIR, sigma, state, 12, s, exact)[0]) for s in range(32)]
    found = exchangeable_kernel(STAIR, sigma, law, 0.6)
    sem = np.std(runs, axis=0, ddof=1) / np.sqrt(32)
    assert np.abs((np.mean(runs, axis=0) - found) / sem).max() < 4.5
    # The width is in it: the same fields in a network twice as wide have another kernel.
    wider = replace(law, student=replace(state, readout=2 * state.readout))
    assert np.abs((np.mean(runs, axis=0) - exchangeable_kernel(STAIR, sigma, wider, 0.6)) / sem).max() > 10


def test_what_it_does_not_cover_is_left_to_sampling() -> None:
    rng = np.random.default_rng(0)
    W = rng.standard_normal((4, 6))
    unlike = Student(np.array([1.0, 1, -1, -1]), np.zeros(4), W[:, :2], W @ W.T)
    assert exchangeable(unlike) is None
    assert exchangeable(start([1, -1])) is None  # one unit of the kind: nothing to share
    assert exchangeable(start([3, 3, 2, 2, 1, 1, -1, -1, -2, -2, -3, -3])) is None  # six kinds
    # Neurons that repel each other share no field.
    Q = np.eye(4) - 0.2 * (1 - np.eye(4))
    assert exchangeable(Student(np.ones(4), np.zeros(4), np.zeros((4, 2)), Q)) is None


def test_wide_relu_networks_reach_their_accuracy_and_the_mean_field() -> None:
    """Two steps at p = 32 and 128: the stated error covers the change under refinement; corrections fall as 1/p."""
    sigma = get_activation("relu")

    def path(p, accuracy):
        return recursion(STAIR, sigma, start(np.repeat([1.0, -1.0], p // 2)), 2, Rates(1.5, 4.0), accuracy)

    coarse, fine = path(32, 1e-4), path(32, 2e-6)
    assert fine.error < 2e-6 < coarse.error < 1e-4
    gap = np.abs(coarse.students[2].Q - fine.students[2].Q).max()
    assert gap < coarse.error
    # The mean field, published to nine digits: residual and overlaps make |w|² = 1.985948755 + 1.396195573.
    limit = 1.985948755 + 1.396195573
    gaps = [limit - path(p, 1e-4).students[2].Q[0, 0] for p in (32, 128)]
    assert gaps[0] / gaps[1] == pytest.approx(4, abs=0.2)
