"""A point whose prediction is infinite or unknown is left out of a comparison with a word; it costs no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asymptotics.commands.cli import run
from asymptotics.comparison.validation import validate
from asymptotics.experiment.grid import Experiment
from hermite.errors import InputError

#: tanh is odd, and the start symmetric: half the neurons are distinct, and alpha = 1/2 interpolates at beta = 1.
_FILE = """
target = {expression = "z1 + He2(z1)/2"}
network = {activation = "tanh"}
training = {steps = 0}
ridge = {alpha = ALPHA, beta = 1.0, lambda = LAMBDA}
simulation = {d = 60, replicates = 4, test_samples = 200}
"""


def _file(alpha: str, lam: str) -> str:
    return _FILE.replace("ALPHA", alpha).replace("LAMBDA", lam)


@pytest.mark.parametrize("alpha", ["[0.5, 2]", "[2, 0.5]", "[2, 0.5, 4]"])
def test_one_infinite_point_costs_a_validation_no_other(alpha: str) -> None:
    told: list[str] = []
    report = validate(Experiment.from_toml(_file(alpha, "0")), told.append, sizes=1)
    assert {row["alpha"] for row in report.rows} == set(json.loads(alpha)) - {0.5}
    assert [("alpha = 0.5" in left, "infinite" in left) for left in report.left_out] == [(True, True)]
    assert any(sentence.startswith("not judged: ") for sentence in told)


def test_an_unknown_prediction_costs_a_validation_no_other() -> None:
    # Eight samples: the stated error is larger than the number.
    text = _file("[2, 0.5]", "0.1").replace("d = 60", "d = 16")
    report = validate(Experiment.from_toml(text), sizes=1)
    assert {row["alpha"] for row in report.rows} == {2.0}
    assert ["no prediction" in left for left in report.left_out] == [True]


def test_nothing_but_infinite_points_is_refused_before_any_simulation() -> None:
    told: list[str] = []
    with pytest.raises(InputError, match="infinite"):
        validate(Experiment.from_toml(_file("0.5", "0")), told.append, sizes=1)
    assert told == []


def test_a_wrong_theory_that_is_infinite_at_a_point_is_judged_at_the_others() -> None:
    # alpha = 1/3 interpolates for the control, whose alpha is 1.5 times as large.
    text = _file("[0.3333333333333333, 2]", "0")
    report = validate(Experiment.from_toml(text), sizes=1, controls=1.5)
    assert len({row["alpha"] for row in report.rows}) == 2
    assert len(report.controls) == 1


def test_an_infinite_point_is_infinite_beside_a_simulation_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "e.toml").write_text(_file("[0.5, 2]", "0"))
    assert run(["curve", str(tmp_path / "e.toml"), "--simulate", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    infinite, finite = rows
    assert infinite["test_error"] == "inf"
    assert "infinite" in infinite["validity_note"]
    assert infinite["simulation"]["test_error"] > 0
    assert finite["test_error"] > 0
