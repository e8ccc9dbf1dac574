"""The recursion of a reused batch on as many points as an accuracy asks for: means over scrambles, and their error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.patience import Patience
from asymptotics.learning.giant.fixed_width import bias_draws
from asymptotics.learning.giant.noise_kernel import Student
from asymptotics.learning.giant.recursion import initial_student, noise_of_a_step
from asymptotics.learning.given_start import start_of
from asymptotics.learning.reuse.recursion import Batch, Trajectory, trajectory
from hermite.errors import ConvergenceError
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network, Training

Array = npt.NDArray[np.float64]

#: Independent scrambles behind an error, first and at most; log2 of the points of one of them, and their bytes at most.
_SCRAMBLES, _FIRST_SIZE, _LAST_SIZE, _MOST_BYTES = (4, 32), 12, 21, 500_000_000
#: The error of N points on functions with kinks falls about as N^−3/4.
_FALL = 0.75
#: Values that mean divergence.
_LARGEST_NORM, _LARGEST_ERROR = 1e3, 0.1


@dataclass(frozen=True)
class Means:
    """Overlaps ``m`` (T + 1, p, r) and ``two_time`` ⟨w_i^t, w_j^s⟩ (T + 1, T + 1, p, p), ``risk`` and ``train`` (T + 1,);
    ``train`` NaN where it has tails too heavy to be sampled."""

    m: Array
    two_time: Array
    risk: Array
    train: Array

    @property
    def gram(self) -> Array:
        """⟨w_i^t, w_j^t⟩ (T + 1, p, p)."""
        times = np.arange(len(self.m))
        gram: Array = self.two_time[times, times]
        return gram


def measured(f: Target, network: Network, training: Training, accuracy: float) -> tuple[Means, float]:
    """Means over scrambles and biases, and the standard error of the worst entry of M, Q (relative), risk and train error."""
    readout = network.finite_readout(int(network.width))
    size, count, patience = _FIRST_SIZE, _SCRAMBLES[0], Patience()
    axes = f.r + 1 + 2 * len(readout) * (training.steps + 1)
    last = min(_LAST_SIZE, int(math.log2(_MOST_BYTES / (8 * axes))))
    starts = [_started(f, network, training, readout, bias) for bias in bias_draws(network)]
    runs: list[list[Trajectory]] = [[] for _ in starts]
    while True:
        for (batch, start), found in zip(starts, runs, strict=True):
            found += _trajectories(batch, start, training.steps, size, range(len(found), count))
        errors = [_spread(found) for found in runs]
        error = max(errors) if len(errors) == 1 else float(np.sqrt(np.mean(np.square(errors))))
        if not np.isfinite(error):
            raise _diverged()
        parts = [_mean(found) for found in runs]
        if error <= accuracy:
            break
        wanted = min(last, size + max(1, math.ceil(math.log2(error / accuracy) / _FALL)))
        larger = [n for n in range(size + 1, wanted + 1) if patience.allows(2.0 ** (n - size))]
        if larger:
            size, runs = larger[-1], [[] for _ in starts]
        elif size == last and 2 * count <= _SCRAMBLES[1] and patience.allows(1.0):
            # Points that would not fit at once come as scrambles of their own.
            count *= 2
        else:
            break
    if error > _LARGEST_ERROR:
        raise _diverged()
    return Means(
        *(np.mean([getattr(q, name) for q in parts], axis=0) for name in ("m", "two_time", "risk", "train"))
    ), error


def _started(
    f: Target, network: Network, training: Training, readout: Array, bias: Array
) -> tuple[Batch, Student]:
    """What is fixed through the steps, and the start."""
    classes = np.unique(np.stack([readout, bias], axis=1), axis=0, return_inverse=True)[1]
    sigma, symmetric = network.get_activation(), network.is_symmetric
    start = initial_student(readout, bias, f.r, symmetric=symmetric)
    if training.start != "random":
        classes, symmetric = np.arange(len(readout)), False
        start = Student(readout, bias, *start_of(f, training))
    batch = Batch(
        f,
        sigma,
        training.alpha,
        training.eta,
        training.weight_decay,
        classes.ravel(),
        symmetric,
        noise_of_a_step(f, sigma, start),
    )
    return batch, start


def _trajectories(
    batch: Batch, start: Student, steps: int, size: int, scrambles: Sequence[int]
) -> list[Trajectory]:
    """One a scramble, of 2^size points each."""
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            return [trajectory(batch, start, steps, size, 7919 * (k + 1)) for k in scrambles]
        except np.linalg.LinAlgError:
            raise _diverged() from None


def _mean(runs: Sequence[Trajectory]) -> Means:
    m = np.mean([q.m for q in runs], axis=0)
    Q = np.mean([q.Q for q in runs], axis=0)
    if not np.all(np.isfinite(Q)) or float(np.max(np.einsum("ttii->ti", Q))) > _LARGEST_NORM:
        raise _diverged()
    train = np.where(_train_spread(runs) > _LARGEST_ERROR, np.nan, np.mean([q.train for q in runs], axis=0))
    return Means(m, Q, np.mean([q.risk for q in runs], axis=0), train)


def _train_spread(runs: Sequence[Trajectory]) -> Array:
    """Standard errors (T + 1,) of the mean train error, relative to that at the start.

    Its last step has higher powers of the label than the weights of that step: it may be lost where they are known.
    """
    first = float(np.mean([q.train[0] for q in runs])) or 1.0
    spread: Array = np.std([q.train for q in runs], axis=0, ddof=1) / math.sqrt(len(runs)) / first
    return spread


def _spread(runs: Sequence[Trajectory]) -> float:
    """Largest standard error of the mean over scrambles, relative to max(‖w‖²) and to the risk and train error at the start; the
    train error as far as it is told."""
    root = math.sqrt(len(runs))
    norm = max(1.0, max(float(np.max(np.abs(q.Q))) for q in runs))
    m = np.std([q.m for q in runs], axis=0, ddof=1) / root / math.sqrt(norm)
    Q = np.std([q.Q for q in runs], axis=0, ddof=1) / root / norm
    risk = np.std([q.risk for q in runs], axis=0, ddof=1) / root
    start = float(runs[0].risk[0]) or 1.0
    train = _train_spread(runs)
    told = float(train[train <= _LARGEST_ERROR].max(initial=0.0))
    return max(float(m.max()), float(Q.max()), float(risk.max()) / start, told)


def _diverged() -> ConvergenceError:
    return ConvergenceError(
        "The overlaps on a reused batch diverge (moments of the labels grow from step to step): use a smaller training.eta or "
        "fewer steps."
    )
