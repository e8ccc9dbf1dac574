"""The first lines of ``giantstep``: Ctrl-C ends it with code 130 also while the command is still being imported."""

from __future__ import annotations

import os
import signal
from types import FrameType

#: Exit code of an interrupted command, as in shells.
INTERRUPTED = 130


def leave_at_once(_signal: int, _frame: FrameType | None) -> None:
    """End the process: nothing is open yet that would have to be closed."""
    try:
        os.write(2, b"giantstep: interrupted.\n")
    except OSError:
        pass
    os._exit(INTERRUPTED)


def main() -> None:
    """The entry point of the command line."""
    # A job in the background of a shell, which starts it with Ctrl-C ignored, is left alone.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave_at_once)
    from asymptotics.commands.cli import main as run

    run()
