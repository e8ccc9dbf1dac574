r"""Online SGD at fixed width: what a step of size e on n_b fresh samples does to the overlaps M (p, r) and Q (p, p).

w_i ← P(w_i + e g_i) with g_i = ã_i (1/n_b) Σ δ σ'_i z. The conditional mean of a step (exact without projection, else up to
O(1/d)), with e_i = e ã_i and the averages of :mod:`asymptotics.learning.sgd.averages`:

    dM = diag(e_i) v*,   GW = diag(e_i) vW,
    GG = (e_i e_j) ∘ [(1 − 1/n_b) v Ω⁺ vᵀ + (1/n_b)(KZ + (d − rank Ω) K)]          (d → ∞: v Ω⁺ vᵀ + (d/n_b) K),

"spherical" first takes the radial part out of g_i; then Q~ = Q + GW + GWᵀ + GG, M ← (M + dM)/|w|, Q ← Q~/(|w_i| |w_j|), without
the division if "free". As e → 0 at fixed ν = e d/n_b this is a flow; in τ = samples/d it is that of Saad and Solla,

    dM/dτ = ν diag(ã) v*,   dQ/dτ = ν (diag(ã) vW + its transpose) + ν² (ã ãᵀ) ∘ K       (free),

the population flow for ν → 0 (clock e t) and a flow of noise alone for ν → ∞ (clock e ν t). Projected and spherical flows
subtract u_i M_i and (u_i + u_j) Q_ij with u = diag(dQ)/2. Sources: Saad and Solla, Phys. Rev. E 52, 4225; arXiv:2406.02157.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.learning.giant.noise_kernel import Student
from asymptotics.learning.sgd.averages import Averages, Way
from hermite.errors import ConvergenceError

Array = npt.NDArray[np.float64]

#: Norms above which a free student has diverged.
_LARGEST_NORM = 1e3
#: Scrambles that the steps of a recursion take in turn.
SCRAMBLES_IN_TURN = 8


@dataclass(frozen=True)
class Step:
    """One step: its size e, the batch n_b, d (None: the limit, where only ``noise_ratio`` = d/n_b counts), and the projection.

    ``noise_ratio`` 0 and ``n_b`` infinite is the population gradient.
    """

    size: float
    noise_ratio: float
    n_b: int | None = None
    d: int | None = None
    projection: str = "projected"

    @property
    def nu(self) -> float:
        """ν = e d/n_b, noise to signal."""
        return self.size * self.noise_ratio


def moved(student: Student, mean: Averages, step: Step) -> Student:
    """The overlaps after one step, in conditional mean."""
    pull = step.size * student.readout
    M, Q = student.M, student.Q
    column = pull[:, None]
    dM, GW = column * mean.target, column * mean.network
    if step.d is None or step.n_b is None:
        bracket = mean.square + step.noise_ratio * mean.kernel if step.noise_ratio else mean.square
    else:
        bracket = (1 - 1 / step.n_b) * mean.square + (step.d * mean.kernel + mean.tilt) / step.n_b
    GG = column * pull * bracket
    if step.projection == "spherical":
        u = GW.diagonal() / Q.diagonal()
        dM = dM - u[:, None] * M
        GG = GG - GW * u - (GW * u).T + Q * np.outer(u, u)
        GW = GW - u[:, None] * Q
    half = GW + 0.5 * (Q + GG)
    new_Q = half + half.T
    new_M = M + dM
    if step.projection != "free":
        norm = np.sqrt(new_Q.diagonal())
        long = norm[:, None]
        new_M, new_Q = new_M / long, new_Q / (long * norm)
    return Student(student.readout, student.bias, new_M, new_Q)


@dataclass(frozen=True)
class Path:
    """Students and risks at the ``times`` asked for (steps of the recursion, or the clock of a flow)."""

    times: tuple[float, ...]
    students: tuple[Student, ...]
    risks: tuple[float, ...]


def recursion(start: Student, way: Way, step: Step, steps: Sequence[int], seed: int, size: int) -> Path:
    """The conditional mean iterated, seen after each of ``steps`` (rising).

    Sampled averages take the scrambles ``seed``, ``seed`` + 1, … in turn: their errors average out along the way.
    Raises ``ConvergenceError`` if the weights of a free student diverge.
    """
    students: list[Student] = []
    risks: list[float] = []
    for t, (student, mean) in enumerate(_iterated(start, way, step, seed, size)):
        if t == steps[len(students)]:
            students.append(student)
            risks.append(mean.risk)
            if len(students) == len(steps):
                break
    return Path(tuple(map(float, steps)), tuple(students), tuple(risks))


def _iterated(
    start: Student, way: Way, step: Step, seed: int, size: int
) -> Iterator[tuple[Student, Averages]]:
    student = start
    for t in count():
        mean = way(student, seed + t % SCRAMBLES_IN_TURN, size)
        yield student, mean
        student = moved(student, mean, step)
        # The sum first, which is cheaper; nan is no norm either.
        if not student.Q.trace() < _LARGEST_NORM and not student.Q.diagonal().max() < _LARGEST_NORM:
            raise ConvergenceError(
                "The weights diverge (the norm of a neuron is above 30): use a smaller training.eta, or "
                'training.projection = "projected".'
            )


@dataclass(frozen=True)
class Flow:
    """One of the flows: the factors of (signal, noise) in dQ, per unit of its clock."""

    name: str
    signal: float
    noise: float


def flow_of(nu: float, kind: str) -> Flow:
    """``kind``: "saad-solla" (clock τ = samples/d), "population" (clock e t) or "noise" (clock e ν t)."""
    return {
        "saad-solla": Flow(kind, nu, nu**2),
        "population": Flow(kind, 1.0, 0.0),
        "noise": Flow(kind, 0.0, 1.0),
    }[kind]


def velocity(student: Student, mean: Averages, flow: Flow, projection: str) -> tuple[Array, Array]:
    """(dM, dQ) per unit of the flow's clock."""
    a = student.readout
    pull = a[:, None] * mean.network
    P_M = flow.signal * a[:, None] * mean.target
    P_Q = flow.signal * (pull + pull.T) + flow.noise * np.outer(a, a) * mean.kernel
    if projection == "free":
        return P_M, P_Q
    u = np.diag(P_Q) / 2
    return P_M - u[:, None] * student.M, P_Q - (u[:, None] + u) * student.Q


@dataclass(frozen=True)
class _Coordinates:
    """Overlaps as one vector: M row by row, then the upper triangle of Q."""

    start: Student

    def pack(self, M: Array, Q: Array) -> Array:
        return np.concatenate([M.ravel(), Q[np.triu_indices(len(Q))]])

    def student(self, y: Array) -> Student:
        p, r = self.start.M.shape
        Q = np.zeros((p, p))
        Q[np.triu_indices(p)] = y[p * r :]
        return replace(self.start, M=y[: p * r].reshape(p, r), Q=np.triu(Q) + np.triu(Q, 1).T)


def _solved(
    start: Student, way: Way, flow: Flow, projection: str, last: float, seed: int, size: int, **options: Any
) -> tuple[Any, _Coordinates]:
    """The flow from 0 to ``last`` by an adaptive Runge–Kutta method of order 5."""
    from scipy.integrate import solve_ivp

    coordinates = _Coordinates(start)

    def right_hand_side(_: float, y: Array) -> Array:
        student = coordinates.student(y)
        return coordinates.pack(*velocity(student, way(student, seed, size), flow, projection))

    begin = coordinates.pack(start.M, start.Q)
    found = solve_ivp(right_hand_side, (0.0, last), begin, method="RK45", **options)
    if not found.success:
        raise ConvergenceError(f"The flow of the overlaps could not be integrated: {found.message}")
    return found, coordinates


def integrated(
    start: Student, way: Way, flow: Flow, projection: str, times: Sequence[float], seed: int, size: int
) -> Path:
    """The flow at ``times`` (rising from 0), to a relative error of 1e-7."""
    found, coordinates = _solved(
        start, way, flow, projection, max(times), seed, size, t_eval=list(times), rtol=1e-7, atol=1e-10
    )
    students = tuple(coordinates.student(y) for y in found.y.T)
    return Path(tuple(times), students, tuple(way(q, seed, size).risk for q in students))


def first_time(
    start: Student,
    way: Way,
    flow: Flow,
    projection: str,
    threshold: float,
    last: float,
    seed: int,
    size: int,
    tolerance: float = 1e-5,
) -> float | None:
    """When the largest |M_i| of a neuron first exceeds ``threshold`` along the flow; None before ``last``."""
    coordinates = _Coordinates(start)

    def above(_: float, y: Array) -> float:
        return float(np.max(np.linalg.norm(coordinates.student(y).M, axis=1))) - threshold

    above.terminal = True  # type: ignore[attr-defined]
    found, _ = _solved(
        start, way, flow, projection, last, seed, size, events=above, rtol=tolerance, atol=1e-3 * tolerance
    )
    return float(found.t_events[0][0]) if len(found.t_events[0]) else None
