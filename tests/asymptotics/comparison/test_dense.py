"""Lines of a curve are the theory on a fine grid, through the file's own points."""

from __future__ import annotations

import pytest

from asymptotics import Experiment
from asymptotics.comparison.curves import curve_rows
from asymptotics.comparison.dense import dense_rows, longest_axis

TEXT = """
target = {expression = "z1 + He2(z1)/2"}
training = {steps = [0, 1]}
ridge = {alpha = [0.5, 1.0, 4.0], lambda = 0.1}
simulation = {d = 50}
"""


def test_the_fine_line_goes_through_the_points_of_the_file_and_has_more() -> None:
    experiment = Experiment.from_toml(TEXT)
    rows = curve_rows(experiment)
    assert longest_axis(rows) == "alpha"
    dense = dense_rows(experiment, "alpha", points=9)
    found = {(row["step"], row["alpha"]): row["test_error"] for row in dense}
    for row in rows:
        assert found[row["step"], row["alpha"]] == pytest.approx(row["test_error"], rel=1e-9)
    assert len(found) == 2 * 10


def test_beside_a_simulation_it_is_the_theory_at_its_d() -> None:
    dense = dense_rows(Experiment.from_toml(TEXT), "alpha", simulated=True, points=4)
    assert {row["d"] for row in dense} == {50}


@pytest.mark.parametrize("x", ["step", "eta", "d", "lambda"])
def test_discrete_axes_and_single_values_have_no_fine_line(x: str) -> None:
    assert dense_rows(Experiment.from_toml(TEXT), x) == []


def test_a_line_that_would_take_too_long_is_not_drawn() -> None:
    assert dense_rows(Experiment.from_toml(TEXT), "alpha", patience=0.0) == []
