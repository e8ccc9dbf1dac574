"""Conditional moments of sharp and kinked targets at the spikes, against plain sums on fine grids."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training, risk
from asymptotics.generalisation.spiked.target_moments import conditional_moments, label_moments, root_of_rest
from hermite import Target


def grid(step: float, reach: float = 8.5) -> tuple[np.ndarray, np.ndarray]:
    u = np.arange(-reach, reach + step / 2, step) + step / 3
    w = np.exp(-u * u / 2)
    return u, w / w.sum()


@pytest.mark.parametrize(
    "text",
    ["sin(8*z1) + z1", "z1 + exp(-20*z1^2)", "tanh(30*(z1 - 1))", "cos(20*z1)", "z1 + He2(z1)/sqrt(2)"],
)
def test_moments_along_one_direction_are_right(text: str) -> None:
    f = Target(text, noise=0.05)
    u, w = grid(1e-3)
    kappa = np.linspace(-3, 3, 7)[:, None]
    for gamma in (0.05, 0.6, 0.99):
        width = np.sqrt(1 - gamma**2)
        values = f((gamma * kappa + width * u).reshape(-1, 1)).reshape(len(kappa), -1)
        f0, f1 = values @ w, (values * u) @ w
        found = conditional_moments(f, kappa, np.array([[gamma]]))
        np.testing.assert_allclose(found.f0, f0, atol=1e-9)
        np.testing.assert_allclose(found.f1[:, 0], f1, atol=1e-9)
        np.testing.assert_allclose(found.fs2, values**2 @ w - f0**2 - f1**2 + 0.05, atol=1e-9)
    y = f(u[:, None])
    fourth = y**4 + 6 * y**2 * 0.05 + 3 * 0.05**2
    assert label_moments(f)[4, 2] == pytest.approx(w @ (fourth * u**2), rel=1e-9)


@pytest.mark.parametrize(
    "text",
    ["tanh(30*z1) + z1*z2", "relu(z1 + z2)*z2", "exp(-200*(z1 - 1)^2) + z2", "He3(z1)*z2", "sin(8*z1)*z2"],
)
def test_moments_along_two_directions_are_right(text: str) -> None:
    f = Target(text)
    overlap = np.array([[0.6, 0.1], [0.2, 0.8]])
    kappa = np.array([[0.1, 0.5], [-1.0, 2.0]])
    root = root_of_rest(overlap)
    u, w = grid(0.008, 7.0)
    tau = np.stack(np.meshgrid(u, u, indexing="ij"), axis=-1).reshape(-1, 2)
    weight = np.outer(w, w).ravel()
    found = conditional_moments(f, kappa, overlap)
    for k in range(2):
        values = f(overlap @ kappa[k] + tau @ root.T)
        f0, f1 = weight @ values, (weight * values) @ tau
        rest = weight @ values**2 - f0**2 - f1 @ f1
        assert found.f0[k] == pytest.approx(f0, abs=3e-6)
        np.testing.assert_allclose(found.f1[k], f1, atol=3e-6)
        assert found.fs2[k] == pytest.approx(rest, abs=1e-5)


def test_errors_of_the_fit_for_a_wave_and_a_narrow_bump() -> None:
    # The theory at these settings with all integrals on panels of a tenth.
    network, ridge = Network("relu", initialisation="independent"), Ridge(2.0, 1.0, 0.1, level="E")
    wave, bump = Target("sin(8*z1) + z1", noise=0.05), Target("z1 + exp(-20*z1^2)", noise=0.05)
    once, twice = (Training(steps=steps, alpha=4.0, eta=1.0) for steps in (1, 2))
    assert risk(wave, network, once, ridge).test_error == pytest.approx(0.9911774, abs=2e-7)
    assert risk(wave, network, twice, ridge).test_error == pytest.approx(0.9147148, abs=2e-7)
    assert risk(bump, network, once, ridge).test_error == pytest.approx(0.3510879, abs=2e-7)


def test_an_energy_that_cannot_be_enclosed_is_integrated_at_finite_d() -> None:
    found = risk("exp(-338*(z1-3/4)^2) + tanh(z1)", ridge=Ridge(2.0, 1.0, 0.1, d=100))
    assert found.error.quadrature is not None
    assert 0 < found.test_error < 1
