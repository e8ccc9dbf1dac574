r"""Two steps on one batch with many neurons, in closed form: p → ∞ first, from an output of 0 and labels of mean 0.

With a finite law of ã, the common noise ζ of the first gradient, and N = E[y²]/alpha (label noise included), the field of a
neuron on a sample of the batch after one step is, for independent standard normals ω and ε,

    r = η ã c_1 (⟨C_1, h*⟩ + √N ζ) + (1 − η wd) ω + (η/alpha) ã y σ'(ω) + √(η² ã² N (E σ'² − c_1²)) ε ,

    F(h*, ζ, y) = E_ã E_ω,ε[ã σ(r)],   m_2(ã) = (1 − η wd) m_1(ã) + η ã E[(y − F) E_ω,ε σ'(r) h*],   train_1 = E[(y − F)²],

m_1 = η ã c_1 C_1. ε is integrated by the moments of σ, ω by Gauss–Legendre rules between the kinks of σ', and (h*, ζ, label
noise) by scrambled Sobol points whose teacher axes are drawn wider and reweighted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.learning.giant.low_orders import low_orders
from asymptotics.learning.giant.one_step import hermite_tensor
from asymptotics.learning.sgd.averages import wide_points
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Training

Array = npt.NDArray[np.float64]

#: log2 of the Sobol points, independent scrambles, nodes between two kinks, and where the normal law is cut.
_SIZE, _SCRAMBLES, _NODES, _CUT = 12, 4, 24, 8.5


@dataclass(frozen=True)
class SecondStep:
    """``M`` (atoms, r) after two steps and ``train`` after one, with the standard error of the largest."""

    M: Array
    train: float
    error: float


def second_step(f: Target, sigma: Activation, atoms: Array, shares: Array, training: Training) -> SecondStep:
    """The closed second step for readouts ``atoms`` of weight ``shares``; asks for E y = 0 and a first output of 0."""
    runs = [_sampled(f, sigma, atoms, shares, training, 7919 * (k + 1)) for k in range(_SCRAMBLES)]
    M, train = np.array([run[0] for run in runs]), np.array([run[1] for run in runs])
    spread = np.std(M, axis=0, ddof=1) / math.sqrt(_SCRAMBLES)
    return SecondStep(M.mean(axis=0), float(train.mean()), float(spread.max()))


def _sampled(
    f: Target, sigma: Activation, atoms: Array, shares: Array, training: Training, seed: int
) -> tuple[Array, float]:
    eta, alpha = training.eta, training.alpha
    keep = 1 - eta * training.weight_decay
    c1, first = sigma.coefficient(1), hermite_tensor(f, 1)
    power = (low_orders(f).energy + f.noise) / alpha
    # Axes: the teacher's, then the common noise and the label noise.
    u, w = wide_points(f.r, 2, seed, _SIZE)
    x, common, noise = u[:, : f.r], u[:, f.r], u[:, f.r + 1]
    y = f(x) + math.sqrt(f.noise) * noise
    drive = c1 * (x @ first + math.sqrt(power) * common)
    own = math.sqrt(max(power * (sigma.derivative_second_moment - c1**2), 0.0))
    omega, weight = _normal_between(sigma)
    slopes = sigma.derivative(omega)
    output, slope = np.zeros(len(y)), np.zeros((len(atoms), len(y)))
    for k, (a, share) in enumerate(zip(atoms, shares, strict=True)):
        centre = eta * a * drive[:, None] + keep * omega + (eta / alpha) * a * y[:, None] * slopes
        deviation = np.full_like(centre, eta * abs(a) * own)
        output += share * a * (sigma.mean(centre, deviation) @ weight)
        slope[k] = sigma.S1(centre, deviation) @ weight
    gap = w * (y - output)
    M = (eta * atoms)[:, None] * (keep * c1 * first + (slope * gap) @ x)
    return M, float(w @ (y - output) ** 2)


def _normal_between(sigma: Activation) -> tuple[Array, Array]:
    """Nodes and weights of the standard normal law, exact on both sides of every kink of σ'."""
    ends = np.array(sorted({-_CUT, 0.0, _CUT, *(float(k) for k in sigma.kinks if abs(k) < _CUT)}))
    half, middle = np.diff(ends) / 2, (ends[1:] + ends[:-1]) / 2
    x, w = np.polynomial.legendre.leggauss(_NODES)
    nodes = (half[:, None] * x + middle[:, None]).ravel()
    weights = (half[:, None] * w).ravel()
    weights = weights * np.exp(-(nodes**2) / 2)
    return nodes, weights / weights.sum()
