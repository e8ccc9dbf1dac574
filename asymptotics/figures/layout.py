"""Who is the x axis, a line and a panel of a curve: decided from what varies, unless it was said."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from asymptotics.figures.line_labels import SYMBOLS
from hermite.errors import InputError

#: Column of a table → key of the experiment file, in the order in which an axis is preferred.
KEYS = {
    "alpha": "ridge.alpha",
    "lambda": "ridge.lambda",
    "alpha_train": "training.alpha",
    "eta": "training.eta",
    "beta": "ridge.beta",
    "d": "simulation.d",
    "step": "training.steps",
}
#: The column that tells the experiments of several files apart, and its key.
EXPERIMENT = "experiment"
QUANTITIES = ("test_error", "train_error", "excess_risk")
LOGS = ("auto", "none", "x", "y", "xy")
#: Lines of a panel, of one setting alone, and panels of a page: above them a figure is not read.
MOST_LINES, MOST_VALUES, MOST_PANELS = 6, 8, 12


@dataclass(frozen=True)
class Layout:
    """What was asked of a figure, in columns of the table.

    ``x``          the x axis; None: what varies most
    ``lines``, ``panels``  what tells lines, and panels, apart; None: what is left, in panels above six lines
    ``log``        which axes are logarithmic: "auto" (where the range asks for it), "none", "x", "y" or "xy"
    ``quantity``   "test_error", "train_error" or "excess_risk"
    ``plateaus``   whether the plateaus are drawn, where they hold
    ``ylabel``     what the y axis says, if not its quantity
    """

    x: str | None = None
    lines: tuple[str, ...] | None = None
    panels: tuple[str, ...] | None = None
    log: str = "auto"
    quantity: str = "test_error"
    plateaus: bool = True
    ylabel: str = ""


def varying(
    rows: Iterable[Mapping[str, Any]], columns: Iterable[str] = (*KEYS, EXPERIMENT)
) -> dict[str, list[Any]]:
    """The different values of every column, rising; what is null is no value."""
    kept = list(rows)
    return {key: sorted({row[key] for row in kept if row.get(key) is not None}) for key in columns}


def settled(values: Mapping[str, Sequence[Any]], layout: Layout) -> Layout:
    """``layout`` with x, lines and panels decided for settings that take these ``values``.

    Raises ``InputError`` where what was asked cannot be: a setting in two roles, one without values for an axis, or one that
    varies and has no role.
    """
    many = [key for key in values if len(values[key]) > 1]
    asked = [*(layout.lines or ()), *(layout.panels or ())]
    axes = [key for key in KEYS if key in values]
    x = layout.x or max([key for key in axes if key not in asked] or axes, key=lambda key: len(values[key]))
    left = [key for key in many if key != x and key not in asked]
    if problems := list(_problems(layout, asked, many, left)):
        raise InputError(problems)
    if layout.panels is not None:
        return replace(layout, x=x, lines=(*(layout.lines or ()), *left))
    if layout.lines is not None:
        return replace(layout, x=x, panels=tuple(left))
    panels = _panels({key: len(values[key]) for key in left})
    return replace(layout, x=x, lines=tuple(key for key in left if key not in panels), panels=panels)


def _problems(
    layout: Layout, asked: Sequence[str], many: Sequence[str], left: Sequence[str]
) -> Iterator[str]:
    """What cannot be: one of ``asked`` twice, an axis that is none of the ``many`` that vary, no role for what is ``left``."""
    twice = [key for key in asked if asked.count(key) > 1]
    if layout.x is not None and layout.x in asked:
        twice = [layout.x, *twice]
    if twice:
        yield f"{_name(twice[0])} is asked for twice in the figure: a setting is the x axis, a line or a panel."
    if layout.x is not None and layout.x not in many and many:
        yield f"{_name(layout.x)} has one value, so that it is no x axis; several have {_names(many)}."
    if left and layout.lines is not None and layout.panels is not None:
        yield f"{_names(left)} vary and are neither the x axis, a line nor a panel of the figure."


def _panels(counts: Mapping[str, int]) -> tuple[str, ...]:
    """The fewest panels that leave six lines each; none where all lines fit, or nothing makes them fit."""
    total = math.prod(counts.values())
    if total <= MOST_LINES or (len(counts) == 1 and total <= MOST_VALUES):
        return ()
    # Experiments are compared within a panel, if that can be.
    keys_of_panels = sorted(counts, key=EXPERIMENT.__eq__)
    choices = [keys for size in (1, 2) for keys in combinations(keys_of_panels, size)]
    sizes = {keys: math.prod(counts[key] for key in keys) for keys in choices}
    fitting = [
        keys for keys in choices if sizes[keys] <= MOST_PANELS and total / sizes[keys] <= MOST_LINES
    ] or [keys for keys in choices if sizes[keys] <= MOST_PANELS]
    # Where nothing fits, as few lines a panel as there can be.
    few = all(total / sizes[keys] <= MOST_LINES for keys in fitting)
    return min(fitting, key=lambda keys: sizes[keys] if few else -sizes[keys], default=())


def grouped(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str]
) -> dict[tuple[Any, ...], list[Mapping[str, Any]]]:
    """Rows by their values of ``columns``, in the order of the rows."""
    found: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(tuple(row.get(key) for key in columns), []).append(row)
    return found


def in_panels(
    rows: Iterable[Mapping[str, object]], columns: Sequence[str]
) -> dict[tuple[object, ...], list[Mapping[str, object]]]:
    """Rows by panel; what has no value there (step 0 has no eta) stands in every panel that it fits."""
    groups = grouped(rows, columns)
    whole = {values: list(members) for values, members in groups.items() if None not in values}
    for values, members in groups.items():
        if None in values:
            fitting = [
                panel
                for panel in whole
                if all(a is None or a == b for a, b in zip(values, panel, strict=True))
            ]
            for panel in fitting:
                whole[panel] = [*members, *whole[panel]]
            if not fitting:
                whole[values] = list(members)
    return whole


def told(columns: Sequence[str], values: Sequence[Any]) -> str:
    """ "α = 2, t = 1" of what is not null."""
    return ", ".join(
        f"{SYMBOLS.get(key, key)} = {value:g}" if isinstance(value, (int, float)) else str(value)
        for key, value in zip(columns, values, strict=True)
        if value is not None
    )


def drawable(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows with numbers where JSON has words, and the d of the simulation where the theory has none of its own."""
    for row in rows:
        simulation = row.get("simulation")
        d = simulation["d"] if simulation and simulation.get("d") is not None else row.get("d")
        yield {**row, "beta": float(row["beta"]), "d": d}


def _name(column: str | None) -> str:
    return KEYS.get(str(column), str(column))


def _names(columns: Sequence[str]) -> str:
    return ", ".join(map(_name, columns)) or "none"
