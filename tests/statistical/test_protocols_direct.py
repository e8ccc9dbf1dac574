"""Online SGD and reused batches on direct runs of the network: settings of our own, each with its rms z."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from asymptotics import Network, Simulation, Training, overlaps, simulate
from asymptotics.results import Overlaps
from hermite import Target

D, RUNS = 1000, 30
INDEPENDENT = "independent"

#: (target, noise, activation, width, initialisation, training): chosen before any run.
ONLINE: list[tuple[str, float, str, int, str, dict[str, Any]]] = [
    ("z1 + z2^2/2", 0.0, "relu", 3, INDEPENDENT, {"alpha": 1.0, "batch_exponent": 0.5, "eta": 0.8}),
    ("tanh(2*z1) + z1*z2/2", 0.1, "erf", 2, INDEPENDENT, {"alpha": 0.2, "eta": 1.0, "projection": "spherical"}),
    ("z1 - z2 + z1*z2", 0.25, "tanh", 4, INDEPENDENT, {"alpha": 3.0, "batch_exponent": 0.5, "eta": 0.6, "loss": "correlation"}),
    ("abs(z1) + z1/2", 0.0, "softplus", 2, INDEPENDENT, {"alpha": 1.0, "batch_exponent": 0.4, "eta": 1.2}),
    ("He2(z1)/2 + z1", 0.05, "He2(x)/2 + x", 2, INDEPENDENT, {"alpha": 0.3, "eta": 0.4, "projection": "projected"}),
    ("sin(z1) + sin(z2)", 0.0, "relu", 4, "symmetric", {"alpha": 0.5, "eta": 1.0}),
]  # fmt: skip
REUSED: list[tuple[str, float, str, int, str, dict[str, Any]]] = [
    ("z1 + z2^2/2", 0.0, "relu", 4, INDEPENDENT, {"alpha": 3.0, "eta": 1.0}),
    ("tanh(2*z1) + z1*z2/2", 0.1, "tanh", 4, "symmetric", {"alpha": 2.0, "eta": 1.5}),
    ("z1 - z2 + z1*z2", 0.25, "softplus", 4, INDEPENDENT, {"alpha": 4.0, "eta": 0.7}),
    ("abs(z1) + z1/2", 0.0, "relu", 2, INDEPENDENT, {"alpha": 1.5, "eta": 1.0, "weight_decay": 0.1}),
    ("He3(z1)/2", 0.0, "tanh(x + 1/2)", 4, INDEPENDENT, {"alpha": 3.0, "eta": 1.0}),
    ("sin(z1)*z2 + z1/2", 0.1, "erf", 6, "symmetric", {"alpha": 2.0, "eta": 1.2}),
]  # fmt: skip


def runs(f: Target, network: Network, training: Training) -> Overlaps:
    setting = Simulation(method="direct", d=D, replicates=RUNS, test_samples=256, seed=11)
    found = simulate(f, network, training, None, setting).overlaps
    assert found is not None
    return found


def scores(theory: Overlaps, measured: Overlaps, step: int) -> np.ndarray:
    """z of M and Q: the runs' standard error, and that of sampled integrals; nothing for what d leaves out."""
    a, b = theory[step], measured[step]
    i, j = np.triu_indices(len(a.M))
    size = max(1.0, float(a.norm2.max()))
    gap = np.concatenate([(a.M - b.M).ravel(), (a.Q - b.Q)[i, j]])
    sem = np.concatenate([b.M_sem.ravel(), b.Q_sem[i, j]])
    slack = np.concatenate([np.full(a.M.size, size**0.5), np.full(len(i), size)])
    error = np.hypot(sem, slack * theory.solution.residual)
    moving = sem > 1e-9
    return (gap / error)[moving]


def judged(settings: Any, steps: tuple[int, ...], protocol: str, d: int | None) -> None:
    values = []
    for text, noise, activation, p, initialisation, keys in settings:
        f = Target(text, noise=noise)
        network = Network(activation, width=p, initialisation=initialisation)
        training = Training(steps[-1], protocol=protocol, **keys)
        theory, measured = overlaps(f, network, training, accuracy=5e-4, d=d), runs(f, network, training)
        z = np.concatenate([scores(theory, measured, t) for t in steps])
        assert np.abs(z).max() < 4.5, (text, z)
        values.append(float(np.sqrt(np.mean(z**2))))
    # Entries of one run are strongly correlated: the rms of a setting scatters, that of all does not.
    assert max(values) < 2.0, values
    assert 0.6 < np.sqrt(np.mean(np.square(values))) < 1.4, values


@pytest.mark.slow
def test_online_sgd_meets_direct_runs_of_six_settings() -> None:
    judged(ONLINE, (5, 20), "sgd", D)


@pytest.mark.slow
def test_reused_batches_meet_direct_runs_of_six_settings() -> None:
    judged(REUSED, (1, 2, 3), "reuse", None)
