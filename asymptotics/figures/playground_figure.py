"""The figure of test errors on the page to play with: the curve, its stated error as a band, the point that is set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asymptotics.figures.curve_figure import plot_curve, styles
from asymptotics.figures.layout import Layout, drawable, grouped, settled, varying

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]


def error_page(rows: Rows, figure: Figure, dense: Rows, alpha: float) -> None:
    """Test error against the alpha of the fit, a line a step, the total error of each number as a band; ``alpha`` is marked."""
    figure.set_size_inches(4.6, 3.2)
    ax = figure.add_subplot()
    layout = Layout(x="alpha", lines=("step",) if len({row["step"] for row in rows}) > 1 else ())
    plot_curve(rows, ax, dense=dense, layout=layout)
    looks = styles(rows, settled(varying(drawable(rows)), layout))
    for values, members in grouped(dense or rows, layout.lines or ()).items():
        line = sorted(
            (row for row in members if math.isfinite(row["test_error"])), key=lambda row: row["alpha"]
        )
        sizes = [row["test_error"] * (row["error"]["total"] or 0.0) for row in line]
        errors = [row["test_error"] for row in line]
        ax.fill_between(
            [row["alpha"] for row in line],
            [error - size for error, size in zip(errors, sizes, strict=True)],
            [error + size for error, size in zip(errors, sizes, strict=True)],
            color=looks[values]["color"],
            alpha=0.15,
            linewidth=0,
        )
    ax.axvline(alpha, color="0.6", linewidth=0.8, zorder=0)
