"""The normal distribution function, Owen's T and orthants: of few values without SciPy, whose import costs more than they do.

``scipy.special`` takes 0.1 s to import, a third of a short command; the standard library has the error function.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.quadrature import legendre

Array = npt.NDArray[np.float64]

#: As many values are worked out here.
FEW = 4096
#: Gauss–Legendre nodes of Owen's integral on [0, a], a ≤ 1: at any h the error is below 1e-16 (poles at ± i).
_NODES = 20


def normal_cdf(x: npt.ArrayLike) -> Array:
    """Φ(x) = erfc(−x/√2)/2."""
    values = np.asarray(x, dtype=np.float64)
    if values.size > FEW:
        from scipy.special import ndtr

        return np.asarray(ndtr(values))
    scaled = (values.ravel() * -math.sqrt(0.5)).tolist()
    return 0.5 * np.fromiter(map(math.erfc, scaled), np.float64, values.size).reshape(values.shape)


def owens_t(h: Array, a: Array) -> Array:
    """T(h, a) = (1/2π) ∫_0^a exp(−h²(1 + x²)/2)/(1 + x²) dx, to 1e-15.

    |a| > 1 by T(h, a) = (Q(h) + Q(ah))/2 − Q(h) Q(ah) − T(ah, 1/a), h, a ≥ 0, Q = 1 − Φ (Owen 1956, eq. 2.3).
    """
    if max(np.size(h), np.size(a)) > FEW:
        from scipy.special import owens_t as of_many

        return np.asarray(of_many(h, a))
    h, slope = np.broadcast_arrays(np.minimum(np.abs(h), 1e150), np.abs(a))
    steep = slope > 1
    with np.errstate(over="ignore"):
        far = np.minimum(h * slope, 1e150)
    found = _integral(np.where(steep, far, h), np.where(steep, 1 / np.maximum(slope, 1.0), slope))
    if steep.any():
        near, beyond = normal_cdf(-h), normal_cdf(-far)
        found = np.where(steep, (near + beyond) / 2 - near * beyond - found, found)
    return np.asarray(np.copysign(found, a))


def _integral(h: Array, a: Array) -> Array:
    nodes, weights = legendre(_NODES)
    x = a[..., None] * nodes
    grown = 1 + x * x
    with np.errstate(over="ignore", under="ignore"):
        values = np.exp(-(h * h)[..., None] / 2 * grown) / grown
    integral: Array = a / (2 * math.pi) * (values @ weights)
    return integral


def upper_probability(h: Array, k: Array, rho: Array) -> Array:
    """P(X > h, Y > k) for standard normals of correlation ρ, by Owen's T function."""
    h, k = np.where(h == 0, 0.0, h), np.where(k == 0, 0.0, k)
    rest = np.sqrt(np.clip((1 - rho) * (1 + rho), 0, None))
    safe = np.maximum(rest, 1e-150)

    def term(x: Array, y: Array) -> Array:
        # y − ρx loses its digits for x = y, ρ near 1: (y − x) + (1 − ρ) x does not.
        gap = np.where(rho >= 0, (y - x) + (1 - rho) * x, (y + x) - (1 + rho) * x)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            ratio = gap / (safe * x)
        ratio = np.where(x == 0, np.where(y >= 0, np.inf, -np.inf), ratio)
        t: Array = owens_t(x, np.clip(ratio, -1e150, 1e150))
        return t

    product = h * k
    opposite = (product < 0) | ((product == 0) & (h + k < 0))
    general = 0.5 * (normal_cdf(-h) + normal_cdf(-k)) - term(h, k) - term(k, h) - np.where(opposite, 0.5, 0.0)
    centred = 0.25 + np.arcsin(np.clip(rho, -1, 1)) / (2 * math.pi)
    result: Array = np.clip(np.where((h == 0) & (k == 0), centred, general), 0.0, 1.0)
    return result
