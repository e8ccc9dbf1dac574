"""How is a result drawn?

Every ``plot_*`` draws into the Axes it is given (without one, into a new pyplot figure) and returns them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermite.lazy import lazily

if TYPE_CHECKING:
    from asymptotics.figures.batch_size_figure import plot_batch_size
    from asymptotics.figures.curve_figure import plot_curve, plot_rows
    from asymptotics.figures.neuron_clouds import plot_clouds
    from asymptotics.figures.overlap_figure import plot_overlaps
    from asymptotics.figures.residual_figure import plot_residuals
    from asymptotics.figures.style_sheet import save, style
    from asymptotics.figures.tuning_figure import plot_tuning

_HOME = {
    "plot_batch_size": "asymptotics.figures.batch_size_figure",
    "plot_clouds": "asymptotics.figures.neuron_clouds",
    "plot_curve": "asymptotics.figures.curve_figure",
    "plot_overlaps": "asymptotics.figures.overlap_figure",
    "plot_residuals": "asymptotics.figures.residual_figure",
    "plot_rows": "asymptotics.figures.curve_figure",
    "plot_tuning": "asymptotics.figures.tuning_figure",
    "save": "asymptotics.figures.style_sheet",
    "style": "asymptotics.figures.style_sheet",
}

__all__ = [
    "plot_batch_size",
    "plot_clouds",
    "plot_curve",
    "plot_overlaps",
    "plot_residuals",
    "plot_rows",
    "plot_tuning",
    "save",
    "style",
]

# The style sheet must not pay for the figures.
__getattr__, __dir__ = lazily(__name__, _HOME)
