"""Conditional moments of the features given the spikes, and the rule for the spikes.

A neuron of group g sees h = m_g + √s_g x with m_g = ⟨c_g, κ⟩ + b_g and x ~ N(0, 1) independent of κ ~ N(0, I_k):
a bias only moves the mean. Two neurons of a pair see x, x' with correlation ρ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.pairs import pair_rule, value_product
from asymptotics.expectations.quadrature import piecewise_rule, tensor_rule, trapezoid_rule
from hermite.errors import InputError

Array = npt.NDArray[np.float64]

#: max |c|/√s of two spikes that the rule resolves (nodes grow as its square).
SHARPEST = 40.0
#: Gauss–Hermite nodes an axis for more spikes than a trapezoid rule is for; there are at most four.
_NODES = {3: 20, 4: 12}
#: Norm of residuals up to which products of activations are integrated.
_WIDEST = 200.0


def spike_rule(
    k: int, slope: float = 1.0, breaks: Sequence[float] = (), *, finer: bool = False
) -> tuple[Array, Array]:
    """Nodes (K, k) and weights (K,) for κ ~ N(0, I_k).

    The trapezoid rule converges faster than Gauss–Hermite here; ``slope`` = max |c_g|/√s_g is how sharply the
    moments vary with κ, ``breaks`` (k = 1) are points where they are not smooth; ``finer`` (k ≤ 2) has more nodes.
    ``InputError`` if it is beyond reach.
    """
    if k == 0:
        return np.zeros((1, 0)), np.ones(1)
    if k == 1 and breaks:
        nodes, weights = piecewise_rule(
            breaks, panel=min(1.0, 1.5 / max(slope, 1.0)), order=24 if finer else 16
        )
        return nodes[:, None], weights
    if slope**k > SHARPEST**2 or not np.isfinite(slope):
        raise InputError(
            f"training.eta is too large: the learned part of the weights is {slope:.2g} times the rest, "
            "beyond what the rule over the spikes resolves; use a smaller eta."
        )
    if k <= 2:
        step = (0.2 if k == 1 else 0.4) * min(1.0, 2.5 / max(slope, 1.0))
        x, w = trapezoid_rule(step / 2 if finer else step)
        if k == 1:
            return x[:, None], w
        grid = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
        weights = np.outer(w, w).ravel()
        keep = weights > 1e-20
        return grid[keep], weights[keep] / weights[keep].sum()
    return tensor_rule([_NODES[k]] * k)


def group_moments(sigma: Activation, mean: Array, norm2: Array) -> tuple[Array, Array, Array]:
    """μ0 = E F, μ1 = E[F x] and μ*² = E F² − μ0² − μ1² ≥ 0, each (K, A), from ``mean`` (K, A), ``norm2`` s (A,)."""
    mu0, mu1, second = sigma.conditional_moments(mean, np.broadcast_to(norm2, mean.shape))
    rest = second - mu0**2 - mu1**2
    # What is left by cancellation of the two large terms is rounding, not a nonlinear part.
    rest[rest < 1e-13 * second] = 0.0
    return mu0, mu1, rest


def missed_by_rule(
    sigma: Activation,
    weights: Array,
    second: Array,
    coordinates: Array,
    shift: Array,
    norm2: Array,
    shares: Array,
) -> float:
    """By how much a rule over the spikes misses E σ(h)² of the groups, relative; exact is that of h ~ N(b, |c|² + s).

    ``weights`` (K,) of the rule, ``second`` E[F²|κ] (K, A) at its nodes, ``coordinates`` c (A, k), ``shift`` b, ``norm2`` s and
    ``shares`` (A,).
    """
    exact = sigma.squares(shift, np.sqrt(np.sum(coordinates**2, axis=1) + norm2))
    return float(shares @ np.abs(weights @ second - exact)) / max(float(shares @ exact), 1e-300)


def product_moment(sigma: Activation, mean: Array, norm2: Array, rho: float) -> Array:
    """E[F F'] (K,) for two neurons with ``mean`` (K, 2), ``norm2`` (2,) and correlation ``rho`` of x, x'.

    In closed form or as a series where there is one, else F times the conditional mean of F' is integrated over x, split
    at the kinks of both factors.
    """
    m, s = mean, np.sqrt(norm2)
    _check_width(s)
    known = value_product(sigma, m[:, 0], float(s[0]), m[:, 1], float(s[1]), rho)
    if known is not None:
        return known
    rest = float(np.sqrt(max(0.0, 1.0 - rho**2)))
    nodes, weights = _row_rule(sigma, m, s, rho)
    first = sigma(m[:, :1] + s[0] * nodes)
    shifted = m[:, 1:] + s[1] * rho * nodes
    second = sigma(shifted) if rest < 1e-8 else sigma.mean(shifted, s[1] * rest)
    result: Array = np.sum(weights * first * second, axis=1)
    return result


def _row_rule(sigma: Activation, mean: Array, s: Array, rho: float) -> tuple[Array, Array]:
    """Nodes and weights for x ~ N(0, 1), (1 or K, points): one row a κ, split where a factor is sharp."""
    return pair_rule(sigma, mean[:, :1], float(s[0]), mean[:, 1:], float(s[1]), rho)


def _check_width(s: Array) -> None:
    if not float(s.max()) < _WIDEST:
        raise InputError(
            f"training.eta is too large: neurons have grown to a norm of {float(s.max()):.2g}; use a smaller eta."
        )


def coincidences(sigma: Activation, coordinates: Array, biases: Array, s: Array) -> list[float]:
    """κ (k = 1) where a kink of one neuron meets a kink of its partner of equal or opposite x (ρ = ±1)."""
    found: list[float] = []
    for a in sigma.kinks:
        for b in sigma.kinks:
            for sign in (1.0, -1.0):
                slope = coordinates[0] / s[0] - sign * coordinates[1] / s[1]
                offset = (a - biases[0]) / s[0] - sign * (b - biases[1]) / s[1]
                if abs(slope) > 1e-12:
                    found.append(float(offset / slope))
    return found
