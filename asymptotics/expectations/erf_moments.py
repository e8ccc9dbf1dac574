"""Closed forms of σ = erf(κx + b): moments of one neuron, Hermite coefficients, and products of two neurons.

With h ~ N(m, s²), w = 1 + 2κ²s² and v = (κm + b)/√w the mean is erf(v). Of two neurons, erf h = 2Φ(√2 h) − 1 makes
E σ(h_1) σ(h_2) a probability of two normals of correlation c = 2κ² Cov(h_1, h_2)/√(w_1 w_2) (Williams 1998, eq. 11, for b = 0).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.normal_law import normal_cdf, upper_probability
from asymptotics.expectations.quadrature import legendre

Array = npt.NDArray[np.float64]

#: Up to this many values are looked up one by one in the standard library.
_FEW = 256
#: Correlations up to which the integral over the angle is taken, and its Gauss–Legendre nodes: 1e-15.
_MILD, _NODES = 0.9, 32
#: Values in one chunk, each with its nodes.
_CHUNK = 1 << 15


def erf_moment(m: Array, s: Array, kind: str, power: int, kappa: float, shift: float) -> Array | None:
    """Moments of erf(κx + b) as ``GaussianAverages`` names them; None where there is no closed form."""
    u = kappa * m + shift
    width = 1 + 2 * (kappa * s) ** 2
    if kind == "value" and power == 0:
        return _erf(u / np.sqrt(width))
    if kind == "square" and power == 0:
        m, s = np.broadcast_arrays(m, s)
        return erf_product(kappa, shift, m, s, m, s, np.ones(m.shape))
    if kind == "slope square" and power == 0:
        wide = 1 + 4 * (kappa * s) ** 2
        squared: Array = 4 * kappa**2 / (np.pi * np.sqrt(wide)) * np.exp(-2 * u**2 / wide)
        return squared
    slope: Array = 2 * kappa / np.sqrt(np.pi * width) * np.exp(-(u**2) / width)
    bent: Array = -2 * kappa * u / width * slope
    match kind, power:
        case "value", 1:
            return s * slope
        case "value", 2:
            # E[σ (ζ² − 1)] = s² E σ''.
            return _erf(u / np.sqrt(width)) + s**2 * bent
        case "slope", 0:
            return slope
        case "slope", 1:
            return s * bent
    return None


def erf_slope_averages(m: Array, s: Array, kappa: float, shift: float) -> tuple[Array, Array, Array]:
    """E σ', E σ'' and E σ'² of erf(κx + b), as :func:`erf_moment` has them."""
    slope = erf_moment(m, s, "slope", 0, kappa, shift)
    squared = erf_moment(m, s, "slope square", 0, kappa, shift)
    assert slope is not None
    assert squared is not None
    bent: Array = (-2 * kappa / (1 + 2 * (kappa * s) ** 2)) * (kappa * m + shift) * slope
    return slope, bent, squared


def erf_coefficients(order: int, bias: float, kappa: float, shift: float) -> Array:
    """E[σ(x + bias) He_k(x)], k = 0..order: the derivatives of E σ(μ + x) by μ, Hermite functions of v."""
    root = math.sqrt(1 + 2 * kappa**2)
    v = (kappa * bias + shift) / root
    found = np.empty(order + 1)
    found[0] = math.erf(v)
    # (d/dμ)^k of (2/√π) exp(−v²), dv/dμ = κ/√w: (−κ/√w)^k H_k(v), H_k the physicists' polynomials.
    step = -kappa / root
    before, value = 0.0, 2 / math.sqrt(math.pi) * math.exp(-(v**2)) * -step
    for k in range(1, order + 1):
        found[k] = value
        before, value = value, step * (2 * v * value - 2 * (k - 1) * step * before)
    return found


def erf_slope_product(
    kappa: float, shift: float, m1: Array, s1: Array, m2: Array, s2: Array, rho: Array
) -> Array:
    """E[σ'(h_1) σ'(h_2)] of erf(κx + b): the Gaussian integral of exp(−u_1² − u_2²).

    Of a steep σ and |ρ| near 1 determinant and exponent are small differences of large terms: they are written without.
    """
    u1, u2, t1, t2 = kappa * m1 + shift, kappa * m2 + shift, kappa * s1, kappa * s2
    # 1 + 2 t_1² + 2 t_2² + 4 t_1² t_2² (1 − ρ²), and (t_2 u_1)² − 2 ρ t_1 t_2 u_1 u_2 + (t_1 u_2)².
    determinant = 1 + 2 * t1**2 + 2 * t2**2 + 4 * (t1 * t2) ** 2 * ((1 - rho) * (1 + rho))
    crossed = np.where(rho < 0, (t2 * u1 + t1 * u2) ** 2, (t2 * u1 - t1 * u2) ** 2)
    crossed = crossed + 2 * np.where(rho < 0, -1 - rho, 1 - rho) * t1 * t2 * u1 * u2
    exponent = -(u1**2 + u2**2 + 2 * crossed) / determinant
    product: Array = 4 * kappa**2 / math.pi / np.sqrt(determinant) * np.exp(exponent)
    return product


def erf_product(kappa: float, shift: float, m1: Array, s1: Array, m2: Array, s2: Array, rho: Array) -> Array:
    """E[σ(h_1) σ(h_2)] of erf(κx + b), arrays (N,) or of any other one shape.

    erf(v_1) erf(v_2) + (2/π) ∫_0^{arcsin c} exp(−(v_1² + v_2² − 2 v_1 v_2 sin θ)/cos² θ) dθ (Plackett 1954), relative to its own
    size; near |c| = 1, where the product is of order one, by Owen's T.
    """
    v, spread = [], []
    for m, s in ((m1, s1), (m2, s2)):
        width = np.sqrt(1 + 2 * (kappa * s) ** 2)
        v.append((kappa * m + shift) / width)
        spread.append(math.sqrt(2) * kappa * s / width)
    c = rho * spread[0] * spread[1]
    product = _erf(v[0]) * _erf(v[1])
    if not (np.any(v[0]) or np.any(v[1])):
        return product + 2 / math.pi * np.arcsin(c)
    mild = np.abs(c) <= _MILD
    out = np.asarray(product + _over_angles(v[0], v[1], np.where(mild, c, 0.0)))
    if not np.all(mild):
        steep = [np.broadcast_to(math.sqrt(2) * x, out.shape)[~mild] for x in v]
        below = upper_probability(-steep[0], -steep[1], c[~mild])
        out[~mild] = 4 * below - 2 * normal_cdf(steep[0]) - 2 * normal_cdf(steep[1]) + 1
    return out


def _over_angles(v1: Array, v2: Array, c: Array) -> Array:
    if c.size > _CHUNK:
        flat = [x.ravel() for x in (v1, v2, c)]
        parts = [slice(start, start + _CHUNK) for start in range(0, c.size, _CHUNK)]
        found = [_over_angles(flat[0][part], flat[1][part], flat[2][part]) for part in parts]
        return np.concatenate(found).reshape(c.shape)
    nodes, weights = legendre(_NODES)
    end = np.arcsin(c)
    sine = np.sin(end[..., None] * nodes)
    exponent = (v1 * v1 + v2 * v2)[..., None] - 2 * (v1 * v2)[..., None] * sine
    integral: Array = 2 / math.pi * end * (np.exp(-exponent / (1 - sine * sine)) @ weights)
    return integral


def _erf(x: Array) -> Array:
    x = np.asarray(x, np.float64)
    if x.size <= _FEW:
        return np.fromiter(map(math.erf, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)
    from hermite.language.error_function import erf

    return np.asarray(erf(x))
