"""Predicted overlaps against the real network in full, d = 1,000 and (slow) 2,000 to 4,000.

Statistic: M and ‖w‖² of every neuron and the risk at every step, z with the standard error of the mean over runs; the theory
is the conditional mean at the simulation's (n, d). Bound: |z| ≤ 4.5 over fewer than 60 correlated entries.
"""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics import Network, Simulation, Training, overlaps, simulate
from hermite import Target

CASES = [
    ("z1 + z1*z2", "relu", Training(steps=2, alpha=4.0, eta=1.5), 0.1),
    ("(z1 + z1^2 + z2 - z2^2)/2", "erf", Training(steps=2, alpha=2.0, eta=2.0), 0.25),
    ("He2(z1)/2 + z2", "He2(x)/2 + x", Training(steps=1, alpha=2.0, eta=0.5), 0.0),
    ("z1 + z1*z2 + He3(z1)/6", "tanh(x + 1/2)", Training(steps=1, alpha=4.0, eta=1.0), 0.1),
]


def scores(
    text: str, activation: str, training: Training, noise: float, d: int, runs: int, wrong: float = 1.0
) -> np.ndarray:
    f, network = Target(text, noise=noise), Network(activation=activation, width=4)
    setting = Simulation(d=d, replicates=runs, test_samples=2000)
    measured = simulate(f, network, training, None, setting).overlaps
    assert measured is not None
    told = Training(steps=training.steps, alpha=training.alpha, eta=wrong * training.eta)
    predicted = overlaps(f, network, told, d=d, accuracy=1e-3)
    z: list[float] = []
    for theory, found in zip(predicted.steps[1:], measured.steps[1:], strict=True):
        assert found.M_sem is not None
        assert found.norm2_sem is not None
        assert found.risk_sem is not None
        z += [
            *((found.M - theory.M) / found.M_sem).ravel(),
            *((found.norm2 - theory.norm2) / found.norm2_sem),
        ]
        z.append((found.risk - theory.risk) / found.risk_sem)
    return np.array(z)


@pytest.mark.parametrize(("text", "activation", "training", "noise"), CASES)
def test_overlaps_in_a_thousand_dimensions_are_the_predicted(
    text: str, activation: str, training: Training, noise: float
) -> None:
    assert np.abs(scores(text, activation, training, noise, d=1000, runs=24)).max() < 4.5


def test_a_rate_wrong_by_a_tenth_is_noticed() -> None:
    text, activation, training, noise = CASES[0]
    assert np.abs(scores(text, activation, training, noise, d=1000, runs=24, wrong=1.1)).max() > 6


@pytest.mark.slow
@pytest.mark.parametrize("d", [2000, 4000])
@pytest.mark.parametrize(("text", "activation", "training", "noise"), CASES)
def test_overlaps_in_thousands_of_dimensions_are_the_predicted(
    text: str, activation: str, training: Training, noise: float, d: int
) -> None:
    assert np.abs(scores(text, activation, training, noise, d=d, runs=40)).max() < 4.5
