r"""Plateaus of targets that are no polynomials, by quadrature split at the kinks.

    floor(U, κ) = E f² − Σ_{|β| ≤ κ} E_x[ (E[f h_β(z_⊥) | z_U = x])² ],   h_β orthonormal Hermite polynomials on U⊥.

The outer rule (over x = z_U) and the inner rule (over z_⊥) are chosen so that f is smooth between their breakpoints;
where that is not possible many points are used. ``error`` is what a coarser rule changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.frames import kink_planes
from asymptotics.expectations.known_moments import known_moments
from asymptotics.expectations.quadrature import (
    REACH,
    hermite_values,
    legendre,
    piecewise_rule,
    trapezoid_rule,
)
from asymptotics.expectations.sharpness import edges_around, layers_of
from asymptotics.expectations.target_rule import energy_of
from asymptotics.stairway.expansion_floors import check_size, floors_at_start, knows_energy, proved_spaces
from asymptotics.stairway.visibility import Visible
from hermite.errors import ConvergenceError, InputError
from hermite.target import Target, named_part

Array = npt.NDArray[np.float64]
Planes = Sequence[tuple[Array, float]]

#: Steps of the trapezoid rule and points of the midpoint rule, by the number of axes.
_STEP = {1: 0.1, 2: 0.2, 3: 0.4, 4: 0.6, 5: 0.9, 6: 1.2}
#: Errors relative to E f² that are small enough, and too large; steps are divided by at most _FINEST.
_GOAL, _REFUSED = 1e-8, 0.05
_FINEST = {1: 64.0, 2: 4.0, 3: 1.0, 4: 1.0, 5: 1.0, 6: 1.0}
_POINTS = {1: 4000, 2: 600, 3: 90, 4: 32, 5: 14, 6: 9}
#: Weights, relative to the largest, below which a point of a rule is left out.
_NEGLIGIBLE = 1e-19
#: Most coordinates of the points of one rule: there are several copies of them.
_MOST_NUMBERS = 20_000_000
#: Values of f above this, or all below its inverse, have squares that are no floats.
_LARGEST = 1e150


@dataclass(frozen=True)
class Grid:
    """Outer nodes ``x`` (K, k), weights ``wx`` (K,); inner nodes ``y`` (K or 1, N, r − k), weights ``wy`` (K or 1, N).

    The outer rule is symmetric: ``mirror`` (K,) is the index of −x.
    """

    x: Array
    wx: Array
    y: Array
    wy: Array
    mirror: npt.NDArray[np.intp]


class NumericalFloors:
    """The stairway of any target with E f² < ∞; subspaces are orthonormal rows (k, r) in orthonormal coordinates."""

    exactness = "numerical"
    degree: int | None = None

    def __init__(self, f: Target) -> None:
        # A variable that the expression does not name matters nowhere, and would cost an axis.
        self.variables, (self.f, self.places) = f.r, named_part(f)
        f = self.f
        if f.r > max(_STEP):
            raise InputError(
                f"plateaus of a target that is no polynomial need at most {max(_STEP)} directions, not {f.r}."
            )
        check_size(f)
        self.planes = [] if f.tree is None else _planes_of(f)
        self.error = 0.0
        self.fineness = 1.0
        self._kept: dict[tuple[Any, ...], tuple[Array, Grid, Array]] = {}

    def start(self) -> Array:
        """U_0 = {0}."""
        return np.zeros((0, self.f.r))

    def dim(self, learned: Array) -> int:
        """Its dimension."""
        return len(learned)

    def strings(self, learned: Array) -> list[list[str]]:
        """Row-reduced echelon form in the named variables; entries close to a small fraction are written as one."""
        # A direction Σ x_i e_i is Σ_i v_i w_i with v = x L⁻¹.
        rows = learned @ np.linalg.inv(self.f.cholesky)
        whole = np.zeros((len(rows), self.variables))
        whole[:, list(self.places)] = _reduced(rows)
        return [[_text(x) for x in row] for row in whole]

    def floors(self, learned: Array, kappa: int, visible: Visible) -> list[float]:
        """For κ = 0..``kappa``; never negative; at U = {0} by the exact expansion where it is decided."""
        exact = None if len(learned) else floors_at_start(self.f, kappa, visible)
        if exact is not None:
            return exact
        energy = energy_of(self.f)
        while True:
            fine, coarse = (self._floors(learned, kappa, visible, self.fineness * k) for k in (1.0, 0.75))
            error = max(abs(a - b) for a, b in zip(fine, coarse, strict=True))
            if not len(learned):
                mean, _, square = known_moments(self.f) or (0.0, None, None)
                error = max(error, 0.0 if square is None else abs(fine[0] - (square - mean**2)))
            if error <= _GOAL * energy or 2 * self.fineness > _FINEST[self.f.r]:
                break
            # Steep or narrow: the same rules with smaller steps, for all that follows.
            self.fineness *= 2
        if error > _REFUSED * energy:
            raise ConvergenceError(
                f"the plateaus of {self.f.text!r} are known to {error:.1e} only, of a second moment {energy:.3g}: "
                "its averages need finer rules than there are"
            )
        self.error = max(self.error, error)
        return fine

    def next(self, learned: Array, visible: Visible) -> Array:
        """U + span over x of E[f z_⊥ | z_U = x]: proved, or by the eigenvectors of its second moment above the error."""
        k, r = len(learned), self.f.r
        if k == r:
            return learned
        proved = proved_spaces(self.f) if visible.everything and self.f.tree is not None else None
        if proved is not None:
            return next((space for space in proved if len(space) > k), learned)
        basis, grid, values = self._sampled(learned, self.fineness)
        linear = np.einsum(
            "kn,kn,kni->ki", values, np.broadcast_to(grid.wy, values.shape), _inner_nodes(grid, values)
        )
        moment = _visible_moment(grid, linear, 1, visible)
        size, vectors = np.linalg.eigh(moment)
        total = float(grid.wx @ np.sum(grid.wy * values**2, axis=1))
        share = self.error / total if total else 0.0
        kept = vectors[:, size > max(1e-14, (10 * share) ** 2) * total]
        rows = np.concatenate([learned, kept.T @ basis[k:]])
        return np.linalg.svd(rows, full_matrices=False)[2][: len(rows)] if len(rows) else rows

    def _floors(self, learned: Array, kappa: int, visible: Visible, refine: float) -> list[float]:
        k, r = len(learned), self.f.r
        _, grid, values = self._sampled(learned, refine)
        total = float(grid.wx @ np.sum(grid.wy * values**2, axis=1))
        scale = max(total, 1e-300)
        out: list[float] = []
        weighted = values * grid.wy
        for level in range(kappa + 1):
            for beta in _multi_indices(r - k, level):
                part = np.sum(weighted * _product(grid.y, beta), axis=1)[:, None]
                total -= float(_visible_moment(grid, part, level, visible)[0, 0])
            out.append(total if total > 1e-13 * scale else 0.0)
        return out

    def _sampled(self, learned: Array, refine: float) -> tuple[Array, Grid, Array]:
        """(basis, rule, values of f) at a subspace; those of the last subspace are kept, whatever is asked of them."""
        key = (refine, learned.shape, learned.tobytes())
        if key not in self._kept:
            basis = self._basis(learned)
            grid = self._grid(basis, len(learned), refine)
            self._kept = {k: v for k, v in self._kept.items() if k[1:] == key[1:]}
            self._kept[key] = basis, grid, self._values(grid, basis)
        return self._kept[key]

    def _values(self, grid: Grid, basis: Array) -> Array:
        k, r = grid.x.shape[1], self.f.r
        rows = grid.y.shape[:2]
        inner = (grid.y.reshape(math.prod(rows), r - k) @ basis[k:]).reshape(*rows, r)
        points = (grid.x @ basis[:k])[:, None, :] + inner
        with np.errstate(all="ignore"):
            values = np.asarray(self.f(points.reshape(-1, self.f.r)), float).reshape(points.shape[:2])
        largest = float(np.max(np.abs(values), initial=0.0))
        # Where all values of an expression are 0, they may lie below the floats, or the function far out.
        too_small = largest < 1 / _LARGEST and (largest > 0 or not knows_energy(self.f))
        if largest == 0.0 and too_small:
            raise InputError(
                f"every value of {self.f.text!r} is 0 in floating point, and it is not proved to be 0: scale it."
            )
        if not largest < _LARGEST or too_small:
            raise InputError(
                f"plateaus of {self.f.text!r} need values between {1 / _LARGEST:g} and {_LARGEST:g}, so that their squares "
                "are numbers: scale it."
            )
        return values

    def _basis(self, learned: Array) -> Array:
        """Orthonormal (r, r), first rows spanning U; turned so that a kink's normal lies along two axes at most."""
        basis, k = _completed(learned, self.f.r), len(learned)
        if self.planes and not _along_axes(_turned(self.planes, basis)):
            normal = self.planes[0][0]
            basis[:k] = _led_by(basis[:k], normal)
            basis[k:] = _led_by(basis[k:], normal)[::-1]
        return basis

    def _grid(self, basis: Array, k: int, refine: float) -> Grid:
        """The rule for this basis: its first ``k`` rows span U."""
        r = self.f.r
        if self.planes is None:
            return _tensor_grid([_midpoints(_even(refine * _POINTS[r]))] * r, k)
        planes = _turned(self.planes, basis)
        smooth = _symmetric(*trapezoid_rule(_STEP[r] / refine))
        if not planes:
            return _tensor_grid([smooth] * r, k)
        if _along_axes(planes):
            return _tensor_grid([_split(b, r, refine) if b else smooth for b in _axis_breaks(planes, r)], k)
        return _nested_grid(planes, r, k, refine)


def _planes_of(f: Target) -> list[tuple[Array, float]] | None:
    """The kinks of f, and the flanks of its layers and bumps: where panels must end. None if a kink is curved."""
    planes = kink_planes(f)
    if planes is None:
        return None
    sharp = [layer for layer in layers_of(f) if layer.place is not None and layer.width < _STEP[f.r]]
    flanks = [
        (layer.normal, -edge) for layer in sharp for edge in edges_around(layer.place or 0.0, layer.width)
    ]
    return [*planes, *flanks]


def _even(x: float) -> int:
    return 2 * max(2, round(x / 2))


def _symmetric(x: Array, w: Array) -> tuple[Array, Array]:
    """A symmetric rule made exactly so."""
    return (x - x[::-1]) / 2, (w + w[::-1]) / 2


def _midpoints(points: int) -> tuple[Array, Array]:
    x = (np.arange(points) + 0.5) / points * 16 - 8
    w = np.exp(-0.5 * x**2)
    return _symmetric(x, w / w.sum())


def _along_axes(planes: Planes) -> bool:
    return all(np.sum(np.abs(normal) > 1e-10) == 1 for normal, _ in planes)


def _axis_breaks(planes: Planes, r: int) -> list[list[float]]:
    """Breakpoints on each axis for kinks normal to the axes."""
    breaks: list[list[float]] = [[] for _ in range(r)]
    for normal, offset in planes:
        axis = int(np.argmax(np.abs(normal)))
        breaks[axis].append(float(-offset / normal[axis]))
    return breaks


def _tensor_grid(rules: list[tuple[Array, Array]], k: int) -> Grid:
    _check_points(math.prod(len(x) for x, _ in rules), len(rules))
    x, wx = _tensor(rules[:k])
    y, wy = _tensor(rules[k:])
    return Grid(x, wx, y[None], wy[None], np.arange(len(x))[::-1])


def _check_points(points: int, r: int) -> None:
    """Refuse a rule before it is made, that would take more than about a gigabyte."""
    if points * r > _MOST_NUMBERS:
        raise InputError(
            f"plateaus of such a target in {r} variables would need a rule of {points:,} points, more than "
            f"{_MOST_NUMBERS // r:,}: write it with fewer variables, or with its kinks along the axes."
        )


def _tensor(rules: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    if not rules:
        return np.zeros((1, 0)), np.ones(1)
    grids = np.meshgrid(*[x for x, _ in rules], indexing="ij")
    weights = np.ones(1)
    for _, w in rules:
        weights = np.multiply.outer(weights, w).ravel()
    return np.stack([g.ravel() for g in grids], axis=1), weights


def _split(breaks: Sequence[float], r: int, refine: float) -> tuple[Array, Array]:
    """A symmetric rule split at ``breaks`` and their mirror images."""
    order = max(6, round(refine * (14 if r <= 2 else 10)))
    panel = 1.0 if r <= 2 else 3.0
    return _symmetric(*piecewise_rule([s * t for t in breaks for s in (1, -1)], panel=panel, order=order))


def _nested_grid(planes: Planes, r: int, k: int, refine: float) -> Grid:
    """The last axis is integrated row by row between the kinks; the others, on which what is left is smooth but for
    the crossings of two planes, by the trapezoid rule, or for two directions between those crossings."""
    sloped = [(n, b) for n, b in planes if abs(n[-1]) > 1e-10]
    breaks = _axis_breaks([(n, b) for n, b in planes if abs(n[-1]) <= 1e-10], r)
    if r == 2:
        breaks[0] += _crossings(sloped)
    smooth = _symmetric(*trapezoid_rule(_STEP[r] / refine))
    outer, weights = _tensor([_split(b, r, refine) if b else smooth for b in breaks[:-1]])
    if k == 0:
        # Nothing of its symmetry is needed: the corners, most points, count for nothing.
        kept = weights > _NEGLIGIBLE * weights.max()
        outer, weights = outer[kept], weights[kept]
    order = max(8, round((18 if r <= 2 else 12) * refine))
    _check_points(len(outer) * (int(REACH / 0.75) + len(sloped)) * order, r)
    edges = [np.broadcast_to(np.arange(-REACH, REACH + 0.5, 1.5), (len(outer), int(REACH / 0.75) + 1))]
    edges += [((-b - outer @ n[:-1]) / n[-1])[:, None] for n, b in sloped]
    cuts = np.sort(np.clip(np.concatenate(edges, axis=1), -REACH, REACH), axis=1)
    x, w = legendre(order)
    size = np.diff(cuts, axis=1)
    last = (cuts[:, :-1, None] + size[:, :, None] * x).reshape(len(outer), -1)
    inner = (size[:, :, None] * w).reshape(len(outer), -1) * np.exp(-0.5 * last**2) / math.sqrt(2 * math.pi)
    if k == 0:
        return _one_row(outer, last, weights[:, None] * inner)
    # Outer points run over U first: points that share z_U are consecutive.
    joined = np.concatenate([np.repeat(outer[:, None], last.shape[1], axis=1), last[..., None]], axis=2)
    joint = weights[:, None] * inner
    if k == r:
        flat = joined.reshape(-1, r)
        return Grid(flat, joint.ravel(), np.zeros((1, 1, 0)), np.ones((1, 1)), np.arange(len(flat))[::-1])
    learned, share = _tensor([_split(b, r, refine) if b else smooth for b in breaks[:k]])
    rows = len(learned)
    y = joined[..., k:].reshape(rows, -1, r - k)
    wy = joint.reshape(rows, -1) / share[:, None]
    return Grid(learned, share, y, wy, np.arange(rows)[::-1])


def _one_row(outer: Array, last: Array, joint: Array) -> Grid:
    """The rule where nothing is learned: points whose weights are too small to count are left out (most corners)."""
    row, column = np.nonzero(joint > _NEGLIGIBLE * joint.max())
    y = np.column_stack([outer[row], last[row, column]])
    return Grid(np.zeros((1, 0)), np.ones(1), y[None], joint[row, column][None], np.arange(1))


def _crossings(planes: Planes) -> list[float]:
    """First coordinates of the points where two lines cross."""
    found: list[float] = []
    for i, (n, b) in enumerate(planes):
        for m, c in planes[:i]:
            det = n[0] * m[1] - n[1] * m[0]
            if abs(det) > 1e-10:
                found.append(float((-b * m[1] + c * n[1]) / det))
    return found


def _turned(planes: Planes, basis: Array) -> list[tuple[Array, float]]:
    return [(basis @ normal, offset) for normal, offset in planes]


def _led_by(rows: Array, normal: Array) -> Array:
    """The same span, first row along the projection of ``normal``."""
    shadow = rows @ normal
    if len(rows) < 2 or float(np.linalg.norm(shadow)) < 1e-10:
        return rows
    turn = _completed(shadow[None] / np.linalg.norm(shadow), len(rows))
    led: Array = turn @ rows
    return led


def _inner_nodes(grid: Grid, values: Array) -> Array:
    return np.broadcast_to(grid.y, (*values.shape, grid.y.shape[2]))


def _multi_indices(n: int, degree: int) -> Iterator[tuple[int, ...]]:
    """All β ∈ N^n with |β| = ``degree``."""
    for chosen in combinations_with_replacement(range(n), degree):
        yield tuple(chosen.count(i) for i in range(n))


def _product(y: Array, beta: tuple[int, ...]) -> Array:
    """h_β(y), shape of ``y`` without its last axis."""
    out = np.ones(y.shape[:-1])
    for i, b in enumerate(beta):
        if b:
            out = out * hermite_values(y[..., i], b)[b]
    return out


def _visible_moment(grid: Grid, g: Array, outside: int, visible: Visible) -> Array:
    """E_x[g gᵀ] (m, m) of ``g`` (K, m), restricted to degrees j in x for which j + ``outside`` is visible."""
    if visible.everything:
        full: Array = (grid.wx[:, None] * g).T @ g
        return full
    total = np.zeros((g.shape[1], g.shape[1]))
    for parity in (0, 1):
        part = (g + (-1) ** parity * g[grid.mirror]) / 2
        limit = visible.odd if (parity + outside) % 2 else visible.even
        if math.isinf(limit):
            total += (grid.wx[:, None] * part).T @ part
            continue
        for degree in range(parity, int(limit) - outside + 1, 2):
            for alpha in _multi_indices(grid.x.shape[1], degree):
                coefficient = (grid.wx * _product(grid.x, alpha)) @ part
                total += np.outer(coefficient, coefficient)
    return total


def _completed(learned: Array, r: int) -> Array:
    """Orthonormal (r, r) whose first rows span ``learned``; coordinate axes where they fit."""
    rows = [*learned]
    for axis in np.eye(r):
        rest = axis - sum((row * (row @ axis) for row in rows), start=np.zeros(r))
        size = float(np.linalg.norm(rest))
        if size > 1e-6 and len(rows) < r:
            rest = rest / size
            rest = rest - sum((row * (row @ rest) for row in rows), start=np.zeros(r))
            rows.append(rest / np.linalg.norm(rest))
    return np.array(rows)


def _reduced(rows: Array) -> Array:
    """Reduced row-echelon form with a pivot threshold of 1e-7."""
    m = np.array(rows, float)
    row = 0
    for column in range(m.shape[1] if m.size else 0):
        pivot = row + int(np.argmax(np.abs(m[row:, column]))) if row < len(m) else row
        if row == len(m) or abs(m[pivot, column]) < 1e-7:
            continue
        m[[row, pivot]] = m[[pivot, row]]
        m[row] /= m[row, column]
        for other in range(len(m)):
            if other != row:
                m[other] -= m[other, column] * m[row]
        row += 1
    return m


def _text(x: float) -> str:
    near = Fraction(x).limit_denominator(100)
    return str(near) if abs(float(near) - x) < 1e-7 else f"{x:.9g}"
