"""How long refinement may go on: nodes are bounded where rules are built, seconds of the processor here.

Seconds are looked at between refinements and stop the next one; answers that are reached before do not depend on them.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

#: Seconds of the processor for the integrals of one answer: a hundred times what an ordinary setting takes.
SECONDS = 300.0


@dataclass(frozen=True)
class Patience:
    """The clock of one answer, from where it is made."""

    seconds: float = SECONDS
    started: float = field(default_factory=time.process_time)

    def allows(self, times: float) -> bool:
        """Whether a refinement that takes ``times`` as long as all so far still fits."""
        return (time.process_time() - self.started) * (1.0 + times) <= self.seconds


def rounded_up(x: float) -> float:
    """``x`` with one digit, not below it: the accuracy that may be asked for where ``x`` was reached.

    >>> rounded_up(0.0021), rounded_up(0.003)
    (0.003, 0.003)
    """
    unit = 10.0 ** math.floor(math.log10(x))
    return math.ceil(x / unit * (1 - 1e-12)) * unit
