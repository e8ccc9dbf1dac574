"""Where units of work run: in this process, in processes of this machine (joblib's), or on a Dask cluster.

All three are a ``Pool``: ``submit`` gives a future, ``deaths`` tells the death of a worker from an error of the work,
``revive`` makes the pool usable again. ``complete`` is the one loop that drives any of them: it keeps the pool busy,
hands over results as they come, and gives the unit of a dead worker to another.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, CancelledError, Future, wait
from typing import Any, Protocol, TypeVar

from asymptotics.blas import cores
from asymptotics.sweeps.children import LIMIT, SAFE, children_import_safely, settle_in
from asymptotics.sweeps.cluster import Cluster
from asymptotics.sweeps.interrupts import unheard
from hermite.errors import InputError

T = TypeVar("T", bound=Hashable)
R = TypeVar("R")

#: Seconds that the executor's thread may take to hand over to the workers what was submitted.
_HANDED_OVER = 10.0


class Pool(Protocol):
    """Somewhere that work runs."""

    #: Workers that it has now.
    workers: int
    #: Units to keep in flight: enough that no worker waits for the driver.
    capacity: int
    #: Whether the death of one worker fails every future.
    fragile: bool

    def submit(self, work: Callable[[Any], R], item: object) -> Future[R]:
        """Start ``work(item)`` somewhere."""
        ...

    def deaths(self, error: BaseException) -> int:
        """How many deaths of a worker this error of a future stands for; 0: it is the work's own error."""
        ...

    def revive(self) -> None:
        """Make the pool usable after a death."""
        ...

    def close(self) -> None:
        """End the workers; what is in flight is dropped."""
        ...


class Serial:
    """This process: ``submit`` returns when the work is done."""

    workers, capacity, fragile = 1, 1, False

    def submit(self, work: Callable[[Any], R], item: object) -> Future[R]:
        """``work(item)``, at once; Ctrl-C is not the work's and passes through."""
        future: Future[R] = Future()
        try:
            future.set_result(work(item))
        except Exception as error:
            future.set_exception(error)
        return future

    def deaths(self, _error: BaseException) -> int:
        """Nobody else can die."""
        return 0

    def revive(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


class Processes:
    """``count`` fresh processes on this machine, by joblib's executor; they ignore Ctrl-C and end with the driver."""

    fragile = True

    def __init__(self, count: int) -> None:
        self.workers, self.capacity = count, 2 * count
        self._flying: list[Future[Any]] = []
        self._start()

    def _start(self) -> None:
        from joblib.externals.loky import ProcessPoolExecutor

        with children_import_safely():
            if os.name == "posix":
                # Started later it would let Ctrl-C through again, to the workers that are started after it.
                from multiprocessing import resource_tracker

                resource_tracker.ensure_running()
            self._executor = ProcessPoolExecutor(
                max_workers=self.workers, initializer=settle_in, initargs=(os.getpid(),), env=SAFE
            )

    def submit(self, work: Callable[[Any], R], item: object) -> Future[R]:
        """Start ``work(item)`` in one of the processes."""
        with unheard(), children_import_safely():
            future: Future[R] = self._executor.submit(work, item)
            self._flying = [*(f for f in self._flying if not f.done()), future]
        return future

    def deaths(self, error: BaseException) -> int:
        """One process dies and takes the pool along: every unit in flight may be the cause."""
        from concurrent.futures.process import BrokenProcessPool

        return int(isinstance(error, BrokenProcessPool))

    def revive(self) -> None:
        """A new pool of processes."""
        self.close()
        self._start()

    def close(self) -> None:
        """End the processes, whatever they are doing.

        Not before the executor's thread has taken all that was submitted: it drops the work that a shutdown finds, and fails
        with a traceback at what it takes after that.
        """
        try:
            until = time.monotonic() + _HANDED_OVER
            while any(not (f.running() or f.done()) for f in self._flying) and time.monotonic() < until:
                time.sleep(0.001)
        finally:
            self._flying = []
            self._executor.shutdown(wait=True, kill_workers=True)


def possible_workers(asked: int) -> tuple[int, str]:
    """How many processes there can be, and why not as many as were asked for."""
    if asked > 1 and multiprocessing.current_process().daemon:
        return (
            1,
            "this process may have no children (it is a worker itself): units run here, one after another",
        )
    if asked > 1 and asked > cores():
        return cores(), f"{asked} workers were asked for, but there are {cores()} cores: {cores()} are used"
    return asked, ""


def open_pool(workers: int, scheduler: str | None) -> Pool:
    """The pool for ``--workers`` and ``--scheduler``; raises ``InputError`` if it cannot be had."""
    if scheduler is not None:
        return Cluster(scheduler, workers)
    return Serial() if workers == 1 else Processes(workers)


def complete(work: Callable[[T], R], items: Iterable[T], pool: Pool) -> Iterator[tuple[T, R | Exception]]:
    """(item, result or the error of its work), in the order in which they end; the order of ``items`` is a wish.

    The item of a dead worker goes back into the queue. One that twice was in flight when a worker died runs alone, so
    that the blame is certain; after ``LIMIT`` deaths it is given up with an ``InputError``.
    """
    waiting, suspects = deque(items), deque[T]()
    flying: dict[Future[R], T] = {}
    died: Counter[T] = Counter()
    while waiting or suspects or flying:
        broken = not _fill(work, waiting or suspects, flying, pool.capacity if waiting else 1, pool)
        ended = wait(flying, return_when=ALL_COMPLETED if broken else FIRST_COMPLETED).done
        if pool.fragile and any(pool.deaths(error) for f in ended if (error := _error(f))):
            broken = True
            ended = wait(flying).done
        for future in ended:
            item = flying.pop(future)
            error = _error(future)
            if error is None:
                yield item, future.result()
                continue
            deaths = pool.deaths(error)
            died[item] += deaths
            if not deaths:
                yield item, error
            elif died[item] >= LIMIT:
                reason = f"the worker died {LIMIT} times at this unit (was it ended for want of memory?)."
                yield item, InputError(reason)
            else:
                (suspects if died[item] == LIMIT - 1 else waiting).append(item)
        if broken:
            pool.revive()


def _fill(work: Callable[[T], R], queue: deque[T], flying: dict[Future[R], T], room: int, pool: Pool) -> bool:
    """Submit from ``queue`` until ``room`` units are in flight; False if the pool turns out to be broken."""
    while queue and len(flying) < room:
        try:
            future = pool.submit(work, queue[0])
        except Exception as error:
            if not pool.deaths(error):
                raise
            return False
        flying[future] = queue.popleft()
    return True


def _error(future: Future[Any]) -> Exception | None:
    """What the work raised, None if it is well; an interruption is raised again."""
    try:
        error = future.exception()
    except CancelledError as cancelled:
        return cancelled
    if error is None or isinstance(error, Exception):
        return error
    raise error
