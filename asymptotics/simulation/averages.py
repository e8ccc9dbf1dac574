"""Averages over replicates, with the standard error of the mean; within a replicate over groups of neurons."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.results import StepOverlaps

Array = npt.NDArray[Any]
#: (M, Q, risk, train error on a reused batch or None) of one replicate after one step.
Measured = tuple[Array, Array, float, float | None]


def readout_groups(readout: Array) -> list[Array]:
    """Neurons of equal ã, values downwards."""
    return [np.flatnonzero(readout == value) for value in np.unique(readout)[::-1]]


def mean_and_error(values: Array) -> tuple[Array, Array | None]:
    """Mean over the first axis (replicates) and its standard error; ``None`` for one replicate."""
    mean = values.mean(axis=0)
    if len(values) < 2:
        return mean, None
    # Deviations in units of a power of two (exact) where their squares would leave the range of a float.
    size = float(np.max(np.abs(values), initial=0.0))
    unit = 2.0 ** np.floor(np.log2(size)) if 0 < size < np.inf and not 1e-100 < size < 1e100 else 1.0
    return mean, unit * ((values / unit).std(axis=0, ddof=1) / np.sqrt(len(values)))


def step_overlaps(
    step: int, runs: list[Measured], readout: Array, groups: list[Array], grouped: bool
) -> StepOverlaps:
    """Means over replicates (each M, Q, risk, train error) of the averages over ``groups`` of neurons, or of single ones."""
    m = np.stack([np.stack([run[0][g].mean(axis=0) for g in groups]) for run in runs])
    norm2 = np.stack([np.array([np.diag(run[1])[g].mean() for g in groups]) for run in runs])
    q = np.stack([group_gram(run[1], groups) if grouped else run[1] for run in runs])
    risks, risk_sem = mean_and_error(np.array([run[2] for run in runs]))
    trained = [run[3] for run in runs if run[3] is not None]
    train, train_sem = mean_and_error(np.array(trained)) if trained else (None, None)
    averages = [mean_and_error(x) for x in (m, q, norm2)]
    spread = None
    if grouped:
        spread = np.mean(
            [
                [
                    np.atleast_2d(np.cov(run[0][g].T)) if len(g) > 1 else np.zeros((m.shape[2],) * 2)
                    for g in groups
                ]
                for run in runs
            ],
            axis=0,
        )
    return StepOverlaps(
        step=step,
        readout=np.array([readout[g[0]] for g in groups]),
        weight=np.array([len(g) / len(readout) for g in groups]),
        M=averages[0][0],
        Q=averages[1][0],
        norm2=averages[2][0],
        risk=float(risks),
        M_cov=spread,
        M_sem=averages[0][1],
        Q_sem=averages[1][1],
        norm2_sem=averages[2][1],
        risk_sem=None if risk_sem is None else float(risk_sem),
        train_error=None if train is None else float(train),
        train_error_sem=None if train_sem is None else float(train_sem),
        runs={"risk": np.array([run[2] for run in runs]), "norm2": norm2, "M": m}
        | ({"train_error": np.array(trained)} if trained else {}),
    )


def group_gram(gram: Array, groups: list[Array]) -> Array:
    """Mean of ⟨w_i, w_j⟩ over different neurons of two groups; partners (i, p−1−i) are left out too."""
    p = len(gram)
    mask = np.ones((p, p))
    index = np.arange(p)
    mask[index, index] = mask[index, p - 1 - index] = 0.0
    member = np.zeros((len(groups), p))
    for g, neurons in enumerate(groups):
        member[g, neurons] = 1.0
    count = member @ mask @ member.T
    total = member @ (mask * gram) @ member.T
    return np.asarray(total / np.where(count > 0, count, np.nan))
