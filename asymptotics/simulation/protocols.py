"""One step of each training protocol on the simulated network, and which methods can simulate it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asymptotics.experiment.settings import Training


@dataclass(frozen=True)
class ProtocolSteps:
    """``step(student, t, training, d)`` makes step t; ``methods`` can do it; ``content`` names a unit beyond the giant one's."""

    step: Callable[[Any, int, Training, int], None]
    methods: tuple[str, ...]
    content: Callable[[Training], list[Any]]


def _giant(student: Any, step: int, training: Training, d: int) -> None:
    student.giant_step(step, training.n(d), training.learning_rate(d))


def _reuse(student: Any, step: int, training: Training, d: int) -> None:
    # The same stream at every step is the same batch, label noise included.
    keep = 1.0 - training.eta * training.weight_decay
    student.giant_step(1, training.n(d), training.learning_rate(d), keep=keep)


PROTOCOL_STEPS = {
    "giant": ProtocolSteps(_giant, ("direct", "reduced"), lambda training: []),
    "reuse": ProtocolSteps(_reuse, ("direct",), lambda training: ["reuse", training.weight_decay]),
}
