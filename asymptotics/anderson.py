"""Anderson mixing (Anderson 1965; Walker & Ni 2011) of many fixed points x = g(x) side by side: one call of g for all of them.

What is solved at the points of a curve are a few small matrices: calls of NumPy cost more than their arithmetic, and cost as
much for a hundred points as for one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
Truths = npt.NDArray[np.bool_]
#: Points (Q, m) and which of all they are (Q,): their images (Q, m).
Maps = Callable[[Array, Places], Array]
#: Points (Q, m) and which of all they are (Q,): which of them are admissible (Q,).
Checks = Callable[[Array, Places], Truths]


@dataclass(frozen=True)
class Mixed:
    """Where the mixing of P points stopped: ``x`` and ``image`` g(x) (P, m), ``residual`` and ``evaluations`` (P,)."""

    x: Array
    image: Array
    residual: Array
    evaluations: npt.NDArray[np.int_]


def residuals(x: Array, image: Array, blocks: Sequence[slice]) -> Array:
    """max over blocks of max |g(x) − x| / max (|g(x)|, |x|), for points (Q, m); infinite where g(x) is no number."""
    finite = np.isfinite(image).all(axis=1)
    if not finite.all():
        worst = np.full(len(x), np.inf)
        worst[finite] = residuals(x[finite], image[finite], blocks)
        return worst
    sizes, gaps = np.maximum(np.abs(image), np.abs(x)), np.abs(image - x)
    worst = np.zeros(len(x))
    for block in blocks:
        gap, size = gaps[:, block].max(axis=1, initial=0.0), sizes[:, block].max(axis=1, initial=0.0)
        worst = np.maximum(worst, np.divide(gap, size, out=np.zeros_like(gap), where=gap > 0.0))
    return worst


def mixed(
    g: Maps,
    start: Array,
    physical: Checks,
    blocks: Sequence[slice],
    *,
    tol: float,
    steps: int,
    evaluations: int,
    depth: int = 6,
) -> Mixed:
    """x ← Σ θ_j g(x_j) with θ the least-squares combination (Σ θ = 1) of the last residuals of each point of ``start`` (P, m).

    A point rests once its residual is within ``tol``, its image is no number, or it took ``steps`` steps or ``evaluations`` of
    g. An unphysical candidate is replaced by a plain step and clears the memory of its point.
    """
    x = np.array(start, np.float64)
    image = g(x, np.arange(len(x)))
    residual = residuals(x, image, blocks)
    used = np.ones(len(x), np.int_)
    moving = np.flatnonzero((residual > tol) & np.isfinite(residual)) if evaluations > 1 else np.arange(0)
    # Images and gaps g(x) − x of the last points, the newest last, and whether they still count.
    images, gaps = np.empty((0, *x[moving].shape)), np.empty((0, *x[moving].shape))
    counts = np.empty((0, len(moving)), bool)
    for _ in range(steps):
        if not len(moving):
            break
        last = image[moving]
        images = np.concatenate([images[-depth:], last[None]])
        gaps = np.concatenate([gaps[-depth:], (last - x[moving])[None]])
        counts = np.concatenate([counts[-depth:], np.ones((1, len(moving)), bool)])
        candidate = _combined(images, gaps, counts) if len(gaps) > 1 else last
        good: Truths = np.array(np.isfinite(candidate).all(axis=1), bool)
        good[good] = physical(candidate[good], moving[good])
        counts = np.asarray(counts & good, bool)
        x[moving] = np.where(good[:, None], candidate, last)
        image[moving] = g(x[moving], moving)
        residual[moving] = residuals(x[moving], image[moving], blocks)
        used[moving] += 1
        on = (residual[moving] > tol) & np.isfinite(residual[moving]) & (used[moving] < evaluations)
        if not on.all():
            images, gaps, counts, moving = images[:, on], gaps[:, on], counts[:, on], moving[on]
    return Mixed(x, image, residual, used)


def _combined(images: Array, gaps: Array, counts: Truths) -> Array:
    """g(x_H) − Σ θ_j (g(x_H) − g(x_j)), θ least squares of the gaps; (H, Q, m) and (H, Q), memory that counts."""
    kept = counts[:-1, :, None]
    differences = np.where(kept, gaps[-1] - gaps[:-1], 0.0).transpose(1, 2, 0)
    shifts = np.where(kept, images[-1] - images[:-1], 0.0).transpose(1, 2, 0)
    theta = np.linalg.pinv(differences, rcond=1e-14) @ gaps[-1][:, :, None]
    combined: Array = images[-1] - (shifts @ theta)[:, :, 0]
    return combined
