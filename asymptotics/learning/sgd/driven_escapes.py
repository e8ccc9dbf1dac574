"""Leap 1: the time at which the flow that the target's linear part drives is through, and what random starts change in it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from asymptotics.learning.giant.noise_kernel import Student
from asymptotics.learning.giant.recursion import initial_student
from asymptotics.learning.sgd.averages import Problem, sampled_way, way_of
from asymptotics.learning.sgd.escape_laws import LEVELS, EscapeTimes
from asymptotics.learning.sgd.flow import Flow, first_time
from asymptotics.learning.sgd.rates import Rates
from hermite.errors import InputError

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network

#: Largest τ up to which a driven escape (leap 1) is looked for.
_LAST_TIME = 200.0
#: log2 of the points of a sampled kernel behind the driven escape, where it is a correction, and of those that it is compared
#: with; nodes an axis of the means beside it, as shares of the usual.
_SIZES, _REFINED = (11, 10), (0.6, 0.4)
#: Tolerance of the flow: of closed averages, and of sampled ones, whose kinks are of the size of their error.
_CLOSED, _SAMPLED = 1e-5, 1e-4
#: Random starts that a driven escape is compared with, the tolerance of their flows, and how far one may move its time for it
#: to be the same escape.
_STARTS, _ROUGH, _ANOTHER_WAY = 3, 1e-3, 0.5


def driven(
    problem: Problem, network: Network, rates: Rates, threshold: float, d: int
) -> tuple[EscapeTimes, tuple[float, float, float]]:
    """Leap 1: the flow from M = 0 reaches the threshold at one time; runs scatter by O(d^−1/2), which random starts show.

    A direction that the linear part does not drive stays at 0 in that flow for ever; from a random start it may grow, and be
    found first. Returned with what fewer points, the solver and random starts change, relative to the time; raises
    :class:`InputError` where random starts have left by another way before.
    """
    p = int(network.width)
    readout = network.finite_readout(p)
    start = initial_student(readout, np.zeros(p), problem.target.r, symmetric=network.is_symmetric)
    closed, sampled = way_of(problem, p)
    # In τ the flow at noise-to-signal ν has signal ν and noise ν².
    flow = Flow("saad-solla", rates.nu, rates.nu**2)

    def time(begin: Student, last: float, coarse: bool, tolerance: float) -> float | None:
        way = sampled_way(problem, p, _REFINED[coarse]) if sampled else closed
        seed, size = 1 + coarse, _SIZES[coarse]
        return first_time(begin, way, flow, "projected", threshold, last, seed, size, tolerance)

    tolerance = _SAMPLED if sampled else _CLOSED
    tau = time(start, _LAST_TIME, False, tolerance)
    if tau is None:
        raise InputError(
            f"training.threshold = {threshold:g} is not reached within {_LAST_TIME:g} d samples: use a smaller threshold or "
            "eta, or simulate (--simulate)"
        )
    coarse = (time(start, 2 * tau, True, _ROUGH) if sampled else tau) or 2 * tau
    starts = [_scattered(start, d, seed) for seed in range(_STARTS)]
    moved = [time(begin, 2 * tau, True, _ROUGH) or 2 * tau for begin in starts]
    scatter = max(abs(each - coarse) for each in moved) / tau
    if scatter > _ANOTHER_WAY:
        raise InputError(
            f"training.threshold = {threshold:g} is reached at s = {tau:.3g} along what the linear part of the target drives, "
            f"but from random starts at d = {d} by another way (s = {min(moved):.3g}), which has no law: simulate it (--simulate)"
        )
    found = EscapeTimes("driven, deterministic", tau, None, (tau,) * len(LEVELS))
    return found, (abs(coarse - tau) / tau, tolerance, scatter)


def _scattered(start: Student, d: int, seed: int) -> Student:
    """``start`` with a random M of d^(−1/2), partners alike; √2 times as large, as the noise of the steps adds as much."""
    p, r = start.M.shape
    x = math.sqrt(2) * np.random.default_rng(seed).standard_normal((p, r))
    x = x[np.argmax(start.Q > 0.5, axis=1)]
    M = x / np.sqrt(np.sum(x**2, axis=1, keepdims=True) + d)
    rest = np.sqrt(1 - np.sum(M**2, axis=1))
    return replace(start, M=M, Q=M @ M.T + np.outer(rest, rest) * start.Q)
