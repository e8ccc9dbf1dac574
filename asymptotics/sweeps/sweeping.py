"""sweep(): every unit of an experiment, computed once, stored at once, resumed by default.

A *unit of work* is one replicate of one cell (target, network, training alpha and eta, ridge alpha and beta, d); its
steps and penalties share one trajectory. Its numbers depend on its content and replicate alone, so that any order,
number of workers or restart gives the same table, bit for bit, on one machine. Replicates go first to last over all
cells: a sweep that is stopped early has something of every cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from asymptotics.blas import cores, fewer_threads
from asymptotics.experiment.columns import ordered, untrained_is_null
from asymptotics.experiment.grid import MOST_UNITS, Experiment, Units, check_units
from asymptotics.experiment.points import narrowed, values
from asymptotics.floating import own_floating_state
from asymptotics.simulation.job import Job
from asymptotics.simulation.seeds import unit_entropy
from asymptotics.sweeps.cluster import check_address
from asymptotics.sweeps.costs import NOMINAL, Estimate, calibrate, crowd, estimate, work_of
from asymptotics.sweeps.interrupts import unbroken
from asymptotics.sweeps.meter import Meter
from asymptotics.sweeps.provenance import config_of, machine
from asymptotics.sweeps.store import Point, Record, Store, content_key
from asymptotics.sweeps.store_file import resolved
from asymptotics.sweeps.sweep_result import SweepResult
from asymptotics.sweeps.tasks import (
    Outcome,
    Task,
    as_stored,
    frame_of,
    jobs_of,
    missing,
    rows_of,
    run_task,
    tasks_of,
)
from asymptotics.sweeps.workers import complete, open_pool, possible_workers
from hermite.errors import InputError

Progress = Callable[[str], None]
#: A sweep shorter than this is not worth a calibration.
_SHORT = 5.0
#: Cells that stand for all of a sweep that is too large to be run unless it is forced.
_SAMPLE = 1000


@own_floating_state
def sweep(
    experiment: Experiment,
    store: str | Path | Store | None = None,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    resume: bool = True,
    force: bool = False,
    progress: Progress | None = None,
) -> SweepResult:
    """Run every unit of ``experiment`` that ``store`` does not hold yet; returns the whole table.

    Parameters
    ----------
    store
        A file (made if missing), an open ``Store``, or None: in memory only.
    workers, scheduler
        Processes on this machine (no more than it has cores; one in a process that may have no children), or the
        address of a Dask scheduler (``"local"``: Dask processes here).
    resume
        False: compute every unit again and replace what is stored.
    force
        Run a sweep of more than a million units, too.
    progress
        Called with a line of text now and then.

    Raises ``InputError`` for a store that cannot be used (see ``Store``) and for units that failed, after all others are
    done and stored. Ctrl-C ends the commit in progress and is raised again; call again to resume.

    >>> table = {"target": {"expression": "z1"}, "ridge": {"lambda": [0.1, 1.0]}}
    >>> table["simulation"] = {"d": 10, "replicates": 2, "test_samples": 100}
    >>> [(row["step"], row["lambda"]) for row in sweep(Experiment.from_dict(table)).rows]
    [(1, 0.1), (1, 1.0), (1, 0.1), (1, 1.0)]
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise InputError(f"workers must be a whole number of at least 1, not {workers!r}.")
    progress = progress or _silent
    if not force:
        experiment.check_steps()
        check_units(experiment.unit_count)
    if scheduler is not None:
        check_address(scheduler)
    tasks = tasks_of(experiment)
    workers = _settled(experiment, workers, scheduler, progress)
    if isinstance(store, Store):
        return _sweep(experiment, tasks, store, workers, scheduler, resume, progress)
    if store is not None:
        _refuse_functions(experiment)
    with Store.open(store) as opened:
        return _sweep(experiment, tasks, opened, workers, scheduler, resume, progress)


def _settled(experiment: Experiment, workers: int, scheduler: str | None, progress: Progress) -> int:
    """The workers that there will be, and a word where that or their threads is less than was asked for."""
    if word := fewer_threads(max(values(experiment.simulations, "threads"))):
        progress(word)
    if scheduler is not None:
        return workers if scheduler != "local" else min(workers, cores())
    found, reason = possible_workers(workers)
    if reason:
        progress(reason)
    return found


def _silent(_line: str) -> None:
    """Progress that nobody reads."""


def _refuse_functions(experiment: Experiment) -> None:
    """A file outlives the program: what it holds must be named by its content, and a Python function has only a name."""
    if not experiment.target.is_symbolic or not isinstance(experiment.network.activation, str):
        raise InputError(
            "A store on disk needs a target and an activation given as text, not as Python functions "
            "(two functions of one name would share their results); leave out the store to keep them in memory."
        )


def _sweep(
    experiment: Experiment,
    tasks: list[Task],
    store: Store,
    workers: int,
    scheduler: str | None,
    resume: bool,
    progress: Progress,
) -> SweepResult:
    from asymptotics.version import __version__

    stored = store.points()
    tasks = list(as_stored(tasks, store.spellings(), stored))
    left = missing(tasks, stored) if resume else tasks
    if left:
        pool = open_pool(min(workers, len(left)) if scheduler is None else workers, scheduler)
        failures: dict[str, int] = {}
        try:
            progress(_announcement(len(tasks), left, pool.workers))
            if store.path is not None:
                name = store.path.name
                progress(
                    f"finished units are kept in {name} (to copy it during the run, copy {name}-wal too)"
                )
            here = machine()
            if len(left) < len(tasks):
                _tell_differences(store, here, progress)
            store.begin(_now(), __version__, config_of(experiment), here)
            meter = Meter(left, progress)
            for task, outcome in complete(run_task, left, pool):
                if isinstance(outcome, Outcome):
                    with unbroken():
                        store.add(_record(task, outcome), replace=not resume)
                else:
                    reason = _reason(task, outcome)
                    if reason not in failures:
                        progress(f"a unit failed: {reason}")
                    failures[reason] = failures.get(reason, 0) + 1
                meter.done(task)
        finally:
            pool.close()
        if failures:
            raise InputError([f"{n} unit{'s' * (n > 1)} failed: {reason}" for reason, n in failures.items()])
    rows = (ordered(untrained_is_null(row)) for row in rows_of(store, tasks))
    return SweepResult(tuple(rows), len(left))


def _tell_differences(store: Store, here: Mapping[str, object], progress: Progress) -> None:
    """Say so if runs before this one rounded their numbers elsewhere: then equal means equal to rounding."""
    names = ("host", "machine", "python", "numpy", "blas")
    changed = {name for run in store.runs() for name in names if run["machine"].get(name) != here[name]}
    if changed:
        what = ", ".join(name for name in names if name in changed)
        progress(f"warning: some stored units were computed with another {what}; they agree to rounding only")


@own_floating_state
def plan(
    experiment: Experiment,
    store: str | Path | None = None,
    workers: int = 1,
    resume: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What a sweep would do (``--dry-run``): nothing is computed but a short calibration, nothing is written.

    ``units``, ``stored``, ``missing``, ``rows``; ``seconds`` (and ``seconds_range``, between which it should end) and
    ``memory_bytes`` with ``workers`` processes, ``unit_seconds`` of the longest unit. Units are counted, not written
    out; of more than a million the cost is that of a sample, and what is stored of them is not looked up. ``progress`` is
    told where workers or threads are fewer than were asked for.
    """
    if store is not None:
        resolved(store)
    units, workers = experiment.unit_count, _settled(experiment, workers, None, progress or _silent)
    large = units > MOST_UNITS
    every = experiment.units()
    stored: dict[str, set[Point]] = {}
    spellings: list[tuple[str, str]] = []
    settings: dict[str, set[Any]] = {}
    if (
        store is not None
        and resume
        and not large
        and Path(store).exists()
        and (Path(store).stat().st_size or not Path(store).is_file())
    ):
        with Store.read(store) as opened:
            stored, spellings, settings = opened.points(), opened.spellings(), opened.settings()
    jobs = jobs_of(experiment, [every[i] for i in _spread(len(every))])
    if len(every) <= _SAMPLE:
        counts = [(job, job.simulation.replicates - _stored_of(job, stored, spellings)) for job in jobs]
        left = sum(count for _, count in counts)
        cost = _estimate(counts, workers, always=True)
    else:
        # The sample is spread over the grid; the sweep is so many times as long.
        found = jobs_of(experiment, _among(every, settings, experiment.has_ridge)) if stored else []
        left = units - sum(_stored_of(job, stored, spellings) for job in found)
        sampled = [(job, job.simulation.replicates) for job in jobs]
        cost = _estimate(sampled, workers, always=True)
        cost = cost.repeated(left / sum(count for _, count in sampled))
    return {
        "units": units,
        "stored": units - left,
        "missing": left,
        "rows": units * _points_of(jobs[0]),
        "workers": workers,
        "seconds": cost.seconds,
        "seconds_range": list(cost.range),
        "unit_seconds": cost.unit_seconds,
        "memory_bytes": cost.memory,
        "needs_force": large,
    }


def _spread(count: int) -> list[int]:
    """Places spread over so many, the first and the last among them."""
    return sorted({round(i * (count - 1) / (_SAMPLE - 1)) for i in range(_SAMPLE)})


def _among(every: Units, settings: Mapping[str, set[object]], has_ridge: bool) -> Units:
    """The units of which a store with these settings may hold something."""
    trainings = narrowed(narrowed(every.trainings, "alpha", settings["train"]), "eta", settings["eta"])
    ridges = every.ridges
    if has_ridge:
        ridges = narrowed(narrowed(ridges, "alpha", settings["alpha"]), "beta", settings["beta"])
    simulations = narrowed(every.simulations, "d", settings["d"])
    return replace(every, trainings=trainings, ridges=ridges, simulations=simulations)


def _points_of(job: Job) -> int:
    """Rows of one unit."""
    return len(job.reported) if job.ridge is None else len(job.steps) * len(job.lambdas)


def _stored_of(job: Job, stored: Mapping[str, set[Point]], spellings: list[tuple[str, str]]) -> int:
    """Replicates of a cell that need no work."""
    if not stored:
        return 0
    if len(spellings) > 1 or (spellings and spellings[0] != job.spelling):
        tasks = as_stored((Task(job, i) for i in range(job.simulation.replicates)), spellings, stored)
        return job.simulation.replicates - len(missing(tasks, stored))
    head, tail = frame_of(job)
    keys = (content_key(f"{head}{i}{tail}") for i in range(job.simulation.replicates))
    found = [stored[key] for key in keys if key in stored and len(stored[key]) >= _points_of(job)]
    # Written out only where there may be as many: a billion steps are asked for, too.
    points = set(Task(job, 0).points) if found else set()
    return sum(points <= own for own in found)


def _estimate(units: list[tuple[Job, int]], workers: int, always: bool = False) -> Estimate:
    """The cost of so many replicates of each cell; calibrated where the sweep is long enough to be worth it."""
    rough = estimate(units, workers, crowd=crowd())
    if not rough.seconds or (rough.seconds < _SHORT and not always):
        return rough
    longest = max((job for job, count in units if count), key=lambda job: work_of(job).seconds(NOMINAL))
    return estimate(units, workers, calibrate(longest), crowd())


def _announcement(units: int, left: list[Task], workers: int) -> str:
    stored = f" ({units - len(left)} stored)" if len(left) < units else ""
    crowd = {0: ", waiting for a first worker", 1: ""}.get(workers, f" with {workers} workers")
    jobs: dict[int, Job] = {id(task.job): task.job for task in left}
    counts = Counter(id(task.job) for task in left)
    cost = _estimate([(job, counts[key]) for key, job in jobs.items()], max(1, workers))
    return f"{len(left)} of {units} units to compute{stored}: {cost}{crowd}"


def _now() -> str:
    """The date for the reader; nothing is ordered or decided by the clock."""
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="seconds")


def _record(task: Task, outcome: Outcome) -> Record:
    """What is stored of a unit; a worker of another version is refused, its numbers may differ."""
    from asymptotics.version import __version__

    if outcome.version != __version__:
        raise InputError(
            f"A worker on {outcome.host} runs giantstep {outcome.version}, this is {__version__}: "
            "install the same version everywhere."
        )
    return Record(
        content=task.content,
        cell=task.cell,
        entropy=unit_entropy(task.job.simulation.seed, task.job.content),
        points=outcome.points,
        seconds=outcome.seconds,
        host=outcome.host,
        finished=_now(),
    )


def _reason(task: Task, error: Exception) -> str:
    """Why a unit failed, for the user; an error that is not about the input is a bug and ends the sweep."""
    cell = task.cell
    where = ", ".join(
        f"{name} = {cell[name]:g}"
        for name in ("d", "alpha_train", "eta", "alpha", "beta")
        if cell[name] is not None
    )
    if isinstance(error, MemoryError):
        return f"{where}: not enough memory; use fewer workers, or a smaller d or beta."
    if isinstance(error, InputError):
        return f"{where}: " + " ".join(error.problems)
    raise error
