"""From the layer of many neurons to ``Overlaps``: groups of equal readout are one entry, averaged over their biases."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asymptotics.learning.features import LearnedFeatures
from asymptotics.results import StepOverlaps

Array = npt.NDArray[np.float64]


def entries_of(readout: Array) -> list[npt.NDArray[np.intp]]:
    """Groups of equal readout (which differ in their bias), in order of first appearance."""
    found: dict[float, list[int]] = {}
    for g, value in enumerate(readout.tolist()):
        found.setdefault(value, []).append(g)
    return [np.array(groups) for groups in found.values()]


def step_of(layer: LearnedFeatures, risk: float, step: int) -> StepOverlaps:
    """The entries of ``layer``, all of whose neurons of one group have the same overlaps."""
    return merged(
        layer.readout, layer.weight, layer.M, None, layer.gram, layer.weight_norm2, risk=risk, step=step
    )


def merged(
    readout: Array,
    weight: Array,
    M: Array,
    spread: Array | None,
    Q: Array,
    norm2: Array,
    *,
    risk: float,
    step: int,
) -> StepOverlaps:
    """One entry a readout: means over its groups, and M_cov where the overlap varies within an entry.

    ``M`` (G, r), ``Q`` (G, G), ``norm2`` (G,) and ``spread`` (G, r, r), the covariance of M within a group (or None).
    """
    entries = entries_of(readout)
    total = np.array([weight[e].sum() for e in entries])
    share = np.zeros((len(entries), len(readout)))
    for row, e in enumerate(entries):
        share[row, e] = weight[e] / total[row]
    mean = share @ M
    covariance = None
    if spread is not None or any(len(e) > 1 for e in entries):
        inner = np.zeros((len(readout), M.shape[1], M.shape[1])) if spread is None else spread
        second = inner + M[:, :, None] * M[:, None, :]
        covariance = np.einsum("eg,gkl->ekl", share, second) - mean[:, :, None] * mean[:, None, :]
    return StepOverlaps(
        step=step,
        readout=np.array([readout[e[0]] for e in entries]),
        weight=total,
        M=mean,
        Q=share @ Q @ share.T,
        norm2=share @ norm2,
        risk=risk,
        M_cov=covariance,
    )
