"""Fixed width p: the deterministic recursion of the overlaps M = W W*ᵀ (p, r) and Q = W Wᵀ (p, p).

Fresh samples n = alpha d at every step, d → ∞. With δ = f* − f and fields h = (l*, l) ~ N(0, Ω),

    v_i = E[δ σ'_i h] = (v*_i, vW_i),   K_ij = E[(δ² + Δ) σ'_i σ'_j],
    M ← M + η diag(ã) v*,
    Q ← Q + η (diag(ã) vW + vWᵀ diag(ã)) + η² (ã ãᵀ) ∘ (v Ω⁺ vᵀ + K/alpha).

At finite (n, d) the conditional mean of one step replaces the last bracket by

    (1 − 1/n) v Ω⁺ vᵀ + (1/n)(K^z + (d − rank Ω) K),   K^z_ij = E[(δ² + Δ) σ'_i σ'_j hᵀ Ω⁺ h].

The means v are closed (no sampling): with R = Q − M Mᵀ, s_i = √R_ii, μ_i(x) = M_i·x + b_i, x ~ N(0, I_r),
T1_i = E[f*(x) E_ζσ'(μ_i + s_i ζ) x], T2_i = E[f*(x) E_ζσ''(μ_i + s_i ζ)], A_ij = E[σ'_i σ'_j] ã_j/p and
β_i = (1/p) Σ_j ã_j E[σ''_i σ_j],

    v* = T1 − A M − diag(β) M,   vW = v* Mᵀ + Z R,   v Ω⁺ vᵀ = v* v*ᵀ + Z R Zᵀ,   Z = diag(T2 − β) − A,

so that Ω, singular for symmetric networks, is never inverted. Only K may need sampling, and it enters Q alone; exchangeable
neurons share its entries (:mod:`asymptotics.learning.giant.orbits`).
Source: the overlap recursion of arXiv:2305.18270 with all terms of order one; closed averages as in Saad and Solla
(Phys. Rev. E 52, 4225).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.pairs import gram_moments
from asymptotics.expectations.patience import Patience
from asymptotics.expectations.target_rule import target_rule
from asymptotics.learning.entries import growth
from asymptotics.learning.giant.erf_kernel import erf_kernel, has_closed_kernel
from asymptotics.learning.giant.exchangeable_kernel import exchangeable, exchangeable_kernel
from asymptotics.learning.giant.noise_kernel import (
    Student,
    exact_part,
    kernel_by_cubature,
    kernel_by_sampling,
)
from asymptotics.learning.giant.orbits import orbits_of
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Independent scrambles behind an error estimate, and the sizes tried.
_SCRAMBLES = 4
#: Student's 97.5 % quantile at three degrees of freedom: the half width of 95 % in standard errors of four scrambles.
_HALF_WIDTH = 3.182
_FIRST_SIZE, _LAST_SIZE = 13, 20
#: Errors of scrambled Sobol points fall like N^-0.8 here.
_FALL = 0.8
#: Seconds of a finer cubature, in those of all before.
_MORE = 3.0
#: Step of the difference that gives d/ds at sΩ.
_TILT = 1e-4


@dataclass(frozen=True)
class Rates:
    """η, alpha and, for the conditional mean at finite size, the samples n and the dimension d of a step."""

    eta: float
    alpha: float
    n: int | None = None
    d: int | None = None


@dataclass(frozen=True)
class Means:
    """v* (p, r), vW (p, p), v Ω⁺ vᵀ (p, p), E[σ'_i σ'_j] (p, p), the rank of Ω, and the risk E[(f* − f)²]."""

    target: Array
    network: Array
    square: Array
    slopes: Array
    rank: int
    risk: float


def closed_means(f: Target, activation: Activation, student: Student, refine: float = 1.0) -> Means:
    """The averages that need no sampling."""
    p, r = student.M.shape
    a, M = student.readout, student.M
    R = student.remainder
    s = np.sqrt(np.maximum(np.diag(R), 1e-16))[:, None]
    x, w = target_rule(f, refine)
    values = f(x)
    weighted = w * values
    mu = M @ x.T + student.bias[:, None]
    T1 = (activation.S1(mu, s) * weighted) @ x
    T2 = activation.S2(mu, s) @ weighted
    moments = gram_moments(activation, student.bias, student.Q)
    A = moments.slopes * a / p
    beta = moments.curvature @ a / p
    Z = np.diag(T2 - beta) - A
    target = T1 - A @ M - beta[:, None] * M
    cross = float(a @ (activation.mean(mu, s) @ weighted)) / p
    return Means(
        target=target,
        network=target @ M.T + Z @ R,
        square=target @ target.T + Z @ R @ Z.T,
        slopes=moments.slopes,
        rank=r + student.root().shape[1],
        risk=float(w @ values**2) - 2 * cross + float(a @ moments.second @ a) / p**2,
    )


def advance(
    student: Student,
    means: Means,
    kernel: tuple[Array, Array],
    noise: float,
    radius: Array | None,
    rates: Rates,
) -> Student:
    """The state after a step; ``kernel`` = (K, K^z) without label noise, ``radius`` E[σ'_i σ'_j |u|²] (finite d)."""
    a = student.readout
    K = kernel[0] + noise * means.slopes
    if rates.n is None or rates.d is None:
        bracket = means.square + K / rates.alpha
    else:
        KZ = kernel[1] + (noise * radius if radius is not None else 0.0)
        bracket = (1 - 1 / rates.n) * means.square + (KZ + (rates.d - means.rank) * K) / rates.n
    cross = a[:, None] * means.network
    M = student.M + rates.eta * a[:, None] * means.target
    Q = student.Q + rates.eta * (cross + cross.T) + rates.eta**2 * np.outer(a, a) * bracket
    if not (np.all(np.isfinite(M)) and np.all(np.isfinite(Q))):
        raise _overflow(rates.eta)
    return Student(a, student.bias, M, (Q + Q.T) / 2)


def _overflow(eta: float) -> InputError:
    return InputError(f"training.eta = {eta:g} is too large: the overlaps overflow; use a smaller eta")


@dataclass(frozen=True)
class Path:
    """Students and risks at steps 0..T.

    ``errors``: at each, the change of the entries of M and Q under a finer rule, or their 95 % half width and the change
    under twice the points (scatter does not see a bias); ``risk_errors`` the same of the risks; ``error`` the largest.
    ``is_sampled``: errors of paths of different seeds are independent.
    """

    students: tuple[Student, ...]
    risks: tuple[float, ...]
    errors: tuple[float, ...]
    risk_errors: tuple[float, ...]
    is_sampled: bool = False

    @property
    def error(self) -> float:
        """The largest error of an entry, at any step."""
        return max(self.errors)

    @property
    def unit(self) -> float:
        """What an accuracy is relative to: 1, or how many times training blows norms or the risk up (in any unit of f)."""
        largest = max(float(np.max(np.diag(student.Q), initial=0.0)) for student in self.students)
        return max(1.0, largest, growth(self.risks))


def recursion(
    f: Target,
    activation: Activation,
    start: Student,
    steps: int,
    rates: Rates,
    accuracy: float = 1e-4,
    *,
    seed: int = 0,
    among: int = 1,
) -> Path:
    """Iterate ``steps`` giant steps from ``start``, one of ``among`` starts of different ``seed`` whose mean is asked for.

    Up to two neurons and r ≤ 3, and as d → ∞ erf without biases or few kinds of exchangeable neurons: cubature, refined
    to see the error. Else ``_SCRAMBLES`` independent trajectories on scrambled Sobol points, doubled until the 95 % half
    width of their mean is below ``accuracy`` on every entry (relative to :attr:`Path.unit`), or until the budget
    ends: 2^20 points each, or the ``SECONDS`` of ``expectations.patience``; ``error`` says what was reached.

    Raises :class:`InputError` if eta is so large that the numbers overflow.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            exact = _exact_kernel(f, activation, start, rates)
            path = (
                None if exact is None else _by_cubature(f, activation, start, steps, rates, accuracy, exact)
            )
            return path or _by_sampling(f, activation, start, steps, rates, accuracy * math.sqrt(among), seed)
        except (OverflowError, np.linalg.LinAlgError):
            raise _overflow(rates.eta) from None


@dataclass(frozen=True)
class _ExactKernel:
    """A way to (K, K^z) without sampling: ``of`` a student at a refinement, None where it does not cover the student.

    ``levels`` of refinement are tried until entries change by less than ``goal`` (or the accuracy asked for).
    """

    of: Callable[[Student, float], tuple[Array, Array] | None]
    levels: tuple[float, ...] = (0.6, 1.0, 1.5)
    goal: float = 1e-6


def _exact_kernel(f: Target, activation: Activation, start: Student, rates: Rates) -> _ExactKernel | None:
    """The way for a network that starts like this; None: K is sampled."""
    p, finite = len(start.readout), rates.d is not None
    if not finite and has_closed_kernel(f, activation, start):
        return _ExactKernel(lambda s, refine: (erf_kernel(f, activation, s, refine), np.zeros((p, p))))
    if p <= 2 and f.r <= 3:
        return _ExactKernel(
            lambda s, refine: kernel_by_cubature(f, activation, s, refine=refine, with_radius=finite)
        )
    if finite or exchangeable(start) is None:
        return None

    def by_kinds(student: Student, refine: float) -> tuple[Array, Array] | None:
        law = exchangeable(student)
        if law is None:
            return None
        return exchangeable_kernel(f, activation, law, refine), np.zeros((p, p))

    return _ExactKernel(by_kinds, levels=(0.3, 0.45, 0.6, 0.8), goal=np.inf)


def noise_of_a_step(f: Target, activation: Activation, student: Student) -> Array | None:
    """K = E[(δ² + Δ) σ'_i σ'_j] as d → ∞ where it needs no sampling, at the finest rule; else None."""
    way = _exact_kernel(f, activation, student, Rates(1.0, 1.0))
    kernel = None if way is None else way.of(student, way.levels[-1])
    if kernel is None:
        return None
    noise: Array = kernel[0] + f.noise * gram_moments(activation, student.bias, student.Q).slopes
    return noise


def _by_cubature(
    f: Target,
    activation: Activation,
    start: Student,
    steps: int,
    rates: Rates,
    accuracy: float,
    exact: _ExactKernel,
) -> Path | None:
    paths: list[Path] = []
    patience = Patience()
    for refine in exact.levels:
        students, risks = [start], []
        for _ in range(steps):
            means = closed_means(f, activation, students[-1], refine)
            kernel = exact.of(students[-1], refine)
            if kernel is None:
                return None
            finite = rates.d is not None
            radius = _radius(activation, students[-1], means) if finite and f.noise else None
            risks.append(means.risk)
            students.append(advance(students[-1], means, kernel, f.noise, radius, rates))
        risks.append(closed_means(f, activation, students[-1], refine).risk)
        paths.append(Path(tuple(students), tuple(risks), (np.inf,), (np.inf,)))
        if len(paths) > 1:
            errors, risk_errors = _apart(paths[-1], paths[-2])
            found = paths[-1] = replace(paths[-1], errors=errors, risk_errors=risk_errors)
            off = max(found.error / found.unit, max(found.risk_errors) / max(found.risks))
            if off < min(accuracy, exact.goal) or not patience.allows(_MORE):
                break
    return paths[-1]


def _distance(one: Student, two: Student) -> float:
    return max(float(np.max(np.abs(one.M - two.M))), float(np.max(np.abs(one.Q - two.Q))))


def _apart(one: Path, two: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """How far two paths are apart, step by step: entries of M and Q, and risks."""
    moved = (_distance(a, b) for a, b in zip(one.students, two.students, strict=True))
    return tuple(moved), tuple(abs(a - b) for a, b in zip(one.risks, two.risks, strict=True))


def _by_sampling(
    f: Target,
    activation: Activation,
    start: Student,
    steps: int,
    rates: Rates,
    accuracy: float,
    seed: int,
) -> Path:
    patience = Patience()
    size_before, size = _FIRST_SIZE - 1, _FIRST_SIZE
    before = _mean_path(f, activation, start, steps, rates, size_before, seed)
    while True:
        best = _mean_path(f, activation, start, steps, rates, size, seed)
        # What fewer points change is an error that the scatter of the scrambles does not show: it is that of the fewer
        # points, of which the more leave the part to which errors fall.
        moved, risks_moved = _apart(best, before)
        left = 2.0 ** (-_FALL * (size - size_before))
        best = replace(
            best,
            errors=tuple(max(a, left * b) for a, b in zip(best.errors, moved, strict=True)),
            risk_errors=tuple(max(a, left * b) for a, b in zip(best.risk_errors, risks_moved, strict=True)),
        )
        relative = best.error / best.unit
        if relative < accuracy:
            return best
        more = max(1, math.ceil(math.log2(relative / accuracy) / _FALL + 0.3))
        larger = [
            n for n in range(size + 1, min(_LAST_SIZE, size + more) + 1) if patience.allows(2 ** (n - size))
        ]
        if not larger:
            return best
        before, size_before, size = best, size, larger[-1]


def _mean_path(
    f: Target, activation: Activation, start: Student, steps: int, rates: Rates, size: int, seed: int
) -> Path:
    """The mean over independent scrambles of 2^size points; errors are half widths of 95 %."""
    seeds = [7919 * (seed * _SCRAMBLES + k + 1) for k in range(_SCRAMBLES)]
    runs = [_trajectory(f, activation, start, steps, rates, size, one) for one in seeds]
    root = math.sqrt(_SCRAMBLES) / _HALF_WIDTH
    students, errors = [], []
    for states in zip(*(run.students for run in runs), strict=True):
        M, Q = np.array([q.M for q in states]), np.array([q.Q for q in states])
        students.append(Student(start.readout, start.bias, M.mean(axis=0), Q.mean(axis=0)))
        errors.append(max(float(np.max(part.std(axis=0, ddof=1), initial=0.0)) / root for part in (M, Q)))
    risks = np.array([run.risks for run in runs])
    scatter = tuple((risks.std(axis=0, ddof=1) / root).tolist())
    return Path(tuple(students), tuple(risks.mean(axis=0).tolist()), tuple(errors), scatter, is_sampled=True)


def _trajectory(
    f: Target, activation: Activation, start: Student, steps: int, rates: Rates, size: int, seed: int
) -> Path:
    students, risks = [start], []
    finite = rates.d is not None
    for _ in range(steps):
        student = students[-1]
        means = closed_means(f, activation, student)
        exact = exact_part(f, activation, student)
        K, KZ = kernel_by_sampling(f, activation, student, size, seed, exact, with_radius=finite)
        orbits = orbits_of(student)
        kernel = orbits.mean(K), orbits.mean(KZ)
        radius = _radius(activation, student, means) if finite and f.noise else None
        risks.append(means.risk)
        students.append(advance(student, means, kernel, f.noise, radius, rates))
    risks.append(closed_means(f, activation, students[-1]).risk)
    none = (0.0,) * len(risks)
    return Path(tuple(students), tuple(risks), none, none)


def _radius(activation: Activation, student: Student, means: Means) -> Array:
    """E[σ'_i σ'_j |u|²] with |u|² = hᵀ Ω⁺ h: rank(Ω) E[σ'_i σ'_j] + 2 d/ds of it at sΩ, s = 1."""
    up, down = (
        gram_moments(activation, student.bias, scale * student.Q).slopes for scale in (1 + _TILT, 1 - _TILT)
    )
    radius: Array = means.rank * means.slopes + (up - down) / _TILT
    return radius


def initial_student(readout: Array, bias: Array, r: int, *, symmetric: bool) -> Student:
    """The limit start: M = 0, Q = I, and twins i and p−1−i with the same weights if symmetric."""
    p = len(readout)
    Q = np.eye(p)
    if symmetric:
        Q = Q + np.eye(p)[::-1]
    return Student(readout, bias, np.zeros((p, r)), Q)
