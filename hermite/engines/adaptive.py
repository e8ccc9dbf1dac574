"""Adaptive Gauss–Kronrod moments of a function that is known by its values: jumps and poles are found by bisection.

∫ f h_k φ over a line, h_k the normalised Hermite polynomials and φ the Gaussian density, for k = 0..order, and ∫ f² φ. Panels
are halved until the two nested rules (7 and 15 nodes) agree, or until they are as narrow as floats allow: a jump costs its
position, 10^-15 of it. ``moments`` does many lines at once, so that a plane is a line of lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_KRONROD = np.array([
    0.991455371120812639206854697526329, 0.949107912342758524526189684047851, 0.864864423359769072789712788640926,
    0.741531185599394439863864773280788, 0.586087235467691130294144691693013, 0.405845151377397166906606412076961,
    0.207784955007898467600689403773245, 0.0,
])  # fmt: skip
_KRONROD_WEIGHTS = np.array([
    0.022935322010529224963732008058970, 0.063092092629978553290700663189204, 0.104790010322250183839876322541518,
    0.140653259715525918745189590510238, 0.169004726639267902826583426598550, 0.190350578064785409913256402421014,
    0.204432940075298892414161999234649, 0.209482141084727828012999174891714,
])  # fmt: skip
_GAUSS_WEIGHTS = np.array([
    0.129484966168869693270611432679082, 0.279705391489276667901467771423780, 0.381830050505118944950369775488975,
    0.417959183673469387755102040816327,
])  # fmt: skip
#: Nodes and both rules on [−1, 1]; the Gauss rule stands at every second node.
NODES = np.concatenate([-_KRONROD, _KRONROD[-2::-1]])
_FINE = np.concatenate([_KRONROD_WEIGHTS, _KRONROD_WEIGHTS[-2::-1]])
_COARSE = np.zeros(15)
_COARSE[1::2] = np.concatenate([_GAUSS_WEIGHTS, _GAUSS_WEIGHTS[-2::-1]])
_CHUNK = 8192
#: Halvings of a panel: near 0 floats are dense, so that a pole there is followed far down.
_ROUNDS = 250


def hermite_rows(x: Array, order: int) -> Array:
    """Normalised h_k = He_k/√k! at ``x``, stacked along a new last axis, k = 0..order."""
    rows = [np.ones_like(x), x]
    for k in range(1, order):
        rows.append((x * rows[k] - np.sqrt(k) * rows[k - 1]) / np.sqrt(k + 1))
    return np.stack(rows[: order + 1], axis=-1)


def density(x: Array) -> Array:
    """The standard Gaussian density."""
    return np.asarray(np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi))


def moments(
    values: Callable[[NDArray[np.intp], Array], Array],
    lines: int,
    edges: Array,
    order: int,
    tolerance: float,
    budget: int,
    size: Array | None = None,
) -> tuple[Array, Array]:
    """(moments, errors), both (lines, order + 2): k = 0..order and, last, ∫ f² φ.

    ``values(line (P,), y (P, 15))`` gives f (P, 15). A panel is halved while its rules differ by more than ``tolerance``
    times ``size`` (lines,), by default that of f on its line; ``budget`` bounds the evaluations, and what is left then
    counts as error.
    """

    def both(line: NDArray[np.intp], low: Array, high: Array) -> tuple[Array, Array]:
        half = (high - low)[:, None] / 2
        y = (low + high)[:, None] / 2 + half * NODES
        f = values(line, y)
        if not np.isfinite(f).all():
            # A node on a pole: nothing where the panel is as narrow as that, else the panel is halved.
            f = np.where(np.isfinite(f) | (half > 1e-8), f, 0.0)
        root = np.sqrt(half * density(y))
        f = f * root
        terms = np.concatenate([hermite_rows(y, order) * (root * f)[..., None], (f * f)[..., None]], axis=-1)
        fine = np.einsum("j,pjm->pm", _FINE, terms)
        return fine, np.abs(fine - np.einsum("j,pjm->pm", _COARSE, terms))

    line = np.repeat(np.arange(lines), len(edges) - 1)
    low, high = np.tile(edges[:-1], lines), np.tile(edges[1:], lines)
    total, error = np.zeros((lines, order + 2)), np.zeros((lines, order + 2))
    for _ in range(_ROUNDS):
        parts = [
            both(line[i : i + _CHUNK], low[i : i + _CHUNK], high[i : i + _CHUNK])
            for i in range(0, len(line), _CHUNK)
        ]
        fine = np.concatenate([part[0] for part in parts])
        rough = np.concatenate([part[1] for part in parts])
        budget -= 15 * len(line)
        if size is None:
            energy = np.zeros(lines)
            np.add.at(energy, line, fine[:, -1])
            size = np.sqrt(np.maximum(energy, 1e-300)) + 1e-12 * np.sqrt(max(float(energy.max()), 1e-300))
        scale = size[line]
        relative = np.maximum(rough[:, :-1].max(axis=1) / scale, rough[:, -1] / scale**2)
        middle = (low + high) / 2
        narrow = (high - low) <= 8 * np.spacing(np.abs(middle))
        # Values beyond the floats all over a panel are no pole: halving would go on for ever.
        lost = ~np.isfinite(fine[:, -1]) & (high - low > 1e-8) & (np.abs(middle) > 10)
        split = ~(relative <= tolerance) & ~narrow & ~lost
        if budget <= 0:
            split[:] = False
        keep = ~split
        np.add.at(total, line[keep], fine[keep])
        # A panel that cannot be halved counts with all that stands in it.
        rough[narrow] = np.maximum(rough[narrow], np.abs(fine[narrow]))
        np.add.at(error, line[keep], rough[keep])
        if not split.any():
            break
        line = np.repeat(line[split], 2)
        low, high = (
            np.column_stack([low[split], middle[split]]).ravel(),
            np.column_stack([middle[split], high[split]]).ravel(),
        )
    else:
        np.add.at(error, line, np.repeat(np.abs(fine[split]), 2, axis=0))
    return total, error


def line_moments(f: Callable[[Array], Array], order: int) -> tuple[Array, Array]:
    """Moments of f (N,) → (N,) and their errors, (order + 2,) each.

    512 panels, each compared with 128 other points between its nodes: what these show and the nodes do not (a narrow
    window) divides the panel before anything is integrated.
    """
    middle = np.linspace(-8.0078125, 7.9921875, 513)
    outer = np.linspace(8.4921875, 37.4921875, 59)
    edges = np.concatenate([-outer[::-1], middle, outer])
    edges = np.unique(np.concatenate([edges, _divided(f, middle)]))
    total, error = moments(lambda _, y: f(y.ravel()).reshape(y.shape), 1, edges, order, 1e-14, 20_000_000)
    last = float(
        np.max(
            np.abs(f(np.concatenate([np.linspace(36, 37.4, 8), np.linspace(-37.4, -36, 8)]))) ** 2
            * density(np.array(36.0))
        )
    )
    if not last <= 1e-6 * total[0, -1]:
        error[0, -1] = np.inf  # E f² has not come to an end
    return total[0], error[0]


def _divided(f: Callable[[Array], Array], edges: Array) -> Array:
    """Edges inside the panels whose values at other points are not those of the polynomial through their nodes."""
    t = (np.arange(128) + 0.5) / 64 - 1
    differences = NODES[:, None] - NODES
    np.fill_diagonal(differences, 1.0)
    barycentric = 1 / differences.prod(axis=1)
    kernel = barycentric / (t[:, None] - NODES)
    kernel /= kernel.sum(axis=1, keepdims=True)
    half, centre = np.diff(edges)[:, None] / 2, (edges[:-1] + edges[1:])[:, None] / 2
    known = f((centre + half * NODES).ravel()).reshape(-1, 15)
    seen = f((centre + half * t).ravel()).reshape(-1, 128)
    gap = np.abs(seen - known @ kernel.T).max(axis=1)
    flagged = gap > 1e-9 * np.maximum(np.abs(seen).max(axis=1), np.abs(known).max(axis=1))
    inside = centre[flagged] + half[flagged] * (np.arange(1, 128) / 64 - 1)
    return np.asarray(inside.ravel())


@dataclass(frozen=True)
class PlaneMoments:
    """By (a, b) the ``means`` of f with the normalised Hermite functions and their ``errors``; E f² and its error."""

    means: Mapping[tuple[int, int], float]
    errors: Mapping[tuple[int, int], float]
    energy: float
    energy_error: float


def endless_on_lines(f: Callable[[Array], Array]) -> bool:
    """Whether ∫ f² φ ends on most of 15 lines along the second axis in infinities, as far as panels can be halved."""
    x = np.linspace(-2.9, 2.9, 15) + 0.0123

    def along(line: NDArray[np.intp], y: Array) -> Array:
        points = np.stack([np.broadcast_to(x[line][:, None], y.shape), y], axis=-1)
        return f(points.reshape(-1, 2)).reshape(y.shape)

    total, error = moments(along, len(x), np.linspace(-6.0078125, 5.9921875, 25), 1, 1e-3, 1_000_000)
    return bool(np.median(error[:, -1] - 0.5 * total[:, -1]) > 0)


def lies_at_the_ends(f: Callable[[Array], Array]) -> bool:
    """Whether most of E f² of f (N, 2) → (N,) lies twelve deviations away: no refinement would find an end to it."""
    x = np.linspace(-12.0078125, 11.9921875, 385)
    points = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1)
    root = np.sqrt(density(x))
    rows = np.sum((f(points.reshape(-1, 2)).reshape(len(x), -1) * root[:, None] * root) ** 2, axis=1)
    ends = 8
    return bool(rows[:ends].sum() + rows[-ends:].sum() > 0.1 * rows.sum())


def plane_moments(f: Callable[[Array], Array], order: int, size: float, shift: float = 0.0) -> PlaneMoments:
    """The moments of f (N, 2) → (N,), for a + b ≤ order: a line of lines.

    ``size`` is about (E f²)^½: errors are small beside it.
    """
    edges = np.linspace(-12.0078125, 11.9921875, 49) + shift
    pairs = [(a, b) for a in range(order + 1) for b in range(order + 1 - a)]
    first, second = np.array(pairs).T
    low, high, budget = edges[:-1], edges[1:], 40_000_000
    total, error = np.zeros(len(pairs) + 1), np.zeros(len(pairs) + 1)
    edge: float | None = None
    for _ in range(60):
        half = (high - low)[:, None] / 2
        nodes = (low + high)[:, None] / 2 + half * NODES
        x = nodes.ravel()

        def along(line: NDArray[np.intp], y: Array, x: Array = x) -> Array:
            points = np.stack([np.broadcast_to(x[line][:, None], y.shape), y], axis=-1)
            return f(points.reshape(-1, 2)).reshape(y.shape)

        spent = 0 if budget <= 0 else min(budget, 12_000_000)
        inner, inner_error = moments(
            along, len(x), edges, order, 1e-9, spent, 0.3 * size / np.maximum(density(x), 1e-9)
        )
        budget -= 15 * 48 * len(x) * 2
        rows, weight = hermite_rows(x, order), density(x)
        terms = np.column_stack([rows[:, first] * inner[:, second], inner[:, -1]]) * weight[:, None]
        doubt = (
            np.column_stack([np.abs(rows[:, first]) * inner_error[:, second], inner_error[:, -1]])
            * weight[:, None]
        )
        shape = (len(low), 15, len(pairs) + 1)
        terms, doubt = terms.reshape(shape) * half[..., None], doubt.reshape(shape) * half[..., None]
        fine = np.einsum("j,pjm->pm", _FINE, terms)
        rough = np.abs(fine - np.einsum("j,pjm->pm", _COARSE, terms))
        noise = np.einsum("j,pjm->pm", _FINE, doubt)
        edge = float(fine[0, -1] + fine[-1, -1]) if edge is None else edge
        relative = np.maximum(rough[:, :-1].max(axis=1) / size, rough[:, -1] / size**2)
        split = ~(relative <= 1e-8) & (high - low > 1e-9) & (budget > 0)
        total += fine[~split].sum(axis=0)
        error += (rough + noise)[~split].sum(axis=0)
        if not split.any():
            break
        middle = (low + high)[split] / 2
        low, high = (
            np.column_stack([low[split], middle]).ravel(),
            np.column_stack([middle, high[split]]).ravel(),
        )
    else:
        error += np.abs(fine[split]).sum(axis=0)
    if not edge <= 1e-8 * total[-1]:
        error[-1] = np.inf
    keys = list(zip(first.tolist(), second.tolist(), strict=True))
    return PlaneMoments(
        dict(zip(keys, total[:-1].tolist(), strict=True)),
        dict(zip(keys, error[:-1].tolist(), strict=True)),
        float(total[-1]),
        float(error[-1]),
    )
