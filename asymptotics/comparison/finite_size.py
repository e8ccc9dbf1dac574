"""What a finite input dimension adds to a gap between simulation and theory, estimated from several sizes.

A point is simulated at sizes d_1 < … < d_K. If the theory is right, its gap g(d) = simulation − theory falls as

    g(d) = a + b d^(-γ) + noise,   a = 0,

with γ = 1 (even fluctuations only: the rule for averages over n, p ∝ d) or γ = 1/2. What a finite size explains is
the *allowance* b d_K^(-γ); what it does not is a, the intercept of the least-squares line of each point through its own
gaps, with error sqrt(Σ_k w_k² s_k²) and, by Welch and Satterthwaite, about a t distribution: exact whatever the slopes of
the points are. (Slopes that are taken as draws of one size would give more power, and refuse true theories where points
differ: in experiments on 12 to 48 points of sizes over two decades, four of five.) The price are larger errors: at d, d/2
and d/4 times 1.5 with γ = 1, and 2.8 with γ = 1/2. Which of the rates it is, all points tell together, if they can; a theory
is refused only by every rate that they leave open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hermite.errors import InputError

Array = npt.NDArray[np.float64]

RATES = {"1/d": 1.0, "1/sqrt(d)": 0.5}
"""Names of the rates γ."""

DECISIVE = 12.0
"""Difference of chi-square at which one rate is preferred: two standard errors."""

SMALLEST = 24
"""Below this dimension terms of the next order are as large as the first: no size is added there."""


@dataclass(frozen=True)
class Intercept:
    """The gap as d → infinity: ``value`` ± ``error`` with ``freedom``; weights w (K,) of the sizes."""

    value: float
    error: float
    freedom: float
    weights: Array


def sizes_below(d: int, count: int, least: int = 1) -> tuple[int, ...]:
    """d, d/2, d/4, … upwards, ``count`` of them at most, none below ``SMALLEST`` or ``least`` but d itself.

    >>> sizes_below(200, 3), sizes_below(60, 3), sizes_below(30, 3)
    ((50, 100, 200), (30, 60), (30,))
    """
    halves = [round(d / 2**k) for k in range(count)]
    return tuple(sorted({d} | {size for size in halves if size >= max(SMALLEST, least)}))


def fit_weights(sizes: Sequence[int], rate: float) -> tuple[Array, Array]:
    """Weights (K,) of the intercept and of the slope in the least-squares line through g against d^(-rate).

    Size d counts in proportion to d. One size has no slope: weight 1 and 0.
    """
    d = np.asarray(sizes, dtype=np.float64)
    if len(d) == 1:
        return np.ones(1), np.zeros(1)
    x, share = d**-rate, d / d.sum()
    middle = float(share @ x)
    slope = share * (x - middle) / float(share @ (x - middle) ** 2)
    return share - middle * slope, slope


def extrapolate(
    sizes: Sequence[int], gaps: Array, sems: Array, replicates: Sequence[int], rate: float
) -> Intercept:
    """The gap that remains as d → infinity, with its standard error: by the line through this point's own gaps."""
    weights = fit_weights(sizes, rate)[0]
    parts = (weights * sems) ** 2
    freedom = np.array(replicates, dtype=np.float64) - 1
    total, below = float(np.sum(parts)), float(np.sum(parts**2 / freedom))
    return Intercept(
        float(weights @ gaps),
        total**0.5,
        total**2 / below if below > 0 else float(min(freedom)),
        weights,
    )


def lack_of_fit(sizes: Sequence[int], gaps: Array, sems: Array, rate: float) -> float:
    """Σ (g_k − a − b d_k^(-rate))² / s_k²: how badly the line of this rate fits (0 for two sizes)."""
    intercept, slope = fit_weights(sizes, rate)
    line = float(intercept @ gaps) + float(slope @ gaps) * np.asarray(sizes, dtype=np.float64) ** -rate
    # What does not vary (fixed by construction) says nothing about the rate.
    varies = sems > 0
    return float(np.sum(((gaps - line)[varies] / sems[varies]) ** 2))


def possible_rates(
    points: Sequence[tuple[Sequence[int], Array, Array]], wanted: str = "auto"
) -> tuple[str, ...]:
    """The names of the rates that ``points`` (sizes, gaps, sems) leave open, the one to be taken first.

    "auto": the rate whose lines fit three sizes or more better by ``DECISIVE``; both if neither does, 1/sqrt(d) with the
    larger errors first. Raises ``InputError`` for an unknown name.
    """
    if wanted != "auto":
        if wanted not in RATES:
            raise InputError(f"rate must be auto, {' or '.join(RATES)}, not {wanted!r}.")
        return (wanted,)
    telling = [point for point in points if len(point[0]) >= 3]
    misfit = {name: sum(lack_of_fit(*point, rate) for point in telling) for name, rate in RATES.items()}
    if abs(misfit["1/sqrt(d)"] - misfit["1/d"]) > DECISIVE:
        return (min(misfit, key=lambda name: misfit[name]),)
    return ("1/sqrt(d)", "1/d") if any(len(point[0]) > 1 for point in points) else ("1/sqrt(d)",)
