"""The theory on a fine grid along the x axis of a curve: a line, where the file has a few points.

What level E leaves out is measured at the points of the file, which takes a second each; between them the line is level E
times that correction, interpolated. It goes through the points.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from asymptotics.comparison.curves import Row, row_of, theory_along
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.points import values
from asymptotics.experiment.ridge_words import Level
from asymptotics.experiment.settings import Ridge, Training
from asymptotics.figures.layout import KEYS, Layout, grouped, settled
from asymptotics.floating import own_floating_state
from asymptotics.learning.class_labels import irreducible
from hermite.errors import ConvergenceError, InputError

POINTS = 60
#: Seconds after which no finer grid is begun.
PATIENCE = 15.0
#: Column → its settings and their field: the axes that are continuous. Steps and d are not.
_AXES = {
    "alpha": ("ridges", "alpha"),
    "lambda": ("ridges", "lam"),
    "beta": ("ridges", "beta"),
    "alpha_train": ("trainings", "alpha"),
    "eta": ("trainings", "eta"),
}
#: The grid is made finer by halves: every 8th value first.
_STRIDES = (8, 4, 2, 1)
_PLACE = ("step", "alpha_train", "eta", "alpha", "beta", "lambda", "d")
#: What a correction is a factor of; a factor nearer to 1 than this is none.
_CORRECTED = ("test_error", "train_error")
_NO_FACTOR = 1e-9


def layout_of(experiment: Experiment, simulated: bool = False) -> Layout:
    """How the curve of ``experiment`` is drawn: what its [figure] asks for, the rest decided by what varies.

    Raises ``InputError`` where [figure] asks for what cannot be, before anything is computed.
    """
    return settled(grids_of(experiment, simulated), experiment.figure.layout)


def grids_of(experiment: Experiment, simulated: bool = False) -> dict[str, tuple[object, ...]]:
    """The values of every column that may be an axis."""
    found = {
        column: values(getattr(experiment, table), field)
        for column, (table, field) in {**_AXES, "step": ("trainings", "steps")}.items()
    }
    found["d"] = values(experiment.simulations, "d") if simulated else values(experiment.ridges, "d")
    return {key: found[key] for key in KEYS}


@own_floating_state
def dense_rows(
    experiment: Experiment,
    x: str,
    rows: Sequence[Row],
    points: int = POINTS,
    patience: float = PATIENCE,
) -> list[Row]:
    """Rows of the theory at ``points`` values of column ``x``, from the least to the largest of ``rows`` and at each of them.

    ``rows``: those of ``curve_rows``, with their theory. Empty where the axis is discrete or has fewer than two values;
    points without an answer are left out. Where the lines would take longer than ``patience`` seconds they have the finest
    grid, of an eighth, a quarter or a half of the points, that was complete by then (or none).
    """
    places = sorted({row[x] for row in rows if x in _AXES and _is_place(row[x])})
    if len(places) < 2:
        return []
    fine = _values(places[0], places[-1], points)
    others = [column for column in _PLACE if column != x]
    lines = [
        _Line(experiment, x, [row for row in members if _is_place(row[x])], time.monotonic() + patience)
        for members in grouped(rows, others).values()
    ]
    complete: list[Row] = []
    for stride in _STRIDES:
        grid = sorted({*fine[::stride], fine[-1]})
        try:
            complete = [row for line in lines if line.anchors for row in line.rows(grid)]
        except TimeoutError:
            break
    return complete


def _is_place(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value > 0


class _Line:
    """The theory along column ``x`` through the rows of one line; what was computed once is kept."""

    def __init__(
        self, experiment: Experiment, x: str, anchors: Sequence[Mapping[str, Any]], stop: float
    ) -> None:
        self.experiment, self.stop = experiment, stop
        self.x, (self.table, self.field) = x, _AXES[x]
        self.anchors = {float(row[x]): {**row, "simulation": None} for row in anchors}
        self.found: dict[float, Row | None] = {}
        if self.anchors:
            self.training, self.ridge = _settings(experiment, anchors[0])

    def rows(self, grid: Sequence[float]) -> list[Row]:
        """The line at the values of ``grid`` and at its anchors; raises ``TimeoutError`` when the time is over."""
        low, high = min(self.anchors), max(self.anchors)
        between = [v for v in grid if low < v < high and v not in self.anchors]
        bare = {value: row for value in between if (row := self._bare(value)) is not None}
        factors = {key: self._factor(key) for key in _CORRECTED}
        out = {value: row for value, row in self.anchors.items() if row["test_error"] is not None}
        for value, row in bare.items():
            out[value] = self._corrected(value, row, factors)
        return [out[value] for value in sorted(out)]

    def _bare(self, value: float) -> Row | None:
        """The row at one value, nothing measured."""
        if value not in self.found:
            if time.monotonic() > self.stop:
                raise TimeoutError
            changed: dict[str, Any] = {self.field: value}
            training, ridge = self.training, self.ridge
            if self.table == "ridges":
                ridge = replace(ridge, **changed)
            else:
                training = replace(training, **changed)
            try:
                predicted = next(theory_along(self.experiment, training, [ridge], 0.0))
                row = row_of(training, ridge, predicted)
                self.found[value] = None if row["test_error"] is None else row
            except (InputError, ConvergenceError):
                self.found[value] = None
        return self.found[value]

    def _factor(self, key: str) -> Callable[[float], float]:
        """What was measured over what level E says, between the anchors: monotone pieces through log x."""
        places, factors = [], []
        for value, row in sorted(self.anchors.items()):
            bare = self._bare(value)
            if bare is not None and _is_place(row[key]) and _is_place(bare[key]):
                places.append(math.log(value))
                factors.append(row[key] / bare[key])
        if all(abs(factor - 1) < _NO_FACTOR for factor in factors):
            return lambda _: 1.0
        if len(places) < 2:
            return lambda _: float(factors[0])
        from scipy.interpolate import PchipInterpolator

        pieces = PchipInterpolator(places, factors)
        return lambda value: float(pieces(min(max(math.log(value), places[0]), places[-1])))

    def _corrected(self, value: float, row: Row, factors: Mapping[str, Callable[[float], float]]) -> Row:
        """``row`` times the corrections there; its error is the larger of its neighbours'."""
        by = {key: factor(value) for key, factor in factors.items()}
        if all(factor == 1.0 for factor in by.values()):
            return row
        out = {**row, **{key: row[key] * factor for key, factor in by.items() if row[key] is not None}}
        out["excess_risk"] = out["test_error"] - irreducible(self.experiment.target)
        near = sorted(self.anchors, key=lambda place: abs(math.log(place / value)))[:2]
        out["error"] = max((self.anchors[place]["error"] for place in near), key=lambda e: e["total"] or 0.0)
        out["validity_note"] = (
            "Level E times its measured correction, interpolated between points of the file."
        )
        return out


def _settings(experiment: Experiment, row: Mapping[str, Any]) -> tuple[Training, Ridge]:
    """The settings of a row; what is measured by name is asked for bare."""
    training = replace(experiment.trainings[0], steps=row["step"])
    if row["step"]:
        training = replace(training, alpha=row["alpha_train"], eta=row["eta"])
    level = experiment.ridges[0].level
    ridge = replace(
        experiment.ridges[0],
        alpha=row["alpha"],
        beta=row["beta"],
        lam=row["lambda"],
        d=row["d"],
        level="auto" if Level(level).is_measured else level,
        accuracy=None,
    )
    return training, ridge


def _values(low: float, high: float, points: int) -> list[float]:
    """A fine grid, in the logarithm over most of a decade or more."""
    fine = np.geomspace(low, high, points) if high >= 8 * low else np.linspace(low, high, points)
    return [low, *map(float, fine[1:-1]), high]
