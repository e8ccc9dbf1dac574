"""Many neurons: reference values, the staircase that a target's indices promise, and finite width."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from target_table import ROWS

from asymptotics.expectations.activations import get_activation
from asymptotics.learning.features import LearnedFeatures, untrained
from asymptotics.learning.giant.fields import Resolution, network_risk
from asymptotics.learning.giant.low_orders import low_orders
from asymptotics.learning.giant.mean_field import averages, checked_mean_field, mean_field
from asymptotics.learning.giant.recursion import Rates, initial_student, recursion
from asymptotics.learning.groups import product_groups
from hermite import Target, leap
from hermite.errors import InputError

DATA = Path(__file__).parents[2] / "data"
REFERENCE = [
    row
    for row in json.loads((DATA / "overlaps.json").read_text(encoding="utf-8"))
    if row["kind"] == "many-neurons"
]
TARGETS = [
    row
    for row in ROWS
    if row["class"] == "polynomial"
    and row["r"] <= 4
    and "1e-12" not in row["target"]
    and row["target"] != "He20(z1)"
]


def groups(values, r: int, weights=None, bias=0.0, symmetric=True) -> LearnedFeatures:
    values = np.asarray(values, float)
    weights = np.full(len(values), 1 / len(values)) if weights is None else np.asarray(weights)
    return untrained(product_groups(values, weights, np.array([bias]), np.ones(1), symmetric=symmetric), r)


def path_of(target, activation, values, steps, eta, alpha, noise=0.0, refine=1.0):
    f = Target(target, noise=noise)
    return mean_field(f, get_activation(activation), groups(values, f.r), steps, eta, alpha, refine=refine)


@pytest.mark.parametrize("row", REFERENCE, ids=lambda row: f"{row['activation']}: {row['target']}")
def test_reference_overlaps_are_met(row) -> None:
    f = Target(row["target"], noise=row["noise"])
    values, weights = np.array(row["readout"]).T
    start = groups(values, f.r, weights)
    steps = len(row["steps"]) - 1
    path = checked_mean_field(
        f, get_activation(row["activation"]), start, steps, row["eta"], row["alpha"], 1e-7
    )
    for state, risk, step in zip(path.states, path.risks, row["steps"], strict=True):
        # The stored risk of the four groups after step 2 is off by 2.2e-5: two ways of ours (below) agree to 1e-9.
        assert risk == pytest.approx(step["risk"], abs=1e-6 if len(values) == 2 else 3e-5)
        if "M" in step:
            np.testing.assert_allclose(state.M, step["M"], atol=3e-7)
            np.testing.assert_allclose(state.weight_norm2, step["norm2"], atol=3e-7)
            np.testing.assert_allclose(state.residual_norm2, step["residual_norm2"], atol=3e-7)


def test_risk_is_the_same_by_pairs_of_groups_and_by_the_fields() -> None:
    f, a = Target("(z1+z1^2+z2-z2^2)/2"), get_activation("relu")
    state = path_of("(z1+z1^2+z2-z2^2)/2", "relu", [1, -1, 2, -2], 2, 1.5, 2.0, refine=0.6).states[2]
    by_pairs = network_risk(f, a, state)
    assert by_pairs == pytest.approx(1.64212593, abs=2e-7)
    assert averages(f, a, state, Resolution(0.5)).risk == pytest.approx(by_pairs, abs=2e-6)


@pytest.mark.parametrize(
    ("target", "alpha", "eta", "step", "M", "gram", "residual", "pair", "risk"),
    [
        ("z1 + z1*z2", 4, 1.5, 1, [[0.75, 0], [-0.75, 0]], [0.84375, -0.84375], [1.28125] * 2, 0.71875, 1.4609375),
        ("z1 + z1*z2", 4, 1.5, 2, [[1.21875, 0.307881165], [-1.21875, 0.307881165]], [1.985948755, -1.615369605],
         [1.396195573] * 2, 0.689186976, 1.085189113),
        ("z1 + z1*z2", 4, 1.5, 3, [[1.5590986, 0.6545132], [-1.5590986, 0.6545132]], [3.2980077, -2.1304136],
         [1.3750965] * 2, 0.6418290, 0.8006587),
        ("(z1+z1^2+z2-z2^2)/2", 4, 2, 2, [[1.01596152, 0.48403848], [-0.48403848, -1.01596152]],
         [1.789672319, -1.257202681], [1.554923741] * 2, 0.585595129, 0.976875764),
        ("4*z1+z1^2+z2", 4, 0.5, 1, [[1, 0.25], [-1, -0.25]], [1.375, -1.375], [1.751231016, 0.953346455],
         0.647711264, 16.035649293),
    ],
)  # fmt: skip
def test_two_groups_of_relu_have_their_closed_overlaps(
    target, alpha, eta, step, M, gram, residual, pair, risk
) -> None:
    path = path_of(target, "relu", [1, -1], step, eta, alpha)
    state = path.states[step]
    np.testing.assert_allclose(state.M, M, atol=2e-6)
    np.testing.assert_allclose(state.gram[0], gram, atol=2e-6)
    np.testing.assert_allclose(state.residual_norm2, residual, atol=2e-6)
    np.testing.assert_allclose(state.R[2:], pair, atol=2e-6)
    assert path.risks[step] == pytest.approx(risk, abs=2e-6)


def test_a_gaussian_readout_is_a_law_of_many_groups() -> None:
    """Nodes of a Gaussian law against the published averages (quasi-Monte Carlo there: 2e-3)."""
    x, w = np.polynomial.hermite_e.hermegauss(12)
    f = Target("z1 + z1*z2")
    path = checked_mean_field(f, get_activation("relu"), groups(x, 2, w / w.sum()), 2, 1.0, 4.0, 1e-4)
    assert path.risks[1] == pytest.approx(1.59375, abs=1e-9)
    assert path.risks[2] == pytest.approx(1.2601, abs=2e-3)
    second = path.states[2].weight @ path.states[2].M[:, 1] ** 2
    assert second == pytest.approx(0.0410, abs=3e-4)


def test_finite_width_tends_to_the_mean_field() -> None:
    """Differences of order 1/p: Richardson from p = 2 and 4 with exact and sampled noise meets the limit."""
    f, a = Target("z1 + z1*z2"), get_activation("relu")
    limit = path_of("z1 + z1*z2", "relu", [1, -1], 2, 1.5, 4.0)
    found = {}
    for p in (8, 16):
        readout = np.repeat([1.0, -1.0], p // 2)
        start = initial_student(readout, np.zeros(p), 2, symmetric=True)
        found[p] = recursion(f, a, start, 2, Rates(1.5, 4.0), 1e-3)
    for pick in (
        lambda path: path.students[2].M[0, 0],
        lambda path: np.diag(path.students[2].Q).mean(),
        lambda path: path.risks[2],
    ):
        values = {p: pick(path) for p, path in found.items()}
        extrapolated = 2 * values[16] - values[8]
        state = limit.states[2]
        expected = [state.M[0, 0], state.weight_norm2.mean(), limit.risks[2]]
        nearest = min(expected, key=lambda v: abs(v - extrapolated))
        assert extrapolated == pytest.approx(nearest, abs=4e-3)
        assert abs(values[8] - nearest) > 2 * abs(extrapolated - nearest)


@pytest.mark.parametrize("row", TARGETS, ids=lambda row: row["target"])
def test_a_full_spectrum_climbs_exactly_the_symbolic_staircase(row) -> None:
    """relu(x − 7/10) with four readouts: after t steps M spans U_t of leap(), and nothing else.

    So many samples (alpha = 1e16) that the batch noise is negligible: the tensor rule over the target's directions is
    then exact, and unlearned directions stay at rounding.
    """
    f = Target(row["target"])
    staircase = leap(f).staircase
    assert list(staircase.dims) == row["staircase_d1"]["dims"]
    eta = 1 / np.sqrt(low_orders(f).energy)
    steps = len(staircase.dims)
    path = mean_field(f, get_activation("relu(x - 7/10)"), groups([1, -1, 2, -2], f.r), steps, eta, 1e16)
    for step, state in enumerate(path.states):
        basis = np.asarray(staircase.bases[min(step, len(staircase.bases) - 1)], float).reshape(-1, f.r)
        inside = state.M @ basis.T
        outside = np.abs(state.M - inside @ basis).max()
        assert outside < 1e-12
        if len(basis):
            assert np.linalg.svd(inside, compute_uv=False)[-1] > 1e-3


def test_the_staircase_is_climbed_as_published_with_batch_noise() -> None:
    path = path_of("z1 + z1*z2 + z1*z2*z3", "relu(x - 7/10)", [1, -1, 2, -2], 3, 1.0, 4.0, refine=0.5)
    np.testing.assert_allclose(path.states[2].M[:, 2], 0, atol=1e-7)
    # Readout 2, published to four digits: M_2 = 0, .2435, .6063 and M_3 = 0, 0, .0171 after steps 1, 2, 3.
    assert path.states[2].M[2, 1] == pytest.approx(0.2435, abs=2e-4)
    assert path.states[3].M[2, 1] == pytest.approx(0.6063, abs=2e-4)
    assert path.states[3].M[2, 2] == pytest.approx(0.0171, abs=2e-4)
    # The recursion at width 8, another code, has the same M_2 after two steps: it does not depend on the width.
    readout = np.repeat([2.0, 1, -1, -2], 2)
    start = initial_student(readout, np.zeros(8), 3, symmetric=True)
    f = Target("z1 + z1*z2 + z1*z2*z3")
    finite = recursion(f, get_activation("relu(x - 7/10)"), start, 2, Rates(1.0, 4.0), 0.1)
    assert finite.students[2].M[0, 1] == pytest.approx(path.states[2].M[2, 1], abs=1e-6)


@pytest.mark.parametrize(
    ("target", "activation", "direction"),
    [
        ("z1 + z1*z2 + z1*z2*z3", "relu", [0, 0, 1]),
        ("z1 + z1*z2", "tanh", [0, 1]),
        ("z1 + z1*z2", "erf", [0, 1]),
        ("4*z1 + z1^2 + z2", "tanh", [1, -4]),
        ("(z1+z1^2+z2-z2^2)/2", "tanh", [1, -1]),
    ],
)
def test_the_spectrum_of_the_activation_can_block_a_step(target, activation, direction) -> None:
    """relu has c_3 = c_5 = … = 0, odd activations have no even coefficients: some couplings vanish for good."""
    eta = 0.7 / np.sqrt(low_orders(Target(target)).energy)
    path = path_of(target, activation, [1, -1, 2, -2], 3, eta, 1e16)
    for state in path.states:
        np.testing.assert_allclose(state.M @ np.array(direction, float), 0, atol=1e-10)
    free = path_of(target, "tanh(x + 1/2)", [1, -1, 2, -2], 3, eta, 1e16)
    assert np.abs(free.states[3].M @ np.array(direction, float)).max() > 1e-3


def test_two_readout_values_span_two_dimensions() -> None:
    target = "z1 + z1*z2 + z1*z2*z3"
    two = path_of(target, "relu(x - 7/10)", [1, -1], 4, 1.0, 1e16).states[4]
    assert np.linalg.matrix_rank(two.M, tol=1e-10) == 2
    assert np.abs(two.M[:, 2]).max() > 1e-3
    four = path_of(target, "relu(x - 7/10)", [1, -1, 2, -2], 4, 1.0, 1e16).states[4]
    assert np.linalg.matrix_rank(four.M, tol=1e-6) == 3


def test_weakly_coupled_target_is_not_stuck() -> None:
    """4 z1 + z1² + z2: the ratio M_2/M_1 leaves 1/4 at the second step."""
    state = path_of("4*z1 + z1^2 + z2", "relu", [1, -1], 2, 0.5, 1e12).states[2]
    ratios = state.M[:, 1] / state.M[:, 0]
    assert np.all(np.abs(ratios - 0.25) > 0.02)
    stuck = path_of("z1 + z2^2 - 1", "relu", [1, -1], 3, 1.5, 4.0, refine=0.6).states[3]
    np.testing.assert_allclose(stuck.M[:, 1], 0, atol=1e-9)


def test_kinked_targets_are_integrated_between_their_kinks() -> None:
    f, a = Target("relu(z1) + relu(z2)"), get_activation("tanh(x + 1/2)")
    fine, coarse = (mean_field(f, a, groups([1, -1], 2), 2, 1.0, 4.0, refine=q) for q in (1.0, 0.6))
    np.testing.assert_allclose(fine.states[2].M, coarse.states[2].M, atol=1e-9)
    assert fine.states[1].M[0, 0] == pytest.approx(a.coefficient(1) / 2, abs=1e-10)


def test_independent_neurons_have_no_twins() -> None:
    f, a = Target("z1"), get_activation("relu")
    path = mean_field(f, a, groups([2.0, 1.0], 1, symmetric=False), 1, 1.0, 4.0)
    assert path.states[1].pair_correlation is None
    # E[(z − f_0)²] with f_0 = E[ã] c_0 enters the risk.
    assert path.risks[0] == pytest.approx(1 + (1.5 * a.coefficient(0)) ** 2, abs=1e-10)


def test_bias_shifts_the_coefficients() -> None:
    f, a = Target("z1"), get_activation("relu")
    state = mean_field(f, a, groups([1, -1], 1, bias=0.5), 1, 1.2, 4.0).states[1]
    assert state.M[0, 0] == pytest.approx(1.2 * a.coefficients(1, bias=0.5)[1], abs=1e-10)


def test_asymmetric_readout_is_refused_for_twins() -> None:
    with pytest.raises(InputError, match="symmetric"):
        groups([1.0, 2.0], 1)


def test_overflow_is_an_error() -> None:
    with pytest.raises(InputError, match="eta"):
        path_of("z1 + z1*z2", "relu", [1, -1], 3, 1e160, 4.0)
