"""What Ctrl-C means before the command has read its arguments."""

from __future__ import annotations

import os
from contextlib import suppress
from types import FrameType


def leave_at_once(_signal: int, _frame: FrameType | None) -> None:
    """End the process with 130, as interrupted commands do: nothing is open yet that would have to be closed."""
    with suppress(OSError):
        os.write(2, b"giantstep: interrupted.\n")
    os._exit(130)
