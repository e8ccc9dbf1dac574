"""What every command prints for people fits the columns that there are, on a terminal and elsewhere."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from asymptotics.commands.cli import cli, run
from asymptotics.text import tables
from asymptotics.text.fitting import fitted
from asymptotics.text.tables import table

FILE = """
[target]
expression = "z1 + z2*z3/2 + z4"
noise = 0.1
[network]
width = {width}
[training]
steps = {steps}
[ridge]
alpha = [0.5, 1.25]
beta = [0.5, 1.25]
lambda = [0.001, 0.01]
[simulation]
d = 20
width = 8
replicates = 3
test_samples = 50
"""
OVERLAPS = FILE.split("[ridge]")[0].format(steps=0, width=8) + "[simulation]" + FILE.split("[simulation]")[1]
REUSED = OVERLAPS.replace("[training]", '[training]\nprotocol = "reuse"').replace(
    "width = 8\n[", 'width = "infinite"\n[', 1
)
CLASSES = """
[target]
expression = "z1"
labels = "sign"
[ridge]
loss = "logistic"
lambda = 0.1
[training]
steps = 0
[simulation]
d = 20
replicates = 3
test_samples = 50
"""
ONLINE = """
[target]
expression = "He2(z1)"
[network]
activation = "He2"
width = 1
initialisation = "independent"
[training]
protocol = "sgd"
loss = "correlation"
alpha = 1.0
batch_exponent = 0.5
eta = 0.1
[simulation]
d = 100
replicates = 3
"""
LAMBDA = ["--set", "ridge.lambda=0.01"]
ONE_BETA = ["--set", "ridge.beta=0.5", *LAMBDA]
ONE = ["--set", "ridge.alpha=1.25", *ONE_BETA]
CASES = [
    ["leap", "z1+z2+z3+z4+z5+z6+z7+z8*z9+z10*z11+z12"], ["leap", "tanh(z1+He3(z2)*z3)"],
    ["leap", "relu(z1)-relu(z2)", "--activation", "tanh", "--reused-batch"],
    ["expand", "z1*z2*z3*z4*z5*z6 + He4(z1) + relu(z1)", "--order", "3"], ["expand", "min(z1,z2+z3/3)", "--order", "2"],
    ["hardness", "z1 + z2*z3", "--d", "1000"], ["hardness", "z1*z2", "--inputs", "rademacher"],
    ["plateaus", "z1+z2+z3+z4+z5+z6+z7*z8"], ["plateaus", "relu(z1)*z2", "--activation", "tanh", "--kappa", "12"],
    ["activations"], ["overlaps", "overlaps.toml", "--simulate"], ["overlaps", "reused.toml", "--simulate"],
    ["curve", "file.toml", "--simulate"], ["curve", "classes.toml", "--simulate"],
    ["simulate", "file.toml"], ["simulate", "file.toml", "--dry-run"], ["simulate", "overlaps.toml"],
    ["validate", "file.toml", *ONE_BETA, "--set", "ridge.alpha=[0.5,1.25]", "--controls", "--sizes", "1"],
    ["samples", "file.toml", *ONE, "--test-error", "0.01"], ["tune", "file.toml", *ONE, "--over", "lam"],
    ["map", "file.toml", *LAMBDA, "--set", "ridge.alpha=[0.5,1.25]", "--set", "ridge.beta=[0.5,1,2,4]", "--y", "ridge.beta"],
    ["spectrum", "file.toml", *ONE, "--simulate"], ["escape", "online.toml", "--simulate"],
    ["plan", "z1 + He2(z1)/2", "--samples", "200", "--d", "20", "--max-steps", "0"],
    ["plot", "file.toml", *ONE_BETA, "--set", "ridge.alpha=[0.5,1.25]"],
    ["cite", "file.toml"], ["report", "file.toml", "--no-simulation", *ONE], ["reproduce"], ["init"], ["init", "--all"],
]  # fmt: skip
#: What is a file (its lines are as they are); a run of minutes whose parts are commands of their own, and a server.
FILES, LONG = ("init", "cite"), ("demo", "explore")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    texts = {"file": FILE.format(steps=0, width='"infinite"'), "overlaps": OVERLAPS, "reused": REUSED}
    for name, text in (texts | {"classes": CLASSES, "online": ONLINE}).items():
        (tmp_path / f"{name}.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def too_long(lines: Sequence[str], columns: int) -> list[str]:
    """Lines that overrun, other than by one word; and what was cut."""
    shown = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    return [
        line
        for line in shown
        if (len(line) > columns and " " in line.strip()) or line.rstrip(" │").endswith("…")
    ]


@pytest.mark.parametrize("command", CASES, ids=lambda command: " ".join(command)[:60])
def test_every_command_fits_60_and_80_columns_on_a_terminal_and_elsewhere(
    command: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = 0

    def check(text: str | Callable[[], str]) -> None:
        nonlocal told
        for columns, terminal in itertools.product((60, 80), (False, True)):
            monkeypatch.setenv("COLUMNS", str(columns))
            monkeypatch.setattr(tables, "on_terminal", lambda terminal=terminal: terminal)
            lines = fitted(text if isinstance(text, str) else text()).splitlines()
            assert too_long(lines, columns) == []
            told += len(lines)

    # What is told is written at every width, whatever the command computed for it once.
    for place in ("terminal", "pages"):
        monkeypatch.setattr(f"asymptotics.commands.{place}.tell", check)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run(command) in (0, 1), capsys.readouterr().err
    printed = capsys.readouterr().out.splitlines()
    assert told or printed or command[0] in ("report", "plot")
    assert command[0] in FILES or not printed


def test_no_command_is_left_out() -> None:
    assert {command[0] for command in CASES} == set(cli.commands) - set(LONG)


@pytest.mark.parametrize("name", ["", *cli.commands])
def test_help_fits_80_columns(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*name.split(), "--help"]) == 0
    assert too_long(capsys.readouterr().out.splitlines(), 80) == []


def test_a_piped_table_is_that_of_80_columns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    done = subprocess.run(
        [sys.executable, "-c", "from asymptotics.commands.cli import main; main()", "activations"],
        capture_output=True, text=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert too_long(done.stdout.splitlines(), 80) == []


def test_every_cell_is_there_however_narrow_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    header = [f"column {i}" for i in range(12)]
    rows = [[f"cell {i} of row {k}, 0.123 ± 0.004" for i in range(12)] for k in range(3)]
    for columns in (40, 60, 80, 200):
        text = table(header, rows, columns)
        assert max(map(len, text.splitlines())) <= columns
        words = " ".join(text.split())
        assert words.count("±") == 36 + 3 * (text.count("\n\n"))
        assert all(text.count(f"{i}") for i in range(12))


@pytest.mark.parametrize("columns", ["0", "-5", "abc", "1", "", "1000000"])
def test_any_setting_of_columns_will_do(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert "0.5" in table(["a", "b"], [[0.5, "some words of a cell"]])
    assert fitted("a few words " * 20).count("words") == 20


@pytest.mark.parametrize("command", ["leap", "hardness", "plateaus"])
@pytest.mark.parametrize("text", ["(1e-300*z1+z2)^3", "He3(z1+2^600*z2)", "z1*1e-90+z2/3+z3"])
def test_long_numbers_of_subspaces_fit(
    command: str, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([command, text]) == 0
    found = capsys.readouterr().out
    assert "…" in found
    assert max(map(len, found.splitlines())) <= 80
