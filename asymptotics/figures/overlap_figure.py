"""The figure of overlaps with the target's directions, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asymptotics.figures.line_labels import AXIS_LABELS, MOST_LABELS, End, legend, legend_entry, legend_title
from asymptotics.figures.style_sheet import axes_or_new, distinct_looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from asymptotics.results import Overlaps, StepOverlaps

Array = npt.NDArray[np.float64]

#: What is smaller than this share of the largest possible overlap is rounding, not a result.
ROUNDING = 1e-9
#: Steps that all get a tick of their own.
_MOST_TICKS = 12
#: Values of the readout that are all drawn; of more (a Gaussian law) these quantiles.
_MOST_READOUTS, _QUANTILES = 4, (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Readout:
    """A value ã of the readout that gets a line, and the quantile of the law that it is, if it was chosen as one."""

    value: float
    quantile: float | None = None

    def label(self, m: int | None) -> str:
        which = "" if m is None else rf"$w^\star_{{{m + 1}}}$, "
        share = "" if self.quantile is None else f" ({100 * self.quantile:g} %)"
        return which + rf"$\tilde{{a}} = {self.value:.3g}$" + share


def readouts_shown(step: StepOverlaps) -> tuple[Readout, ...]:
    """Every value of the readout up to four, downwards as they come; of more, quantiles of their law."""
    from scipy.special import ndtri

    values, place = np.unique(step.readout, return_inverse=True)
    if len(values) <= _MOST_READOUTS:
        return tuple(Readout(float(value)) for value in dict.fromkeys(step.readout))
    weight = np.bincount(place, weights=step.weight)
    # A value stands in the middle of its own weight; between them the law is read off in normal scores, in which a
    # Gaussian one is a straight line.
    scores = ndtri((np.cumsum(weight) - weight / 2) / weight.sum())
    found = [float(np.interp(ndtri(q), scores, values)) for q in _QUANTILES[::-1]]
    # The middle of a symmetric law is 0, not what rounding leaves of it.
    rounding = 1e-12 * float(np.abs(values).max())
    return tuple(
        Readout(0.0 if abs(value) < rounding else value, q)
        for value, q in zip(found, _QUANTILES[::-1], strict=True)
    )


def along_readouts(step: StepOverlaps, numbers: Array, readout: Readout) -> float | None:
    """``numbers`` (one an entry) at a value of the readout: of its entry, or between its neighbours for a quantile.

    None where no entry has that readout.
    """
    if readout.quantile is None:
        same = np.flatnonzero(np.isclose(step.readout, readout.value, rtol=1e-9, atol=0.0))
        return float(numbers[same[0]]) if len(same) else None
    from scipy.interpolate import PchipInterpolator

    values, first = np.unique(step.readout, return_index=True)
    if not values[0] <= readout.value <= values[-1]:
        return None
    if len(values) < 3:
        return float(np.interp(readout.value, values, numbers[first]))
    return float(PchipInterpolator(values, numbers[first])(readout.value))


def plot_overlaps(
    overlaps: Overlaps,
    ax: Axes | None = None,
    simulation: Overlaps | None = None,
    directions: Sequence[int] | None = None,
) -> Axes:
    """M = ⟨w, w*_m⟩ against the step, a line for each direction m and readout (all values up to four, else quantiles).

    Where neurons of an entry differ (``M_cov``), a band is the mean ± their standard deviation. ``simulation``: measured
    overlaps of the same readouts, drawn as points ± their standard error. ``directions``: only these m.
    """
    ax = axes_or_new(ax)
    chosen = range(overlaps.steps[0].M.shape[1]) if directions is None else directions
    ends, spreads = _draw(ax, overlaps, simulation, chosen, directions is None)
    _dress(ax, overlaps)
    ax.set_ylabel(r"overlap $M = \langle w, w^\star_m\rangle$")
    legend(ax, _runs(simulation), "\nbands: ± s.d. over the neurons" * spreads, ends)
    return ax


def overlap_page(overlaps: Overlaps, figure: Figure, simulation: Overlaps | None = None) -> None:
    """The whole figure of overlaps: one panel, or one a direction where there are more than six lines."""
    count = overlaps.steps[0].M.shape[1]
    if count == 1 or count * len(readouts_shown(overlaps.steps[0])) <= MOST_LABELS:
        plot_overlaps(overlaps, figure.add_subplot(), simulation)
        return
    columns = min(count, 3)
    lines = -(-count // columns)
    figure.set_size_inches(7.0, 0.8 + 2.0 * lines)
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    spreads = False
    for m, ax in enumerate(grid.flat):
        if m >= count:
            ax.set_axis_off()
            continue
        spreads |= _draw(ax, overlaps, simulation, [m], False)[1]
        _dress(ax, overlaps)
        ax.set_title(rf"$w^\star_{{{m + 1}}}$")
        if m % columns:
            ax.set_ylabel("")
        else:
            ax.set_ylabel(r"overlap $M$")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    title = legend_title(_runs(simulation), "\nbands: ± s.d. over the neurons" * spreads)
    figure.legend(
        handles,
        labels,
        title=title.replace("\n", "; "),
        loc="outside upper left",
        ncols=len(labels),
        alignment="left",
    )


def _runs(simulation: Overlaps | None) -> tuple[int | None, ...]:
    return () if simulation is None else (simulation.replicates,)


def _draw(
    ax: Axes, overlaps: Overlaps, simulation: Overlaps | None, directions: Sequence[int], named: bool
) -> tuple[list[End], bool]:
    """Lines, bands and points; returns where lines end, and whether there are bands."""
    shown = readouts_shown(overlaps.steps[0])
    looks = iter(distinct_looks(len(directions) * len(shown)))
    steps = [s.step for s in overlaps.steps]
    ends: list[End] = []
    spreads = False
    for m in directions:
        for readout in shown:
            look, label = next(looks), readout.label(m if named else None)
            values = np.array(
                [
                    _number(s, [visible_overlap(s, g, m) for g in range(len(s.M))], readout)
                    for s in overlaps.steps
                ]
            )
            ax.plot(steps, values, color=look["color"], linestyle=look["linestyle"], marker="")
            spread = np.array([_spread(s, m, readout) for s in overlaps.steps])
            if (spread > 0).any():
                ax.fill_between(
                    steps, values - spread, values + spread, color=look["color"], alpha=0.15, linewidth=0
                )
                spreads = True
            ends.append((steps[-1], float(values[-1]), label))
            legend_entry(ax, look, label, True, simulation is not None)
            if simulation is not None:
                _draw_measured(ax, simulation, m, readout, look)
    return ends, spreads


def _number(step: StepOverlaps, numbers: Sequence[float] | Array, readout: Readout) -> float:
    found = along_readouts(step, np.asarray(numbers, dtype=float), readout)
    return np.nan if found is None else found


def _spread(step: StepOverlaps, m: int, readout: Readout) -> float:
    """Standard deviation of M within the entry; 0 where it is rounding."""
    if step.M_cov is None:
        return 0.0
    variance = max(0.0, _number(step, step.M_cov[:, m, m], readout))
    return float(np.sqrt(variance)) if variance > ROUNDING**2 * _number(step, step.norm2, readout) else 0.0


def _draw_measured(ax: Axes, simulation: Overlaps, m: int, readout: Readout, look: Any) -> None:
    points = []
    for s in simulation.steps:
        value = along_readouts(s, s.M[:, m], readout)
        if value is not None:
            sem = 0.0 if s.M_sem is None else _number(s, s.M_sem[:, m], readout)
            points.append((s.step, value, sem))
    if points:
        ax.errorbar(
            [t for t, _, _ in points],
            [value for _, value, _ in points],
            yerr=[sem for _, _, sem in points],
            color=look["color"],
            marker=look["marker"],
            markerfacecolor="white",
            linestyle="none",
            zorder=3,
        )


def _dress(ax: Axes, overlaps: Overlaps) -> None:
    steps = [s.step for s in overlaps.steps]
    if len(steps) <= _MOST_TICKS:
        ax.set_xticks(steps)
    ax.set_xlabel(AXIS_LABELS["step"])


def visible_overlap(step: StepOverlaps, g: int, m: int) -> float:
    """M of one entry and direction; 0 where it is rounding beside its largest value ‖w‖ ‖w*‖."""
    largest = float(step.norm2[g]) ** 0.5 * (1.0 if step.lengths is None else float(step.lengths[m]))
    value = float(step.M[g, m])
    return value if abs(value) > ROUNDING * largest else 0.0
