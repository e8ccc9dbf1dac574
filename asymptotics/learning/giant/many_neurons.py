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
from asymptotics.fixed_point import stepped
from asymptotics.learning.entries import budgeted, entries_of, left_out_at, merged, step_of, unit_of
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

#: The cubature and the factor of the nodes with which the error of nodes is seen.
_COARSE, _MORE_NODES = 0.4, 1.25
#: Shares of the nodes an axis with which the risk of a law is integrated, and seen to be.
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
        start = untrained(readout_groups(network).frequent(), f.r)
        path = checked_mean_field(
            labels, activation, start, training.steps, training.eta, training.alpha, accuracy
        )
        warnings = [*notes_of(activation), *warnings_at_exponent_one(labels, network)]
        change = path.changes
        if change is not None and has_nodes(network):
            moved = self._change_of_nodes(labels, network, training)
            change = tuple(own + more for own, more in zip(change, moved, strict=True))
        steps = _steps(f, path, activation, training)
        return _overlaps(f, activation, steps, change, accuracy, d, [], warnings)

    @staticmethod
    def _change_of_nodes(labels: Target, network: Network, training: Training) -> tuple[float, ...]:
        """What a quarter more nodes for readouts and biases change, on a coarse cubature: of risks and overlaps by step."""
        activation = network.get_activation()
        paths = [
            mean_field(
                labels,
                activation,
                untrained(readout_groups(network, finer).frequent(), labels.r),
                training.steps,
                training.eta,
                training.alpha,
                refine=_COARSE,
            )
            for finer in (1.0, _MORE_NODES)
        ]
        risks = np.array([path.risks for path in paths])
        means = [[_means(layer, network) for layer in path.states] for path in paths]
        moved = [float(np.max(np.abs(a - b))) for a, b in zip(*means, strict=True)]
        return tuple(np.maximum(np.abs(risks[1] - risks[0]), moved).tolist())

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
                accuracy,
                d,
                notes,
                warnings,
                risk_change=change,
                exponent=training.batch_exponent,
            )
        path = self._noise_path(law, training, accuracy)
        steps = _steps(f, path, activation, training)
        if training.steps:
            steps[1] = _step_of_law(law, steps[1].risk)
        return _overlaps(
            f, activation, steps, path.changes, accuracy, d, notes, warnings, exponent=training.batch_exponent
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
    """Averages over the nodes: E ‖w‖² and E ã M, for each readout where these are atoms."""
    atoms = [np.arange(len(layer.readout))] if network.readout == "gaussian" else entries_of(layer.readout)
    rows = []
    for atom in atoms:
        share = layer.weight[atom] / layer.weight[atom].sum()
        drift = (share * layer.readout[atom]) @ layer.M[atom]
        rows.append(np.append(drift, share @ layer.weight_norm2[atom]))
    return np.concatenate(rows)


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
    accuracy: float,
    d: int | None,
    notes: Sequence[str],
    warnings: Sequence[str],
    *,
    risk_change: float | None = None,
    exponent: float = 1.0,
) -> Overlaps:
    said = [_LIMIT, *([] if d is None else [_NO_FINITE_D]), *notes]
    validity = Validity.EXACT
    averages = quadrature_error(f, activation)
    moved = change if risk_change is None else risk_change
    largest = max(s.risk for s in steps) or 1.0
    reached = max(max(change or (0.0,)) / unit_of(steps), (risk_change or 0.0) / largest, averages)
    if reached > accuracy:
        validity = Validity.APPROXIMATE
        said.append(f"the cubature reached {reached:.1e}, not the accuracy {accuracy:.1e}")
    return Overlaps(
        regime="many neurons",
        # The limit is exact; finite widths are not estimated.
        steps=budgeted(f, steps, left_out_at(d, exponent), averages, change, moved),
        validity=validity,
        validity_note="; ".join(said),
        warnings=tuple(warnings),
        solution=None if change is None else stepped(steps[-1].step, reached, accuracy),
    )
