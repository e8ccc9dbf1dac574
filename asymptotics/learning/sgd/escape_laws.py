r"""Leaving a random start: the law of the time at which online SGD finds a first direction.

Weights start uniform on the sphere, M = x/√d with x → N(0, I_r). With e = eta n_b d^(−max(l/2, 1)), l the leap seen by the
student, everything is free of n_b and, in the clock s = N/d^max(l−1, 1) (N samples), of d:

* l = 1: driven, deterministic: dM/dτ = eta ã c_1 C_1 + …, escape at τ = O(1).
* l = 2, one neuron: dx = (λ x + …) ds + noise, λ = eta max-eig(ã c_2 C_2) − (eta ã)² κ/2, noise σ² = (eta ã)² Σ along the
  eigenvector of multiplicity g. The time to |m| = m_c has the closed law

      s = (1/λ)[log(d)/2 + log m_c − log(1 + σ²/(2λ))/2 − log χ_g] + I,   I = ∫_0^{m_c} (1/(m ρ(m)) − 1/(m λ)) dm,

  ρ(m) the drift of |m| per |m| along the eigenvector.
* l ≥ 3, one neuron and one direction: the explosion time of a Langevin equation in m
  (:mod:`asymptotics.learning.sgd.one_overlap`).

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

    ``refine``: nodes an axis of those that are not sampled, as a share of the usual; ``nodes`` of the integral of the nonlinear
    stage; ``grid`` points in m, ``first`` step in s and its ``growth`` of the backward equation.
    """

    size: int = 15
    seed: int = 1
    refine: float = 1.0
    nodes: int = 24
    grid: int = 801
    first: float = 1e-3
    growth: float = 0.004


#: The law as it is told; with other and fewer points; with coarser equations.
FINE = Fineness()
FEWER_POINTS, COARSER = (
    Fineness(size=14, seed=2, refine=0.6),
    Fineness(nodes=16, grid=401, first=2e-3, growth=0.008),
)
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

    ``step``: e where steps are not small, 0 in their limit; ``spherical`` ones leave the weight along itself as it is (g = 1).
    """

    problem: Problem
    readout: float
    eta: float
    fine: Fineness = FINE
    step: float = 0.0
    spherical: bool = False

    def along(self, u: Array, m: float) -> tuple[float, float, float]:
        """(E[δ σ' (⟨u, z⟩ − m l)], K, eta/g) at overlap m with the unit vector ``u``; raises :class:`Erased` where g ≤ 0 at
        m = 0, where neurons wait (elsewhere a step of that size is the last one, whatever it leaves)."""
        way, _ = way_of(self.problem, 1)
        mean = way(self.at(u, m), self.fine.seed, self.fine.size)
        radial = float(mean.network[0, 0])
        drift = float(mean.target[0] @ u) - m * radial
        return drift, float(mean.kernel[0, 0]), self.rate_beside(m, radial)

    def rate_beside(self, m: float, radial: float) -> float:
        """eta/g with ``radial`` E[δ σ' l] at overlap m; raises :class:`Erased` as :meth:`along` does."""
        kept = 1.0 if self.spherical else 1 + self.step * self.readout * radial
        if abs(m) < 1e-12 and kept < _LEAST_KEPT:
            raise Erased(
                f"the step size e = {self.step:.3g} leaves {kept:.2g} of a weight before its norm is divided out: it is "
                'erased, and no law covers that; choose a smaller eta, projection = "spherical" or loss = "correlation"'
            )
        return self.eta / max(kept, _LEAST_KEPT)

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
        target, sigma = self.problem.target, self.problem.activation
        delta = target(u[:, :r]) - self.problem.at(student).readout[0] * sigma(u[:, r])
        power = w * (delta**2 + target.noise) * sigma.derivative(u[:, r]) ** 2
        noise: Array = (u[:, :r] * power[:, None]).T @ u[:, :r]
        return noise


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
