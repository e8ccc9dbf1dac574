"""What the replicates of a job say together, as the same ``Overlaps`` and ``Risk`` that theory returns.

Means over replicates with the standard error of the mean (over runs, never over neurons; ``None`` for one replicate).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.error_budget import Validity
from asymptotics.json_values import plain, plain_table
from asymptotics.learning.class_labels import irreducible
from asymptotics.learning.given_directions import cosines_with_given, lengths_of
from asymptotics.results import Overlaps, Risk
from asymptotics.simulation.averages import Measured, mean_and_error, readout_groups, step_overlaps
from asymptotics.simulation.job import Job
from asymptotics.simulation.protocols import PROTOCOL_STEPS
from asymptotics.simulation.ridge_fit import Fit
from hermite.frozen import Frozen
from hermite.target import Target

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class SimulationResult(Frozen):
    """Overlaps (without a ridge) or risks (with one), means over ``replicates`` finished runs.

    ``interrupted``: Ctrl-C ended the work early; what is here rests on the replicates that were finished.
    """

    overlaps: Overlaps | None
    risks: tuple[Risk, ...]
    replicates: int
    interrupted: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain data: ``overlaps`` (or null), ``risks``, ``replicates``, ``interrupted``."""
        return plain_table(
            {
                "overlaps": None if self.overlaps is None else self.overlaps.to_dict(),
                "risks": [risk.to_dict() for risk in self.risks],
                "replicates": self.replicates,
                "interrupted": self.interrupted,
            }
        )


def points_of(job: Job, record: list[Any]) -> Iterator[tuple[int, float | None, dict[str, Any]]]:
    """(step, lambda, results) of one replicate, plain numbers; without a ridge lambda is None."""
    if job.ridge is None:
        readout = job.network.finite_readout(job.width)
        groups, grouped = _groups(job, readout)
        for step, run in zip(job.reported, record, strict=True):
            found = step_overlaps(step, [run], readout, groups, grouped).to_dict()
            kept = ("risk", "neurons", "train_error")
            yield step, None, {key: found[key] for key in kept if key in found}
        return
    for step, fit in zip(job.steps, record, strict=True):
        for j, (lam, test, train) in enumerate(
            zip(job.lambdas, fit.test_error, fit.train_error, strict=True)
        ):
            errors = {"test_error": test, "train_error": train, "excess_risk": test - irreducible(job.f)}
            yield step, lam, plain(errors | {name: values[j] for name, values in fit.classes.items()})


def _groups(job: Job, readout: Array) -> tuple[list[Array], bool]:
    """The entries that overlaps are averaged over: groups of equal readout for many neurons, else neurons."""
    grouped = job.network.width == "infinite"
    return readout_groups(readout) if grouped else [np.array([i]) for i in range(len(readout))], grouped


def summary(job: Job, records: list[list[Any]], interrupted: bool) -> SimulationResult:
    """Means and standard errors over the finished replicates."""
    if job.ridge is None:
        return SimulationResult(_overlaps(job, records), (), len(records), interrupted)
    return SimulationResult(None, tuple(_risks(job, records)), len(records), interrupted)


def _risks(job: Job, records: list[list[Fit]]) -> Iterator[Risk]:
    for i, step in enumerate(job.steps):
        test = np.stack([record[i].test_error for record in records])
        train = np.stack([record[i].train_error for record in records])
        for j, lam in enumerate(job.lambdas):
            classes = {
                name: np.array([record[i].classes[name][j] for record in records])
                for name in records[0][i].classes
            }
            yield mean_risk(job, step, lam, {"test_error": test[:, j], "train_error": train[:, j]} | classes)


def mean_risk(job: Job, step: int, lam: float, runs: dict[str, Array]) -> Risk:
    """Means over replicates of the errors of one point; ``runs`` holds the errors of each of them, by name."""
    assert job.ridge is not None
    d = job.simulation.d
    found: dict[str, Any] = {}
    for name, values in runs.items():
        mean, sem = mean_and_error(values)
        found |= {name: float(mean), f"{name}_sem": None if sem is None else float(sem)}
    return Risk(
        **found,
        excess_risk=found["test_error"] - irreducible(job.f),
        step=step,
        alpha=job.ridge.alpha,
        beta=job.ridge.beta,
        lam=lam,
        n=job.training.n(d) if step else None,
        n2=job.ridge.n2(d),
        p=job.width,
        d=d,
        solver=f"{job.simulation.method} simulation",
        validity=Validity.SIMULATION,
        replicates=len(runs["test_error"]),
        runs=runs,
    )


def _clocks(job: Job, step: int) -> dict[str, Any]:
    """``samples`` and ``time`` of a step of online SGD."""
    return PROTOCOL_STEPS[job.training.protocol].clocks(job.setting, step)


def _overlaps(job: Job, records: list[list[Measured]]) -> Overlaps:
    readout = job.network.finite_readout(job.width)
    groups, grouped = _groups(job, readout)
    steps = [
        replace(
            step_overlaps(step, [record[t] for record in records], readout, groups, grouped),
            lengths=lengths_of(job.f, job.inputs),
            **_clocks(job, step),
        )
        for t, step in enumerate(job.reported)
    ]
    d = job.simulation.d
    return Overlaps(
        regime=f"{job.simulation.method} simulation",
        steps=tuple(steps),
        validity="simulation",
        replicates=len(records),
        d=d,
        p=job.width,
        n=job.training.n(d),
        samples=tuple(_cosines(job.f, [record[t] for record in records]) for t in range(len(records[0]))),
    )


def _cosines(f: Target, runs: list[Measured], limit: int = 4096) -> Array:
    """cos(w_i, w*_k) of single neurons, (replicates, p, r), at most ``limit`` neurons a run."""
    return np.stack([cosines_with_given(f, run[0][:limit], np.sqrt(np.diag(run[1])[:limit])) for run in runs])
