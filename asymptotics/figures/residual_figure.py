"""The figure of a validation: every point in standard errors from the theory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asymptotics.figures.style_sheet import axes_or_new, distinct_looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_residuals(rows: Sequence[Mapping[str, Any]], ax: Axes | None = None) -> Axes:
    """z-scores of a validation, in the order of its rows, one marker a quantity, with the band |z| ≤ 2.

    Filled markers are refused points; a thin line leads to z without the allowance for finite size. Quantities
    that differ in the neuron alone share a marker.
    """
    from matplotlib.ticker import MaxNLocator

    ax = axes_or_new(ax)
    ax.axhspan(-2, 2, color="0.92", linewidth=0, zorder=0)
    ax.axhline(0, color="0.5", linewidth=0.8)
    families = [str(row["quantity"]).partition("[")[0] for row in rows]
    kinds = list(dict.fromkeys(families))
    for look, family in zip(distinct_looks(len(kinds)), kinds, strict=True):
        for refused in (False, True):
            points = [
                (j + 1, row["z"])
                for j, row in enumerate(rows)
                if families[j] == family and bool(row.get("rejected")) == refused
            ]
            ax.plot(
                [x for x, _ in points],
                [z for _, z in points],
                color=look["color"],
                marker=look["marker"],
                markerfacecolor=look["color"] if refused else "white",
                linestyle="none",
                zorder=3,
                label=None if refused else family.replace("_", " "),
            )
    allowed = [(j + 1, row) for j, row in enumerate(rows) if row.get("allowance") is not None]
    if allowed:
        ends = [row["z_raw"] for _, row in allowed]
        ax.vlines([j for j, _ in allowed], [row["z"] for _, row in allowed], ends, color="0.6", linewidth=0.8)
    top = 1.1 * max(2.0, *(abs(row["z"]) for row in rows), *(abs(row["z_raw"]) for _, row in allowed))
    ax.set_ylim(-top, top)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("point, in the order of the table")
    ax.set_ylabel(r"$z$ = (simulation $-$ theory) / s.e.")
    title = "filled: refused; band: $|z|$ ≤ 2" + "; thin line: to z without finite-size allowance" * bool(
        allowed
    )
    # Above the data, which it must not cover.
    ax.legend(
        ncols=4,
        title=title,
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.2,
    )
    return ax
