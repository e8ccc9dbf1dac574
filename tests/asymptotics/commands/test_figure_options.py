"""``giantstep curve --out``: the CSV holds lines and points, and the figure is what the options ask for."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest

from asymptotics.commands.cli import run

FILE = (
    'target = {expression = "z1 + He2(z1)/2", noise = 0.1}\nridge = {alpha = [0.5, 1.0, 4.0], beta = [0.5, 2.0], lambda = 0.1}\n'
    "training = {steps = 0}\n"
)


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "e.toml").write_text(FILE)
    return str(tmp_path / "e.toml")


def test_lines_of_the_figure_are_in_the_csv_and_pandas_reads_it(file: str, tmp_path: Path) -> None:
    assert run(["curve", file, "--out", str(tmp_path / "o")]) == 0
    table = pd.read_csv(tmp_path / "o" / "curve.csv", comment="#")
    assert set(table["kind"]) == {"theory"}
    assert len(table) > 2 * 50
    assert table.groupby("beta").size().nunique() == 1
    assert table["error"].notna().all()


def test_another_x_axis_has_its_own_lines(file: str, tmp_path: Path) -> None:
    out = tmp_path / "o"
    assert run(["curve", file, "--out", str(out), "--x", "ridge.beta", "--panels", "ridge.alpha"]) == 0
    table = pd.read_csv(io.StringIO((out / "curve.csv").read_text()), comment="#")
    assert (table.groupby("alpha")["beta"].nunique() > 50).all()
    assert (out / "curve.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--x", "ridge.lambda"], "ridge.lambda has one value"),
        (["--x", "alpha"], "figure.x must be"),
        (["--lines", "ridge.betta"], "did you mean 'ridge.beta'"),
        (["--log", "yes"], "figure.log must be"),
        (["--quantity", "risk"], "figure.quantity must be"),
        (["--x", "ridge.beta", "--lines", "ridge.beta"], "ridge.beta is asked for twice"),
    ],
)
def test_a_figure_that_cannot_be_is_refused_before_any_work(
    options: list[str],
    words: str,
    file: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("asymptotics.comparison.curves.curve_rows", lambda *_: pytest.fail("worked first"))
    assert run(["curve", file, "--out", str(tmp_path / "o"), *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert not (tmp_path / "o").exists()


def test_an_option_of_a_figure_without_a_figure_is_refused(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["curve", file, "--no-plateaus"]) == 2
    assert "--no-plateaus says how a figure is drawn; give --out DIR" in capsys.readouterr().err
