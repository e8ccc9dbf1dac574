"""The figure of a feature spectrum: simulated singular values as a histogram, the theory as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asymptotics.figures.style_sheet import axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from asymptotics.generalisation.feature_spectrum import FeatureSpectrum


def plot_spectrum(spectrum: FeatureSpectrum, ax: Axes | None = None) -> Axes:
    """Edge of the bulk (dashed) and spikes (solid) over the singular values of one simulated network."""
    axes: Any = axes_or_new(ax)
    if spectrum.simulated is not None:
        axes.hist(spectrum.simulated, bins=60, color="0.75", label="simulation, one network")
    axes.axvline(spectrum.edge, color="black", linestyle="--", label="edge of the bulk (theory)")
    for k, place in enumerate(spectrum.spikes):
        axes.axvline(place, color="C0", linewidth=1.2, label="spikes (theory)" if k == 0 else None)
    axes.set_yscale("symlog", linthresh=1)
    axes.set_xlabel("singular value of the features")
    axes.set_ylabel("count")
    axes.legend()
    result: Axes = axes
    return result


def spectrum_page(spectrum: FeatureSpectrum, figure: Figure) -> None:
    """A figure of one spectrum."""
    plot_spectrum(spectrum, figure.add_subplot())
