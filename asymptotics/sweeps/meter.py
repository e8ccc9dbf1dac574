"""Progress of a sweep: how much of the work is done, and how long the rest takes at the pace so far."""

from __future__ import annotations

import time
from collections.abc import Callable

from asymptotics.sweeps.costs import AFTER, NOMINAL, UNIT, between, work_of
from asymptotics.sweeps.tasks import Task
from asymptotics.text.durations import duration

Progress = Callable[[str], None]
#: Seconds between two lines of progress.
PAUSE = 5.0
#: Seconds of work after which its own pace says more than the estimate.
_SETTLED = 1.0


class Meter:
    """Progress and the time that is left, by the shares of the work; a line now and then."""

    def __init__(self, left: list[Task], progress: Progress) -> None:
        shares: dict[int, float] = {}
        for task in left:
            if id(task.job) not in shares:
                shares[id(task.job)] = work_of(task.job).seconds(NOMINAL) + UNIT
        self._shares, self._total = shares, sum(shares[id(task.job)] for task in left)
        self._count, self._units, self._done = 0, len(left), 0.0
        self._progress = progress
        # The wall clock may jump; this one does not.
        self._start = self._last = time.monotonic()
        #: When the first unit was done (workers had to start before), and the work done by then.
        self._first: tuple[float, float] | None = None
        self._said = False

    def done(self, task: Task) -> None:
        """A unit has ended."""
        now = time.monotonic()
        self._count += 1
        self._done += self._shares[id(task.job)]
        self._first = self._first or (now, self._done)
        settled = not self._said and now - self._first[0] >= _SETTLED and self._left(now)[1] > PAUSE
        if self._count == self._units:
            self._progress(f"{self._units} units done in {duration(now - self._start)}")
        elif settled or now - self._last >= PAUSE:
            self._last, self._said = now, True
            rest = between(*self._left(now))
            self._progress(f"unit {self._count} of {self._units} done, {rest} left")

    def _left(self, now: float) -> tuple[float, float]:
        """Seconds that are left, from the pace since the first unit."""
        first, done = self._first or (self._start, 0.0)
        if self._done == done:
            first, done = self._start, 0.0
        rest = (now - first) * (self._total - self._done) / (self._done - done)
        return AFTER[0] * rest, AFTER[1] * rest
