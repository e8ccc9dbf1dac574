"""The first lines of ``giantstep``: Ctrl-C ends it with code 130 also while the command is still being imported."""

from __future__ import annotations

import signal

from asymptotics.commands.early import leave_at_once


def main() -> None:
    """The entry point of the command line."""
    # A job in the background of a shell, which starts it with Ctrl-C ignored, is left alone.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave_at_once)
    from asymptotics.commands.cli import main as run

    run()
