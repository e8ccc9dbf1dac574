"""``overlaps``: what training does to the first layer, step by step; the table of laws, and the one that answers.

A new protocol is a room beside :mod:`asymptotics.learning.giant` whose laws are one entry of ``LAWS``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from asymptotics.error_budget import ErrorBudget, Validity
from asymptotics.expectations.patience import SECONDS, rounded_up
from asymptotics.experiment.input_laws import traits_of
from asymptotics.floating import own_floating_state
from asymptotics.learning.class_labels import seen_by_steps
from asymptotics.learning.features import LearnedFeatures
from asymptotics.learning.given_directions import in_given_directions
from asymptotics.learning.law import Law
from asymptotics.learning.natural_units import NaturalUnits, in_unit_of_rate, natural_units, scaled_target
from asymptotics.results import Overlaps
from hermite.errors import ConvergenceError, InputError
from hermite.target import Target, as_target

if TYPE_CHECKING:
    from asymptotics.experiment.input_laws import InputLaw
    from asymptotics.experiment.settings import Network, Training


def _giant() -> tuple[Law, ...]:
    from asymptotics.learning.giant.fixed_width import FiniteStarts, FixedWidth
    from asymptotics.learning.giant.fixed_width_leap import FixedWidthLeap
    from asymptotics.learning.giant.many_neurons import ManyNeurons, ManyNeuronsLeap

    return (ManyNeurons(), ManyNeuronsLeap(), FixedWidth(), FixedWidthLeap(), FiniteStarts())


def _sgd() -> tuple[Law, ...]:
    from asymptotics.learning.sgd.langevin_law import OneOverlap
    from asymptotics.learning.sgd.law import OnlineSGD

    return (OnlineSGD(), OneOverlap())


def _reuse() -> tuple[Law, ...]:
    from asymptotics.learning.reuse.law import ReusedBatch, ReusedBatchOfManyNeurons

    return (ReusedBatch(), ReusedBatchOfManyNeurons())


def _structured() -> OverlapsOn:
    from asymptotics.learning.structured.overlap_laws import overlaps_on_inputs

    return overlaps_on_inputs


#: (target, network, training, inputs, d) → overlaps on inputs that are not isotropic.
OverlapsOn = Callable[["Target", "Network", "Training", Any, int | None], Overlaps]
#: By the name of the law of inputs; opens its room.
ON_INPUTS: dict[str, Callable[[], OverlapsOn]] = {"structured": _structured}


def _law_on(inputs: InputLaw) -> OverlapsOn:
    if inputs.law not in ON_INPUTS:
        raise InputError(f"No law of the overlaps covers {traits_of(inputs).word}; use simulate.")
    return ON_INPUTS[inputs.law]()


class _Rooms(Mapping[str, tuple[Law, ...]]):
    """The laws of each protocol; its room is opened when it is first asked for."""

    def __init__(self, rooms: dict[str, Callable[[], tuple[Law, ...]]]) -> None:
        self._rooms = rooms
        self._open: dict[str, tuple[Law, ...]] = {}

    def __getitem__(self, protocol: str) -> tuple[Law, ...]:
        if protocol not in self._open:
            self._open[protocol] = self._rooms[protocol]()
        return self._open[protocol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rooms)

    def __len__(self) -> int:
        return len(self._rooms)


#: The laws of each protocol. Settings of one kind concern one law: the order does not matter.
LAWS: Mapping[str, tuple[Law, ...]] = _Rooms({"giant": _giant, "sgd": _sgd, "reuse": _reuse})


def law_of(f: Target, network: Network, training: Training, d: int | None = None) -> Law:
    """The law that covers these settings; :class:`InputError` with its refusal if the one of their kind does not."""
    for law in LAWS[training.protocol]:
        if law.concerns(network, training, d):
            refusal = law.covers(f, network, training, d)
            if refusal is not None:
                raise InputError(refusal)
            return law
    raise InputError(
        "no law of the first layer is known for these network and training settings; use simulate"
    )


#: Without ``accuracy``, integrals are refined to the first; what they reached is taken, with its error, up to the second.
_AIM, _ENOUGH = 1e-4, 1e-3
#: The same of neurons one by one: kernels of many of them are sampled, and their error is that of the worst of p² entries.
_ENOUGH_AT_FIXED_WIDTH = 1e-2


@own_floating_state
def overlaps(
    f: Target | str,
    network: Network,
    training: Training,
    *,
    accuracy: float | None = None,
    d: int | None = None,
    throw: bool = True,
    inputs: InputLaw | None = None,
) -> Overlaps:
    """Predicted overlaps at steps 0..T (``training.steps``) with the target's directions as they are given.

    ``network.width`` "infinite": one entry a group of equal readout (averaged over biases), p → ∞ after d → ∞; a whole
    number: one entry a neuron, d → ∞, or the conditional mean at finite d if ``d`` is given.
    ``accuracy`` is what the entries of M and Q and the averages over target and activation must reach, absolute (relative to
    weights above 1, and to the factor by which training raises the risk). The budget for it: 1.1 million nodes for a target,
    2^20 points a sampled trajectory, and 300 seconds of the processor, looked at between refinements. Where that is not enough,
    or an error is as large as the number, :class:`ConvergenceError`, or with ``throw`` false the numbers with what was reached
    in their ``error``. By default 1e-4 (1e-3 on a reused batch) is tried for, and numbers that reach 1e-3 come with what they
    reached; at fixed width, where the kernels of many neurons are sampled, those that reach 1e-2.
    ``risk`` is E[(f* − f)²], f* the whole target also where ``remove_orders`` shows training a part of it. Class labels: f* is
    E[y | z], before and after one giant step. ``inputs``: clusters and covariances in the place of z ~ N(0, I), before and after
    one giant step of many neurons; w* are then the rows of the teacher.
    Letters: docs/conventions.md. Raises :class:`InputError` for settings that have no law, naming what to change.
    """
    if inputs is not None:
        found = _law_on(inputs)(as_target(f, classes=True), network, training, inputs, d)
        return _told_of_divergence(found)
    target = seen_by_steps(as_target(f, classes=True), training)
    found = orthonormal_overlaps(target, network, training, accuracy=accuracy, d=d)
    _refuse_unmet(found, throw, _enough(found) if accuracy is None else accuracy)
    _refuse_meaningless(found, throw)
    told = _at_finite_d(in_given_directions(target, found), training, d)
    if accuracy is not None:
        told = _told_of_theory(told, accuracy)
    return _told_of_divergence(_exact_where_earned(told))


def _at_finite_d(found: Overlaps, training: Training, d: int | None) -> Overlaps:
    """``found``, labelled as what it is at this d where the law is that of d → ∞."""
    if d is None or found.d is not None or training.steps == 0 or found.validity != Validity.EXACT:
        return found
    said = f"the limit is not exact at d = {d}: terms of relative order d^-1/2 are left out"
    if training.batch_exponent >= 2:
        said += " (tens of per cent of E tr M Mᵀ at d = 40 to 60 and batch exponent 2)"
    note = "; ".join(part for part in (found.validity_note, said) if part)
    return replace(found, validity=Validity.LEADING_ORDER, validity_note=note)


def _enough(found: Overlaps) -> float:
    """The accuracy below which numbers that nothing was asked for are no answer."""
    return _ENOUGH if found.p is None else _ENOUGH_AT_FIXED_WIDTH


def _refuse_unmet(found: Overlaps, throw: bool, enough: float) -> None:
    """:class:`ConvergenceError` where the integrals did not reach ``enough``, unless told not to."""
    reached = found.solution
    if throw and reached is not None and not reached.converged and reached.residual > enough:
        raise ConvergenceError(
            f"the integrals of the overlaps reached {reached.residual:.1e}, not the accuracy {enough:.0e}, with the nodes "
            f"and {SECONDS:.0f} s of their budget: ask for less (accuracy = {rounded_up(reached.residual):.0e}), or take the "
            "numbers with their error (throw=False in Python)",
            reached,
        )


def _refuse_meaningless(found: Overlaps, throw: bool) -> None:
    """:class:`ConvergenceError` where a step's overlaps have an error as large as themselves, unless told not to."""
    worst = next((step for step in found.steps if step.error.at_least >= 1.0), None)
    if throw and worst is not None:
        raise ConvergenceError(
            f"no prediction of the overlaps at step {worst.step}: their error, {100 * worst.error.at_least:.2g} %, is as large "
            "as the numbers; take fewer steps or a smaller eta, or simulate",
            found.solution,
        )


def _exact_where_earned(found: Overlaps) -> Overlaps:
    """``found``, "approximate" where a number of an exact law is not known to what "exact" allows."""
    budgets = [budget for step in found.steps for budget in (step.error, step.risk_error)]
    if found.validity != Validity.EXACT or not any(budget.forbids_exact for budget in budgets):
        return found
    worst = max(budget.at_least for budget in budgets)
    said = f"an exact law, its integrals to {worst:.0e}"
    note = "; ".join(part for part in (found.validity_note, said) if part)
    return replace(found, validity=Validity.APPROXIMATE, validity_note=note)


def _told_of_theory(found: Overlaps, accuracy: float) -> Overlaps:
    """``found`` with a warning where the law leaves out more than the ``accuracy`` asked for, which no integral mends."""
    left_out = max(step.error.theory or 0.0 for step in found.steps)
    if left_out <= accuracy:
        return found
    said = (
        f"accuracy = {accuracy:g} is asked of the integrals; what the law leaves out, {100 * left_out:.2g} %, is larger and is "
        "stated as the error of theory"
    )
    return replace(found, warnings=(*found.warnings, said))


#: Labels and readouts whose sizes differ by more are counted in a unit each.
_FAR_APART = 16.0
#: A risk that grows by this factor over that before training is no learning.
_DIVERGES = 10.0


def _told_of_divergence(found: Overlaps) -> Overlaps:
    """``found`` with a warning where the risk grows far beyond that before training."""
    first = found.steps[0].risk
    worst = max(found.steps, key=lambda step: step.risk)
    if not worst.risk > _DIVERGES * first:
        return found
    said = (
        f"training diverges: the risk is {worst.risk:.4g} after step {worst.step}, {worst.risk / first:.2g} times that "
        "before training; take a smaller eta"
    )
    return replace(found, warnings=(*found.warnings, said))


def orthonormal_overlaps(
    f: Target,
    network: Network,
    training: Training,
    *,
    accuracy: float | None = None,
    d: int | None = None,
) -> Overlaps:
    """:func:`overlaps` with an orthonormal basis of the target's space, for theories that build on them.

    With a Gram matrix the basis is that of ``f.cholesky``; M Mᵀ is then the Gram matrix of the neurons' parts in the
    target's space. Quantiles are those with the given directions.
    """
    if accuracy is not None and not (np.isfinite(accuracy) and accuracy > 0):
        raise InputError(f"accuracy must be a positive number, not {accuracy!r}")
    if d is not None and d < f.r:
        raise InputError(f"d must be at least the number of directions of the target, {f.r}, not {d}")
    units = natural_units(f, network, training)
    alone = natural_units(f, network, training, readout_is_replaced=True)
    if max(alone.label, alone.readout) <= _FAR_APART * min(alone.label, alone.readout):
        return _in_units(units, accuracy, d)
    # One step from an output of 0: the weights know eta ã y alone, the risk the labels beside the readouts.
    weights = _in_units(alone, accuracy, d)
    steps = tuple(
        replace(own, risk=risk, risk_error=error)
        for own, (risk, error) in zip(weights.steps, _risks_of_two_units(alone, accuracy, d), strict=True)
    )
    return replace(weights, steps=steps)


def _risks_of_two_units(
    units: NaturalUnits, accuracy: float | None, d: int | None
) -> list[tuple[float, ErrorBudget]]:
    """E(L f* − R f)² of labels and readouts of any sizes L and R, for weights that know eta ã y alone.

    f* → f*/2 and eta → 2 eta leave the weights as they are: E(f* − f)² and E(f*/2 − f)² have the parts E f*² (the risk of
    the start), E f* f and E f². In one unit for both, the rounding of an output of 0 would be trained on.
    """
    f, network, training = units.target, units.network, units.training
    whole = _in_units(NaturalUnits(f, network, training), accuracy, d).steps
    halved = NaturalUnits(scaled_target(f, -1), network, in_unit_of_rate(training, 2 * training.eta, 1))
    half = _in_units(halved, accuracy, d).steps
    largest, energy = max(units.label, units.readout), whole[0].risk
    label, readout = units.label / largest, units.readout / largest
    found = []
    for one, two in zip(whole, half, strict=True):
        cross = 0.75 * energy - (one.risk - two.risk)
        output = two.risk - 0.25 * energy + cross
        risk = max(label**2 * energy - 2 * label * readout * cross + readout**2 * output, 0.0)
        # Before training the output is 0, exactly: readouts of any size add no error to the risk of the labels.
        weight = max(label, readout if output or cross else 0.0) ** 2
        share = weight * one.risk / risk if risk else math.inf
        integrals = one.risk_error.quadrature
        error = replace(one.risk_error, quadrature=None if integrals is None else integrals * max(share, 1.0))
        found.append((risk * largest * largest, error))
    return found


def _in_units(units: NaturalUnits, accuracy: float | None, d: int | None) -> Overlaps:
    """The law's answer in ``units``, told in the user's."""
    f, network, training = units.target, units.network, units.training
    law = law_of(f, network, training, d)
    aim: float = getattr(law, "aim", _AIM) if accuracy is None else accuracy
    return units.restored_overlaps(law.overlaps(f, network, training, accuracy=aim, d=d))


def learned_features(f: Target, network: Network, training: Training) -> LearnedFeatures:
    """The first layer after training, for the ridge fit (many neurons, d → ∞).

    Raises :class:`InputError` for settings whose law has no such layer.
    """
    return law_of(f, network, training).features(f, network, training)
