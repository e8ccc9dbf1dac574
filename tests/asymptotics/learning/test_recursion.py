"""The recursion at fixed width: reference values, closed forms of erf networks, and independent evaluations."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from asymptotics import Network, Training, overlaps
from asymptotics.expectations.activations import get_activation
from asymptotics.expectations.pairs import gram_moments
from asymptotics.expectations.quadrature import tensor_rule
from asymptotics.learning.giant import recursion as recursion_module
from asymptotics.learning.giant.noise_kernel import (
    Student,
    exact_part,
    kernel_by_cubature,
    kernel_by_sampling,
)
from asymptotics.learning.giant.recursion import Rates, closed_means, initial_student, recursion
from hermite import Target
from hermite.errors import InputError

DATA = Path(__file__).parents[2] / "data"
REFERENCE = [
    row
    for row in json.loads((DATA / "overlaps.json").read_text(encoding="utf-8"))
    if row["kind"] == "fixed-width"
]
FOUR, PM = "4*z1 + z1^2 + z2", "(z1 + z1^2 + z2 - z2^2)/2"


def run(
    target, activation, readout, steps, eta, alpha, noise=0.0, symmetric=True, accuracy=1e-4, n=None, d=None
):
    f = Target(target, noise=noise)
    a = np.asarray(readout, float)
    start = initial_student(a, np.zeros(len(a)), f.r, symmetric=symmetric)
    return recursion(f, get_activation(activation), start, steps, Rates(eta, alpha, n, d), accuracy)


@pytest.mark.parametrize("row", REFERENCE, ids=lambda row: row["target"])
def test_reference_overlaps_of_two_neurons_are_met(row) -> None:
    path = run(row["target"], row["activation"], row["readout"], 3, row["eta"], row["alpha"], row["noise"])
    for student, risk, step in zip(path.students, path.risks, row["steps"], strict=True):
        np.testing.assert_allclose(student.M, step["M"], atol=2e-7)
        np.testing.assert_allclose(student.Q, step["Q"], atol=2e-7)
        assert risk == pytest.approx(step["risk"], abs=2e-7)


@pytest.mark.parametrize(
    ("target", "alpha", "eta", "noise", "step", "M", "Q", "risk"),
    [
        ("z1 + z1*z2", 4, 1.5, 0, 1, [0.75, 0, -0.75, 0], [2.125, -0.125, 2.125], 1.627480224),
        ("z1 + z1*z2", 4, 1.5, 0, 2, [1.172763832, 0.307881165, -1.172763832, 0.307881165],
         [2.952949360, -0.768462732, 2.952949360], 1.250889406),
        ("z1 + z1*z2", 4, 1.5, 0, 3, [1.492381804, 0.671251145, -1.492381804, 0.671251145],
         [3.917080586, -1.297575896, 3.917080586], 0.916256062),
        ("z1 + z1*z2", 1, 1.5, 0, 2, [1.201238793, 0.229856962, -1.201238793, 0.229856962],
         [5.445785373, -2.203887267, 5.445785373], 1.871928435),
        (PM, 4, 2, 0.25, 2, [0.975064849, 0.457328980, -0.457328980, -0.975064849],
         [2.963593578, -0.610623898, 2.963593578], 1.188311596),
        (FOUR, 4, 0.5, 0, 2, [2.158787215, 0.483288955, -1.531730162, -0.448294682],
         [7.686086083, -3.176877805, 3.692236706], 12.947797221),
        (FOUR, 4, 0.5, 0, 3, [3.251727951, 0.680643534, -1.954825440, -0.628031841],
         [14.108997000, -6.398497881, 5.270325854], 10.227438956),
    ],
)  # fmt: skip
def test_two_relu_neurons_are_right_to_seven_digits(target, alpha, eta, noise, step, M, Q, risk) -> None:
    path = run(target, "relu", [1, -1], step, eta, alpha, noise, accuracy=1e-7)
    found = path.students[step]
    np.testing.assert_allclose(found.M.ravel(), M, atol=4e-7)
    np.testing.assert_allclose([found.Q[0, 0], found.Q[0, 1], found.Q[1, 1]], Q, atol=1e-6)
    assert path.risks[step] == pytest.approx(risk, abs=1e-6)


def test_erf_networks_follow_saad_and_solla() -> None:
    """A student of four and a teacher of two erf units from a start with overlaps: closed integrals everywhere."""
    M = np.array([[0.3, 0.1], [0, 0.2], [-0.1, 0.2], [0.1, -0.3]])
    Q = M @ M.T + np.diag([0.9, 0.8, 1, 0.7])
    f = Target("(erf(z1/sqrt(2)) + erf(z2/sqrt(2)))/2", noise=0.1)
    start = Student(np.array([1, 0.5, -1, -0.5]), np.zeros(4), M, Q)
    path = recursion(f, get_activation("erf(x/sqrt(2))"), start, 3, Rates(3.0, 2.0), 2e-5)
    np.testing.assert_allclose(path.risks, [0.176593934, 0.086959914, 0.053927567, 0.039797677], atol=1e-5)
    first = [
        0.702405067,
        0.539411026,
        0.205827210,
        0.429513930,
        -0.502419133,
        -0.211360299,
        -0.109038300,
        -0.532341571,
    ]
    np.testing.assert_allclose(path.students[1].M.ravel(), first, atol=1e-8)
    last = [
        0.946608941,
        0.799488397,
        0.352566195,
        0.596174781,
        -0.808725590,
        -0.512977762,
        -0.254929355,
        -0.702205689,
    ]
    np.testing.assert_allclose(path.students[3].M.ravel(), last, atol=1e-5)
    diagonal = [2.449152956, 1.289436150, 2.048331537, 1.279423963]
    np.testing.assert_allclose(np.diag(path.students[3].Q), diagonal, atol=8e-5)
    assert path.students[3].Q[0, 1] == pytest.approx(0.794835029, abs=8e-5)
    assert path.error < 2e-5


@pytest.mark.parametrize(
    ("target", "activation", "alpha", "eta", "M", "norm2", "equal", "pair", "opposite", "risk"),
    [
        ("z1 + z1*z2", "relu", 4, 1.5, [1.207254, 0.307878], 3.271147, 1.867391, -0.881214, -1.588584, 1.126552),
        ("z1 + z1*z2", "erf", 4, 1.5, [1.268394, 0], 3.014876, 1.883273, -1.119891, -1.883273, 1.298210),
        (FOUR, "relu", 4, 0.5, [2.170443, 0.486203], 7.934424, 5.817286, -3.239849, -3.874990, 12.731263),
        (PM, "relu", 4, 2, [1.006696, 0.474777], 3.201336, 1.642891, -0.616607, -1.222762, 1.018312),
        ("z1+z1*z2+z1*z2*z3", "relu", 4, 1, [0.866737, 0.156477, 0], 2.351511, 1.047643, -0.155233, -0.942202, 2.356976),
    ],
)  # fmt: skip
def test_eight_neurons_are_right_within_the_stated_error(
    target, activation, alpha, eta, M, norm2, equal, pair, opposite, risk
) -> None:
    """Group averages after two steps, to four standard errors of the reference (4e-4 at most) and of our own."""
    a = np.repeat([1.0, -1.0], 4)
    path = run(target, activation, a, 2, eta, alpha, accuracy=4e-4)
    student = path.students[2]
    tolerance = 4 * math.hypot(4e-4, path.error)
    np.testing.assert_allclose(student.M[:4].mean(axis=0), M, atol=tolerance)
    twins = np.eye(8)[::-1].astype(bool)
    same = np.equal.outer(a, a) & ~np.eye(8, dtype=bool)
    assert np.diag(student.Q)[:4].mean() == pytest.approx(norm2, abs=tolerance)
    assert student.Q[:4, :4][same[:4, :4]].mean() == pytest.approx(equal, abs=tolerance)
    assert student.Q[twins].mean() == pytest.approx(pair, abs=tolerance)
    assert student.Q[np.not_equal.outer(a, a) & ~twins].mean() == pytest.approx(opposite, abs=tolerance)
    assert path.risks[2] == pytest.approx(risk, abs=tolerance)


def test_sampled_and_exact_noise_agree() -> None:
    """Cubature and quasi-Monte Carlo are independent ways to K and K^z."""
    f = Target("z1 + z1*z2")
    student = run("z1 + z1*z2", "relu", [1, -1], 1, 1.5, 4.0).students[1]
    for name in ("relu", "tanh(x + 1/2)"):
        a = get_activation(name)
        exact = kernel_by_cubature(f, a, student, with_radius=True)
        draws = [
            kernel_by_sampling(f, a, student, 13, s, exact_part(f, a, student), with_radius=True)
            for s in range(8)
        ]
        for known, sampled in zip(exact, zip(*draws, strict=True), strict=True):
            error = np.std(sampled, axis=0, ddof=1) / math.sqrt(len(draws))
            assert np.all(np.abs(np.mean(sampled, axis=0) - known) < 5 * error + 1e-9)


def test_control_variate_lowers_the_error_without_bias() -> None:
    f, a = Target("z1 + z1*z2"), get_activation("relu")
    student = run("z1 + z1*z2", "relu", np.repeat([1, -1], 4), 1, 1.5, 4.0, accuracy=1e-2).students[1]
    exact = exact_part(f, a, student)
    with_it = [kernel_by_sampling(f, a, student, 12, s, exact)[0] for s in range(8)]
    without = [kernel_by_sampling(f, a, student, 12, s, None)[0] for s in range(8)]
    assert np.std(with_it, axis=0).max() < 0.6 * np.std(without, axis=0).max()
    error = np.hypot(np.std(with_it, axis=0), np.std(without, axis=0)) / math.sqrt(7)
    assert np.all(np.abs(np.mean(with_it, axis=0) - np.mean(without, axis=0)) < 5 * error)


def test_closed_means_are_those_of_brute_force() -> None:
    """v, the risk and the kernel of a biased tanh network from one tensor rule over all fields."""
    rng = np.random.default_rng(5)
    W = rng.standard_normal((2, 5)) / 3
    f, a = Target("z1 + z1*z2"), get_activation("tanh")
    student = Student(np.array([1.0, -0.5]), np.array([0.3, -0.2]), W[:, :2], W @ W.T)
    means = closed_means(f, a, student)
    root = student.root()
    u, w = tensor_rule([24] * 4)
    h = u[:, :2] @ student.M.T + u[:, 2:] @ root.T
    delta = f(u[:, :2]) - a(h + student.bias) @ student.readout / 2
    slopes = a.derivative(h + student.bias)
    np.testing.assert_allclose(means.target, (slopes * (w * delta)[:, None]).T @ u[:, :2], atol=1e-6)
    np.testing.assert_allclose(means.network, (slopes * (w * delta)[:, None]).T @ h, atol=1e-6)
    along = (slopes * (w * delta)[:, None]).T @ u
    np.testing.assert_allclose(means.square, along @ along.T, atol=1e-6)
    assert means.risk == pytest.approx(float(w @ delta**2), abs=1e-6)
    assert means.rank == 4
    K, KZ = kernel_by_cubature(f, a, student, with_radius=True)
    np.testing.assert_allclose(K, (slopes * (w * delta**2)[:, None]).T @ slopes, atol=1e-5)
    radius = np.sum(u**2, axis=1)
    np.testing.assert_allclose(KZ, (slopes * (w * delta**2 * radius)[:, None]).T @ slopes, atol=1e-4)


def test_finite_size_means_tend_to_the_limit() -> None:
    limit = run("z1 + z1*z2", "relu", [1, -1], 2, 1.5, 4.0)
    gaps = []
    for d in (500, 1000, 2000):
        path = run("z1 + z1*z2", "relu", [1, -1], 2, 1.5, 4.0, n=4 * d, d=d)
        gaps.append(np.max(np.abs(path.students[2].Q - limit.students[2].Q)))
    assert gaps[0] == pytest.approx(2 * gaps[1], rel=0.05)
    assert gaps[1] == pytest.approx(2 * gaps[2], rel=0.05)
    assert gaps[2] > 1e-4


def test_label_noise_enters_the_norms_alone() -> None:
    quiet = run("z1 + z1*z2", "relu", [1, -1], 1, 1.5, 4.0)
    noisy = run("z1 + z1*z2", "relu", [1, -1], 1, 1.5, 4.0, noise=0.7)
    np.testing.assert_allclose(noisy.students[1].M, quiet.students[1].M, atol=1e-12)
    added = 1.5**2 / 4 * 0.7 * 0.5 * np.array([[1, -1], [-1, 1]])
    np.testing.assert_allclose(noisy.students[1].Q - quiet.students[1].Q, added, atol=1e-9)


def test_first_step_of_an_independent_network_sees_its_own_output() -> None:
    """Without symmetry f ≠ 0 at the start: the recursion handles it, and M differs from eta ã c_1 C_1."""
    path = run("z1 + z1*z2", "relu", [1, 1], 1, 1.5, 4.0, symmetric=False)
    assert path.students[1].M[0, 0] == pytest.approx(0.75, abs=1e-12)
    a = get_activation("relu")
    keep = 1 + 1.5 * (
        -(0.5**2 + a.coefficient(2) * a.coefficient(0)) / 2 - a.coefficient(2) * a.coefficient(0) / 2
    )
    bracket = kernel_by_cubature(Target("z1 + z1*z2"), a, path.students[0])[0][0, 0] * 1.5**2 / 4
    means = closed_means(Target("z1 + z1*z2"), a, path.students[0])
    expected = 1 + 2 * 1.5 * means.network[0, 0] + 1.5**2 * means.square[0, 0] + bracket
    assert path.students[1].Q[0, 0] == pytest.approx(expected, abs=1e-9)
    assert keep < 1


def test_absurd_rates_are_refused() -> None:
    for width in (2, 4):
        with pytest.raises(InputError, match="eta"):
            run("z1 + z1*z2", "relu", np.repeat([1, -1], width // 2), 3, 1e200, 4.0)


def test_unmet_accuracy_is_reported() -> None:
    path = run("z1 + z1*z2", "relu", np.repeat([1, -1], 4), 2, 1.5, 4.0, accuracy=1e-2)
    assert 0 < path.error < 1e-2
    # The first step needs no sampling: f = 0, and E[f*² σ' σ'] is closed.
    assert run("z1 + z1*z2", "relu", np.repeat([1, -1], 4), 1, 1.5, 4.0).error < 1e-12
    one = run("z1 + z1*z2", "relu", [1, -1], 1, 1.5, 4.0)
    assert one.error < 1e-9


@pytest.mark.parametrize("far", [0.002, 0.02, 0.08])
def test_a_stated_error_is_that_of_the_finer_points_not_of_the_coarser_ones(monkeypatch, far) -> None:
    start = initial_student(np.ones(4), np.zeros(4), 1, symmetric=False)

    def off(size: int) -> float:
        return far * 2.0 ** (-0.8 * (size - 12))

    def converging(f, activation, start, steps, rates, size, seed) -> recursion_module.Path:
        moved = recursion_module.Student(start.readout, start.bias, start.M + off(size), start.Q)
        return recursion_module.Path((start, moved), (1.0, 1.0), (0.0, off(size) / 100), (0.0, 0.0))

    monkeypatch.setattr(recursion_module, "_exact_kernel", lambda *_: None)
    monkeypatch.setattr(recursion_module, "_mean_path", converging)
    path = recursion(Target("z1"), get_activation("relu"), start, 1, Rates(1.0, 4.0), 1e-3)
    left = float(path.students[-1].M[0, 0])
    assert path.error < 1e-3
    assert 0.4 * left < path.error < 1.01 * left


def test_steps_that_blow_up_by_many_orders_are_answered_and_said_to_diverge() -> None:
    found = overlaps("1e-5*(z1 + z1*z2)", Network("softplus", width=2), Training(2, eta=1e5), accuracy=1e-3)
    assert found.steps[-1].risk > 1e5
    assert any("training diverges" in warning for warning in found.warnings)


def test_steps_that_blow_up_a_wave_are_refused_in_one_sentence() -> None:
    for activation in ("sin(x) + x", "cos(3*x) + x"):
        with pytest.raises(InputError, match="smaller eta"):
            overlaps("1e-5*z1", Network(activation, width=4), Training(2, eta=1e5), accuracy=1e-3)


def test_moments_of_equal_pairs_are_equal() -> None:
    sigma = get_activation("softplus")
    Q = np.full((6, 6), 0.5) + 0.5 * np.eye(6)
    whole, two = (
        gram_moments(sigma, np.zeros(6), 300.0 * Q),
        gram_moments(sigma, np.zeros(2), 300.0 * Q[:2, :2]),
    )
    for many, few in zip(whole, two, strict=True):
        assert many[:2, :2] == pytest.approx(few, rel=1e-9, abs=0)
        assert np.ptp(many[~np.eye(6, dtype=bool)]) <= 1e-9 * few[0, 1]
