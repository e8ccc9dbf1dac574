"""The laws of giant steps for many neurons: n = alpha d samples a step, and other batch exponents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.error_budget import Validity
from asymptotics.expectations.accuracy import quadrature_error
from asymptotics.expectations.activations import Activation
from asymptotics.expectations.patience import Patience
from asymptotics.fixed_point import stepped
from asymptotics.learning.entries import Changes, budgeted, entries_of, left_out_at, merged, step_of, unit_of
from asymptotics.learning.features import LearnedFeatures, untrained
from asymptotics.learning.giant.exponents import (
    information_exponent,
    order_learned,
    refusal_of_orders,
    refusal_of_removal,
    refusal_of_steps,
    warnings_at_exponent_one,
    warnings_of_law,
)
from asymptotics.learning.giant.fields import network_risk
from asymptotics.learning.giant.low_orders import refusal_of_removed, without_orders
from asymptotics.learning.giant.mean_field import MeanFieldPath, checked_mean_field, mean_field, train
from asymptotics.learning.giant.one_step import (
    OneStepLaw,
    one_step_law,
    overlap_below_threshold,
    refusal_of_divergence,
)
from asymptotics.learning.groups import has_nodes, readout_groups
from asymptotics.results import Overlaps, StepOverlaps
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network, Training

Array = npt.NDArray[np.float64]

#: The cubature with which the error of nodes is seen, the factor of the nodes, and the groups that they may make.
_COARSE, _MORE_NODES, _MOST_GROUPS = 0.4, 1.5, 200
#: What half as many nodes more change is so much less than their error; what they take, in the time before.
_MARGIN, _MORE_PATIENCE = 1.5, 4.0
#: Shares of the nodes an axis with which a path (at least) and the risk of a law are integrated, and seen to be.
_NODES, _FEWER = 0.6, 0.5
_LIMIT = "d → ∞, then p → ∞; corrections O(d^-1/2) and O(1/p)"
_NO_FINITE_D = "many neurons: finite-d terms are not included (give a width for them)"


@dataclass(frozen=True)
class ManyNeurons:
    """n = alpha d samples a step, any number of steps: the mean field."""

    name: str = "mean field of giant steps"
    validity: Validity = Validity.EXACT

    def concerns(self, network: Network, training: Training, d: int | None) -> bool:
        return not isinstance(network.width, int) and sees_linear_part(training)

    def covers(self, f: Target, network: Network, training: Training, d: int | None) -> str | None:
        return refusal_of_removed(training.remove_orders)

    def overlaps(
        self, f: Target, network: Network, training: Training, *, accuracy: float, d: int | None
    ) -> Overlaps:
        activation = network.get_activation()
        labels = without_orders(f, tuple(training.remove_orders))
        nodes = _nodes_that_do(labels, network, training, accuracy) if has_nodes(network) else _Nodes(1.0)
        start = untrained(readout_groups(network, nodes.finer).frequent(), f.r)
        path = checked_mean_field(
            labels, activation, start, training.steps, training.eta, training.alpha, accuracy
        )
        warnings = [*notes_of(activation), *warnings_at_exponent_one(labels, network)]
        steps = _steps(f, path, activation, training)
        change, risk_change = nodes.added_to(path)
        return _overlaps(f, activation, steps, change, risk_change, accuracy, d, [], warnings)

    def features(self, f: Target, network: Network, training: Training) -> LearnedFeatures:
        labels = without_orders(f, tuple(training.remove_orders))
        groups = readout_groups(network)
        return train(labels, network.get_activation(), groups, training.steps, training.eta, training.alpha)


@dataclass(frozen=True)
class ManyNeuronsLeap:
    """Other batch exponents: the one-step law at the leap; below it nothing but batch noise."""

    name: str = "one giant step at the leap"
    validity: Validity = Validity.EXACT

    def concerns(self, network: Network, training: Training, d: int | None) -> bool:
        return not isinstance(network.width, int) and not sees_linear_part(training)

    def covers(self, f: Target, network: Network, training: Training, d: int | None) -> str | None:
        return (
            refusal_of_removed(training.remove_orders)
            or refusal_of_steps(training)
            or refusal_of_removal(training)
            or refusal_of_orders(f, training)
            or refusal_of_divergence(
                f,
                network.get_activation(),
                readout_groups(network),
                tuple(training.remove_orders),
                training.batch_exponent,
            )
        )

    def overlaps(
        self, f: Target, network: Network, training: Training, *, accuracy: float, d: int | None
    ) -> Overlaps:
        activation = network.get_activation()
        law = self._law(f, network, training)
        warnings = [*notes_of(activation), *warnings_of_law(law, training)]
        notes = [] if d is None or not training.steps else _size_below(f, law, training, d)
        if training.steps == 1:
            start = untrained(law.groups, f.r)
            risks = [network_risk(f, activation, layer, _NODES) for layer in (start, law.layer())]
            # M, Q and norms are closed forms; the risk has a rule over starts, and one over fields.
            others = [network_risk(f, activation, start, _FEWER), *_other_risks(f, activation, law)]
            change = max(abs(risks[0] - others[0]), sum(abs(risks[1] - other) for other in others[1:]))
            steps = [step_of(start, risks[0], 0), _step_of_law(law, risks[1])]
            return _overlaps(
                f,
                activation,
                steps,
                (0.0, 0.0),
                change,
                accuracy,
                d,
                notes,
                warnings,
                exponent=training.batch_exponent,
            )
        path = self._noise_path(law, training, accuracy)
        steps = _steps(f, path, activation, training)
        if training.steps:
            steps[1] = _step_of_law(law, steps[1].risk)
        return _overlaps(
            f,
            activation,
            steps,
            path.changes,
            path.risk_changes,
            accuracy,
            d,
            notes,
            warnings,
            exponent=training.batch_exponent,
        )

    def features(self, f: Target, network: Network, training: Training) -> LearnedFeatures:
        law = self._law(f, network, training)
        if training.steps == 1:
            return law.layer()
        return self._noise_path(law, training, 1e-6).states[-1]

    def _law(self, f: Target, network: Network, training: Training) -> OneStepLaw:
        removed, exponent = tuple(training.remove_orders), float(training.batch_exponent)
        return one_step_law(
            f,
            network.get_activation(),
            readout_groups(network),
            training.eta,
            training.alpha,
            order_learned(f, removed, exponent),
            removed=removed,
            exponent=exponent,
        )

    @staticmethod
    def _noise_path(law: OneStepLaw, training: Training, accuracy: float) -> MeanFieldPath:
        """No step, or several with fewer samples than the leap asks for: batch noise without a signal."""
        start = untrained(law.groups, law.target.r)
        return checked_mean_field(
            law.target,
            law.activation,
            start,
            training.steps,
            training.eta,
            training.alpha,
            accuracy,
            drift=False,
        )


def _means(layer: LearnedFeatures, network: Network) -> Array:
    """Averages over the nodes: E ‖w‖² and E M for each readout where these are atoms, E ã M over a law of unit variance."""
    atoms, of_law = entries_of(layer.readout), network.readout == "gaussian"
    rows = []
    for atom in [np.arange(len(layer.readout))] if of_law else atoms:
        share = layer.weight[atom] / layer.weight[atom].sum()
        drift = (share * (layer.readout[atom] if of_law else 1.0)) @ layer.M[atom]
        rows.append(np.append(drift, share @ layer.weight_norm2[atom]))
    return np.concatenate(rows)


@dataclass(frozen=True)
class _Nodes:
    """``finer`` times the usual nodes of the laws of readouts and biases, and what more of them change at each step."""

    finer: float
    changes: Array | None = None
    risk_changes: Array | None = None

    def added_to(self, path: MeanFieldPath) -> tuple[list[float] | None, list[float] | None]:
        """The changes of ``path`` with those of the nodes."""
        return _sum(path.changes, self.changes), _sum(path.risk_changes, self.risk_changes)


def _sum(own: Sequence[float] | None, more: Array | None) -> list[float] | None:
    if own is None:
        return None if more is None else list(map(float, more))
    return [float(x) for x in own] if more is None else [float(x + y) for x, y in zip(own, more, strict=True)]


def _nodes_that_do(labels: Target, network: Network, training: Training, accuracy: float) -> _Nodes:
    """The fewest nodes, on a coarse cubature, of which half as many more change less than ``accuracy``; or the most.

    Errors alternate with the number of nodes and fall with it like a power of a number below one: what half as many more
    change is two thirds of them and more.
    """
    activation, patience = network.get_activation(), Patience()

    def path(finer: float) -> MeanFieldPath:
        start = untrained(readout_groups(network, finer).frequent(), labels.r)
        return mean_field(
            labels, activation, start, training.steps, training.eta, training.alpha, refine=_COARSE
        )

    finer, here = 1.0, path(1.0)
    while True:
        more = path(_MORE_NODES * finer)
        risk_moved = _MARGIN * np.abs(np.subtract(here.risks, more.risks))
        pairs = zip(here.states, more.states, strict=True)
        moved = _MARGIN * np.array(
            [np.max(np.abs(_means(a, network) - _means(b, network))) for a, b in pairs]
        )
        reached = replace(here, changes=tuple(moved), risk_changes=tuple(risk_moved)).reached
        groups = len(readout_groups(network, _MORE_NODES**2 * finer).readout)
        if reached <= accuracy / 2 or groups > _MOST_GROUPS or not patience.allows(_MORE_PATIENCE):
            return _Nodes(finer, moved, risk_moved)
        finer, here = _MORE_NODES * finer, more


def sees_linear_part(training: Training) -> bool:
    """Whether a step has n = alpha d samples and labels with their linear part: any number of steps has a law."""
    return training.batch_exponent == 1 and 1 not in training.remove_orders


def notes_of(activation: Activation) -> list[str]:
    """What the activation itself has to say (a numerical derivative)."""
    return [activation.note] if activation.note else []


def _steps(f: Target, path: MeanFieldPath, activation: Activation, training: Training) -> list[StepOverlaps]:
    """The entries at every step; the risk is that of the target itself, of which training may have seen a part only."""
    risks: Sequence[float] = path.risks
    if training.remove_orders:
        risks = [network_risk(f, activation, layer) for layer in path.states]
    return [step_of(layer, risk, t) for t, (layer, risk) in enumerate(zip(path.states, risks, strict=True))]


def _step_of_law(law: OneStepLaw, risk: float) -> StepOverlaps:
    groups = law.groups
    spread = None if law.deterministic else law.M_cov
    entry = merged(groups.readout, groups.fraction, law.M, spread, law.Q, law.norm2, risk=risk, step=1)
    if law.deterministic:
        return entry
    return replace(entry, quantiles=law.quantiles(groups=entries_of(groups.readout)))


def _other_risks(f: Target, activation: Activation, law: OneStepLaw) -> list[float]:
    """The risk after the step with fewer nodes for the fields, and with fewer for the random starts."""
    layers = [(law.layer(), _FEWER)] + ([] if law.deterministic else [(law.layer(fewer=True), _NODES)])
    return [network_risk(f, activation, layer, refine) for layer, refine in layers]


def _size_below(f: Target, law: OneStepLaw, training: Training, d: int) -> list[str]:
    """At finite d: how small the overlaps of a step below the leap are."""
    order = information_exponent(f, tuple(training.remove_orders))
    if law.order is not None or order is None:
        return []
    size = overlap_below_threshold(law, d, order, float(training.batch_exponent), training.alpha)
    return [f"nothing is learned; rms cosine with the target at d = {d}: {np.max(size):.3g}"]


def _overlaps(
    f: Target,
    activation: Activation,
    steps: Sequence[StepOverlaps],
    change: Sequence[float] | None,
    risk_change: Changes,
    accuracy: float,
    d: int | None,
    notes: Sequence[str],
    warnings: Sequence[str],
    *,
    exponent: float = 1.0,
) -> Overlaps:
    said = [_LIMIT, *([] if d is None else [_NO_FINITE_D]), *notes]
    validity = Validity.EXACT
    averages = quadrature_error(f, activation, _NODES)
    moved = max(risk_change or (0.0,)) if isinstance(risk_change, Sequence) else risk_change or 0.0
    largest = max(s.risk for s in steps) or 1.0
    reached = max(max(change or (0.0,)) / unit_of(steps), moved / largest, averages)
    if reached > accuracy:
        validity = Validity.APPROXIMATE
        said.append(f"the cubature reached {reached:.1e}, not the accuracy {accuracy:.1e}")
    return Overlaps(
        regime="many neurons",
        # The limit is exact; finite widths are not estimated.
        steps=budgeted(f, steps, left_out_at(d, exponent), averages, change, risk_change, _NODES),
        validity=validity,
        validity_note="; ".join(said),
        warnings=tuple(warnings),
        solution=None if change is None else stepped(steps[-1].step, reached, accuracy),
    )
