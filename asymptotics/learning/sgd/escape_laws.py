r"""Leaving a random start: the law of the time at which online SGD finds a first direction.

Weights start uniform on the sphere, M = x/√d with x → N(0, I_r). With e = eta n_b d^(−max(l/2, 1)), l the leap seen by the
student, everything is free of n_b and, in the clock s = N/d^max(l−1, 1) (N samples), of d:

* l = 1: driven, deterministic: dM/dτ = eta ã c_1 C_1 + …, escape at τ = O(1).
* l = 2, one neuron: dx = (λ x + …) ds + noise, λ = eta max-eig(ã c_2 C_2) − (eta ã)² κ/2, noise σ² = (eta ã)² Σ along the
  eigenvector of multiplicity g. The time to |m| = m_c has the closed law

      s = (1/λ)[log(d)/2 + log m_c − log(1 + σ²/(2λ))/2 − log χ_g] + I,   I = ∫_0^{m_c} (1/(m ρ(m)) − 1/(m λ)) dm,

  ρ(m) the drift of |m| per |m| along the eigenvector.
* l ≥ 3, one neuron and one direction: the explosion time of dm = b(m) ds + √(V(m)/d) eta ã dB at finite d,
  b = eta d^(l/2−1) ã D(m) − (eta ã)² K(m) m/2, by the backward equation S_s = b S' + (V/2) S'' on a sinh grid.

Steps that are not small: a projected step first multiplies the weight along itself by g = 1 + e ã E[δ σ' l], adds the signal
and noise of square norm e² ã² K d/n_b, and divides by the norm. What it does to m, and to its logarithm at leap 2, is counted as
it is, not to first order in e (derived here, checked against simulated runs).

Here κ = K and Σ = E[(δ² + Δ) σ'² z* z*ᵀ] at M = 0. Source of the scaling: arXiv:2406.02157; the laws are heuristic closed
forms, checked against exact-in-law simulations; several neurons that interact are answered by simulation only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.learning.giant.noise_kernel import Student
from asymptotics.learning.giant.one_step import hermite_tensor
from asymptotics.learning.sgd.averages import Problem, points_of, way_of
from hermite.errors import InputError

Array = npt.NDArray[np.float64]

#: Levels at which quantiles are told.
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Fineness:
    """How finely a law is worked out: log2 of the points of sampled averages and their seed; the rest solves its equations.

    ``nodes`` of the integral of the nonlinear stage; ``grid`` points in m, ``first`` step in s and its ``growth`` of the
    backward equation.
    """

    size: int = 15
    seed: int = 1
    nodes: int = 24
    grid: int = 801
    first: float = 1e-3
    growth: float = 0.004


#: The law as it is told; with other and fewer points; with coarser equations.
FINE = Fineness()
FEWER_POINTS, COARSER = Fineness(size=14, seed=2), Fineness(nodes=16, grid=401, first=2e-3, growth=0.008)
#: The least part g of a weight along itself that a step may leave.
_LEAST_KEPT = 0.1


class Erased(InputError):
    """A projected step of this size takes the weight away; a table keeps the row, without a time."""


@dataclass(frozen=True)
class EscapeTimes:
    """The law of the escape time in the clock s: how it was found, mean, standard deviation and quantiles.

    For l = 2 also ``rate`` λ, ``sigma2`` σ², ``start_share``, the share of the variance of the linear stage that is due to the
    start, and ``critical_eta``, above which nothing escapes.
    """

    law: str
    mean: float
    sd: float | None
    quantiles: tuple[float, ...]
    rate: float | None = None
    sigma2: float | None = None
    multiplicity: int | None = None
    start_share: float | None = None
    critical_eta: float | None = None

    def apart(self, other: EscapeTimes) -> float:
        """The largest difference of the mean and of the quantiles, relative to the mean."""
        pairs = zip((self.mean, *self.quantiles), (other.mean, *other.quantiles), strict=True)
        return max(abs(one - two) for one, two in pairs) / abs(self.mean)


@dataclass(frozen=True)
class Neuron:
    """One neuron of readout ã at rate ``eta`` (e = eta n_b d^(−max(l/2, 1))), seen along a direction of the target.

    ``step``: e where steps are projected and not small; 0 in the limit of small steps, and for spherical ones.
    """

    problem: Problem
    readout: float
    eta: float
    fine: Fineness = FINE
    step: float = 0.0

    def along(self, u: Array, m: float) -> tuple[float, float, float]:
        """(E[δ σ' (⟨u, z⟩ − m l)], K, eta/g) at overlap m with the unit vector ``u``; raises :class:`Erased` where g ≤ 0 at
        m = 0, where neurons wait (elsewhere a step of that size is the last one, whatever it leaves)."""
        way, _ = way_of(self.problem, 1)
        mean = way(self.at(u, m), self.fine.seed, self.fine.size)
        radial = float(mean.network[0, 0])
        kept = 1 + self.step * self.readout * radial
        if abs(m) < 1e-12 and kept < _LEAST_KEPT:
            raise Erased(
                f"the step size e = {self.step:.3g} leaves {kept:.2g} of a weight before its norm is divided out: it is "
                'erased, and no law covers that; choose a smaller eta, projection = "spherical" or loss = "correlation"'
            )
        drift, rate = float(mean.target[0] @ u) - m * radial, self.eta / max(kept, _LEAST_KEPT)
        return drift, float(mean.kernel[0, 0]), rate

    def growth(self, signal: float, noise: float) -> float:
        """d log|m|/ds of steps that add ``signal``/S of m and a square norm ``noise``/S, S = eta/e steps in a unit of s (leap 2):
        S [log(1 + signal/S) − log(1 + noise/S)/2], signal − noise/2 for small steps."""
        if self.step == 0:
            return signal - noise / 2
        steps = self.eta / self.step
        return steps * (math.log1p(max(signal / steps, -0.9)) - math.log1p(noise / steps) / 2)

    def gathered(self, sigma2: float, rate: float, noise: float) -> float:
        """What steps of variance ``sigma2``/S add to that of the start before growth outruns them: σ²/(2 λ) for small steps."""
        if self.step == 0:
            return sigma2 / (2 * rate)
        steps = self.eta / self.step
        return sigma2 / steps / (1 + noise / steps) / math.expm1(2 * rate / steps)

    def at(self, u: Array, m: float) -> Student:
        return Student(np.array([self.readout]), np.zeros(1), m * u[None, :], np.eye(1))

    def start_noise(self) -> Array:
        """Σ = E[(δ² + Δ) σ'² z* z*ᵀ] at M = 0, (r, r)."""
        student = self.at(np.zeros(self.problem.target.r), 0.0)
        u, w = points_of(self.problem, 1, self.fine.seed, self.fine.size)
        r = self.problem.target.r
        power = w * _score(self.problem, student, u[:, :r], u[:, r])
        noise: Array = (u[:, :r] * power[:, None]).T @ u[:, :r]
        return noise


def _score(problem: Problem, student: Student, x: Array, own: Array) -> Array:
    """(δ² + Δ) σ'² at target coordinates ``x`` and the neuron's field ``own``."""
    silent = problem.at(student)
    delta = problem.target(x) - silent.readout[0] * problem.activation(own)
    score: Array = (delta**2 + problem.target.noise) * problem.activation.derivative(own) ** 2
    return score


def leap_two(neuron: Neuron, d: int, threshold: float) -> EscapeTimes:
    """The closed law of l = 2; raises ``InputError`` where the neuron never escapes."""
    from scipy.special import digamma, polygamma
    from scipy.stats import chi

    f, a = neuron.problem.target, neuron.readout
    curvature = a * neuron.problem.activation.coefficient(2) * hermite_tensor(f, 2)
    values, vectors = np.linalg.eigh(curvature)
    top = float(values[-1])
    if top <= 1e-9 * float(np.abs(values).max(initial=0.0)):
        raise InputError(
            f"a neuron of readout {a:g} never leaves its start: no direction of the target has a positive curvature for "
            "it; use a readout of the other sign"
        )
    u = vectors[:, -1]
    multiplicity = int(np.sum(values > top * (1 - 1e-9)))
    _, kappa, eta = neuron.along(u, 0.0)
    critical = 2 * top / (a**2 * kappa)
    rate = neuron.growth(eta * top, (eta * a) ** 2 * kappa)
    if rate <= 0:
        if neuron.eta < critical:
            raise InputError(
                f"training.eta must be smaller, or the batch larger, for a neuron to leave its start in steps of size "
                f"{neuron.step:.3g}: their noise outweighs what they learn"
            )
        raise InputError(
            f"training.eta must be below {critical:.3g} for a neuron to leave its start, not {neuron.eta:g} "
            f"(fastest at {critical / 2:.3g})"
        )
    sigma2 = (eta * a) ** 2 * float(u @ neuron.start_noise() @ u)
    gathered = neuron.gathered(sigma2, rate, (eta * a) ** 2 * kappa)

    def drift(m: float) -> float:
        signal, kernel, own = neuron.along(u, m)
        return neuron.growth(own * a * signal / m, (own * a) ** 2 * kernel)

    nonlinear = _nonlinear_stage(drift, rate, threshold, neuron.fine.nodes)
    shift = (math.log(d) / 2 + math.log(threshold) - math.log1p(gathered) / 2) / rate + nonlinear
    mean = shift - (float(digamma(multiplicity / 2)) + math.log(2)) / (2 * rate)
    sd = math.sqrt(float(polygamma(1, multiplicity / 2))) / (2 * rate)
    # What starts above the threshold (few directions) is through at once.
    quantiles = tuple(
        max(0.0, float(shift - math.log(chi.ppf(1 - level, multiplicity)) / rate)) for level in LEVELS
    )
    return EscapeTimes(
        "closed law of leap 2",
        mean,
        sd,
        quantiles,
        rate,
        sigma2,
        multiplicity,
        1 / (1 + gathered),
        critical,
    )


def _nonlinear_stage(drift: Callable[[float], float], rate: float, threshold: float, nodes: int) -> float:
    """I = ∫_0^{m_c} (1/(m ρ(m)) − 1/(m λ)) dm; raises ``InputError`` if the drift ends before the threshold."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    m = threshold * (x + 1) / 2
    rho = np.array([drift(value) for value in m])
    if np.any(rho <= 0):
        raise InputError(
            f"training.threshold must be below {float(m[np.argmax(rho <= 0)]):.2g}, where the drift of a neuron ends, "
            f"not {threshold:g}"
        )
    return float(np.sum(w * (1 / rho - 1 / rate) / m)) * threshold / 2


def langevin(neuron: Neuron, leap: int, d: int, threshold: float) -> EscapeTimes:
    """l ≥ 3, one direction: the escape time of the Langevin equation in m, from the exact law of the start."""
    from scipy.interpolate import CubicSpline

    f = neuron.problem.target
    if f.r != 1:
        raise InputError(
            f"the target must have one direction for a law at leap {leap}, not {f.r}; use --simulate"
        )
    m = _sinh_grid(threshold, d, neuron.fine.grid)
    nodes = np.linspace(-threshold, threshold, 41)
    sampled = np.array([_drift_and_noise(neuron, value) for value in nodes])
    # D, K and V are smooth in m.
    signal, kernel, variance, eta = (CubicSpline(nodes, column)(m) for column in sampled.T)
    a = neuron.readout
    learned, noise = eta * d ** (leap / 2 - 1) * a * signal, (eta * a) ** 2 * kernel
    diffusion = (eta * a) ** 2 * variance / d
    if neuron.step == 0:
        drift = learned - noise * m / 2
    else:
        steps = neuron.eta * d ** (leap / 2 - 1) / neuron.step
        shrunk = 1 + noise / steps
        drift = steps * _smoothed(m, (m + learned / steps) / np.sqrt(shrunk) - m)
        diffusion = diffusion / shrunk
    start = _start_density(m, d)
    times, survival = _survival(m, drift, diffusion, start, neuron.fine)
    return _times_of(times, survival)


def _smoothed(m: Array, moved: Array) -> Array:
    """The velocity whose flow by one unit of time is the step m → m + ``moved``, to second order and for any linear step.

    A flow grows at every moment by what it has become, a step by what was there before it: log(1 + b')/b' of b.
    """
    slope = np.maximum(np.gradient(moved, m), -0.9)
    small = np.abs(slope) < 1e-8
    ratio = np.log1p(slope) / np.where(small, 1.0, slope)
    velocity: Array = moved * np.where(small, 1.0, ratio)
    return velocity


def _drift_and_noise(neuron: Neuron, m: float) -> tuple[float, float, float, float]:
    """D(m), K(m), V(m) = E[(δ² + Δ) σ'² (z − m l)²] and eta/g."""
    u = np.ones(1)
    signal, kernel, eta = neuron.along(u, m)
    points, w = points_of(neuron.problem, 1, neuron.fine.seed, neuron.fine.size)
    own = m * points[:, 0] + math.sqrt(1 - m**2) * points[:, 1]
    score = _score(neuron.problem, neuron.at(u, m), points[:, :1], own)
    return signal, kernel, float(w @ (score * (points[:, 0] - m * own) ** 2)), eta


def _sinh_grid(threshold: float, d: int, points: int) -> Array:
    """Points in [−m_c, m_c], dense where the start lies, |m| of order d^(−1/2)."""
    width = 1 / math.sqrt(d)
    y = np.linspace(-1, 1, points) * math.asinh(threshold / width)
    grid: Array = width * np.sinh(y)
    grid[[0, -1]] = -threshold, threshold
    return grid


def _start_density(m: Array, d: int) -> Array:
    """Weights of the grid's points under the exact law of m_0, density ∝ (1 − m²)^((d − 3)/2)."""
    log = (d - 3) / 2 * np.log1p(-(m**2))
    density = np.exp(log - log.max())
    weights = density * np.gradient(m)
    weights[[0, -1]] = 0.0
    start: Array = weights / weights.sum()
    return start


def _survival(m: Array, drift: Array, diffusion: Array, start: Array, fine: Fineness) -> tuple[Array, Array]:
    """P(not escaped by s) on growing steps of s: S_s = b S' + (σ²/2) S'', S = 0 at both ends; implicit, two stages."""
    from scipy.linalg import solve_banded

    left, right = m[1:-1] - m[:-2], m[2:] - m[1:-1]
    b, half = drift[1:-1], diffusion[1:-1] / 2
    # Second order where diffusion dominates a cell, upwind where drift does.
    down = 2 * half / (left * (left + right)) - b * right / (left * (left + right))
    up = 2 * half / (right * (left + right)) + b * left / (right * (left + right))
    steep = (down < 0) | (up < 0)
    down = np.where(steep, 2 * half / (left * (left + right)) + np.maximum(-b, 0) / left, down)
    up = np.where(steep, 2 * half / (right * (left + right)) + np.maximum(b, 0) / right, up)
    middle = -(down + up)
    inner = start[1:-1]
    S, s, step = np.ones(len(inner)), 0.0, fine.first
    times, survival = [0.0], [1.0]
    # TR-BDF2: second order, and damps the corner of the start at the ends.
    gamma = 2 - math.sqrt(2)
    while survival[-1] > 1e-5 and len(times) < 20_000:
        share = gamma * step / 2
        banded = np.zeros((3, len(S)))
        banded[0, 1:], banded[1], banded[2, :-1] = -share * up[:-1], 1 - share * middle, -share * down[1:]
        first = S + share * (middle * S + np.append(up[:-1] * S[1:], 0) + np.insert(down[1:] * S[:-1], 0, 0))
        stage = solve_banded((1, 1), banded, first)
        S = solve_banded((1, 1), banded, (stage - (1 - gamma) ** 2 * S) / (gamma * (2 - gamma)))
        s += step
        times.append(s)
        survival.append(float(inner @ S))
        step = max(fine.first, fine.growth * s)
    return np.array(times), np.array(survival)


def _times_of(times: Array, survival: Array) -> EscapeTimes:
    """Mean, standard deviation and quantiles from P(not escaped by s)."""
    quantiles = tuple(float(np.interp(1 - level, survival[::-1], times[::-1])) for level in LEVELS)
    mean = float(np.trapezoid(survival, times))
    second = 2 * float(np.trapezoid(survival * times, times))
    return EscapeTimes("Langevin equation of one overlap", mean, math.sqrt(second - mean**2), quantiles)
