"""Fixed width: the fit of a population against closed forms and against the reduced simulator at d = 10^5."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics import Network, Ridge, Simulation, Training, overlaps, risk, simulate
from asymptotics.expectations.activations import get_activation
from asymptotics.generalisation.population import population_error
from hermite import Target
from hermite.errors import InputError


def test_linear_neurons_have_a_closed_form() -> None:
    """σ(x) = x, f* = z1: E[(z1 − ⟨a, W z⟩)²] = 1 − Mᵀ Q⁻¹ M, and with a penalty 1 − Mᵀ (Q + c)⁻¹ (Q + 2c) (Q + c)⁻¹ M."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((3, 6))
    M, Q = w[:, :1], w @ w.T
    linear = get_activation("x")
    m = M[:, 0]
    found = population_error(Target("z1"), linear, M, Q, 0.0)
    assert found == pytest.approx(1 - m @ np.linalg.solve(Q, m), rel=1e-10)
    c, R = 0.7, np.linalg.inv(Q + 0.7 * np.eye(3))
    expected = 1 - m @ R @ (Q + 2 * c * np.eye(3)) @ R @ m
    assert population_error(Target("z1"), linear, M, Q, c) == pytest.approx(expected, rel=1e-10)


def test_the_fit_of_a_population_is_that_of_many_samples() -> None:
    """E[(f* − f)²] of given weights, least squares on 400,000 samples: |z| < 4."""
    rng = np.random.default_rng(1)
    w = rng.standard_normal((4, 5)) / 2
    f, sigma = Target("z1 + z1*z2"), get_activation("relu")
    z = rng.standard_normal((400_000, 5))
    x, y = sigma(z @ w.T), f(z[:, :2])
    a = np.linalg.lstsq(x, y, rcond=None)[0]
    losses = (y - x @ a) ** 2
    found = population_error(f, sigma, w[:, :2], w @ w.T, 0.0)
    # Least squares on the sample is below the population by p/n of it.
    z_score = (losses.mean() - found) / (losses.std() / np.sqrt(len(losses)))
    assert abs(z_score) < 4


def test_equal_neurons_share_their_weight() -> None:
    """Before any step pairs are equal neurons: the same error as with one of each."""
    rng = np.random.default_rng(2)
    w = rng.standard_normal((3, 4)) / 2
    f, sigma = Target("z1 + z1*z2"), get_activation("relu")
    once = population_error(f, sigma, w[:, :2], w @ w.T, 0.0)
    v = np.concatenate([w, w[::-1]])
    assert population_error(f, sigma, v[:, :2], v @ v.T, 0.0) == pytest.approx(once, rel=1e-7)


@pytest.mark.parametrize(
    ("target", "activation", "initialisation", "steps", "readout"),
    [
        ("z1 + z1*z2", "relu", "symmetric", 2, "rademacher"),
        ("z1 + He2(z1)/2", "tanh(x + 1/2)", "independent", 1, [[1.0, 0.5], [-1.0, 0.25], [2.0, 0.25]]),
        (
            "z1 + z1*z2",
            "relu(x - 1/2)",
            "symmetric",
            3,
            [[2.0, 0.25], [1.0, 0.25], [-1.0, 0.25], [-2.0, 0.25]],
        ),
    ],
)
def test_the_fit_of_a_population_is_that_of_the_reduced_simulator(
    target, activation, initialisation, steps, readout
) -> None:
    """d = 10^5, p = 8, 8 runs: |z| < 4, with p/n2 of the error allowed; one step less is another theory."""
    f, d = Target(target, noise=0.1), 100_000
    network = Network(activation, readout, initialisation=initialisation, width=8)
    training, ridge = Training(steps, 2.0, 1.0), Ridge(alpha=1.0, lam=0.1, d=d, regime="fixed-width")
    theory = risk(f, network, training, ridge)
    setting = Simulation(d=d, method="reduced", replicates=8, test_samples=100_000, seed=5)
    real = simulate(f, network, training, ridge, setting, steps=[steps]).risks[0]
    assert real.p == theory.p == 8
    allowed = 4 * real.test_error_sem + 8 / d * theory.test_error
    assert abs(real.test_error - theory.test_error) < allowed
    less = risk(f, network, Training(steps - 1, 2.0, 1.0), ridge)
    assert abs(real.test_error - less.test_error) > 2 * allowed


@pytest.mark.parametrize(("initialisation", "gap"), [("symmetric", 1e-4), ("independent", 0.6)])
def test_meets_the_proportional_theory_at_small_width(initialisation, gap) -> None:
    """p = 16 and 32 at d = 10^6: beta = p/d → 0 of many neurons. Independent rows differ by their own output, O(1/p)."""
    f, d = Target("z1 + He2(z1)/2", noise=0.1), 10**6
    for p in (16, 32):
        narrow = Network(width=p, initialisation=initialisation)
        fixed = risk(f, narrow, Training(1, 2.0, 1.0), Ridge(1.0, lam=0.1, d=d, regime="fixed-width"))
        wide = risk(
            f, Network(initialisation=initialisation), Training(1, 2.0, 1.0), Ridge(1.0, p / d, 0.1, d=d)
        )
        allowed = gap if initialisation == "symmetric" else gap / p
        assert fixed.test_error == pytest.approx(wide.test_error, rel=allowed)


def test_a_fit_at_overlaps_that_keep_the_randomness_of_the_start_is_refused() -> None:
    """Leap 2: neurons learn +z1 or −z1, on average nothing; the error of the mean (2, that of a constant) is not the mean."""
    network, training = Network("relu", width=4), Training(1, 2.0, 1.0, batch_exponent=2)
    for d in (None, 1000):
        with pytest.raises(InputError, match="randomness of the start"):
            risk(Target("He2(z1)"), network, training, Ridge(2.0, lam=0.1, d=d, regime="fixed-width"))


def test_the_error_of_the_overlaps_enters_the_fit_twice() -> None:
    """M and Q enter squared: tanh at width 2 after a step, whose overlaps have the error of the activation's averages."""
    f, sigma, training = Target("z1 + z1*z2", noise=0.1), "tanh(x + 1/2)", Training(1, eta=1.0)
    network = Network(sigma, width=2)
    step = overlaps(f, network, training).steps[-1].error.quadrature
    assert step is not None
    assert step > 1e-15
    found = risk(f, network, training, Ridge(regime="fixed-width")).error.quadrature
    shared = risk(f, Network(sigma), None, Ridge()).error.quadrature
    assert found == pytest.approx(shared + 2 * step, rel=1e-6, abs=0.0)


def test_two_equal_neurons_fit_as_one() -> None:
    """Their Gram matrix has rank 1, up to rounding, which must not count as a feature."""
    f, sigma = Target("z1 + He2(z1)/2"), get_activation("tanh(x + 1/2)")
    for overlap, norm2 in ((0.5, 1.0), (0.7, 1.3), (-0.1, 0.9)):
        once = population_error(f, sigma, np.full((1, 1), overlap), np.full((1, 1), norm2), 0.0)
        twice = population_error(f, sigma, np.full((2, 1), overlap), np.full((2, 2), norm2), 0.0)
        assert twice == pytest.approx(once, rel=1e-9)
