"""Units of work: one replicate of one cell, what names it, what it computes, what is left of it.

The key of a unit is the hash of everything that decides its numbers. Steps and penalties are not part of it: they are
points on one trajectory, and each of them is the same to the last bit whatever the others are.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from asymptotics.blas import blas_threads
from asymptotics.experiment.grid import Experiment, Unit
from asymptotics.floating import own_floating_state
from asymptotics.simulation.job import Job, spelling_of
from asymptotics.simulation.summaries import points_of
from asymptotics.sweeps.store import Point, Store, canonical, content_key
from asymptotics.sweeps.store_file import refuse
from asymptotics.sweeps.stored_values import Misshapen, check_alike, check_unit
from hermite.errors import InputError


@dataclass(frozen=True)
class Task:
    """One replicate of one cell."""

    job: Job
    replicate: int

    @property
    def content(self) -> str:
        """Canonical JSON of everything that decides the numbers of this unit."""
        head, tail = frame_of(self.job)
        return f"{head}{self.replicate}{tail}"

    @cached_property
    def key(self) -> str:
        """The key of the unit in a store."""
        return content_key(self.content)

    @property
    def points(self) -> list[Point]:
        """The (step, lambda) that are asked for."""
        job = self.job
        if job.ridge is None:
            return [(step, None) for step in job.reported]
        return [(step, lam) for step in job.steps for lam in job.lambdas]

    def without(self, stored: set[Point]) -> Task | None:
        """The task that computes what is not stored yet; None if nothing is missing.

        The points of a grid of steps and penalties that holds every missing one; those computed twice are equal.
        """
        missing = [point for point in self.points if point not in stored]
        if not missing or self.job.ridge is None:
            return self if missing else None
        steps = tuple(step for step in self.job.steps if any(step == s for s, _ in missing))
        lambdas = tuple(lam for lam in self.job.lambdas if any(lam == m for _, m in missing))
        return Task(replace(self.job, steps=steps, lambdas=lambdas), self.replicate)

    @property
    def cell(self) -> dict[str, object]:
        """The settings of this unit as columns of the table."""
        job = self.job
        t, s, ridge = job.training, job.simulation, job.ridge
        # Units of giant steps are named as they were before there were others.
        protocol = {} if t.protocol == "giant" else {"protocol": t.protocol}
        return protocol | {
            "target": job.f.text,
            "noise": job.f.noise,
            "activation": str(job.network.activation),
            "method": s.method,
            "d": s.d,
            "p": job.width,
            "batch_exponent": t.batch_exponent,
            "alpha_train": t.alpha,
            "eta": t.eta,
            "n": t.n(s.d),
            "alpha": None if ridge is None else ridge.alpha,
            "beta": None if ridge is None else ridge.beta,
            "n2": None if ridge is None else ridge.n2(s.d),
            "seed": s.seed,
            "replicate": self.replicate,
        }


@dataclass(frozen=True)
class Outcome:
    """What a worker sends back."""

    points: tuple[tuple[int, float | None, Mapping[str, Any]], ...]
    seconds: float
    host: str
    version: str


@own_floating_state
def run_task(task: Task) -> Outcome:
    """The work itself, wherever it runs; BLAS has as many threads as the simulation says."""
    import platform

    from asymptotics.version import __version__

    start = time.perf_counter()
    with blas_threads(task.job.simulation.threads):
        points = tuple(points_of(task.job, task.job.run(task.replicate)))
    return Outcome(points, time.perf_counter() - start, platform.node(), __version__)


def frame_of(job: Job) -> tuple[str, str]:
    """Canonical JSON of a job's units, around the number of the replicate."""
    head, _, tail = canonical(job.identity | {"replicate": 0}).rpartition('"replicate":0')
    return f'{head}"replicate":', tail


def job_of(experiment: Experiment, unit: Unit) -> Job:
    """One cell of the sweep; without a ridge table the overlaps at steps 0..T are measured.

    Raises ``InputError`` for sizes that make no network.
    """
    job = Job(
        experiment.target,
        experiment.network,
        unit.training,
        unit.ridge if experiment.has_ridge else None,
        unit.simulation,
        tuple(sorted(unit.steps)),
        unit.lambdas if experiment.has_ridge else (),
        spelling_of(experiment.target, experiment.network),
        experiment.inputs,
    )
    _ = job.training.n(job.simulation.d), job.ridge and job.ridge.n2(job.simulation.d)
    return job


def jobs_of(experiment: Experiment, units: Iterable[Unit] | None = None) -> list[Job]:
    """The cells of the sweep, or those of ``units``; raises ``InputError`` with every problem at once."""
    jobs: dict[object, Job] = {}
    problems: dict[str, None] = {}
    for unit in experiment.units() if units is None else units:
        try:
            jobs.setdefault((unit.training, unit.ridge, unit.simulation), job_of(experiment, unit))
        except InputError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise InputError(list(problems))
    return list(jobs.values())


def tasks_of(experiment: Experiment) -> list[Task]:
    """Every unit of work of the experiment, replicate by replicate.

    Raises ``InputError`` with every problem at once.
    """
    jobs = jobs_of(experiment)
    most = max(job.simulation.replicates for job in jobs)
    return [
        Task(job, replicate)
        for replicate in range(most)
        for job in jobs
        if replicate < job.simulation.replicates
    ]


def as_stored(
    tasks: Iterable[Task], spellings: Iterable[tuple[str, str]], stored: Collection[str]
) -> Iterator[Task]:
    """The tasks, each under the name by which a store has it already, if it has.

    Earlier versions named a unit by the text of the target as it was typed; ``spellings`` are the names of target and
    activation in the store, ``stored`` the keys.
    """
    others: dict[tuple[str, str], list[tuple[str, str]]] = {}
    known = list(spellings)
    for task in tasks:
        mine = task.job.spelling or spelling_of(task.job.f, task.job.network)
        if mine not in others:
            others[mine] = [other for other in known if other != mine and _same(task.job, other)]
        if others[mine] and task.key not in stored:
            for other in others[mine]:
                named = replace(task, job=replace(task.job, spelling=other))
                if named.key in stored:
                    task = named
                    break
        yield task


def _same(job: Job, spelling: tuple[str, str]) -> bool:
    """Whether these names mean the target and the activation of ``job``."""
    from hermite.target import Target

    if not job.f.is_symbolic:
        return False
    try:
        target = Target(spelling[0], job.f.variables, job.f.gram, job.f.noise, job.f.labels)
        network = replace(job.network, activation=spelling[1])
        return spelling_of(target, network) == spelling_of(job.f, job.network)
    except InputError:
        return False


def rows_of(store: Store, tasks: Iterable[Task]) -> list[dict[str, Any]]:
    """What ``store`` holds of these units, sorted by key, step and lambda; each row checked against its unit.

    Raises ``InputError`` for rows that are none of their unit: a store made by hand, or damaged.
    """
    by_key = {task.key: task for task in tasks}
    cells = {key: task.cell for key, task in by_key.items()}
    rows = store.rows({key: task.points for key, task in by_key.items()})
    alike: dict[Any, list[dict[str, Any]]] = {}
    try:
        for row in rows:
            job = by_key[row["key"]].job
            check_unit(row, cells[row["key"]], job.f.r, job.f.has_classes)
            alike.setdefault((id(job), row["step"], row["lambda"]), []).append(row)
        for group in alike.values():
            check_alike(group)
    except Misshapen as error:
        refuse(store.path, sqlite3.DatabaseError(str(error)))
    return rows


def missing(tasks: Iterable[Task], stored: Mapping[str, set[Point]]) -> list[Task]:
    """What is left to compute."""
    left = (task.without(stored.get(task.key, set())) for task in tasks)
    return [task for task in left if task is not None]
