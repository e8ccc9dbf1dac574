"""Gaussian moments of products of functions along lines that are not orthogonal: panels along well-chosen axes.

With x = (⟨d_1, z⟩, …, ⟨d_m, z⟩) ~ N(0, C) along a basis of the directions, H(τ) = E F(x + τ) has the Taylor coefficients
∂^β H(0) = E[F He_β], Σ_β He_β τ^β/β! = e^{τᵀC⁻¹x − τᵀC⁻¹τ/2}. The integrals run over unit-variance axes y, among them every line
with kinks, so that these fall between panels (:mod:`hermite.engines.panels`). Functions of one axis are tables of balls, those of
several and the Gaussian arrays with a proved rounding error (:mod:`hermite.engines.function_tables`).

Each axis is bounded with all other variables real: there q = yᵀPy ≥ y_j², P the inverse of the correlations, and
|e^{−q/2}| grows by e^{P_ii b²/2} where y_i has the imaginary part b. |He_k(y)| ≤ (|y| + √k)^k.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import flint
import numpy as np

from hermite.engines import function_tables as tables
from hermite.engines.composite import is_composite
from hermite.engines.constants import Unsupported
from hermite.engines.correlated_axes import Lines, Setting, independent, setting_of
from hermite.engines.correlated_bounds import Frame
from hermite.engines.panels import Panel, panels, rule
from hermite.engines.series import Index, indices
from hermite.engines.univariate import Univariate
from hermite.exact.atoms import ball_power
from hermite.exact.effort import spend

Array = Any
#: Working precision of the tables along one axis; unit of rounding.
_BITS, _UNIT = 96, 2.0**-53
#: Accuracies that are tried, by dimension; most nodes; nodes that cost one unit of :mod:`hermite.exact.effort`.
_TOLERANCES = {2: (2.0**-44, 2.0**-30, 2.0**-20), 3: (2.0**-32, 2.0**-22, 2.0**-16)}
_MOST_NODES, _A_UNIT = 16_000_000, 100


def taylor(lines: Lines, order: int) -> dict[Index, flint.arb]:
    """∂^β H(0) for |β| ≤ ``order`` along the basis; raises :class:`Unsupported` where it would take too many nodes."""
    basis = independent(lines.covariance)
    if len(basis) > 3:
        raise Unsupported("a product of functions along more than three directions that are not orthogonal")
    try:
        with flint.ctx.workprec(_BITS):
            setting = setting_of(lines, basis)
            moments, error = _moments(setting, order)
            return _derivatives(setting, moments, error, order)
    except (ArithmeticError, ValueError) as why:
        # Numbers too large for the floats of the bounds.
        raise Unsupported(
            f"a product of functions along directions that are not orthogonal ({why})"
        ) from None


def _moments(setting: Setting, order: int) -> tuple[dict[Index, float], float]:
    """E[F Π_i He_{k_i}(y_i)/√k_i!] for |k| ≤ order, and the error of each."""
    for tolerance in _TOLERANCES[setting.m]:
        frame = Frame(setting, order)
        radius, outside = frame.radius(tolerance)
        plans, error = [], outside
        for i in range(setting.m):
            own, missed = panels(
                frame.edges(i, radius),
                partial(frame.bound, i),
                tolerance / (2 * radius) ** (setting.m - 1),
            )
            plans.append(own)
            error += missed * (2 * radius) ** (setting.m - 1)
        nodes = math.prod(sum(p.points for p in plan) for plan in plans)
        if nodes <= _MOST_NODES:
            mixed = sum(own is None for own in setting.own)
            spend(nodes * (1 + 2 * mixed) // _A_UNIT + 10 * sum(len(plan) * 10 for plan in plans))
            return _summed(setting, plans, order, radius, error)
    raise Unsupported(
        "a product of functions along directions that are nearly parallel, or too steep for a certified sum"
    )


def _summed(
    setting: Setting, plans: Sequence[Sequence[Panel]], order: int, radius: float, error: float
) -> tuple[dict[Index, float], float]:
    axes = [_along(setting, i, plan, order) for i, plan in enumerate(plans)]
    rounding = _rounding(setting, axes, radius)
    top = _tops(setting, axes)
    total, size = _contracted(setting, axes, order, top)
    front = float((setting.correlation.det() * (2 * flint.arb.pi()) ** setting.m).rsqrt())
    factor, off = rounding
    # What the Gaussian leaves out beyond its table is below e^−64 of it.
    lost = math.prod((float(axis.size.sum()) for axis in axes), start=2e-28)
    missed = error + front * (float(size) * (factor + off) + lost * top)
    # The breakpoints between panels are floats.
    kinks = sum(len(u.thresholds) for u in setting.lines.functions)
    missed += (
        kinks * 2.0**-48 * radius**setting.m * Frame(setting, order).bound(0, 0.0, 0.0, 0.0) if kinks else 0.0
    )
    return {k: front * float(total[k]) for k in indices(setting.m, order)}, missed


@dataclass(frozen=True)
class _Axis:
    """Nodes (N,), weight times functions times He_k/√k! (order + 1, N), and their absolute error relative to ``size``."""

    nodes: Array
    rows: Array
    size: Array
    error: float


def _along(setting: Setting, i: int, plan: Sequence[Panel], order: int) -> _Axis:
    lines = [
        (u, setting.mixing[at][i])
        for at, (u, own) in enumerate(zip(setting.lines.functions, setting.own, strict=True))
        if own == i
    ]
    nodes, rows, error = [], [], 0.0
    spend(4 * sum(p.points for p in plan) * (order + 2 + 2 * len(lines)))
    for panel in sorted(plan, key=lambda p: p.centre):
        signs = [_sign_on(u, m, panel) for u, m in lines]
        for x, w in rule(panel.points):
            y = flint.arb(panel.centre) + panel.half * x
            value = w * panel.half
            for (u, m), sign in zip(lines, signs, strict=True):
                value *= sign * _value(u, m * y)
            own = [value * h for h in _hermite(y, order)]
            nodes.append(float(y))
            rows.append([float(v) for v in own])
            error = max(error, max(float(v.rad()) for v in own) / (max(abs(float(v)) for v in own) + 1e-300))
    table = np.array(rows).reshape(len(nodes), order + 1)
    return _Axis(np.array(nodes), table, np.abs(table).max(axis=1, initial=0.0) + 1e-30, error + 2 * _UNIT)


def _sign_on(u: Univariate, m: flint.arb, panel: Panel) -> int:
    sign = 1
    for theta in u.thresholds:
        sign *= 1 if float(m) * panel.centre + float(theta) > 0 else -1
    return sign


def _value(u: Univariate, t: flint.arb) -> flint.arb:
    from hermite.engines.composite import complex_value

    out = ball_power(t, u.power)
    for name, c, e, k in u.factors:
        w = c.ball(_BITS) * t + e.ball(_BITS)
        if name == "logcosh":
            own = abs(w) / 2 + (-abs(w)).exp().log1p()
        elif is_composite(name):
            own = complex_value(name, flint.acb(w), False).real
        else:
            own = getattr(w, name)()
        out *= ball_power(own, k)
    return out


def _hermite(y: flint.arb, order: int) -> list[flint.arb]:
    """He_k/√k!, k ≤ order."""
    rows = [flint.arb(1), y]
    for k in range(1, order):
        rows.append((y * rows[k] - flint.arb(k).sqrt() * rows[k - 1]) / flint.arb(k + 1).sqrt())
    return rows[: order + 1]


def _rounding(setting: Setting, axes: Sequence[_Axis], radius: float) -> tuple[float, float]:
    """Errors relative to the sum of the moduli: of the Gaussian and the tables, and of functions of several axes."""
    m = setting.m
    size = sum(abs(float(setting.precision[i, j])) for i in range(m) for j in range(m))
    doubt = sum(float(setting.precision[i, j].rad()) for i in range(m) for j in range(m))
    exponent = (16 * _UNIT * size + doubt) * radius**2
    count = sum(len(axis.nodes) for axis in axes)
    factor = exponent * 1.01 + tables.EXP_ERROR + sum(axis.error for axis in axes) + 2 * count * _UNIT
    off = 0.0
    for at, (u, own) in enumerate(zip(setting.lines.functions, setting.own, strict=True)):
        if own is None:
            reach = sum(abs(float(x)) for x in setting.mixing[at]) * radius
            off += _mixed_error(u, reach)
    return factor, off


def _mixed_error(u: Univariate, reach: float) -> float:
    """Absolute error of u at |t| ≤ reach over its largest modulus (at least 1 for every factor), as far as floats go."""
    off = (u.power + 2) * 16 * _UNIT
    for _, c, e, k in u.factors:
        largest = abs(float(c)) * reach + abs(float(e))
        off += k * (tables.ERROR + 16 * _UNIT * largest * 1.2)
    return off * 1.01


def _top(u: Univariate, reach: float) -> float:
    """A bound, at least 1, of |u| at |t| ≤ reach."""
    out = max(reach, 1.0) ** u.power
    for name, c, e, k in u.factors:
        if name == "logcosh":
            out *= max(1.0, (abs(float(c)) * reach + abs(float(e))) / 2 + 0.7) ** k
    return out


def _tops(setting: Setting, axes: Sequence[_Axis]) -> float:
    """A bound, at least 1, of the functions of several axes on the nodes."""
    radius = max((float(np.abs(axis.nodes).max(initial=0.0)) for axis in axes), default=0.0)
    return math.prod(
        _top(u, sum(abs(float(x)) for x in setting.mixing[at]) * radius)
        for at, u in enumerate(setting.lines.functions)
        if setting.own[at] is None
    )


def _contracted(setting: Setting, axes: Sequence[_Axis], order: int, top: float) -> tuple[Array, float]:
    """(Σ over the nodes for all k, a bound of the sum of moduli); ``top`` bounds the functions of several axes."""
    m = setting.m
    p = [[float(setting.precision[i, j]) for j in range(m)] for i in range(m)]
    mixed = [at for at, own in enumerate(setting.own) if own is None]
    slopes = [[float(x) for x in setting.mixing[at]] for at in mixed]
    functions = [setting.lines.functions[at] for at in mixed]
    first, *others = axes
    total = np.zeros((order + 1,) * m)
    size = 0.0
    last = others[-1].nodes
    step = max(1, 400_000 // max(len(last), 1)) if m == 2 else 1
    for begin in range(0, len(first.nodes), step):
        y = first.nodes[begin : begin + step]
        if m == 2:
            grid: list[Array] = [y[:, None], last[None, :]]
        else:
            grid = [y[0], others[0].nodes[:, None], last[None, :]]
        q = sum(p[i][i] * grid[i] ** 2 for i in range(m)) + 2 * sum(
            p[i][j] * grid[i] * grid[j] for i, j in combinations(range(m), 2)
        )
        kernel = tables.falling(np.maximum(q / 2, 0.0))
        left = first if m == 2 else others[0]
        here = slice(begin, begin + step)
        weights = left.size[here] if m == 2 else left.size
        own = float(weights @ (kernel @ others[-1].size)) * top
        size += own if m == 2 else own * float(first.size[begin])
        for u, slope in zip(functions, slopes, strict=True):
            kernel = kernel * _on_grid(u, sum(s * g for s, g in zip(slope, grid, strict=True)))
        inner = (left.rows[here] if m == 2 else left.rows).T @ (kernel @ others[-1].rows)
        total += inner if m == 2 else first.rows[begin][:, None, None] * inner
    return total, size


def _on_grid(u: Univariate, t: Array) -> Array:
    out = t**u.power if u.power else np.ones_like(t)
    for name, c, e, k in u.factors:
        out = out * tables.values(name, float(c) * t + float(e)) ** k
    return out


def _derivatives(
    setting: Setting, moments: dict[Index, float], error: float, order: int
) -> dict[Index, flint.arb]:
    """∂^β H(0): Σ D_β τ^β/β! = Σ_k N_k a^k/√k! · exp(−Σ_{i<j} ρ_ij a_i a_j), a = P X⁻¹ τ for the basis x = X y."""
    m = setting.m
    rows = flint.arb_mat([list(setting.mixing[at]) for at in setting.basis])
    slope = setting.precision * rows.inv()
    units = [tuple(int(i == j) for j in range(m)) for i in range(m)]
    a = [{units[j]: slope[i, j] for j in range(m)} for i in range(m)]
    powers = []
    for own in a:
        line = [{(0,) * m: flint.arb(1)}]
        for _ in range(order):
            line.append(_multiplied(line[-1], own, order))
        powers.append(line)
    series: dict[Index, flint.arb] = {}
    for k, value in moments.items():
        term = {(0,) * m: flint.arb(value, error)}
        for i, n in enumerate(k):
            if n:
                term = _multiplied(term, powers[i][n], order)
        weight = math.prod((math.factorial(n) for n in k), start=1)
        front = flint.arb(weight).rsqrt()
        for place, c in term.items():
            series[place] = series.get(place, flint.arb(0)) + c * front
    mixed: dict[Index, flint.arb] = {}
    for i, j in combinations(range(m), 2):
        for place, c in _multiplied(a[i], a[j], order).items():
            mixed[place] = mixed.get(place, flint.arb(0)) - setting.correlation[i, j] * c
    step = series
    for n in range(1, order // 2 + 1):
        step = {place: c / n for place, c in _multiplied(step, mixed, order).items()}
        for place, c in step.items():
            series[place] = series.get(place, flint.arb(0)) + c
    return {
        beta: series.get(beta, flint.arb(0)) * math.prod((math.factorial(n) for n in beta), start=1)
        for beta in indices(m, order)
    }


def _multiplied(f: dict[Index, flint.arb], g: dict[Index, flint.arb], order: int) -> dict[Index, flint.arb]:
    out: dict[Index, flint.arb] = {}
    for x, c in f.items():
        for y, d in g.items():
            if sum(x) + sum(y) <= order:
                place = tuple(i + j for i, j in zip(x, y, strict=True))
                out[place] = out.get(place, flint.arb(0)) + c * d
    return out
