"""Sweeps of a fixed point in several arrays, mixed: damped at first, by Anderson's least squares when they shrink steadily.

Near a singular point (samples that a plane all but separates, n = p at a small penalty) damped sweeps shrink by 1 − O(√λ) each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Arrays = tuple[Array, ...]

#: Damped sweeps before the first mixture, how many of the last are mixed, and what a mixture may make worse.
_DAMPED, _DEPTH, _WORSE = 8, 8, 4.0
#: Farther away than this sweeps are damped for longer: mixtures there leave what is physical, over and over.
_FAR, _DAMPED_FAR = 0.1, 80
#: Mixtures that are larger than this times what they are made of are none.
_GROWTH = 4.0
#: Singular values of the differences that are rounding.
_FLAT = 1e-12


class Mixing:
    """``next`` of the sweeps so far, and by how much farther than the last change their fixed point is."""

    def __init__(self, damping: float, physical: Callable[[Arrays], bool]) -> None:
        self.damping, self.physical = damping, physical
        self.sweeps, self.amplification, self.least = 0, 1.0, math.inf
        self.units: Array = np.empty(0)
        self.points: list[Array] = []
        self.gaps: list[Array] = []

    def next(self, state: Arrays, new: Arrays, sizes: Sequence[float], change: float) -> Arrays:
        """Where the next sweep starts: ``new`` is what one makes of ``state``, ``change`` how much that is in units ``sizes``."""
        self.sweeps += 1
        damped = tuple(o + self.damping * (a - o) for a, o in zip(new, state, strict=True))
        if self.sweeps <= _DAMPED or (change > _FAR and self.sweeps <= _DAMPED_FAR):
            return damped
        if change > _WORSE * self.least:
            self.forget()
        if not self.points:
            self.units = np.concatenate([np.full(a.size, x) for a, x in zip(new, sizes, strict=True)])
        self.least = min(self.least, change)
        x = _flat(state) / self.units
        self.points = [*self.points, x][-_DEPTH - 1 :]
        self.gaps = [*self.gaps, _flat(new) / self.units - x][-_DEPTH - 1 :]
        if len(self.points) < 2:
            return damped
        moves, turns = np.diff(self.points, axis=0).T, np.diff(self.gaps, axis=0).T
        # |Δx|/|Δ(g(x) − x)| in the directions that were gone.
        ratios = np.max(np.abs(moves), axis=0) / np.maximum(np.max(np.abs(turns), axis=0), 1e-300)
        self.amplification = max(1.0, float(ratios.max()))
        theta = np.linalg.lstsq(turns, self.gaps[-1], rcond=_FLAT)[0]
        mixed = x + self.damping * self.gaps[-1] - (moves + self.damping * turns) @ theta
        found = _shaped(mixed * self.units, state)
        grown = float(np.max(np.abs(mixed))) > _GROWTH * float(np.max(np.abs([x, x + self.gaps[-1]])))
        if np.all(np.isfinite(mixed)) and not grown and self.physical(found):
            return found
        self.forget()
        return damped

    def forget(self) -> None:
        """The sweeps so far are of another map."""
        self.points, self.gaps, self.least = [], [], math.inf


def _flat(arrays: Arrays) -> Array:
    return np.concatenate([a.ravel() for a in arrays])


def _shaped(flat: Array, like: Arrays) -> Arrays:
    ends = np.cumsum([a.size for a in like])
    return tuple(part.reshape(a.shape) for part, a in zip(np.split(flat, ends[:-1]), like, strict=True))
