"""Terms of relative order 1/n and n p/d³ at finite d: the sector's degrees of freedom, and directions of degree 2.

References: the envelope theorem, the theory of random features for all (n, p, d), plain sums, and runs of an independent
simulation of the real network (mean ± standard error as quoted).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training, risk
from asymptotics.caches import SetUps
from asymptotics.experiment.ridge_words import Level
from asymptotics.experiment.settings import Ridge as RidgeFit
from asymptotics.generalisation.ridge_theories.trained_levels import solve_level, units_of
from asymptotics.generalisation.spiked.linear_sector import Errors, counting_the_sector, solve_units
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.target_moments import conditional_moments, root_of_rest
from asymptotics.generalisation.theory import Setting
from hermite import Target


def setting(text: str, network: Network, training: Training, ridge: RidgeFit, noise: float = 0.0) -> Setting:
    return Setting(Target(text, noise=noise), network, training, ridge, 0.0, SetUps())


CASES = {
    "two groups": ("z1 + z1*z2", Network("relu"), Training(2, 2.0, 1.0)),
    "independent rows": ("tanh(z1)", Network("erf", initialisation="independent"), Training(1, 4.0, 0.7)),
    "nothing learned": ("z1*z2", Network("abs", initialisation="independent"), Training(1, 2.0, 0.7)),
    "biases": (
        "z1 + He2(z1)/2",
        Network("relu", bias=0.4, initialisation="independent"),
        Training(1, 2.0, 1.0),
    ),
}


def counted(units: Units, alpha: float, beta: float, lam: float, d: int) -> Errors:
    return counting_the_sector(units, solve_units(units, alpha, beta, lam, d=d), alpha, beta, lam, d)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("beta", [0.7, 3.0])
def test_the_envelope_theorem_holds(name: str, beta: float) -> None:
    """d(α train + λ |a|²/d)/dλ = |a|²/d, without the coherence of the means (with it up to terms of order 1/d²)."""
    text, network, training = CASES[name]
    at = setting(text, network, training, Ridge(2.0, beta, 0.1, d=150))
    units = replace(units_of(at, Level.E), coherence=None)
    alpha, lam, step = 2.0, 0.1, 1e-4
    low, here, high = (counted(units, alpha, beta, lam * (1 + x * step), 150) for x in (-1, 0, 1))
    if name != "biases":  # more groups than are counted for
        assert here.freedom is not None
    values = [alpha * e.train + lam * (1 + x * step) * e.norm2 for x, e in ((-1, low), (1, high))]
    assert (values[1] - values[0]) / (2 * lam * step) == pytest.approx(here.norm2, rel=2e-5)


def test_the_change_falls_as_one_over_d() -> None:
    text, network, training = CASES["two groups"]
    changes = []
    for d in (200, 400, 800):
        found = solve_level(setting(text, network, training, Ridge(2.0, 1.0, 0.1, d=d)), Level.E, True)
        assert found.freedom is not None
        changes.append(d * found.freedom[0])
    assert 0 < changes[2] < 2.5  # about 1.2/n2 with n2 = 2 d
    assert changes[0] == pytest.approx(changes[2], rel=0.05)
    assert changes[1] == pytest.approx(changes[2], rel=0.02)


@pytest.mark.parametrize(("alpha", "beta"), [(4.0, 2.0), (2.0, 4.0)])
def test_directions_of_degree_two_are_those_of_random_features(alpha: float, beta: float) -> None:
    """A step that moves nothing: the theory of random features for all (n, p, d) knows every degree, with all its 1/d."""
    network = Network("abs", initialisation="independent")
    for d in (100, 200):
        ridge = Ridge(alpha, beta, 0.05, d=d)
        exact = risk("z1*z2", network, None, ridge)
        assert exact.solver.startswith("random features, finite d")
        found = solve_level(setting("z1*z2", network, Training(1, 4.0, 1e-9), ridge), Level.E, True)
        before, after = (e.test / exact.test_error - 1 for e in (found.alone, found))
        assert before > 3.0 / d
        assert abs(after) < 0.1 * before


@pytest.mark.parametrize("text", ["tanh(30*z1) + z1*z2", "relu(z1 + z2)*z2", "z1^2*z2 + z2^2"])
def test_parts_of_degree_two_are_those_of_plain_sums(text: str) -> None:
    f, overlap = Target(text), np.array([[0.6, 0.1], [0.2, 0.8]])
    kappa, root = np.array([[0.1, 0.5], [-1.0, 2.0]]), root_of_rest(overlap)
    u = np.arange(-7, 7.004, 0.008) + 0.003
    w = np.exp(-u * u / 2)
    tau = np.stack(np.meshgrid(u, u, indexing="ij"), axis=-1).reshape(-1, 2)
    weight = np.outer(w, w).ravel() / w.sum() ** 2
    functions = [(tau[:, 0] ** 2 - 1) / 2**0.5, tau[:, 0] * tau[:, 1], (tau[:, 1] ** 2 - 1) / 2**0.5]
    found = conditional_moments(f, kappa, overlap).f2
    for k in range(2):
        values = weight * f(overlap @ kappa[k] + tau @ root.T)
        np.testing.assert_allclose(found[k], [values @ h for h in functions], atol=2e-5)


@pytest.mark.parametrize("name", ["relu", "sign", "erf", "x^3 + x^2", "abs"])
def test_the_curvature_is_seen_through_jumps(name: str) -> None:
    sigma = Network(name).get_activation()
    x = np.arange(-9, 9, 1e-3) + 0.3e-3
    w = np.exp(-x * x / 2) / np.exp(-x * x / 2).sum()
    for m, s in ((0.0, 1.0), (0.7, 0.6)):
        expected = w @ (sigma(m + s * x) * (x * x - 1)) / s**2
        found = sigma.S2_distribution(np.array([m]), np.array([s]))[0]
        assert found == pytest.approx(expected, abs=2e-3 * (name == "sign") + 1e-5)


#: Settings; test and train error of runs of an independent simulation, each with its standard error; whether the test error
#: is put right by more than two thirds of what it was off (the rest is in the budget).
FOUR = ((1.0, 0.25), (0.5, 0.25), (-0.5, 0.25), (-1.0, 0.25))
RUNS = {
    "degree 2, independent rows": (
        ("(5/8)*z1 + z1*z2 + z1*z3", Network("abs", initialisation="independent"),
         Training(1, 1.4066666666666667, 0.7521), Ridge(3.466666666666667, 1.4133333333333333, 0.0044, d=150)),
        (3.80665, 0.02898, 1.32396, 0.00756),
    ),
    "degree 2, pairs": (
        ("(13/38)*(((8/17)*z1 + (-15/17)*z2) + ((8/17)*z1 + (-15/17)*z2)^2 + (5/3)*relu(((8/17)*z1 + (-15/17)*z2)) "
         "+ (1/2)*tanh((2/3)*((15/17)*z1 + (8/17)*z2)))", Network("abs", readout=FOUR), Training(2, 6.68, 3.719),
         Ridge(2.908, 2.648, 0.0829, d=250), 0.25),
        (2.31953, 0.02083, 0.16905, 0.00352),
    ),
    "means, spikes and theta at n2 = 46": (
        ("(11/38)*((-3/4)*He1(z2)*He1(z3) + (3/2)*He2(z3) + (-1)*He2(z1)*He1(z2) + (1/4)*He1(z1)*He1(z3) + (2/3)*He1(z1) "
         "- 1)", Network("relu(x - 1/2)", initialisation="independent"), Training(2, 5.033333333333333, 0.3289),
         Ridge(0.30666666666666664, 1.1866666666666668, 0.2931, d=150), 0.25),
        (0.93925, 0.00377, 0.38949, 0.00550),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_the_freedom_of_the_sector_explains_runs_of_the_network(name: str) -> None:
    """Without these terms level E misses the test error by 2 to 19 %; with them by less than half, inside what it states."""
    (text, network, training, ridge, *noise), (test, sem, *_) = RUNS[name]
    found = solve_level(setting(text, network, training, ridge, *noise), Level.E, True)
    gap, before = abs(found.test / test - 1), abs(found.alone.test / test - 1)
    assert before > 4 * sem / test
    assert gap < before / 2
    stated = risk(Target(text, noise=sum(noise)), network, training, replace(ridge, level="E"))
    assert stated.test_error == found.test
    assert gap < 2 * sem / test + stated.error.total
