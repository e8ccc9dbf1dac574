"""Hermite coefficients of any expression in one, two or three variables, by cells with a proved error.

E[F(x) Π He_{α_i}(x_i)/√α_i!] over a box is cut into cells. On a cell where F is analytic a product of Gauss–Legendre rules
of N points misses at most Σ_a (64/15) w_a M_a ρ^{−2(N−1)}/(1 − ρ^{−2}), M_a a bound on the ellipse of parameter ρ along axis a,
all other variables real (Trefethen 2008, theorem 4.5); bounds come from discs (:mod:`hermite.engines.discs`). A cell that a
kink or jump crosses takes the middle of the range of F, with half the range as its error. The worst cells are halved until the
sum of the errors is small, or the work is done. Beyond the box |F| ≤ C (1 + |x|)^D.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hermite.engines.constants import Unsupported
from hermite.engines.discs import ROUNDING, Array, Disc, Sides, hermite_tops, values
from hermite.engines.panels import rule
from hermite.engines.ranges import growth
from hermite.exact.effort import spend
from hermite.language import nodes as ex

#: Points of the rules that a cell may take, the parameters of the ellipses that bound them.
_RULES, _RATIOS = (3, 4, 6, 8, 10, 16), (1.4, 2.0, 3.0, 5.0, 9.0)
#: Error that is aimed at, relative to the root mean square of F; most cells, by dimension; most values of F and its parts. Where
#: these would be more, larger errors are borne.
_SLACK = tuple(4.0**k for k in range(20))
_WANTED, _CELLS, _MOST_VALUES = {1: 1e-11, 2: 1e-11, 3: 1e-4}, {1: 12_000, 2: 24_000, 3: 40_000}, 20_000_000
#: Values of F, or bounds, and entries of the table of one cell, for one unit of :mod:`hermite.exact.effort`; values that are
#: taken together.
_A_UNIT, _SUMS_A_UNIT, _BATCH = 8, 100, 100_000
#: Error of the Gaussian, the Hermite polynomials and the weights at a node, relative to their bounds.
_NODE_ERROR = 1e-13


#: Of axes along which F is even (1) or odd (−1).
Mirrors = Mapping[int, int]


@dataclass(frozen=True)
class Moments:
    """E[F Π He_{α_i}/√α_i!] for α_i ≤ order (an array of m axes), each to ``error``; ``size``: the root mean square of F."""

    table: Array
    error: float
    size: float


@dataclass(frozen=True)
class _Cells:
    """Boxes (n, m) and what is known of F on each: range, sides, the error of every rule; 0 points: the middle of the range."""

    centre: Array
    half: Array
    middle: Array
    sides: dict[object, NDArray[np.int8]]
    errors: Array
    longest: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.centre)

    @property
    def best(self) -> Array:
        return np.asarray(self.errors.min(axis=1))

    def take(self, which: NDArray[np.bool_]) -> _Cells:
        return _Cells(
            self.centre[which],
            self.half[which],
            self.middle[which],
            {key: own[which] for key, own in self.sides.items()},
            self.errors[which],
            self.longest[which],
        )


def moments(tree: ex.Expression, m: int, order: int, mirrors: Mirrors | None = None) -> Moments:
    """The moments of F = ``tree`` in m standard normal variables; raises :class:`Unsupported` where nothing is proved.

    ``mirrors``: {axis: ±1} where F(…, −x, …) = ± F(…, x, …) is proved: half of that axis is summed.
    """
    front, degree = growth(tree)
    if front == 0:
        raise Unsupported("a part that vanishes everywhere and is not written as 0")
    # Bounds far out may overflow, densities vanish: inf and 0 say so.
    with np.errstate(all="ignore"):
        return _within(tree, m, order, front, degree, mirrors or {})


def _within(tree: ex.Expression, m: int, order: int, front: float, degree: int, mirrors: Mirrors) -> Moments:
    top = _Growth(front, degree)
    size = _size(tree, m, top) or front
    radius, tail = _box(front, degree, m, size)
    # Errors are those of a part that stands for 2^(number of mirrors) of them.
    share = 2.0 ** -len(mirrors)
    cells = _cut(tree, _grid(radius, m, mirrors), order, share * size, top)
    own = _summed(tree, cells, order, share * tail, share * size)
    table = own.table / share
    for axis, sign in mirrors.items():
        # He_k of the other parity: the two halves cancel.
        np.moveaxis(table, axis, 0)[(1 if sign > 0 else 0) :: 2] = 0.0
    return Moments(table, own.error / share, own.size / math.sqrt(share))


@dataclass(frozen=True)
class _Growth:
    """|F(x)| ≤ front (1 + |x|)^degree."""

    front: float
    degree: int

    def within(self, own: Disc, centre: Array, half: Array) -> Disc:
        """Ranges of F on real cells, (middle, half their length), no wider than this."""
        middle, reach = own
        top = self.front * (1 + np.sqrt(np.sum((np.abs(centre) + half) ** 2, axis=1))) ** self.degree
        high, low = np.minimum(middle + reach, top), np.maximum(middle - reach, -top)
        cut = (middle + reach > top) | (middle - reach < -top)
        return np.where(cut, (high + low) / 2, middle), np.where(
            cut, (high - low) / 2 + top * ROUNDING, reach
        )


def _size(tree: ex.Expression, m: int, top: _Growth) -> float:
    """The root mean square of F, roughly: from the middles of its ranges on small cells."""
    centre, half = (own / 2 for own in _grid(12.0, m, {}))
    ranges = values(tree, [(centre[:, i], half[:, i]) for i in range(m)], {}, real=True)
    middle, _ = top.within(ranges, centre, half)
    share = (special.ndtr(centre + half) - special.ndtr(centre - half)).prod(axis=1)
    found = math.sqrt(float(np.sum(share * middle**2)))
    return found if math.isfinite(found) else 0.0


def _box(front: float, degree: int, m: int, size: float) -> tuple[float, float]:
    """(R, a bound of E[|F He_α| outside |x| ≤ R]), by Cauchy–Schwarz, (1 + x)^p e^{−x²/4} falling beyond R."""
    p = 2 * degree + m - 1
    for radius in range(6, 80):
        if p / (1 + radius) <= radius / 2:
            log_tail = p * math.log1p(radius) - radius**2 / 2 + math.log(2 / radius)
            if log_tail / 2 + math.log(front) < math.log(_WANTED[m]) + math.log(size) - 4:
                return float(radius), front * math.exp(log_tail / 2)
    raise Unsupported("a function that grows too fast for a certified sum")


def _grid(radius: float, m: int, mirrors: Mirrors) -> tuple[Array, Array]:
    """Unit cells of the box, of which half is left where an axis has a mirror."""
    lines = [np.arange(0.5 if axis in mirrors else -radius + 0.5, radius) for axis in range(m)]
    centre = np.array(list(product(*lines)))
    return centre, np.full_like(centre, 0.5)


def _cut(tree: ex.Expression, boxes: tuple[Array, Array], order: int, size: float, top: _Growth) -> _Cells:
    """Cells whose errors sum to what is wanted, as far as the work goes: the worst are halved first."""
    found = _studied(tree, *boxes, order, top)
    m = found.centre.shape[1]
    while True:
        best = found.best
        total, worst = float(best.sum()), float(best.max())
        if total <= _WANTED[m] * size or len(found) > _CELLS[m]:
            return found
        split = best > min(worst / 16, _WANTED[m] * size) if not math.isfinite(worst) else best > worst / 16
        split &= best > _WANTED[m] * size / (4 * len(found))
        parts = found.take(split)
        halves = _halved(parts.centre, parts.half, parts.longest)
        found = _joined(found.take(~split), _studied(tree, *halves, order, top))


def _halved(centre: Array, half: Array, axis: NDArray[np.intp]) -> tuple[Array, Array]:
    rows = np.arange(len(centre))
    smaller = half.copy()
    smaller[rows, axis] /= 2
    step = np.zeros_like(centre)
    step[rows, axis] = smaller[rows, axis]
    return np.concatenate([centre - step, centre + step]), np.concatenate([smaller, smaller])


def _joined(a: _Cells, b: _Cells) -> _Cells:
    return _Cells(
        np.concatenate([a.centre, b.centre]),
        np.concatenate([a.half, b.half]),
        np.concatenate([a.middle, b.middle]),
        {key: np.concatenate([a.sides[key], b.sides[key]]) for key in a.sides},
        np.concatenate([a.errors, b.errors]),
        np.concatenate([a.longest, b.longest]),
    )


def _studied(tree: ex.Expression, centre: Array, half: Array, order: int, top: _Growth) -> _Cells:
    """What is known of F on the cells: its range by a sweep over real cells, its bounds by sweeps over ellipses."""
    n, m = centre.shape
    spend(1 + n * (1 + m * len(_RATIOS)) * ex.operations(tree) // (4 * _A_UNIT))
    sides: Sides = {}
    ranges = values(tree, [(centre[:, i], half[:, i]) for i in range(m)], sides, real=True)
    middle, reach = top.within(ranges, centre, half)
    full = {key: np.broadcast_to(own, (n,)) for key, own in sides.items()}
    middle, reach = np.broadcast_to(middle, (n,)), np.broadcast_to(reach, (n,))
    # ∫ |φ He_k/√k!| along each axis of the cell.
    own = np.stack([2 * half[:, i] * _weight(centre[:, i], half[:, i], 0.0, order) for i in range(m)], axis=1)
    volume = own.prod(axis=1)
    by_axis = np.zeros((n, m, len(_RULES)))
    constant = np.zeros((n, m))
    for a in range(m):
        others = volume / own[:, a]
        best = np.full((n, len(_RULES)), np.inf)
        flat = np.full(n, np.inf)
        for rho in _RATIOS:
            wide, aside = half[:, a] * (rho + 1 / rho) / 2, half[:, a] * (rho - 1 / rho) / 2
            x: list[Disc] = [(centre[:, i], wide if i == a else half[:, i]) for i in range(m)]
            mid, rad = values(tree, x, sides)
            weight = 64 / 15 * half[:, a] * _weight(centre[:, a], wide, aside, order) * others / (1 - rho**-2)
            bound = np.abs(mid) + rad
            for place, points in enumerate(_RULES):
                best[:, place] = np.minimum(best[:, place], bound * weight * rho ** (-2.0 * (points - 1)))
            flat = np.minimum(flat, np.abs(middle) * weight * rho ** (-2.0 * (_RULES[-1] - 1)))
        by_axis[:, a], constant[:, a] = best, flat
    errors = np.concatenate([(reach * volume + constant.sum(axis=1))[:, None], by_axis.sum(axis=1)], axis=1)
    errors = np.where(np.isnan(errors), np.inf, errors)
    # Halved is the axis with the larger error where that is known, else the longest side.
    last = by_axis[:, :, -1]
    steep = np.where(np.isfinite(last).all(axis=1), last.argmax(axis=1), half.argmax(axis=1))
    steep = np.where(
        np.isinf(last).any(axis=1) & np.isfinite(last).any(axis=1), np.isinf(last).argmax(axis=1), steep
    )
    # No side more than four times another.
    steep = np.where(half.max(axis=1) > 4 * half.min(axis=1), half.argmax(axis=1), steep)
    return _Cells(centre, half, middle.copy(), {k: v.copy() for k, v in full.items()}, errors, steep)


def _weight(centre: Array, wide: Array, aside: Array | float, order: int) -> Array:
    """A bound of |φ He_k/√k!|, k ≤ order, for real parts within ``wide`` of the centre and imaginary ones within ``aside``."""
    near = np.maximum(np.abs(centre) - wide, 0.0)
    top = np.max(hermite_tops(order, np.hypot(np.abs(centre) + wide, aside)), axis=0)
    return np.asarray(np.exp((aside * aside - near * near) / 2) / math.sqrt(2 * math.pi) * top)


def _summed(tree: ex.Expression, cells: _Cells, order: int, tail: float, size: float) -> Moments:
    """The sums over all cells, each by the fewest points that do beside the error of the whole."""
    m = cells.centre.shape[1]
    total = float(cells.best.sum())
    if not math.isfinite(total):
        raise Unsupported("a function that is not bounded on small cells: no certified sum")
    nodes = len(ex.postorder(tree))
    for slack in _SLACK:
        allowed = slack * max(total, _WANTED[m] * size) / (4 * len(cells))
        good = cells.errors <= np.maximum(cells.best, allowed)[:, None]
        # Along 0, 1, 2, … the rules get dearer; the middle of the range needs no value of F.
        choice = good.argmax(axis=1)
        count = sum(int((choice == k).sum()) * n**m for k, n in enumerate(_RULES, start=1))
        if count * nodes <= _MOST_VALUES:
            break
    else:
        raise Unsupported("a function that needs too many values for a certified sum")
    spend(count * nodes // (4 * _A_UNIT) + len(cells) * (order + 1) ** m // _SUMS_A_UNIT)
    table = np.zeros((order + 1,) * m)
    error, square = float(cells.errors[np.arange(len(cells)), choice].sum()), 0.0
    for k in range(len(_RULES) + 1):
        own = cells.take(choice == k)
        step = max(1, _BATCH // (_RULES[k - 1] ** m if k else _RULES[-1]))
        for begin in range(0, len(own), step):
            which = np.zeros(len(own), dtype=np.bool_)
            which[begin : begin + step] = True
            part, missed, energy = _on_cells(tree, own.take(which), _RULES[k - 1] if k else 0, order)
            table += part
            error, square = error + missed, square + energy
    return Moments(table, (error + tail) * (1 + 1e-9), math.sqrt(max(square, 0.0)))


def _on_cells(tree: ex.Expression, cells: _Cells, points: int, order: int) -> tuple[Array, float, float]:
    """(the sums over the cells, their rounding, the part of E F²); 0 points: F is the middle of its range."""
    n, m = cells.centre.shape
    nodes, weights = _nodes(points or _RULES[-1])
    x, rows = [], []
    for a in range(m):
        at = cells.centre[:, a, None] + cells.half[:, a, None] * nodes
        front = weights * cells.half[:, a, None] * np.exp(-at * at / 2) / math.sqrt(2 * math.pi)
        rows.append(front[None] * _hermite_rows(order, at))
        shape = [n, *(len(nodes) if i == a else 1 for i in range(m))]
        x.append(at.reshape(shape))
    sizes = [np.abs(row).max(axis=0) for row in rows]
    if points:
        sides = {key: own.reshape(n, *(1,) * m) for key, own in cells.sides.items()}
        f, rounding = values(tree, [(at, np.abs(at) * 4e-16) for at in x], sides)  # type: ignore[arg-type]
        f = np.broadcast_to(f, (n, *(len(nodes),) * m))
    else:
        # A constant on the cell: along each axis its weights are summed beforehand.
        rows, sizes = ([own.sum(axis=-1, keepdims=True) for own in of] for of in (rows, sizes))
        f, rounding = cells.middle.reshape(n, *(1,) * m), np.zeros(())
    doubt = np.broadcast_to(rounding + np.abs(f) * _NODE_ERROR, f.shape)
    missed = float(_contracted(doubt, [own[None] for own in sizes]).sum())
    energy = float(_contracted(f * f, [row[:1] for row in rows]).sum())
    return _contracted(f, rows), missed, energy


def _contracted(f: Array, rows: Sequence[Array]) -> Array:
    """Σ_n Σ_{a, b, …} f[n, a, b, …] rows_0[p, n, a] rows_1[q, n, b] … as an array [p, q, …], by products of matrices."""
    n, *counts = f.shape
    total = f.reshape(n, -1, counts[-1], 1)
    for own, count in zip(reversed(rows[1:]), reversed(counts[1:]), strict=True):
        # (n, those before, this axis, those done) with (n, 1, its orders, this axis).
        total = np.matmul(
            own.transpose(1, 0, 2)[:, None], total.reshape(n, -1, count, math.prod(total.shape[3:]))
        )
        total = total.reshape(n, total.shape[1], 1, -1)
    first = rows[0]
    flat = first.reshape(len(first), -1) @ total.reshape(n * counts[0], -1)
    return np.asarray(flat.reshape([len(own) for own in rows]))


def _hermite_rows(order: int, x: Array) -> Array:
    """He_k/√k!, k ≤ order."""
    rows = [np.ones_like(x), x]
    for k in range(1, order):
        rows.append((x * rows[k] - math.sqrt(k) * rows[k - 1]) / math.sqrt(k + 1))
    return np.array(rows[: order + 1])


@lru_cache(maxsize=4)
def _nodes(points: int) -> tuple[Array, Array]:
    """Nodes and weights of one of the rules on [−1, 1]."""
    found = rule(points)
    nodes, weights = np.array([[float(x), float(w)] for x, w in found]).T.copy()
    nodes.flags.writeable = False
    weights.flags.writeable = False
    return nodes, weights
