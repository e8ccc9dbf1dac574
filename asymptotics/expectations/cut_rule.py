"""Rules for the normal law in one or two directions that are cut along any lines where a function is sharp."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.sigma_rules import composite
from hermite.errors import InputError

Array = npt.NDArray[np.float64]

#: Values of the function that are worth computing (about 10 s).
_MOST_VALUES = 30_000_000


def cut_rule(planes: list[tuple[Array, float]], centre: Array, inside: Array) -> tuple[Array, Array]:
    """τ (X, N, t) and weights (X or 1, N) for τ ~ N(0, 1), functions of ``centre`` (X, r) + ``inside`` (r, t) τ, t = 1 or 2.

    Panels end where a plane n·s = place of ``planes`` (n, place) crosses the line of the last coordinate; t = 2: the first
    coordinate is cut where two lines meet. Raises ``InputError`` for too many planes.
    """
    normals = np.array([n @ inside for n, _ in planes])
    offsets = np.array([place for _, place in planes]) - centre @ np.array([n for n, _ in planes]).T
    X, t = len(centre), inside.shape[1]
    if t == 1:
        nodes, weights = composite([offsets / normals[:, 0]], X)
        return nodes[:, :, None], weights
    # The last coordinate is turned to cross every line as steeply as it can: places of the panels then move slowly.
    angles = np.linspace(0.0, np.pi, 180, endpoint=False)
    axes = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    steepness = np.min(np.abs(axes @ normals.T) / np.linalg.norm(normals, axis=1), axis=1)
    last = axes[int(np.argmax(steepness))]
    turn = np.array([[-last[1], last[0]], last])
    lines = normals @ turn.T
    cuts = []
    for i, j in combinations(range(len(lines)), 2):
        determinant = lines[i, 0] * lines[j, 1] - lines[j, 0] * lines[i, 1]
        if abs(determinant) > 1e-9:
            met = (offsets[:, i] * lines[j, 1] - offsets[:, j] * lines[i, 1]) / determinant
            cuts.append(met[:, None])
    outer, share = composite(cuts, X)
    flat = outer.reshape(-1, 1)
    if flat.size * 12 * (13 + len(lines)) > _MOST_VALUES:
        raise InputError(
            f"The target has kinks and sharp layers on {len(lines)} planes, too many for this theory: use another "
            "ridge.regime, or simulate."
        )
    shifted = np.repeat(offsets, outer.shape[1], axis=0) - flat * lines[:, 0]
    inner, weights = composite([shifted / lines[:, 1]], len(flat))
    inner = np.broadcast_to(inner, (len(flat), inner.shape[-1]))
    both = np.stack([np.broadcast_to(flat, inner.shape), inner], axis=-1)
    return (both @ turn).reshape(X, -1, 2), (share.reshape(-1, 1) * weights).reshape(X, -1)
