"""``overlaps``: what giant steps do to the first layer, step by step; picks the law that applies.

Many neurons: the mean field (:mod:`mean_field`) at n = alpha d, the one-step law (:mod:`one_step`) at other
batch exponents. Fixed width: the recursion of overlaps (:mod:`recursion`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.quadrature import hermite_rule
from asymptotics.learning.features import LearnedFeatures
from asymptotics.learning.giant.exponents import (
    check_steps,
    information_exponent,
    order_learned,
    warnings_at_exponent_one,
    warnings_of_law,
)
from asymptotics.learning.giant.low_orders import check_orders, without_orders
from asymptotics.learning.giant.mean_field import (
    MeanField,
    MeanFieldPath,
    checked_mean_field,
    initial_groups,
    network_risk,
)
from asymptotics.learning.giant.one_step import OneStepLaw, one_step_law, overlap_below_threshold
from asymptotics.results import Overlaps, StepOverlaps
from hermite.errors import InputError
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network, Training

Array = npt.NDArray[np.float64]


def start_of(f: Target, network: Network, steps: int) -> MeanField:
    """Groups of neurons at initialisation: atoms (or Gauss–Hermite nodes) of ã, each with every node of the
    bias.
    """
    many = network.bias > 0
    values, weights = network.readout_atoms((8 if many else 12) if steps > 1 else 16)
    bias, bias_weight = np.zeros(1), np.ones(1)
    if many:
        x, bias_weight = hermite_rule(5 if steps > 1 else 8)
        bias = network.bias * x
    return initial_groups(values, weights, bias, bias_weight, f.r, symmetric=network.is_symmetric)


def learned_path(
    f: Target, network: Network, training: Training, accuracy: float = 1e-6
) -> tuple[tuple[MeanField, ...], tuple[float, ...], float | None, OneStepLaw | None, list[str]]:
    """Many neurons: (states, risks at steps 0..T, last change of the cubature, one-step law if used,
    warnings).
    """
    check_orders(training.remove_orders)
    activation = network.get_activation()
    start = start_of(f, network, training.steps)
    warnings = [activation.note] if activation.note else []
    removed, exponent = tuple(training.remove_orders), float(training.batch_exponent)
    if exponent == 1 and 1 not in removed:
        labels = without_orders(f, removed)
        warnings += warnings_at_exponent_one(labels, network)
        path = checked_mean_field(
            labels, activation, start, training.steps, training.eta, training.alpha, accuracy
        )
        return path.states, _risks(f, path, activation, removed), path.change, None, warnings
    check_steps(exponent, training)
    order = order_learned(f, removed, exponent)
    law = one_step_law(
        f,
        activation,
        start,
        training.eta,
        training.alpha,
        order,
        removed=removed,
        exponent=exponent,
    )
    warnings += warnings_of_law(law, training)
    first = checked_mean_field(law.target, activation, start, 0, 0.0, training.alpha, accuracy)
    if training.steps == 0:
        return first.states, _risks(f, first, activation, removed), first.change, None, warnings
    if training.steps == 1:
        risks = tuple(network_risk(f, activation, state, 0.6) for state in (start, law.state()))
        return (start, law.state()), risks, None, law, warnings
    path = checked_mean_field(
        law.target, activation, start, training.steps, training.eta, training.alpha, accuracy, drift=False
    )
    return path.states, _risks(f, path, activation, removed), path.change, None, warnings


def _risks(
    f: Target, path: MeanFieldPath, activation: Activation, removed: tuple[int, ...]
) -> tuple[float, ...]:
    """E[(f* − f)²] at every step for the target itself, of which training may have seen a part only."""
    if not removed:
        return path.risks
    return tuple(network_risk(f, activation, state) for state in path.states)


def learned_features(
    f: Target, network: Network, training: Training, *, accuracy: float = 1e-6
) -> tuple[LearnedFeatures, ...]:
    """The features at steps 0..T for the ridge fit (many neurons, d → ∞)."""
    states, *_ = learned_path(f, network, training, accuracy)
    return tuple(state.features(step) for step, state in enumerate(states))


def overlaps(
    f: Target, network: Network, training: Training, *, accuracy: float = 1e-4, d: int | None = None
) -> Overlaps:
    """Predicted overlaps at steps 0..T (``training.steps``).

    ``network.width`` "infinite": one entry a group of equal readout (averaged over biases), p → ∞ after d →
                                ∞; a whole
                                number:
    one entry a neuron, d → ∞, or the conditional mean at finite d if ``d`` is given. ``accuracy`` is
    absolute, on the
    entries of M and Q; where it is not met, ``validity_note`` says what was reached.
    ``risk`` is E[(f* − f)²], f* the whole target also where ``remove_orders`` shows training a part of it.
    Raises :class:`InputError` for settings that have no law, naming what to change.
    """
    if not (np.isfinite(accuracy) and accuracy > 0):
        raise InputError(f"accuracy must be a positive number, not {accuracy!r}")
    if d is not None and d < f.r:
        raise InputError(f"d must be at least the number of directions of the target, {f.r}, not {d}")
    if isinstance(network.width, int):
        from asymptotics.learning.giant.fixed_width import fixed_width

        return fixed_width(f, network, training, accuracy=accuracy, d=d)
    return _many_neurons(f, network, training, accuracy, d)


def _many_neurons(
    f: Target, network: Network, training: Training, accuracy: float, d: int | None
) -> Overlaps:
    states, risks, change, law, warnings = learned_path(f, network, training, accuracy)
    steps = [
        _step_of(state, risk, step) for step, (state, risk) in enumerate(zip(states, risks, strict=True))
    ]
    notes = ["d → ∞, then p → ∞; corrections O(d^-1/2) and O(1/p)"]
    if law is not None:
        steps[1] = _step_of_law(law, risks[1])
    if d is not None:
        notes.append("many neurons: finite-d terms are not included (give a width for them)")
        exponent = float(training.batch_exponent)
        if law is not None and law.order is None:
            order = information_exponent(f, tuple(training.remove_orders))
            if order is not None:
                size = overlap_below_threshold(law, d, order, exponent, training.alpha)
                notes.append(f"nothing is learned; rms cosine with the target at d = {d}: {np.max(size):.3g}")
    validity = "exact"
    if change is not None and change > accuracy:
        validity = "approximate"
        notes.append(f"the cubature reached {change:.1e}, not the accuracy {accuracy:.1e}")
    return Overlaps(
        regime="many neurons",
        steps=tuple(steps),
        validity=validity,
        validity_note="; ".join(notes),
        warnings=tuple(warnings),
        d=None,
        p=None,
        solution={"change": change, "accuracy": accuracy},
    )


def _entries(readout: Array) -> list[npt.NDArray[np.intp]]:
    """Groups of equal readout (which differ in their bias), in order of first appearance."""
    found: dict[float, list[int]] = {}
    for g, value in enumerate(readout.tolist()):
        found.setdefault(value, []).append(g)
    return [np.array(groups) for groups in found.values()]


def _step_of(state: MeanField, risk: float, step: int) -> StepOverlaps:
    entries = _entries(state.readout)
    return _merged(
        entries, state.readout, state.weight, state.M, np.zeros(1), state.gram, state.norm2, risk, step
    )


def _step_of_law(law: OneStepLaw, risk: float) -> StepOverlaps:
    entries = _entries(law.readout)
    spread = np.zeros(1) if law.deterministic else law.M_cov
    entry = _merged(entries, law.readout, law.weight, law.M, spread, law.Q, law.norm2, risk, 1)
    return entry if law.deterministic else replace(entry, quantiles=law.quantiles(groups=entries))


def _merged(
    entries: list[npt.NDArray[np.intp]],
    readout: Array,
    weight: Array,
    M: Array,
    spread: Array,
    Q: Array,
    norm2: Array,
    risk: float,
    step: int,
) -> StepOverlaps:
    """One entry a readout: means over its biases, and M_cov where the overlap varies within an entry."""
    total = np.array([weight[e].sum() for e in entries])
    share = np.zeros((len(entries), len(readout)))
    for row, e in enumerate(entries):
        share[row, e] = weight[e] / total[row]
    mean = share @ M
    covariance = None
    if spread.ndim == 3 or any(len(e) > 1 for e in entries):
        inner = spread if spread.ndim == 3 else np.zeros((len(readout), M.shape[1], M.shape[1]))
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
