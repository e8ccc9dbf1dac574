"""What a figure says in words: axes, lines labelled where they end, and a short legend."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LABELS = 6
"""Lines that get a label where they end; more share a legend."""

End = tuple[float, float, str]
"""Where a line ends (x, y) and its label."""

SYMBOLS = {
    "alpha": r"$\alpha$",
    "lambda": r"$\lambda$",
    "alpha_train": r"$\alpha_{\mathrm{train}}$",
    "eta": r"$\eta$",
    "beta": r"$\beta$",
    "d": r"$d$",
    "step": r"$t$",
}

AXIS_LABELS = {
    "alpha": r"samples of the ridge fit, $\alpha = n_2/d$",
    "lambda": r"ridge penalty $\lambda$",
    "alpha_train": r"batch of a giant step, $\alpha_{\mathrm{train}} = n/d^{\ell}$",
    "eta": r"learning rate $\eta$",
    "beta": r"width $\beta = p/d$",
    "d": r"input dimension $d$",
    "step": r"giant steps $t$",
}

LOG_AXES = ("alpha", "lambda", "alpha_train", "beta", "d")


def legend_entry(ax: Any, look: Mapping[str, Any], label: str, line: bool, marker: bool) -> None:
    """One entry of the legend: the line of the theory, the marker of the simulation, or both together."""
    ax.plot(
        [],
        [],
        color=look["color"],
        linestyle=look["linestyle"] if line else "none",
        marker=look["marker"] if marker else "",
        markerfacecolor="white",
        label=label,
    )


def legend(ax: Any, runs: Collection[int | None], more: str, ends: Sequence[End]) -> None:
    """What lines, points and bars are (``runs``: how many replicates the points rest on), and the labels."""
    title = "lines: theory"
    if runs:
        count = next(iter(runs)) if len(runs) == 1 else None
        title += "\npoints: simulation ± s.e." + (f" ({count} runs)" if count else "")
    title += more
    if 1 < len(ends) <= MOST_LABELS and all(label for *_, label in ends):
        label_ends(ax, ends)
        ax.legend(handles=[], title=title, alignment="left")
    else:
        ax.legend(title=title, alignment="left", ncols=1 + (len(ax.get_legend_handles_labels()[1]) > 3))


def label_ends(ax: Axes, ends: Sequence[End]) -> None:
    """Label the lines that end at ``ends`` (x, y, label) to the right of the Axes, apart from each other.

    Labels take the colour of the line that has their text as its own label.
    """
    colours = {line.get_label(): line.get_color() for line in ax.get_lines()}
    low, high = ax.get_ylim()
    height = ax.get_position().height * ax.figure.get_figheight() * 72  # type: ignore[union-attr]
    apart = 9.5 * (high - low) / height
    order = sorted(range(len(ends)), key=lambda i: ends[i][1])
    places = [ends[i][1] for i in order]
    # From the bottom up, then down again where the top ran out.
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + apart)
    ceiling = max(high, low + apart * (len(places) - 1))
    for k in reversed(range(len(places))):
        places[k] = min(places[k], ceiling - apart * (len(places) - 1 - k))
    for i, place in zip(order, places, strict=True):
        label = ends[i][2]
        ax.annotate(
            label,
            xy=(1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            color=colours.get(label, "black"),
            annotation_clip=False,
        )
