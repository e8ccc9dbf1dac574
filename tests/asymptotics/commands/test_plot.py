"""``giantstep plot``: several experiments in one table and one figure, labelled by what differs."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from asymptotics import Experiment
from asymptotics.commands.cli import run
from asymptotics.comparison.several_experiments import labels

FILE = (
    'target = {expression = "z1 + He2(z1)/2", noise = 0.1}\nridge = {alpha = [0.5, 1.0, 4.0], lambda = 0.1}\n'
    "training = {steps = 0}\n"
)


def experiment(*settings: str) -> Experiment:
    return Experiment.from_toml(FILE, settings)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["network.activation=relu", "network.activation=tanh"], ["activation = relu", "activation = tanh"]),
        (["target.noise=0.0", "target.noise=0.5"], ["noise = 0", "noise = 0.5"]),
        (["target.expression=z1", "target.expression=z1*z2"], ["z1", "z1*z2"]),
        (["ridge.d=100", "ridge.beta=1"], ["d = 100", "d = none"]),
        # Columns of the table tell rows apart already.
        (["ridge.lambda=0.1", "ridge.lambda=1.0"], ["", ""]),
    ],
)
def test_labels_are_what_differs(settings: list[str], told: list[str]) -> None:
    assert labels([experiment(one) for one in settings], ["a", "b"]) == told


def test_files_that_share_a_label_have_their_names() -> None:
    three = [experiment(), experiment("ridge.lambda=1.0"), experiment("network.bias=0.5")]
    assert labels(three, ["a", "b", "c"]) == ["bias = 0 (a)", "bias = 0 (b)", "bias = 0.5"]


TWO = "inputs.clusters=[{weight=0.5, mean={z1=1.0}}, {weight=0.5, mean={z1=-1.0}}]"


def test_structured_inputs_are_told_by_how_many_clusters_and_blocks_they_have() -> None:
    """Their matrices made a label of thousands of letters, and a figure as wide."""
    power = 'inputs.spectrum={law="power", exponent=0.5, blocks=8}'
    three = [experiment(), experiment(TWO), experiment(power)]
    told = ["isotropic inputs", "inputs of 2 clusters", "inputs of 1 cluster and 8 blocks"]
    assert labels(three, ["a", "b", "c"]) == told
    others = [experiment(TWO), experiment(TWO.replace("1.0", "2.0"))]
    assert labels(others, ["a", "b"]) == ["inputs of 2 clusters (a)", "inputs of 2 clusters (b)"]


def test_files_that_differ_in_more_than_a_figure_holds_have_their_names() -> None:
    all_else = experiment(
        "target.expression=tanh(2*z1) - z2/2", "target.noise=0.05", "network.activation=tanh(x + 1/2)",
        "network.readout=[[2.0, 0.5], [-2.0, 0.5]]", "ridge.d=100",
    )  # fmt: skip
    assert labels([experiment(), all_else], ["runs/a.toml", "b.toml"]) == ["a.toml", "b.toml"]
    assert labels([experiment(), all_else], ["x/a.toml", "y/a.toml"]) == ["x/a.toml", "y/a.toml"]


def test_one_table_and_one_figure_hold_what_curve_says_of_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "relu.toml", tmp_path / "tanh.toml"]
    rows = []
    for file in files:
        file.write_text(FILE + f'network.activation = "{file.stem}"\n')
        assert run(["curve", str(file), "--json"]) == 0
        rows += json.loads(capsys.readouterr().out)["rows"]
    out = tmp_path / "o"
    assert run(["plot", *map(str, files), "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["rows"]
    assert [row["experiment"] for row in found] == ["activation = relu"] * 3 + ["activation = tanh"] * 3
    assert [{k: v for k, v in row.items() if k != "experiment"} for row in found] == rows
    assert sorted(p.name for p in out.iterdir()) == [f"plot.{kind}" for kind in ("csv", "json", "pdf", "png")]
    table = pd.read_csv(out / "plot.csv", comment="#")
    assert (table.groupby("experiment").size() > 50).all()
    assert len(json.loads((out / "plot.json").read_text())["provenance"]["experiments"]) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "are the same experiment"),
        (["--set", "ridge.alhpa=1"], "ridge"),
        (["--panels", "files"], "figure.panels must be"),
        (["--x", "experiment"], "figure.x must be"),
    ],
)
def test_what_is_no_figure_of_several_is_one_sentence(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(FILE)
    code = run(
        ["plot", str(tmp_path / "a.toml"), str(tmp_path / "b.toml"), "--out", str(tmp_path / "o"), *options]
    )
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert words in captured.err
