"""sweep(): every unit of an experiment, computed once, stored at once, resumed by default.

A *unit of work* is one replicate of one cell (target, network, training alpha and eta, ridge alpha and beta, d); its
steps and penalties share one trajectory. Its numbers depend on its content and replicate alone, so that any order,
number of workers or restart gives the same table, bit for bit, on one machine. Replicates go first to last over all
cells: a sweep that is stopped early has something of every cell.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asymptotics.experiment.columns import ordered, untrained_is_null
from asymptotics.experiment.grid import MOST_UNITS, Experiment, check_units
from asymptotics.experiment.points import values
from asymptotics.floating import own_floating_state
from asymptotics.json_values import plain
from asymptotics.simulation.averages import mean_and_error
from asymptotics.simulation.runner import Job
from asymptotics.simulation.seeds import unit_entropy
from asymptotics.sweeps.costs import AFTER, NOMINAL, UNIT, Estimate, between, calibrate, estimate, work_of
from asymptotics.sweeps.provenance import config_of, machine
from asymptotics.sweeps.store import Point, Record, Store, content_key, frame, parquet
from asymptotics.sweeps.tasks import Outcome, Task, as_stored, frame_of, jobs_of, missing, run_task, tasks_of
from asymptotics.sweeps.workers import complete, cores, open_pool, possible_workers
from asymptotics.text.durations import duration
from hermite.errors import InputError
from hermite.frozen import Frozen

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str], None]
#: Seconds between two lines of progress.
PAUSE = 5.0
#: A sweep shorter than this is not worth a calibration.
_SHORT = 5.0
#: Seconds of work after which its own pace says more than the estimate.
_SETTLED = 1.0
#: Cells that stand for all of a sweep that is too large to be run unless it is forced.
_SAMPLE = 1000
#: The only columns of the table that differ between runs.
VOLATILE = ("seconds", "host", "finished")
#: The columns that make a cell, with the point of it.
_CELL = ("d", "step", "alpha_train", "eta", "alpha", "beta", "lambda", "batch_exponent", "n", "n2", "p")


@dataclass(frozen=True, eq=False, repr=False)
class SweepResult(Frozen):
    """The table of a sweep: one row a (unit, step, lambda), sorted by key, step and lambda.

    ``rows``      the settings of the unit (``key``, ``d``, ``p``, ``n``, ``alpha``, …, ``replicate``), ``step``,
                  ``lambda`` and the results: ``test_error``, ``train_error``, ``excess_risk``, or without a ridge
                  table ``risk`` and ``neurons``. Only ``seconds``, ``host`` and ``finished`` differ between runs.
    ``computed``  units that this call computed; the others were stored
    """

    rows: tuple[Mapping[str, Any], ...]
    computed: int = 0

    def __repr__(self) -> str:
        from asymptotics.text.printing import sweep_text

        return sweep_text(self.means())

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``giantstep simulate``: ``rows``."""
        return {"rows": plain(self.rows)}

    def to_frame(self) -> pd.DataFrame:
        """The table as a pandas DataFrame."""
        return frame(self.rows)

    def means(self) -> list[dict[str, Any]]:
        """One row a (cell, step, lambda): the settings, ``replicates``, and each error or risk with its ``_sem``.

        Means over replicates with the standard error of the mean (None for one replicate), in the order of the
        settings: d, step, training alpha, eta, ridge alpha, beta, lambda.
        """
        cells: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
        for row in sorted(self.rows, key=lambda row: row["replicate"]):
            cells.setdefault(tuple(row[name] for name in _CELL), []).append(row)
        table = []
        for cell, rows in sorted(cells.items(), key=lambda item: [-1.0 if x is None else x for x in item[0]]):
            entry = dict(zip(_CELL, cell, strict=True)) | {"replicates": len(rows)}
            for name in ("test_error", "train_error", "excess_risk", "risk"):
                values = [row[name] for row in rows if row.get(name) is not None]
                if values:
                    mean, sem = mean_and_error(np.array(values))
                    entry |= {name: float(mean), f"{name}_sem": None if sem is None else float(sem)}
            table.append(ordered(entry))
        return table

    def files(self) -> dict[str, bytes | str]:
        """{file name: content}: CSV, JSON and, where pyarrow is installed, Parquet."""
        import json
        from importlib.util import find_spec

        table = self.to_frame()
        files: dict[str, bytes | str] = {
            "simulate.csv": table.to_csv(index=False, lineterminator="\n"),
            "simulate.json": json.dumps(self.to_dict(), indent=2, allow_nan=False),
        }
        return files | ({"simulate.parquet": parquet(table)} if find_spec("pyarrow") else {})


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
    threads = max(values(experiment.simulations, "threads"))
    if threads > cores():
        progress(f"simulation.threads = {threads}, but there are {cores()} cores: {cores()} are used")
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
    wanted = {task.key: task.points for task in tasks}
    rows = (ordered(untrained_is_null(row)) for row in store.rows(wanted))
    return SweepResult(tuple(rows), len(left))


def _tell_differences(store: Store, here: Mapping[str, Any], progress: Progress) -> None:
    """Say so if runs before this one rounded their numbers elsewhere: then equal means equal to rounding."""
    names = ("host", "machine", "python", "numpy", "blas")
    changed = {name for run in store.runs() for name in names if run["machine"].get(name) != here[name]}
    if changed:
        what = ", ".join(name for name in names if name in changed)
        progress(f"warning: some stored units were computed with another {what}; they agree to rounding only")


@own_floating_state
def plan(
    experiment: Experiment, store: str | Path | None = None, workers: int = 1, resume: bool = True
) -> dict[str, Any]:
    """What a sweep would do (``--dry-run``): nothing is computed but a short calibration, nothing is written.

    ``units``, ``stored``, ``missing``, ``rows``; ``seconds`` (and ``seconds_range``, between which it should end) and
    ``memory_bytes`` with ``workers`` processes, ``unit_seconds`` of the longest unit. Units are counted, not written
    out; of more than a million the cost is that of a sample, and what is stored of them is not looked up.
    """
    units, workers = experiment.unit_count, possible_workers(workers)[0]
    large = units > MOST_UNITS
    every = experiment.units()
    stored: dict[str, set[Point]] = {}
    spellings: list[tuple[str, str]] = []
    if (
        store is not None
        and resume
        and not large
        and Path(store).exists()
        and (Path(store).stat().st_size or not Path(store).is_file())
    ):
        with Store.read(store) as opened:
            stored, spellings = opened.points(), opened.spellings()
    jobs = jobs_of(experiment, None if stored else [every[i] for i in _spread(len(every))])
    counts = [(job, job.simulation.replicates - _stored_of(job, stored, spellings)) for job in jobs]
    sampled = sum(job.simulation.replicates for job in jobs)
    left = sum(count for _, count in counts) if stored else units
    cost = _estimate(counts, workers, always=True)
    if not stored and sampled < units:
        # The sample is spread over the grid; the sweep is so many times as long.
        cost = replace(cost, seconds=cost.seconds * units / sampled)
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
    (head, tail), points = frame_of(job), set(Task(job, 0).points)
    keys = (content_key(f"{head}{i}{tail}") for i in range(job.simulation.replicates))
    return sum(points <= stored.get(key, set()) for key in keys)


def _estimate(units: list[tuple[Job, int]], workers: int, always: bool = False) -> Estimate:
    """The cost of so many replicates of each cell; calibrated where the sweep is long enough to be worth it."""
    rough = estimate(units, workers)
    if not rough.seconds or (rough.seconds < _SHORT and not always):
        return rough
    longest = max((job for job, count in units if count), key=lambda job: work_of(job).seconds(NOMINAL))
    return estimate(units, workers, calibrate(longest))


def _announcement(units: int, left: list[Task], workers: int) -> str:
    stored = f" ({units - len(left)} stored)" if len(left) < units else ""
    crowd = {0: ", waiting for a first worker", 1: ""}.get(workers, f" with {workers} workers")
    jobs: dict[int, Job] = {id(task.job): task.job for task in left}
    counts = Counter(id(task.job) for task in left)
    cost = _estimate([(job, counts[key]) for key, job in jobs.items()], max(1, workers))
    return f"{len(left)} of {units} units to compute{stored}: {cost}{crowd}"


class Meter:
    """Progress and the time that is left, by the shares of the work; a line now and then."""

    def __init__(self, left: list[Task], progress: Progress) -> None:
        shares: dict[int, float] = {}
        for task in left:
            if id(task.job) not in shares:
                shares[id(task.job)] = work_of(task.job).seconds(NOMINAL) + UNIT
        self._shares, self._total = shares, sum(shares[id(task.job)] for task in left)
        self._count, self._units, self._done = 0, len(left), 0.0
        self._progress = progress
        # The wall clock may jump; this one does not.
        self._start = self._last = time.monotonic()
        #: When the first unit was done (workers had to start before), and the work done by then.
        self._first: tuple[float, float] | None = None
        self._said = False

    def done(self, task: Task) -> None:
        """A unit has ended."""
        now = time.monotonic()
        self._count += 1
        self._done += self._shares[id(task.job)]
        self._first = self._first or (now, self._done)
        settled = not self._said and now - self._first[0] >= _SETTLED and self._left(now)[1] > PAUSE
        if self._count == self._units:
            self._progress(f"{self._units} units done in {duration(now - self._start)}")
        elif settled or now - self._last >= PAUSE:
            self._last, self._said = now, True
            rest = between(*self._left(now))
            self._progress(f"unit {self._count} of {self._units} done, {rest} left")

    def _left(self, now: float) -> tuple[float, float]:
        """Seconds that are left, from the pace since the first unit."""
        first, done = self._first or (self._start, 0.0)
        if self._done == done:
            first, done = self._start, 0.0
        rest = (now - first) * (self._total - self._done) / (self._done - done)
        return AFTER[0] * rest, AFTER[1] * rest


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


@contextmanager
def unbroken() -> Iterator[None]:
    """Ctrl-C waits until the block is done; other threads than the main one never see it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.default_int_handler)
    if pressed:
        raise KeyboardInterrupt
