"""Moments of two correlated neurons for continuous piecewise linear σ = α + βx + Σ_k a_k relu(x − κ_k): closed forms.

They rest on the bivariate normal probability P(h_1 > κ, h_2 > κ') (Owen's T function) and on truncated bivariate
moments (Rosenbaum 1961).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asymptotics.caches import remembered
from asymptotics.expectations.activations import Activation
from asymptotics.expectations.normal_law import normal_cdf, upper_probability
from asymptotics.expectations.piecewise import normal_density

Array = npt.NDArray[np.float64]


class Ramps(NamedTuple):
    """σ(x) = intercept + slope x + Σ_k jumps_k relu(x − kinks_k)."""

    intercept: float
    slope: float
    kinks: tuple[float, ...]
    jumps: tuple[float, ...]


@remembered
def ramps_of(activation: Activation) -> Ramps | None:
    """The ramps of a continuous piecewise linear activation with at least one kink, else None."""
    pieces = activation.pieces
    if pieces is None or pieces.degree > 1 or not pieces.kinks:
        return None
    full = [(*piece, 0.0)[:2] for piece in pieces.pieces]
    for kink, left, right in zip(pieces.kinks, full[:-1], full[1:], strict=True):
        # A kink is known to 1e-16 of its size, or of the unit of x where it is 0; values are in any unit.
        size = sum(abs(a) + abs(b) * (1 + abs(kink)) for a, b in (left, right))
        if abs(left[0] + left[1] * kink - right[0] - right[1] * kink) > 1e-12 * size:
            return None
    jumps = tuple(right[1] - left[1] for left, right in pairwise(full))
    return Ramps(full[0][0], full[0][1], pieces.kinks, jumps)


def ramp_slopes(ramps: Ramps, m1: Array, s1: Array, m2: Array, s2: Array, rho: Array) -> tuple[Array, Array]:
    """(E[σ'σ'], Σ_kl a_k a_l E[relu_k relu_l])."""
    slopes = np.full(m1.shape, ramps.slope**2)
    second = np.zeros(m1.shape)
    rest = np.sqrt(np.clip(1 - rho**2, 0, None))
    safe = np.maximum(rest, 1e-150)
    for kappa, a in zip(ramps.kinks, ramps.jumps, strict=True):
        h = (kappa - m1) / s1
        slopes = slopes + ramps.slope * a * (normal_cdf(-h) + normal_cdf((m2 - kappa) / s2))
        for other, b in zip(ramps.kinks, ramps.jumps, strict=True):
            k = (other - m2) / s2
            above = upper_probability(h, k, rho)
            slopes = slopes + a * b * above
            # E[(X−h)+ (Y−k)+] for a standard pair, from the truncated bivariate moments.
            joint = np.exp(-0.5 * (h**2 + ((k - rho * h) / safe) ** 2)) * rest / (2 * math.pi)
            ramp = (
                (rho + h * k) * above
                - k * normal_density(h) * normal_cdf((rho * h - k) / safe)
                - h * normal_density(k) * normal_cdf((rho * k - h) / safe)
                + joint
            )
            second = second + a * b * s1 * s2 * ramp
    return slopes, second


def ramp_second(
    activation: Activation, m1: Array, s1: Array, m2: Array, s2: Array, rho: Array
) -> tuple[Array, Array]:
    """(E[σσ], E[σ'σ']) of a continuous piecewise linear activation."""
    ramps = ramps_of(activation)
    assert ramps is not None
    slopes, kinked = ramp_slopes(ramps, m1, s1, m2, s2, rho)
    line1, line2 = ramps.intercept + ramps.slope * m1, ramps.intercept + ramps.slope * m2
    covariance = rho * s1 * s2
    second = kinked
    if np.any(line1) or ramps.slope:
        second = second + line1 * activation.mean(m2, s2) + ramps.slope * covariance * activation.S1(m2, s2)
    if np.any(line2) or ramps.slope:
        second = second + line2 * (activation.mean(m1, s1) - line1)
        second = second + ramps.slope * covariance * (activation.S1(m1, s1) - ramps.slope)
    return second, slopes


@dataclass(frozen=True, eq=False)
class PairMoments:
    """Of pairs of neurons: E[σ_1 σ_2], E[σ'_1 σ'_2], E[σ''_1 σ_2] (``forward``) and E[σ_1 σ''_2] (``backward``)."""

    second: Array
    slopes: Array
    forward: Array
    backward: Array


def ramp_moments(
    activation: Activation, m1: Array, s1: Array, m2: Array, s2: Array, rho: Array
) -> PairMoments:
    """Of a continuous piecewise linear activation."""
    ramps = ramps_of(activation)
    assert ramps is not None
    second, slopes = ramp_second(activation, m1, s1, m2, s2, rho)
    rest = np.sqrt(np.clip(1 - rho**2, 0, None))
    forward, backward = np.zeros(m1.shape), np.zeros(m1.shape)
    for kappa, a in zip(ramps.kinks, ramps.jumps, strict=True):
        h, k = (kappa - m1) / s1, (kappa - m2) / s2
        forward = forward + a * normal_density(h) / s1 * activation.mean(m2 + rho * s2 * h, s2 * rest)
        backward = backward + a * normal_density(k) / s2 * activation.mean(m1 + rho * s1 * k, s1 * rest)
    return PairMoments(second, slopes, forward, backward)
