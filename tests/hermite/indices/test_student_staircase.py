"""The spaces that a given student climbs: parity, vanishing c_k, degree; and the network itself at d = 10^6."""

from __future__ import annotations

import numpy as np
import pytest
from target_table import ROWS

from asymptotics import Network, Simulation, Training, simulate
from hermite import Target, leap

#: A coefficient of 1e-12 is learned as d → ∞ only: at any real d the batch noise hides it.
POLYNOMIALS = [
    row["target"]
    for row in ROWS
    if row["class"].startswith("poly") and row["r"] <= 3 and "1e-12" not in row["target"]
]
INFINITE = ["relu(z1) + relu(z2)", "max(z1,z2)", "sign(z1*z2)", "tanh(z1)", "z1 + tanh(z1)*z2"]


def climbs(target: str, activation: str, bias: float = 0.0, batch_exponent: float = 1) -> tuple[int, ...]:
    stairs = leap(Target(target), batch_exponent, activation=activation, bias=bias).student_staircase
    assert stairs is not None
    return stairs.dims


@pytest.mark.parametrize(
    ("activation", "bias", "dims"),
    [
        ("relu", 0.0, (0, 1, 2)),  # no odd order of three and more
        ("tanh", 0.0, (0, 1)),  # no even order
        ("relu", 1.0, (0, 1, 2, 3)),
        ("relu(x - 7/10)", 0.0, (0, 1, 2, 3)),
        ("He3(x)", 0.0, (0,)),  # c_1 = 0: nothing to read at the start
        ("abs", 0.0, (0,)),
        ("He2(x) + x", 0.0, (0, 1, 2)),  # degree two
    ],
)
def test_one_staircase_is_climbed_differently_by_seven_students(activation, bias, dims) -> None:
    assert climbs("z1 + z1*z2 + z1*z2*z3", activation, bias) == dims


def test_a_larger_batch_reads_the_second_order_as_well() -> None:
    assert climbs("z1*z2", "relu", batch_exponent=2) == (0, 2)
    assert climbs("z1*z2", "tanh", batch_exponent=2) == (0,)
    assert climbs("He3(z1) + z2", "relu", batch_exponent=3) == (0, 1)


@pytest.mark.parametrize(
    ("target", "activation", "dims"),
    [
        ("relu(z1)", "tanh", (0, 1)),
        ("relu(z1) + relu(z2)", "relu", (0, 1)),
        ("z1 + tanh(z1)*z2", "relu", (0, 1, 2)),
        ("z1 + tanh(z1)*z2", "He3(x)", (0,)),
        ("sign(z1*z2)", "relu", (0,)),
    ],
)
def test_infinite_expansions_are_climbed_too(target, activation, dims) -> None:
    assert climbs(target, activation) == dims


@pytest.mark.parametrize(
    ("target", "activation", "bias", "dims"),
    [
        # He9(z1) z2 shows z2 beside z3 in the second step, by an order of ten: up to order eight it comes a step later.
        ("tanh(z1) + z1*z3 + He9(z1)*z2 + z3*z2", "relu", 0.0, (0, 1, 3)),
        ("exp(z1) + z1*z3 + He9(z1)*z2 + z3*z2", "relu", 1.0, (0, 1, 3)),
        ("sqrt(2)*z1 + z1*z3 + He11(z1)*z2 + z3*z2", "relu", 0.0, (0, 1, 3)),
        # Degree two sees none of it, and what it sees is known whole.
        ("exp(z1) + z1*z3 + He9(z1)*z2 + z3*z2", "He2(x) + x", 0.0, (0, 1, 2, 3)),
    ],
)
def test_a_step_of_a_student_holds_all_that_the_whole_expansion_adds(target, activation, bias, dims) -> None:
    assert climbs(target, activation, bias) == dims


def test_undecided_where_the_climb_is_not_known_to_end() -> None:
    # An odd activation does not see tanh(z1) z2; that sin(z1) shows it no more at any order is not proved.
    assert leap(Target("z1 + sin(z1) + tanh(z1)*z2"), activation="tanh").student_staircase is None
    assert leap(Target("sign(sin(z1*z2*z3))"), activation="relu").student_staircase is None
    assert leap(Target("z1")).student_staircase is None


@pytest.mark.parametrize(
    ("target", "dims"),
    [
        ("relu(z1) - relu(z2)", (0, 1)),
        ("z1 + tanh(z1)*z2", (0, 1)),
        ("abs(z1)*z2^2 + z3 + z2", (0, 1)),
        ("exp(z1) - exp(-z1) + z2*abs(z1) + z1*z2", (0, 1, 2)),
    ],
)
def test_the_climb_ends_where_the_visible_part_is_a_polynomial(target, dims) -> None:
    """What is odd of these is a polynomial or fills the staircase: the warning and the staircase say the same."""
    report = leap(Target(target), activation="tanh")
    assert report.student_staircase is not None
    assert report.student_staircase.dims == dims
    assert report.staircase.dims == (0, 1, 2)
    told = [warning for warning in report.warnings if "climbs" in warning]
    short = ["tanh without biases climbs 1 of the 2 dimensions of the staircase"]
    assert told == (short if dims == (0, 1) else [])


def test_a_climb_not_known_to_end_is_not_told_as_the_end() -> None:
    report = leap(Target("z1 + sin(z1) + tanh(z1)*z2"), activation="tanh")
    assert any("as far as order 8 shows" in warning for warning in report.warnings)


def test_biases_lift_the_limit_of_few_readout_values() -> None:
    f = Target("z1 + z1*z2 + z1*z2*z3")
    without = leap(f, activation="relu(x - 1)", readout="rademacher").warnings
    with_bias = leap(f, activation="relu(x - 1)", readout="rademacher", bias=1.0).warnings
    assert any("readout values" in warning for warning in without)
    assert not any("readout values" in warning for warning in with_bias)


@pytest.mark.parametrize("activation", ["relu", "tanh(x + 1/2)"])
@pytest.mark.parametrize("target", [*POLYNOMIALS, *INFINITE])
def test_the_network_climbs_no_further(target, activation) -> None:
    """Reduced simulation at d = 10^6, width 12, four steps of n = d/5: outside U_t overlaps are noise of order d^(-1/2).

    The batch noise of an overlap is about eta √(E f*²/n) a step and grows with the weights: 0.05 is allowed, 20 times it.
    """
    f = Target(target)
    size = max(1.0, float(np.sqrt(np.mean(f(np.random.default_rng(0).standard_normal((20_000, f.r))) ** 2))))
    stairs = leap(f, activation=activation).student_staircase
    assert stairs is not None
    network = Network(activation, "gaussian", width=12)
    plan = Simulation(d=10**6, method="reduced", replicates=1, test_samples=2, seed=3)
    found = simulate(f, network, Training(4, 0.2, 0.5 / size), None, plan).overlaps
    assert found is not None
    for step in found.steps[1:]:
        basis = stairs.bases[min(step.step, len(stairs.dims) - 1)]
        outside = step.M - step.M @ basis.T @ basis
        assert np.abs(outside).max() < 0.05 * max(1.0, float(np.sqrt(step.norm2.max())))
        if basis.size:
            assert np.linalg.svd(step.M @ basis.T, compute_uv=False)[0] > 0.1


def test_few_readout_values_span_few_dimensions_unless_there_are_biases() -> None:
    """Third singular value of M after seven steps at d = 10^6: noise of the initial overlaps, or twenty times as much."""
    third = []
    for bias in (0.0, 1.0):
        network = Network("relu(x - 7/10)", "rademacher", width=12, bias=bias)
        plan = Simulation(d=10**6, method="reduced", replicates=1, test_samples=2, seed=3)
        found = simulate(Target("z1 + z1*z2 + z1*z2*z3"), network, Training(7, 2, 0.6), None, plan).overlaps
        assert found is not None
        third.append(float(np.linalg.svd(found.steps[-1].M, compute_uv=False)[2]))
    # Four standard deviations of the norm of 12 overlaps of size d^(-1/2).
    assert third[0] < (np.sqrt(12) + 4) * 1e-3
    assert third[1] > 20 * 1e-3
