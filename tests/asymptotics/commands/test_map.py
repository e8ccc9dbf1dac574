"""``giantstep map``: the error over two settings, the same numbers as those of ``curve``."""

from __future__ import annotations

import itertools
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


def test_the_quantities_of_the_option_are_those_of_the_table() -> None:
    from asymptotics.commands.maps import QUANTITIES
    from asymptotics.comparison.map_quantities import QUANTITIES as TABLE

    assert tuple(TABLE) == QUANTITIES


def test_a_map_of_the_level_names_the_theory_of_every_cell(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Levels after steps, by name or as chosen; before them the theory itself."""
    few = ["--set", "ridge.alpha=[0.5, 4]", "--set", "training.eta=1", "--y", "training.steps"]
    few += ["--set", "training.steps=[0, 1]", "--quantity", "level", "--out", str(tmp_path)]
    assert run(["map", file, *few, "--set", "ridge.level=iso", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {(row["step"], row["level"]) for row in rows} == {(0, "random features"), (1, "iso")}
    assert all(row["level"] in row["solver"] for row in rows)
    header = next(line for line in (tmp_path / "map.csv").read_text().splitlines() if line[0] != "#")
    assert "level" in header.split(",")
    assert run(["map", file, *few, "--set", "ridge.accuracy=0"]) == 0
    assert capsys.readouterr().out.startswith("level of the theory over ridge.alpha")


def test_a_map_of_directions_fits_nothing(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def computed(*_: object) -> None:
        raise AssertionError("a point was computed")

    monkeypatch.setattr("asymptotics.comparison.curves.theory_along", computed)
    options = ["--x", "training.eta", "--y", "training.steps", "--set", "training.steps=[1, 2]"]
    options += ["--set", "ridge.alpha=1", "--set", "target.expression=z1*z2 + z2", "--quantity", "direction"]
    assert run(["map", file, *options, "--json", "--out", str(tmp_path)]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len(rows) == 6
    assert {row["direction"] for row in rows if row["step"] == 1} == {"z2"}
    header = next(line for line in (tmp_path / "map.csv").read_text().splitlines() if line[0] != "#")
    assert {"direction", "direction_overlap", "direction_1", "direction_2"} <= set(header.split(","))


@pytest.mark.parametrize("names", [["z1"], ["E", "En+"], ["none", "z1", "z1 - z2", "z2", "span{z1, z2}"]])
def test_names_have_colours_that_differ_in_grey_and_a_legend_beside_the_data(names: list[str]) -> None:
    from matplotlib.figure import Figure

    from asymptotics.figures.map_figure import plot_map
    from asymptotics.figures.style_sheet import style

    rows = [
        {"alpha": a, "eta": e, "level": names[(a + e) % len(names)]} for a in range(1, 6) for e in range(1, 4)
    ]
    with style():
        figure = Figure()
        ax = plot_map(
            rows, "alpha", "eta", "level", figure.add_subplot(), title="level of the theory", star=""
        )
        figure.canvas.draw()
        legend = ax.get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == sorted(names)
        assert legend.get_title().get_text() == "level of the theory"
        grey = sorted(
            sum(w * c for w, c in zip((0.299, 0.587, 0.114), patch.get_facecolor()[:3], strict=True))
            for patch in legend.get_patches()
        )
        assert all(b - a > 0.1 for a, b in itertools.pairwise(grey))
        assert not legend.get_window_extent().overlaps(ax.get_window_extent().padded(-2))
        # No star among names.
        assert not any(line.get_marker() == "*" for line in ax.get_lines())


def test_a_cell_without_an_answer_stays_empty_among_names() -> None:
    from matplotlib.figure import Figure

    from asymptotics.figures.map_figure import plot_map

    rows = [{"alpha": a, "eta": e, "level": "E" if a < 2 else None} for a in (1, 2) for e in (1, 2)]
    ax = plot_map(rows, "alpha", "eta", "level", Figure().add_subplot())
    (mesh,) = ax.collections
    assert mesh.get_array().mask.ravel().tolist() == [False, True, False, True]  # type: ignore[union-attr]
