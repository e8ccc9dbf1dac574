"""Sweeps of convex losses, mixed: they end where damped ones do, sooner, and know how far the fixed point may be."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training, risk
from asymptotics.generalisation.losses import mixing
from asymptotics.generalisation.losses.mixing import Mixing
from asymptotics.generalisation.losses.scalar_losses import LOSSES
from hermite import Target


def test_slow_directions_are_mixed_away_and_their_amplification_is_known() -> None:
    """x ← A x + b, A of eigenvalues 0.9999, 0.5, −0.3, in two arrays of very different size."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    A, end = (basis * [0.9999, 0.5, -0.3]) @ basis.T, rng.standard_normal(3)
    # Its end is of the size of what the quick directions reach: mixtures that grow far beyond their parts are refused.
    b = end - A @ end
    scale = np.array([1.0, 1e6, 1e6])
    exact = scale * end
    state: tuple[np.ndarray, ...] = (np.zeros(1), np.zeros((2, 1)))
    mixed, change, sweeps = Mixing(0.7, lambda _: True), np.inf, 0
    while change > 1e-12 and sweeps < 200:
        sweeps += 1
        x = np.concatenate([part.ravel() for part in state])
        after = scale * (A @ (x / scale) + b)
        new = (after[:1], after[1:].reshape(2, 1))
        sizes = [float(np.max(np.abs(part))) for part in new]
        change = max(float(np.max(np.abs(n - o))) / s for n, o, s in zip(new, state, sizes, strict=True))
        if change > 1e-12:
            state = mixed.next(state, new, sizes, change)
    assert sweeps < 30
    assert np.concatenate([part.ravel() for part in state]) == pytest.approx(exact, rel=1e-7)
    assert 3e3 < mixed.amplification < 3e4


def test_what_is_not_physical_is_not_mixed() -> None:
    """x ← x/2, whose mixtures are 0: beyond a bound the damped sweeps stand, 0.65 of the last each."""
    mixed = Mixing(0.7, lambda state: bool(state[0][0] > 1e-3))
    state: tuple[np.ndarray, ...] = (np.array([1.0]),)
    for sweep in range(12):
        state = mixed.next(state, (state[0] / 2,), [1.0], float(state[0][0]) / 2)
        assert state[0][0] == pytest.approx(0.65 ** (sweep + 1), rel=1e-9)


@pytest.mark.parametrize(("loss", "steps"), [("logistic", 0), ("hinge", 0), ("huber", 0), ("huber", 1)])
def test_mixed_sweeps_end_where_damped_ones_do(loss, steps, monkeypatch) -> None:
    f, network = Target("z1 + He2(z1)/2", noise=0.5, labels="sign"), Network("relu")
    training = Training(steps=steps, alpha=2.0, eta=1.0)
    ridge = Ridge(2.0, 1.0, 0.2, loss=loss)
    found = risk(f, network, training, ridge)
    monkeypatch.setattr(mixing, "_DAMPED", 10**6)
    damped = risk(f, network, training, ridge)
    assert found.solution is not None
    assert damped.solution is not None
    assert damped.solution.converged
    assert found.solution.iterations < damped.solution.iterations
    for name in ("classification_error", "test_loss", "train_loss", "test_error"):
        assert getattr(found, name) == pytest.approx(getattr(damped, name), rel=1e-6)


@pytest.mark.parametrize("text", ["z1", "z1 + He2(z1)/2"])
def test_samples_that_a_plane_all_but_separates_are_fitted_in_few_sweeps(text) -> None:
    ridge = Ridge(1.0, 6.0, 1e-3, loss="logistic")
    found = risk(Target(text, labels="sign"), Network("relu"), Training(steps=0), ridge)
    assert found.solution is not None
    assert found.solution.converged
    assert found.solution.iterations < 60
    # The fit goes nearly through every sample.
    assert found.train_loss is not None
    assert found.train_loss < 0.02


def test_proximal_points_of_the_logistic_loss_are_found_at_any_width() -> None:
    rng, loss = np.random.default_rng(1), LOSSES["logistic"]
    for width in (1e-12, 1e-3, 1.0, 1e3, 1e8):
        omega = np.concatenate([rng.standard_normal(200) * size for size in (1e-6, 1.0, 50.0, width)])
        for y in (1.0, -1.0):
            x = loss.prox(np.full(1, y), omega, np.full(1, width))
            slope = -y / (1 + np.exp(np.clip(y * x, -700, 700)))
            assert (
                np.max(np.abs(x - omega + width * slope) / (1 + np.abs(omega) + width * np.abs(slope)))
                < 1e-13
            )
