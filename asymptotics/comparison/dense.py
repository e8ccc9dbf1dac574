"""The theory on a fine grid along the x axis of a curve: a line, where the file has a few points."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from asymptotics.comparison.curves import Row, beside, theory_row
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.points import collapse
from asymptotics.experiment.settings import Ridge
from hermite.errors import ConvergenceError, InputError

POINTS = 60
#: Seconds after which the file's own points are drawn instead.
PATIENCE = 15.0
#: Column → field of the ridge: the axes that are continuous and cost one solution a point.
_AXES = {"alpha": "alpha", "lambda": "lam", "beta": "beta"}


def dense_rows(
    experiment: Experiment, x: str, simulated: bool = False, points: int = POINTS, patience: float = PATIENCE
) -> list[Row]:
    """Rows of the theory at ``points`` values of column ``x`` between the least and the largest of the file.

    ``simulated``: at the d of the simulation, as the theory beside one is. Empty where the axis is discrete, has fewer than
    two values, or the lines would take longer than ``patience`` seconds; points without an answer are left out.
    """
    field = _AXES.get(x)
    if field is None:
        return []
    known = sorted({v for r in experiment.ridges if math.isfinite(v := getattr(r, field)) and v > 0})
    if len(known) < 2:
        return []
    start = time.monotonic()
    grid = _values(known[0], known[-1], points, known)
    found: list[Row] = []
    seen: set[Any] = set()
    for training in experiment.trainings:
        for base in collapse(experiment.ridges, field, known[0]):
            for ridge in _sizes(experiment, base, simulated):
                key = (0 if training.steps == 0 else training, ridge)
                if key in seen:
                    continue
                seen.add(key)
                for value in grid:
                    if time.monotonic() - start > patience:
                        return []
                    try:
                        found.append(theory_row(experiment, training, _with(ridge, field, value)))
                    except (InputError, ConvergenceError):
                        continue
    return found


def _with(ridge: Ridge, field: str, value: float) -> Ridge:
    changed: dict[str, Any] = {field: value}
    return replace(ridge, **changed)


def _sizes(experiment: Experiment, ridge: Ridge, simulated: bool) -> list[Ridge]:
    """``ridge`` at every d of a theory that is drawn."""
    return [beside(ridge, s) for s in experiment.simulations] if simulated else [ridge]


def _values(low: float, high: float, points: int, known: Sequence[float]) -> list[float]:
    """A fine grid that holds the file's own values, in the logarithm over most of a decade or more."""
    fine = np.geomspace(low, high, points) if high >= 8 * low else np.linspace(low, high, points)
    return sorted({*known, *map(float, fine[1:-1])})


def longest_axis(rows: Sequence[Mapping[str, Any]]) -> str:
    """The column that a curve is drawn against: the setting that varies most."""
    from asymptotics.figures.line_labels import SYMBOLS

    return max(SYMBOLS, key=lambda key: len({row[key] for row in rows if row[key] is not None}))
