"""A rule for one Gaussian variable along the line of a target of one direction, with panels where it is sharp."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.caches import remembered
from asymptotics.expectations.frames import kink_frame, sharp_places
from asymptotics.expectations.sharpness import is_plain
from asymptotics.expectations.sigma_rules import Resolved
from hermite.target import Target

Array = npt.NDArray[np.float64]


@remembered
def _line(f: Target) -> Resolved:
    """A target of one direction, resolved where it is sharp."""

    def value(x: Any) -> Array:
        return np.asarray(f(np.asarray(x, float)[..., None].reshape(-1, 1)), float).reshape(np.shape(x))

    return Resolved(value, value, _kinks(f), sharp_places(f)[1][0], noisy_slope=True, plain=is_plain(f))


def _kinks(f: Target) -> tuple[float, ...]:
    frame = kink_frame(f)
    return tuple(sign * kink for sign in (float(frame.axes[0, 0]),) for kink in frame.kinks[0])


def row_rule(
    f: Target, centre: Array, width: float, cuts: Array | None = None, *, finer: bool = False
) -> tuple[Array, Array]:
    """Nodes and weights for τ ~ N(0, 1), (K or 1, points): one row a κ, with panels where f* is sharp.

    ``cuts`` (K, C): more ends of panels; ``finer``: more nodes.
    """
    m, s = centre[:, None], np.full((len(centre), 1), width)
    return _line(f).rule(m, s, finer=int(finer), cuts=cuts)
