"""From the layer of many neurons to ``Overlaps``: groups of equal readout are one entry, averaged over their biases."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.error_budget import ErrorBudget, overlap_budget, risk_budget
from asymptotics.expectations.target_rule import energy_of, rule_of
from asymptotics.learning.features import LearnedFeatures
from asymptotics.results import StepOverlaps
from hermite.target import Target

Array = npt.NDArray[np.float64]


def entries_of(readout: Array) -> list[npt.NDArray[np.intp]]:
    """Groups of equal readout (which differ in their bias), in order of first appearance."""
    found: dict[float, list[int]] = {}
    for g, value in enumerate(readout.tolist()):
        found.setdefault(value, []).append(g)
    return [np.array(groups) for groups in found.values()]


def neuron_entries(step: int, readout: Array, M: Array, Q: Array, risk: float, **more: Any) -> StepOverlaps:
    """One entry a neuron: M (p, r), Q (p, p)."""
    p = len(readout)
    return StepOverlaps(
        step=step,
        readout=readout,
        weight=np.full(p, 1 / p),
        M=M,
        Q=Q,
        norm2=np.diag(Q).copy(),
        risk=risk,
        **more,
    )


#: Half a width of 95 % in standard errors of a mean over four scrambles (Student's t, three degrees of freedom).
HALF_WIDTH = 3.182


def left_out_at(d: int | None, exponent: float = 1.0) -> float:
    """What a limit leaves out of means at this d, relative; 0 without a d.

    4/d as met at d = 100 (up to 3.4/d of the weights, 1/d of the risk), 2 d^-1/2 for steps on n ≫ d samples.
    """
    if d is None:
        return 0.0
    return 2.0 / math.sqrt(d) if exponent > 1 else 4.0 / d


def unit_of(steps: Iterable[StepOverlaps]) -> float:
    """What an accuracy is relative to: 1 for weights of order one, else how far training blows them or the risk up."""
    steps = tuple(steps)
    return max(1.0, *(float(np.max(s.norm2)) for s in steps), growth([s.risk for s in steps]))


def growth(risks: Sequence[float]) -> float:
    """How many times the first risk the largest is: the same in every unit of the labels."""
    return max(risks) / risks[0] if risks[0] > 0 else 1.0


def budgeted(
    f: Target,
    steps: Iterable[StepOverlaps],
    theory: float | None,
    averages: float,
    change: Changes,
    risk_change: Changes,
    refine: float = 1.0,
) -> tuple[StepOverlaps, ...]:
    """``steps`` with what their numbers may be off by: see ``overlap_budget`` and ``risk_budget``.

    ``change`` and ``risk_change`` are absolute, one for all steps or each its own; ``averages`` and ``theory`` relative.
    ``refine``: the rule of the target that was used.
    """
    energy = energy_of(f, refine)
    return tuple(
        replace(
            s,
            error=overlap_budget(s, _at(change, i), theory, averages),
            risk_error=risk_budget(s.risk, _at(risk_change, i), theory, averages, energy),
        )
        for i, s in enumerate(steps)
    )


#: What numbers may be off by: one for all steps, or each its own.
Changes = Sequence[float] | float | None


def _at(changes: Changes, step: int) -> float | None:
    return changes[step] if isinstance(changes, Sequence) else changes


def sampled_budgets(
    f: Target,
    steps: Iterable[StepOverlaps],
    error: float,
    theory: float,
    solver: float = 0.0,
    risk_error: float | None = None,
) -> tuple[StepOverlaps, ...]:
    """``steps`` whose entries have the standard error ``error`` relative to the weights.

    ``risk_error``: that of the risk, absolute; default: ``error`` of the first risk.
    """
    steps = tuple(steps)
    width = HALF_WIDTH * error
    moved = width * steps[0].risk if risk_error is None else HALF_WIDTH * risk_error
    out = []
    for s in steps:
        trained = s.step > 0
        own = ErrorBudget(width if trained else 0.0, solver if trained else 0.0, theory if trained else 0.0)
        averages = rule_of(f).error * energy_of(f)
        risk = (averages + moved * trained) / s.risk if s.risk > 0 else None
        out.append(replace(s, error=own, risk_error=replace(own, quadrature=risk)))
    return tuple(out)


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
