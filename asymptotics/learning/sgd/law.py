"""The law of online SGD at fixed width: the conditional-mean recursion, or its flow where the steps are many."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from asymptotics.error_budget import Validity
from asymptotics.expectations.patience import Patience
from asymptotics.fixed_point import stepped
from asymptotics.learning.entries import neuron_entries, sampled_budgets
from asymptotics.learning.features import LearnedFeatures
from asymptotics.learning.giant.fixed_width import bias_draws, refusal_of_width
from asymptotics.learning.giant.low_orders import low_orders
from asymptotics.learning.giant.noise_kernel import Student
from asymptotics.learning.giant.recursion import initial_student
from asymptotics.learning.given_start import refusal_of_start, start_of
from asymptotics.learning.sgd.averages import Problem, Way, sampled_way, way_of
from asymptotics.learning.sgd.cautions import warnings_of
from asymptotics.learning.sgd.flow import (
    SCRAMBLES_IN_TURN,
    Path,
    Step,
    flow_of,
    integrated,
    recursion,
)
from asymptotics.learning.sgd.rates import Rates, rates_of, reported_steps
from asymptotics.results import Overlaps, StepOverlaps
from hermite.errors import InputError
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network, Training

Array = npt.NDArray[np.float64]

MOST_NEURONS = 32
#: Steps up to which the recursion is iterated; log2 of the points of sampled kernels; independent scrambles behind an error
#: (at first, and at most where an accuracy is asked for).
_MOST_ITERATED, _SIZES, _SCRAMBLES = 20_000, (12, 17), (4, 64)
#: Error of sampled kernels that is tried for where none is asked, as long as points times steps are no more than this.
_TRIED, _MOST_WORK = 1e-4, 2**24
#: Numbers of the scrambles that a recursion takes in turn, which are kept.
_MOST_KEPT = 7_000_000
#: What closed averages leave, at most: nothing below it can be asked for.
_CLOSED = 1e-9
#: Relative error of the solver of the flow.
_FLOW = 1e-6


@dataclass(frozen=True)
class OnlineSGD:
    """Fixed width p; d → ∞, or the conditional mean at finite d."""

    name: str = "conditional-mean recursion of online SGD"
    validity: Validity = Validity.LEADING_ORDER
    #: Less is tried for (``_TRIED``) as far as it costs little.
    aim: ClassVar[float] = 1e-3

    def concerns(self, network: Network, training: Training, d: int | None) -> bool:
        return training.dynamics != "langevin"

    def covers(self, f: Target, network: Network, training: Training, d: int | None) -> str | None:
        if not isinstance(network.width, int):
            return 'network.width must be a whole number with protocol = "sgd", not "infinite"'
        if network.width > MOST_NEURONS:
            return (
                f'network.width must be at most {MOST_NEURONS} with protocol = "sgd", not {network.width}; '
                'simulate with simulation.method = "reduced"'
            )
        return refusal_of_width(network) or refusal_of_start(f, network.width, training)

    def overlaps(
        self, f: Target, network: Network, training: Training, *, accuracy: float, d: int | None
    ) -> Overlaps:
        activation = network.get_activation()
        rates = rates_of(f, activation, training, d)
        problem = Problem(f, activation, training.loss == "correlation", tilted=rates.d is not None)
        steps = reported_steps(training, rates)
        if training.start == "random" and rates.leap > 1 and steps[-1]:
            raise InputError(
                f"training.start must be given at leap {rates.leap}, where a mean never leaves a random start; or ask for the "
                'law of the escape time (escape), or for that of one overlap (training.dynamics = "langevin")'
            )
        if (growing := _refusal_of_mean(f, network, training, rates.leap)) is not None:
            raise InputError(growing)
        iterated = training.dynamics == "recursion" or (
            training.dynamics == "auto" and steps[-1] <= _MOST_ITERATED
        )
        solve = _iterated if iterated else _flowing
        goal = _TRIED if accuracy == self.aim else accuracy
        means, error, risk_error = _measured(
            problem, network, training, rates, steps, solve, goal, accuracy < self.aim
        )
        readout = network.finite_readout(int(network.width))
        rows = tuple(_entry(means, k, t, readout, rates) for k, t in enumerate(steps))
        return _result(f, rows, error, risk_error, max(accuracy, _CLOSED), rates, network, training, iterated)

    def features(self, f: Target, network: Network, training: Training) -> LearnedFeatures:
        raise InputError(
            'ridge.regime must be "fixed-width" after protocol = "sgd": no law of the layer is known for many small steps at a '
            "width of order d"
        )


def _iterated(
    start: Student, way: Way, training: Training, rates: Rates, steps: Sequence[int], seed: int, size: int
) -> Path:
    step = Step(rates.e, rates.noise_ratio, rates.n_b, rates.d, training.projection)
    return recursion(start, way, step, steps, seed, size)


def _flowing(
    start: Student, way: Way, training: Training, rates: Rates, steps: Sequence[int], seed: int, size: int
) -> Path:
    # tau = t n_b/d = t / noise_ratio.
    taus = [t / rates.noise_ratio for t in steps]
    return integrated(start, way, flow_of(rates.nu, "saad-solla"), training.projection, taus, seed, size)


@dataclass(frozen=True)
class _Means:
    M: Array
    Q: Array
    risk: Array


Solver = Callable[[Student, Way, "Training", Rates, Sequence[int], int, int], Path]


def _measured(
    problem: Problem,
    network: Network,
    training: Training,
    rates: Rates,
    steps: Sequence[int],
    solve: Solver,
    accuracy: float,
    asked: bool,
) -> tuple[_Means, float, float]:
    """Mean over scrambles (one where nothing is sampled) and biases, the largest standard errors of an entry and of the risk.

    Where the ``accuracy`` is ``asked`` for, more points and scrambles are taken as long as patience lasts.
    """
    p = int(network.width)
    readout = network.finite_readout(p)
    way, sampled = way_of(problem, p)
    biased = network.bias > 0
    if biased and not sampled:
        way, sampled = sampled_way(problem), True
    size, count, patience = _SIZES[0], _SCRAMBLES[0] if sampled else 1, Patience()
    starts = [_start(problem.target, readout, bias, network, training) for bias in bias_draws(network)]
    found: list[list[Path]] = [[] for _ in starts]
    while True:
        parts, errors, risk_errors = [], [], []
        for start, paths in zip(starts, found, strict=True):
            seeds = range(len(paths) + 1, count + 1)
            paths += [solve(start, way, training, rates, steps, 7919 * k, size) for k in seeds]
            M = np.array([[q.M for q in path.students] for path in paths])
            Q = np.array([[q.Q for q in path.students] for path in paths])
            risk = np.array([path.risks for path in paths])
            parts.append(_Means(M.mean(axis=0), Q.mean(axis=0), risk.mean(axis=0)))
            if sampled:
                root = math.sqrt(len(paths))
                norm = max(1.0, float(np.abs(Q).max()))
                risk_errors.append(float((risk.std(axis=0, ddof=1) / root).max()))
                errors.append(
                    max(
                        float((M.std(axis=0, ddof=1) / root).max()) / math.sqrt(norm),
                        float((Q.std(axis=0, ddof=1) / root).max()) / norm,
                    )
                )
        error = max(errors, default=_CLOSED)
        # Quasi-Monte Carlo of functions with kinks: about N^(−3/4).
        wanted = size + max(1, math.ceil(math.log2(max(error, 1e-12) / accuracy) / 0.75))
        within = [
            n
            for n in range(size + 1, min(wanted, _SIZES[1]) + 1)
            if (asked or 2**n * steps[-1] <= _MOST_WORK)
            and 2**n * (problem.target.r + p) * SCRAMBLES_IN_TURN <= _MOST_KEPT
            and patience.allows(2.0 ** (n - size))
        ]
        if not sampled or error <= accuracy:
            break
        if within:
            size, found = within[-1], [[] for _ in starts]
        elif asked and 2 * count <= _SCRAMBLES[1] and patience.allows(1.0):
            count *= 2
        else:
            break
    names = ("M", "Q", "risk")
    return (
        _Means(*(np.mean([getattr(part, name) for part in parts], axis=0) for name in names)),
        error,
        max(risk_errors, default=0.0),
    )


def _refusal_of_mean(f: Target, network: Network, training: Training, leap: int) -> str | None:
    """Free norms are multiplied by 1 + e ã c_2 (C_0 − f_0) at every step, of which leap l ≥ 2 takes d^(l − 1)/n_b and more.

    f_0 is the network's mean output at the start; the correlation loss has none.
    """
    sigma = network.get_activation()
    if (
        training.projection != "free"
        or leap < 2
        or not training.steps
        or (network.bias == 0 and sigma.coefficient_is_zero(2) is True)
    ):
        return None
    readout = network.finite_readout(int(network.width))
    constant, size = low_orders(f).constant, math.sqrt(low_orders(f).energy)
    own = np.zeros(1)
    if training.loss == "square":
        own = np.array(
            [
                float(sigma.mean(start.bias, np.sqrt(start.Q.diagonal())) @ readout) / len(readout)
                for start in (_start(f, readout, bias, network, training) for bias in bias_draws(network))
            ]
        )
    if np.all(np.abs(constant - own) <= 1e-12 * max(size, float(np.abs(own).max()))):
        return None
    return (
        f'training.projection must be "projected" or "spherical" at leap {leap} with labels of mean {constant:.6g} and an '
        'activation with c_2 ≠ 0, not "free": the norms of the weights diverge with e ã c_2 C_0; or subtract the mean in '
        "target.expression"
    )


def _left_out(rates: Rates, iterated: bool) -> float:
    """Fluctuations around the mean feed back at relative order 1/d; a flow also leaves out a step of the time."""
    size = 0.0 if rates.d is None else 1.0 / rates.d
    return size if iterated else size + 1.0 / rates.steps_per_time


def _start(f: Target, readout: Array, bias: Array, network: Network, training: Training) -> Student:
    if training.start == "random":
        return initial_student(readout, bias, f.r, symmetric=network.is_symmetric)
    M, Q = start_of(f, training)
    return Student(readout, bias, M, Q)


def _entry(means: _Means, k: int, t: int, readout: Array, rates: Rates) -> StepOverlaps:
    samples = None if rates.n_b is None else t * rates.n_b
    time, risk = t / rates.steps_per_time, float(means.risk[k])
    return neuron_entries(t, readout, means.M[k], means.Q[k], risk, samples=samples, time=time)


def _result(
    f: Target,
    rows: tuple[StepOverlaps, ...],
    error: float,
    risk_error: float,
    asked: float,
    rates: Rates,
    network: Network,
    training: Training,
    iterated: bool,
) -> Overlaps:
    where = (
        "d → ∞ at fixed width" if rates.d is None else f"conditional mean at d = {rates.d}, n_b = {rates.n_b}"
    )
    dynamics = "recursion" if iterated else "flow of Saad and Solla"
    notes = [
        f"{where}; {dynamics}; e = {rates.e:.4g}, nu = e d/n_b = {rates.nu:.4g} ({rates.kind})",
        "single runs fluctuate by about 0.7 d^-1/2 around it",
    ]
    if error:
        notes.append(f"error {error:.1e} of the integrals, relative to the weights")
    return Overlaps(
        regime="online SGD",
        steps=sampled_budgets(
            f, rows, error, _left_out(rates, iterated), 0.0 if iterated else _FLOW, risk_error
        ),
        validity=Validity.LEADING_ORDER,
        validity_note="; ".join(notes),
        warnings=warnings_of(network, training, rates),
        d=rates.d,
        p=int(network.width),
        n=rates.n_b,
        online=rates.to_dict(),
        solution=stepped(rows[-1].step, error, asked, dynamics),
    )
