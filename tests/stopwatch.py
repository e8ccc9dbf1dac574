"""How long a piece of work takes, at the best of a few tries: what else the machine does only ever adds."""

from __future__ import annotations

import time
from collections.abc import Callable


def least_seconds(
    work: Callable[[], object], rounds: int = 3, clock: Callable[[], float] = time.perf_counter
) -> float:
    """The least time of ``rounds`` runs by ``clock`` (``time.process_time`` counts CPU seconds)."""
    times = []
    for _ in range(rounds):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)
