"""Where units of work run: in this process, in processes of this machine (joblib's), or on a Dask cluster.

All three are a ``Pool``: ``submit`` gives a future, ``deaths`` tells the death of a worker from an error of the work,
``revive`` makes the pool usable again. ``complete`` is the one loop that drives any of them: it keeps the pool busy,
hands over results as they come, and gives the unit of a dead worker to another.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, wait
from typing import Any, Protocol, TypeVar

from hermite.errors import InputError

T = TypeVar("T", bound=Hashable)
R = TypeVar("R")

#: Deaths of its worker after which a unit is given up.
LIMIT = 3
#: Seconds to wait for a Dask scheduler.
PATIENCE = 10.0


class Pool(Protocol):
    """Somewhere that work runs."""

    #: Units to keep in flight: enough that no worker waits for the driver.
    capacity: int
    #: Whether the death of one worker fails every future.
    fragile: bool

    def submit(self, work: Callable[[Any], R], item: Any) -> Future[R]:
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

    capacity, fragile = 1, False

    def submit(self, work: Callable[[Any], R], item: Any) -> Future[R]:
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
        self.count, self.capacity = count, 2 * count
        self._start()

    def _start(self) -> None:
        from joblib.externals.loky import ProcessPoolExecutor

        self._executor = ProcessPoolExecutor(
            max_workers=self.count, initializer=_settle_in, initargs=(os.getpid(),)
        )

    def submit(self, work: Callable[[Any], R], item: Any) -> Future[R]:
        """Start ``work(item)`` in one of the processes."""
        future: Future[R] = self._executor.submit(work, item)
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
        """End the processes, whatever they are doing."""
        self._executor.shutdown(wait=True, kill_workers=True)


def _settle_in(driver: int) -> None:
    """A worker leaves Ctrl-C to the driver, and ends when the driver has gone (killed, it cannot say so)."""
    import signal
    import threading
    import time

    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        # An orphan gets another parent; no process identifier can be mistaken for a later one.
        while os.getppid() == driver:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Cluster:
    """A Dask cluster: the scheduler at an address, or ``"local"`` for processes of this machine under Dask.

    Dask itself gives the work of a dead worker to others, and gives up after three deaths on one unit.
    """

    fragile = False

    def __init__(self, address: str, count: int) -> None:
        try:
            import distributed
        except ImportError:
            raise InputError('--scheduler needs the extra "dask": pip install "giantstep[dask]".') from None
        self._distributed, self.address = distributed, address
        self._cluster: Any = None
        try:
            if address == "local":
                self._cluster = distributed.LocalCluster(
                    n_workers=count,
                    threads_per_worker=1,
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,
                )
            self._client = distributed.Client(
                self._cluster or address, timeout=PATIENCE, set_as_default=False
            )
        except (OSError, ValueError, TimeoutError, ImportError) as error:
            self._end_cluster()
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"Cannot reach a Dask scheduler at {address!r}: {reason}.") from None
        threads = self._client.nthreads()
        # A cluster may grow while it works: keep at least a few units waiting.
        self.capacity = max(4, 2 * sum(threads.values()))
        self._executor = self._client.get_executor(pure=False)

    def submit(self, work: Callable[[Any], R], item: Any) -> Future[R]:
        """Start ``work(item)`` on some worker of the cluster."""
        future: Future[R] = self._executor.submit(work, item)
        return future

    def deaths(self, error: BaseException) -> int:
        """Dask has tried three times; a lost scheduler ends everything."""
        if isinstance(error, self._distributed.KilledWorker):
            return LIMIT
        lost = (self._distributed.CancelledError, self._distributed.core.CommClosedError)
        if isinstance(error, lost) or self._client.status in ("closed", "closing"):
            raise InputError(f"The Dask scheduler at {self.address!r} has gone; finished units are kept.")
        return 0

    def revive(self) -> None:
        """Dask has done it."""

    def close(self) -> None:
        """Leave the cluster; a local one ends."""
        with contextlib.suppress(Exception):
            self._client.close()
        self._end_cluster()

    def _end_cluster(self) -> None:
        if self._cluster is not None:
            with contextlib.suppress(Exception):
                self._cluster.close()


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
        if pool.fragile and any(f.exception() is not None and pool.deaths(_error(f)) for f in ended):
            broken = True
            ended = wait(flying).done
        for future in ended:
            item = flying.pop(future)
            if future.exception() is None:
                yield item, future.result()
                continue
            error = _error(future)
            deaths = pool.deaths(error)
            died[item] += deaths
            if not deaths:
                yield item, error
            elif died[item] >= LIMIT:
                yield (
                    item,
                    InputError(
                        f"the worker died {LIMIT} times at this unit (was it ended for want of memory?)."
                    ),
                )
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


def _error(future: Future[Any]) -> Exception:
    """What the work raised; an interruption is raised again."""
    error = future.exception()
    if not isinstance(error, Exception):
        raise error if error is not None else AssertionError("the future has no error")
    return error
