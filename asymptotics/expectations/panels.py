"""Panels on which a function of one variable is resolved: the base of every rule that knows its own error.

The line is cut at the breakpoints given (kinks, centres and flanks of layers) and scanned on panels of at most
``scan``; a panel is *resolved* when the last two of the Legendre coefficients of the function on it are below the
tolerance. Unresolved panels are halved (a jump at an unknown place is so bisected to the last digits), resolved
neighbours are merged again where their parent is resolved too and has the same ∫ u². A feature wider than a scan
panel's nodes cannot be missed; narrower ones are found if their place is among the breakpoints.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from asymptotics.caches import remembered
from asymptotics.expectations.quadrature import legendre

Array = npt.NDArray[np.float64]
#: Values (N, L) of L functions at x (N,).
Functions = Callable[[Array], Array]

#: Nodes of a panel. A tail of 1e-6 among 16 coefficients that fall geometrically is 1e-12 in the integral of a square.
ORDER = 16
TAIL = 3e-7
_SCAN = 0.06
#: Halvings of one scan panel, and panels of one function and of several together (their sum), before they are given up.
_DEPTH = 44
_MOST, _MOST_TOGETHER = 20_000, 120_000


@dataclass(frozen=True)
class Panels:
    """Contiguous panels with ``edges`` (P + 1,); ``unresolved`` is the share of the root of ∫ u² that is not resolved."""

    edges: Array
    unresolved: float

    def rule(self, order: int = ORDER) -> tuple[Array, Array]:
        """Gauss–Legendre nodes and weights for dx, (P · order,)."""
        x, w = legendre(order)
        width = np.diff(self.edges)
        return (self.edges[:-1, None] + width[:, None] * x).ravel(), (width[:, None] * w).ravel()


@remembered
def _transform(order: int) -> Array:
    """The last two Legendre coefficients from the values at the nodes, (2, order)."""
    x, w = legendre(order)
    rows = np.polynomial.legendre.legvander(2 * x - 1, order - 1).T[-2:]
    tail: Array = (2 * np.array([order - 2, order - 1]) + 1)[:, None] * rows * w
    return tail


@dataclass
class _Tree:
    """Panels as arrays: ``low``, ``high``, the largest tail (weighted by √width) and ∫ u² of each."""

    low: Array
    high: Array
    tail: Array
    square: Array

    def at(self, which: npt.NDArray[np.bool_]) -> _Tree:
        return _Tree(self.low[which], self.high[which], self.tail[which], self.square[which])


def _measured(functions: Functions, low: Array, high: Array) -> _Tree:
    x, w = legendre(ORDER)
    width = high - low
    points = low[:, None] + width[:, None] * x
    values = np.asarray(functions(points.ravel()), float)
    values = values.reshape(len(low), ORDER, -1)
    tails = np.abs(np.einsum("ko,pol->pkl", _transform(ORDER), values)).max(axis=1)
    root = np.sqrt(width)[:, None]
    return _Tree(low, high, root * tails, np.einsum("o,pol->pl", w, values**2) * width[:, None])


def resolve(
    functions: Functions,
    low: float,
    high: float,
    breaks: Sequence[float] = (),
    *,
    tail: float = TAIL,
    scan: float = _SCAN,
    local: bool = False,
) -> Panels:
    """Panels of [low, high] on which all ``functions`` are resolved to ``tail``, relative to the largest √∫ u².

    ``local``: each relative to its own √∫ u² around the panel, for functions that grow without
    bound. ``unresolved`` is above the tolerance if the budget of panels was spent.
    """
    edges = _segments(low, high, breaks)
    counts = [1 << max(0, math.ceil(math.log2((b - a) / scan))) for a, b in pairwise(edges)]
    starts = [np.linspace(a, b, n + 1) for (a, b), n in zip(pairwise(edges), counts, strict=True)]
    tree = _measured(
        functions, np.concatenate([s[:-1] for s in starts]), np.concatenate([s[1:] for s in starts])
    )
    segment = np.repeat(np.arange(len(counts)), counts)
    scale = _scales(tree, low, high, local)
    good = _resolved(tree, scale, tail)
    done_low, missing = _halved(functions, tree.at(~good), scale, tail)
    kept = _merged(functions, tree, segment, good, scale, tail)
    all_edges = np.unique(np.concatenate([kept, done_low, [low, high]]))
    return Panels(all_edges, missing)


def _segments(low: float, high: float, breaks: Sequence[float]) -> list[float]:
    """The breakpoints inside, sorted; of those closer than rounding one remains."""
    out = [low]
    for b in sorted(float(b) for b in breaks if low < b < high):
        if b - out[-1] > 1e-12 * (1 + abs(b)) and high - b > 1e-12 * (1 + abs(b)):
            out.append(b)
    return [*out, high]


#: The root of ∫ u² against which a tail at x counts, (P, L), from the panels' middles.
_Scale = Callable[[Array], Array]


def _scales(tree: _Tree, low: float, high: float, local: bool) -> _Scale:
    if not local:
        total = max(float(np.sqrt(np.max(np.sum(tree.square, axis=0)))), 1e-300)
        return lambda middle: np.full((len(middle), tree.square.shape[1]), total)
    cells = max(1, math.ceil(high - low))
    index = np.minimum(((tree.low + tree.high) / 2 - low).astype(int), cells - 1)
    mass = np.zeros((cells, tree.square.shape[1]))
    np.add.at(mass, index, tree.square)
    # A root that falls faster than 1/e a unit is the tail of what lies beside it: nothing needs to be resolved there.
    place = np.arange(cells, dtype=float)[:, None]
    root = np.log(np.maximum(np.sqrt(mass), 1e-300))
    left = np.maximum.accumulate(root + place) - place
    right = np.maximum.accumulate((root - place)[::-1])[::-1] + place
    around = np.exp(np.maximum(left, right))

    def scale(middle: Array) -> Array:
        at = np.clip((middle - low).astype(int), 0, cells - 1)
        found: Array = np.maximum(around[at], 1e-300)
        return found

    return scale


def _resolved(tree: _Tree, scale: _Scale, tail: float) -> npt.NDArray[np.bool_]:
    limit = tail * scale((tree.low + tree.high) / 2)
    good: npt.NDArray[np.bool_] = np.all(tree.tail <= limit, axis=1)
    return good


def _halved(functions: Functions, tree: _Tree, scale: _Scale, tail: float) -> tuple[Array, float]:
    """(edges of the panels that the unresolved ones end in, the share that stays unresolved)."""
    edges = [tree.low, tree.high]
    count, most = 0, min(_MOST, _MOST_TOGETHER // max(1, tree.square.shape[1]))
    for _ in range(_DEPTH):
        count += len(tree.low)
        if not len(tree.low) or count > most:
            break
        middle = (tree.low + tree.high) / 2
        edges.append(middle)
        tree = _measured(functions, np.concatenate([tree.low, middle]), np.concatenate([middle, tree.high]))
        # A jump hides in a panel of width w with an error of w times its height: stop where that is rounding.
        wide = tree.high - tree.low > 1e-13 * (1 + np.abs(tree.low))
        tree = tree.at(~_resolved(tree, scale, tail) & wide)
    if not len(tree.low):
        return np.concatenate(edges), 0.0
    share = tree.tail / scale((tree.low + tree.high) / 2)
    return np.concatenate(edges), float(np.max(np.sqrt(np.sum(share**2, axis=0))))


def _merged(
    functions: Functions,
    tree: _Tree,
    segment: npt.NDArray[np.intp],
    good: npt.NDArray[np.bool_],
    scale: _Scale,
    tail: float,
) -> Array:
    """Edges after pairs of resolved neighbours of one segment have been joined as long as that stays resolved."""
    edges: list[Array] = []
    while True:
        place = np.arange(len(segment)) - np.searchsorted(segment, segment)
        first = np.flatnonzero(place % 2 == 0)
        first = first[(first + 1 < len(segment))]
        first = first[segment[np.minimum(first + 1, len(segment) - 1)] == segment[first]]
        if not len(first):
            break
        parent = _measured(functions, tree.low[first], tree.high[first + 1])
        squares = tree.square[first] + tree.square[first + 1]
        limit = tail * scale((parent.low + parent.high) / 2)
        same = np.abs(parent.square - squares) <= 0.01 * limit * np.maximum(np.sqrt(squares), limit)
        join = good[first] & good[first + 1] & np.all(parent.tail <= limit, axis=1) & np.all(same, axis=1)
        # What is not joined here stays as it is, and so do its ancestors.
        alone = good.copy()
        alone[first[join]] = alone[first[join] + 1] = False
        edges += [tree.low[alone], tree.high[alone]]
        tree, segment, good = parent, segment[first], join
    edges += [tree.low[good], tree.high[good]]
    return np.concatenate(edges)
