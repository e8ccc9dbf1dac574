"""Python functions as activations: where σ and σ' jump, and a derivative that does not look across a jump."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.sigma_rules import Function

Array = npt.NDArray[np.float64]

_REACH = 9.0
_STEP = 1e-5


def numerical_slope(function: Function, jumps: tuple[float, ...] = ()) -> Function:
    """The central difference of ``function``, taken beside each of ``jumps`` instead of across it."""

    def slope(x: Any) -> Any:
        x = np.asarray(x)
        step = _STEP if x.dtype != np.float32 else 1e-2
        for jump in jumps:
            side = np.where(x >= jump, 2.0, -2.0).astype(x.dtype) * step
            x = np.where(np.abs(x - jump) < 2 * step, x.dtype.type(jump) + side, x)
        return (function(x + step) - function(x - step)) / (2 * step)

    return slope


def jumps_of(function: Function, reach: float = _REACH) -> tuple[float, ...]:
    """Jumps of ``function`` in [−reach, reach]: cells of 1e-4 that have most of the change over 2e-3 around them.

    The change must be no rounding: 1e-6 of the largest value at least, for functions that grow far beyond their jumps.

    A numerical derivative smears a jump over 2e-5; the jump is where the function passes half its height.
    """
    low = np.linspace(-reach, reach, 4001)[:-1] - 1e-4 * np.pi
    high = low + 2 * reach / 4000
    values = np.asarray(function(low), float)
    scale, around = float(np.max(np.abs(values))), np.zeros(len(low))
    for halving in range(5):
        middle = (low + high) / 2
        left, centre, right = (np.asarray(function(x), float) for x in (low, middle, high))
        first = np.abs(centre - left) > np.abs(right - centre)
        if halving == 0:
            around = np.maximum(np.abs(centre - left), np.abs(right - centre))
        low, high = np.where(first, low, middle), np.where(first, middle, high)
    left, right = np.asarray(function(low), float), np.asarray(function(high), float)
    inside = np.abs(right - left)
    jump = (inside > 0.5 * around) & (inside > 1e-6 * scale)
    # A little wider: the whole of a smeared jump lies inside, also where two cells share it.
    low, high = low[jump] - 4e-5, high[jump] + 4e-5
    left, right = np.asarray(function(low), float), np.asarray(function(high), float)
    half = (left + right) / 2
    for _ in range(50):
        middle = (low + high) / 2
        below = np.sign(np.asarray(function(middle), float) - half) == np.sign(left - half)
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    kinks: list[float] = []
    for kink in ((low + high) / 2).tolist():
        if not kinks or kink - kinks[-1] > 1e-3:
            # A place is in units of the standard normal argument: this near, it is meant to be 0.
            kinks.append(0.0 if abs(kink) < 1e-9 else kink)
    return tuple(kinks)
