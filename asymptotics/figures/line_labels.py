"""What a figure says in words: axes, lines labelled where they end, and a short legend above the Axes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LABELS = 6
"""Lines that get a label where they end; more share a legend."""

#: Points between a legend and the title above it.
_TITLE_PAD = 7.0

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

LOG_AXES = ("alpha", "lambda", "alpha_train", "eta", "beta", "d")


def legend_entry(ax: Axes, look: Mapping[str, Any], label: str, line: bool, marker: bool) -> None:
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


def legend_title(runs: Collection[int | None], more: str = "") -> str:
    """What lines, points and bars are; ``runs``: how many replicates the points rest on."""
    parts = ["lines: theory"]
    if runs:
        count = next(iter(runs)) if len(runs) == 1 else None
        parts.append("points: simulation ± s.e." + (f" ({count} runs)" if count else ""))
    return "\n".join(parts) + more


def legend(ax: Axes, runs: Collection[int | None], more: str, ends: Sequence[End]) -> None:
    """The legend, above the Axes so that it covers no data, and the labels of up to six lines where they end."""
    title = legend_title(runs, more)
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2}
    if 1 < len(ends) <= MOST_LABELS and all(label for *_, label in ends):
        label_ends(ax, ends)
        ax.legend(handles=[], title=title, alignment="left", **place)
    else:
        count = len(ax.get_legend_handles_labels()[1])
        ax.legend(title=title, alignment="left", ncols=1 if count < 2 else min(4, -(-count // 3)), **place)


def title_above(ax: Axes, text: str) -> None:
    """A title above the legend, which stands above the Axes: matplotlib would write the two over each other."""
    found, figure = ax.get_legend(), ax.get_figure()
    pad = None
    if found is not None and figure is not None:
        pad = found.get_window_extent().height * 72 / figure.dpi + _TITLE_PAD
    ax.set_title(text, pad=pad)


def label_ends(ax: Axes, ends: Sequence[End]) -> None:
    """Label the lines that end at ``ends`` (x, y, label) to the right of the Axes, apart from each other.

    Labels take the colour of the line that has their text as its own label.
    """
    colours = {line.get_label(): line.get_color() for line in ax.get_lines()}
    height = ax.get_position().height * ax.figure.get_figheight() * 72  # type: ignore[union-attr]
    apart = 9.5 / height
    # Heights as parts of the Axes, whatever the scale.
    scale = ax.transScale + ax.transLimits
    heights = [float(scale.transform((x, y))[1]) for x, y, _ in ends]
    order = sorted(range(len(ends)), key=heights.__getitem__)
    places = [min(max(heights[i], 0.0), 1.0) for i in order]
    # From the bottom up, then down again where the top ran out.
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + apart)
    ceiling = max(1.0, apart * (len(places) - 1))
    for k in reversed(range(len(places))):
        places[k] = min(places[k], ceiling - apart * (len(places) - 1 - k))
    for i, place in zip(order, places, strict=True):
        label = ends[i][2]
        ax.annotate(
            label,
            xy=(1.0, place),
            xycoords="axes fraction",
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            color=colours.get(label, "black"),
            annotation_clip=False,
        )
