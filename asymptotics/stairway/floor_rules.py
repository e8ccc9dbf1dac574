"""Rules over (z_U, z_⊥) for the plateaus: f is smooth between their breakpoints, or many points are used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.frames import kink_planes
from asymptotics.expectations.quadrature import REACH, legendre, piecewise_rule, trapezoid_rule
from asymptotics.expectations.sharpness import edges_around, layers_of
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]
Planes = Sequence[tuple[Array, float]]

#: Steps of the trapezoid rule and points of the midpoint rule, by the number of axes.
STEP = {1: 0.1, 2: 0.2, 3: 0.4, 4: 0.6, 5: 0.9, 6: 1.2}
_POINTS = {1: 4000, 2: 600, 3: 90, 4: 32, 5: 14, 6: 9}
#: Weights, relative to the largest, below which a point of a rule is left out.
_NEGLIGIBLE = 1e-19
#: Most coordinates of the points of one rule: there are several copies of them.
_MOST_NUMBERS = 20_000_000


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


def planes_of(f: Target) -> list[tuple[Array, float]] | None:
    """The kinks of f, and the flanks of its layers and bumps: where panels must end. None if a kink is curved."""
    planes = kink_planes(f)
    if planes is None:
        return None
    sharp = [layer for layer in layers_of(f) if layer.place is not None and layer.width < STEP[f.r]]
    flanks = [
        (layer.normal, -edge) for layer in sharp for edge in edges_around(layer.place or 0.0, layer.width)
    ]
    return [*planes, *flanks]


def basis_of(planes: list[tuple[Array, float]] | None, learned: Array, r: int) -> Array:
    """Orthonormal (r, r), first rows spanning U; turned so that a kink's normal lies along two axes at most."""
    basis, k = _completed(learned, r), len(learned)
    if planes and not _along_axes(_turned(planes, basis)):
        normal = planes[0][0]
        basis[:k] = _led_by(basis[:k], normal)
        basis[k:] = _led_by(basis[k:], normal)[::-1]
    return basis


def grid_of(planes: list[tuple[Array, float]] | None, basis: Array, k: int, refine: float) -> Grid:
    """The rule for this basis: its first ``k`` rows span U."""
    r = len(basis)
    if planes is None:
        return _tensor_grid([_midpoints(_even(refine * _POINTS[r]))] * r, k)
    planes = _turned(planes, basis)
    smooth = _symmetric(*trapezoid_rule(STEP[r] / refine))
    if not planes:
        return _tensor_grid([smooth] * r, k)
    if _along_axes(planes):
        return _tensor_grid([_split(b, r, refine) if b else smooth for b in _axis_breaks(planes, r)], k)
    return _nested_grid(planes, r, k, refine)


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


def _tensor(rules: list[tuple[Array, Array]], least: float = 0.0) -> tuple[Array, Array]:
    """The product of the rules, without points whose weights are below ``least`` of the largest."""
    nodes, weights = np.zeros((1, 0)), np.ones(1)
    for x, w in rules:
        _check_points(len(weights) * len(w), len(rules))
        nodes = np.column_stack([np.repeat(nodes, len(x), axis=0), np.tile(x, len(nodes))])
        weights = np.multiply.outer(weights, w).ravel()
        if least:
            # As soon as a corner counts for nothing it is left out: it is never multiplied out.
            kept = weights > least * weights.max()
            nodes, weights = nodes[kept], weights[kept]
    return nodes, weights


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
    smooth = _symmetric(*trapezoid_rule(STEP[r] / refine))
    # Where nothing is learned no symmetry is needed: the corners, most points, count for nothing.
    least = 0.0 if k else _NEGLIGIBLE
    outer, weights = _tensor([_split(b, r, refine) if b else smooth for b in breaks[:-1]], least)
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
