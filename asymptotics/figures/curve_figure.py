"""The figure of a curve: the theory as lines, the simulation as points with standard-error bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from asymptotics.figures.layout import (
    MOST_LINES,
    Layout,
    drawable,
    grouped,
    in_panels,
    settled,
    told,
    varying,
)
from asymptotics.figures.line_labels import (
    AXIS_LABELS,
    LOG_AXES,
    End,
    legend,
    legend_entry,
    legend_title,
)
from asymptotics.figures.style_sheet import axes_or_new, distinct_looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]
Looks = Mapping[tuple[Any, ...], Mapping[str, Any]]

#: An axis is logarithmic where its largest value is so many times the smallest: of settings, of errors.
_LOG_X, _LOG_Y = 8, 30
#: Columns of whose growth a plateau is the limit, and the steps themselves.
_TOWARDS_PLATEAU = ("alpha", "beta", "step")


def plot_curve(
    rows: Rows,
    ax: Axes | None = None,
    quantity: str = "test_error",
    dense: Rows = (),
    layout: Layout | None = None,
) -> Axes:
    """The test error of the rows of a curve against the setting that varies most; one line a setting of the
    others. ``dense``: rows of the theory on a finer grid, of which the lines are made where they are given.

    Lines are the theory, points the simulation ± its standard error, thin dotted levels the plateaus, over the range in
    which nothing predicted is below them. ``layout``: another x axis, scales; its panels are not for a single Axes.
    """
    ax = axes_or_new(ax)
    asked = layout or Layout(quantity=quantity)
    rows = list(drawable(rows))
    chosen = settled(varying(rows), replace(asked, panels=asked.panels or ()))
    looks_of = styles(rows, chosen)
    dense = list(drawable(dense))
    ends = _draw_panel(ax, rows, dense, chosen, looks_of)
    _dress(ax, rows, dense, chosen)
    _say_axes(ax, chosen)
    legend(ax, _runs(rows), "\ndotted: plateau" * _has_plateaus(rows, chosen), ends)
    return ax


def curve_page(rows: Rows, figure: Figure, dense: Rows = (), layout: Layout | None = None) -> None:
    """The whole figure of a curve: one panel, or small multiples on common axes where there are many lines."""
    rows = list(drawable(rows))
    chosen = settled(varying(rows), layout or Layout())
    panels = in_panels(rows, chosen.panels or ())
    if len(panels) == 1:
        figure.set_size_inches(4.2, 3.0)
        plot_curve(rows, figure.add_subplot(), chosen.quantity, dense, replace(chosen, panels=()))
        return
    dense = list(drawable(dense))
    fine = in_panels(dense, chosen.panels or ())
    columns = 2 if len(panels) == 4 else min(len(panels), 3 if len(panels) <= 9 else 4)
    lines = -(-len(panels) // columns)
    figure.set_size_inches(7.0, 0.7 + 1.9 * lines)
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    looks_of = styles(rows, chosen)
    for ax, (values, members) in zip(grid.flat, panels.items(), strict=False):
        _draw_panel(ax, members, fine.get(values, []), chosen, looks_of)
        ax.set_title(told(chosen.panels or (), values))
    for ax in grid.flat[: len(panels)]:
        _dress(ax, rows, dense, chosen, wide=False)
    for k, ax in enumerate(grid.flat):
        if k >= len(panels):
            ax.set_axis_off()
        elif k + columns >= len(panels):
            # The lowest panel of its column, whatever is below it.
            ax.xaxis.set_tick_params(labelbottom=True)
    _say_axes(figure, chosen)
    handles: dict[str, Any] = {}
    for ax in grid.flat:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    title = legend_title(_runs(rows), "\ndotted: plateau" * _has_plateaus(rows, chosen))
    alone = not chosen.lines
    figure.legend(
        [] if alone else list(handles.values()),
        [] if alone else list(handles),
        title=title.replace("\n", "; "),
        loc="outside upper left",
        ncols=min(len(handles), MOST_LINES) or 1,
        alignment="left",
    )


def styles(rows: Rows, layout: Layout) -> Looks:
    """A look for the values of each line, the same in every panel; no two are equal."""
    keys = list(grouped(rows, layout.lines or ()))
    return dict(zip(keys, distinct_looks(len(keys)), strict=True))


def _draw_panel(ax: Axes, rows: Rows, dense: Rows, layout: Layout, looks_of: Looks) -> list[End]:
    """All lines of one panel; returns where they end."""
    x, columns = str(layout.x), layout.lines or ()
    fine = grouped(dense, columns)
    levels = layout.plateaus and layout.quantity == "test_error" and x in _TOWARDS_PLATEAU
    ends: list[End] = []
    for values, members in grouped(rows, columns).items():
        look, label = looks_of[values], told(columns, values)
        there = sorted((row for row in members if row[x] is not None), key=lambda row: float(row[x]))
        line = sorted(
            (row for row in fine.get(values, []) if row[x] is not None), key=lambda row: float(row[x])
        )
        if not there:
            # Nothing was trained: the setting on the axis does not matter.
            ends.append(_draw_level(ax, members, layout.quantity, look, label))
            continue
        ends.append(_draw_group(ax, there, x, layout.quantity, look, label, line))
        if levels:
            _draw_plateaus(ax, line or there, x, look)
    return ends


def plot_rows(
    ax: Axes,
    rows: Rows,
    x: str,
    by: str | None = None,
    names: Mapping[Any, str] | None = None,
    dense: Rows = (),
) -> Axes:
    """The test errors of the rows of a curve against their column ``x``, a line for each value of ``by``.

    Lines are the theory where there is one, through the rows or, where given, through ``dense`` ones; points the simulation ±
    its standard error; ``names`` of the lines.
    """
    groups: dict[Any, tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]] = {}
    for kind, all_of_them in enumerate((rows, dense)):
        for row in sorted(all_of_them, key=lambda row: float(row[x])):
            groups.setdefault(row[by] if by else None, ([], []))[kind].append(row)
    for look, (value, (members, line)) in zip(distinct_looks(len(groups)), groups.items(), strict=True):
        label = (names or {}).get(value, str(value))
        _draw_group(ax, members, x, "test_error", look, label, line)
    ax.set_ylabel("test error")
    ax.set_ylim(bottom=0)
    legend(ax, _runs(rows), "", ())
    return ax


def _draw_group(
    ax: Axes,
    rows: Rows,
    x: str,
    quantity: str,
    look: Mapping[str, Any],
    label: str,
    line: Rows = (),
) -> End:
    """One line of a curve; returns where it ends and its label."""
    # What is infinite (kernel ridge, interpolation without a penalty) has no place on the axes: the line has a gap.
    shown = [row for row in rows if math.isfinite(row[x])]
    predicted = [
        (row[x], row[quantity] if math.isfinite(row[quantity]) else math.nan)
        for row in (line or shown)
        if row[quantity] is not None
    ]
    simulated = [
        (row[x], row["simulation"])
        for row in shown
        if row.get("simulation") and row["simulation"].get(quantity) is not None
    ]
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
            yerr=[s.get(f"{quantity}_sem") or 0.0 for _, s in simulated],
            color=look["color"],
            marker=look["marker"],
            markerfacecolor="white",
            linestyle="none",
            zorder=3,
        )
    legend_entry(
        ax, look, label or ("theory" if predicted else "simulation"), bool(predicted), bool(simulated)
    )
    finite = [point for point in predicted if math.isfinite(point[1])]
    measured = [(point, s[quantity]) for point, s in simulated]
    return (*(finite or measured or [(0.0, 0.0)])[-1], label)


def _draw_level(ax: Axes, rows: Rows, quantity: str, look: Mapping[str, Any], label: str) -> End:
    """What does not depend on the x axis, as a level across it."""
    value = next((row[quantity] for row in rows if row[quantity] is not None), math.nan)
    ax.axhline(value, color=look["color"], linestyle=look["linestyle"], linewidth=1.0)
    legend_entry(ax, look, label, True, False)
    return (0.0, value, label)


def _draw_plateaus(ax: Axes, rows: Rows, x: str, look: Mapping[str, Any]) -> None:
    """Dotted levels of the plateaus, over the part of the axis in which no predicted error is below them."""
    held: dict[float, list[float]] = {}
    for row in rows:
        level, error = row.get("plateau"), row["test_error"]
        if level and (error is None or error >= level * (1 - 1e-6)) and math.isfinite(row[x]):
            held.setdefault(level, []).append(float(row[x]))
    for level, places in held.items():
        # A step has a plateau of its own: a dash about it.
        half = 0.3 if x == "step" else 0.0
        ax.plot(
            [min(places) - half, max(places) + half],
            [level, level],
            color=look["color"],
            linestyle=":",
            linewidth=0.9,
            marker="" if len(places) > 1 or half else ".",
        )


def _has_plateaus(rows: Rows, layout: Layout) -> bool:
    wanted = layout.plateaus and layout.quantity == "test_error" and layout.x in _TOWARDS_PLATEAU
    return wanted and any(row.get("plateau") for row in rows)


def _dress(ax: Axes, rows: Rows, dense: Rows, layout: Layout, wide: bool = True) -> None:
    """Scales and ticks of one panel."""
    x = str(layout.x)
    values = sorted({float(row[x]) for row in rows if row[x] is not None and math.isfinite(row[x])})
    if _logarithmic(layout, "x", values, x in LOG_AXES, _LOG_X):
        ax.set_xscale("log")
    shown = _ordinates([*rows, *dense], layout.quantity)
    if _logarithmic(layout, "y", shown, True, _LOG_Y):
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0)
    if len(values) <= 8 and _apart(ax, values) > (0.07 if wide else 0.14):
        # The values themselves read better than powers of ten.
        ax.set_xticks(values, [f"{v:g}" for v in values])
        ax.set_xticks([], minor=True)
    elif x == "step":
        from matplotlib.ticker import MaxNLocator

        ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def _logarithmic(layout: Layout, axis: str, values: Sequence[float], may: bool, ratio: float) -> bool:
    if layout.log != "auto":
        return axis in layout.log.replace("none", "")
    return may and bool(values) and min(values) > 0 and max(values) >= ratio * min(values)


def _ordinates(rows: Rows, quantity: str) -> list[float]:
    """Every finite error that is shown."""
    found = [row[quantity] for row in rows]
    found += [row["simulation"].get(quantity) for row in rows if row.get("simulation")]
    return [value for value in found if value is not None and math.isfinite(value)]


def _apart(ax: Axes, values: Sequence[float]) -> float:
    """The least distance of neighbours, as a part of the axis."""
    places = [float((ax.transScale + ax.transLimits).transform((v, 1.0))[0]) for v in values]
    return min((b - a for a, b in pairwise(places)), default=1.0)


def _say_axes(place: Any, layout: Layout) -> None:
    """Names of the axes, of an Axes or of a whole figure."""
    kind = layout.quantity.replace("_", " ")
    y = rf"{kind} $\mathbb{{E}}\,(y - f)^2$" if layout.quantity == "test_error" else kind
    y = layout.ylabel or y
    x = AXIS_LABELS.get(str(layout.x), str(layout.x))
    if hasattr(place, "set_xlabel"):
        place.set_xlabel(x)
        place.set_ylabel(y)
    else:
        place.supxlabel(x, fontsize="medium")
        place.supylabel(y, fontsize="medium")


def _runs(rows: Rows) -> set[int | None]:
    return {row["simulation"].get("replicates") for row in rows if row.get("simulation")}
