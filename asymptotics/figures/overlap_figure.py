"""The figure of overlaps with the target's directions, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from asymptotics.figures.line_labels import AXIS_LABELS, MOST_LABELS, End, legend, legend_entry
from asymptotics.figures.style_sheet import axes_or_new, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from asymptotics.results import Overlaps, StepOverlaps

#: What is smaller than this share of the largest possible overlap is rounding, not a result.
ROUNDING = 1e-9
#: Steps that all get a tick of their own.
_MOST_TICKS = 12


def plot_overlaps(overlaps: Overlaps, ax: Axes | None = None, simulation: Overlaps | None = None) -> Axes:
    """M = ⟨w, w*_m⟩ against the step, a line for each direction m and readout (four values at most).

    Where neurons of an entry differ (``M_cov``), a band is the mean ± their standard deviation. ``simulation``: measured
    overlaps of the same entries, drawn as points ± their standard error.
    """
    ax = axes_or_new(ax)
    cycle = looks()
    first = overlaps.steps[0]
    # At fixed width neurons of equal readout share a line: the first of them is drawn.
    entries = list({value: g for g, value in reversed(list(enumerate(first.readout)))}.values())[::-1][:4]
    steps = [s.step for s in overlaps.steps]
    count, spreads = 0, False
    ends: list[End] = []
    for m in range(first.M.shape[1]):
        for g in entries:
            look = cycle[count % len(cycle)]
            count += 1
            label = rf"$w^\star_{{{m + 1}}}$, $\tilde{{a}} = {first.readout[g]:.3g}$"
            values = np.array([visible_overlap(s, g, m) for s in overlaps.steps])
            ax.plot(steps, values, color=look["color"], linestyle=look["linestyle"], marker="")
            spread = np.array(
                [0.0 if s.M_cov is None else max(0.0, s.M_cov[g, m, m]) for s in overlaps.steps]
            )
            if (spread > (ROUNDING**2) * np.array([s.norm2[g] for s in overlaps.steps])).any():
                ax.fill_between(
                    steps,
                    values - np.sqrt(spread),
                    values + np.sqrt(spread),
                    color=look["color"],
                    alpha=0.15,
                    linewidth=0,
                )
                spreads = True
            ends.append((steps[-1], float(values[-1]), label))
            legend_entry(ax, look, label, True, simulation is not None)
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
    if len(steps) <= _MOST_TICKS:
        ax.set_xticks(steps)
    # Room for the legend above the curves.
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + (0.25 if len(ends) <= MOST_LABELS else 0.4) * (high - low))
    ax.set_xlabel(AXIS_LABELS["step"])
    ax.set_ylabel(r"overlap $M = \langle w, w^\star_m\rangle$")
    more = "\nbands: ± s.d. over the neurons" * spreads
    legend(ax, () if simulation is None else (simulation.replicates,), more, ends)
    return ax


def visible_overlap(step: StepOverlaps, g: int, m: int) -> float:
    """M of one entry and direction; 0 where it is rounding beside its largest value ‖w‖ ‖w*‖."""
    largest = float(step.norm2[g]) ** 0.5 * (1.0 if step.lengths is None else float(step.lengths[m]))
    value = float(step.M[g, m])
    return value if abs(value) > ROUNDING * largest else 0.0
