"""What the whole suite needs of the process that runs it."""

from __future__ import annotations

import signal

# A shell starts background jobs with SIGINT ignored, and children inherit that: the tests of Ctrl-C would wait for ever.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
