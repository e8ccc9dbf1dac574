"""The coherence of the groups' mean residuals: against the real network, in the ridge errors, and in whole covariances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training, risk
from asymptotics.generalisation.spiked.linear_sector import solve_units
from asymptotics.generalisation.spiked.matrix_sectors import solve_matrix
from asymptotics.generalisation.spiked.trained_layer import axes_of, on_units, trained_units, unit_members
from asymptotics.learning.giant.batches import train_on_batches
from asymptotics.learning.giant.mean_field import train
from asymptotics.learning.groups import readout_groups
from hermite import Target

WEAK = Target("exp(-z1/2)/4 - z1/2")


@pytest.mark.parametrize(
    ("steps", "d", "simulation", "sem"),
    # Independent simulations of the real network (tanh, independent rows); without coherence 6 to 13 % too high.
    [(1, 200, 0.1928, 0.0012), (1, 400, 0.1661, 0.0009), (1, 800, 0.1478, 0.0006), (1, 1600, 0.1386, 0.0006)],
)
def test_weak_spikes_count_at_finite_d(steps, d, simulation, sem) -> None:
    network, training = Network("tanh", initialisation="independent"), Training(steps, 7.7125, 0.3824)
    found = risk(WEAK, network, training, Ridge(5.6025, 0.44, 0.0048, d=d))
    assert abs(found.test_error - simulation) < 2.5 * sem
    stated = found.error.theory * found.test_error
    assert abs(found.test_error - simulation) < stated
    finite = risk(WEAK, network, training, Ridge(5.6025, 0.44, 0.0048, d=d, regime="finite"))
    assert abs(finite.test_error - simulation) < 2.5 * sem + 0.01 * simulation


def residual_means(activation: str, atoms, d: int, p: int, n: int, eta: float, rng) -> np.ndarray:
    """p <rbar_g, rbar_h> of one real step on y = z1 + He2(z1)/2, r = w without the gradient of y's linear part."""
    sigma = Network(activation).get_activation()
    values, shares = np.array(atoms).T
    readout = np.repeat(values, np.round(shares * p).astype(int))
    w = rng.standard_normal((p, d))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    z = rng.standard_normal((n, d))
    y = z[:, 0] + (z[:, 0] ** 2 - 1) / 2 + np.sqrt(0.1) * rng.standard_normal(n)
    h = z @ w.T
    delta = y - sigma(h) @ readout / p
    gradient = (sigma.derivative(h) * delta[:, None]).T @ z / n
    first, constant = (
        float(np.asarray(of(np.zeros((1, 1)), np.ones((1, 1)))).item()) for of in (sigma.S1, sigma.mean)
    )
    # The output of many neurons is a constant.
    seen = y - readout.mean() * constant
    r = w + eta * readout[:, None] * (gradient - first * (seen @ z) / n)
    means = np.array([r[readout == value].mean(axis=0) for value in values])
    return p * means @ means.T


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_real_network_has_the_stated_means(activation) -> None:
    """X0 + coherence after one step, 40 networks of d = 120: |z| < 4 beside 3 % of 1/d terms; without it |z| > 10."""
    atoms, alpha, eta = [[1.0, 0.7], [-0.5, 0.3]], 8.0, 0.8
    f = Target("z1 + He2(z1)/2", noise=0.1)
    network = Network(activation, atoms, initialisation="independent")
    layer = train(f, network.get_activation(), readout_groups(network), 1, eta, alpha)
    independent = np.diag(layer.residual_norm2 / layer.weight)
    rng = np.random.default_rng(5)
    runs = np.array([residual_means(activation, atoms, 120, 200, 960, eta, rng) for _ in range(40)])
    mean, sem = runs.mean(axis=0), runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    slack = 0.03 * np.abs(independent).max()
    assert np.all(np.abs(mean - independent - layer.coherence) < 4 * sem + slack)
    assert np.abs((mean - independent) / sem).max() > 10


@pytest.mark.parametrize("initialisation", ["symmetric", "independent"])
@pytest.mark.parametrize("steps", [1, 2])
def test_slopes_with_coherence_obey_the_envelope_theorem(initialisation, steps) -> None:
    """d/dλ [alpha train + λ|a|²/d] = |a|²/d holds with the means' cost as it enters; pairs have none after one step."""
    network = Network("softplus", initialisation=initialisation)
    f = Target("z1/2 + He2(z1)/5", noise=0.05)
    layer = train(f, network.get_activation(), readout_groups(network), steps, 1.0, 8.0)
    units = trained_units(f, network.get_activation(), layer, "E")
    assert np.any(units.coherence) == (initialisation == "independent" or steps > 1)
    alpha, lam, step = 2.0, 0.05, 1e-5
    low, mid, high = (solve_units(units, alpha, 1.0, x, d=100) for x in (lam - step, lam, lam + step))
    slope = (alpha * (high.train - low.train) + (lam + step) * high.norm2 - (lam - step) * low.norm2) / (
        2 * step
    )
    assert slope == pytest.approx(mid.norm2, rel=1e-6)


def test_whole_covariances_hold_the_coherence() -> None:
    """Isotropic residuals: what coherence changes is that of the scalar equations, up to 1/d'; it is 5 % here."""
    network = Network("tanh", initialisation="independent")
    law = train(WEAK, network.get_activation(), readout_groups(network), 1, 0.3824, 7.7125)
    gaps = []
    for size in (80, 160):
        groups = readout_groups(network)
        layer = train_on_batches(
            WEAK, network.get_activation(), groups, 1, 0.3824, 7.7125, d=size, neurons=2, seed=(1, size)
        )
        flat = replace(layer, S=layer.R[:, None, None] * np.eye(size), coherence=law.coherence)
        changes = []
        for coherence in (law.coherence, None):
            units = trained_units(WEAK, network.get_activation(), replace(flat, coherence=coherence), "iso")
            covariance = on_units(flat, unit_members(flat), flat.covariance)
            whole = solve_matrix(units, covariance, axes_of(flat), 5.6, 0.44, 0.0048, d=200)
            changes.append((whole.test, solve_units(units, 5.6, 0.44, 0.0048, d=200).test))
        (with_whole, with_scalar), (alone_whole, alone_scalar) = changes
        assert with_scalar / alone_scalar - 1 < -0.04
        gaps.append(abs(with_whole / alone_whole - with_scalar / alone_scalar))
    assert gaps[1] < 0.004


def test_nothing_learned_is_a_case_of_the_finite_theory() -> None:
    """abs has no linear part: no spike; relu after one step on an even target neither, up to noise."""
    for activation, target in (("abs", "z1 + z1*z2"), ("He2(x)", "z1"), ("x^2", "z1*z2")):
        network = Network(activation, initialisation="independent")
        found = risk(
            Target(target, noise=0.1),
            network,
            Training(1, 2.0, 0.5),
            Ridge(2.0, 1.0, 0.1, d=100, regime="finite"),
        )
        assert 0 < found.train_error < found.test_error


@pytest.mark.parametrize("steps", [1, 2])
def test_a_group_of_next_to_no_neurons_leaves_the_coherence_of_the_others_alone(steps: int) -> None:
    """The mean of independent units is large as 1/share in a rare group, as at the outer nodes of a Gaussian readout."""
    f, sigma = Target("z1 + He2(z1)/2", noise=0.1), Network("tanh").get_activation()
    two = ((1.0, 0.5), (-1.0, 0.5))
    three = ((2.0, 1e-13), (1.0, 0.5 - 5e-14), (-1.0, 0.5 - 5e-14))
    plain, rare = (
        train(
            f, sigma, readout_groups(Network("tanh", atoms, initialisation="independent")), steps, 1.0, 4.0
        ).coherence
        for atoms in (two, three)
    )
    assert plain is not None
    assert rare is not None
    assert np.abs(plain).max() > 0.5
    np.testing.assert_allclose(rare[1:, 1:], plain, rtol=1e-8)


def test_equal_pairs_have_no_coherence_after_one_step() -> None:
    """Their terms cancel, to rounding: exactly nothing is left, also at nodes of a Gaussian readout."""
    f, sigma = Target("z1 + He2(z1)/2", noise=0.1), Network("tanh").get_activation()
    for readout in ("rademacher", "gaussian"):
        groups = readout_groups(Network("tanh", readout, initialisation="symmetric"))
        coherence = train(f, sigma, groups, 1, 1.0, 4.0).coherence
        assert coherence is not None
        assert not np.any(coherence)
