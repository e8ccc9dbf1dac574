"""Python functions as activations: where σ and σ' jump, and a derivative that does not look across a jump."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.sigma_rules import Function

Array = npt.NDArray[np.float64]

#: Where jumps are looked for: nine standard deviations of a neuron three times as wide as at the start, and a mean of two.
_REACH = 29.0
#: The first cells.
_CELL = 4.5e-3
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


def jumps_of(
    function: Function, reach: float = _REACH, slope_of: Function | None = None
) -> tuple[float, ...]:
    """Jumps of ``function`` in [−reach, reach]: cells of 1e-4 that have most of the change over 2e-3 around them.

    The change must be no rounding: 1e-6 of the largest value no farther from 0 at least. Functions may grow beyond their jumps.
    Where ``function`` is the numerical slope of ``slope_of``, its rounding is that of ``slope_of`` over the step.

    A numerical derivative smears a jump over 2e-5; the jump is where the function passes half its height.
    """
    with np.errstate(all="ignore"):
        # Far out a function may overflow.
        return _jumps(function, reach, slope_of)


def _outward(function: Function, x: Array) -> Array:
    """The largest |``function``| at any of the points ``x``, symmetric about 0, no farther from 0."""
    size, half = np.abs(np.asarray(function(x), float)), len(x) // 2
    outward = np.maximum.accumulate(np.maximum(size[half:], size[:half][::-1]))
    return np.concatenate([outward[::-1], outward])


def _jumps(function: Function, reach: float, slope_of: Function | None) -> tuple[float, ...]:
    cells = 2 * round(reach / _CELL)
    low = np.linspace(-reach, reach, cells + 1)[:-1] - 1e-4 * np.pi
    high = low + 2 * reach / cells
    least, around = 1e-6 * _outward(function, low), np.zeros(len(low))
    if slope_of is not None:
        least += 1e2 * np.finfo(float).eps / _STEP * _outward(slope_of, low)
    for halving in range(5):
        middle = (low + high) / 2
        left, centre, right = (np.asarray(function(x), float) for x in (low, middle, high))
        first = np.abs(centre - left) > np.abs(right - centre)
        if halving == 0:
            around = np.maximum(np.abs(centre - left), np.abs(right - centre))
        low, high = np.where(first, low, middle), np.where(first, middle, high)
    left, right = np.asarray(function(low), float), np.asarray(function(high), float)
    inside = np.abs(right - left)
    jump = (inside > 0.5 * around) & (inside > least)
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
