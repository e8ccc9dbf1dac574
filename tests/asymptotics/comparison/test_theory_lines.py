"""Lines of a curve are the theory on a fine grid, through the file's own points."""

from __future__ import annotations

import io
import itertools

import pandas as pd
import pytest

from asymptotics import Experiment
from asymptotics.comparison.curves import curve_rows, to_csv
from asymptotics.comparison.theory_lines import dense_rows, layout_of

TEXT = """
target = {expression = "z1 + He2(z1)/2"}
training = {steps = [0, 1]}
ridge = {alpha = [0.5, 1.0, 4.0], lambda = 0.1}
simulation = {d = 50}
"""


def test_the_fine_line_goes_through_the_points_of_the_file_and_has_more() -> None:
    experiment = Experiment.from_toml(TEXT)
    rows = curve_rows(experiment)
    assert layout_of(experiment).x == "alpha"
    dense = dense_rows(experiment, "alpha", rows)
    found = {(row["step"], row["alpha"]): row["test_error"] for row in dense}
    for row in rows:
        assert found[row["step"], row["alpha"]] == row["test_error"]
    # 60 from end to end, and the one of the file between them.
    assert len(found) == 2 * 61
    assert all(row["error"]["total"] is not None for row in dense if row["step"])


def test_between_the_points_a_line_is_the_theory_itself() -> None:
    """Step 0 is solved there; after a step what is measured is interpolated, and says so."""
    # Asked to 1 %: without an accuracy, less than that is measured and not used.
    asked = ["ridge.accuracy=0.01"]
    experiment = Experiment.from_toml(TEXT, asked)
    rows = curve_rows(experiment)
    dense = [
        row for row in dense_rows(experiment, "alpha", rows, points=3) if row["alpha"] not in (0.5, 1, 4)
    ]
    assert [row["step"] for row in dense] == [0, 1]
    for row in dense:
        there = Experiment.from_toml(
            TEXT, [*asked, f"ridge.alpha={row['alpha']}", f"training.steps={row['step']}"]
        )
        (exact,) = curve_rows(there)
        if row["step"] == 0:
            assert row["test_error"] == pytest.approx(exact["test_error"], rel=1e-12)
        else:
            assert "interpolated" in row["validity_note"]
            assert abs(row["test_error"] / exact["test_error"] - 1) < row["error"]["total"]


def test_beside_a_simulation_it_is_the_theory_at_its_d() -> None:
    experiment = Experiment.from_toml(TEXT, ["training.steps=0", "ridge.d=50"])
    dense = dense_rows(experiment, "alpha", curve_rows(experiment), points=4)
    assert {row["d"] for row in dense} == {50}


def test_the_csv_holds_lines_and_points_by_their_kind() -> None:
    # Ten samples (d = 20, alpha = 1/2) have no prediction.
    experiment = Experiment.from_toml(
        TEXT.replace("{d = 50}", "{d = 40, replicates = 3, test_samples = 200}")
    )
    measured = curve_rows(experiment, simulate=True, accuracy=0.0)
    dense = dense_rows(experiment, "alpha", measured, points=4)
    table = pd.read_csv(io.StringIO(to_csv(measured, dense)))
    points, line = table[table["kind"] == "simulation"], table[table["kind"] == "theory"]
    assert len(points) == 6
    assert points["simulation_test_error"].notna().all()
    assert len(line) == len(dense)
    assert line["simulation_test_error"].isna().all()
    # The line goes through the theory that stands beside the points.
    both = points.merge(line, on=["step", "alpha"])
    assert len(both) == 6
    assert (both["test_error_x"] == both["test_error_y"]).all()


def test_the_csv_has_no_point_of_the_theory_twice() -> None:
    experiment = Experiment.from_toml(TEXT, ["training.steps=0"])
    rows = curve_rows(experiment)
    table = pd.read_csv(io.StringIO(to_csv(rows, dense_rows(experiment, "alpha", rows, points=4))))
    assert set(table["kind"]) == {"theory"}
    assert len(table) == 4
    assert not table.duplicated(["step", "alpha"]).any()


def test_a_setting_of_the_training_has_a_fine_line_and_step_zero_none() -> None:
    experiment = Experiment.from_toml(TEXT.replace("steps = [0, 1]", "steps = [0, 1], eta = [0.5, 2.0]"))
    dense = dense_rows(experiment, "eta", curve_rows(experiment, accuracy=0.0), points=5)
    assert {row["step"] for row in dense} == {1}
    assert len({row["eta"] for row in dense}) == 5


def test_a_slow_line_is_drawn_as_finely_as_there_was_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that moves by one at each look: 30 seconds are 30 points."""
    experiment = Experiment.from_toml(TEXT, ["training.steps=0"])
    rows = curve_rows(experiment)
    clock = itertools.count()
    monkeypatch.setattr("asymptotics.comparison.theory_lines.time.monotonic", lambda: float(next(clock)))
    assert len(dense_rows(experiment, "alpha", rows, patience=30.0)) == 1 + len(range(0, 60, 4)) + 1
    assert dense_rows(experiment, "alpha", rows, patience=3.0) == []


@pytest.mark.parametrize("x", ["step", "eta", "d", "lambda"])
def test_discrete_axes_and_single_values_have_no_fine_line(x: str) -> None:
    experiment = Experiment.from_toml(TEXT, ["training.steps=0"])
    assert dense_rows(experiment, x, curve_rows(experiment)) == []
