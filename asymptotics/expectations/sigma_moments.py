"""E[g(m + sζ) ζ^k] for a function g of an activation: element by element, by tables, and the closed forms of erf."""

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
    """E[g(x + bias) He_k(x)], k = 0..order, between the panels of g."""
    edges = resolved.edges(12.0 + abs(bias)) - bias
    x, w = piecewise_rule(edges.tolist(), panel=1.0 if order <= 60 else 0.5)
    basis = hermite_values(x, order)
    factors = np.array([math.sqrt(math.factorial(k)) for k in range(order + 1)])
    result: Array = factors * (basis @ (w * np.asarray(function(x + bias), float)))
    return result


def erf_moment(m: Array, s: Array, kind: str, power: int, kappa: float, shift: float) -> Array | None:
    """Closed moments of erf(κx + b); None where there is none (E σ²)."""
    from scipy.special import erf

    u = kappa * m + shift
    width = 1 + 2 * (kappa * s) ** 2
    if kind == "value" and power == 0:
        value: Array = erf(u / np.sqrt(width))
        return value
    slope: Array = 2 * kappa / np.sqrt(np.pi * width) * np.exp(-(u**2) / width)
    if kind == "value":
        return s * slope
    if kind == "slope" and power == 0:
        return slope
    if kind == "slope":
        return -2 * kappa * u / width * slope * s
    if kind == "slope square":
        wide = 1 + 4 * (kappa * s) ** 2
        squared: Array = 4 * kappa**2 / (np.pi * np.sqrt(wide)) * np.exp(-2 * u**2 / wide)
        return squared
    return None


def erf_slope_averages(m: Array, s: Array, kappa: float, shift: float) -> tuple[Array, Array, Array]:
    """E σ', E σ'' and E σ'² of erf(κx + b), as :func:`erf_moment` has them."""
    slope = erf_moment(m, s, "slope", 0, kappa, shift)
    squared = erf_moment(m, s, "slope square", 0, kappa, shift)
    assert slope is not None
    assert squared is not None
    bent: Array = (-2 * kappa / (1 + 2 * (kappa * s) ** 2)) * (kappa * m + shift) * slope
    return slope, bent, squared
