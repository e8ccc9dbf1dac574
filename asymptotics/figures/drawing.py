"""Figures: the theory as lines, the simulation as points with standard-error bars, one style sheet.

Every ``plot_*`` draws into the Axes it is given (without one, into a new pyplot figure) and returns them.
Lines are labelled where they end; a short legend says what lines, points and their bars are.
Files are made from ``Figure`` objects inside ``style()``: neither pyplot nor any global setting is touched.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from asymptotics.results import Overlaps

COLUMN = (3.4, 2.6)
"""Inches of a figure of one column in print."""
PAGE = (7.0, 2.8)
"""Inches of a figure across the page."""
MOST_LABELS = 6
"""Lines that get a label where they end; more share a legend."""

STYLE = Path(__file__).with_name("giantstep.mplstyle")

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


@contextmanager
def style() -> Iterator[None]:
    """giantstep's style sheet, for the time of a ``with`` block; nothing of the user's settings shows through.

    A user's ``text.usetex`` without LaTeX, say, must not cost the figure.
    """
    import_matplotlib()
    import matplotlib.style

    with matplotlib.style.context(STYLE, after_reset=True):
        yield


def import_matplotlib() -> None:
    """Import matplotlib, also where ``MPLBACKEND`` names nothing: a figure made for a file needs no backend."""
    if "matplotlib" in sys.modules:
        return
    named = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
    if named:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = named


def axes_or_new(ax: Any) -> Any:
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots()[1]


def save(draw: Callable[[Figure], object], size: tuple[float, float] | None = None) -> dict[str, bytes]:
    """What ``draw`` draws on a new figure, as ``{"png": bytes, "pdf": bytes}``; equal input gives equal
    bytes.
    """
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=size)
        draw(figure)
        files = {}
        for kind, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
            stream = io.BytesIO()
            figure.savefig(stream, format=kind, metadata=metadata)
            files[kind] = stream.getvalue()
    return files


def drawn_svg(draw: Callable[[Figure], object], size: tuple[float, float] | None = None) -> bytes:
    """What ``draw`` draws on a new figure as SVG for a page, letters as outlines; equal input gives equal bytes."""
    import_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    with style(), matplotlib.rc_context({"svg.hashsalt": "giantstep", "svg.fonttype": "path"}):
        figure = Figure(figsize=size)
        draw(figure)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def _cycle() -> list[dict[str, Any]]:
    """Colour, line style and marker of each group, from the style sheet (the same whatever style is
    active).
    """
    import matplotlib

    return list(matplotlib.rc_params_from_file(STYLE, use_default_template=False)["axes.prop_cycle"])


def plot_curve(
    rows: Sequence[Mapping[str, Any]], ax: Axes | None = None, quantity: str = "test_error"
) -> Axes:
    """``quantity`` of the rows of a curve against the setting that varies most; one line a setting of the
    others.

    Lines are the theory, points the simulation ± its standard error, thin dotted levels the plateaus.
    """
    ax = axes_or_new(ax)
    varying = {key: sorted({row[key] for row in rows if row[key] is not None}) for key in SYMBOLS}
    x = max(SYMBOLS, key=lambda key: len(varying[key]))
    others = [key for key in SYMBOLS if key != x and len(varying[key]) > 1]
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row[x] is not None:
            groups.setdefault(tuple(row[key] for key in others), []).append(row)
    cycle = _cycle()
    ends: list[End] = []
    for i, (values, members) in enumerate(groups.items()):
        look = cycle[i % len(cycle)]
        label = ", ".join(
            f"{SYMBOLS[k]} = {v:g}"
            for k, v in zip(others, values, strict=True)
            if isinstance(v, (int, float))
        )
        ends.append(_draw_group(ax, sorted(members, key=lambda row: float(row[x])), x, quantity, look, label))
    ax.set_xlabel(AXIS_LABELS[x])
    kind = quantity.replace("_", " ")
    ax.set_ylabel(rf"{kind} $\mathbb{{E}}\,(y - f)^2$" if quantity == "test_error" else kind)
    if x in LOG_AXES and min(varying[x]) > 0 and max(varying[x]) >= 8 * min(varying[x]):
        ax.set_xscale("log")
    if len(varying[x]) <= 8:
        # The values themselves read better than powers of ten.
        ax.set_xticks(varying[x], [f"{v:g}" for v in varying[x]])
        ax.set_xticks([], minor=True)
    ax.set_ylim(bottom=0)
    plateaus = quantity == "test_error" and any(row.get("plateau") for row in rows)
    runs = {row["simulation"].get("replicates") for row in rows if row.get("simulation")}
    _legend(ax, runs, "\ndotted: plateau" * plateaus, ends)
    return ax


def _draw_group(
    ax: Any, rows: Sequence[Mapping[str, Any]], x: str, quantity: str, look: Mapping[str, Any], label: str
) -> End:
    """One line of a curve; returns where it ends and its label."""
    predicted = [(row[x], row[quantity]) for row in rows if row[quantity] is not None]
    simulated = [(row[x], row["simulation"]) for row in rows if row.get("simulation")]
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
    _key(ax, look, label or ("theory" if predicted else "simulation"), bool(predicted), bool(simulated))
    return (*(predicted[-1] if predicted else (simulated[-1][0], simulated[-1][1][quantity])), label)


def _key(ax: Any, look: Mapping[str, Any], label: str, line: bool, marker: bool) -> None:
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


def _legend(ax: Any, runs: Collection[int | None], more: str, ends: Sequence[End]) -> None:
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
    cycle = _cycle()
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
    _legend(ax, runs, "", ())
    return ax


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


def plot_overlaps(overlaps: Overlaps, ax: Axes | None = None, simulation: Overlaps | None = None) -> Axes:
    """M = ⟨w, w*_m⟩ against the step, a line for each direction m and readout (four values at most).

    ``simulation``: measured overlaps of the same entries, drawn as points ± their standard error.
    """
    ax = axes_or_new(ax)
    cycle = _cycle()
    first = overlaps.steps[0]
    # At fixed width neurons of equal readout share a line: the first of them is drawn.
    entries = list({value: g for g, value in reversed(list(enumerate(first.readout)))}.values())[::-1][:4]
    steps = [s.step for s in overlaps.steps]
    count = 0
    ends: list[End] = []
    for m in range(first.M.shape[1]):
        for g in entries:
            look = cycle[count % len(cycle)]
            count += 1
            label = rf"$w^\star_{{{m + 1}}}$, $\tilde{{a}} = {first.readout[g]:.3g}$"
            values = [s.M[g, m] for s in overlaps.steps]
            ax.plot(steps, values, color=look["color"], linestyle=look["linestyle"], marker="")
            ends.append((steps[-1], float(values[-1]), label))
            _key(ax, look, label, True, simulation is not None)
            if simulation is not None and g < len(simulation.steps[0].readout):
                ax.errorbar(
                    [s.step for s in simulation.steps],
                    [s.M[g, m] for s in simulation.steps],
                    yerr=[0.0 if s.M_sem is None else s.M_sem[g, m] for s in simulation.steps],
                    color=look["color"],
                    marker=look["marker"],
                    markerfacecolor="white",
                    linestyle="none",
                    zorder=3,
                )
    ax.set_xticks(steps)
    # Room for the legend above the curves.
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + (0.25 if len(ends) <= MOST_LABELS else 0.4) * (high - low))
    ax.set_xlabel(AXIS_LABELS["step"])
    ax.set_ylabel(r"overlap $M = \langle w, w^\star_m\rangle$")
    _legend(ax, () if simulation is None else (simulation.replicates,), "", ends)
    return ax


def plot_residuals(rows: Sequence[Mapping[str, Any]], ax: Axes | None = None) -> Axes:
    """z-scores of a validation, in the order of its rows, one marker a quantity, with the band |z| ≤ 2.

    Filled markers are refused points; a thin line leads to z without the allowance for finite size. Quantities
    that differ in the neuron alone share a marker.
    """
    from matplotlib.ticker import MaxNLocator

    ax = axes_or_new(ax)
    cycle = _cycle()
    ax.axhspan(-2, 2, color="0.92", linewidth=0, zorder=0)
    ax.axhline(0, color="0.5", linewidth=0.8)
    families = [str(row["quantity"]).partition("[")[0] for row in rows]
    for i, family in enumerate(dict.fromkeys(families)):
        look = cycle[i % len(cycle)]
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
    top = 1.4 * max(2.0, *(abs(row["z"]) for row in rows), *(abs(row["z_raw"]) for _, row in allowed))
    ax.set_ylim(-top, top)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("point, in the order of the table")
    ax.set_ylabel(r"$z$ = (simulation $-$ theory) / s.e.")
    title = "filled: refused" + "; thin line: to z without finite-size allowance" * bool(allowed)
    ax.legend(ncols=4, title=title, alignment="left")
    return ax


def plot_tuning(optimum: Mapping[str, Any], ax: Axes | None = None) -> Axes:
    """Least test error over the other setting against eta (or lambda, if that alone was tuned); the optimum marked."""
    ax = axes_or_new(ax)
    x = "eta" if "eta" in optimum["over"] else "lambda"
    profile: dict[float, float] = {}
    for row in optimum["curve"]:
        profile[row[x]] = min(row["test_error"], profile.get(row[x], float("inf")))
    look = _cycle()[0]
    ax.plot(*zip(*sorted(profile.items()), strict=True), color=look["color"], label="theory")
    ax.plot(
        optimum[x], optimum["test_error"], color=look["color"], marker="o", linestyle="none", label="optimum"
    )
    ax.set_xscale("log")
    ax.set_xlabel(AXIS_LABELS[x])
    ax.set_ylabel("test error" + r", least over $\lambda$" * (len(optimum["over"]) > 1))
    ax.legend()
    return ax


def tuning_page(optimum: Mapping[str, Any], figure: Figure) -> None:
    """A figure of one tuning."""
    plot_tuning(optimum, figure.add_subplot())
