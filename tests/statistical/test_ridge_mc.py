"""Theory against a direct simulation of the ridge fit, by z-scores: seeds are fixed, |z| ≤ 4, no tolerance is tuned.

The simulation is a few lines of NumPy of its own: rows uniform on the sphere, the exact gradient step (initial output
included), ridge on fresh samples. The control variates Σ y²/n − E y² take the fluctuations of the labels out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training, risk
from hermite import Target


def simulate(f, network, training, ridge, d, seeds):
    """(replicates, 2): test and train error of every seed."""
    return np.array([one_run(f, network, training, ridge, d, seed) for seed in range(seeds)])


def labels(f, z, rng):
    return f(z[:, : f.r]) + np.sqrt(f.noise) * rng.standard_normal(len(z))


def one_run(f, network, training, ridge, d, seed):
    rng = np.random.default_rng([20, seed])
    sigma = network.get_activation()
    n2, p = ridge.n2(d), ridge.p(d, network.is_symmetric)
    symmetric = network.is_symmetric
    w = rng.standard_normal((p // 2 if symmetric else p, d))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    b = network.bias * rng.standard_normal(len(w))
    if symmetric:
        w, b = np.concatenate([w, w[::-1]]), np.concatenate([b, b[::-1]])
    a = network.finite_readout(p)
    if not symmetric:
        a = rng.permutation(a)
    if training.steps:
        n = training.n(d)
        z = rng.standard_normal((n, d))
        y = labels(f, z, rng)
        h = z @ w.T + b
        residual = y - sigma(h) @ a / p
        w = w + training.eta * a[:, None] * ((sigma.derivative(h) * residual[:, None]).T @ z) / n
    z, x = rng.standard_normal((n2, d)), rng.standard_normal((3000, d))
    y, t = labels(f, z, rng), labels(f, x, rng)
    features, fresh = (sigma(s @ w.T + b) / np.sqrt(p) for s in (z, x))
    if p <= n2:
        readout = np.linalg.solve(features.T @ features + ridge.lam * np.eye(p), features.T @ y)
    else:
        readout = features.T @ np.linalg.solve(features @ features.T + ridge.lam * np.eye(n2), y)
    errors = np.array([np.mean((t - fresh @ readout) ** 2), np.mean((y - features @ readout) ** 2)])
    controls = np.array([np.mean(t**2), np.mean(y**2)])
    return np.concatenate([errors, controls])


def measured(f, network, training, ridge, d, seeds):
    """Mean and standard error of test and train error, each (2,), with the labels' second moment as control."""
    runs = simulate(f, network, training, Ridge(ridge.alpha, ridge.beta, ridge.lam, d=d), d, seeds)
    values, controls = runs[:, :2], runs[:, 2:]
    z = np.random.default_rng(0).standard_normal((500_000, f.r))
    centred = controls - (float(np.mean(f(z) ** 2)) + f.noise)
    slopes = np.linalg.lstsq(controls - controls.mean(axis=0), values - values.mean(axis=0), rcond=None)[0]
    adjusted = values - centred @ slopes
    return adjusted.mean(axis=0), adjusted.std(axis=0, ddof=3) / np.sqrt(seeds)


def predicted(f, network, training, ridge, d, level="auto"):
    """Test and train error of the theory at d."""
    found = risk(f, network, training, Ridge(ridge.alpha, ridge.beta, ridge.lam, d=d, level=level))
    return np.array([found.test_error, found.train_error])


def scores(f, network, training, ridge, d, seeds, theory=None):
    """z-scores of test and train error against the theory at d."""
    mean, sem = measured(f, network, training, ridge, d, seeds)
    return (mean - (predicted(f, network, training, ridge, d) if theory is None else theory)) / sem


LINEAR = Target("z1 + He2(z1)/2", noise=0.1)
STEPPED = Target("sin(3*z1/2)", noise=0.05)
FAST = [
    (LINEAR, Network(), Training(0), Ridge(2.0, 1.0, 0.1)),
    (LINEAR, Network("tanh", initialisation="independent"), Training(0), Ridge(1.0, 2.0, 0.01)),
    (Target("z1 + z2*z3", noise=0.05), Network(bias=0.7), Training(0), Ridge(1.5, 1.0, 0.05)),
    (STEPPED, Network("relu"), Training(1, 10.0, 2.0), Ridge(2.0, 1.0, 0.05)),
    (STEPPED, Network("relu", initialisation="independent"), Training(1, 10.0, 2.0), Ridge(2.0, 1.0, 0.05)),
]


@pytest.mark.parametrize("case", range(len(FAST)))
def test_theory_agrees_with_simulation(case: int) -> None:
    z = scores(*FAST[case], d=120, seeds=30)
    assert np.max(np.abs(z)) < 4, z


def test_forgetting_that_pairs_are_equal_is_seen() -> None:
    """Negative control: the symmetric network before any step is not one of p distinct features."""
    f, network, training, ridge = FAST[0]
    wrong = predicted(f, Network(initialisation="independent"), training, ridge, 120)
    z = scores(f, network, training, ridge, 120, 20, wrong)
    assert np.max(np.abs(z)) > 8, z


QUADRATIC = Target("z1 + He2(z1)/sqrt(2)", noise=0.05)
STEP, FIT = Training(1, 10.0, 2.0), Ridge(2.0, 1.0, 0.05)


def test_an_isotropic_residual_is_seen() -> None:
    """Negative control: relu and a quadratic label make the residual of the weights anisotropic along w*."""
    mean, sem = measured(QUADRATIC, Network(), STEP, FIT, 120, 30)
    right, wrong = (predicted(QUADRATIC, Network(), STEP, FIT, 120, level) for level in ("E", "iso"))
    assert np.all(np.abs(mean - right) < 4 * sem)
    assert np.max(np.abs(mean - wrong) / sem) > 4


#: Level E leaves out the fluctuations of the rows' norms and the anisotropy of the bulk: its stated error.
SYSTEMATIC = np.array([0.02, 0.03])


def test_the_stated_error_of_level_E_covers() -> None:
    mean, sem = measured(STEPPED, Network("tanh"), STEP, FIT, 120, 30)
    theory = predicted(STEPPED, Network("tanh"), STEP, FIT, 120)
    assert np.all(np.abs(mean - theory) < 4 * sem + SYSTEMATIC * theory)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", ["relu", "tanh"])
@pytest.mark.parametrize("initialisation", ["symmetric", "independent"])
def test_random_features_at_initialisation_have_the_predicted_errors(sigma, initialisation) -> None:
    """Leading order in 1/d: relu in pairs is off by 0.5 to 2 % at d = 200, which ``error`` states."""
    network = Network(sigma, initialisation=initialisation)
    for f in (LINEAR, STEPPED, QUADRATIC):
        for ridge in (FIT, Ridge(1.0, 2.0, 0.01), Ridge(4.0, 1.0, 1.0)):
            mean, sem = measured(f, network, Training(0), ridge, 200, 60)
            found = risk(f, network, Training(0), replace(ridge, d=200))
            theory, stated = np.array([found.test_error, found.train_error]), found.error.total
            assert stated is not None
            assert stated < 0.06
            assert np.all(np.abs(mean - theory) < 4 * sem + stated * theory), (f, ridge)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", ["relu", "tanh"])
@pytest.mark.parametrize("initialisation", ["symmetric", "independent"])
def test_networks_after_one_step_have_the_predicted_errors(sigma, initialisation) -> None:
    network = Network(sigma, initialisation=initialisation)
    for f in (STEPPED, QUADRATIC):
        for training in (STEP, Training(1, 10.0, 1.0), Training(1, 40.0, 2.0)):
            mean, sem = measured(f, network, training, FIT, 400, 30)
            theory = predicted(f, network, training, FIT, 400)
            assert np.all(np.abs(mean - theory) < 4 * sem + SYSTEMATIC * theory), (f, training)


@pytest.mark.slow
def test_a_gaussian_readout_has_the_predicted_errors() -> None:
    f = Target("sin(3*z1/2) + cos(3*z1/2) - exp(-9/8)", noise=0.05)
    network = Network(readout="gaussian", initialisation="independent")
    training = Training(1, 10.0, 1.0)
    mean, sem = measured(f, network, training, FIT, 700, 20)
    theory = predicted(f, network, training, FIT, 700)
    assert np.all(np.abs(mean - theory) < 4 * sem + SYSTEMATIC * theory)
