"""How is a result drawn?

Every ``plot_*`` draws into the Axes it is given (without one, into a new pyplot figure) and returns them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asymptotics.figures.curve_figure import plot_curve, plot_rows
    from asymptotics.figures.overlap_figure import plot_overlaps
    from asymptotics.figures.residual_figure import plot_residuals
    from asymptotics.figures.style_sheet import save, style
    from asymptotics.figures.tuning_figure import plot_tuning

_HOME = {
    "plot_curve": "curve_figure",
    "plot_overlaps": "overlap_figure",
    "plot_residuals": "residual_figure",
    "plot_rows": "curve_figure",
    "plot_tuning": "tuning_figure",
    "save": "style_sheet",
    "style": "style_sheet",
}

__all__ = ["plot_curve", "plot_overlaps", "plot_residuals", "plot_rows", "plot_tuning", "save", "style"]


def __getattr__(name: str) -> Any:
    """Import a name where it is first used: the style sheet must not pay for the figures."""
    if name not in _HOME:
        raise AttributeError(f"module 'asymptotics.figures' has no attribute {name!r}")
    value = getattr(import_module(f"asymptotics.figures.{_HOME[name]}"), name)
    globals()[name] = value
    return value
