"""Words and cells of tables follow what they tell: hand-made documents, read by eye once."""

from __future__ import annotations

import pytest

from asymptotics import Experiment
from asymptotics.documents.html_pieces import table
from asymptotics.documents.target_section import stairway_table
from asymptotics.text.durations import duration, size
from asymptotics.text.plans import plan_text
from asymptotics.text.prediction_tables import spectrum_text
from asymptotics.text.tables import folded


@pytest.mark.parametrize(
    ("count", "told"), [(1.2e6, "1.2 MB"), (999e6, "999 MB"), (1e9, "1 GB"), (2.5e12, "2.5e+03 GB")]
)
def test_bytes_change_their_unit_at_a_billion(count: float, told: str) -> None:
    assert size(count) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (40, "40 s"),
        (91, "1.5 min"),
        (5400, "1.5 h"),
        (2e5, "2.3 days"),
        (1e7, "116 days"),
        (1e8, "3 years"),
        (2e11, "6,338 years"),
    ],
)
def test_times_change_their_unit_where_people_do(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def plan(steps: int, decided: bool = True) -> dict[str, object]:
    row = {"steps": steps, "n": 100, "n2": 200, "p": 50, "eta": 1.0, "lambda": 0.1, "test_error": 0.5}
    row["error"] = {"total": 0.01, "quadrature": None, "solver": None, "theory": 0.01}
    second = row | {"test_error": 0.6}
    return {
        "samples": 300, "d": 100, "width": 400, "schedules": [row, second], "best": row, "runner_up": second,
        "one_more": None, "decided": decided, "at_boundary": False, "reasons": {},
    }  # fmt: skip


def test_one_giant_step_is_one_and_several_are_steps() -> None:
    assert "Best: 1 giant step;" in plan_text(plan(1))
    assert "Best: 2 giant steps;" in plan_text(plan(2))
    assert "Best: 0 giant steps, but the runner-up differs by +0.1" in plan_text(plan(0, decided=False))


@pytest.mark.parametrize(("window", "told"), [(None, "beyond the last window"), (3, "out of the bulk): 3")])
def test_a_spectrum_says_how_many_spikes_its_window_has(window: int | None, told: str) -> None:
    document = {
        "simulated": None, "spikes": [9.0], "carries": ["the mean"], "edge": 5.0, "n2": 20, "p": 10, "d": 10, "step": 1,
        "window_count": window, "validity": "exact", "validity_note": "", "error": None,
    }  # fmt: skip
    said = spectrum_text(document)
    assert told in said
    assert "after 1 giant step\n" in said


def test_a_column_goes_only_where_all_of_it_is_empty() -> None:
    rows = [[1, 0.5, None, None], [2, 0.25, 0.125, None]]
    (said,) = folded(["d", "error", "own", "none"], rows, ["d"], 80)
    assert said.split("\n")[0].split() == ["d", "error", "own"]
    assert "0.125" in said


def test_settings_of_a_page_are_told_as_given_and_rounding_of_what_is_measured_is_zero() -> None:
    rows = [[1e-12, 3.0, 1e-17], [2e-12, 4.0, 0.5]]
    page = table(["lambda", "test_error", "overlap"], rows, "A table.", ["lambda"])
    assert "<td>1e-12</td><td>3</td><td>0</td>" in page
    assert "<td>2e-12</td><td>4</td><td>0.5</td>" in page


@pytest.mark.parametrize(("bias", "told"), [(0.0, True), (0.5, False)])
def test_the_stairway_of_a_page_is_the_students_only_without_biases(bias: float, told: bool) -> None:
    experiment = Experiment.from_toml(f'target.expression = "z1 + z1*z2"\nnetwork.bias = {bias}')
    assert ("for relu without biases" in stairway_table(experiment)) is told
