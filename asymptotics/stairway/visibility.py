"""Which Hermite degrees of a target an activation without biases can express, whatever the weights.

σ = even part + odd part. Features σ(⟨w, z⟩) span functions of both parities separately, and where the part of one
parity is a polynomial of degree q no degree above q of that parity is ever reached: relu(x) = x/2 + |x|/2 misses every
odd degree from 3 on, an odd activation every even degree, the constant included.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

_LARGEST = 12


@dataclass(frozen=True)
class Visible:
    """Largest visible degree of each parity: ∞ for all, a number q, or −1 for none."""

    even: float = math.inf
    odd: float = math.inf

    def __call__(self, degree: int) -> bool:
        """Whether the degree-``degree`` part of a target can be expressed."""
        return degree <= (self.odd if degree % 2 else self.even)

    @property
    def everything(self) -> bool:
        """Whether no degree is out of reach."""
        return math.isinf(self.even) and math.isinf(self.odd)


def visible_degrees(sigma: Callable[[Any], Any]) -> Visible:
    """The visible degrees of σ, by fitting its even and odd parts with polynomials of degree up to 12.

    >>> visible_degrees(lambda x: np.maximum(x, 0))
    Visible(even=inf, odd=1)
    """
    x = np.linspace(0.01, 4.0, 200)
    plus, minus = np.asarray(sigma(x), float), np.asarray(sigma(-x), float)
    size = float(np.max(np.abs([plus, minus])))
    return Visible(_degree(x, (plus + minus) / 2, 0, size), _degree(x, (plus - minus) / 2, 1, size))


def _degree(x: np.ndarray, values: np.ndarray, parity: int, size: float) -> float:
    """Degree of the polynomial of this parity through ``values``; −1 if they vanish beside ``size``, ∞ if there is none."""
    scale = float(np.max(np.abs(values)))
    if scale <= 1e-12 * size:
        return -1
    for q in range(parity, _LARGEST + 1, 2):
        basis = (x[:, None] / x[-1]) ** np.arange(parity, q + 1, 2)
        fit = basis @ np.linalg.lstsq(basis, values, rcond=None)[0]
        if float(np.max(np.abs(fit - values))) < 1e-10 * scale:
            return q
    return math.inf
