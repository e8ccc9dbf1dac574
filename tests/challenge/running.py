"""Each setting predicted as a user gets it by default, and set beside its simulation; answers are kept, line by line."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from asymptotics import risk
from hermite.errors import GiantstepError

from .drawing import FIRST_BEYOND, FIRST_FINITE, Setting, draw
from .measuring import Measured, measured


@dataclass(frozen=True)
class Predicted:
    """One answer.

    ``test_error``  the setting's quantity, label noise included; None where no theory answers: then ``refusal`` says why
    ``stated``      the prediction's own relative error; None if it states none
    ``level``       the theory that answered
    """

    index: int
    test_error: float | None
    stated: float | None
    level: str
    refusal: str


@dataclass(frozen=True)
class Outcome:
    """One setting, its prediction and its simulation."""

    setting: Setting
    prediction: Predicted
    simulation: Measured

    @property
    def answered(self) -> bool:
        """Whether some theory gave a number."""
        return self.prediction.test_error is not None

    @property
    def deviation(self) -> float:
        """(predicted − measured)/measured; nan without a prediction."""
        predicted = self.prediction.test_error
        return float("nan") if predicted is None else predicted / self.simulation.mean - 1

    @property
    def sem(self) -> float:
        """Standard error of the simulation, relative."""
        return self.simulation.sem / self.simulation.mean

    @property
    def within(self) -> bool:
        """Whether the prediction is within 1 % + 2 s.e."""
        return abs(self.deviation) <= 0.01 + 2 * self.sem

    @property
    def covered(self) -> bool:
        """Whether the stated error, with 2 s.e. of the simulation, covers the deviation."""
        stated = self.prediction.stated
        return stated is not None and abs(self.deviation) <= stated + 2 * self.sem


def predict(setting: Setting) -> Predicted:
    """The prediction that a user gets by default, or the sentence where there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = risk(
                setting.target, setting.network, setting.training, setting.ridge, inputs=setting.inputs
            )
    except GiantstepError as error:
        return Predicted(setting.index, None, None, "-", str(error))
    return Predicted(setting.index, getattr(found, setting.quantity), found.error.total, found.solver, "")


def predicted(settings: Sequence[Setting], folder: Path, again: bool = False) -> Iterator[Predicted]:
    """Predictions of settings of one seed; those in ``folder`` are read, unless ``again``."""
    folder.mkdir(exist_ok=True, parents=True)
    kept = folder / f"{settings[0].seed}.predicted.jsonl"
    known: dict[int, Predicted] = {}
    if again:
        kept.unlink(missing_ok=True)
    elif kept.exists():
        rows = map(json.loads, kept.read_text(encoding="utf-8").splitlines())
        known = {row["index"]: Predicted(**row) for row in rows}
    for setting in settings:
        if setting.index not in known:
            known[setting.index] = predict(setting)
            with kept.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(known[setting.index])) + "\n")
        yield known[setting.index]


def indices(start: int, count: int, beyond: int, finite: int = 0) -> list[int]:
    """``count`` settings from ``start`` on, as many as ``beyond`` of the kinds beyond isotropic inputs and values, ``finite`` of
    those that the theories at all (n, p, d) answer."""
    firsts = ((0, count), (FIRST_BEYOND, beyond), (FIRST_FINITE, finite))
    return [first + start + k for first, many in firsts for k in range(many)]


def run(
    seed: int,
    count: int,
    folder: Path,
    *,
    beyond: int = 0,
    finite: int = 0,
    start: int = 0,
    replicates: int = 16,
    workers: int = 1,
    again: bool = False,
) -> Iterator[Outcome]:
    """The outcomes of the settings of :func:`indices`; what ``folder`` holds is read, not made again.

    ``again``: predictions are made anew (the theory has changed), simulations are not.
    """
    settings = [draw(seed, index) for index in indices(start, count, beyond, finite)]
    simulations = measured(settings, folder, replicates, workers)
    for setting, prediction, simulation in zip(
        settings, predicted(settings, folder, again), simulations, strict=True
    ):
        yield Outcome(setting, prediction, simulation)
