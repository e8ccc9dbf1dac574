"""The figure of a tuning: the test error over what was tuned, or the least one over the settings of a grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asymptotics.figures.line_labels import AXIS_LABELS, SYMBOLS
from asymptotics.figures.map_figure import plot_map
from asymptotics.figures.style_sheet import axes_or_new, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Settings that vary within a search: no axis of a grid.
_TUNED = ("lambda", "eta")


def plot_tuning(optimum: Mapping[str, Any], ax: Axes | None = None) -> Axes:
    """Test error over eta and lambda as a map, or along the one that was tuned; a star at the optimum."""
    ax = axes_or_new(ax)
    if len(optimum["over"]) > 1:
        return _plot_search(optimum, ax)
    x, goal = "eta" if "eta" in optimum["over"] else "lambda", _goal(optimum)
    bare, measured = (
        sorted({(row[x], row[goal]) for row in optimum["curve"] if bool(row.get("measured")) == kind})
        for kind in (False, True)
    )
    points = [*bare, *measured]
    look = looks()[0]
    if bare:
        ax.plot(*zip(*bare, strict=True), color=look["color"], marker=".", markersize=3, label="theory")
    corrected = [point for point in measured if point[0] != optimum[x]]
    if corrected:
        ax.plot(
            *zip(*corrected, strict=True),
            color=looks()[1]["color"],
            marker="x",
            linestyle="none",
            label="corrections measured",
        )
    # Of another shape, size and colour than the settings that were tried.
    ax.plot(
        optimum[x],
        optimum[goal],
        color=looks()[2]["color"],
        marker="*",
        markersize=11,
        linestyle="none",
        zorder=3,
        label=f"optimum: {optimum[goal]:.4g} at {optimum[x]:.3g}",
    )
    ax.set_xscale("log")
    errors = [error for _, error in points]
    if max(errors) >= 30 * min(errors) > 0:
        ax.set_yscale("log")
    ax.set_xlabel(AXIS_LABELS[x])
    ax.set_ylabel(goal.replace("_", " "))
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, ncols=1)
    return ax


def _plot_search(optimum: Mapping[str, Any], ax: Axes) -> Axes:
    """The map of every eta against the penalties that all of them were tried with."""
    tried = [row for row in optimum["curve"] if not row.get("measured")]
    times = Counter(row["lambda"] for row in tried)
    most = max(times.values())
    # Failures leave holes; penalties of the refinement belong to one eta each.
    common = {value for value, count in times.items() if count > most / 2}
    rows = list(
        {(row["eta"], row["lambda"]): row for row in optimum["curve"] if row["lambda"] in common}.values()
    )
    return plot_map(rows, "eta", "lambda", _goal(optimum), ax=ax, best=(optimum["eta"], optimum["lambda"]))


def _goal(optimum: Mapping[str, object]) -> str:
    """What was made least: the test error, or the loss on class labels."""
    return "test_loss" if "test_loss" in optimum else "test_error"


def tuning_page(optima: Sequence[Mapping[str, object]], figure: Figure) -> None:
    """One figure: of one tuning its search, of a grid of them the least test error against the settings of the grid."""
    if len(optima) == 1:
        plot_tuning(optima[0], figure.add_subplot())
        return
    from asymptotics.figures.curve_figure import curve_page
    from asymptotics.figures.layout import Layout

    rows = [
        {**row, **dict.fromkeys(_tuned(row), None), "plateau": None, "simulation": None} for row in optima
    ]
    # Without giant steps there is no eta to tune: what any row was tuned over is named.
    tuned = [name for name in _TUNED if any(name in _tuned(row) for row in optima)]
    least = "least test error over " + " and ".join(map(SYMBOLS.__getitem__, tuned))
    curve_page(rows, figure, layout=Layout(ylabel=least))


def _tuned(row: Mapping[str, Any]) -> list[str]:
    return [name for name in _TUNED if {"lambda": "lam"}.get(name, name) in row["over"]]
