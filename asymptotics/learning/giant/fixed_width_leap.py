"""The law of one giant step at the leap for every neuron of a network of fixed width, d → ∞."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.error_budget import Validity
from asymptotics.expectations.accuracy import quadrature_error
from asymptotics.learning.entries import budgeted, left_out_at
from asymptotics.learning.giant.exponents import (
    order_learned,
    refusal_of_orders,
    refusal_of_removal,
    refusal_of_steps,
    warnings_of_law,
)
from asymptotics.learning.giant.fixed_width import (
    DRAWS,
    FixedWidth,
    Setting,
    bias_draws,
    covariance_of,
    refusal_of_width,
    scatter,
    starts_matter,
)
from asymptotics.learning.giant.low_orders import refusal_of_removed
from asymptotics.learning.giant.many_neurons import notes_of
from asymptotics.learning.giant.noise_kernel import Student
from asymptotics.learning.giant.one_step import OneStepLaw, one_step_law, refusal_of_divergence
from asymptotics.learning.groups import Groups
from asymptotics.learning.law import WithoutLayer
from asymptotics.results import Overlaps, StepOverlaps
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network, Training

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FixedWidthLeap(WithoutLayer):
    """Batch exponents other than 1, one step, d → ∞."""

    name: str = "one giant step at the leap, at fixed width"
    validity: Validity = Validity.EXACT

    def concerns(self, network: Network, training: Training, d: int | None) -> bool:
        if not isinstance(network.width, int) or FixedWidth().concerns(network, training, d):
            return False
        return not starts_matter(network, training, d)

    def covers(self, f: Target, network: Network, training: Training, d: int | None) -> str | None:
        return (
            refusal_of_removed(training.remove_orders)
            or refusal_of_width(network)
            or refusal_of_steps(training)
            or refusal_of_removal(training)
            or refusal_of_orders(f, training)
            or _refusal_of_limit(network, training)
            or refusal_of_divergence(
                f,
                network.get_activation(),
                neurons(network, bias_draws(network)[0]),
                tuple(training.remove_orders),
                training.batch_exponent,
            )
        )

    def overlaps(
        self, f: Target, network: Network, training: Training, *, accuracy: float, d: int | None
    ) -> Overlaps:
        setting = Setting.of(f, network, training, d)
        removed, exponent = tuple(training.remove_orders), float(training.batch_exponent)
        order = order_learned(f, removed, exponent)
        biases = bias_draws(network)
        laws = [
            one_step_law(
                f,
                setting.activation,
                neurons(network, bias),
                training.eta,
                training.alpha,
                order,
                removed=removed,
                exponent=exponent,
            )
            for bias in biases
        ]
        start = setting.start(biases[0])
        before = setting.entry(0, start.M, start.Q, setting.risk(start))
        after, risk_error = _after(setting, laws)
        averages = quadrature_error(setting.target, setting.activation)
        change = scatter([law.M for law in laws])
        theory = left_out_at(d, exponent)
        first = budgeted(f, [before], theory, averages, 0.0, 0.0)
        return Overlaps(
            regime="fixed width",
            steps=(*first, *budgeted(f, [after], theory, averages, change, risk_error)),
            validity=Validity.EXACT,
            validity_note="; ".join([setting.where, *setting.notes]),
            warnings=(*notes_of(setting.activation), *warnings_of_law(laws[0], training)),
            p=len(setting.readout),
        )


def _refusal_of_limit(network: Network, training: Training) -> str | None:
    """One step from a constant initial output: all that is known as d → ∞."""
    exponent = training.batch_exponent
    # Finite-d means exist unless the linear part is removed: there d is no way out.
    known = 1 not in training.remove_orders
    if training.steps > 1:
        return (
            f"training.steps = {training.steps} with batch_exponent = {exponent:g} at fixed width has no law as "
            f'd → ∞; {"give d" if known else "simulate"}, or width = "infinite"'
        )
    if not network.is_symmetric:
        return (
            f"network.initialisation must be symmetric at fixed width with batch_exponent = {exponent:g}: the law "
            "needs a constant initial output ("
            + (
                "give d for the finite-d mean)"
                if known
                else "and finite-d means are not known with remove_orders = "
                f'{list(training.remove_orders)}: simulate, or take width = "infinite")'
            )
        )
    return None


def neurons(network: Network, bias: Array) -> Groups:
    """Every neuron a group of its own; i and p − 1 − i are a pair."""
    p = len(bias)
    pairs = tuple((i, p - 1 - i) for i in range(p // 2))
    return Groups(network.finite_readout(p), bias, np.full(p, 1 / p), pairs)


def _after(setting: Setting, laws: Sequence[OneStepLaw]) -> tuple[StepOverlaps, float]:
    """The entry after the step, the mean over ``laws`` (draws of the biases) and over the starts; the error of its risk."""
    M = np.array([law.M for law in laws])
    Q = np.mean([_gram(law) for law in laws], axis=0)
    draws = 1 if laws[0].deterministic else DRAWS
    risks = [setting.risk(student) for law in laws for student in _students(law, draws)]
    entry = setting.entry(1, M.mean(axis=0), Q, float(np.mean(risks)))
    if laws[0].deterministic:
        return entry, scatter(risks)
    covariance = np.mean([law.M_cov for law in laws], axis=0) + covariance_of(M)
    quantiles = laws[0].quantiles() if len(laws) == 1 else None
    return replace(entry, M_cov=covariance, quantiles=quantiles), scatter(risks)


def _students(law: OneStepLaw, draws: int) -> list[Student]:
    """Networks drawn from the law: starts x of the neurons (pairs share theirs) give M and Q."""
    p, r = law.M.shape
    out: list[Student] = []
    for seed in range(draws):
        x = np.random.default_rng([seed, p]).standard_normal((p // 2, r))
        M = law.gain[:, None] * law.direction(np.concatenate([x, x[::-1]]))
        out.append(Student(law.groups.readout, law.groups.bias, M, M @ M.T + _noise_gram(law)))
    return out


def _gram(law: OneStepLaw) -> Array:
    """Mean of Q (p, p): starts are independent, but shared by the two neurons of a pair."""
    mean, covariance = law.start_moments
    shared = np.eye(len(law.gain)) + np.eye(len(law.gain))[::-1]
    signal = np.outer(law.gain, law.gain) * (mean @ mean + shared * np.trace(covariance))
    gram: Array = signal + _noise_gram(law)
    return gram


def _noise_gram(law: OneStepLaw) -> Array:
    """What does not come from the signal: common noise, own residuals, and their covariance within a pair."""
    gram: Array = np.outer(law.common, law.common) + np.diag(law.residual2)
    if law.pair_covariance is not None:
        gram += np.diag(law.pair_covariance)[:, ::-1]
    return gram
