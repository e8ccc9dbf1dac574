r"""Where averages over κ and τ need nodes that neither the layer nor the target asks for.

The local field of a new sample is M = m(κ) + ∇·τ with noise √q. Where M crosses a level at which the loss turns (0, for the
sign of the output), averages over the noise turn with it: over τ within √q/|∇|, over κ within √(q + ∇²)/|m'|, and where the
crossing meets a jump of the label, within √q/|d(M at the jump)/dκ|. At a large penalty √q and ∇ fall as 1/λ beside m: the
layers are narrower than any rule that does not know them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.losses.scalar_losses import Loss

Array = npt.NDArray[np.float64]

#: Layers narrower than this need nodes of their own.
NARROW = 0.3
#: Edges of panels around a layer in units of its width, and their growth beyond, up to a length of one.
_FLANKS, _GROWTH = (1.5, 3.0, 6.0), 4.0
#: Layers as near as this, in units of their width, of widths within a factor of each other, are one.
_NEAR, _ALIKE = 1.5, 2.0
#: κ less likely than this, of the likeliest, do not count where panels of τ are.
_RARE = 1e-8
#: Where nothing is.
_REACH = 7.0
#: The logistic loss turns within this.
_LOGISTIC = 1.0


@dataclass(frozen=True, eq=False)
class Field:
    """A local field at nodes of κ: ``mean`` m (K,), ``slope`` ∇ (K, r), ``noise`` √q (K,), ``levels`` (K, C), their ``blur``."""

    mean: Array
    slope: Array
    noise: Array
    levels: Array
    blur: float = 0.0

    @property
    def width(self) -> Array:
        """√q and what blurs the levels themselves (K,)."""
        return np.hypot(self.noise, self.blur)


@dataclass(frozen=True)
class Layer:
    """A narrow place of κ."""

    place: float
    width: float

    def covers(self, other: Layer) -> bool:
        """Whether nodes for this layer do for the other."""
        alike = self.width / _ALIKE <= other.width <= self.width * _ALIKE**2
        return alike and abs(self.place - other.place) <= _NEAR * self.width

    def edges(self) -> list[float]:
        """Ends of panels around it."""
        return [self.place + self.width * t for t in (0.0, *flanks(self.width))]


def flanks(width: float) -> list[float]:
    """±1.5, 3, 6, 24, … widths, to a length of one."""
    far = []
    step = _FLANKS[-1] * _GROWTH
    while step * width < 1.0:
        far.append(step)
        step *= _GROWTH
    return [sign * t for t in (*_FLANKS, *far) for sign in (-1.0, 1.0)]


class Asked(Enum):
    """What is averaged: the pulls of the fixed point, the losses, or the sign of the output."""

    PULLS = 1
    COSTS = 2
    SIGN = 3


def levels_of(loss: Loss, V: Array, asked: Asked) -> tuple[Array, float]:
    """M (K, C) at which averages over the noise turn at widths ``V`` (K,), and what blurs them."""
    if asked is Asked.SIGN or loss.pieces is None:
        return np.zeros((len(V), 1)), 0.0 if asked is Asked.SIGN else _LOGISTIC
    edges = [*loss.pieces(V).edges]
    if asked is Asked.COSTS:
        # A new sample's output is the proximal point of width zero.
        edges += loss.pieces(np.zeros_like(V)).edges
    found = [y * (1 - edge) for edge in edges for y in (1.0, -1.0)]
    return np.stack(found, axis=1) if found else np.zeros((len(V), 0)), 0.0


def layers_along(kappa: Array, field: Field, jumps: Array, jump_widths: Array) -> list[Layer]:
    """Narrow layers over one κ (K,) of the averages over τ; ``jumps`` (K, D) of the label in τ and their widths (D,)."""
    slope = np.linalg.norm(field.slope, axis=1)
    found: list[Layer] = []
    for level in field.levels.T:
        found += _crossings(kappa, field.mean - level, np.hypot(field.width, slope))
        for jump, width in zip(jumps.T, jump_widths, strict=True):
            at_jump = field.mean + field.slope[:, 0] * jump - level
            found += _crossings(kappa, at_jump, np.hypot(field.width, width * slope))
    one: list[Layer] = []
    for layer in found:
        if not any(other.covers(layer) for other in one):
            one.append(layer)
    return one


def _crossings(kappa: Array, value: Array, blur: Array) -> Iterable[Layer]:
    """Zeros of ``value``, and turning points near zero, where the blur (K,) makes it narrow."""
    from scipy.interpolate import CubicSpline

    if not np.all(np.isfinite(value)) or np.ptp(value) == 0:
        return
    spline = CubicSpline(kappa, value)
    slope = spline.derivative()
    bend = slope.derivative()
    for place in spline.roots(extrapolate=False):
        wide = float(np.interp(place, kappa, blur))
        steep, curved = abs(float(slope(place))), abs(float(bend(place)))
        # A crossing beside a turning point is as wide as the parabola says.
        width = min(wide / max(steep, 1e-300), math.sqrt(2 * wide / max(curved, 1e-300)))
        if math.isfinite(place) and abs(place) < _REACH and width < NARROW:
            yield Layer(float(place), max(width, 1e-12))
    for place in slope.roots(extrapolate=False):
        if not math.isfinite(place) or abs(place) >= _REACH:
            continue
        wide = max(float(np.interp(place, kappa, blur)), abs(float(spline(place))))
        width = math.sqrt(2 * wide / max(abs(float(bend(place))), 1e-300))
        if width < NARROW:
            yield Layer(float(place), max(width, 1e-12))


def has_cuts(field: Field) -> bool:
    """Whether it turns sharply with τ."""
    width = field.width / np.maximum(np.linalg.norm(field.slope, axis=1), 1e-300)
    return bool(field.levels.shape[1] and np.any(width < NARROW))


def cuts_of(field: Field) -> Array | None:
    """Ends of panels of one τ (K, E), row by row; None where all is smooth there."""
    slope = np.abs(field.slope[:, 0])
    width = field.width / np.maximum(slope, 1e-300)
    narrow = width < NARROW
    if not np.any(narrow) or not field.levels.shape[1]:
        return None
    steps = np.array([0.0, *flanks(float(np.min(width[narrow])))])
    ends = (_places(field)[:, :, None] + width[:, None, None] * steps).reshape(len(width), -1)
    return np.where(narrow[:, None], ends, np.inf)


def narrowest(field: Field, axis: Array) -> float:
    """The narrowest layer along a direction of τ, over κ."""
    along = np.abs(field.slope @ axis)
    rest = np.sqrt(np.maximum(np.sum(field.slope**2, axis=1) - along**2, 0.0))
    return float(np.min(np.hypot(field.width, rest) / np.maximum(along, 1e-300), initial=np.inf))


def same_cuts(old: Field | None, new: Field, weights: Array) -> bool:
    """Whether panels of τ for the ``old`` field at these nodes do for the ``new``; κ of small ``weights`` (K,) do not count."""
    slope = np.abs(new.slope[:, 0])
    width = new.width / np.maximum(slope, 1e-300)
    narrow = (width < NARROW) & (weights > _RARE * weights.max())
    if not np.any(narrow) or not new.levels.shape[1]:
        return True
    if old is None or np.any(old.slope[narrow, 0] == 0):
        return False
    before = old.width[narrow] / np.abs(old.slope[narrow, 0])
    moved = _places(new)[narrow] - _places(old)[narrow]
    alike = (before / _ALIKE <= width[narrow]) & (width[narrow] <= before * _ALIKE**2)
    return bool(np.all(alike) and np.all(np.abs(moved) <= _NEAR * before[:, None]))


def _places(field: Field) -> Array:
    """τ (K, C) at which M is at its levels."""
    slope = field.slope[:, :1]
    found: Array = (field.levels - field.mean[:, None]) / np.where(slope == 0, 1.0, slope)
    return found
