"""Ctrl-C between two units, never within the writing of one or the start of a worker."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


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


@contextmanager
def unheard() -> Iterator[None]:
    """Like ``unbroken``; processes and threads that are started in the block never hear of Ctrl-C.

    A terminal sends it to the workers, too, and one that is still importing would print a traceback and die.
    """
    # Not on Windows, where a process has no mask to inherit.
    mask = getattr(signal, "pthread_sigmask", None)
    with unbroken():
        before = mask(signal.SIG_BLOCK, {signal.SIGINT}) if mask is not None else None
        try:
            yield
        finally:
            if mask is not None:
                mask(signal.SIG_SETMASK, before)
