"""What every process that works for a sweep is told: leave Ctrl-C to the driver, import no module of a user's folder."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

#: Deaths of its worker after which a unit is given up.
LIMIT = 3
#: What keeps ``python -c`` and ``python -m``, which start workers, from looking for modules in the working folder.
SAFE = {"PYTHONSAFEPATH": "1"}


def settle_in(driver: int) -> None:
    """A worker leaves Ctrl-C to the driver, and ends when the driver has gone (killed, it cannot say so)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        # An orphan gets another parent; no process identifier can be mistaken for a later one.
        while os.getppid() == driver:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def children_ignore_interrupts() -> Iterator[None]:
    """Processes started here leave Ctrl-C, which a terminal sends to all of them, to the driver."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.default_int_handler)


@contextlib.contextmanager
def children_import_safely() -> Iterator[None]:
    """Processes started here import no module from the working folder, where a user may have a ``random.py``."""
    before = {name: os.environ.get(name) for name in SAFE}
    os.environ.update(SAFE)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
