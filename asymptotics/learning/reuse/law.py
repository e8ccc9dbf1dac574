"""The laws of reused batches: fixed width by the recursion with memory, many neurons by its extrapolation in the width."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from asymptotics.error_budget import Validity
from asymptotics.fixed_point import stepped
from asymptotics.learning.entries import entries_of, left_out_at, neuron_entries, sampled_budgets
from asymptotics.learning.features import LearnedFeatures, Links
from asymptotics.learning.giant.exponents import has_order
from asymptotics.learning.giant.fixed_width import refusal_of_width
from asymptotics.learning.giant.many_neurons import notes_of
from asymptotics.learning.given_start import refusal_of_start
from asymptotics.learning.groups import readout_groups
from asymptotics.learning.law import WithoutLayer
from asymptotics.learning.reuse.measured import Means, measured
from asymptotics.learning.reuse.second_step import second_step
from asymptotics.results import Overlaps, StepOverlaps
from hermite.errors import InputError
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network, Training

Array = npt.NDArray[np.float64]

#: Steps, neurons, and integration axes p (T + 1) of neurons that are all different, up to which the recursion is run.
MOST_STEPS, MOST_NEURONS, MOST_AXES = 8, 32, 80
#: Widths of the extrapolation 2 X(2p) − X(p) to many neurons.
_WIDTHS = (8, 16)


@dataclass(frozen=True)
class ReusedBatch(WithoutLayer):
    """Full-batch steps on one batch of n = alpha d samples, at fixed width; d → ∞."""

    name: str = "recursion of overlaps with memory"
    validity: Validity = Validity.APPROXIMATE
    #: For 1e-4 it takes some ten seconds.
    aim: ClassVar[float] = 1e-3

    def concerns(self, network: Network, training: Training, d: int | None) -> bool:
        return isinstance(network.width, int)

    def covers(self, f: Target, network: Network, training: Training, d: int | None) -> str | None:
        return (
            refusal_of_protocol(training)
            or refusal_of_width(network)
            or _refusal_of_size(network, training)
            or refusal_of_start(f, int(network.width), training)
        )

    def overlaps(
        self, f: Target, network: Network, training: Training, *, accuracy: float, d: int | None
    ) -> Overlaps:
        means, error = measured(f, network, training, accuracy)
        readout = network.finite_readout(int(network.width))
        steps = tuple(_entry(means, t, readout) for t in range(training.steps + 1))
        where = "d → ∞ at fixed width; corrections O(d^-1/2)"
        found = _result(f, steps, error, 0.0, network, d, where, accuracy)
        return replace(found, two_time=means.two_time)


@dataclass(frozen=True)
class ReusedBatchOfManyNeurons:
    """The same for p → ∞: one entry a readout, 2 X(2p) − X(p) from two widths, whose corrections are O(1/p)."""

    name: str = "recursion of overlaps with memory, extrapolated in the width"
    validity: Validity = Validity.APPROXIMATE
    #: Extrapolated errors are three times those of the widths.
    aim: ClassVar[float] = 3 * ReusedBatch.aim

    def concerns(self, network: Network, training: Training, d: int | None) -> bool:
        return not isinstance(network.width, int)

    def covers(self, f: Target, network: Network, training: Training, d: int | None) -> str | None:
        if network.bias:
            return (
                'network.width must be a whole number with random biases on a reused batch, not "infinite" '
                "(only neurons of equal bias are exchangeable)"
            )
        if network.readout == "gaussian":
            return (
                'network.readout must have atoms for many neurons on a reused batch, not "gaussian"; '
                "give a width, or a law such as [[1.0, 0.5], [-1.0, 0.5]]"
            )
        if training.start != "random":
            return 'network.width must be a whole number with a given training.start, not "infinite"'
        return refusal_of_protocol(training)

    def overlaps(
        self, f: Target, network: Network, training: Training, *, accuracy: float, d: int | None
    ) -> Overlaps:
        found = [self._at_width(f, network, training, p, accuracy / 3) for p in self._widths(network)]
        (small, _), (large, error) = found
        steps = tuple(_extrapolated(a, b) for a, b in zip(small, large, strict=True))
        closed = _closed(f, network, training, steps)
        # What the next order in 1/p leaves is a fraction of the first.
        moved = max(float(np.max(np.abs(c.M - b.M))) for b, c in zip(large, steps, strict=True))
        where = f"d → ∞, then p → ∞ by extrapolation from p = {' and '.join(map(str, self._widths(network)))}"
        if closed is not None:
            steps = closed
            where += "; M of step 2 and the train error of step 1 in closed form"
        return _result(f, steps, 3 * error, moved / 4, network, d, where, accuracy)

    @staticmethod
    def _widths(network: Network) -> tuple[int, int]:
        """Two widths at which the atoms of the readout have whole numbers of neurons."""
        _, weights = network.readout_atoms()
        least = next(
            (k for k in range(2, 33) if np.allclose(weights * k, np.round(weights * k), atol=1e-6)), 32
        )
        least = least if least % 2 == 0 or not network.is_symmetric else 2 * least
        first = least * max(1, math.ceil(_WIDTHS[0] / least))
        return first, 2 * first

    @staticmethod
    def _at_width(
        f: Target, network: Network, training: Training, p: int, accuracy: float
    ) -> tuple[list[StepOverlaps], float]:
        narrow = replace(network, width=p)
        means, error = measured(f, narrow, training, accuracy)
        readout = narrow.finite_readout(p)
        return [_grouped(_entry(means, t, readout), network) for t in range(training.steps + 1)], error

    def features(self, f: Target, network: Network, training: Training) -> LearnedFeatures:
        """The layer without the covariance of its residuals, which the recursion does not give."""
        small, large = (
            layer_moments(
                network, training.steps, p, measured(f, replace(network, width=p), training, 1e-3)[0]
            )
            for p in self._widths(network)
        )
        return layer_of_moments(network, f.r, small.extrapolated(large))


def refusal_of_protocol(training: Training) -> str | None:
    """What no law of a reused batch covers."""
    if training.batch_exponent != 1:
        return f'training.batch_exponent must be 1 with protocol = "reuse", not {training.batch_exponent:g}'
    if training.remove_orders:
        return (
            'training.remove_orders must be [] with protocol = "reuse": what preprocessing on the same batch does is not '
            f"known, not {list(training.remove_orders)}"
        )
    if training.steps > MOST_STEPS:
        return f'training.steps must be at most {MOST_STEPS} with protocol = "reuse", not {training.steps}'
    return None


def _refusal_of_size(network: Network, training: Training) -> str | None:
    p, steps = int(network.width), training.steps
    if p > MOST_NEURONS:
        return f'network.width must be at most {MOST_NEURONS} with protocol = "reuse", not {p}; or "infinite"'
    different = (
        len(set(network.finite_readout(p).tolist())) == p or network.bias > 0 or training.start != "random"
    )
    if different and p * (steps + 1) > MOST_AXES:
        return (
            f"network.width * (training.steps + 1) must be at most {MOST_AXES} for neurons that all differ, not "
            f"{p * (steps + 1)}; use fewer steps, or readouts of a few values"
        )
    return None


def _entry(means: Means, t: int, readout: Array) -> StepOverlaps:
    train = None if math.isnan(means.train[t]) else float(means.train[t])
    return neuron_entries(t, readout, means.m[t], means.gram[t], float(means.risk[t]), train_error=train)


def _grouped(step: StepOverlaps, network: Network) -> StepOverlaps:
    """One entry a readout; Q the mean over different neurons that are no partners."""
    p = len(step.readout)
    i, j = np.indices((p, p))
    distinct = (i != j) & ~(network.is_symmetric & (i + j == p - 1))
    entries = entries_of(step.readout)
    gram = np.array([[step.Q[np.ix_(a, b)][distinct[np.ix_(a, b)]].mean() for b in entries] for a in entries])
    return StepOverlaps(
        step=step.step,
        readout=np.array([step.readout[e[0]] for e in entries]),
        weight=np.array([len(e) / p for e in entries]),
        M=np.array([step.M[e].mean(axis=0) for e in entries]),
        Q=gram,
        norm2=np.array([step.norm2[e].mean() for e in entries]),
        risk=step.risk,
        train_error=step.train_error,
    )


def _closed(
    f: Target, network: Network, training: Training, steps: tuple[StepOverlaps, ...]
) -> tuple[StepOverlaps, ...] | None:
    """``steps`` with what the closed second step gives; None where it does not hold (a first output, labels of a mean)."""
    if len(steps) < 3 or not network.is_symmetric or has_order(f, 0):
        return None
    first, second = steps[1], steps[2]
    found = second_step(f, network.get_activation(), second.readout, second.weight, training)
    changed = replace(first, train_error=found.train), replace(second, M=found.M)
    return (steps[0], *changed, *steps[3:])


@dataclass(frozen=True, eq=False)
class LayerMoments:
    """``M`` (G, r), ``gram`` of different neurons (G, G), ``norm2`` ‖w‖² (G,), and the Gram of ``partners`` (G,)."""

    M: Array
    gram: Array
    norm2: Array
    partners: Array

    def extrapolated(self, wide: LayerMoments) -> LayerMoments:
        """Their limit of many neurons, from those of ``wide``, twice as wide: errors are of order 1/p."""
        return LayerMoments(
            2 * wide.M - self.M,
            2 * wide.gram - self.gram,
            2 * wide.norm2 - self.norm2,
            2 * wide.partners - self.partners,
        )


def layer_moments(network: Network, step: int, p: int, means: Means) -> LayerMoments:
    """The moments after ``step`` steps at width ``p``."""
    readout = replace(network, width=p).finite_readout(p)
    own = _entry(means, step, readout)
    grouped = _grouped(own, network)
    partners = np.array([own.Q[e, p - 1 - e].mean() for e in entries_of(readout)])
    return LayerMoments(grouped.M, grouped.Q, grouped.norm2, partners)


def layer_of_moments(network: Network, r: int, moments: LayerMoments) -> LearnedFeatures:
    """Groups whose components on the target are ``M`` and on common noise a root of the rest of ``gram``."""
    M = moments.M
    groups = readout_groups(network)
    links = Links.of(groups)
    order = [entry[0] for entry in entries_of(groups.readout)]
    if len(order) != len(M):
        raise InputError("network.readout must be a law of a few atoms for the layer after a reused batch")
    rest = moments.gram - M @ M.T
    values, vectors = np.linalg.eigh((rest + rest.T) / 2)
    noise = vectors * np.sqrt(np.maximum(values, 0.0))
    c = np.hstack([M, noise])
    own = moments.norm2 - np.sum(c**2, axis=1)
    between = [
        moments.partners[g] - float(c[g] @ c[h])
        for g, h in zip(links.left[len(M) :], links.right[len(M) :], strict=True)
    ]
    return LearnedFeatures(groups, links, r, c, np.concatenate([own, between]))


def _extrapolated(small: StepOverlaps, large: StepOverlaps) -> StepOverlaps:
    train = None
    if small.train_error is not None and large.train_error is not None:
        train = 2 * large.train_error - small.train_error
    return replace(
        large,
        M=2 * large.M - small.M,
        Q=2 * large.Q - small.Q,
        norm2=2 * large.norm2 - small.norm2,
        risk=2 * large.risk - small.risk,
        train_error=train,
    )


def _result(
    f: Target,
    steps: tuple[StepOverlaps, ...],
    error: float,
    extrapolated: float,
    network: Network,
    d: int | None,
    where: str,
    asked: float,
) -> Overlaps:
    """``error``: standard error of the integrals, relative; ``extrapolated``: what the extrapolation in p may leave."""
    notes = [where]
    if error:
        notes.append(
            f"standard error {error:.1e} of the integrals, relative to the weights and to the first risk"
        )
    if d is not None:
        notes.append("finite-d terms are not included")
    lost = [str(step.step) for step in steps if step.train_error is None]
    if lost:
        notes.append(f"no train error after step {', '.join(lost)}: its tails are too heavy to be sampled")
    return Overlaps(
        regime="reused batch",
        steps=sampled_budgets(f, steps, error, left_out_at(d) + extrapolated),
        validity=Validity.APPROXIMATE,
        validity_note="; ".join(notes),
        warnings=tuple(notes_of(network.get_activation())),
        p=int(network.width) if isinstance(network.width, int) else None,
        solution=stepped(steps[-1].step, error, asked, "recursion on sampled trajectories"),
    )
