"""Standard streams that are closed or that nobody reads, and Ctrl-C as one wish."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from typing import TextIO

#: The exit code of an interruption.
INTERRUPTED = 130


def silence(stream: TextIO) -> None:
    """Nobody reads on: keep the interpreter from complaining when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def silence_stdout() -> None:
    """Nobody reads what is printed."""
    silence(sys.stdout)


def guard_streams() -> None:
    """Give a closed standard stream (``>&-``) a place: else the next file that is opened would take its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


class Interrupts:
    """Ctrl-C as one ``KeyboardInterrupt``: further presses within a second are the same wish.

    After ``winding_up`` another one ends the process at once, with the exit code of an interruption.
    """

    def __init__(self) -> None:
        self._last, self._over = -math.inf, False

    def __call__(self, _number: int, _frame: object) -> None:
        if self._over:
            os._exit(INTERRUPTED)
        now, before = time.monotonic(), self._last
        self._last = now
        if now - before > 1.0:
            raise KeyboardInterrupt

    def winding_up(self) -> None:
        """The command is done; what the interpreter has left to do may be cut short."""
        self._over = True
