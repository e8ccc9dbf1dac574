"""A Dask cluster as a place where units of work run."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from asymptotics.sweeps.children import LIMIT, SAFE, children_ignore_interrupts, children_import_safely
from hermite.errors import InputError

R = TypeVar("R")

#: Seconds to wait for a Dask scheduler.
PATIENCE = 10.0


def check_address(address: str) -> None:
    """Raise ``InputError`` for an address that no Dask scheduler can have, or where there is no Dask."""
    distributed = _import_distributed()
    if address == "local":
        return
    try:
        # A client made for an address that cannot be would haunt the end of the program.
        distributed.comm.get_address_host_port(address, strict=True)
    except (ValueError, ImportError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"Cannot reach a Dask scheduler at {address!r}: {reason}.") from None


class Cluster:
    """A Dask cluster: the scheduler at an address, or ``"local"`` for processes of this machine under Dask.

    Dask itself gives the work of a dead worker to others, and gives up after three deaths on one unit.
    """

    fragile = False

    def __init__(self, address: str, count: int) -> None:
        check_address(address)
        self._distributed, self.address = _import_distributed(), address
        self._cluster: Any = None
        try:
            if address == "local":
                with children_ignore_interrupts(), children_import_safely():
                    self._cluster = self._distributed.LocalCluster(
                        n_workers=count,
                        threads_per_worker=1,
                        dashboard_address=None,
                        silence_logs=logging.CRITICAL,
                    )
            self._client = self._distributed.Client(
                self._cluster or address, timeout=PATIENCE, set_as_default=False
            )
        except (OSError, ValueError, TimeoutError, ImportError) as error:
            self._end_cluster()
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"Cannot reach a Dask scheduler at {address!r}: {reason}.") from None
        self.workers = sum(self._client.nthreads().values())
        # A cluster may grow while it works: keep at least a few units waiting.
        self.capacity = max(4, 2 * self.workers)
        self._executor = self._client.get_executor(pure=False)
        self._check_versions()

    def _check_versions(self) -> None:
        """Refuse workers without giantstep, or with another version of it, before the work starts."""
        from asymptotics.version import __version__

        try:
            found = self._client.run(version_here)
        except Exception as error:
            self.close()
            raise InputError(
                f"The Dask workers of {self.address!r} cannot run giantstep ({type(error).__name__}: {error}); "
                f"install giantstep {__version__} there."
            ) from None
        for worker, version in found.items():
            if version != __version__:
                self.close()
                raise InputError(
                    f"The Dask worker {worker} runs giantstep {version}, this is {__version__}: "
                    "install the same version everywhere."
                )

    def submit(self, work: Callable[[Any], R], item: object) -> Future[R]:
        """Start ``work(item)`` on some worker of the cluster."""
        future: Future[R] = self._executor.submit(work, item)
        return future

    def deaths(self, error: BaseException) -> int:
        """Dask has tried three times; a lost scheduler ends everything."""
        if isinstance(error, self._distributed.KilledWorker):
            return LIMIT
        lost = (CancelledError, self._distributed.CancelledError, self._distributed.core.CommClosedError)
        if isinstance(error, lost) or self._client.status in ("closed", "closing"):
            raise InputError(
                f"The Dask scheduler at {self.address!r} has gone; finished units are kept, run again to resume."
            )
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


def version_here() -> str:
    """The version of giantstep where this runs."""
    from asymptotics.version import __version__

    return __version__


def _import_distributed() -> Any:
    """The package; its log goes nowhere unless the program that uses us had set it up."""
    try:
        import dask

        if "distributed" not in sys.modules:
            dask.config.set({"logging": {"distributed": "critical", "distributed.client": "critical"}})
        import distributed

        # Dask starts a worker that died anew, from its own threads.
        dask.config.set(
            {f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in SAFE.items()}
        )
    except ImportError:
        raise InputError('--scheduler needs the extra "dask": pip install "giantstep[dask]".') from None
    return distributed
