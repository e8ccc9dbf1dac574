"""What ``giantstep map`` can colour: a table of quantities, each with its rows, its CSV and its words.

A further quantity is an entry of ``QUANTITIES``: command, figure and text ask it. Errors are numbers; the level of the
theory and the leading direction learned are names, which have colours of their own and a legend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from asymptotics.comparison import leading_directions
from asymptotics.comparison.curves import Progress, Row, curve_rows, to_csv
from asymptotics.comparison.gains import with_gains
from asymptotics.comparison.leading_directions import direction_rows
from asymptotics.experiment.grid import Experiment
from asymptotics.text.tables import measured, sure


@dataclass(frozen=True)
class Quantity:
    """One thing to colour.

    ``rows``    (experiment, progress) → a row a cell, with a key of the quantity's name
    ``csv``     the rows as CSV
    ``cell``    a row's value in sure digits
    ``title``   what it is, in words
    ``best``    which value a star marks: "least", "most", or "" for names, which have no order
    ``has_errors``  whether the errors of its rows are those of what is shown, so that they are told below a table
    """

    rows: Callable[[Experiment, Progress], list[Row]]
    csv: Callable[[Sequence[Mapping[str, Any]]], str]
    cell: Callable[[Mapping[str, Any]], str]
    title: str
    best: str
    has_errors: bool = False


def level_of(row: Mapping[str, object]) -> str:
    """How much of the weights' law a row's theory keeps: its level ("E", "En+", …), or the theory where it has none."""
    solver = str(row["solver"] or "none")
    return solver.rpartition(", level ")[2] if ", level " in solver else solver


def _levels(experiment: Experiment, progress: Progress) -> list[Row]:
    return [row | {"level": level_of(row)} for row in curve_rows(experiment, False, progress)]


def _gains(experiment: Experiment, progress: Progress) -> list[Row]:
    return with_gains(experiment, curve_rows(experiment, False, progress), progress)


def _error(name: str) -> Quantity:
    return Quantity(
        rows=lambda experiment, progress: curve_rows(experiment, False, progress),
        csv=to_csv,
        cell=lambda row: sure(row[name], row.get("error")),
        title=name,
        best="least",
        has_errors=True,
    )


def _name_of(key: str, row: Mapping[str, object]) -> str:
    return str(row[key])


QUANTITIES: dict[str, Quantity] = {
    **{name: _error(name) for name in ("test_error", "train_error", "excess_risk")},
    "gain": Quantity(
        rows=_gains,
        csv=to_csv,
        cell=lambda row: measured(row["gain"], row["gain_error"]),
        title="gain over random features",
        best="most",
    ),
    "level": Quantity(
        rows=_levels,
        csv=to_csv,
        cell=partial(_name_of, "level"),
        title="level of the theory",
        best="",
    ),
    "direction": Quantity(
        rows=direction_rows,
        csv=leading_directions.to_csv,
        cell=partial(_name_of, "direction"),
        title="leading direction learned",
        best="",
    ),
}
