"""``giantstep escape``: the law and the runs as one document, and what is refused before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asymptotics import Network, batch_tradeoff
from asymptotics.commands.cli import run

FILE = """
[target]
expression = "He2(z1)"
[network]
activation = "{activation}"
width = {width}
initialisation = "independent"
[training]
protocol = "{protocol}"
alpha = 1.0
batch_exponent = {exponent}
eta = 0.08
[simulation]
d = 300
replicates = 16
"""


def written(folder: Path, **changes: object) -> str:
    keys = {"activation": "He2", "width": 1, "protocol": "sgd", "exponent": 0.6} | changes
    path = folder / "escape.toml"
    path.write_text(FILE.format(**keys), encoding="utf-8")
    return str(path)


def test_the_law_and_the_runs_are_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["escape", written(tmp_path), "--simulate", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["protocol"] == "sgd"
    law, runs = document["escape"], document["simulation"]
    assert {"leap", "law", "mean", "sd", "quantiles", "start_share", "interaction"} <= law.keys()
    assert law["leap"] == 2
    assert list(law["quantiles"]) == list(runs["quantiles"]) == ["0.1", "0.25", "0.5", "0.75", "0.9"]
    assert document["clocks"]["samples"] == pytest.approx(document["clocks"]["steps"] * document["n_b"])
    assert document["clocks"]["s"] == law["mean"]
    assert runs["escaped"] <= runs["replicates"] == 16
    assert run(["escape", written(tmp_path)]) == 0
    assert "quantile of s" in capsys.readouterr().out


def test_several_neurons_are_answered_by_simulation_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, width=3, activation="He2(x) + x")
    assert run(["escape", path]) == 2
    assert "simulate" in capsys.readouterr().err
    assert run(["escape", path, "--simulate", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["escape"]["law"] is None
    assert "interact" in document["escape"]["interaction"]
    assert document["simulation"]["escaped"] == 16


@pytest.mark.parametrize("protocol", ["giant", "reuse"])
def test_other_protocols_have_no_escape(
    protocol: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, protocol=protocol, exponent=1.0)
    assert run(["escape", path, "--simulate"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "protocol" in told.err


def test_the_law_of_an_escape_and_every_row_of_a_tradeoff_state_their_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Polynomials: averages are exact, the nonlinear stage is an integral, and √d = 17 directions are not many."""
    assert run(["escape", written(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    error, steps = document["escape"]["error"], document["clocks"]["steps"]
    assert error["quadrature"] < 1e-9
    assert error["solver"] < 1e-4
    assert error["theory"] == pytest.approx(300**-0.5 + 2 / steps, rel=1e-9)
    assert error["total"] == pytest.approx(sum(error[key] for key in ("quadrature", "solver", "theory")))
    assert run(["escape", written(tmp_path)]) == 0
    assert "errors: up to" in capsys.readouterr().out
    rows = batch_tradeoff("He2(z1)", Network("He2", width=1, initialisation="independent"), 300, 0.08).rows
    assert all(row["error"]["total"] > 300**-0.5 for row in rows)
    assert all((row["error"]["total"] > 0.5) == row["capped"] for row in rows if row["steps"] > 5)
