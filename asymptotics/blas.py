"""How many threads BLAS has: one inside the doors of the library, and what a unit of simulation asks for.

The matrices of a theory are small: a second thread waits for the first, at the cost of a core, and on a busy machine ten times
longer than the work takes.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

_turn = threading.Condition()
#: Thread counts of the units at work in this process, and the limit that they share.
_inside: list[int] = []
_limit: list[Any] = []
#: Doors that are open, and the limit that they share.
_open: list[int] = []
_of_doors: list[Any] = []


#: The controller of the BLAS libraries that were loaded with so many modules, and packages that may bring one.
_found: list[tuple[int, int, Any]] = []


def _controller() -> Any:
    """One for the process: looking through all libraries costs more than a small unit. New packages may bring others."""
    from threadpoolctl import ThreadpoolController

    loaded = len(sys.modules)
    if _found and _found[0][0] == loaded:
        return _found[0][2]
    packages = _packages()
    controller = _found[0][2] if _found and _found[0][1] == packages else ThreadpoolController()
    _found[:] = [(loaded, packages, controller)]
    return controller


def _packages() -> int:
    """How many packages are loaded that are not of Python itself; SciPy's BLAS comes with its linear algebra."""
    own = sys.stdlib_module_names
    return sum("." not in name and name not in own for name in tuple(sys.modules)) + (
        "scipy.linalg" in sys.modules
    )


@lru_cache(maxsize=1)
def cores() -> int:
    """Cores that this process may use (its affinity and the quota of its container are minded)."""
    from joblib import cpu_count

    return int(cpu_count())


def fewer_threads(asked: int) -> str:
    """The sentence that there are fewer threads than ``simulation.threads`` asks for; empty if there are not."""
    if asked <= cores():
        return ""
    return f"simulation.threads = {asked}, but there are {cores()} cores: {cores()} are used"


def warn_of_threads(asked: int) -> None:
    """Warn if there are fewer threads than ``simulation.threads`` asks for."""
    if word := fewer_threads(asked):
        warnings.warn(word, stacklevel=3)


@contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """BLAS threads of this unit of work: equal threads give bit-identical results on one machine.

    The limit is one for the whole process: units at work in several threads (a Dask worker may have some) share it
    until the last is done, and another count waits for its turn.
    """
    count = min(count, cores())
    with _turn:
        _turn.wait_for(lambda: not _inside or _inside[0] == count)
        if not _inside:
            _limit.append(_controller().limit(limits=count, user_api="blas"))
        _inside.append(count)
    try:
        yield
    finally:
        with _turn:
            _inside.pop()
            if not _inside:
                _limit.pop().restore_original_limits()
                _closed()
                _turn.notify_all()


@contextmanager
def one_thread() -> Iterator[None]:
    """One BLAS thread, but for the units of work inside, or beside in another thread, which have their own."""
    with _turn:
        counts = not _inside
        if counts:
            _open.append(1)
            if not _of_doors:
                _of_doors.append(_controller().limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        if counts:
            with _turn:
                _open.pop()
                _closed()


def _closed() -> None:
    """The caller's threads are back once the last door is closed and no unit is at work."""
    if _of_doors and not _open and not _inside:
        _of_doors.pop().restore_original_limits()
