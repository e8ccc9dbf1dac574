"""Hermite coefficients of any expression in one or two variables, by cells with a proved error.

E[F(x) Π He_{α_i}(x_i)/√α_i!] over a box is cut into cells. On a cell where F is analytic a product of Gauss–Legendre rules
of N points misses at most Σ_a (64/15) w_a M_a ρ^{−2(N−1)}/(1 − ρ^{−2}), M_a a bound on the ellipse of parameter ρ along axis a,
all other variables real (Trefethen 2008, theorem 4.5); bounds come from discs (:mod:`hermite.engines.discs`). A cell that a
kink or jump crosses takes the middle of the range of F, with half the range as its error. The worst cells are halved until the
sum of the errors is small, or the work is done. Beyond the box |F| ≤ C (1 + |x|)^D.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hermite.engines.constants import Unsupported
from hermite.engines.discs import Array, Disc, Sides, hermite_tops, values
from hermite.engines.panels import rule
from hermite.engines.ranges import growth
from hermite.exact.effort import spend
from hermite.language import nodes as ex

#: Points of the rules that a cell may take, the parameters of the ellipses that bound them.
_RULES, _RATIOS = (3, 6, 10, 16), (1.4, 2.0, 3.0, 5.0, 9.0)
#: Error that is aimed at, relative to the root mean square of F; most cells, by dimension; most values of F and its parts. Where
#: these would be more, larger errors are borne.
_SLACK = (1.0, 1e2, 1e4, 1e6)
_WANTED, _CELLS, _MOST_VALUES = 1e-11, {1: 12_000, 2: 24_000}, 20_000_000
#: Values of F, or bounds, for one unit of :mod:`hermite.exact.effort`; values that are taken together.
_A_UNIT, _BATCH = 8, 100_000
#: Error of the Gaussian, the Hermite polynomials and the weights at a node, relative to their bounds.
_NODE_ERROR = 1e-13


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


def moments(tree: ex.Expression, m: int, order: int) -> Moments:
    """The moments of F = ``tree`` in m standard normal variables; raises :class:`Unsupported` where nothing is proved."""
    front, degree = growth(tree)
    if front == 0:
        raise Unsupported("a part that vanishes everywhere and is not written as 0")
    # Bounds far out may overflow, densities vanish: inf and 0 say so.
    with np.errstate(all="ignore"):
        return _within(tree, m, order, front, degree)


def _within(tree: ex.Expression, m: int, order: int, front: float, degree: int) -> Moments:
    size = _size(tree, m) or front
    radius, tail = _box(front, degree, m, size)
    return _summed(tree, _cut(tree, _grid(radius, m), order, size), order, tail, size)


def _size(tree: ex.Expression, m: int) -> float:
    """The root mean square of F, roughly: from the middles of its ranges on unit cells."""
    centre, half = _grid(6.0, m)
    middle, _ = values(tree, [(centre[:, i], half[:, i]) for i in range(m)], {}, real=True)
    share = (special.ndtr(centre + half) - special.ndtr(centre - half)).prod(axis=1)
    found = math.sqrt(float(np.sum(share * middle**2)))
    return found if math.isfinite(found) else 0.0


def _box(front: float, degree: int, m: int, size: float) -> tuple[float, float]:
    """(R, a bound of E[|F He_α| outside |x| ≤ R]), by Cauchy–Schwarz, (1 + x)^p e^{−x²/4} falling beyond R."""
    p = 2 * degree + m - 1
    for radius in range(6, 80):
        if p / (1 + radius) <= radius / 2:
            log_tail = p * math.log1p(radius) - radius**2 / 2 + math.log(2 / radius)
            if log_tail / 2 + math.log(front) < math.log(_WANTED) + math.log(size) - 4:
                return float(radius), front * math.exp(log_tail / 2)
    raise Unsupported("a function that grows too fast for a certified sum")


def _grid(radius: float, m: int) -> tuple[Array, Array]:
    line = np.arange(-radius + 0.5, radius)
    centre = np.array(list(product(line, repeat=m)))
    return centre, np.full_like(centre, 0.5)


def _cut(tree: ex.Expression, boxes: tuple[Array, Array], order: int, size: float) -> _Cells:
    """Cells whose errors sum to what is wanted, as far as the work goes: the worst are halved first."""
    found = _studied(tree, *boxes, order)
    m = found.centre.shape[1]
    while True:
        best = found.best
        total, worst = float(best.sum()), float(best.max())
        if total <= _WANTED * size or len(found) > _CELLS[m]:
            return found
        split = best > min(worst / 16, _WANTED * size) if not math.isfinite(worst) else best > worst / 16
        split &= best > _WANTED * size / (4 * len(found))
        parts = found.take(split)
        halves = _halved(parts.centre, parts.half, parts.longest)
        found = _joined(found.take(~split), _studied(tree, *halves, order))


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


def _studied(tree: ex.Expression, centre: Array, half: Array, order: int) -> _Cells:
    """What is known of F on the cells: its range by a sweep over real cells, its bounds by sweeps over ellipses."""
    n, m = centre.shape
    spend(1 + n * (1 + m * len(_RATIOS)) * len(ex.postorder(tree)) // (4 * _A_UNIT))
    sides: Sides = {}
    middle, reach = values(tree, [(centre[:, i], half[:, i]) for i in range(m)], sides, real=True)
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
        allowed = slack * max(total, _WANTED * size) / (4 * len(cells))
        good = cells.errors <= np.maximum(cells.best, allowed)[:, None]
        # Along 0, 1, 2, … the rules get dearer; the middle of the range needs no value of F.
        choice = good.argmax(axis=1)
        count = sum(int((choice == k).sum()) * n**m for k, n in enumerate(_RULES, start=1))
        if count * nodes <= _MOST_VALUES:
            break
    else:
        raise Unsupported("a function that needs too many values for a certified sum")
    spend(count * nodes // (4 * _A_UNIT))
    table = np.zeros((order + 1,) * m)
    error, square = float(cells.errors[np.arange(len(cells)), choice].sum()), 0.0
    for k in range(len(_RULES) + 1):
        own = cells.take(choice == k)
        step = max(1, _BATCH // _RULES[k - 1 if k else -1] ** m)
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
    if points:
        sides = {key: own.reshape(n, *(1,) * m) for key, own in cells.sides.items()}
        f, rounding = values(tree, [(at, np.abs(at) * 4e-16) for at in x], sides)  # type: ignore[arg-type]
        f = np.broadcast_to(f, (n, *(len(nodes),) * m))
    else:
        f = np.broadcast_to(cells.middle.reshape(n, *(1,) * m), (n, *(len(nodes),) * m))
        rounding = np.zeros(())
    doubt = np.broadcast_to(rounding + np.abs(f) * _NODE_ERROR, f.shape)
    letters = "ab"[:m]
    sizes = [np.abs(row).max(axis=0) for row in rows]
    missed = float(
        np.einsum(f"n{letters},{','.join('n' + i for i in letters)}->", doubt, *sizes, optimize=True)
    )
    energy = float(
        np.einsum(
            f"n{letters},{','.join('n' + i for i in letters)}->",
            f * f,
            *(row[0] for row in rows),
            optimize=True,
        )
    )
    inner = ",".join(f"{k}n{i}" for k, i in zip("pq", letters, strict=False))
    table = np.einsum(f"n{letters},{inner}->{'pq'[:m]}", f, *rows, optimize=True)
    return table, missed, energy


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
