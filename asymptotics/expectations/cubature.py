"""Rules for several directions where a tensor of axis rules does not do: oblique layers, curved ones, many axes.

:func:`planar_rule`   two directions, any set of lines on which the function is sharp: inner axes split row by row;
:func:`box_rule`      two or three directions, anything: boxes halved where the function is not resolved;
:func:`sobol_rule`    the rest: four scrambles of Sobol points, whose spread is the error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.quadrature import legendre, sobol_normal
from asymptotics.expectations.sharpness import Layer, around

Array = npt.NDArray[np.float64]
Function = Callable[[Array], Array]

_REACH = 9.0
#: A box whose tail is below this share of √E f² is resolved (the error of an integral goes as its square).
_BOX_TAIL = {2: 1e-5, 3: 3e-4}


def planar_rule(layers: Sequence[Layer], order: int) -> tuple[Array, Array]:
    """Two dimensions: nodes (N, 2) and weights (N,) for functions that are sharp on the ``layers`` (kinks: width 0).

    The outer axis is the normal of the first, split at layers along the inner axis and where two layers cross; the
    inner axis is split where it meets them.
    """
    first = layers[0].normal
    axes = np.array([first, [-first[1], first[0]]])
    waves = [layer.width for layer in layers if layer.place is None]
    panel = min(1.5, 8.0 * min(waves, default=1.0))
    lines = [(axes @ layer.normal, layer.place, layer.width) for layer in layers if layer.place is not None]
    sloped = [(n, b, w) for n, b, w in lines if abs(n[1]) >= 1e-9]
    cuts = [*np.arange(-_REACH, _REACH + panel / 2, panel)]
    for n, b, w in lines:
        if abs(n[1]) < 0.4:
            # An inner integral over a line nearly parallel to the inner axis turns as fast as the line is steep.
            cuts += around(b / n[0], max(w, abs(n[1]) if abs(n[1]) >= 1e-9 else 0.0) / abs(n[0]))
    for i, (n, b, w) in enumerate(sloped):
        for m, c, v in sloped[:i]:
            difference = n[0] / n[1] - m[0] / m[1]
            if abs(difference) > 1e-12:
                blur = (w / abs(n[1]) + v / abs(m[1])) / abs(difference)
                cuts += around((b / n[1] - c / m[1]) / difference, blur)
    outer, weight = _composite(np.array(cuts)[None], order)
    outer, weight = outer[0], weight[0]
    edges = [np.tile(np.arange(-_REACH, _REACH + panel / 2, max(panel, 0.75)), (len(outer), 1))]
    for n, b, w in sloped:
        centre = (b - n[0] * outer) / n[1]
        edges.append(centre[:, None] + np.array(around(0.0, w / abs(n[1]))))
    y, inner = _composite(np.concatenate(edges, axis=1), max(6, round(0.8 * order)))
    w = (weight[:, None] * inner).ravel()
    nodes = np.stack([np.repeat(outer, y.shape[1]), y.ravel()], axis=1)
    keep = w > 1e-19
    return nodes[keep] @ axes, w[keep] / w[keep].sum()


def _composite(cuts: Array, order: int) -> tuple[Array, Array]:
    """Gauss–Legendre between the ``cuts`` (K, C) of every row, times the normal density: (K, (C − 1) · order)."""
    edges = np.sort(np.clip(cuts, -_REACH, _REACH), axis=1)
    edges = edges[:, np.any(np.diff(edges, axis=1, append=np.inf) > 1e-14, axis=0)]
    x, w = legendre(order)
    width = np.diff(edges, axis=1)[:, :, None]
    nodes = (edges[:, :-1, None] + width * x).reshape(len(edges), -1)
    weights = (width * w).reshape(len(edges), -1) * np.exp(-0.5 * nodes**2) / math.sqrt(2 * math.pi)
    return nodes, weights


def box_rule(
    function: Function, r: int, edges: Sequence[Sequence[float]], order: int, most: int
) -> tuple[Array, Array]:
    """r = 2 or 3: boxes [a, b] halved along the axis of the largest Legendre tail, until all are resolved or ``most``
    nodes are spent; ``edges[j]`` are places where axis j must be cut."""
    starts = [np.unique(np.clip([*np.arange(-8.0, 8.1, 1.0 if r == 2 else 2.0), *e], -8, 8)) for e in edges]
    corner = [
        np.stack(g, axis=-1).reshape(-1, r)
        for g in (
            np.meshgrid(*[s[:-1] for s in starts], indexing="ij"),
            np.meshgrid(*[s[1:] for s in starts], indexing="ij"),
        )
    ]
    low, high = corner
    tails = _box_tails(function, low, high, order)
    scale = max(math.sqrt(float(np.sum(tails[:, -1]))), 1e-300)
    while len(low) * order**r < most:
        worst = np.max(tails[:, :r], axis=1)
        open_boxes = np.flatnonzero(worst > _BOX_TAIL[r] * scale)
        room = max(1, (most // order**r - len(low)))
        if not len(open_boxes) or room < 2:
            break
        chosen = open_boxes[np.argsort(-worst[open_boxes])][: max(1, min(room, len(open_boxes) // 2 + 8))]
        axis = np.argmax(tails[chosen, :r], axis=1)
        rows = np.arange(len(chosen))
        left, right = high[chosen].copy(), low[chosen].copy()
        middle = (low[chosen, axis] + high[chosen, axis]) / 2
        left[rows, axis] = right[rows, axis] = middle
        new_low, new_high = np.concatenate([low[chosen], right]), np.concatenate([left, high[chosen]])
        keep = np.ones(len(low), bool)
        keep[chosen] = False
        low, high = np.concatenate([low[keep], new_low]), np.concatenate([high[keep], new_high])
        tails = np.concatenate([tails[keep], _box_tails(function, new_low, new_high, order)])
    nodes, weights = _box_nodes(low, high, order)
    keep = weights.ravel() > 1e-19
    nodes, flat = nodes.reshape(-1, r)[keep], weights.ravel()[keep]
    return nodes, flat / flat.sum()


def _box_nodes(low: Array, high: Array, order: int) -> tuple[Array, Array]:
    """Nodes (B, order^r, r) and normal weights (B, order^r)."""
    r = low.shape[1]
    x, w = legendre(order)
    unit = np.stack(np.meshgrid(*[x] * r, indexing="ij"), axis=-1).reshape(-1, r)
    share = np.ones(1)
    for _ in range(r):
        share = np.multiply.outer(share, w).ravel()
    nodes = low[:, None] + (high - low)[:, None] * unit
    density = np.exp(-0.5 * np.sum(nodes**2, axis=2)) / (2 * math.pi) ** (r / 2)
    return nodes, np.prod(high - low, axis=1)[:, None] * share * density


def _box_tails(function: Function, low: Array, high: Array, order: int) -> Array:
    """(B, r + 1): the L2 size of the last two Legendre coefficients along each axis of f √φ, and ∫ f² φ."""
    r = low.shape[1]
    x, w = legendre(order)
    rows = np.polynomial.legendre.legvander(2 * x - 1, order - 1).T[-2:] * w
    out = np.empty((len(low), r + 1))
    chunk = max(1, (1 << 20) // order**r)
    for start in range(0, len(low), chunk):
        a, b = low[start : start + chunk], high[start : start + chunk]
        nodes, weights = _box_nodes(a, b, order)
        values = np.asarray(function(nodes.reshape(-1, r)), float).reshape(nodes.shape[:2])
        u = (values * np.exp(-0.25 * np.sum(nodes**2, axis=2))).reshape(-1, *[order] * r)
        size = np.prod(b - a, axis=1) / (2 * math.pi) ** (r / 2)
        for axis in range(r):
            tail = np.tensordot(u, rows, axes=(axis + 1, 1))
            # Mean square over the other axes, by their Gauss weights.
            square = np.sum(tail**2, axis=-1) * (2 * order - 1)
            for _ in range(r - 1):
                square = np.tensordot(square, w, axes=(1, 0))
            out[start : start + chunk, axis] = np.sqrt(size * square)
        out[start : start + chunk, -1] = np.sum(weights * values**2, axis=1)
    return out


def sobol_rule(r: int, log2_size: int, seed: int, scrambles: int = 4) -> list[tuple[Array, Array]]:
    """Independent scrambles of 2^log2_size points each."""
    points = [sobol_normal(r, log2_size, seed + 7919 * k) for k in range(scrambles)]
    return [(x, np.full(len(x), 1 / len(x))) for x in points]
