"""Mehler's series: E[F(h_1) G(h_2)] = Σ_k ρ^k F_k G_k with F_k = E[F(m + sζ) He_k(ζ)]/√k!, where its tail is small.

What K terms leave out is at most ρ^{K+1} times the root of the product of the energies above K, E F² − Σ_{k ≤ K} F_k².
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from asymptotics.caches import remembered
from asymptotics.expectations.activations import Activation
from asymptotics.expectations.quadrature import hermite_values, trapezoid_rule

Array = npt.NDArray[np.float64]

#: Terms at most, and the step of the rule for the coefficients.
ORDER = 200
#: Shorter series have one of these lengths, so that few bases are made.
_ORDERS = (8, 12, 16, 24, 32, 44, 64, 88, 120)
_STEP = 0.05
_CHUNK = 1 << 21
#: What the tail may be of √(E F² E G²).
_TAIL = 1e-8


def resolves(activation: Activation, widest: float) -> bool:
    """Whether the rule of the coefficients sees all of σ(m + sζ) for s up to ``widest``."""
    return activation.pieces is not None or _STEP * widest <= activation.resolved.step


def small_tail(coefficients: Array, energy: Array, rho: float) -> bool:
    """Whether the tail of the series is below 1e-8, for ``coefficients`` (N, K + 1) and ``energy`` E F² (N,)."""
    order = coefficients.shape[1] - 1
    above = np.maximum(energy - np.sum(coefficients**2, axis=1), 0.0)
    # Rounding of the two large terms is no tail.
    above = np.where(above < 1e-13 * energy, 0.0, above)
    return bool(np.all(rho ** (order + 1) * above <= _TAIL * energy))


def mehler_order(activation: Activation, rho: float) -> int:
    """Terms of the series: the degree of a polynomial, else until ρ^k < 1e-13 or 200."""
    if activation.pieces is not None:
        return activation.pieces.degree
    if rho > 1 - 1e-6:
        return ORDER
    wanted = -30 / math.log(max(rho, 1e-9))
    return next((order for order in _ORDERS if order >= wanted), ORDER)


@remembered
def _basis(order: int) -> tuple[Array, Array]:
    nodes, weights = trapezoid_rule(_STEP, 12.0)
    return nodes, (hermite_values(nodes, order) * weights).T.copy()


def mehler_coefficients(function: object, m: Array, s: Array, order: int) -> Array:
    """E[F(m + sζ) He_k(ζ)]/√k!, shape (len(m), order + 1)."""
    assert callable(function)
    nodes, basis = _basis(order)
    out = np.empty((len(m), order + 1))
    rows = max(1, _CHUNK // len(nodes))
    for start in range(0, len(m), rows):
        part = slice(start, start + rows)
        out[part] = np.asarray(function(m[part, None] + s[part, None] * nodes)) @ basis
    return out
