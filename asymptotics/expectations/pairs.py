"""Moments of two correlated neurons: E[σ(h_1) σ(h_2)], E[σ'(h_1) σ'(h_2)], E[σ''(h_1) σ(h_2)].

(h_1, h_2) is Gaussian with means m_1, m_2, standard deviations s_1, s_2 and correlation ρ (|ρ| = 1 allowed).
Three ways, each accurate where it is used:

* continuous piecewise linear σ: closed forms (:mod:`asymptotics.expectations.ramp_pairs`);
* polynomials, and functions without kinks where its tail is small: Mehler's series
  (:mod:`asymptotics.expectations.mehler`);
* other functions: quadrature over h_1, with the conditional moment of h_2 inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.erf_moments import erf_product, erf_slope_product
from asymptotics.expectations.mehler import ORDER, mehler_coefficients, mehler_order, resolves, small_tail
from asymptotics.expectations.ramp_pairs import PairMoments, ramp_moments, ramp_second, ramp_slopes, ramps_of
from asymptotics.expectations.sigma_rules import composite, trapezoid, trapezoid_step

Array = npt.NDArray[np.float64]

_CHUNK = 1 << 21
#: Terms up to which Mehler's series is faster than a quadrature.
_FEW_TERMS = 120


def group_products(activation: Activation, means: Array, s: Array, covariance: Array) -> Array:
    """E[σ(h_g) σ(h_k)] of two different neurons of groups g and k, (G, G); means and spreads (G,), covariance (G, G)."""
    i, j = np.triu_indices(len(s))
    rho = _correlation(covariance[i, j], s[i] * s[j])
    pairs = (means[i], s[i], means[j], s[j], rho)
    if ramps_of(activation) is not None:
        values = ramp_second(activation, *pairs)[0]
    elif activation.gauss_error is not None:
        values = erf_product(*activation.gauss_error, *pairs)
    else:
        largest = float(np.abs(rho).max(initial=0.0))
        F = None if activation.kinks else _value_series(activation, means, s, largest)
        if F is None:
            values = _split_moments(activation, *pairs).second
        else:
            values = np.einsum("nk,nk,nk->n", F[i], F[j], rho[:, None] ** np.arange(F.shape[1]))
    out = np.empty(covariance.shape)
    out[i, j] = out[j, i] = values
    return out


def _value_series(activation: Activation, means: Array, s: Array, rho: float) -> Array | None:
    """Mehler's coefficients of σ (G, K) for correlations up to ``rho``; None where the series would leave too much out."""
    if not resolves(activation, float(s.max())):
        return None
    order = mehler_order(activation, rho)
    F = mehler_coefficients(activation.function, means, s, order)
    # Most series have run until ρ^k < 1e-13, whatever the rest is.
    if activation.pieces is None and order == ORDER and not small_tail(F, activation.squares(means, s), rho):
        return None
    return F


class GramMoments(NamedTuple):
    """Matrices (p, p) over pairs of neurons: E[σ_i σ_j], E[σ'_i σ'_j], E[σ''_i σ_j]."""

    second: Array
    slopes: Array
    curvature: Array


def gram_moments(activation: Activation, means: Array, Q: Array) -> GramMoments:
    """All pair moments of neurons h ~ N(means, Q); means (p,), Q (p, p) positive semidefinite."""
    s = np.sqrt(np.diag(Q))
    i, j = np.triu_indices(len(s))
    rho = _correlation(Q[i, j], s[i] * s[j])
    ramps = ramps_of(activation)
    p = len(s)
    series = None if ramps is not None or activation.kinks else _series(activation, means, s, rho)
    if series is None:
        both = ramp_moments if ramps is not None else _split_moments
        found = both(activation, means[i], s[i], means[j], s[j], rho)
        out = [np.empty((p, p)) for _ in range(3)]
        for matrix, values in zip(out[:2], (found.second, found.slopes), strict=True):
            matrix[i, j] = matrix[j, i] = values
        out[2][i, j], out[2][j, i] = found.forward, found.backward
        return GramMoments(*out)
    F, G, H = series
    correlation = np.eye(p)
    correlation[i, j] = correlation[j, i] = rho
    totals = [np.zeros((p, p)) for _ in range(3)]
    power = np.ones((p, p))
    for n in range(F.shape[1] - 2):
        totals[0] += power * np.outer(F[:, n], F[:, n])
        totals[1] += power * np.outer(G[:, n], G[:, n])
        totals[2] += power * np.outer(H[:, n], F[:, n])
        power = power * correlation
    return GramMoments(*totals)


def _series(activation: Activation, means: Array, s: Array, rho: Array) -> tuple[Array, Array, Array] | None:
    """Mehler's coefficients of σ, σ', σ'' of every neuron (p, K); None where the series would leave too much out."""
    if not resolves(activation, float(s.max())):
        return None
    order = mehler_order(activation, 1.0)
    F = mehler_coefficients(activation.function, means, s, order + 2)
    k = np.arange(order + 1)
    G = F[:, 1:-1] * np.sqrt(k + 1) / s[:, None]
    H = F[:, 2:] * np.sqrt((k + 1) * (k + 2)) / s[:, None] ** 2
    if activation.pieces is None:
        # A neuron and its equal have correlation 1 and count, unless all are different.
        largest = float(np.max(np.abs(rho), initial=0.0))
        energies = (
            (F[:, : order + 1], activation.squares(means, s)),
            (G, activation.slope_squares(means, s)),
        )
        if not all(small_tail(part, energy, largest) for part, energy in energies):
            return None
    return F, G, H


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
    ramps = ramps_of(activation)
    if activation.gauss_error is not None:
        return erf_slope_product(*activation.gauss_error, a, b, c, d, correlation).reshape(shape)
    if ramps is not None:
        return ramp_slopes(ramps, a, b, c, d, correlation)[0].reshape(shape)
    largest = float(np.abs(correlation).max(initial=0.0))
    order = 0 if activation.kinks else mehler_order(activation, largest)
    if activation.kinks or not _slopes_converge(activation, a, b, c, d, largest, order):
        return _split_moments(activation, a, b, c, d, correlation, only_slopes=True).slopes.reshape(shape)
    out = np.empty(len(a))
    rows = max(1, _CHUNK // (order + 1))
    for start in range(0, len(a), rows):
        part = slice(start, start + rows)
        first = mehler_coefficients(activation.slope, a[part], b[part], order)
        second = mehler_coefficients(activation.slope, c[part], d[part], order)
        powers = correlation[part, None] ** np.arange(order + 1)
        out[part] = np.einsum("nk,nk,nk->n", first, second, powers)
    return out.reshape(shape)


def value_product(
    activation: Activation, m1: Array, s1: float, m2: Array, s2: float, rho: float
) -> Array | None:
    """E[σ(h_1) σ(h_2)] at every pair of means (n,): closed forms or Mehler's series; None where neither serves."""
    a, b = np.full(len(m1), s1), np.full(len(m2), s2)
    if ramps_of(activation) is not None:
        return ramp_second(activation, m1, a, m2, b, np.full(len(m1), rho))[0]
    if activation.gauss_error is not None:
        return erf_product(*activation.gauss_error, m1, a, m2, b, np.full(len(m1), rho))
    order = 0 if activation.kinks else mehler_order(activation, abs(rho))
    # Near |ρ| = 1 the quadrature is the faster way.
    if activation.kinks or order > _FEW_TERMS or not resolves(activation, max(s1, s2)):
        return None
    # Below the limit the series has run until ρ^k < 1e-13.
    first = mehler_coefficients(activation.function, m1, a, order)
    second = mehler_coefficients(activation.function, m2, b, order)
    product: Array = (first * second) @ rho ** np.arange(order + 1)
    return product


def slope_product_table(
    activation: Activation, m1: Array, s1: float, m2: Array, s2: float, rho: float
) -> Array | None:
    """E[σ'(h_1) σ'(h_2)] for every m_1 (n,) with every m_2 (k,), shape (n, k); None where no series serves (kinks)."""
    order = 0 if activation.kinks else mehler_order(activation, abs(rho))
    a, b = np.full(len(m1), s1), np.full(len(m2), s2)
    if activation.kinks or not _slopes_converge(activation, m1, a, m2, b, abs(rho), order):
        return None
    first = mehler_coefficients(activation.slope, m1, a, order)
    second = mehler_coefficients(activation.slope, m2, b, order)
    table: Array = (first * rho ** np.arange(order + 1)) @ second.T
    return table


def _slopes_converge(
    activation: Activation, m1: Array, s1: Array, m2: Array, s2: Array, rho: float, order: int
) -> bool:
    """Whether Mehler's series of σ' is good enough, seen at up to 64 of the widest neurons."""
    if activation.pieces is not None:
        return True
    if not resolves(activation, max(float(s1.max(initial=0.0)), float(s2.max(initial=0.0)))):
        return False
    if order < ORDER:
        # The series has run until ρ^k < 1e-13, whatever the rest is.
        return True
    means, spreads = np.concatenate([m1, m2]), np.concatenate([s1, s2])
    some = np.argsort(-spreads, kind="stable")[:: max(1, len(spreads) // 64)][:64]
    probe = mehler_coefficients(activation.slope, means[some], spreads[some], order)
    energy = activation.slope_squares(means[some], spreads[some])
    # Where nearly nothing is, nothing needs to converge.
    counted = energy > 1e-6 * float(energy.max(initial=0.0))
    return small_tail(probe[counted], energy[counted], rho)


def weighted_slope_products(activation: Activation, m: Array, s: Array, rho: Array, weight: Array) -> Array:
    """Σ_x weight(x) E[σ'(h_i) σ'(h_j) | x], shape (p, p): means m (p, N), spreads s (p,), correlations rho
    (p, p).

    Without kinks, one Mehler series a neuron and node serves all pairs.
    """
    p = len(s)
    i, j = np.triu_indices(p)
    out = np.zeros((p, p))
    off = np.abs(rho[~np.eye(p, dtype=bool)])
    largest = float(off.max(initial=0.0))
    order = 0 if activation.kinks else max(mehler_order(activation, largest), 8)
    flat, spreads = m.ravel(), np.repeat(s, m.shape[1])
    closed = activation.kinks or activation.gauss_error is not None
    if closed or not _slopes_converge(activation, flat, spreads, flat, spreads, largest, order):
        product = slope_product(activation, m[i], s[i, None], m[j], s[j, None], rho[i, j][:, None])
        out[i, j] = out[j, i] = product @ weight
        return out
    # The nodes of the widest neuron tell how many terms are needed.
    wide = int(np.argmax(s))
    probe = np.max(
        np.abs(
            mehler_coefficients(activation.slope, m[wide, :64], np.full(64, s[wide])[: m.shape[1]], order)
        ),
        axis=0,
    )
    order = (
        max(8, int(np.flatnonzero(probe > 1e-6 * probe.max(initial=1e-300))[-1]) + 1) if order > 8 else order
    )
    rows = max(1, _CHUNK // (p * (order + 1)))
    for start in range(0, m.shape[1], rows):
        part = m[:, start : start + rows]
        F = mehler_coefficients(activation.slope, part.ravel(), np.repeat(s, part.shape[1]), order)
        F = F.reshape(p, -1, order + 1)
        power = np.ones((p, p))
        for k in range(order + 1):
            out += power * ((F[:, :, k] * weight[start : start + rows]) @ F[:, :, k].T)
            power = power * rho
    # The series is slow where a neuron meets itself; that entry is a moment of one neuron.
    np.fill_diagonal(out, activation.slope_squares(m, s[:, None]) @ weight)
    return out


def _correlation(covariance: Array, scale: Array) -> Array:
    rho: Array = np.clip(covariance / np.maximum(scale, 1e-300), -1.0, 1.0)
    return rho


def _distinct(*values: Array) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Places of one pair of each kind, and the kind of each pair: equal to rounding (2^-50, so that ρ = 1 stays apart)."""
    keys = np.stack([part for value in values for part in np.frexp(value)], axis=1)
    keys[:, ::2] = np.round(keys[:, ::2] * 2.0**50)
    _, first, back = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return first, back.reshape(-1)


def _split_moments(
    activation: Activation,
    m1: Array,
    s1: Array,
    m2: Array,
    s2: Array,
    rho: Array,
    *,
    only_slopes: bool = False,
) -> PairMoments:
    """The moments by quadrature over h_1, once for pairs that are equal; the last three by Stein's lemma."""
    first, back = _distinct(m1, s1, m2, s2, rho)
    if len(first) < len(m1):
        some = (values[first] for values in (m1, s1, m2, s2, rho))
        found = _split_moments(activation, *some, only_slopes=only_slopes)
        return PairMoments(found.second[back], found.slopes[back], found.forward[back], found.backward[back])
    out = [np.zeros(m1.shape) for _ in range(4)]
    rest = np.sqrt(np.clip(1 - rho**2, 0, None))
    rows = max(1, _CHUNK // (64 * 64 * (3 + len(activation.kinks))))
    for start in range(0, len(m1), rows):
        a, b, c, d, r, e = (v[start : start + rows, None] for v in (m1, s1, m2, s2, rho, rest))
        u, weight = composite(_sharp_places(activation, a, b, c, d, r, e), len(a))
        h1, m, s = a + b * u, c + r * d * u, np.broadcast_to(d * e, u.shape)
        slope1 = np.asarray(activation.slope(h1), float) * weight
        slope2 = _at_one_spread(activation.S1, m, s)
        part = slice(start, start + rows)
        out[1][part] = np.sum(slope1 * slope2, axis=1)
        if only_slopes:
            continue
        value1 = np.asarray(activation.function(h1), float) * weight
        value2 = _at_one_spread(activation.mean, m, s)
        out[0][part] = np.sum(value1 * value2, axis=1)
        covariance = (r * b * d)[:, 0]
        # E[σ'_1 σ_2 (h_1 − m_1)] = s_1² E[σ''_1 σ_2] + cov E[σ'_1 σ'_2], and the same with 1 and 2 exchanged.
        first = np.sum(slope1 * value2 * b * u, axis=1)
        out[2][part] = (first - covariance * out[1][part]) / b[:, 0] ** 2
        centred = slope2 * (m - c) + s**2 * _at_one_spread(activation.S2, m, np.maximum(s, 1e-12))
        second = np.sum(value1 * centred, axis=1)
        out[3][part] = (second - covariance * out[1][part]) / d[:, 0] ** 2
    return PairMoments(*out)


def pair_rule(
    activation: Activation, m1: Array, s1: float, m2: Array, s2: float, rho: float
) -> tuple[Array, Array]:
    """Nodes u and weights (N or 1, points) for σ(h_1) times the conditional mean of σ(h_2), h_1 = m_1 + s_1 u.

    ``m1``, ``m2`` (N, 1): one row a pair of means.
    """
    if activation.resolved.step:
        step = trapezoid_step(activation.resolved.step, max(s1, s2))
        if step > 0.04:
            return trapezoid(step)
    ones = np.ones_like(m1)
    rest = math.sqrt(max(0.0, (1 - rho) * (1 + rho)))
    cuts = _sharp_places(activation, m1, s1 * ones, m2, s2 * ones, rho * ones, rest * ones)
    return composite(cuts, len(m1))


def _at_one_spread(moment: Callable[[Array, Array], Array], m: Array, s: Array) -> Array:
    """``moment(m, s)``; where all spreads are equal as one long row, which is tabulated."""
    if s.size and float(s.min()) == float(s.max()):
        return moment(m.reshape(1, -1), s[:1, :1]).reshape(m.shape)
    return moment(m, s)


def _sharp_places(
    activation: Activation, m1: Array, s1: Array, m2: Array, s2: Array, rho: Array, rest: Array
) -> list[Array]:
    """Panel edges for u = (h_1 − m_1)/s_1: those of σ(h_1), and those of the conditional moments of h_2."""
    size = np.where(np.abs(rho) < 1e-8, 1e-8, rho)
    far = [float(np.max(np.abs(m))) + 9.0 * float(np.max(s)) for m, s in ((m1, s1), (m2, s2))]
    edges = activation.resolved.edges(max(far))
    points = []
    for centre, spread in ((m1, s1), (m2, size * s2)):
        low, high = np.min(centre - 9 * np.abs(spread)), np.max(centre + 9 * np.abs(spread))
        points.append((edges[(edges > low) & (edges < high)] - centre) / spread)
    for kappa in activation.kinks:
        centre = (kappa - m2) / (size * s2)
        points.append((kappa - m1) / s1)
        points.append(centre + rest / np.abs(size) * np.array([-9.0, -4.0, -1.5, 0.0, 1.5, 4.0, 9.0]))
    points.append(np.broadcast_to(np.arange(-9.0, 9.1, 1.0), (len(m1), 19)))
    return points
