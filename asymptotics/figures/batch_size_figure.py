"""The figure of batch size against time: steps and samples to leave a random start."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asymptotics.figures.style_sheet import PAGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Inches: two panels side by side.
SIZE = (PAGE[0], 2.6)


def plot_batch_size(rows: Sequence[Mapping[str, Any]], figure: Figure) -> Figure:
    """The phase diagram of ``batch_tradeoff``: median steps and samples against mu, n_b = d^mu, a line a loss.

    Rows with ``simulated_steps`` also get a point: the median of simulated runs. Draws into ``figure`` and returns it.
    """
    panels = figure.subplots(1, 2)
    for loss, colour, marker in (("square", "C0", "o"), ("correlation", "C1", "s")):
        own = [row for row in rows if row["loss"] == loss]
        mu = [row["mu"] for row in own]
        seen = [row for row in own if row.get("simulated_steps")]
        for ax, samples in zip(panels, (False, True), strict=True):
            steps = [math.nan if row["steps"] is None else row["steps"] for row in own]
            counted = [t * (row["n_b"] if samples else 1) for t, row in zip(steps, own, strict=True)]
            ax.plot(mu, counted, color=colour, marker="", label=loss)
            ax.plot(
                [row["mu"] for row in seen],
                [row["simulated_steps"] * (row["n_b"] if samples else 1) for row in seen],
                color=colour,
                marker=marker,
                markerfacecolor="white",
                linestyle="none",
            )
    for ax, name in zip(panels, ("steps", "samples"), strict=True):
        ax.set_yscale("log")
        ax.set_xlabel(r"$\mu$, batch $n_b = d^\mu$")
        ax.set_ylabel(f"{name} to leave the start (median)")
    panels[0].legend()
    return figure
