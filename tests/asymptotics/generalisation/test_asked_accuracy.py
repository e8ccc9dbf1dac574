"""An accuracy that is asked for is demanded of every number that is told, and said to be missed where it is told all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymptotics import Network, Ridge, Training, overlaps, risk, samples_needed
from asymptotics.commands.cli import run
from asymptotics.error_budget import ErrorBudget, Validity
from asymptotics.generalisation.meaning import UnmetAccuracy, meant, refuse_unmet
from asymptotics.results import Risk
from asymptotics.text.prediction_tables import curve_text
from hermite import Target
from hermite.errors import ConvergenceError

F, NETWORK, TRAINING = Target("z1 + He2(z1)/2", noise=0.1), Network("relu"), Training(1, 4.0)
FILE = """
[target]
expression = "z1 + He2(z1)/2"
noise = 0.1
[training]
steps = 1
[ridge]
alpha = 2.0
lambda = 0.1
"""


def stated(size: float | None, d: int | None = None, **part: float) -> Risk:
    budget = ErrorBudget(**({"quadrature": 0.0, "solver": 0.0, "theory": size} | part))
    return Risk(2.0, 1.0, 2.0, step=1, alpha=2.0, lam=0.1, d=d, error=budget)


@pytest.mark.parametrize(
    ("setting", "asked"),
    [
        ((NETWORK, TRAINING, Ridge(2.0, 1.0, 0.1)), 0.003),
        ((NETWORK, TRAINING, Ridge(2.0, 1.0, 0.1, d=100)), 0.01),
        ((NETWORK, TRAINING, Ridge(2.0, 1.0, 0.1, level="iso")), 0.05),
        ((NETWORK, TRAINING, Ridge(2.0, 1.0, 0.1, d=80, regime="finite")), 0.01),
        ((NETWORK, None, Ridge(2.0, 1.0, 0.1, d=80)), 0.001),
        ((NETWORK, TRAINING, Ridge(2.0, 1.0, 0.1, accuracy=0.003)), None),
    ],
)
def test_a_stated_error_above_the_accuracy_is_refused_by_every_theory(setting, asked: float | None) -> None:
    with pytest.raises(
        ConvergenceError, match=r"most of it what the theory leaves out.*accuracy = .*throw=False"
    ):
        risk(F, *setting, accuracy=asked)
    told = risk(F, *setting, accuracy=asked, throw=False)
    assert told.error.total is not None
    assert told.error.total > (asked or 0.003)
    assert f"not to accuracy = {asked or 0.003:g}" in told.validity_note
    without = (*setting[:2], Ridge(2.0, 1.0, 0.1, setting[2].d, setting[2].regime, setting[2].level))
    assert "not to accuracy" not in risk(F, *without, accuracy=0).validity_note


def test_the_accuracy_that_is_proposed_is_met() -> None:
    with pytest.raises(ConvergenceError) as refused:
        risk(F, NETWORK, TRAINING, Ridge(2.0, 1.0, 0.1, d=100), accuracy=0.003)
    proposed = float(str(refused.value).split("ask for less (accuracy = ")[1].split(")")[0])
    found = risk(F, NETWORK, TRAINING, Ridge(2.0, 1.0, 0.1, d=100), accuracy=proposed)
    assert found.error.total is not None
    assert found.error.total <= proposed
    assert "not to accuracy" not in found.validity_note


def test_an_exact_prediction_meets_any_accuracy_and_says_nothing_of_it() -> None:
    found = risk(F, NETWORK, None, Ridge(2.0, 1.0, 0.1), accuracy=1e-6)
    assert found.validity == "exact"
    assert found.validity_note == risk(F, NETWORK, None, Ridge(2.0, 1.0, 0.1)).validity_note


def test_the_largest_part_is_named_and_of_many_numbers_the_worst() -> None:
    with pytest.raises(UnmetAccuracy, match="most of it its integrals"):
        refuse_unmet([stated(0.001, quadrature=0.02)], 0.01)
    with pytest.raises(UnmetAccuracy, match=r"2 of 3 test errors miss.*is known to 5 %"):
        refuse_unmet([stated(0.001), stated(0.02), stated(0.05)], 0.01)
    with pytest.raises(UnmetAccuracy, match=r"larger ridge\.d"):
        refuse_unmet([stated(0.02, d=100)], 0.01)
    # An error that nobody estimated is within no accuracy.
    with pytest.raises(UnmetAccuracy, match="at step 1 has an error that is not estimated"):
        refuse_unmet([stated(None)], 0.01)
    refuse_unmet([stated(0.02), stated(0.05)], 0.05)
    refuse_unmet([stated(0.9)], 0.0)
    refuse_unmet([stated(0.9)], None)
    assert meant(stated(0.02), accuracy=0.03).validity_note == ""
    assert meant(stated(2.0), throw=False, accuracy=0.01).validity == Validity.NONE


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("curve", []),
        ("tune", ["--over", "lam"]),
        ("samples", ["--test-error", "1.2"]),
        ("map", ["--set", "ridge.alpha=[1,2]", "--x", "ridge.alpha", "--set", "ridge.lambda=[0.1,1]", "--y", "ridge.lambda"]),
    ],
)  # fmt: skip
def test_commands_end_with_three_and_a_sentence(
    command: str, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "experiment.toml"
    file.write_text(FILE, encoding="utf-8")
    assert run([command, str(file), "--accuracy", "0.001", *options]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert "of accuracy = 0.001" in told.err


def test_beside_a_simulation_numbers_come_with_their_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "experiment.toml"
    simulation = "[simulation]\nd = 30\nreplicates = 2\ntest_samples = 200\n"
    file.write_text(FILE + simulation, encoding="utf-8")
    assert run(["curve", str(file), "--simulate", "--accuracy", "0.001"]) == 0
    assert "not to accuracy = 0.001" in capsys.readouterr().out


def test_what_is_reached_is_demanded_of_the_samples_too() -> None:
    with pytest.raises(ConvergenceError, match=r"accuracy = 0\.001"):
        samples_needed(F, NETWORK, TRAINING, Ridge(beta=2.0, lam=0.1), test_error=1.0, accuracy=0.001)


def test_the_accuracy_of_overlaps_is_that_of_integrals_and_the_rest_is_a_warning() -> None:
    (said,) = overlaps(F, NETWORK, TRAINING, accuracy=1e-3, d=100).warnings
    assert "asked of the integrals" in said
    assert "4 %" in said
    assert not overlaps(F, NETWORK, TRAINING, accuracy=1e-3).warnings
    assert not overlaps(F, NETWORK, TRAINING, d=100).warnings


def test_one_more_row_is_one() -> None:
    def row(number: float) -> dict[str, object]:
        keys = (
            "step",
            "batch_exponent",
            "alpha_train",
            "eta",
            "alpha",
            "beta",
            "lambda",
            "n",
            "n2",
            "p",
            "d",
        )
        own = dict.fromkeys(keys, 1) | {
            "test_error": 1.0,
            "train_error": 1.0,
            "solver": "x",
            "simulation": None,
        }
        return own | {"validity": "approximate", "validity_note": f"leaves out {number} %"}

    assert "(one more row with numbers of its own" in curve_text([row(1.0), row(2.0)])
    assert "(2 more rows with numbers of their own" in curve_text([row(1.0), row(2.0), row(3.0)])
