"""Parts of a state, computed in a process that is ended when it takes too long or is not wanted any more."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

from asymptotics.playground.state import State
from asymptotics.playground.view import Part

#: Seconds that one state may take; and those until a new process must be ready.
LIMIT, PATIENCE = 10.0, 120.0
#: Where the two packages are, also when they are not installed.
_ROOT = str(Path(__file__).parents[2])


class Cancelled(Exception):
    """There is no answer; the text says why. What was there before has been told."""


class Calculator:
    """One process that answers states one after the other, each for at most ``limit`` seconds.

    ``ask`` and then ``answer`` until it is None: a part each time, or nothing yet. Neither waits longer than it is told to.
    """

    def __init__(self, limit: float = LIMIT) -> None:
        self.limit = limit
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()
        self._ready, self._stop, self._waiting = False, 0.0, False

    def ask(self, state: State) -> None:
        """Put the question; its answers follow. One that is still being answered is dropped with its process."""
        if self._waiting or self._process is None or self._process.poll() is not None:
            self.close()
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(json.dumps(asdict(state)) + "\n")
            self._process.stdin.flush()
        self._waiting = True
        self._stop = time.monotonic() + (self.limit if self._ready else PATIENCE)

    def answer(self, seconds: float) -> Part | bool:
        """The next part; True where there is none yet after ``seconds``, False where all have been told.

        Raises :class:`Cancelled` where the time is over, or the process has ended.
        """
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            if time.monotonic() < self._stop:
                return True
            self.close()
            raise Cancelled(
                f"Cancelled after {self.limit:g} seconds: fewer steps, fewer directions or a Rademacher readout are "
                "quicker; the command line waits as long as it takes."
            ) from None
        if not line:
            self.close()
            raise Cancelled("The computation ended without an answer; it may have needed too much memory.")
        message = json.loads(line)
        if "ready" in message:
            self._ready, self._stop = True, time.monotonic() + self.limit
            return True
        if "done" in message:
            self._waiting = False
            return False
        return Part(**message)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        process, self._process, self._waiting = self._process, None, False
        if process is None:
            return
        process.kill()
        process.wait()
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.close()

    def _start(self) -> None:
        path = [_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "asymptotics.playground.calculating", str(int(self.limit) + 5)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
            # Ctrl-C is the page's, which then ends this process.
            start_new_session=True,
        )
        self._ready, self._lines = False, queue.Queue()
        assert self._process.stdout is not None
        threading.Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True).start()


def _read(stream: IO[str], lines: queue.Queue[str]) -> None:
    """Every line of ``stream``, and an empty one at its end."""
    with stream, suppress(ValueError):
        for line in stream:
            lines.put(line)
    lines.put("")
