"""Curves join theory and simulation point by point; overlaps do the same over the steps."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asymptotics import Experiment, Ridge, Training
from asymptotics.comparison import curves, trajectories
from asymptotics.comparison.curves import COLUMNS, SIMULATED, curve_rows, to_csv
from asymptotics.results import Overlaps, Risk, StepOverlaps
from hermite.errors import InputError

TEXT = """
[target]
expression = "z1 + z1*z2"
[training]
steps = [0, 1, 2]
eta = [1.0, 2.0]
[ridge]
alpha = [1.0, 2.0]
lambda = [0.1, 0.01]
[simulation]
d = [16, 32]
"""


def predicted(experiment: Experiment, training: Training, ridge: Ridge, _accuracy: object = None) -> Risk:
    """A stand-in for the theory that returns its own arguments."""
    if training.steps == 2:
        raise InputError("No law after 2 steps.")
    error = training.eta + 10 * ridge.alpha + 100 * ridge.lam
    d = ridge.d
    return Risk(
        error, error / 2, error, step=training.steps, n=d and training.n(d), n2=d and ridge.n2(d), d=d
    )


def measured(experiment: Experiment, unit: Any) -> dict[tuple[Training, Ridge], Risk]:
    found = {}
    for step in unit.steps:
        for lam in unit.lambdas:
            training, ridge = replace(unit.training, steps=step), replace(unit.ridge, lam=lam)
            sem = {"test_error_sem": 0.1, "train_error_sem": 0.2, "replicates": 5}
            found[training, ridge] = Risk(1.0, 0.5, 1.0, step=step, n2=7, p=8, d=unit.simulation.d, **sem)  # type: ignore[arg-type]
    return found


@pytest.fixture
def experiment(monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.setattr(curves, "theory", predicted)
    monkeypatch.setattr(
        curves, "theory_along", lambda e, t, ridges, _=None: (predicted(e, t, r) for r in ridges)
    )
    monkeypatch.setattr(curves, "simulated_risks", measured)
    return Experiment.from_toml(TEXT)


def test_without_simulation_a_point_that_no_solver_covers_is_refused(experiment: Experiment) -> None:
    with pytest.raises(InputError, match="No law"):
        curve_rows(experiment)


def test_rows_have_the_documented_keys_and_collapse_at_step_zero(experiment: Experiment) -> None:
    short = replace(experiment, trainings=tuple(t for t in experiment.trainings if t.steps < 2))
    rows = curve_rows(short)
    assert all(list(row) == [*COLUMNS, "error", "simulation"] for row in rows)
    start = [row for row in rows if row["step"] == 0]
    assert len(start) == 4
    assert all(row["alpha_train"] is row["eta"] is row["n"] is None for row in start)
    assert len([row for row in rows if row["step"] == 1]) == 8
    assert all(row["simulation"] is None and row["d"] is None for row in rows)


def test_theory_stands_beside_the_simulation_at_its_d(experiment: Experiment) -> None:
    rows = curve_rows(experiment, simulate=True)
    assert len(rows) == 2 * 4 + 2 * 8 + 2 * 8
    for row in rows:
        assert row["d"] == row["simulation"]["d"]
        assert list(row["simulation"]) == list(SIMULATED)
        if row["step"] < 2:
            assert row["test_error"] == (row["eta"] or 1.0) + 10 * row["alpha"] + 100 * row["lambda"]
            assert row["n2"] == round(row["alpha"] * row["d"])
        else:
            assert row["test_error"] is None
            assert row["validity_note"] == "No law after 2 steps."
    assert {row["d"] for row in rows} == {16, 32}


def test_rows_are_json_and_csv(experiment: Experiment) -> None:
    rows = curve_rows(experiment, simulate=True)
    json.dumps(rows, allow_nan=False)
    read = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert len(read) == len(rows)
    assert list(read[0]) == ["kind", *COLUMNS, "error", *(f"simulation_{key}" for key in SIMULATED)]
    assert float(read[-1]["simulation_test_error_sem"]) == 0.1
    assert read[0]["eta"] == ""


def test_kernel_ridge_has_a_beta_that_json_can_hold(experiment: Experiment) -> None:
    kernel = replace(experiment, trainings=(Training(steps=0),), ridges=(Ridge(beta=math.inf),))
    assert [row["beta"] for row in curve_rows(kernel)] == [float("inf")]


def some_overlaps(d: int | None = None) -> Overlaps:
    sem = None if d is None else np.full((2, 2), 0.1)
    extra = {} if d is None else {"norm2_sem": np.zeros(2), "risk_sem": 0.1}
    steps = tuple(
        StepOverlaps(
            t,
            np.array([1.0, -1]),
            np.full(2, 0.5),
            np.eye(2) * t,
            np.eye(2),
            np.ones(2),
            1.0,
            M_sem=sem,
            **extra,
        )  # type: ignore[arg-type]
        for t in range(3)
    )
    sizes = {} if d is None else {"replicates": 5, "d": d, "p": 8}
    return Overlaps("many neurons", steps, warnings=("mind",), **sizes)  # type: ignore[arg-type]


def test_overlaps_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trajectories, "predict", lambda *_, **__: some_overlaps())
    monkeypatch.setattr(trajectories, "measure", lambda _e, _t, simulation: some_overlaps(simulation.d))
    experiment = Experiment.from_toml(TEXT)
    plain = trajectories.runs(experiment, simulate=False, progress=curves.silent)
    assert [run.training.eta for run in plain] == [1.0, 2.0]
    assert plain[0].to_dict()["steps"][2]["simulation"] is None
    both = trajectories.runs(experiment, simulate=True, progress=curves.silent)
    assert [(run.training.eta, run.simulation.d) for run in both if run.simulation] == [
        (1.0, 16),
        (1.0, 32),
        (2.0, 16),
        (2.0, 32),
    ]
    documents = [run.to_dict() for run in both]
    step = documents[0]["steps"][1]
    assert step["simulation"]["neurons"][0]["M_sem"] == [0.1, 0.1]
    assert {k: step["simulation"][k] for k in ("risk", "risk_sem", "replicates", "d", "p")} == {
        "risk": 1.0,
        "risk_sem": 0.1,
        "replicates": 5,
        "d": 16,
        "p": 8,
    }
    for docs, filled in ((documents, True), ([run.to_dict() for run in plain], False)):
        read = list(csv.DictReader(io.StringIO(trajectories.to_csv(docs))))
        assert len(read) == len(docs) * 3 * 2
        assert bool(read[-1]["simulation_M_1_sem"]) is filled
        assert read[-1]["M_2"] == "2.0"
        assert bool(read[-1]["simulation_d"]) is filled
