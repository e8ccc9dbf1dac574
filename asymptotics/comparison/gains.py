"""What training brings: the test error of random features minus that after the steps, at the same ridge fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from asymptotics.comparison.curves import Progress, Row, curve_rows, silent
from asymptotics.experiment.grid import Experiment

_FIT = ("alpha", "beta", "lambda", "d")


def with_gains(experiment: Experiment, rows: Sequence[Row], progress: Progress = silent) -> list[Row]:
    """``rows`` of ``curve_rows`` with ``random_features``, the test error without a step, and ``gain``, how far theirs is below.

    ``gain_error`` is the sum of both stated errors, as numbers. None where one of the two has no answer. Raises
    ``InputError`` where no theory covers the fit without a step.
    """
    bare = replace(experiment, trainings=(replace(experiment.trainings[0], steps=0),))
    untrained = {_fit(row): row for row in curve_rows(bare, False, progress)}
    return [_with_gain(row, untrained.get(_fit(row))) for row in rows]


def _fit(row: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(row[key] for key in _FIT)


def _with_gain(row: Row, untrained: Row | None) -> Row:
    start = None if untrained is None else untrained["test_error"]
    out: Row = {**row, "random_features": start, "gain": None, "gain_error": None}
    if untrained is None or start is None or row["test_error"] is None:
        return out
    out["gain"] = start - row["test_error"]
    totals = [one["error"]["total"] for one in (row, untrained)]
    if None not in totals:
        out["gain_error"] = totals[0] * row["test_error"] + totals[1] * start
    return out
