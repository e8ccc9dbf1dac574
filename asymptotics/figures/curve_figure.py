"""The figure of a curve: the theory as lines, the simulation as points with standard-error bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asymptotics.figures.line_labels import AXIS_LABELS, LOG_AXES, SYMBOLS, End, legend, legend_entry
from asymptotics.figures.style_sheet import axes_or_new, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_curve(
    rows: Sequence[Mapping[str, Any]],
    ax: Axes | None = None,
    quantity: str = "test_error",
    dense: Sequence[Mapping[str, Any]] = (),
) -> Axes:
    """``quantity`` of the rows of a curve against the setting that varies most; one line a setting of the
    others. ``dense``: rows of the theory on a finer grid, of which the lines are made where they are given.

    Lines are the theory, points the simulation ± its standard error, thin dotted levels the plateaus.
    """
    ax = axes_or_new(ax)
    rows = [{**row, "beta": float(row["beta"])} for row in rows]
    varying = {key: sorted({row[key] for row in rows if row[key] is not None}) for key in SYMBOLS}
    x = max(SYMBOLS, key=lambda key: len(varying[key]))
    others = [key for key in SYMBOLS if key != x and len(varying[key]) > 1]
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row[x] is not None:
            groups.setdefault(tuple(row[key] for key in others), []).append(row)
    lines: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in dense:
        lines.setdefault(tuple(row[key] for key in others), []).append({**row, "beta": float(row["beta"])})
    cycle = looks()
    ends: list[End] = []
    for i, (values, members) in enumerate(groups.items()):
        look = cycle[i % len(cycle)]
        label = ", ".join(
            f"{SYMBOLS[k]} = {v:g}"
            for k, v in zip(others, values, strict=True)
            if isinstance(v, (int, float))
        )
        line = sorted(lines.get(values, []), key=lambda row: float(row[x]))
        ends.append(
            _draw_group(ax, sorted(members, key=lambda row: float(row[x])), x, quantity, look, label, line)
        )
    varying[x] = [v for v in varying[x] if math.isfinite(v)]
    ax.set_xlabel(AXIS_LABELS[x])
    kind = quantity.replace("_", " ")
    ax.set_ylabel(rf"{kind} $\mathbb{{E}}\,(y - f)^2$" if quantity == "test_error" else kind)
    if x in LOG_AXES and varying[x] and min(varying[x]) > 0 and max(varying[x]) >= 8 * min(varying[x]):
        ax.set_xscale("log")
    if len(varying[x]) <= 8:
        # The values themselves read better than powers of ten.
        ax.set_xticks(varying[x], [f"{v:g}" for v in varying[x]])
        ax.set_xticks([], minor=True)
    ax.set_ylim(bottom=0)
    plateaus = quantity == "test_error" and any(row.get("plateau") for row in rows)
    runs = {row["simulation"].get("replicates") for row in rows if row.get("simulation")}
    legend(ax, runs, "\ndotted: plateau" * plateaus, ends)
    return ax


def plot_rows(
    ax: Axes,
    rows: Sequence[Mapping[str, Any]],
    x: str,
    by: str | None = None,
    names: Mapping[Any, str] | None = None,
    quantity: str = "test_error",
) -> Axes:
    """``quantity`` of the rows of a curve against their column ``x``, a line for each value of ``by``.

    Lines are the theory where there is one, points the simulation ± its standard error; ``names`` of the lines.
    """
    cycle = looks()
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[by] if by else None, []).append({**row, "plateau": None})
    for i, (value, members) in enumerate(groups.items()):
        look = cycle[i % len(cycle)]
        label = (names or {}).get(value, str(value))
        _draw_group(ax, sorted(members, key=lambda row: float(row[x])), x, quantity, look, label)
    ax.set_ylabel(quantity.replace("_", " "))
    ax.set_ylim(bottom=0)
    runs = {row["simulation"].get("replicates") for row in rows if row.get("simulation")}
    legend(ax, runs, "", ())
    return ax


def _draw_group(
    ax: Any,
    rows: Sequence[Mapping[str, Any]],
    x: str,
    quantity: str,
    look: Mapping[str, Any],
    label: str,
    line: Sequence[Mapping[str, Any]] = (),
) -> End:
    """One line of a curve; returns where it ends and its label."""
    # What is infinite (kernel ridge, interpolation without a penalty) has no place on the axes: the line has a gap.
    shown = [row for row in rows if math.isfinite(row[x])]
    predicted = [
        (row[x], row[quantity] if math.isfinite(row[quantity]) else math.nan)
        for row in (line or shown)
        if row[quantity] is not None
    ]
    simulated = [(row[x], row["simulation"]) for row in shown if row.get("simulation")]
    if predicted:
        ax.plot(
            *zip(*predicted, strict=True),
            color=look["color"],
            linestyle=look["linestyle"],
            marker="" if len(predicted) > 1 else "_",
        )
    if simulated:
        ax.errorbar(
            [point for point, _ in simulated],
            [s[quantity] for _, s in simulated],
            yerr=[s[f"{quantity}_sem"] or 0.0 for _, s in simulated],
            color=look["color"],
            marker=look["marker"],
            markerfacecolor="white",
            linestyle="none",
            zorder=3,
        )
    if quantity == "test_error":
        for level in dict.fromkeys(row["plateau"] for row in rows if row.get("plateau")):
            ax.axhline(level, color=look["color"], linestyle=":", linewidth=0.8)
    legend_entry(
        ax, look, label or ("theory" if predicted else "simulation"), bool(predicted), bool(simulated)
    )
    finite = [point for point in predicted if math.isfinite(point[1])]
    measured = [(point, s[quantity]) for point, s in simulated]
    return (*(finite or measured or [(0.0, 0.0)])[-1], label)
