"""``--set`` and ``--seed`` stand in place of the file, on every command that takes one."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from asymptotics.commands.cli import cli, run
from asymptotics.experiment.grid import Experiment
from hermite.errors import InputError

FILE = (
    'target = {expression = "z1 + He2(z1)/2"}\nridge = {alpha = 4.0, lambda = 0.1}\ntraining = {steps = 0}\n'
)
PLACES = ("file", "source", "files")


def test_every_command_that_takes_a_file_takes_settings() -> None:
    for name, command in cli.commands.items():
        if any(isinstance(p, click.Argument) and p.name in PLACES for p in command.params):
            assert {"--set", "--seed"} <= {opt for p in command.params for opt in p.opts}, name


def test_a_setting_replaces_what_the_file_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "e.toml").write_text(FILE)
    options = ["--set", "ridge.alpha=[1, 2]", "--set", "network.activation=tanh", "--json"]
    assert run(["curve", str(tmp_path / "e.toml"), *options]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["alpha"] for row in rows] == [1.0, 2.0]
    plain = FILE.replace("4.0", "[1, 2]") + 'network.activation = "tanh"\n'
    (tmp_path / "other.toml").write_text(plain)
    assert run(["curve", str(tmp_path / "other.toml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == rows


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ("target.expression=z1 + z1*z2", lambda e: e.target.text == "z1 + z1*z2"),
        ("target.noise=1e-1", lambda e: e.target.noise == 0.1),
        ("network.width = 4", lambda e: e.network.width == 4),
        ("ridge.beta=inf", lambda e: e.ridges[0].beta == float("inf")),
        ("simulation.seed=7", lambda e: e.simulations[0].seed == 7),
        ("network.readout=[[1, 0.5], [-1, 0.5]]", lambda e: len(e.network.readout) == 2),
        ('network.activation="relu(x - 1)"', lambda e: e.network.activation == "relu(x - 1)"),
    ],
)
def test_values_are_toml_or_text(setting: str, read: object) -> None:
    assert read(Experiment.from_toml(FILE, [setting]))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("alpha=2", "table.key=value"),
        ("ridge.alpha", "table.key=value"),
        ("ridge.alpha=", "table.key=value"),
        ("ridge.alpha=[1", "not a TOML value"),
        ("ridge.alpha=two", "must be a finite number"),
        ("ridge.alhpa=2", "did you mean 'alpha'"),
        ("rigde.alpha=2", "did you mean 'ridge'"),
        ("ridge.alpha=1\nridge.beta=2", "must be a finite number"),
    ],
)
def test_what_is_no_setting_is_refused(setting: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Experiment.from_toml(FILE, [setting])


def test_the_seed_changes_the_simulation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "e.toml").write_text(FILE + "simulation = {d = 10, replicates = 2, test_samples = 100}\n")
    found = []
    for options in (["--seed", "1"], ["--set", "simulation.seed=1"], ["--seed", "2"]):
        store = ["--store", str(tmp_path / f"{len(found)}.sqlite")]
        assert run(["simulate", str(tmp_path / "e.toml"), *store, *options, "--json"]) == 0
        found.append([row["test_error"] for row in json.loads(capsys.readouterr().out)["rows"]])
    assert found[0] == found[1] != found[2]


def test_a_store_takes_no_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.sqlite").write_bytes(b"SQLite format 3\x00")
    assert run(["report", str(tmp_path / "s.sqlite"), "--seed", "1", "-o", str(tmp_path / "r.html")]) == 2
    assert "a store holds what it was made with" in capsys.readouterr().err
