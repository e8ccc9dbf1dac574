"""Random features given a learned subspace, at all n, p and d: reference values, limits, and sampled features."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from asymptotics import Network, Ridge, Simulation, Training, plateaus, risk, simulate
from asymptotics.expectations.activations import get_activation
from asymptotics.expectations.cut_rule import cut_rule
from asymptotics.expectations.quadrature import hermite_rule
from asymptotics.generalisation.errors import risk_curve
from asymptotics.generalisation.finite.conditional_errors import UnitErrors, unit_errors
from asymptotics.generalisation.finite.conditional_target import conditional_target, remaining
from asymptotics.generalisation.finite.trained_units import TrainedUnits, isotropic_carriers
from asymptotics.generalisation.finite.unit_features import learned_rule, unit_features
from asymptotics.generalisation.spiked.linear_sector import solve_units
from asymptotics.generalisation.spiked.spiked_layer import SpikedNeurons, spiked_units
from hermite import Target
from hermite.errors import InputError

STAIR3 = Target("z1 + z1*z2 + z1*z2*z3")
RELU = get_activation("relu")
FIRST = np.array([[1.0], [0.0], [0.0]])
SIGNS = (np.array([[1.0], [-1.0]]), np.array([0.5, 0.5]))


def conditional_features(f, sigma, coordinates, norm2, shares, overlap, d, rule=None) -> TrainedUnits:
    """Independent neurons: units of one."""
    x, weights = learned_rule(coordinates.shape[1]) if rule is None else rule
    features = unit_features(sigma, x, weights, coordinates[:, None], norm2[:, None], shares, d)
    target = conditional_target(f, x, overlap, remaining(overlap)[0])
    return TrainedUnits(features, isotropic_carriers(features, target), target.rest)


def solve_conditional(units: TrainedUnits, n, p, lam, noise) -> UnitErrors:
    return unit_errors(units.features, units.carriers, units.rest, n, p, lam, noise)


def gauss_rule(order):
    x, w = hermite_rule(order)
    return x[:, None], w


# d = 50, U = e1, relu, unit residuals: (n, p, λ, Δ, a = ±1: excess, train, a ~ N(0, 1): excess, train).
REFERENCE = [
    (400, 1500, 1e-3, 0.05, 3.41915525, 0.004001084, 2.34897137, 0.000896314),
    (3000, 1500, 1e-3, 0.05, 1.92073453, 0.729029467, 2.03689120, 0.617199527),
    (3000, math.inf, 1e-2, 0.0, 1.40026616, 0.326932581, 1.38490512, 0.117527098),
]


@pytest.mark.parametrize(("n", "p", "lam", "noise", "excess", "train", "gauss", "gauss_train"), REFERENCE)
def test_reference_values_are_met(n, p, lam, noise, excess, train, gauss, gauss_train) -> None:
    features = conditional_features(STAIR3, RELU, SIGNS[0], np.ones(2), SIGNS[1], FIRST, 50, gauss_rule(40))
    found = solve_conditional(features, n, p, lam, noise)
    assert (found.excess, found.train) == pytest.approx((excess, train), rel=3e-7)
    # A Gaussian law of a by 40 nodes: quadrature of x and a changes the fourth digit.
    x, w = hermite_rule(40)
    features = conditional_features(STAIR3, RELU, x[:, None], np.ones(40), w, FIRST, 50)
    found = solve_conditional(features, n, p, lam, noise)
    assert (found.excess, found.train) == pytest.approx((gauss, gauss_train), rel=1e-3)


@pytest.mark.parametrize(("n", "p"), [(600, 300), (200, 800), (5000, 700)])
def test_nothing_learned_is_plain_random_features(n, p) -> None:
    """k = 0: the theory at initialisation, from which it differs by the radius of z, O(1/d)."""
    f, d = Target("z1 + z1*z2", noise=0.1), 300
    nothing = conditional_features(f, RELU, np.zeros((1, 0)), np.ones(1), np.ones(1), np.zeros((2, 0)), d)
    found = solve_conditional(nothing, n, p, 0.01, 0.1)
    network = Network(initialisation="independent")
    plain = risk(f, network, None, Ridge(n / d, p / d, 0.01, d=d, regime="finite"))
    assert found.excess == pytest.approx(plain.excess_risk, rel=0.03)
    assert found.train == pytest.approx(plain.train_error, rel=0.05)


@pytest.mark.parametrize(("alpha", "beta"), [(2.0, 1.0), (1.0, 2.0), (3.0, math.inf)])
def test_meets_the_proportional_limit(alpha, beta) -> None:
    """d = 10^5, n and p of order d: spiked random features with residuals orthogonal to the spike."""
    f, a = Target("z1 + z1*z2", noise=0.05), np.array([[1.5], [-0.5]])
    s, share, gamma = np.array([1.0, 1.6]), np.array([0.3, 0.7]), np.array([[0.8], [0.0]])
    d = 100_000
    features = conditional_features(f, RELU, a, s, share, gamma, d)
    found = solve_conditional(features, round(alpha * d), beta * d, 0.05, f.noise)
    units = spiked_units(f, RELU, SpikedNeurons(a, s, share), gamma, spike_comp=False)
    limit = solve_units(units, alpha, beta, 0.05, d=d)
    assert found.excess + f.noise == pytest.approx(limit.test, rel=2e-3)
    assert found.train == pytest.approx(limit.train, rel=2e-3)


def test_errors_end_on_the_plateaus() -> None:
    """Kernel ridge at d = 10^6 between the steps: floors of U = e1, as far as an activation without bias reaches them."""
    x, w = hermite_rule(24)
    features = conditional_features(STAIR3, RELU, x[:, None], np.ones(24), w, FIRST, 10**6)
    row = plateaus(STAIR3, steps=1, kappa=2, activation="relu")[1]
    assert row.plateaus_activation is not None
    for power, floor in ((0.5, row.plateaus_activation[0]), (1.5, row.plateaus_activation[1])):
        found = solve_conditional(features, round(10 ** (6 * power)), math.inf, 1e-3, 0.0)
        assert found.excess == pytest.approx(floor, rel=0.02)


def sampled(a, share, d, n, p, lam, noise, runs):
    """Excess risk of ridge on sampled conditional features, (runs,)."""
    found = []
    for run in range(runs):
        rng = np.random.default_rng([5, run])
        w = rng.standard_normal((p, d - 1))
        w = np.concatenate(
            [
                np.repeat(a, [round(p * s) for s in share], axis=0),
                w / np.linalg.norm(w, axis=1, keepdims=True),
            ],
            axis=1,
        )
        z, x = rng.standard_normal((n, d)), rng.standard_normal((4000, d))
        y = STAIR3(z[:, :3]) + np.sqrt(noise) * rng.standard_normal(n)
        F, G = (RELU(s @ w.T) / np.sqrt(p) for s in (z, x))
        readout = F.T @ np.linalg.solve(F @ F.T + lam * np.eye(n), y)
        found.append(np.mean((STAIR3(x[:, :3]) - G @ readout) ** 2))
    return np.array(found)


def test_sampled_features_have_the_predicted_errors() -> None:
    """d = 40, n = 120, p = 400, 150 runs: |z| < 4 with 2 % allowed for terms O(1/d); nothing learned is another theory."""
    d, n, p, lam = 40, 120, 400, 0.01
    real = sampled(*SIGNS, d, n, p, lam, 0.05, 150)
    features = conditional_features(STAIR3, RELU, SIGNS[0], np.ones(2), SIGNS[1], FIRST, d)
    theory = solve_conditional(features, n, p, lam, 0.05).excess
    sem = real.std(ddof=1) / np.sqrt(len(real))
    assert abs(real.mean() - theory) < 4 * sem + 0.02 * theory
    blind = conditional_features(STAIR3, RELU, np.zeros((1, 0)), np.ones(1), np.ones(1), np.zeros((3, 0)), d)
    assert abs(real.mean() - solve_conditional(blind, n, p, lam, 0.05).excess) > 4 * sem + 0.02 * theory


@pytest.mark.parametrize(
    ("activation", "initialisation", "allowed"),
    [
        ("relu", "independent", 0.07),
        ("tanh(x + 1/2)", "independent", 0.07),
        ("tanh(x + 1/2)", "symmetric", 0.07),
        ("relu", "symmetric", 0.25),
    ],
)
def test_networks_after_two_real_steps_have_the_predicted_errors(activation, initialisation, allowed) -> None:
    """n2 = 8 d, p = 4 d, d = 80: within 4 standard errors and the error that the result states."""
    f = Target("z1 + z1*z2", noise=0.1)
    network = Network(activation, initialisation=initialisation)
    training, ridge = Training(2, 20.0, 1.0), Ridge(8.0, 4.0, 0.1, d=80, regime="finite")
    theory = risk(f, network, training, ridge)
    assert "conditional" in theory.solver
    assert theory.validity == ("approximate" if initialisation == "symmetric" else "leading order")
    plan = Simulation(d=80, replicates=12, test_samples=20_000)
    (real,) = simulate(f, network, training, ridge, plan, steps=[2]).risks
    assert abs(theory.test_error - real.test_error) < 4 * real.test_error_sem + allowed * theory.test_error
    # Negative control: the theory of an untrained network.
    before = risk(f, network, None, ridge)
    assert abs(before.test_error - real.test_error) > 4 * real.test_error_sem + allowed * before.test_error


def test_too_few_samples_of_the_step_are_refused() -> None:
    with pytest.raises(InputError, match=r"too small for training\.alpha"):
        risk(Target("z1 + z1*z2"), Network(), Training(1, 0.1, 2.0), Ridge(d=40, regime="finite"))


@pytest.mark.parametrize(
    ("ridge", "words"),
    [
        (Ridge(regime="finite"), "ridge.d"),
        (Ridge(lam=0.0, d=50, regime="finite"), "lambda"),
        (Ridge(d=3, regime="finite"), "ridge.d"),
    ],
)
def test_bad_input_is_refused(ridge, words) -> None:
    with pytest.raises(InputError, match=words):
        risk(Target("z1 + z1*z2"), Network(), Training(2), ridge)


def test_many_variables_are_refused_at_once() -> None:
    """The product grid of nine variables would need 2·10^9 values: one sentence, not a failed allocation."""
    f = Target("z1 + z2*z3*z4*z5*z6*z7*z8*z9")
    learned = np.zeros((9, 1))
    learned[0] = 1.0
    with pytest.raises(InputError, match="at most 5 variables"):
        conditional_features(f, RELU, np.ones((1, 1)), np.ones(1), np.ones(1), learned, 100)
    # Six variables and one direction are still covered.
    six = Target("z1 + z2*z3*z4*z5*z6")
    found = conditional_features(six, RELU, np.ones((1, 1)), np.ones(1), np.ones(1), learned[:6], 100)
    parts = [carrier.parts[:, :, 0] for carrier in found.carriers]
    energy = sum(float(found.features.weights @ np.sum(rows**2, axis=0)) for rows in parts)
    # The rule over x ends at 6.
    assert energy == pytest.approx(2.0, rel=1e-7)


def test_kinks_are_split() -> None:
    """sign(z): energy 2/π at degree 1, exactly; sign(z1 z2) given nothing: (2/π)² at degree 2."""
    nothing = np.zeros((1, 0)), np.ones(1), np.ones(1)
    for text, r, degree, energy in (
        ("sign(z1)", 1, 1, 2 / np.pi),
        ("sign(z1*z2)", 2, 2, 4 / np.pi**2),
        ("relu(z1) + relu(z2)", 2, 1, 0.5),
        ("sign(z1 + z2)*sign(z1 - z2)", 2, 2, 4 / np.pi**2),
        ("abs(3*z1/5 + 4*z2/5) + z1", 2, 2, 1 / np.pi),
    ):
        units = conditional_features(Target(text), RELU, *nothing, np.zeros((r, 0)), 50)
        assert float(np.sum(units.carriers[degree].parts ** 2)) == pytest.approx(energy, rel=1e-9)


@pytest.mark.parametrize("turn", [0.4, 1.2, 2.5])
def test_panels_in_the_plane_end_where_lines_of_kinks_meet(turn: float) -> None:
    """E |a − c| |b − e| of correlated normals: one of the two means is that of a folded normal, the other split at its kink."""
    n, c, e = np.array([np.cos(turn), np.sin(turn)]), 0.3, -0.2
    spread = abs(np.sin(turn))

    def folded(a: float) -> float:
        mean = n[0] * a - e
        return float(
            spread * np.sqrt(2 / np.pi) * np.exp(-((mean / spread) ** 2) / 2)
            + mean * (2 * norm.cdf(mean / spread) - 1)
        )

    expected = quad(lambda a: abs(a - c) * folded(a) * norm.pdf(a), -9, 9, points=[c], epsabs=1e-12)[0]
    planes = [(np.array([1.0, 0.0]), c), (n, e)]
    tau, weights = cut_rule(planes, np.zeros((1, 2)), np.eye(2))
    found = weights[0] @ (np.abs(tau[0, :, 0] - c) * np.abs(tau[0] @ n - e))
    assert found == pytest.approx(expected, rel=1e-9)


def test_neighbours_on_a_curve_only_save_steps_of_newton() -> None:
    f, network, training = Target("z1 + z1*z2", noise=0.05), Network(), Training(1, 2.0, 1.0)
    # Across interpolation, n = p, and back to where the curve began: no neighbour is near there.
    alphas = [*np.geomspace(0.7, 1.4, 6).tolist(), 0.7]
    ridges = [Ridge(alpha, 1.0, 1e-3, d=40, regime="finite") for alpha in alphas]
    curve = risk_curve(f, network, training, ridges)
    alone = [risk(f, network, training, ridge) for ridge in ridges]
    for one, other in zip(curve, alone, strict=True):
        assert (one.test_error, one.train_error) == pytest.approx(
            (other.test_error, other.train_error), rel=1e-7
        )
    steps, from_afar = (sum(one.solution.iterations for one in every[1:]) for every in (curve, alone))
    assert steps < 0.5 * from_afar
