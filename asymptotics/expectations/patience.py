"""How long refinement may go on: nodes are bounded where rules are built, seconds of the processor here.

Seconds are looked at between refinements and stop the next one; answers that are reached before do not depend on them.
"""

from __future__ import annotations

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
