"""An accuracy is demanded of integrals and solver; where what the theory leaves out misses it, every answer says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymptotics import Network, Ridge, Training, overlaps, risk
from asymptotics.commands.cli import run
from asymptotics.error_budget import ErrorBudget, Validity
from asymptotics.generalisation.meaning import meant
from asymptotics.results import Risk
from asymptotics.text.prediction_tables import curve_text
from hermite import Target

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
def test_a_stated_error_above_the_accuracy_is_said_to_be_by_every_theory(
    setting, asked: float | None
) -> None:
    told = risk(F, *setting, accuracy=asked)
    assert told.error.total is not None
    assert told.error.total > (asked or 0.003)
    assert "most of it what the theory leaves out" in told.validity_note
    assert f"above the accuracy asked for ({asked or 0.003:g})" in told.validity_note
    without = (*setting[:2], Ridge(2.0, 1.0, 0.1, setting[2].d, setting[2].regime, setting[2].level))
    assert "accuracy asked for" not in risk(F, *without, accuracy=0).validity_note


def test_an_accuracy_that_is_met_is_not_mentioned() -> None:
    found = risk(F, NETWORK, TRAINING, Ridge(2.0, 1.0, 0.1, d=100), accuracy=0.3)
    assert found.error.total is not None
    assert found.error.total <= 0.3
    assert "accuracy asked for" not in found.validity_note


def test_an_exact_prediction_meets_any_accuracy_and_says_nothing_of_it() -> None:
    found = risk(F, NETWORK, None, Ridge(2.0, 1.0, 0.1), accuracy=1e-6)
    assert found.validity == "exact"
    assert found.validity_note == risk(F, NETWORK, None, Ridge(2.0, 1.0, 0.1)).validity_note


def test_the_largest_part_is_named_and_an_unknown_one_too() -> None:
    for found, said in (
        (
            stated(0.02, d=100),
            r"a stated error of 2 % (most of it what the theory leaves out), above the accuracy asked for (0.01)",
        ),
        (
            stated(0.001, solver=0.0099),
            r"a stated error of 1.1 % (most of it its solver), above the accuracy asked for (0.01)",
        ),
        (stated(None), "not estimated: it may be above the accuracy asked for (0.01)"),
    ):
        assert said in meant(found, accuracy=0.01).validity_note
        assert meant(found).validity_note == meant(found, accuracy=0.0).validity_note == ""
    assert meant(stated(0.02), accuracy=0.03).validity_note == ""
    assert meant(stated(2.0), throw=False, accuracy=0.01).validity == Validity.NONE


@pytest.mark.parametrize(
    ("command", "options", "said"),
    [
        ("curve", [], "above the accuracy asked for (0.001)"),
        ("tune", ["--over", "lam"], "errors: up to 1"),
        ("samples", ["--test-error", "1.2"], "errors: up to 1"),
    ],
)
def test_commands_tell_how_far_an_accuracy_is_missed(
    command: str, options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "experiment.toml"
    file.write_text(FILE, encoding="utf-8")
    assert run([command, str(file), "--accuracy", "0.001", *options]) == 0
    assert said in " ".join(capsys.readouterr().out.split())


def test_beside_a_simulation_numbers_come_with_their_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "experiment.toml"
    simulation = "[simulation]\nd = 30\nreplicates = 2\ntest_samples = 200\n"
    file.write_text(FILE + simulation, encoding="utf-8")
    assert run(["curve", str(file), "--simulate", "--accuracy", "0.001"]) == 0
    assert "above the accuracy asked for (0.001)" in " ".join(capsys.readouterr().out.split())


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
