"""What a store holds of an experiment, as the measurements that theory is compared with.

Only units of the experiment count, recognised by the key of their content; a unit that is missing, or a replicate,
is left out: the averages rest on what is there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from asymptotics.comparison.joined import Measured, MeasuredOverlaps, MeasuredRisk
from asymptotics.error_budget import Validity
from asymptotics.experiment.grid import Experiment
from asymptotics.learning.given_directions import lengths_of
from asymptotics.results import Overlaps, StepOverlaps
from asymptotics.simulation.averages import mean_and_error
from asymptotics.simulation.job import Job
from asymptotics.simulation.summaries import mean_risk
from asymptotics.sweeps.store import Store
from asymptotics.sweeps.tasks import as_stored, rows_of, tasks_of
from hermite.errors import InputError

Rows = Sequence[Mapping[str, Any]]


def is_store(path: str | Path) -> bool:
    """Whether a file is a SQLite database (which a store is, and an experiment file is not)."""
    place = Path(path)
    if not place.is_file():
        return False
    with place.open("rb") as stream:
        return stream.read(16) == b"SQLite format 3\x00"


def experiment_of(store: Store) -> tuple[Experiment, str]:
    """The experiment of the latest run, and its settings as text; raises ``InputError`` if there was no run."""
    runs = store.runs()
    if not runs:
        raise InputError(f"The store {str(store.path)!r} holds no run yet.")
    config = runs[-1]["config"]
    return Experiment.from_dict(config), json.dumps(config, indent=2, ensure_ascii=False)


def measured_in(store: Store, experiment: Experiment) -> list[Measured]:
    """What ``store`` holds of ``experiment``: means over the stored replicates.

    Raises ``InputError`` if it holds nothing of it.
    """
    cells: dict[str, tuple[Job, set[str]]] = {}
    tasks = list(as_stored(tasks_of(experiment), store.spellings(), store.points()))
    for task in tasks:
        name = json.dumps({k: v for k, v in task.cell.items() if k != "replicate"}, sort_keys=True)
        cells.setdefault(name, (task.job, set()))[1].add(task.key)
    rows = rows_of(store, tasks)
    found: list[Measured] = []
    for job, keys in cells.values():
        mine = [row for row in rows if row["key"] in keys]
        if mine:
            found += _overlaps(job, mine) if job.ridge is None else _risks(job, mine)
    if not found:
        raise InputError(f"The store {str(store.path)!r} holds nothing of this experiment.")
    return _without_repetition(found)


def _without_repetition(found: Sequence[Measured]) -> list[Measured]:
    """At step 0 nothing was trained: the same point of different trainings counts once."""
    points: dict[object, Measured] = {}
    for i, one in enumerate(found):
        if isinstance(one, MeasuredRisk) and one.training.steps == 0:
            points.setdefault((one.ridge, one.simulation), one)
        else:
            points[i] = one
    return list(points.values())


#: What is averaged over replicates.
ERRORS = ("test_error", "train_error", "classification_error", "test_loss", "train_loss")


def _risks(job: Job, rows: Rows) -> list[Measured]:
    assert job.ridge is not None
    found: list[Measured] = []
    for step in job.steps:
        for lam in job.lambdas:
            here = _replicates(rows, step, lam)
            if not here:
                continue
            training, ridge = replace(job.training, steps=step), replace(job.ridge, lam=lam)
            simulation = replace(job.simulation, replicates=len(here))
            runs = {key: np.array([row[key] for row in here]) for key in ERRORS if key in here[0]}
            risk = mean_risk(job, step, lam, runs)
            found.append(MeasuredRisk(training, ridge, simulation, risk))
    return found


def _overlaps(job: Job, rows: Rows) -> list[Measured]:
    steps = [
        replace(_step(step, here), lengths=lengths_of(job.f, job.inputs))
        for step in job.reported
        if (here := _replicates(rows, step, None))
    ]
    if len(steps) < len(job.reported):
        return []
    count = len(_replicates(rows, 0, None))
    d = job.simulation.d
    overlaps = Overlaps(
        regime=f"{job.simulation.method} simulation",
        steps=tuple(steps),
        validity=Validity.SIMULATION,
        replicates=count,
        d=d,
        p=job.width,
        n=job.training.n(d),
    )
    return [MeasuredOverlaps(job.training, replace(job.simulation, replicates=count), overlaps)]


def _replicates(rows: Rows, step: int, lam: float | None) -> Rows:
    """The rows of one point, in the order of the replicates."""
    here = [row for row in rows if row["step"] == step and row["lambda"] == lam]
    return sorted(here, key=lambda row: row["replicate"])


def _step(step: int, rows: Rows) -> StepOverlaps:
    """Means over replicates; the overlaps of neurons with each other are not stored."""
    neurons = [row["neurons"] for row in rows]
    trained = (
        {"train_error": np.array([row["train_error"] for row in rows])} if "train_error" in rows[0] else {}
    )
    runs = {
        "risk": np.array([row["risk"] for row in rows]),
        "norm2": np.array([[entry["norm2"] for entry in run] for run in neurons]),
        "M": np.array([[entry["M"] for entry in run] for run in neurons]),
    } | trained
    m, m_sem = mean_and_error(runs["M"])
    norm2, norm2_sem = mean_and_error(runs["norm2"])
    risk, risk_sem = mean_and_error(runs["risk"])
    train, train_sem = mean_and_error(trained["train_error"]) if trained else (None, None)
    return StepOverlaps(
        step=step,
        readout=np.array([entry["readout"] for entry in neurons[0]]),
        weight=np.array([entry["weight"] for entry in neurons[0]]),
        M=m,
        Q=np.full((len(norm2), len(norm2)), np.nan),
        norm2=norm2,
        risk=float(risk),
        M_sem=m_sem,
        norm2_sem=norm2_sem,
        risk_sem=None if risk_sem is None else float(risk_sem),
        train_error=None if train is None else float(train),
        train_error_sem=None if train_sem is None else float(train_sem),
        runs=runs,
    )
