"""Moments of two correlated neurons: E[σ(h_1) σ(h_2)], E[σ'(h_1) σ'(h_2)], E[σ''(h_1) σ(h_2)].

(h_1, h_2) is Gaussian with means m_1, m_2, standard deviations s_1, s_2 and correlation ρ (|ρ| = 1 allowed).
Three ways, each accurate where it is used:

* continuous piecewise linear σ = α + βx + Σ_k a_k relu(x − κ_k): closed form in the bivariate normal
  probability P(h_1 > κ, h_2 > κ') (Owen's T function) and truncated bivariate moments (Rosenbaum 1961);
* polynomials and functions without kinks: Mehler's series Σ_k ρ^k F_k G_k with F_k = E[F(m + sζ)
  He_k(ζ)]/√k!;
* other functions with kinks: quadrature over h_1, with the conditional moment of h_2 inside.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.piecewise import normal_density
from asymptotics.expectations.quadrature import hermite_values, legendre, trapezoid_rule

Array = npt.NDArray[np.float64]

_ORDER = 200
_CHUNK = 1 << 21


class GramMoments(NamedTuple):
    """Matrices (p, p) over pairs of neurons: E[σ_i σ_j], E[σ'_i σ'_j], E[σ''_i σ_j]."""

    second: Array
    slopes: Array
    curvature: Array


class _Ramps(NamedTuple):
    """σ(x) = intercept + slope x + Σ_k jumps_k relu(x − kinks_k)."""

    intercept: float
    slope: float
    kinks: tuple[float, ...]
    jumps: tuple[float, ...]


def gram_moments(activation: Activation, means: Array, Q: Array) -> GramMoments:
    """All pair moments of neurons h ~ N(means, Q); means (p,), Q (p, p) positive semidefinite."""
    s = np.sqrt(np.diag(Q))
    i, j = np.triu_indices(len(s))
    rho = _correlation(Q[i, j], s[i] * s[j])
    ramps = _ramps(activation)
    p = len(s)
    if ramps is not None or activation.kinks:
        both = _ramp_moments if ramps is not None else _split_moments
        second, slopes, forward, backward = both(activation, means[i], s[i], means[j], s[j], rho)
        out = [np.empty((p, p)) for _ in range(3)]
        for matrix, values in zip(out[:2], (second, slopes), strict=True):
            matrix[i, j] = matrix[j, i] = values
        out[2][i, j], out[2][j, i] = forward, backward
        return GramMoments(*out)
    order = _mehler_order(activation, 1.0)
    F = _mehler_coefficients(activation.function, means, s, order + 2)
    k = np.arange(order + 1)
    G = F[:, 1:-1] * np.sqrt(k + 1) / s[:, None]
    H = F[:, 2:] * np.sqrt((k + 1) * (k + 2)) / s[:, None] ** 2
    correlation = np.eye(p)
    correlation[i, j] = correlation[j, i] = rho
    totals = [np.zeros((p, p)) for _ in range(3)]
    power = np.ones((p, p))
    for n in k:
        totals[0] += power * np.outer(F[:, n], F[:, n])
        totals[1] += power * np.outer(G[:, n], G[:, n])
        totals[2] += power * np.outer(H[:, n], F[:, n])
        power = power * correlation
    return GramMoments(*totals)


def slope_product(
    activation: Activation,
    m1: npt.ArrayLike,
    s1: npt.ArrayLike,
    m2: npt.ArrayLike,
    s2: npt.ArrayLike,
    rho: npt.ArrayLike,
) -> Array:
    """E[σ'(h_1) σ'(h_2)] element by element, for arrays that broadcast."""
    arrays = np.broadcast_arrays(*(np.asarray(a, float) for a in (m1, s1, m2, s2, rho)))
    shape = arrays[0].shape
    a, b, c, d, correlation = (x.ravel() for x in arrays)
    ramps = _ramps(activation)
    if activation.gauss_error is not None:
        return _erf_slopes(*activation.gauss_error, a, b, c, d, correlation).reshape(shape)
    if ramps is not None:
        return _ramp_slopes(ramps, a, b, c, d, correlation)[0].reshape(shape)
    if activation.kinks:
        return _split_moments(activation, a, b, c, d, correlation, only_slopes=True)[1].reshape(shape)
    order = _mehler_order(activation, float(np.abs(correlation).max(initial=0.0)))
    out = np.empty(len(a))
    rows = max(1, _CHUNK // (order + 1))
    for start in range(0, len(a), rows):
        part = slice(start, start + rows)
        first = _mehler_coefficients(activation.slope, a[part], b[part], order)
        second = _mehler_coefficients(activation.slope, c[part], d[part], order)
        powers = correlation[part, None] ** np.arange(order + 1)
        out[part] = np.einsum("nk,nk,nk->n", first, second, powers)
    return out.reshape(shape)


def slope_product_table(
    activation: Activation, m1: Array, s1: float, m2: Array, s2: float, rho: float
) -> Array:
    """E[σ'(h_1) σ'(h_2)] for every m_1 (n,) with every m_2 (k,), shape (n, k); σ without kinks."""
    order = _mehler_order(activation, abs(rho))
    first = _mehler_coefficients(activation.slope, m1, np.full(len(m1), s1), order)
    second = _mehler_coefficients(activation.slope, m2, np.full(len(m2), s2), order)
    table: Array = (first * rho ** np.arange(order + 1)) @ second.T
    return table


def weighted_slope_products(activation: Activation, m: Array, s: Array, rho: Array, weight: Array) -> Array:
    """Σ_x weight(x) E[σ'(h_i) σ'(h_j) | x], shape (p, p): means m (p, N), spreads s (p,), correlations rho
    (p, p).

    Without kinks, one Mehler series a neuron and node serves all pairs.
    """
    p = len(s)
    i, j = np.triu_indices(p)
    out = np.zeros((p, p))
    if activation.kinks or activation.gauss_error is not None:
        product = slope_product(activation, m[i], s[i, None], m[j], s[j, None], rho[i, j][:, None])
        out[i, j] = out[j, i] = product @ weight
        return out
    off = np.abs(rho[~np.eye(p, dtype=bool)])
    order = max(_mehler_order(activation, float(off.max(initial=0.0))), 8)
    # The nodes of the widest neuron tell how many terms are needed.
    wide = int(np.argmax(s))
    probe = np.max(
        np.abs(
            _mehler_coefficients(activation.slope, m[wide, :64], np.full(64, s[wide])[: m.shape[1]], order)
        ),
        axis=0,
    )
    order = (
        max(8, int(np.flatnonzero(probe > 1e-6 * probe.max(initial=1e-300))[-1]) + 1) if order > 8 else order
    )
    rows = max(1, _CHUNK // (p * (order + 1)))
    for start in range(0, m.shape[1], rows):
        part = m[:, start : start + rows]
        F = _mehler_coefficients(activation.slope, part.ravel(), np.repeat(s, part.shape[1]), order)
        F = F.reshape(p, -1, order + 1)
        power = np.ones((p, p))
        for k in range(order + 1):
            out += power * ((F[:, :, k] * weight[start : start + rows]) @ F[:, :, k].T)
            power = power * rho
    # The series is slow where a neuron meets itself; that entry is a moment of one neuron.
    np.fill_diagonal(out, activation.slope_squares(m, s[:, None]) @ weight)
    return out


def _erf_slopes(kappa: float, shift: float, m1: Array, s1: Array, m2: Array, s2: Array, rho: Array) -> Array:
    """E[σ'(h_1) σ'(h_2)] of erf(κx + b): the Gaussian integral of exp(−u_1² − u_2²)."""
    u1, u2 = kappa * m1 + shift, kappa * m2 + shift
    a, c, b = 1 + 2 * (kappa * s1) ** 2, 2 * kappa**2 * rho * s1 * s2, 1 + 2 * (kappa * s2) ** 2
    determinant = a * b - c**2
    exponent = -(b * u1**2 - 2 * c * u1 * u2 + a * u2**2) / determinant
    product: Array = 4 * kappa**2 / math.pi / np.sqrt(determinant) * np.exp(exponent)
    return product


def _correlation(covariance: Array, scale: Array) -> Array:
    rho: Array = np.clip(covariance / np.maximum(scale, 1e-300), -1.0, 1.0)
    return rho


# ---- piecewise linear ----------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _ramps(activation: Activation) -> _Ramps | None:
    """The ramps of a continuous piecewise linear activation with at least one kink, else None."""
    pieces = activation.pieces
    if pieces is None or pieces.degree > 1 or not pieces.kinks:
        return None
    full = [(*piece, 0.0)[:2] for piece in pieces.pieces]
    for kink, left, right in zip(pieces.kinks, full[:-1], full[1:], strict=True):
        if abs(left[0] + left[1] * kink - right[0] - right[1] * kink) > 1e-12 * (1 + abs(right[0])):
            return None
    jumps = tuple(right[1] - left[1] for left, right in pairwise(full))
    return _Ramps(full[0][0], full[0][1], pieces.kinks, jumps)


def _ramp_slopes(
    ramps: _Ramps, m1: Array, s1: Array, m2: Array, s2: Array, rho: Array
) -> tuple[Array, Array]:
    """(E[σ'σ'], Σ_kl a_k a_l E[relu_k relu_l])."""
    from scipy.special import ndtr

    slopes = np.full(m1.shape, ramps.slope**2)
    second = np.zeros(m1.shape)
    rest = np.sqrt(np.clip(1 - rho**2, 0, None))
    safe = np.maximum(rest, 1e-150)
    for kappa, a in zip(ramps.kinks, ramps.jumps, strict=True):
        h = (kappa - m1) / s1
        slopes = slopes + ramps.slope * a * (ndtr(-h) + ndtr((m2 - kappa) / s2))
        for other, b in zip(ramps.kinks, ramps.jumps, strict=True):
            k = (other - m2) / s2
            above = upper_probability(h, k, rho)
            slopes = slopes + a * b * above
            # E[(X−h)+ (Y−k)+] for a standard pair, from the truncated bivariate moments.
            joint = np.exp(-0.5 * (h**2 + ((k - rho * h) / safe) ** 2)) * rest / (2 * math.pi)
            ramp = (
                (rho + h * k) * above
                - k * normal_density(h) * ndtr((rho * h - k) / safe)
                - h * normal_density(k) * ndtr((rho * k - h) / safe)
                + joint
            )
            second = second + a * b * s1 * s2 * ramp
    return slopes, second


def _ramp_moments(
    activation: Activation, m1: Array, s1: Array, m2: Array, s2: Array, rho: Array
) -> tuple[Array, Array, Array, Array]:
    """(E[σσ], E[σ'σ'], E[σ''_1 σ_2], E[σ_1 σ''_2]) of a continuous piecewise linear activation."""
    ramps = _ramps(activation)
    assert ramps is not None
    slopes, kinked = _ramp_slopes(ramps, m1, s1, m2, s2, rho)
    line1, line2 = ramps.intercept + ramps.slope * m1, ramps.intercept + ramps.slope * m2
    value1, value2 = activation.mean(m1, s1), activation.mean(m2, s2)
    covariance = rho * s1 * s2
    second = (
        kinked
        + line1 * value2
        + ramps.slope * covariance * activation.S1(m2, s2)
        + line2 * (value1 - line1)
        + ramps.slope * covariance * (activation.S1(m1, s1) - ramps.slope)
    )
    rest = np.sqrt(np.clip(1 - rho**2, 0, None))
    forward, backward = np.zeros(m1.shape), np.zeros(m1.shape)
    for kappa, a in zip(ramps.kinks, ramps.jumps, strict=True):
        h, k = (kappa - m1) / s1, (kappa - m2) / s2
        forward = forward + a * normal_density(h) / s1 * activation.mean(m2 + rho * s2 * h, s2 * rest)
        backward = backward + a * normal_density(k) / s2 * activation.mean(m1 + rho * s1 * k, s1 * rest)
    return second, slopes, forward, backward


def upper_probability(h: Array, k: Array, rho: Array) -> Array:
    """P(X > h, Y > k) for standard normals of correlation ρ, by Owen's T function."""
    from scipy.special import ndtr, owens_t

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
    general = 0.5 * (ndtr(-h) + ndtr(-k)) - term(h, k) - term(k, h) - np.where(opposite, 0.5, 0.0)
    centred = 0.25 + np.arcsin(np.clip(rho, -1, 1)) / (2 * math.pi)
    result: Array = np.clip(np.where((h == 0) & (k == 0), centred, general), 0.0, 1.0)
    return result


# ---- Mehler's series -----------------------------------------------------------------------------


def _mehler_order(activation: Activation, rho: float) -> int:
    """Terms of the series: the degree of a polynomial, else until ρ^k < 1e-13 or 200."""
    if activation.pieces is not None:
        return activation.pieces.degree
    if rho > 1 - 1e-6:
        return _ORDER
    return min(_ORDER, max(8, math.ceil(-30 / math.log(max(rho, 1e-9)))))


@lru_cache(maxsize=8)
def _mehler_basis(order: int) -> tuple[Array, Array]:
    nodes, weights = trapezoid_rule(0.05, 12.0)
    return nodes, (hermite_values(nodes, order) * weights).T.copy()


def _mehler_coefficients(function: object, m: Array, s: Array, order: int) -> Array:
    """E[F(m + sζ) He_k(ζ)]/√k!, shape (len(m), order + 1)."""
    assert callable(function)
    nodes, basis = _mehler_basis(order)
    out = np.empty((len(m), order + 1))
    rows = max(1, _CHUNK // len(nodes))
    for start in range(0, len(m), rows):
        part = slice(start, start + rows)
        out[part] = np.asarray(function(m[part, None] + s[part, None] * nodes)) @ basis
    return out


# ---- other kinked functions ----------------------------------------------------------------------


def _split_moments(
    activation: Activation,
    m1: Array,
    s1: Array,
    m2: Array,
    s2: Array,
    rho: Array,
    *,
    only_slopes: bool = False,
) -> tuple[Array, Array, Array, Array]:
    """(E[σσ], E[σ'σ'], E[σ''_1 σ_2], E[σ_1 σ''_2]) by quadrature over h_1; the last three by Stein's lemma."""
    out = [np.zeros(m1.shape) for _ in range(4)]
    rest = np.sqrt(np.clip(1 - rho**2, 0, None))
    x, w = legendre(12)
    edges_count = 19 + 8 * len(activation.kinks)
    rows = max(1, _CHUNK // (edges_count * 12 * 64))
    for start in range(0, len(m1), rows):
        a, b, c, d, r, e = (v[start : start + rows, None] for v in (m1, s1, m2, s2, rho, rest))
        edges = _graded_edges(activation.kinks, a, b, c, d, r, e)
        width = np.diff(edges, axis=1)
        u = (edges[:, :-1, None] + width[:, :, None] * x).reshape(len(a), -1)
        weight = (width[:, :, None] * w).reshape(len(a), -1) * normal_density(u)
        h1, m, s = a + b * u, c + r * d * u, np.broadcast_to(d * e, u.shape)
        slope1 = np.asarray(activation.slope(h1), float) * weight
        slope2 = activation.S1(m, s)
        part = slice(start, start + rows)
        out[1][part] = np.sum(slope1 * slope2, axis=1)
        if only_slopes:
            continue
        value1 = np.asarray(activation.function(h1), float) * weight
        value2 = activation.mean(m, s)
        out[0][part] = np.sum(value1 * value2, axis=1)
        covariance = (r * b * d)[:, 0]
        # E[σ'_1 σ_2 (h_1 − m_1)] = s_1² E[σ''_1 σ_2] + cov E[σ'_1 σ'_2], and the same with 1 and 2 exchanged.
        first = np.sum(slope1 * value2 * b * u, axis=1)
        out[2][part] = (first - covariance * out[1][part]) / b[:, 0] ** 2
        centred = slope2 * (m - c) + s**2 * activation.S2(m, np.maximum(s, 1e-12))
        second = np.sum(value1 * centred, axis=1)
        out[3][part] = (second - covariance * out[1][part]) / d[:, 0] ** 2
    return out[0], out[1], out[2], out[3]


def _graded_edges(
    kinks: tuple[float, ...], m1: Array, s1: Array, m2: Array, s2: Array, rho: Array, rest: Array
) -> Array:
    """Panel edges for u = (h_1 − m_1)/s_1, refined where the conditional moment of h_2 turns sharply."""
    size = np.where(np.abs(rho) < 1e-8, 1e-8, rho)
    points = [np.broadcast_to(np.linspace(-9, 9, 19), (len(m1), 19))]
    for kappa in kinks:
        centre = (kappa - m2) / (size * s2)
        points.append((kappa - m1) / s1)
        points.append(centre + rest / np.abs(size) * np.array([-9.0, -4.0, -1.5, 0.0, 1.5, 4.0, 9.0]))
    edges: Array = np.sort(np.clip(np.concatenate(points, axis=1), -9, 9), axis=1)
    return edges
