r"""Standard normals from uniforms, by whole arrays: half the price of NumPy's own where steps are small and many.

Box and Muller (Ann. Math. Stat. 29, 610), with t = tan(θ/2) for the angle θ:

    x = ρ (1 − t²)/(1 + t²),   y = 2 ρ t/(1 + t²),   ρ² = −2 log(1 − v),   v uniform in [0, 1) .

Exact up to the 53 bits of a uniform: |x| ≤ 8.6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


#: Normals that are worked on at once: they stay near the processor.
_NEAR = 2**12


def normals(streams: Sequence[np.random.Generator], *shape: int) -> Array:
    """(streams, …): standard normals of ``shape`` from each stream, whatever the others draw."""
    count = math.prod(shape)
    half = (count + 1) // 2
    drawn = np.empty((len(streams), 2, half))
    together = max(1, _NEAR // half)
    scratch = np.empty((together, half))
    for first in range(0, len(streams), together):
        part = drawn[first : first + together]
        for rng, uniforms in zip(streams[first : first + together], part, strict=True):
            rng.random(out=uniforms)
        _turn(part[:, 0], part[:, 1], scratch[: len(part)])
    return drawn.reshape(len(streams), -1)[:, :count].reshape(len(streams), *shape)


def _turn(x: Array, y: Array, t: Array) -> None:
    """Uniforms ``x``, ``y`` become normals, in place; ``t`` is overwritten."""
    # tan has the period π: its angle may be taken from (0, π).
    np.multiply(y, math.pi, out=t)
    np.tan(t, out=t)
    np.multiply(t, t, out=y)
    np.negative(x, out=x)
    np.log1p(x, out=x)
    x *= -2.0
    np.sqrt(x, out=x)
    # ρ/(1 + t²): t is below 1e17, of which the square is finite.
    y += 1.0
    x /= y
    t *= x
    np.subtract(2.0, y, out=y)
    x *= y
    np.add(t, t, out=y)
