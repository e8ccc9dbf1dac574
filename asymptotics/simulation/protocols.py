"""The training protocols of the simulated network: which steps are looked at, how students get there, and what names a unit.

A new protocol is one entry of ``PROTOCOL_STEPS``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from asymptotics.expectations.activations import Activation
from asymptotics.experiment.settings import Simulation, Training
from asymptotics.learning.given_start import refusal_of_start, start_of
from asymptotics.learning.sgd.rates import Rates, rates_of, reported_steps
from asymptotics.simulation.direct import DirectNetwork
from asymptotics.simulation.online_direct import OnlineDirect
from asymptotics.simulation.online_reduced import OnlineReduced, OnlineStep, refusal_of_dimension
from hermite.target import Target


class Course(Protocol):
    """Students of one unit on their way through training."""

    def go_to(self, step: int) -> None:
        """Train until ``step``, at or behind the present one."""
        ...

    def train_error(self, student: Any) -> float | None:
        """E[(y − f)²] on the batch that is reused, label noise included; None where no batch is."""
        ...


@dataclass(frozen=True)
class Setting:
    """What a course is asked for."""

    target: Target
    activation: Activation
    training: Training
    d: int


@dataclass(frozen=True)
class ProtocolSteps:
    """``course(students, setting)`` trains, by one of ``methods``; ``reported(setting)`` are the steps to look at (None: all).

    ``content`` names a unit beyond what the giant protocol's name says; ``together``: methods that train many replicates at
    little more than the price of one; ``clocks``: further columns of a step; ``refusal``: what is wrong with a width or a size.
    """

    methods: tuple[str, ...]
    course: Callable[[Sequence[object], Setting], Course]
    reported: Callable[[Setting], Sequence[int]] | None
    content: Callable[[Training], list[Any]]
    together: tuple[str, ...] = ()
    clocks: Callable[[Setting, int], dict[str, object]] = lambda setting, step: {}
    refusal: Callable[[Target, int, Training, Simulation], str | None] = lambda f, p, training, size: None


@dataclass
class _StepByStep:
    """One step after the other of every student."""

    students: Sequence[Any]
    setting: Setting
    at: int = 0

    def go_to(self, step: int) -> None:
        while self.at < step:
            self.at += 1
            for student in self.students:
                self._move(student)

    def _move(self, student: Any) -> None:
        training, d = self.setting.training, self.setting.d
        student.giant_step(self.at, training.n(d), training.learning_rate(d))

    def train_error(self, student: Any) -> float | None:
        return None


def _begin(students: Sequence[Any], setting: Setting) -> None:
    """A given start; a random one is what students are made with."""
    if setting.training.start != "random":
        M, Q = start_of(setting.target, setting.training)
        for student in students:
            student.begin_at(M, Q)


@dataclass
class _Reused(_StepByStep):
    """The same stream at every step is the same batch, label noise included."""

    def __post_init__(self) -> None:
        _begin(self.students, self.setting)

    def _move(self, student: Any) -> None:
        training, d = self.setting.training, self.setting.d
        keep = 1.0 - training.eta * training.weight_decay
        student.giant_step(1, training.n(d), training.learning_rate(d), keep=keep)

    def train_error(self, student: Any) -> float | None:
        return float(student.batch_error(1, self.setting.training.n(self.setting.d)))


class _Online:
    """Online SGD, direct or reduced."""

    def __init__(self, students: Sequence[Any], setting: Setting) -> None:
        training = setting.training
        _begin(students, setting)
        rates = _rates(setting)
        assert rates.n_b is not None
        step = OnlineStep(rates.e, rates.n_b, training.loss == "correlation", training.projection)
        self.at = 0
        self.reduced: OnlineReduced | None = None
        self.direct: list[OnlineDirect] = []
        if isinstance(students[0], DirectNetwork):
            self.direct = [OnlineDirect(student, step) for student in students]
        else:
            self.reduced = OnlineReduced(students, step)

    def go_to(self, step: int) -> None:
        if step == self.at:
            return
        for course in self.direct:
            course.advance(step - self.at)
        if self.reduced is not None:
            self.reduced.advance(step - self.at)
            self.reduced.settle()
        self.at = step

    def train_error(self, student: Any) -> float | None:
        return None


def _rates(setting: Setting) -> Rates:
    return rates_of(setting.target, setting.activation, setting.training, setting.d)


def _clocks(setting: Setting, step: int) -> dict[str, Any]:
    rates = _rates(setting)
    assert rates.n_b is not None
    return {"samples": step * rates.n_b, "time": step / rates.steps_per_time}


def _online_refusal(f: Target, p: int, training: Training, simulation: Simulation) -> str | None:
    if simulation.method == "reduced" and (small := refusal_of_dimension(f.r, p, simulation.d)):
        return small
    return refusal_of_start(f, p, training)


def _given(start: Any) -> Any:
    return start if start == "random" else [None if x is None else np.asarray(x).tolist() for x in start]


def _online_content(training: Training) -> list[Any]:
    given = _given(training.start)
    return ["sgd", training.rate_exponent, training.step, training.loss, training.projection, given]


def _reused_content(training: Training) -> list[Any]:
    # Stores from before a start could be given stay valid.
    given = [] if training.start == "random" else [_given(training.start)]
    return ["reuse", training.weight_decay, *given]


PROTOCOL_STEPS = {
    "giant": ProtocolSteps(("direct", "reduced"), _StepByStep, None, lambda training: []),
    "reuse": ProtocolSteps(
        ("direct",),
        _Reused,
        None,
        _reused_content,
        refusal=lambda f, p, training, _: refusal_of_start(f, p, training),
    ),
    "sgd": ProtocolSteps(
        ("direct", "reduced"),
        _Online,
        lambda setting: reported_steps(setting.training, _rates(setting)),
        _online_content,
        ("reduced",),
        _clocks,
        _online_refusal,
    ),
}
