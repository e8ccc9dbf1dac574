"""``plan``: the split that it finds is the best of those nearby, and a decided winner wins in simulation too."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asymptotics import Network, Simulation, plan, risk, simulate
from asymptotics.commands.cli import run
from asymptotics.design.planning import Plan
from asymptotics.design.schedules import Schedule
from asymptotics.error_budget import ErrorBudget
from asymptotics.results import Risk
from hermite import Target
from hermite.errors import InputError

F = Target("z1 + He2(z1)/2", noise=0.1)


@pytest.fixture(scope="module")
def found() -> Plan:
    return plan(F, samples=1500, d=80, max_steps=1)


def test_a_schedule_spends_the_budget_and_its_error_is_that_of_risk(found: Plan) -> None:
    assert [one.steps for one in found.schedules] == [1, 0]
    for one in found.schedules:
        assert one.samples <= 1500
        assert one.p <= 4 * 80
        # What the level leaves out is measured after steps, whatever is expected of it.
        again = risk(F, Network(), one.training, one.ridge, accuracy=0.03 if one.steps else None)
        assert one.test_error == pytest.approx(again.test_error, rel=1e-9)
        assert one.training.n(80) == (one.n or one.training.n(80))
        assert one.ridge.n2(80) == one.n2
        assert one.ridge.p(80) == one.p


@pytest.mark.parametrize("setting", ["eta", "lam", "split"])
@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_no_neighbour_is_better(setting: str, factor: float, found: Plan) -> None:
    """As it is told, measured; the search is made at the level that measures nothing, and may miss 1/200 of a flat minimum."""
    best = found.best
    training, ridge = best.training, best.ridge
    if setting == "eta":
        training = replace(training, eta=training.eta * factor)
    elif setting == "lam":
        ridge = replace(ridge, lam=ridge.lam * factor)
    else:
        n = round(int(best.n or 0) * (1 + (factor - 1) / 2))
        training, ridge = replace(training, alpha=n / 80), replace(ridge, alpha=(1500 - n) / 80)
    here, there = (
        risk(F, Network(), *settings, accuracy=0.03)
        for settings in ((best.training, best.ridge), (training, ridge))
    )
    assert at_most(there) > at_most(here) * (1 - 5e-3)


def at_most(found: Risk) -> float:
    """The prediction with its stated error: what schedules are compared by."""
    return found.test_error * (1 + float(found.error.total or 0.0))


def test_what_is_known_less_well_does_not_win_by_a_hair(found: Plan) -> None:
    """The least of many predictions errs to the good side: they are compared with their errors added."""
    assert [one.at_most for one in found.schedules] == sorted(one.at_most for one in found.schedules)
    best = found.best
    assert best.at_most == pytest.approx(at_most(best.risk))
    vague = replace(
        best, risk=replace(best.risk, test_error=0.999 * best.test_error, error=ErrorBudget(0.0, 0.0, 0.5))
    )
    told = replace(found, schedules=tuple(sorted((vague, best), key=lambda one: one.at_most)))
    assert told.best is best
    assert told.decided is False
    assert "undecided" in repr(told)


def measured(f: Target, one: Schedule) -> tuple[float, float]:
    """Mean test error of the real network and its standard error."""
    setting = Simulation(d=one.d, replicates=24, test_samples=4000, seed=3)
    (found,) = simulate(f, Network(), one.training, one.ridge, setting, steps=(one.steps,)).risks
    return found.test_error, float(found.test_error_sem or np.inf)


@pytest.mark.parametrize(
    ("text", "noise", "samples"), [("z1 + He2(z1)/2", 0.1, 1500), ("z1 + z1*z2", 0.1, 1500), ("z1", 1.0, 300)]
)
def test_a_decided_winner_beats_the_runner_up_in_simulation(text: str, noise: float, samples: int) -> None:
    f = Target(text, noise=noise)
    told = plan(f, samples=samples, d=80, max_steps=1)
    assert told.runner_up is not None
    results = [(one, *measured(f, one)) for one in (told.best, told.runner_up)]
    for one, mean, sem in results:
        assert abs(mean - one.test_error) < one.test_error * float(one.error.total or 0.0) + 4 * sem
    # What is told is what was measured, also at large rates, where the level of the search is too good to be true.
    accuracy = 0.03 if told.best.steps else None
    again = risk(f, Network(), told.best.training, told.best.ridge, accuracy=accuracy)
    assert told.best.test_error == pytest.approx(again.test_error, rel=1e-6)
    assert told.best.error.total == pytest.approx(again.error.total, rel=1e-3)
    if told.decided:
        (_, best, first), (_, second, other) = results
        assert (second - best) / np.hypot(first, other) > 3


def test_what_one_more_step_would_bring_is_told(found: Plan) -> None:
    assert found.one_more is None
    told = plan("z1", samples=200, d=60, max_steps=1, max_width=100)
    assert told.best.steps in (0, 1)
    if told.best.steps == 0:
        assert told.one_more is told.runner_up


def test_a_budget_for_few_steps_says_why_there_are_no_more() -> None:
    told = plan("z1", samples=50, d=60, max_steps=1, max_width=60)
    assert [one.steps for one in told.schedules] == [0]
    assert told.reasons == (("1 giant step", "50 samples are fewer than 30 for the step and the fit."),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("z1*z2", "training.batch_exponent = 2"),
        ("He3(z1)", "leap 3: steps of n = Θ(d) samples learn nothing of it."),
        ("3", "no direction of the target is known to be learned"),
    ],
)
def test_steps_that_learn_nothing_as_d_grows_are_not_planned(text: str, words: str) -> None:
    told = plan(text, samples=500, d=40, max_steps=2, max_width=80)
    assert [one.steps for one in told.schedules] == [0]
    assert words in dict(told.reasons)["giant steps"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"samples": 10, "d": 100}, "samples must be a whole number from 30"),
        ({"samples": 1000.0, "d": 100}, "samples must be"),
        ({"samples": 1000, "d": 1}, "d must be a whole number from 2"),
        ({"samples": 1000, "d": 100, "max_steps": 11}, "max_steps must be a whole number from 0 to 10"),
        ({"samples": 1000, "d": 100, "max_width": 4}, "max_width must be a whole number from 10"),
    ],
)
def test_a_budget_that_no_theory_is_about_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        plan("z1 + z2", **settings)


def test_the_command_prints_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["plan", "z1", "--samples", "600", "--d", "60", "--max-steps", "0"]
    assert run([*options, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document.pop("provenance")["options"] == {"expr": "z1", "samples": 600, "d": 60, "max-steps": 0}
    assert document == json.loads(json.dumps(plan("z1", samples=600, d=60, max_steps=0).to_dict()))
    assert document["runner_up"] is None
    assert document["decided"] is None
    assert run(options) == 0
    assert "Best: 0 giant steps." in capsys.readouterr().out
    assert run(["plan", "z1", "--samples", "5", "--d", "60"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "samples must be" in captured.err
