"""The figure of overlaps with the target's directions, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asymptotics.figures.line_labels import AXIS_LABELS, MOST_LABELS, End, legend, legend_entry
from asymptotics.figures.style_sheet import axes_or_new, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from asymptotics.results import Overlaps


def plot_overlaps(overlaps: Overlaps, ax: Axes | None = None, simulation: Overlaps | None = None) -> Axes:
    """M = ⟨w, w*_m⟩ against the step, a line for each direction m and readout (four values at most).

    ``simulation``: measured overlaps of the same entries, drawn as points ± their standard error.
    """
    ax = axes_or_new(ax)
    cycle = looks()
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
    ax.set_xticks(steps)
    # Room for the legend above the curves.
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + (0.25 if len(ends) <= MOST_LABELS else 0.4) * (high - low))
    ax.set_xlabel(AXIS_LABELS["step"])
    ax.set_ylabel(r"overlap $M = \langle w, w^\star_m\rangle$")
    legend(ax, () if simulation is None else (simulation.replicates,), "", ends)
    return ax
