"""An error as large as the number is no prediction: refused, or a row without numbers, everywhere alike."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training, overlaps, risk, samples_needed
from asymptotics.commands.cli import run
from asymptotics.comparison.curves import curve_rows
from asymptotics.error_budget import ErrorBudget, Validity
from asymptotics.experiment.grid import Experiment
from asymptotics.generalisation.meaning import NoPrediction, meant, within_meaning
from asymptotics.results import Risk
from asymptotics.text.prediction_tables import curve_text
from asymptotics.text.tables import footnotes, sure
from hermite import Target
from hermite.errors import ConvergenceError, InputError

#: Training that diverges: the weights grow to 10^7 in three steps.
F, NETWORK = Target("z1 + He2(z1)"), Network("x + He2(x)/2", initialisation="independent")
DIVERGES, RIDGE = Training(steps=3, alpha=1.2, eta=4.0), Ridge(0.4, 0.5, 0.1, d=250)


def test_an_error_as_large_as_the_number_is_refused_in_one_sentence() -> None:
    with pytest.raises(
        NoPrediction, match=r"no prediction at step 3: the error of the theory, .* simulate, or"
    ) as e:
        risk(F, NETWORK, DIVERGES, RIDGE, accuracy=0.0)
    assert len(e.value.problems) == 1
    assert isinstance(e.value, InputError)


def test_the_number_comes_with_its_error_and_without_validity_where_it_is_asked_for_all_the_same() -> None:
    found = risk(F, NETWORK, DIVERGES, RIDGE, accuracy=0.0, throw=False)
    assert found.validity == Validity.NONE
    assert found.error.at_least >= 1
    assert found.test_error > 0


def test_a_point_without_a_prediction_is_a_row_without_numbers_among_others() -> None:
    trainings = (replace(DIVERGES, steps=1, eta=0.5), DIVERGES)
    experiment = Experiment(F, NETWORK, trainings, (RIDGE,), has_ridge=True)
    first, second = curve_rows(experiment, accuracy=0.0)
    assert first["test_error"] > 0
    assert second["test_error"] is None
    assert second["validity"] == "none"
    assert second["error"]["total"] >= 1
    json.dumps(second, allow_nan=False)
    text = curve_text([first, second])
    assert "none: no prediction at step 3" in text
    with pytest.raises(InputError, match="no prediction at step 3"):
        curve_rows(replace(experiment, trainings=(DIVERGES,)), accuracy=0.0)


def test_arrays_have_nan_where_there_is_no_prediction_and_refuse_where_there_is_none_at_all() -> None:
    few = Ridge(1.0, 1.0, 0.1, d=60)
    found = risk(F, NETWORK, None, few, alpha=[2.0, 1 / 60])
    assert np.isfinite(found.test_error[0])
    assert np.isnan(found.test_error[1])
    with pytest.raises(NoPrediction):
        risk(F, NETWORK, None, few, alpha=[1 / 60, 1 / 60])


def test_samples_are_not_told_where_no_test_error_is() -> None:
    with pytest.raises(InputError, match="no prediction"):
        samples_needed(F, NETWORK, DIVERGES, RIDGE, test_error=1.0, accuracy=0.0)


def test_what_is_reached_already_has_an_error() -> None:
    found = samples_needed(Target("z1", noise=0.1), ridge=Ridge(beta=1.0, lam=0.1), test_error=5.0)
    assert found.reason.startswith("Reached already")
    assert found.error.total is not None


FILE = """
[target]
expression = "z1 + He2(z1)"
[network]
activation = "x + He2(x)/2"
initialisation = "independent"
[training]
steps = [3]
alpha = 1.2
eta = 4.0
[ridge]
alpha = 0.4
beta = 0.5
lambda = 0.1
d = 250
accuracy = 0
"""


def test_the_command_ends_with_two_and_the_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "diverges.toml"
    file.write_text(FILE, encoding="utf-8")
    assert run(["curve", str(file)]) == 2
    told = capsys.readouterr()
    assert "no prediction at step 3" in told.err
    assert told.out == ""


def test_overlaps_that_are_smaller_than_their_error_are_refused_and_errors_are_those_of_their_step() -> None:
    found = overlaps(F, NETWORK, DIVERGES, accuracy=0.5, throw=False)
    sizes = [step.error.quadrature for step in found.steps]
    assert sizes[1] is not None
    assert sizes[1] < 1e-6
    blown = replace(
        found, steps=(*found.steps[:-1], replace(found.steps[-1], error=ErrorBudget(2.0, 0.0, 0.0)))
    )
    from asymptotics.learning.laws import _refuse_meaningless

    with pytest.raises(ConvergenceError, match="no prediction of the overlaps at step 3"):
        _refuse_meaningless(blown, throw=True)


def test_of_a_number_as_small_as_its_error_a_bound_is_told() -> None:
    assert sure(0.001, {"total": 3.0}) == "< 0.004"
    assert footnotes([{"error": {"total": 3.0}}]) == []
    assert footnotes([{"error": {"total": 3.0}}, {"error": {"total": 0.02, "theory": 0.02}}])[0].startswith(
        "errors: up to 2 %"
    )


@pytest.mark.parametrize("part", ["quadrature", "solver"])
def test_a_budget_of_integrals_and_solver_that_is_not_met_raises_with_the_way_out(part: str) -> None:
    budget = replace(ErrorBudget(0.0, 0.0, 0.3), **{part: 0.021})
    found = Risk(2.0, 1.0, 2.0, error=budget)
    with pytest.raises(ConvergenceError, match=r"reached 2.1e-02 of it, not 1e-02.*accuracy = 3e-02"):
        meant(found)
    with pytest.raises(ConvergenceError, match="not 2e-02"):
        meant(found, accuracy=0.02)
    assert meant(found, accuracy=0.4) is found
    assert "above the accuracy asked for (0.03)" in meant(found, accuracy=0.03).validity_note
    assert meant(found, throw=False) is found
    assert meant(replace(found, error=replace(budget, **{part: 0.009}))).error.total == pytest.approx(0.309)


@pytest.mark.parametrize(("size", "none"), [(0.999, False), (1.0, True), (1e6, True)])
def test_the_limit_is_the_number_itself(size: float, none: bool) -> None:
    found = Risk(2.0, 1.0, 2.0, error=ErrorBudget(0.0, 0.0, size))
    assert (within_meaning(found).validity == Validity.NONE) == none
    if none:
        with pytest.raises(NoPrediction):
            meant(found)
    else:
        assert meant(found) is found
