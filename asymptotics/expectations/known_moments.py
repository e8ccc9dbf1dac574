"""What is known of a target without a rule: its mean, its linear part and E f², exactly or as balls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.caches import remembered
from hermite.errors import InputError

if TYPE_CHECKING:
    from hermite.target import Target

Array = npt.NDArray[np.float64]


@remembered
def known_moments(f: Target) -> tuple[float, Array, float | None] | None:
    """C_0, C_1 (r,) in orthonormal coordinates and E f² (None if it has no closed form) as the expansion knows them.

    None for a callable and where the expansion is undecided.
    """
    if f.tree is None:
        return None
    from hermite.engines.constants import Unsupported
    from hermite.exact.rows import to_float
    from hermite.expansion import expand

    try:
        expansion = expand(f, order=1)
        mean, linear = float(expansion.tensor(0)), np.asarray(expansion.tensor(1), float)
    except (InputError, Unsupported):
        return None
    try:
        energy = None if expansion.total_scalar is None else to_float(expansion.total_scalar)
    except Unsupported:
        # A certified integral that says nothing at its bits.
        energy = None
    return mean, linear, energy


@remembered
def known_curvature(f: Target) -> Array | None:
    """C_2 = E[f (x xᵀ − 1)] (r, r) in orthonormal coordinates as the expansion knows it; None where it does not."""
    if f.tree is None or known_moments(f) is None:
        return None
    from hermite.engines.constants import Unsupported
    from hermite.expansion import expand

    try:
        return np.asarray(expand(f, order=2).tensor(2), float)
    except (InputError, Unsupported):
        return None


def against_exact(f: Target, x: Array, w: Array) -> float:
    """The largest deviation from :func:`known_moments` and :func:`known_curvature`, relative; 0 where nothing is known."""
    known = known_moments(f)
    if known is None:
        return 0.0
    mean, linear, energy = known
    values = np.asarray(f(x), float)
    weighted = w * values
    second = float(weighted @ values)
    size = math.sqrt(max(energy if energy is not None else second, 1e-300))
    off = [abs(float(weighted.sum()) - mean) / size, *(np.abs(weighted @ x - linear) / size)]
    curvature = known_curvature(f)
    if curvature is not None:
        off += list(
            np.abs((weighted[:, None] * x).T @ x - weighted.sum() * np.eye(f.r) - curvature).ravel() / size
        )
    if energy is not None:
        off.append(abs(second / max(energy, 1e-300) - 1) if energy > 0 else second)
    return float(max(off))
