"""Overlaps of a network of fixed width, neuron by neuron.

n = alpha d: the recursion of :mod:`asymptotics.learning.giant.recursion`, d → ∞, or its conditional mean at
finite (n, d). Other batch exponents, one step: the law of :mod:`asymptotics.learning.giant.one_step` for every
neuron, or at finite (n, d) the conditional mean averaged over typical starts. Random biases: averaged over
quasi-random draws of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.quadrature import sobol_normal
from asymptotics.learning.giant.exponents import (
    check_steps,
    order_learned,
    warnings_at_exponent_one,
    warnings_of_law,
)
from asymptotics.learning.giant.low_orders import check_orders, without_orders
from asymptotics.learning.giant.mean_field import MeanField
from asymptotics.learning.giant.noise_kernel import Student
from asymptotics.learning.giant.one_step import OneStepLaw, one_step_law
from asymptotics.learning.giant.recursion import Path, Rates, closed_means, initial_student, recursion
from asymptotics.results import Overlaps, StepOverlaps
from hermite.errors import InputError
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network, Training

Array = npt.NDArray[np.float64]

_DRAWS = 16


@dataclass(frozen=True)
class _Setting:
    """What all branches need: the labels, the network's parts and the size."""

    target: Target
    labels: Target
    activation: Activation
    readout: Array
    symmetric: bool
    training: Training
    d: int | None

    @property
    def rates(self) -> Rates:
        t = self.training
        if self.d is None:
            return Rates(t.eta, t.alpha)
        n = t.n(self.d)
        return Rates(t.learning_rate(self.d), n / self.d, n, self.d)


def fixed_width(
    f: Target, network: Network, training: Training, *, accuracy: float = 1e-4, d: int | None = None
) -> Overlaps:
    """Overlaps at steps 0..T of a network of ``network.width`` neurons; see :func:`asymptotics.overlaps`."""
    check_orders(training.remove_orders)
    p = int(network.width)
    if p < 1 or (network.is_symmetric and p % 2):
        raise InputError(f"network.width must be at least 1, and even if symmetric, not {p}")
    removed, exponent = tuple(training.remove_orders), float(training.batch_exponent)
    activation = network.get_activation()
    setting = _Setting(
        f,
        without_orders(f, removed),
        activation,
        network.finite_readout(p),
        network.is_symmetric,
        training,
        None if 1 in removed else d,
    )
    warnings = [activation.note] if activation.note else []
    notes: list[str] = []
    if d is not None and setting.d is None:
        notes.append("finite-d terms are not known with remove_orders = [0, 1]; d → ∞")
    check_steps(exponent, training)
    bias = _bias_draws(network, p)
    if training.steps == 0 or (exponent == 1 and 1 not in removed):
        if training.steps:
            warnings += warnings_at_exponent_one(setting.labels, network)
        paths = [
            recursion(
                setting.labels,
                activation,
                initial_student(setting.readout, b, f.r, symmetric=setting.symmetric),
                training.steps,
                setting.rates,
                accuracy,
            )
            for b in bias
        ]
        return _result(paths, setting, accuracy, notes, warnings)
    if setting.d is None:
        return _one_step(f, setting, removed, exponent, bias, notes, warnings)
    starts = [
        student
        for k, b in enumerate(bias)
        for student in typical_starts(
            setting.readout, b, f.r, setting.d, max(2, _DRAWS // len(bias)), k, setting.symmetric
        )
    ]
    paths = [
        recursion(setting.labels, activation, s, training.steps, setting.rates, max(accuracy, 1e-2))
        for s in starts
    ]
    notes.append(f"mean over {len(starts)} starts drawn at d = {d}; M_cov is over these starts")
    return _result(paths, setting, accuracy, notes, warnings, spread=True)


def _bias_draws(network: Network, p: int) -> list[Array]:
    """Biases (p,): zero, or draws from their law; twins share theirs."""
    if network.bias == 0:
        return [np.zeros(p)]
    half = p // 2 if network.is_symmetric else p
    draws = network.bias * sobol_normal(half, 2, 20262)
    return [np.concatenate([b, b[::-1]]) if network.is_symmetric else b for b in draws]


def typical_starts(
    readout: Array, bias: Array, r: int, d: int, draws: int, seed: int, symmetric: bool
) -> list[Student]:
    """Starts (M^0, Q^0) of neurons uniform on the sphere in dimension d, drawn from their exact law."""
    p = len(readout)
    distinct = p // 2 if symmetric else p
    if d < r + distinct:
        raise InputError(
            f"d must be at least {r + distinct} (directions + distinct neurons) for a start, not {d}"
        )
    rng = np.random.default_rng([seed, d, p])
    out: list[Student] = []
    for _ in range(draws):
        on_target = rng.standard_normal((distinct, r))
        # Bartlett: the Gram matrix of the rest is L Lᵀ with chi on the diagonal.
        L = np.tril(rng.standard_normal((distinct, distinct)), -1)
        L[np.diag_indices(distinct)] = np.sqrt(rng.chisquare(d - r - np.arange(distinct)))
        size = np.sqrt(np.sum(on_target**2, axis=1) + np.sum(L**2, axis=1))[:, None]
        W = np.concatenate([on_target, L], axis=1) / size
        if symmetric:
            W = np.concatenate([W, W[::-1]])
        out.append(Student(readout, bias, W[:, :r], W @ W.T))
    return out


def _result(
    paths: Sequence[Path],
    setting: _Setting,
    accuracy: float,
    notes: list[str],
    warnings: list[str],
    *,
    spread: bool = False,
) -> Overlaps:
    """The mean over ``paths`` (draws of biases or of starts), with what was reached."""
    p = len(setting.readout)
    steps: list[StepOverlaps] = []
    for step in range(len(paths[0].students)):
        M = np.array([path.students[step].M for path in paths])
        Q = np.mean([path.students[step].Q for path in paths], axis=0)
        centred = M - M.mean(axis=0)
        steps.append(
            StepOverlaps(
                step=step,
                readout=setting.readout,
                weight=np.full(p, 1 / p),
                M=M.mean(axis=0),
                Q=Q,
                norm2=np.diag(Q).copy(),
                risk=float(np.mean([_risk(path, step, setting) for path in paths])),
                M_cov=np.einsum("bik,bil->ikl", centred, centred) / len(paths) if spread else None,
            )
        )
    error = max(path.error for path in paths)
    notes = [_where(setting), *notes]
    if len(paths) > 1 and not spread:
        notes.append(f"mean over {len(paths)} quasi-random draws of the biases")
    validity = "exact"
    if error > accuracy:
        validity = "approximate"
        notes.append(f"standard error {error:.1e} of the integrals, not the accuracy {accuracy:.1e}")
    return Overlaps(
        regime="fixed width",
        steps=tuple(steps),
        validity=validity,
        validity_note="; ".join(notes),
        warnings=tuple(warnings),
        d=setting.d,
        p=p,
        n=setting.rates.n,
        solution={"error": error, "accuracy": accuracy},
    )


def _risk(path: Path, step: int, setting: _Setting) -> float:
    """E[(f* − f)²] for the target itself, of which training may have seen a part only."""
    if setting.labels is setting.target:
        return path.risks[step]
    return closed_means(setting.target, setting.activation, path.students[step]).risk


def _where(setting: _Setting) -> str:
    if setting.d is None:
        return "d → ∞ at fixed width; corrections O(d^-1/2)"
    return f"conditional mean at d = {setting.d}, n = {setting.rates.n}"


def _one_step(
    f: Target,
    setting: _Setting,
    removed: tuple[int, ...],
    exponent: float,
    bias: Sequence[Array],
    notes: list[str],
    warnings: list[str],
) -> Overlaps:
    """The one-step law, every neuron a group of its own (d → ∞)."""
    p, training = len(setting.readout), setting.training
    order = order_learned(f, removed, exponent)
    if training.steps > 1:
        raise InputError(
            f"training.steps = {training.steps} with batch_exponent = {exponent:g} at fixed width has no "
            f"law as "
            'd → ∞; give d, or width = "infinite"'
        )
    if not setting.symmetric:
        raise InputError(
            f"network.initialisation must be symmetric at fixed width with batch_exponent = "
            f"{exponent:g}: the law "
            "needs a constant initial output (give d for the finite-d mean)"
        )
    laws = []
    for b in bias:
        start = MeanField(
            readout=setting.readout,
            bias=b,
            weight=np.full(p, 1 / p),
            M=np.zeros((p, f.r)),
            noise=np.zeros((p, 0)),
            scale=np.ones(p),
            partner=np.arange(p)[::-1].copy(),
        )
        laws.append(
            one_step_law(
                f,
                setting.activation,
                start,
                training.eta,
                training.alpha,
                order,
                removed=removed,
                exponent=exponent,
            )
        )
    steps = [_start_entry(setting, bias[0], f.r)]
    Q = np.mean([_neuron_gram(law) for law in laws], axis=0)
    M = np.array([law.M for law in laws])
    between = M - M.mean(axis=0)
    covariance = np.mean([law.M_cov for law in laws], axis=0)
    covariance = covariance + np.einsum("bik,bil->ikl", between, between) / len(laws)
    quantiles = laws[0].quantiles() if len(laws) == 1 and not laws[0].deterministic else None
    steps.append(
        StepOverlaps(
            step=1,
            readout=setting.readout,
            weight=np.full(p, 1 / p),
            M=M.mean(axis=0),
            Q=Q,
            norm2=np.diag(Q).copy(),
            risk=float(
                np.mean(
                    [
                        closed_means(setting.target, setting.activation, student).risk
                        for law in laws
                        for student in _students_of(law, True, 1 if law.deterministic else _DRAWS)
                    ]
                )
            ),
            M_cov=None if laws[0].deterministic else covariance,
            quantiles=quantiles,
        )
    )
    warnings += warnings_of_law(laws[0], training)
    return Overlaps(
        regime="fixed width",
        steps=tuple(steps),
        validity="exact",
        validity_note="; ".join([_where(setting), *notes]),
        warnings=tuple(warnings),
        p=p,
    )


def _students_of(law: OneStepLaw, symmetric: bool, draws: int) -> list[Student]:
    """Networks drawn from the law: starts x of the neurons (twins share theirs) give M and Q."""
    p, r = law.M.shape
    distinct = p // 2 if symmetric else p
    out: list[Student] = []
    for seed in range(draws):
        x = np.random.default_rng([seed, p]).standard_normal((distinct, r))
        if symmetric:
            x = np.concatenate([x, x[::-1]])
        M = law.gain[:, None] * law.direction(x)
        Q = M @ M.T + np.outer(law.common, law.common) + np.diag(law.residual2) + _twins(law)
        out.append(Student(law.readout, law.bias, M, Q))
    return out


def _twins(law: OneStepLaw) -> Array:
    """The matrix (p, p) of the covariances between twins."""
    matrix = np.zeros((len(law.readout),) * 2)
    if law.partner is not None and law.pair_covariance is not None:
        matrix[np.arange(len(law.readout)), law.partner] = law.pair_covariance
    return matrix


def _neuron_gram(law: OneStepLaw) -> Array:
    """Mean of Q (p, p) when every group is one neuron: starts are independent, but shared by twins."""
    mean, covariance = law.start_moments
    shared = np.eye(len(law.readout))
    if law.partner is not None:
        shared[np.arange(len(law.readout)), law.partner] = 1.0
    signal = np.outer(law.gain, law.gain) * (mean @ mean + shared * np.trace(covariance))
    gram: Array = signal + np.outer(law.common, law.common) + np.diag(law.residual2) + _twins(law)
    return gram


def _start_entry(setting: _Setting, bias: Array, r: int) -> StepOverlaps:
    student = initial_student(setting.readout, bias, r, symmetric=setting.symmetric)
    p = len(setting.readout)
    return StepOverlaps(
        step=0,
        readout=setting.readout,
        weight=np.full(p, 1 / p),
        M=student.M,
        Q=student.Q,
        norm2=np.ones(p),
        risk=closed_means(setting.target, setting.activation, student).risk,
    )
