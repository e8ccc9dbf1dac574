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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asymptotics.experiment.columns import ordered, untrained_is_null
from asymptotics.experiment.grid import Experiment
from asymptotics.frozen import Frozen
from asymptotics.json_values import plain
from asymptotics.simulation.runner import Job, mean_and_error
from asymptotics.simulation.seeds import unit_entropy
from asymptotics.sweeps.costs import NOMINAL, Estimate, calibrate, estimate, work_of
from asymptotics.sweeps.provenance import config_of, machine
from asymptotics.sweeps.store import Point, Record, Store, frame, parquet
from asymptotics.sweeps.tasks import Outcome, Task, missing, run_task, tasks_of
from asymptotics.sweeps.workers import complete, open_pool
from asymptotics.text.durations import duration
from hermite.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str], None]
#: Seconds between two lines of progress.
PAUSE = 5.0
#: A sweep shorter than this is not worth a calibration.
_SHORT = 5.0
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


def sweep(
    experiment: Experiment,
    store: str | Path | Store | None = None,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    resume: bool = True,
    progress: Progress | None = None,
) -> SweepResult:
    """Run every unit of ``experiment`` that ``store`` does not hold yet; returns the whole table.

    Parameters
    ----------
    store
        A file (made if missing), an open ``Store``, or None: in memory only.
    workers, scheduler
        Processes on this machine, or the address of a Dask scheduler (``"local"``: Dask processes here).
    resume
        False: compute every unit again and replace what is stored.
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
    tasks = tasks_of(experiment)
    if isinstance(store, Store):
        return _sweep(experiment, tasks, store, workers, scheduler, resume, progress or _silent)
    if store is not None:
        _refuse_functions(experiment)
    with Store.open(store) as opened:
        return _sweep(experiment, tasks, opened, workers, scheduler, resume, progress or _silent)


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

    left = missing(tasks, store.points()) if resume else tasks
    if left:
        pool = open_pool(min(workers, len(left)) if scheduler is None else workers, scheduler)
        failures: dict[str, int] = {}
        try:
            progress(_announcement(len(tasks), left, pool.workers))
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


def plan(
    experiment: Experiment, store: str | Path | None = None, workers: int = 1, resume: bool = True
) -> dict[str, Any]:
    """What a sweep would do (``--dry-run``): nothing is computed but a short calibration, nothing is written.

    ``units``, ``stored``, ``missing``, ``rows``; ``seconds`` and ``memory_bytes`` with ``workers`` processes,
    ``unit_seconds`` of the longest unit.
    """
    tasks = tasks_of(experiment)
    stored: dict[str, set[Point]] = {}
    if (
        store is not None
        and resume
        and Path(store).exists()
        and (Path(store).stat().st_size or not Path(store).is_file())
    ):
        with Store.read(store) as opened:
            stored = opened.points()
    left = missing(tasks, stored)
    cost = _estimate(left, workers, always=True)
    return {
        "units": len(tasks),
        "stored": len(tasks) - len(left),
        "missing": len(left),
        "rows": sum(len(task.points) for task in tasks),
        "workers": workers,
        "seconds": cost.seconds,
        "unit_seconds": cost.unit_seconds,
        "memory_bytes": cost.memory,
    }


def _estimate(left: list[Task], workers: int, always: bool = False) -> Estimate:
    """The cost of what is left; calibrated where the sweep is long enough to be worth it."""
    jobs = [task.job for task in left]
    rough = estimate(jobs, workers)
    if not jobs or (rough.seconds < _SHORT and not always):
        return rough
    longest = max(left, key=lambda task: work_of(task.job).seconds(NOMINAL)).job
    return estimate(jobs, workers, calibrate(longest))


def _announcement(units: int, left: list[Task], workers: int) -> str:
    stored = f" ({units - len(left)} stored)" if len(left) < units else ""
    crowd = {0: ", waiting for a first worker", 1: ""}.get(workers, f" with {workers} workers")
    return f"{len(left)} of {units} units to compute{stored}: {_estimate(left, max(1, workers))}{crowd}"


class Meter:
    """Progress and the time that is left, by the shares of the work; a line now and then."""

    def __init__(self, left: list[Task], progress: Progress) -> None:
        shares: dict[Job, float] = {}
        for task in left:
            if task.job not in shares:
                shares[task.job] = work_of(task.job).seconds(NOMINAL)
        self._shares, self._total = shares, sum(shares[task.job] for task in left)
        self._count, self._units, self._done = 0, len(left), 0.0
        self._progress = progress
        # The wall clock may jump; this one does not.
        self._start = self._last = time.monotonic()

    def done(self, task: Task) -> None:
        """A unit has ended."""
        now = time.monotonic()
        self._count += 1
        self._done += self._shares[task.job]
        if self._count == self._units:
            self._progress(f"{self._units} units done in {duration(now - self._start)}")
        elif now - self._last >= PAUSE:
            self._last = now
            rest = (now - self._start) * (self._total - self._done) / self._done
            self._progress(f"unit {self._count} of {self._units} done, about {duration(rest)} left")


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
