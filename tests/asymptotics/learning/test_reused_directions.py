"""What a second pass over a batch can learn: the powers of the label that a student builds, against the recursion."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics import Network, Training, overlaps
from asymptotics.expectations.activations import get_activation
from asymptotics.learning.reuse.directions import label_powers, reused_directions
from asymptotics.learning.reuse.second_step import second_step
from hermite import Target

PAIRS, FREE = "symmetric", "independent"


@pytest.mark.parametrize(
    ("activation", "initialisation", "powers"),
    [
        ("x + He2(x)/2", FREE, 3),
        ("x + He2(x)/2", PAIRS, 2),
        ("x + He3(x)/6", PAIRS, 5),
        ("x", FREE, 1),
        ("relu", PAIRS, None),
        ("tanh(x + 1/2)", FREE, None),
    ],
)
def test_powers_of_the_label_follow_from_degree_and_symmetry(
    activation: str, initialisation: str, powers: int | None
) -> None:
    assert label_powers(Network(activation, initialisation=initialisation)) == powers


@pytest.mark.parametrize(
    ("text", "activation", "initialisation", "dims"),
    [
        ("He3(z1)", "tanh(x + 1/2)", FREE, [0, 0, 1]),
        ("z1 + He3(z2)", "relu", PAIRS, [0, 1, 2]),
        ("z1 + z1*z2 + z1*z2*z3", "relu", PAIRS, [0, 1, 3]),
        ("z1*z2*z3", "relu", PAIRS, [0, 0, 0]),
        ("He4(z1)", "relu", PAIRS, [0, 0, 0]),
        ("He2(z1)", "relu", FREE, [0, 0, 0]),
        # The parity of the student decides what it sees of the label.
        ("He3(z1)", "x + He2(x)/2", FREE, [0, 0, 1]),
        ("He3(z1)", "x + He2(x)/2", PAIRS, [0, 0, 0]),
        ("He3(z1)", "x", FREE, [0, 0, 0]),
    ],
)
def test_two_passes_see_their_directions(
    text: str, activation: str, initialisation: str, dims: list[int]
) -> None:
    found = reused_directions(text, Network(activation, initialisation=initialisation))
    assert found is not None
    assert [len(space) for space in found] == dims


def test_a_symmetric_start_hides_the_cube_of_the_label_from_a_quadratic_student() -> None:
    """He3 needs E[z y³]: seen by two neurons of opposite readout from independent starts, hidden from a pair."""
    f, training = Target("He3(z1)/sqrt(6)"), Training(2, 4.0, 0.5, protocol="reuse")
    for initialisation, learns in ((FREE, True), (PAIRS, False)):
        network = Network("x + He2(x)/2", width=2, initialisation=initialisation)
        found = overlaps(f, network, training, accuracy=3e-3)
        error = 4 * found.solution.residual * np.sqrt(found[2].norm2.max())
        assert (np.abs(found[2].M).max() > max(error, 5e-3)) == learns
        # Powers of the label in it are too high to be sampled; they are no reason to lose M.
        assert found[2].train_error is None
        assert "no train error after step 2" in found.validity_note
        assert found[1].train_error is not None


@pytest.mark.parametrize(
    ("text", "eta", "expected", "train"),
    [
        ("z1 + z1*z2", 1.5, [1.078683, 0.316980], 1.113095),
        ("He3(z1)/sqrt(6)", 0.5, [-0.014090], None),
        ("He3(z1)/sqrt(6)", 1.5, [-0.047238], None),
    ],
)
def test_the_second_step_of_many_neurons_is_closed(
    text: str, eta: float, expected: list[float], train: float | None
) -> None:
    atoms, shares = np.array([1.0, -1.0]), np.array([0.5, 0.5])
    found = second_step(
        Target(text), get_activation("relu"), atoms, shares, Training(2, 4.0, eta, protocol="reuse")
    )
    np.testing.assert_allclose(found.M[0], expected, atol=4 * found.error + 1e-6)
    # What is connected to the first direction does not depend on the sign of the readout, the first direction does.
    assert found.M[1, 0] == pytest.approx(-expected[0], abs=4 * found.error + 1e-6)
    assert found.error < 2e-4
    if train is not None:
        assert found.train == pytest.approx(train, abs=5e-4)
