"""The report and the tables of the other two protocols say what belongs to them."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest

from asymptotics import Experiment
from asymptotics.commands.cli import run
from asymptotics.comparison.curves import curve_rows
from asymptotics.comparison.joined import joined, measure_all
from asymptotics.documents.findings import predictions
from asymptotics.documents.report_page import report_page

SGD = """
[target]
expression = "EXPR"
[network]
activation = "erf(x/sqrt(2))"
width = 2
[training]
protocol = "sgd"
batch_exponent = 0.5
eta = 0.5
step = 0.01
steps = [0, 5]
start = {overlap = [[0.3], [0.1]]}
RIDGE
[simulation]
method = "reduced"
d = 100
replicates = 4
test_samples = 500
"""
REUSE = """
[target]
expression = "z1 + He3(z2)"
[network]
activation = "tanh"
width = 2
[training]
protocol = "reuse"
steps = [0, 1]
[ridge]
regime = "fixed-width"
[simulation]
d = 100
"""
RIDGE = '[ridge]\nregime = "fixed-width"\n'


def sgd(expression: str = "erf(z1/sqrt(2))", ridge: str = RIDGE) -> str:
    return SGD.replace("EXPR", expression).replace("RIDGE", ridge)


def words(toml: str) -> str:
    page = report_page(predictions(Experiment.from_toml(toml), toml))
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


@pytest.mark.parametrize(
    ("expression", "leap", "samples"),
    [("erf(z1/sqrt(2))", "1", "Θ(d)"), ("He3(z1)", "3", "Θ(d^2)")],
)
def test_the_report_of_online_sgd_says_what_its_student_sees(
    expression: str, leap: str, samples: str
) -> None:
    text = words(sgd(expression))
    assert f"leap that this student sees {leap} " in text
    assert f"to leave a random start {samples} " in text
    # Samples over all steps count: the batch of one step stops no staircase.
    assert "staircase at n = Θ(d) a step" in text


def test_the_report_of_a_reused_batch_says_what_two_passes_learn() -> None:
    assert "two steps on the reused batch can learn" in words(REUSE)


def test_a_curve_of_online_sgd_takes_the_d_of_its_simulation() -> None:
    rows = curve_rows(Experiment.from_toml(sgd()))
    assert [row["d"] for row in rows] == [100, 100]
    assert all(row["n"] == 40 for row in rows[1:])


def test_norms_that_the_protocol_fixes_are_no_test() -> None:
    experiment = Experiment.from_toml(sgd(ridge=""))
    kinds = {row["quantity"].split("[")[0] for row in joined(experiment, measure_all(experiment))}
    assert kinds == {"risk", "M_1"}


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["He3(z1)"], [["1"]]),
        (["He3(z1)", "--activation", "x + He2(x)/2"], []),
        (["He3(z1)", "--activation", "x + He2(x)/2", "--initialisation", "independent"], [["1"]]),
        (["He3(z1)", "--activation", "tanh"], [["1"]]),
        (["tanh(z1)*z2"], None),
        (["z1*z2*z3"], []),
    ],
)
def test_leap_tells_what_two_passes_over_one_batch_can_learn(
    arguments: list[str], found: object, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A quadratic student of both signs sees squares of the label alone; undecided is null."""
    assert run(["leap", *arguments, "--reused-batch", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reused_two_steps"] == found
    rest = arguments[: arguments.index("--initialisation")] if "--initialisation" in arguments else arguments
    assert run(["leap", *rest, "--json"]) == 0
    assert "reused_two_steps" not in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("start", "powers"), [(None, 2), ("symmetric", 2), ("independent", 3)], ids=["default", "pairs", "alone"]
)
def test_two_passes_name_the_start_that_they_depend_on(
    start: str | None, powers: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given = ["leap", "He3(z1)", "--reused-batch", "--activation", "x + He2(x)/2"]
    given += [] if start is None else ["--initialisation", start]
    assert run([*given, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["reused_student"]
    assert told == {"initialisation": start or "symmetric", "powers": powers}
    assert run(given) == 0
    assert f"{start or 'symmetric'} start, sees powers up to {powers} of the label" in capsys.readouterr().out


@pytest.mark.parametrize(
    "given", [[], ["--reused-batch"], ["--activation", "tanh"], ["--reused-batch", "--activation", "tanh"]]
)
def test_a_start_that_nothing_depends_on_is_refused(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["leap", "z1", *given, "--initialisation", "independent"])
    assert code == (0 if len(given) == 3 else 2)
    assert ("--initialisation goes with" in capsys.readouterr().err) == (code == 2)
