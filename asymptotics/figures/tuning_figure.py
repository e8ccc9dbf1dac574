"""The figure of a tuning: the least test error against the setting that was tuned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asymptotics.figures.line_labels import AXIS_LABELS
from asymptotics.figures.style_sheet import axes_or_new, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_tuning(optimum: Mapping[str, Any], ax: Axes | None = None) -> Axes:
    """Least test error over the other setting against eta (or lambda, if that alone was tuned); the optimum marked."""
    ax = axes_or_new(ax)
    x = "eta" if "eta" in optimum["over"] else "lambda"
    profile: dict[float, float] = {}
    for row in (row for row in optimum["curve"] if not row.get("measured")):
        profile[row[x]] = min(row["test_error"], profile.get(row[x], float("inf")))
    look = looks()[0]
    ax.plot(
        *zip(*sorted(profile.items()), strict=True),
        color=look["color"],
        marker=".",
        markersize=3,
        label="theory",
    )
    # Of another shape, size and colour than the settings that were tried.
    ax.plot(
        optimum[x],
        optimum["test_error"],
        color=looks()[1]["color"],
        marker="*",
        markersize=10,
        linestyle="none",
        zorder=3,
        label="optimum",
    )
    ax.set_xscale("log")
    ax.set_xlabel(AXIS_LABELS[x])
    ax.set_ylabel("test error" + r", least over $\lambda$" * (len(optimum["over"]) > 1))
    ax.legend()
    return ax


def tuning_page(optimum: Mapping[str, Any], figure: Figure) -> None:
    """A figure of one tuning."""
    plot_tuning(optimum, figure.add_subplot())
