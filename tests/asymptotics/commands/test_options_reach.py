"""What an option says reaches the question: none is read and forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymptotics.commands.cli import run
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.settings import Network
from hermite.errors import InputError

FILE = 'target.expression = "z1 + He2(z1)/2"\ntraining.steps = 0\nridge = {alpha = 1.0, lambda = 0.1}\n'


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "e.toml").write_text(FILE, encoding="utf-8")
    return str(tmp_path / "e.toml")


def stop(seen: dict[str, object]):
    """A question that notes what it was asked, and goes no further."""

    def asked(*args: object, **settings: object) -> None:
        seen.update(settings)
        raise InputError("seen.")

    return asked


@pytest.mark.parametrize(
    ("options", "network"), [(["--activation", "tanh"], Network("tanh")), ([], Network())]
)
def test_a_plan_is_made_for_the_activation_that_is_named(
    options: list[str], network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, object] = {}
    monkeypatch.setattr("asymptotics.design.planning.plan", stop(seen))
    assert (
        run(["plan", "z1", "--samples", "1000", "--d", "50", "--noise", "0.1", "--max-width", "77", *options])
        == 2
    )
    assert (seen["network"], seen["max_width"]) == (network, 77)


@pytest.mark.parametrize(
    ("options", "student"),
    [
        (["--activation", "tanh"], {"activation": "tanh"}),
        (
            ["--activation", "relu", "--readout", "rademacher"],
            {"activation": "relu", "readout": "rademacher"},
        ),
        (["--readout", "rademacher", "--bias", "1"], {"readout": "rademacher", "bias": 1.0}),
    ],
)
def test_leap_is_asked_about_the_student_that_is_named(
    options: list[str], student: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, object] = {}
    monkeypatch.setattr("hermite.leap", stop(seen))
    assert run(["leap", "z1", *options]) == 2
    asked = {"activation": None, "readout": None, "bias": 0.0} | student
    assert {name: seen[name] for name in asked} == asked


@pytest.mark.parametrize("force", [True, False])
def test_force_reaches_the_report(
    force: bool, file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: dict[str, object] = {}
    monkeypatch.setattr("asymptotics.documents.findings.of_file", stop(seen))
    assert run(["report", file, "-o", str(tmp_path / "x.html"), *["--force"] * force]) == 2
    assert seen["force"] is force


@pytest.mark.parametrize("command", ["curve", "tune", "map", "plot", "validate", "report"])
def test_a_negative_accuracy_is_refused_by_the_option(
    command: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, file, "--accuracy", "-1"]) == 2
    assert "--accuracy" in capsys.readouterr().err


#: What each command asks with an experiment; its options beside the file.
PREDICTING = {
    "curve": ("asymptotics.comparison.curves.curve_rows", []),
    "samples": ("asymptotics.design.inversion.inverted", ["--test-error", "1"]),
    "tune": ("asymptotics.design.tuning.tuned", []),
    "validate": ("asymptotics.comparison.validation.validate", []),
    "plot": ("asymptotics.comparison.curves.curve_rows", []),
    "map": (
        "asymptotics.comparison.map_quantities.curve_rows",
        ["--set", "ridge.alpha=[1, 2]", "--set", "ridge.lambda=[1, 2]", "--y", "ridge.lambda"],
    ),
}


@pytest.mark.parametrize("command", PREDICTING)
def test_the_accuracy_of_a_command_is_that_of_its_experiment(
    command: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tune read it and forgot it, map, plot and validate had none."""
    seen: list[Experiment] = []

    def asked(experiment: Experiment, *_: object, **__: object) -> None:
        seen.append(experiment)
        raise InputError("seen.")

    question, options = PREDICTING[command]
    monkeypatch.setattr(question, asked)
    assert run([command, file, "--accuracy", "0.25", *options]) == 2
    assert {ridge.accuracy for ridge in seen[0].ridges} == {0.25}


def test_the_accuracy_of_a_report_and_of_a_plan_reach_them(
    file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: dict[str, object] = {}
    monkeypatch.setattr("asymptotics.documents.findings.of_file", stop(seen))
    monkeypatch.setattr("asymptotics.design.planning.plan", stop(seen))
    assert run(["report", file, "-o", str(tmp_path / "x.html"), "--accuracy", "0"]) == 2
    assert seen["settings"] == ("ridge.accuracy=0.0",)
    assert run(["plan", "z1", "--samples", "1000", "--d", "50", "--accuracy", "0.25"]) == 2
    assert seen["accuracy"] == 0.25


def test_an_accuracy_given_twice_is_refused(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["curve", file, "--accuracy", "0.25", "--set", "ridge.accuracy=0"]) == 2
    assert "ridge.accuracy is set twice" in capsys.readouterr().err


def test_a_file_of_a_spectrum_has_a_line_for_the_edge_and_one_for_each_spike(
    file: str, tmp_path: Path
) -> None:
    one_step = ["--set", "training.steps=1", "--set", "simulation.d=60"]
    assert run(["spectrum", file, *one_step, "--out", str(tmp_path / "o")]) == 0
    (table,) = (tmp_path / "o").glob("*.csv")
    content = table.read_bytes()
    assert b"\r" not in content
    lines = [line for line in content.decode().splitlines() if not line.startswith("#")]
    kinds = [dict(zip(lines[0].split(","), line.split(","), strict=True))["kind"] for line in lines[1:]]
    assert kinds.count("edge") == 1
    assert kinds.count("spike") == len(kinds) - 1 >= 1
