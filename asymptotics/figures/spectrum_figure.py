"""The figure of a feature spectrum: simulated singular values as a histogram, the theory as lines."""

from __future__ import annotations

from itertools import pairwise
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.figures.style_sheet import axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from asymptotics.generalisation.feature_spectrum import FeatureSpectrum


Array = npt.NDArray[np.float64]

#: Heights, as parts of the Axes, at which neighbouring labels of spikes are written.
_HEIGHTS = (0.62, 0.5, 0.38, 0.26)
#: Spikes closer than this part of the axis have one label; letters of a line of it.
_CLOSE, _WIDE = 0.06, 26
#: From so many counts in a bin on the axis is logarithmic above 1; there it makes a kink in the line of the theory.
_MANY = 20


def plot_spectrum(spectrum: FeatureSpectrum, ax: Axes | None = None) -> Axes:
    """Density of the bulk, its edge and the spikes with what they carry, over the singular values of one network."""
    axes = axes_or_new(ax)
    width = 1.05 * spectrum.edge / 50
    if spectrum.simulated is not None:
        # One width of bins for bulk and spikes, so that a spike is one count.
        last = max(float(spectrum.simulated.max(initial=0.0)), spectrum.edge)
        bins = np.arange(0.0, last + 2 * width, width)
        counts, *_ = axes.hist(
            spectrum.simulated, bins=bins.tolist(), color="0.8", label="simulation, one network"
        )
        if np.max(counts) >= _MANY:
            # A spike is one count, which must be seen beside the bulk.
            axes.set_yscale("symlog", linthresh=1)
    if spectrum.density is not None:
        places, density = spectrum.density
        seen = places < 1.03 * spectrum.edge
        axes.plot(
            places[seen], width * density[seen], color="0.1", marker="", linewidth=1.4, label="bulk (theory)"
        )
    axes.axvline(spectrum.edge, color="0.3", linestyle="--", linewidth=1.0, label="edge of the bulk (theory)")
    for k, place in enumerate(spectrum.spikes):
        axes.axvline(place, color="C0", linewidth=1.2, label="spikes (theory)" if k == 0 else None)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    _say_what_spikes_carry(axes, spectrum)
    axes.set_xlabel("singular value of the features")
    axes.set_ylabel(f"count in bins of {width:.2g}")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
    result: Axes = axes
    return result


def _say_what_spikes_carry(axes: Axes, spectrum: FeatureSpectrum) -> None:
    """A label beside every spike, or beside several that are close, on the side with more room."""
    clusters = close_spikes(spectrum.spikes, _CLOSE * axes.get_xlim()[1])
    stops = [axes.get_xlim()[1], *(float(spectrum.spikes[one].mean()) for one in clusters), spectrum.edge]
    for k, one in enumerate(clusters):
        words = dict.fromkeys(_short(spectrum, j) for j in range(one.start, one.stop))
        right = stops[k] - stops[k + 1] > stops[k + 1] - stops[k + 2]
        axes.annotate(
            "\n".join(words),
            (spectrum.spikes[one.start if right else one.stop - 1], _HEIGHTS[k % len(_HEIGHTS)]),
            xycoords=axes.get_xaxis_transform(),
            xytext=(4 if right else -4, 0),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center",
            fontsize="small",
            color="C0",
        )


def close_spikes(spikes: Array, distance: float) -> list[slice]:
    """Runs of ``spikes`` (downwards) of which each is closer than ``distance`` to the next."""
    breaks = np.flatnonzero(-np.diff(spikes) >= distance) + 1
    ends = [0, *breaks.tolist(), len(spikes)]
    return [slice(i, j) for i, j in pairwise(ends) if j > i]


def _short(spectrum: FeatureSpectrum, k: int) -> str:
    """What a spike carries, a part a line; off the learned direction without what stands in parentheses."""
    carried = spectrum.carries[k]
    if k < len(spectrum.off) and spectrum.off[k] > max(spectrum.features[k]):
        return fill(carried.split(" (")[0], _WIDE)
    return carried.replace(" and ", "\nand ")


def spectrum_page(spectrum: FeatureSpectrum, figure: Figure) -> None:
    """A figure of one spectrum."""
    plot_spectrum(spectrum, figure.add_subplot())
