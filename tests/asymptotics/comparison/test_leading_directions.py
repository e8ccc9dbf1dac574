"""The leading direction learned: an eigenvector of the neurons' second moment, named by its coordinates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asymptotics import Experiment, Network, Training, overlaps
from asymptotics.comparison.leading_directions import direction_rows, leading_direction, to_csv
from asymptotics.error_budget import ErrorBudget
from asymptotics.results import StepOverlaps
from hermite import Target
from hermite.errors import InputError


def step(M: Any, **more: Any) -> StepOverlaps:
    """A state of groups with these mean overlaps, |w| = 1."""
    M = np.array(M, dtype=float)
    count = len(M)
    fraction = np.full(count, 1 / count)
    return StepOverlaps(1, np.ones(count), fraction, M, np.eye(count), np.ones(count), 0.0, **more)


@pytest.mark.parametrize(
    ("M", "name", "size"),
    [
        ([[0.5, 0.0], [-0.5, 0.0]], "z1", 0.5),
        ([[0.3, -0.3], [-0.3, 0.3]], "z1 - z2", 0.3 * 2**0.5),
        ([[0.4, 0.1], [0.4, 0.1]], "z1", 0.17**0.5),
        ([[-0.2, 0.5]], "z2", 0.29**0.5),
        ([[0.5, 0.0], [0.0, 0.5]], "span{z1, z2}", 0.125**0.5),
        ([[0.0, 0.0]], "none", 0.0),
        ([[1e-17, 0.0]], "none", 1e-17),
    ],
)
def test_it_is_named_by_its_largest_coordinates(M: Any, name: str, size: float) -> None:
    found = leading_direction(Target("z1 + z2"), step(M))
    assert found.name == name
    assert found.overlap == pytest.approx(size)
    assert (found.vector is None) == (name.startswith(("span", "none")))


def test_what_is_within_its_error_does_not_lead() -> None:
    budget = ErrorBudget(quadrature=0.01, solver=0.0, theory=0.0)
    assert leading_direction(Target("z1 + z2"), step([[0.005, 0.0]], error=budget)).name == "none"
    near = step([[0.5, 0.0], [0.0, 0.495]], error=budget)
    assert leading_direction(Target("z1 + z2"), near).name == "span{z1, z2}"


def test_a_law_counts_by_its_covariance() -> None:
    """Neurons of zero mean, as after a step at leap 2."""
    spread = step([[0.0, 0.0]], M_cov=np.array([[[0.09, 0.0], [0.0, 0.01]]]))
    found = leading_direction(Target("z1*z2"), spread)
    assert (found.name, found.overlap) == ("z1", pytest.approx(0.3))


def test_correlated_directions_are_those_of_the_target() -> None:
    """⟨w, w*⟩ of w along w*_1 alone is (1, 1/2) at cosine 1/2; the leading direction is w*_1 itself."""
    f = Target("z1 + z2", gram=[["1", "1/2"], ["1/2", "1"]])
    along_first = leading_direction(f, step([[0.4, 0.2]]))
    assert along_first.name == "z1"
    assert along_first.vector == pytest.approx((1.0, 0.0))
    assert along_first.overlap == pytest.approx(0.4)
    between = leading_direction(f, step([[0.3, 0.3]]))
    assert between.name == "z1 + z2"


def test_directions_that_are_no_unit_vectors_are_measured_by_their_lengths() -> None:
    long = replace(step([[0.6, 0.3]]), lengths=np.array([2.0, 0.5]))
    found = leading_direction(Target("z1 + z2"), long)
    assert found.overlap == pytest.approx((0.3**2 + 0.6**2) ** 0.5)


def test_the_leading_direction_is_what_the_target_is_linear_in() -> None:
    f = Target("3*z1 - 4*z2 + z3^3 - 3*z3")
    found = overlaps(f, Network("tanh"), Training(steps=1))
    assert leading_direction(f, found[0]).name == "none"
    one = leading_direction(f, found[1])
    assert one.name == "z1 - z2" or one.name == "-z1 + z2"
    assert one.vector is not None
    assert np.abs(one.vector) == pytest.approx([0.6, 0.8, 0.0], abs=1e-6)


def test_rows_are_the_cells_of_the_experiment() -> None:
    experiment = Experiment.from_toml(
        'target.expression = "z1 + z1*z2"\ntraining = {steps = [0, 1], eta = [0.5, 1.0]}\nridge.alpha = [1.0, 2.0]'
    )
    rows = direction_rows(experiment)
    assert [(row["step"], row["alpha"], row["direction"]) for row in rows] == [
        *[(0, 1.0, "none"), (0, 2.0, "none")] * 2,
        *[(1, 1.0, "z1"), (1, 2.0, "z1")] * 2,
    ]
    lines = to_csv(rows).splitlines()
    assert lines[0].endswith("direction,direction_overlap,direction_error,direction_1,direction_2")
    assert len(lines) == 9


def test_times_in_place_of_steps_are_refused() -> None:
    experiment = Experiment.from_toml(
        'target.expression = "z1"\nnetwork.width = 4\ntraining = {protocol = "sgd", time = [0.5, 1.0]}'
    )
    with pytest.raises(InputError, match=r"give training\.steps"):
        direction_rows(experiment)
