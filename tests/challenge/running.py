"""Each setting predicted, then simulated until its standard error is small; outcomes are kept, line by line."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from asymptotics import Experiment, Simulation, risk, sweep
from asymptotics.results import Risk
from hermite.errors import GiantstepError

from .drawing import Setting, draw

#: Accuracy that is asked of the prediction, and the standard error at which a simulation is good enough, both relative.
ACCURACY, ENOUGH = 0.01, 0.004


@dataclass(frozen=True)
class Outcome:
    """One setting, answered or not.

    ``predicted``  test error (label noise included), None where no theory answers: then ``refusal`` says why
    ``stated``     the prediction's own relative error; None if it states none
    ``measured``, ``sem``  mean test error of ``replicates`` networks and its standard error
    """

    index: int
    stage: str
    level: str
    setting: str
    predicted: float | None
    stated: float | None
    refusal: str
    measured: float
    sem: float
    replicates: int

    @property
    def deviation(self) -> float | None:
        """(predicted − measured)/measured."""
        return None if self.predicted is None else (self.predicted - self.measured) / self.measured

    @property
    def allowance(self) -> float:
        """Two standard errors of the simulation, relative."""
        return 2 * self.sem / self.measured

    @property
    def within(self) -> bool:
        """Whether the prediction is within 1 % + 2 s.e."""
        return self.deviation is not None and abs(self.deviation) <= 0.01 + self.allowance

    @property
    def covered(self) -> bool:
        """Whether the stated error, with 2 s.e. of the simulation, covers the deviation."""
        if self.deviation is None or self.stated is None:
            return False
        return abs(self.deviation) <= self.stated + self.allowance


def predict(setting: Setting) -> tuple[Risk | None, str]:
    """The prediction that a user gets by default, and the sentence where there is none."""
    training = setting.training
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            many = setting.kind == "ridge" and training.steps
            accuracy = ACCURACY if many else None
            return risk(setting.target, setting.network, training, setting.ridge, accuracy=accuracy), ""
    except GiantstepError as error:
        return None, str(error)


def measure(setting: Setting, folder: Path, replicates: int, workers: int) -> tuple[float, float, int]:
    """Mean, standard error and number of runs, in blocks of ``replicates`` until the error is small (at most 16 blocks)."""
    runs, mean, sem = 0, float("nan"), float("inf")
    while runs < 16 * replicates and not sem < ENOUGH * mean:
        runs = 2 * runs if runs else replicates
        plan = Simulation(
            method=setting.method,
            d=setting.d,
            replicates=runs,
            test_samples=5_000,
            seed=setting.seed,
            memory="200 MB",
        )
        experiment = Experiment(
            setting.target,
            setting.network,
            (setting.training,),
            (replace(setting.ridge, level="auto"),),
            (plan,),
        )
        # Settings are replicated in blocks: what is stored is not computed again.
        table = sweep(experiment, folder / f"{setting.seed}-{setting.index}.sqlite", workers=workers)
        errors = np.array([row["test_error"] for row in table.rows])
        mean, sem = float(errors.mean()), float(errors.std(ddof=1) / np.sqrt(len(errors)))
    return mean, sem, runs


def run(
    seed: int, count: int, folder: Path, replicates: int = 16, workers: int = 1, start: int = 0
) -> Iterator[Outcome]:
    """The outcomes of settings ``start`` .. ``start + count − 1``; those in ``folder`` are read, not made again."""
    folder.mkdir(exist_ok=True)
    kept = folder / f"{seed}.jsonl"
    lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    known = {row["index"]: Outcome(**row) for row in map(json.loads, lines)}
    for index in range(start, start + count):
        if index not in known:
            known[index] = outcome(draw(seed, index), folder, replicates, workers)
            with kept.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(known[index])) + "\n")
        yield known[index]


def outcome(setting: Setting, folder: Path, replicates: int, workers: int) -> Outcome:
    """One setting from prediction to verdict."""
    found, refusal = predict(setting)
    mean, sem, runs = measure(setting, folder, replicates, workers)
    budget = getattr(found, "error", None)
    return Outcome(
        index=setting.index,
        stage=setting.stage,
        level="-" if found is None else found.solver,
        setting=_sentence(setting),
        predicted=None if found is None else found.test_error,
        stated=None if budget is None else budget.total,
        refusal=refusal,
        measured=mean,
        sem=sem,
        replicates=runs,
    )


def _sentence(s: Setting) -> str:
    readout = s.network.readout if isinstance(s.network.readout, str) else "four atoms"
    t, ridge = s.training, s.ridge
    return (
        f"{s.target.text}, noise {s.target.noise:g}; {s.network.activation}, {readout}, {s.network.initialisation}, "
        f"width {s.network.width}; T = {t.steps}, alpha {t.alpha:g}, eta {t.eta:g}; "
        f"ridge {ridge.alpha:g}, {ridge.beta:g}, {ridge.lam:g}; d = {s.d}"
    )
