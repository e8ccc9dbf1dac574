"""The laws of giant steps at fixed width, neuron by neuron, where a step moves the recursion of overlaps.

n = alpha d: the recursion of :mod:`asymptotics.learning.giant.recursion`, d → ∞, or its conditional mean at finite (n, d).
Other batch exponents at finite (n, d): the conditional mean averaged over typical starts. Random biases: averaged over
quasi-random draws of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.error_budget import Validity
from asymptotics.expectations.accuracy import quadrature_error
from asymptotics.expectations.activations import Activation
from asymptotics.expectations.quadrature import sobol_normal
from asymptotics.fixed_point import stepped
from asymptotics.learning.entries import HALF_WIDTH, budgeted, neuron_entries, unit_of
from asymptotics.learning.giant.exponents import refusal_of_steps, warnings_at_exponent_one
from asymptotics.learning.giant.low_orders import refusal_of_removed, without_orders
from asymptotics.learning.giant.many_neurons import notes_of, sees_linear_part
from asymptotics.learning.giant.noise_kernel import Student
from asymptotics.learning.giant.recursion import Path, Rates, closed_means, initial_student, recursion
from asymptotics.learning.law import WithoutLayer
from asymptotics.results import Overlaps, StepOverlaps
from hermite.errors import InputError
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network, Training

Array = npt.NDArray[np.float64]

#: Typical starts (shared by the draws of the biases) behind a mean at finite d.
DRAWS = 16


@dataclass(frozen=True)
class FixedWidth(WithoutLayer):
    """n = alpha d samples a step, any number of steps: the recursion of overlaps."""

    name: str = "recursion of overlaps at fixed width"
    validity: Validity = Validity.EXACT

    def concerns(self, network: Network, training: Training, d: int | None) -> bool:
        return isinstance(network.width, int) and (training.steps == 0 or sees_linear_part(training))

    def covers(self, f: Target, network: Network, training: Training, d: int | None) -> str | None:
        return refusal_of_removed(training.remove_orders) or refusal_of_width(network)

    def overlaps(
        self, f: Target, network: Network, training: Training, *, accuracy: float, d: int | None
    ) -> Overlaps:
        setting = Setting.of(f, network, training, d)
        warnings = notes_of(setting.activation)
        if training.steps:
            warnings += warnings_at_exponent_one(setting.labels, network)
        starts = [setting.start(bias) for bias in bias_draws(network)]
        return _overlaps(_paths(starts, setting, accuracy), setting, accuracy, setting.notes, warnings)


@dataclass(frozen=True)
class FiniteStarts(WithoutLayer):
    """Other batch exponents at given d: the conditional mean over typical starts."""

    name: str = "conditional mean at finite d over typical starts"
    validity: Validity = Validity.EXACT

    def concerns(self, network: Network, training: Training, d: int | None) -> bool:
        return not FixedWidth().concerns(network, training, d) and starts_matter(network, training, d)

    def covers(self, f: Target, network: Network, training: Training, d: int | None) -> str | None:
        return (
            refusal_of_removed(training.remove_orders)
            or refusal_of_width(network)
            or refusal_of_steps(training)
        )

    def overlaps(
        self, f: Target, network: Network, training: Training, *, accuracy: float, d: int | None
    ) -> Overlaps:
        assert d is not None
        setting = Setting.of(f, network, training, d)
        biases = bias_draws(network)
        each = max(2, DRAWS // len(biases))
        starts = [
            student
            for k, bias in enumerate(biases)
            for student in typical_starts(setting.readout, bias, f.r, d, each, k, setting.symmetric)
        ]
        paths = _paths(starts, setting, max(accuracy, 1e-2))
        notes = [
            *setting.notes,
            f"mean over {len(starts)} starts drawn at d = {d}; M_cov is over these starts",
        ]
        return _overlaps(
            paths, setting, max(accuracy, 1e-2), notes, notes_of(setting.activation), spread=True
        )


def starts_matter(network: Network, training: Training, d: int | None) -> bool:
    """Whether a step at fixed width is answered at finite d (terms of the removed linear part are not known there)."""
    return isinstance(network.width, int) and d is not None and 1 not in training.remove_orders


def refusal_of_width(network: Network) -> str | None:
    """The width must allow the initialisation."""
    p = int(network.width)
    if p >= 1 and not (network.is_symmetric and p % 2):
        return None
    return f"network.width must be at least 1, and even if symmetric, not {p}"


@dataclass(frozen=True)
class Setting:
    """What the laws at fixed width need: target, labels, the network's parts, and d (None: d → ∞)."""

    target: Target
    labels: Target
    activation: Activation
    readout: Array
    symmetric: bool
    training: Training
    d: int | None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, f: Target, network: Network, training: Training, d: int | None) -> Setting:
        removed = tuple(training.remove_orders)
        notes: tuple[str, ...] = ()
        if d is not None and 1 in removed:
            d, notes = None, ("finite-d terms are not known with remove_orders = [0, 1]; d → ∞",)
        return cls(
            f,
            without_orders(f, removed),
            network.get_activation(),
            network.finite_readout(int(network.width)),
            network.is_symmetric,
            training,
            d,
            notes,
        )

    @property
    def rates(self) -> Rates:
        """Rate and samples of a step."""
        t = self.training
        if self.d is None:
            return Rates(t.eta, t.alpha)
        n = t.n(self.d)
        return Rates(t.learning_rate(self.d), n / self.d, n, self.d)

    @property
    def where(self) -> str:
        """The limit or the size that the numbers are for."""
        if self.d is None:
            return "d → ∞ at fixed width; corrections O(d^-1/2)"
        return f"conditional mean at d = {self.d}, n = {self.rates.n}"

    @property
    def left_out(self) -> float:
        """As d → ∞ the recursion is exact; the mean at finite d leaves out fluctuations of relative order 1/d a step."""
        return 0.0 if self.d is None else self.training.steps / self.d

    def start(self, bias: Array) -> Student:
        """The network before training, d → ∞, with these biases (p,)."""
        return initial_student(self.readout, bias, self.target.r, symmetric=self.symmetric)

    def risk(self, student: Student) -> float:
        """E[(f* − f)²] for the target itself, of which training may have seen a part only."""
        return closed_means(self.target, self.activation, student).risk

    def entry(self, step: int, M: Array, Q: Array, risk: float, M_cov: Array | None = None) -> StepOverlaps:
        """One entry a neuron."""
        return neuron_entries(step, self.readout, M, Q, risk, M_cov=M_cov)


def bias_draws(network: Network) -> list[Array]:
    """Biases (p,): zero, or draws from their law; the two neurons of a pair share theirs."""
    p = int(network.width)
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


def _paths(starts: Sequence[Student], setting: Setting, accuracy: float) -> list[Path]:
    steps = setting.training.steps
    return [
        recursion(
            setting.labels,
            setting.activation,
            start,
            steps,
            setting.rates,
            accuracy,
            seed=k,
            among=len(starts),
        )
        for k, start in enumerate(starts)
    ]


def _overlaps(
    paths: Sequence[Path],
    setting: Setting,
    accuracy: float,
    notes: Sequence[str],
    warnings: Sequence[str],
    *,
    spread: bool = False,
) -> Overlaps:
    """The mean over ``paths`` (draws of biases or of starts), with what was reached."""
    steps: list[StepOverlaps] = []
    for step in range(len(paths[0].students)):
        M = np.array([path.students[step].M for path in paths])
        Q = np.mean([path.students[step].Q for path in paths], axis=0)
        whole = setting.labels is setting.target
        risks = [path.risks[step] if whole else setting.risk(path.students[step]) for path in paths]
        covariance = covariance_of(M) if spread else None
        steps.append(setting.entry(step, M.mean(axis=0), Q, float(np.mean(risks)), covariance))
    averages = quadrature_error(setting.target, setting.activation)
    errors = _of_mean(paths, [path.errors for path in paths])
    reached = max(float(errors.max()) / unit_of(steps), averages)
    # Draws of biases and of starts are a sample of their law.
    each = range(len(steps))
    drawn = [scatter([path.students[t].M for path in paths]) for t in each]
    moved = _of_mean(paths, [path.risk_errors for path in paths])
    moved += [scatter([path.risks[t] for path in paths]) for t in each]
    said = [setting.where, *notes]
    if len(paths) > 1 and not spread:
        said.append(f"mean over {len(paths)} quasi-random draws of the biases")
    validity = Validity.EXACT
    if reached > accuracy:
        validity = Validity.APPROXIMATE
        said.append(f"the integrals reached {reached:.1e}, not the accuracy {accuracy:.1e}")
    return Overlaps(
        regime="fixed width",
        steps=budgeted(
            setting.target, steps, setting.left_out, averages, (errors + drawn).tolist(), moved.tolist()
        ),
        validity=validity,
        validity_note="; ".join(said),
        warnings=tuple(warnings),
        d=setting.d,
        p=len(setting.readout),
        n=setting.rates.n,
        solution=stepped(steps[-1].step, reached, accuracy),
    )


def _of_mean(paths: Sequence[Path], errors: Sequence[Sequence[float]]) -> Array:
    """Errors (steps + 1,) of the mean over ``paths``: independent where all are sampled."""
    each = np.array(errors, float)
    if all(path.is_sampled for path in paths):
        independent: Array = np.sqrt(np.sum(each**2, axis=0)) / len(paths)
        return independent
    largest: Array = np.max(each, axis=0)
    return largest


def scatter(draws: Sequence[object]) -> float:
    """The largest half width of 95 % of a mean over ``draws`` (arrays of one shape); 0 for one."""
    if len(draws) == 1:
        return 0.0
    spread = np.std(np.array(draws, float), axis=0, ddof=1) / math.sqrt(len(draws))
    return (HALF_WIDTH if len(draws) <= 4 else 2.2) * float(np.max(spread, initial=0.0))


def covariance_of(M: Array) -> Array:
    """Covariance (p, r, r) of each neuron's overlap over draws M (draws, p, r)."""
    centred = M - M.mean(axis=0)
    covariance: Array = np.einsum("bik,bil->ikl", centred, centred) / len(M)
    return covariance
