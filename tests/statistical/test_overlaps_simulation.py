"""Predicted overlaps against the reduced simulation, which is exact in law at any (n, d).

Statistic: group averages of M, ‖w‖², Q (twins apart) and the risk at every step, each with the standard error of the
mean over runs (never over neurons). Bound: |z| ≤ 4 for every entry. Negative controls: the wrong alpha or eta fails.
"""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics import Network, Simulation, Training, overlaps, simulate
from asymptotics.expectations.activations import get_activation
from asymptotics.learning.giant.fixed_width import typical_starts
from asymptotics.learning.giant.recursion import Rates, recursion
from asymptotics.simulation.reduced import ReducedNetwork
from asymptotics.simulation.student import Setup
from hermite import Target

BOUND = 4.0


def group_averages(predicted) -> list[np.ndarray]:
    """Theory neuron by neuron, averaged over neurons of equal readout as the simulation reports it."""
    out = []
    for step in predicted.steps:
        values = np.unique(step.readout)[::-1]
        groups = [np.flatnonzero(step.readout == v) for v in values]
        p = len(step.readout)
        twins = np.eye(p)[::-1].astype(bool) | np.eye(p, dtype=bool)
        Q = [[step.Q[np.ix_(g, h)][~twins[np.ix_(g, h)]].mean() for h in groups] for g in groups]
        M = [step.M[g].mean(axis=0) for g in groups]
        norm2 = [step.norm2[g].mean() for g in groups]
        out.append(np.concatenate([np.ravel(M), norm2, np.ravel(Q), [step.risk]]))
    return out


def scores(
    f, activation, width, d, training, replicates, seed=0, predicted=None, accuracy=2e-4
) -> np.ndarray:
    """z of every group average at every step ≥ 1."""
    network = Network(activation=activation)
    settings = Simulation(
        method="reduced",
        d=d,
        width=width,
        replicates=replicates,
        test_samples=20_000,
        dtype="float64",
        seed=seed,
    )
    measured = simulate(f, network, training, None, settings).overlaps
    if predicted is None:
        predicted = overlaps(f, Network(activation=activation, width=width), training, accuracy=accuracy)
    z = []
    for step, theory in zip(measured.steps[1:], group_averages(predicted)[1:], strict=True):
        mean = np.concatenate([step.M.ravel(), step.norm2, step.Q.ravel(), [step.risk]])
        error = np.concatenate([step.M_sem.ravel(), step.norm2_sem, step.Q_sem.ravel(), [step.risk_sem]])
        z.append((mean - theory) / error)
    return np.concatenate(z)


CASES = [
    ("z1 + z1*z2", "relu", 4, Training(steps=2, alpha=4.0, eta=1.5), 0.1),
    ("(z1 + z1^2 + z2 - z2^2)/2", "tanh(x + 1/2)", 4, Training(steps=2, alpha=2.0, eta=2.0), 0.25),
]


@pytest.mark.parametrize(("target", "activation", "width", "training", "noise"), CASES)
def test_the_recursion_holds_at_a_hundred_thousand_dimensions(
    target, activation, width, training, noise
) -> None:
    z = scores(Target(target, noise=noise), activation, width, 100_000, training, 40)
    assert np.abs(z).max() < BOUND
    assert np.sqrt(np.mean(z**2)) < 2.0


def test_negative_controls_are_refused() -> None:
    """The same comparison rejects a theory at 3 % more samples or a 3 % larger rate."""
    f, width = Target("z1 + z1*z2", noise=0.1), 4
    training = Training(steps=1, alpha=4.0, eta=1.5)
    for wrong in (Training(steps=1, alpha=4.12, eta=1.5), Training(steps=1, alpha=4.0, eta=1.545)):
        predicted = overlaps(f, Network(width=width), wrong)
        z = scores(f, "relu", width, 100_000, training, 40, predicted=predicted)
        assert np.abs(z).max() > 2 * BOUND


@pytest.mark.parametrize(
    ("target", "activation", "order", "d", "eta", "runs"),
    [
        ("z1 + z1*z2", "tanh(x + 1/2)", 1, 300, 1.5, 150),
        ("z1*z2 + He2(z1)/2", "relu", 2, 64, 1.0, 150),
        ("z1*z2*z3 + He3(z1)/6", "tanh(x + 1/2)", 3, 24, 1.5, 80),
    ],
)
def test_one_step_has_its_conditional_mean_at_finite_size(target, activation, order, d, eta, runs) -> None:
    """One start W^0, many batches: the mean of M and Q at (n, d), exact for any batch exponent."""
    f, p, alpha = Target(target, noise=0.3), 4, 2.0
    n, rate = round(alpha * d**order), eta * d ** ((order - 1) / 2)
    readout = np.array([1.0, 0.5, -0.5, -1.0])
    start = typical_starts(readout, np.zeros(p), f.r, d, 1, 7, True)[0]
    path = recursion(f, get_activation(activation), start, 1, Rates(rate, n / d, n, d), 1e-3)
    network = ReducedNetwork(Setup(
        f, get_activation(activation), readout, d,
        symmetric=True, bias=0.0, entropy=11, replicate=0, memory=1 << 28, dtype="float64",
    ))  # fmt: skip
    found = []
    for stream in range(runs):
        network.M, network.Q = start.M.copy(), start.Q.copy()
        network.giant_step(stream, n, rate)
        M, Q = network.overlaps()
        found.append(np.concatenate([M.ravel(), Q[np.triu_indices(p)]]))
    expected = np.concatenate([path.students[1].M.ravel(), path.students[1].Q[np.triu_indices(p)]])
    error = np.hypot(np.std(found, axis=0, ddof=1) / np.sqrt(runs), path.error)
    z = (np.mean(found, axis=0) - expected) / error
    assert np.abs(z).max() < BOUND


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "activation", "width", "training", "noise"),
    [
        *CASES,
        ("4*z1 + z1^2 + z2", "relu", 8, Training(steps=2, alpha=4.0, eta=0.5), 0.0),
        ("z1 + z1*z2 + z1*z2*z3", "relu(x - 7/10)", 8, Training(steps=3, alpha=4.0, eta=1.0), 0.1),
        ("relu(z1) + erf(z2)", "erf", 4, Training(steps=3, alpha=2.0, eta=1.0), 0.1),
    ],
)
def test_the_recursion_holds_to_one_part_in_a_thousand(target, activation, width, training, noise) -> None:
    """600 runs at d = 100,000: four standard errors of M are about 1e-3."""
    z = scores(Target(target, noise=noise), activation, width, 100_000, training, 600, accuracy=1e-4)
    assert np.abs(z).max() < BOUND


@pytest.mark.slow
def test_many_neurons_agree_to_their_order_in_the_width() -> None:
    """Mean field against width 64 at d = 20,000: the gap in M is O(1/p) and closes by half from 32 to 64."""
    f, training = Target("z1 + z1*z2"), Training(steps=2, alpha=4.0, eta=1.5)
    limit = overlaps(f, Network(), training)
    gaps = []
    for width in (16, 32):
        settings = Simulation(method="reduced", d=50_000, width=width, replicates=60, test_samples=20_000)
        measured = simulate(f, Network(), training, None, settings).overlaps
        gaps.append(float(measured[2].norm2.mean() - limit[2].norm2.mean()))
        error = float(np.linalg.norm(measured[2].norm2_sem))
    assert gaps[1] == pytest.approx(gaps[0] / 2, abs=4 * error)


def test_common_noise_after_the_linear_part_is_removed() -> None:
    """Real network, n = d², orders 0 and 1 removed on the batch: the Gram between groups is c_1² |C_1|² eta²/alpha.

    Negative control: the value for raw labels, c_1² E y² eta²/alpha, is rejected.
    """
    f = Target("((He1(z1)+He2(z1)/2+He4(z1)/24)+(He1(z2)+He2(z2)/2+He4(z2)/24))/2")
    training = Training(steps=1, alpha=1.0, eta=1.0, batch_exponent=2, remove_orders=(0, 1))
    settings = Simulation(method="direct", d=256, width=32, replicates=10, test_samples=2000)
    measured = simulate(f, Network(), training, None, settings).overlaps[1]
    predicted = overlaps(f, Network(), training)[1]
    z = (measured.Q[0, 1] - predicted.Q[0, 1]) / measured.Q_sem[0, 1]
    assert abs(z) < BOUND
    assert abs(measured.Q[0, 1] + 0.1927) / measured.Q_sem[0, 1] > 2 * BOUND
