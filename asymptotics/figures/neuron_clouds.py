"""Clouds of single neurons in the plane of two target directions, step by step, with the predicted law.

The figure of Dandi et al. (arXiv:2305.18270): each neuron at (cos with w*_1, cos with w*_2). The prediction is a point for
each group where the overlap is deterministic given the readout (leap 1), and the ellipse of two standard deviations where it
has a law (leap ≥ 2), in units of the root mean square norm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from asymptotics.results import Overlaps

Array = npt.NDArray[np.float64]

#: Neurons that are drawn, at most: a page needs no more.
_DRAWN = 2000


def plot_cloud(step: int, theory: Overlaps, ax: Axes, simulation: Overlaps | None = None) -> Axes:
    """Neurons after ``step`` giant steps on ``ax``, the cosines with the first two directions as coordinates.

    Simulated neurons as grey dots, predicted group means as open markers, two standard deviations as ellipses.
    """
    at = theory.steps[step]
    if simulation is not None and simulation.samples is not None:
        dots = simulation.samples[step][..., :2].reshape(-1, 2)[:_DRAWN]
        ax.plot(*dots.T, ".", color="0.6", markersize=2.5, rasterized=True, zorder=1)
    centres = at.cosines[:, :2]
    ax.plot(*centres.T, "o", color="#D55E00", markerfacecolor="none", markeredgewidth=1.4, zorder=3)
    if at.M_cov is not None:
        for g, (centre, covariance) in enumerate(zip(centres, at.M_cov, strict=True)):
            units = covariance if at.lengths is None else covariance / np.outer(at.lengths, at.lengths)
            outline = ellipse(centre, units[:2, :2] / at.norm2[g])
            ax.plot(*outline, "-", color="#D55E00", marker="", zorder=2)
    ax.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal", title=f"$t = {step}$")
    ax.set_xlabel(r"$\cos(w_i, w^\star_1)$")
    ax.set_ylabel(r"$\cos(w_i, w^\star_2)$")
    return ax


def ellipse(centre: npt.ArrayLike, covariance: npt.ArrayLike, deviations: float = 2.0) -> tuple[Array, Array]:
    """(x, y) of the points at ``deviations`` standard deviations from ``centre`` (2,) under ``covariance`` (2, 2)."""
    values, vectors = np.linalg.eigh(np.asarray(covariance, dtype=float))
    angle = np.linspace(0, 2 * np.pi, 181)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    x, y = np.asarray(centre)[:, None] + deviations * vectors @ (
        np.sqrt(np.maximum(values, 0))[:, None] * circle
    )
    return x, y


def plot_clouds(
    theory: Overlaps, figure: Figure | SubFigure, simulation: Overlaps | None = None
) -> npt.NDArray[np.float64]:
    """One panel a step on ``figure``; needs at least two target directions. Returns the array of Axes."""
    count = len(theory.steps)
    axes: npt.NDArray[np.float64] = figure.subplots(1, count, sharex=True, sharey=True, squeeze=False)[0]
    for step, ax in enumerate(axes):
        plot_cloud(step, theory, ax, simulation)
        if step:
            ax.set_ylabel("")
    note = "orange: predicted groups" + ("; grey: simulated neurons" if simulation is not None else "")
    figure.supxlabel(note, fontsize="small", color="0.35")
    return axes
