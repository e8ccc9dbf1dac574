"""E[g(m + sζ) ζ^k] for a function g of an activation: element by element, and by tables."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.quadrature import hermite_values, piecewise_rule
from asymptotics.expectations.sigma_rules import Function, Resolved

Array = npt.NDArray[np.float64]

#: Quadrature points in one chunk: 2^21 doubles are 16 MB.
_CHUNK = 1 << 21
#: From this many means on, at one standard deviation, a moment is tabulated once and interpolated.
TABLE_ABOVE = 4000
_TABLE_ERROR = 3e-10


def moments(function: Function, resolved: Resolved, m: Array, s: Array, power: int, finer: int = 0) -> Array:
    """E[g(m + sζ) ζ^power] element by element; ``finer`` adds nodes, to see the error."""
    flat_m, flat_s = m.ravel(), s.ravel()
    out = np.empty(flat_m.shape)
    start, rows = 0, 256
    while start < len(flat_m):
        part = slice(start, start + rows)
        a, b = flat_m[part, None], flat_s[part, None]
        nodes, weights = resolved.rule(a, b, finer)
        weighted = weights * nodes**power if power else weights
        values = np.asarray(function(a + b * nodes), float)
        out[part] = values @ weighted[0] if len(weighted) == 1 else np.sum(values * weighted, axis=1)
        start += rows
        rows = max(1, _CHUNK // nodes.shape[1])
    return out.reshape(m.shape)


def slope_moments(slope: Function, resolved: Resolved, m: Array, s: Array) -> tuple[Array, Array, Array]:
    """E σ'(m + sζ), E[σ'(m + sζ) ζ] and E σ'(m + sζ)², as :func:`moments` has them, σ' worked out once."""
    flat_m, flat_s = m.ravel()[:, None], s.ravel()[:, None]
    out = np.empty((3, len(flat_m)))
    start, rows = 0, 256
    while start < len(flat_m):
        part = slice(start, start + rows)
        nodes, weights = resolved.rule(flat_m[part], flat_s[part])
        values = np.asarray(slope(flat_m[part] + flat_s[part] * nodes), float)
        for row, (g, w) in zip(
            out, ((values, weights), (values, weights * nodes), (np.square(values), weights)), strict=True
        ):
            row[part] = g @ w[0] if len(w) == 1 else np.sum(g * w, axis=1)
        start += rows
        rows = max(1, _CHUNK // nodes.shape[1])
    first, second, square = out.reshape(3, *m.shape)
    return first, second, square


def tabulated(function: Function, resolved: Resolved, m: Array, s: float, power: int) -> Array:
    """:func:`moments` at many means ``m`` (N,): quintic splines through a table that is halved until it agrees with
    the moments between its points to 3e-10 of their size."""
    from scipy.interpolate import make_interp_spline

    low, high = float(m.min()), float(m.max())
    if high - low < 1e-9:
        value = moments(function, resolved, np.array([(low + high) / 2]), np.array([s]), power)
        return np.full(m.shape, value[0])
    smooth = max(s, 0.3) if resolved.step >= 0.2 else max(s, 2e-3)
    points = max(12, math.ceil(16 * (high - low) / smooth) + 1)
    while points < len(m) // 2:
        grid = np.linspace(low, high, points)
        spline = make_interp_spline(
            grid, moments(function, resolved, grid, np.full_like(grid, s), power), k=5
        )
        # Between the points, where the table is least sure, at every third place or thereabouts.
        check = (grid[:-1] + grid[1:])[:: max(1, points // 400)] / 2
        exact = moments(function, resolved, check, np.full_like(check, s), power)
        if np.all(np.abs(spline(check) - exact) <= _TABLE_ERROR * max(float(np.max(np.abs(exact))), 1e-300)):
            values: Array = spline(m)
            return values
        points = 2 * points - 1
    return moments(function, resolved, m, np.full_like(m, s), power)


def projections(function: Function, resolved: Resolved, order: int, bias: float) -> Array:
    """E[g(x + bias) He_k(x)], k = 0..order, by the trapezoid rule or between the panels of g."""
    line = resolved.line(bias, order)
    if line is None:
        edges = resolved.edges(12.0 + abs(bias)) - bias
        line = piecewise_rule(edges.tolist(), panel=1.0 if order <= 60 else 0.5)
    x, w = line
    basis = hermite_values(x, order)
    factors = np.array([math.sqrt(math.factorial(k)) for k in range(order + 1)])
    result: Array = factors * (basis @ (w * np.asarray(function(x + bias), float)))
    return result
