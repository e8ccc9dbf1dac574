"""A rule over the spikes states by how much it misses what is known of the features: E σ² at their whole norm."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics import Network
from asymptotics.expectations.activations import get_activation
from asymptotics.expectations.quadrature import trapezoid_rule
from asymptotics.generalisation.spiked import spiked_layer
from asymptotics.generalisation.spiked.feature_moments import missed_by_rule
from asymptotics.generalisation.spiked.spiked_layer import SpikedNeurons, spiked_units
from hermite import Target

F = Target("z1")
NEURONS = SpikedNeurons([[3.0], [-2.0]], [0.04, 1.0], biases=[0.3, 0.0])


@pytest.mark.parametrize("name", ["tanh", "relu", "x + He2(x)/2"])
def test_the_rule_of_sharp_spikes_meets_the_second_moment_of_the_features(name: str) -> None:
    units = spiked_units(F, get_activation(name), NEURONS, [[0.6]])
    assert units.error < 1e-6


@pytest.mark.parametrize("step", [0.5, 1.0, 1.6])
def test_a_rule_that_is_too_coarse_says_by_how_much(step: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slope c/√s = 15: steps of half a unit and more jump over the layer of tanh."""

    def coarse(k: int, slope: float, breaks: object, *, finer: bool) -> tuple[np.ndarray, np.ndarray]:
        x, w = trapezoid_rule(step)
        return x[:, None], w

    monkeypatch.setattr(spiked_layer, "spike_rule", coarse)
    units = spiked_units(F, get_activation("tanh"), NEURONS, [[0.6]])
    second = units.mu0**2 + units.mu1**2 + np.einsum("kuaa->ku", units.spread)
    x, w = trapezoid_rule(0.01)
    norms = np.sqrt([9.04, 5.0])
    exact = np.array([w @ np.tanh(norm * x + b) ** 2 for norm, b in zip(norms, (0.3, 0.0), strict=True)])
    missed = float(np.abs(units.weights @ second - exact).sum() / exact.sum())
    assert units.error == pytest.approx(missed, rel=1e-6)
    assert units.error > 1e-4


def test_polynomials_are_missed_by_what_the_rule_misses_of_their_degree() -> None:
    """E (κ + x)⁴ = 12 with the two nodes ±1 for κ: 1 + 6 + 3 = 10."""
    second = np.full((2, 1), 10.0)
    missed = missed_by_rule(
        Network("x^2").get_activation(),
        np.full(2, 0.5),
        second,
        np.ones((1, 1)),
        np.zeros(1),
        np.ones(1),
        np.ones(1),
    )
    assert missed == pytest.approx(1 / 6, rel=1e-9)
