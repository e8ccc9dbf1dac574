r"""Class labels of two directions along the rows of a plane: P(y = 1 | x, ·) between the places where it turns.

y = sign(g + √Δ ξ) turns where g crosses 0, with noise where g crosses multiples of √Δ: curves of any shape in the plane. On a
row these are places, found by scanning and bisection, and

    p_j(x) = E_t[m(x, t) h_j(t)],   m = E[y | x, t],   h_j orthonormal Hermite, t ~ N(0, 1)

is a sum of closed forms over the pieces between them (∫ h_j φ = −h_{j−1} φ/√j; Gauss–Legendre where noise blurs). Across rows p_j
is smooth but where a curve is parallel to them: panels are halved there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.caches import remembered
from asymptotics.expectations.frames import kink_functions
from asymptotics.expectations.normal_law import normal_cdf
from asymptotics.expectations.quadrature import hermite_values, legendre
from asymptotics.expectations.row_rule import row_rule
from hermite.target import Target

Array = npt.NDArray[np.float64]
Frame = tuple[tuple[float, float], tuple[float, float]]
States = npt.NDArray[np.int64]

#: Rows and panels end here; what is beyond counts less than 1e-16.
_REACH = 8.5
#: First panels across rows, their nodes; halvings; what is left to a panel, of the whole.
_PANELS, _NODES, _DEEPEST, _TOLERANCE = 18, 8, 26, 2e-8
#: Values of g that are worth computing (some seconds).
_MOST_VALUES = 30_000_000
#: Places of a row that are scanned at first, times this with each halving, at most.
_SCANNED, _FINER, _MOST_SCANNED = 100, 1.25, 1600
#: Between these multiples of √Δ the label of noise is smooth; beyond, it is sure to 1e-10.
_BLURRED = (-6.4, -4.5, -3.0, -1.5, 0.0, 1.5, 3.0, 4.5, 6.4)
#: Panels of a row with noise, and nodes of one.
_ROW_PANELS, _ROW_NODES = 34, 10
#: Halvings of a bracket around a place.
_BISECTIONS = 36
_CHUNK = 400
#: Rows of another direction say the error of the moments.
_OTHER = 0.7


@dataclass(frozen=True, eq=False)
class LabelRows:
    """p_j at Gauss–Legendre nodes of panels across rows: ``edges`` (P, 2), ``values`` (P, nodes, degrees).

    ``error``: of averages of m with smooth functions, absolute.
    """

    edges: Array
    values: Array
    error: float

    def coefficients(self) -> Array:
        """E[p_j(τ) h_i(τ)] (degrees, degrees), first index i, for τ ~ N(0, 1)."""
        degrees = self.values.shape[2]
        gaps = self.edges[:, 1] - self.edges[:, 0]
        x, w = legendre(_NODES)
        tau = self.edges[:, :1] + gaps[:, None] * x
        weights = gaps[:, None] * w * _density(tau)
        found: Array = np.einsum(
            "ipn,pn,pnj->ij", hermite_values(tau, degrees - 1), weights, self.values, optimize=True
        )
        return found

    def on_panels(self, centre: float, width: float, panels: Array, kept: int) -> Array:
        """p_j(centre + width τ) on ``panels`` of τ (edges), projected to ``kept`` Legendre polynomials: (panels, kept, degrees).

        Of the coefficients of √(2k + 1) P_k(2 u − 1), u from 0 to 1 across a panel.
        """
        own = (self.edges[:, 0] - centre) / max(width, 1e-12)
        edges = np.union1d(panels, own[(own > panels[0]) & (own < panels[-1])])
        x, w = legendre(_NODES)
        gaps = np.diff(edges)
        tau = (edges[:-1, None] + gaps[:, None] * x).ravel()
        panel = np.searchsorted(panels, tau, side="right") - 1
        length = np.diff(panels)[panel]
        basis = legendre_values((tau - panels[panel]) / length, kept)
        weighted = basis * ((gaps[:, None] * w).ravel() / length)
        values = self._at(np.clip(centre + width * tau, -_REACH, _REACH))
        starts = np.searchsorted(panel, np.arange(len(panels) - 1))
        found: Array = np.add.reduceat(weighted.T[:, :, None] * values[:, None, :], starts, axis=0)
        return found

    def _at(self, x: Array) -> Array:
        """p_j by interpolation in the panels: (points, degrees)."""
        panel = np.clip(np.searchsorted(self.edges[:, 0], x, side="right") - 1, 0, len(self.edges) - 1)
        low, high = self.edges[panel].T
        nodes, _ = legendre(_NODES)
        gap = ((x - low) / (high - low))[:, None] - nodes
        gap[np.abs(gap) < 1e-14] = 1e-14
        share = _barycentric() / gap
        share /= share.sum(axis=1, keepdims=True)
        out = np.zeros((len(x), self.values.shape[2]))
        for k in range(_NODES):
            out += share[:, k, None] * self.values[panel, k]
        return out


@remembered
def label_rows(f: Target, frame: Frame, degrees: int) -> LabelRows:
    """Rows of ``f``, a target of two directions with class labels: s = x frame[0] + t frame[1], of h_j, j < ``degrees``."""
    row = _Row(f, np.array(frame), degrees)
    x, w = legendre(_NODES)
    edges = np.linspace(-_REACH, _REACH, _PANELS + 1)
    open_ = np.stack([edges[:-1], edges[1:]], axis=1)
    values = row.at(open_, 0)
    closed: list[tuple[Array, Array]] = []
    error = 0.0

    def integrals(panels: Array, found: Array) -> Array:
        gaps = panels[:, 1] - panels[:, 0]
        nodes = panels[:, :1] + gaps[:, None] * x
        share: Array = np.einsum("pn,pnj->pj", gaps[:, None] * w * _density(nodes), found)
        return share

    for depth in range(1, _DEEPEST + 1):
        middle = open_.mean(axis=1)
        halves = np.stack([open_[:, 0], middle, middle, open_[:, 1]], axis=1).reshape(-1, 2)
        finer = row.at(halves, depth)
        both = integrals(halves, finer).reshape(-1, 2, degrees).sum(axis=1)
        missed = np.abs(integrals(open_, values) - both).max(axis=1)
        done = (missed < _TOLERANCE) | (depth == _DEEPEST) | (row.used > _MOST_VALUES)
        error += float(missed[done].sum())
        pick = np.repeat(done, 2)
        closed.append((halves[pick], finer[pick]))
        open_, values = halves[~pick], finer[~pick]
        if not len(open_):
            break
    panels, found = (np.concatenate(part) for part in zip(*closed, strict=True))
    order = np.argsort(panels[:, 0])
    return LabelRows(panels[order], found[order], error)


@dataclass(frozen=True)
class _Watched:
    """A function of points (N, 2) whose ``state`` says between which of its levels a value is."""

    value: Callable[[Array], Array]
    state: Callable[[Array], States]

    def __call__(self, points: Array) -> Array:
        """Its values at points (…, 2)."""
        return np.asarray(self.value(points.reshape(-1, 2)), float).reshape(points.shape[:-1])


@remembered
def class_moments(f: Target) -> tuple[float, Array, Array, float]:
    """E m, E[m s] (r,), E[m s sᵀ] (r, r) of class labels of one or two directions s ~ N(0, I), and their absolute error."""
    if f.r == 1:
        tau, weights = row_rule(f.class_mean, np.zeros(1), 1.0)
        weighted = weights[0] * np.asarray(f.class_mean(tau[0][:, None]), float)
        first, second = weighted @ tau[0], weighted @ tau[0] ** 2
        return float(weighted.sum()), np.array([first]), np.array([[second]]), 0.0
    own, other = (_moments_of_rows(f, angle) for angle in (0.0, _OTHER))
    error = max(float(np.max(np.abs(a - b))) for a, b in zip(own, other, strict=True))
    return float(own[0]), own[1], own[2], error


def _moments_of_rows(f: Target, angle: float) -> tuple[Array, Array, Array]:
    """E m, E[m s], E[m s sᵀ] by rows at ``angle``."""
    frame = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    c = label_rows(f, as_key(frame), 3).coefficients()
    second = np.array(
        [[math.sqrt(2) * c[2, 0] + c[0, 0], c[1, 1]], [c[1, 1], math.sqrt(2) * c[0, 2] + c[0, 0]]]
    )
    return c[0, 0], np.array([c[1, 0], c[0, 1]]) @ frame, frame.T @ second @ frame


def as_key(frame: Array) -> Frame:
    """The rows of a frame (2, 2)."""
    (a, b), (c, d) = frame.tolist()
    return (a, b), (c, d)


class _Row:
    """Averages along rows; ``used`` counts values of g."""

    def __init__(self, f: Target, frame: Array, degrees: int) -> None:
        self.frame, self.degrees, self.used = frame, degrees, 0
        self.root = math.sqrt(f.noise)
        self.label = _Watched(f.function, self._multiples if self.root else _sign)
        kinks = kink_functions(f) if self.root else []
        self.watched = [self.label, *(_Watched(kink, _sign) for kink in kinks)]

    def at(self, panels: Array, depth: int) -> Array:
        """p_j at the nodes of ``panels`` (P, 2): (P, nodes, degrees)."""
        nodes, _ = legendre(_NODES)
        x = (panels[:, :1] + (panels[:, 1:] - panels[:, :1]) * nodes).ravel()
        scanned = min(_MOST_SCANNED, round(_SCANNED * _FINER**depth))
        parts = [self._rows(x[i : i + _CHUNK], scanned) for i in range(0, len(x), _CHUNK)]
        return np.concatenate(parts).reshape(len(panels), _NODES, self.degrees)

    def _rows(self, x: Array, scanned: int) -> Array:
        grid = np.linspace(-_REACH, _REACH, scanned)
        found = [self._crossings(watched, x, grid) for watched in self.watched]
        rows, places = (np.concatenate(part) for part in zip(*found, strict=True))
        edges = _ragged(rows, places, len(x))
        return self._blurred(x, edges) if self.root else self._sure(x, edges)

    def _points(self, x: Array, t: Array) -> Array:
        x, t = np.broadcast_arrays(x, t)
        points: Array = x[..., None] * self.frame[0] + t[..., None] * self.frame[1]
        self.used += x.size
        return points

    def _multiples(self, values: Array) -> States:
        """Between which multiples of √Δ values are."""
        with np.errstate(over="ignore"):
            return np.searchsorted(np.array(_BLURRED), values / self.root).astype(np.int64)

    def _crossings(self, watched: _Watched, x: Array, grid: Array) -> tuple[npt.NDArray[np.intp], Array]:
        """Rows and places where the state changes: one place for every value between those of two neighbours."""
        row, low, high, before, after = self._brackets(watched, x, grid)
        repeats = np.abs(after - before)
        step = np.arange(int(repeats.sum())) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        row, low, high = (np.repeat(part, repeats) for part in (row, low, high))
        rising = np.repeat(after > before, repeats)
        # The state passes the half-integer ``level`` between ``low`` and ``high``.
        level = np.repeat(np.minimum(before, after), repeats) + step + 0.5
        for _ in range(_BISECTIONS if len(row) else 0):
            middle = (low + high) / 2
            beyond = (watched.state(watched(self._points(x[row], middle))) > level) == rising
            low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
        return row, (low + high) / 2

    def _brackets(self, watched: _Watched, x: Array, grid: Array) -> tuple[npt.NDArray[Any], ...]:
        """Rows, two places and their states that differ: neighbours of the grid, and dips between equal neighbours.

        A dip is the vertex of the parabola through three values of which the middle one is nearest to 0.
        """
        values = watched(self._points(x[:, None], grid[None]))
        states = watched.state(values)
        row, left = np.nonzero(np.diff(states, axis=1))
        found = [(row, grid[left], grid[left + 1], states[row, left], states[row, left + 1])]
        size = np.abs(values)
        dips = (size[:, 1:-1] <= size[:, :-2]) & (size[:, 1:-1] <= size[:, 2:])
        dips &= (states[:, 1:-1] == states[:, :-2]) & (states[:, 1:-1] == states[:, 2:])
        row, left = np.nonzero(dips)
        first, second, third = (values[row, left + i] for i in range(3))
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            shift = (first - third) / (2 * (first - 2 * second + third))
        shift = np.where(np.abs(shift) < 1, shift, 0.0)
        place = grid[left + 1] + shift * (grid[1] - grid[0])
        own, around = watched.state(watched(self._points(x[row], place))), states[row, left]
        row, left, place, own, around = (part[own != around] for part in (row, left, place, own, around))
        found.append((row, grid[left], place, around, own))
        found.append((row, place, grid[left + 2], own, around))
        return tuple(np.concatenate(part) for part in zip(*found, strict=True))

    def _sure(self, x: Array, edges: Array) -> Array:
        """Without noise: the sign of each piece times the closed form of its weight."""
        middle = (edges[:, 1:] + edges[:, :-1]) / 2
        signs = np.sign(self.label(self._points(x[:, None], middle)))
        h = hermite_values(edges, max(0, self.degrees - 2)) * _density(edges)
        out = np.empty((len(x), self.degrees))
        mass = np.diff(normal_cdf(edges), axis=1)
        out[:, 0] = np.sum(signs * mass, axis=1)
        for j in range(1, self.degrees):
            out[:, j] = -np.sum(signs * np.diff(h[j - 1], axis=1), axis=1) / math.sqrt(j)
        return out

    def _blurred(self, x: Array, edges: Array) -> Array:
        """With noise: Gauss–Legendre between edges and those of equal panels."""
        even = np.linspace(-_REACH, _REACH, _ROW_PANELS + 1)
        edges = np.sort(
            np.concatenate([edges, np.broadcast_to(even[1:-1], (len(x), len(even) - 2))], axis=1), axis=1
        )
        nodes, w = legendre(_ROW_NODES)
        gaps = np.diff(edges, axis=1)
        t = (edges[:, :-1, None] + gaps[..., None] * nodes).reshape(len(x), -1)
        weights = (gaps[..., None] * w).reshape(len(x), -1) * _density(t)
        row, place = np.nonzero(weights > 1e-18)
        values = self.label(self._points(x[row], t[row, place]))
        mean = np.zeros(t.shape)
        with np.errstate(over="ignore"):
            mean[row, place] = 2 * normal_cdf(values / self.root) - 1
        mean *= weights
        found: Array = np.einsum("jrt,rt->rj", hermite_values(t, self.degrees - 1), mean)
        return found


def _sign(values: Array) -> States:
    return np.sign(values).astype(np.int64)


def _ragged(row: npt.NDArray[np.intp], place: Array, rows: int) -> Array:
    """Places of each row in order, from −reach to reach, filled up at the end with empty pieces: (rows, most + 2)."""
    order = np.lexsort((place, row))
    row, place = row[order], place[order]
    counts = np.bincount(row, minlength=rows)
    column = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    out = np.full((rows, int(counts.max(initial=0)) + 2), _REACH)
    out[:, 0] = -_REACH
    out[row, column + 1] = place
    return out


def _density(x: Array) -> Array:
    density: Array = np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)
    return density


def legendre_values(u: Array, count: int) -> Array:
    """√(2k + 1) P_k(2 u − 1), k < ``count``, orthonormal on [0, 1]: (count, points)."""
    from numpy.polynomial.legendre import legvander

    return np.asarray((legvander(2 * u - 1, count - 1) * np.sqrt(2 * np.arange(count) + 1)).T)


@remembered
def _barycentric() -> Array:
    """Weights of interpolation at the nodes of a panel."""
    x, _ = legendre(_NODES)
    gap = x[:, None] - x
    np.fill_diagonal(gap, 1.0)
    weights: Array = 1 / np.prod(gap, axis=1)
    return weights
