r"""Averages over the noise of the local field ω = M + √q ξ of functions of ω, at many means M.

Where M has many values they are computed on a grid and interpolated by six points. The grid's step is √q h/m, with h that of
the rule over ξ: the fields ω of all places and all ξ are then those of one fine line, whose functions are asked for once, and
averages are sums of its shifts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: ω (K, …), and the averages (K, J) of functions of it by a weight of each ξ.
Fields = tuple[Array, Callable[[Array, Array], Array]]

#: Points of the grid a width √q of the noise, at least and at most, and of all κ and ξ together.
_A_WIDTH, _LEAST, _MOST, _MOST_VALUES = 5.0, 61, 250, 1e6
#: Of the likeliest κ; the grid is for those that are likelier.
_COMMON = 1e-3
#: A line: points a width at least, steps of it in one of ξ at most, and points that still save work beside a grid.
_A_WIDTH_OF_LINES, _FINEST, _LONGEST = 12.0, 12, 0.5
#: Of the interpolation by six points.
_POLES = (-120.0, 24.0, -12.0, 12.0, -24.0, 120.0)


def local_fields(M: Array, q: Array, xi: Array, weights: Array) -> Fields:
    """The fields at means (K, J), variances (K,) and nodes ``xi`` of even steps, for κ of these ``weights`` (K,).

    For smooth functions: what a rule misses of a kink alternates on a line.
    """
    low, high = M.min(axis=1, keepdims=True), M.max(axis=1, keepdims=True)
    span = np.maximum(high - low, 1e-12 * np.maximum(np.abs(high), 1e-300))
    root = np.sqrt(q)[:, None]
    common = weights > _COMMON * weights.max()
    noisy = float(q.min()) > 0
    turns = float(np.max(span[common] / root[common])) if noisy else 0.0
    most = min(_MOST, _MOST_VALUES / (len(M) * len(xi)))
    count = int(max(_LEAST, min(_A_WIDTH * turns, most)))
    if M.shape[1] <= len(_POLES):
        return _at(M, root, xi, lambda values: values)
    if noisy:
        widest, h = float(np.max(span / root)), float(xi[1] - xi[0])
        m = math.ceil(_A_WIDTH_OF_LINES * h)
        if widest > 0:
            m = max(m, math.floor(min(_FINEST, _LEAST * h / widest)))
        points = widest * m / h + len(_POLES)
        if points + m * len(xi) < _LONGEST * min(count, M.shape[1]) * len(xi):
            return _on_line(M, low, root, xi, m, math.ceil(points))
    if M.shape[1] <= count:
        return _at(M, root, xi, lambda values: values)
    places = low + span * np.linspace(0.0, 1.0, count)
    return _at(places, root, xi, _interpolation((M - low) / span * (count - 1), count))


def _at(places: Array, root: Array, xi: Array, spread: Callable[[Array], Array]) -> Fields:
    """All places and all ξ."""
    return places[..., None] + root[..., None] * xi, lambda values, w: spread(values @ w)


def _on_line(M: Array, low: Array, root: Array, xi: Array, m: int, count: int) -> Fields:
    """``count`` places of the step √q h/m from ``low`` (K, 1)."""
    step = root * (xi[1] - xi[0]) / m
    omega = low + root * xi[0] + step * np.arange(count + m * (len(xi) - 1))
    spread = _interpolation((M - low) / step, count)

    def mean(values: Array, w: Array) -> Array:
        total = np.zeros((len(M), count))
        for k, share in enumerate(w):
            total += share * values[:, k * m : k * m + count]
        return spread(total)

    return omega, mean


def _interpolation(place: Array, count: int) -> Callable[[Array], Array]:
    """From values at 0 … count − 1 (K, count) to those at ``place`` (K, J)."""
    first = np.clip(place.astype(np.intp) - 2, 0, count - len(_POLES))
    gaps = [place - first - k for k in range(len(_POLES))]
    shares = [math.prod(gaps[:k] + gaps[k + 1 :], start=1 / pole) for k, pole in enumerate(_POLES)]
    flat = first + count * np.arange(len(place))[:, None]

    def spread(values: Array) -> Array:
        values = np.ascontiguousarray(values).ravel()
        return np.asarray(sum(s * values.take(flat + k) for k, s in enumerate(shares)))

    return spread
