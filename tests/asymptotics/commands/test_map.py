"""``giantstep map``: the error over two settings, the same numbers as those of ``curve``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asymptotics.commands.cli import run

FILE = (
    'target = {expression = "z1 + He2(z1)/2", noise = 0.1}\nridge = {alpha = [0.5, 1.0, 4.0], lambda = 0.1}\n'
    "training = {steps = 1, eta = [0.3, 1.0, 3.0]}\n"
)


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "e.toml").write_text(FILE)
    return str(tmp_path / "e.toml")


def test_the_map_is_the_curve(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["map", file, "--out", str(tmp_path / "o"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert run(["curve", file, "--json"]) == 0
    assert found["rows"] == json.loads(capsys.readouterr().out)["rows"]
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == ["map.csv", "map.json", "map.pdf", "map.png"]


def test_the_table_has_x_to_the_right(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["map", file]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["training.eta", "0.5", "1", "4"]
    assert [line.split()[0] for line in lines[3:6]] == ["0.3", "1", "3"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--y", "ridge.alpha"], "twice"),
        (["--y", "ridge.lambda"], "ridge.lambda needs several values"),
        (["--set", "ridge.lambda=[0.1, 1]"], "ridge.lambda has several values"),
        (["--set", "training.steps=0"], "needs several values"),
        (["--y", "training.beta"], "training.beta"),
    ],
)
def test_what_is_no_map_is_one_sentence(
    options: list[str], words: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["map", file, *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err


def test_what_is_no_map_is_refused_before_a_point_is_computed(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def computed(*_: object) -> None:
        raise AssertionError("a point was computed")

    monkeypatch.setattr("asymptotics.comparison.curves.curve_rows", computed)
    assert run(["map", file, "--set", "training.steps=[1, 2]"]) == 2
    assert "training.steps has several values" in capsys.readouterr().err


def test_ticks_of_a_map_are_its_values_where_there_is_room() -> None:
    """Over less than a decade matplotlib writes names of minor ticks over each other."""
    from matplotlib.figure import Figure

    from asymptotics.figures.map_figure import plot_map

    rows = [
        {"alpha": a, "eta": e, "test_error": a + e} for a in (0.5, 1.0, 2.0, 4.0) for e in (0.1, 1.0, 1.01)
    ]
    ax = plot_map(rows, "alpha", "eta", ax=Figure().add_subplot())
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.5", "1", "2", "4"]
    assert ax.get_xticks(minor=True).size == 0
    assert "1.01" not in [label.get_text() for label in ax.get_yticklabels()]


def test_a_gain_is_the_error_of_random_features_minus_that_after_the_steps(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--set", "ridge.alpha=[0.5, 4]", "--set", "training.eta=[0.3, 1]", "--set", "ridge.accuracy=0"]
    assert run(["map", file, *few, "--quantity", "gain", "--json", "--out", str(tmp_path)]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert run(["curve", file, *few, "--set", "training.steps=0", "--json"]) == 0
    bare = {row["alpha"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    for row in rows:
        untrained = bare[row["alpha"]]
        assert row["gain"] == untrained["test_error"] - row["test_error"] > 0
        errors = [one["error"]["total"] * one["test_error"] for one in (row, untrained)]
        assert row["gain_error"] == pytest.approx(sum(errors))
    header = next(line for line in (tmp_path / "map.csv").read_text().splitlines() if line[0] != "#")
    assert {"random_features", "gain", "gain_error"} <= set(header.split(","))
    assert run(["map", file, *few, "--quantity", "gain"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("gain over random features")
    assert " ± " in said


def test_a_map_says_its_errors_as_a_curve_does(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--set", "ridge.alpha=[0.5, 4]", "--set", "training.eta=[0.3, 1]", "--set", "ridge.accuracy=0"]
    assert run(["map", file, *few]) == 0
    said = capsys.readouterr().out
    assert run(["curve", file, *few]) == 0
    curve = capsys.readouterr().out
    errors = [line for line in curve.splitlines() if line.startswith("errors: up to")]
    assert len(errors) == 1
    assert errors[0] in said.splitlines()
