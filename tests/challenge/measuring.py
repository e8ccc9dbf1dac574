"""Each setting simulated until its standard error is small; what was measured is kept, line by line.

A simulation does not depend on any prediction: it is made once, also where predictions are made again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from asymptotics import Experiment, Simulation, sweep

from .drawing import Setting

#: The relative standard error at which a simulation is good enough, and the seconds after which no further block begins.
ENOUGH, SECONDS = 0.007, 10.0
#: Samples of the test error of one network: many neurons, and few, for which they are cheap.
_TEST_SAMPLES, _MANY_SAMPLES = 8_000, 20_000


@dataclass(frozen=True)
class Measured:
    """Mean of the setting's quantity (a test error with label noise) over ``replicates`` networks and its standard error."""

    index: int
    mean: float
    sem: float
    replicates: int


def measured(
    settings: Iterable[Setting], folder: Path, replicates: int = 16, workers: int = 1
) -> Iterator[Measured]:
    """The simulations of settings of one seed; those in ``folder`` are read, not made again."""
    folder.mkdir(exist_ok=True, parents=True)
    known: dict[tuple[int, int], Measured] = {}
    for setting in settings:
        kept = folder / f"{setting.seed}.measured.jsonl"
        if not known and kept.exists():
            rows = map(json.loads, kept.read_text(encoding="utf-8").splitlines())
            known = {(setting.seed, row["index"]): Measured(**row) for row in rows}
        key = (setting.seed, setting.index)
        if key not in known:
            known[key] = measure(setting, folder / f"{setting.seed}.sqlite", replicates, workers)
            with kept.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(known[key])) + "\n")
        yield known[key]


def measure(
    setting: Setting, store: Path | None, replicates: int, workers: int = 1, enough: float = ENOUGH
) -> Measured:
    """``replicates`` networks, and as many again until the standard error is ``enough`` or ``SECONDS`` have passed."""
    started, runs, mean, sem = time.monotonic(), 0, float("nan"), float("inf")
    while not sem < enough * mean and (not runs or time.monotonic() - started < SECONDS):
        runs = 2 * runs if runs else replicates
        errors = simulated(setting, store, runs, workers)
        mean, sem = float(errors.mean()), float(errors.std(ddof=1) / np.sqrt(len(errors)))
    return Measured(setting.index, mean, sem, runs)


def simulated(setting: Setting, store: Path | None, replicates: int, workers: int = 1) -> np.ndarray:
    """The quantity of ``replicates`` networks after the last step; stored ones are not computed again."""
    plan = Simulation(
        method=setting.method,
        d=setting.d,
        replicates=replicates,
        test_samples=_MANY_SAMPLES if setting.ridge.regime == "fixed-width" else _TEST_SAMPLES,
        seed=setting.seed,
        memory="200 MB",
    )
    experiment = Experiment(
        setting.target,
        setting.network,
        (setting.training,),
        (replace(setting.ridge, level="auto"),),
        (plan,),
        inputs=setting.inputs,
    )
    return np.array([row[setting.quantity] for row in sweep(experiment, store, workers=workers).rows])
