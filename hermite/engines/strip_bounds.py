"""Bounds of the functions along one line on strips of the complex plane, for the errors of certified rules.

On |Im w| ≤ v, |Re w| ≥ x: |tanh|² ≤ (sinh²x + sin²v)/(sinh²x + cos²v); |erf w| ≤ 1 + (2/√π) v e^{v² − x²};
|sin|, |cos| ≤ e^v; |log 2cosh(w/2)| ≤ |w|/2 + 2.4 for v ≤ 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hermite.engines.composite import bound, is_composite
from hermite.engines.univariate import Univariate


@dataclass(frozen=True)
class Growth:
    """|u| ≤ constant · (s + shift)^degree, s the distance from the origin in standard deviations."""

    constant: float
    shift: float = 0.0
    degree: int = 0

    def __mul__(self, other: Growth) -> Growth:
        return Growth(
            self.constant * other.constant, max(self.shift, other.shift), self.degree + other.degree
        )


NOWHERE = Growth(math.inf)


def growth(u: Univariate, spread: float, aside: float, near: tuple[float, float] | None) -> Growth:
    """A bound of u(t) for |Im t| ≤ ``aside``, t of standard deviation ``spread``; Re t within ``near`` if that is known."""
    shift = aside / spread
    out = Growth(max(spread, 1e-300) ** u.power, shift, u.power)
    for name, c, e, k in u.factors:
        slope, offset = abs(float(c)) * (1 + 1e-12), float(e)
        distance = 0.0
        if near is not None:
            ends = [float(c) * t + offset for t in near]
            distance = 0.0 if min(ends) <= 0 <= max(ends) else min(map(abs, ends)) * (1 - 1e-9)
        if is_composite(name):
            top = _of_composite(name, c_times(c, near), aside * slope, offset)
            own = Growth(top)
        elif name == "logcosh":
            own = _of_logcosh(slope, offset, spread, shift, aside * slope)
        else:
            own = Growth(_strip(name, aside * slope, distance))
        for _ in range(k):
            out = out * own
    return out


def _strip(name: str, v: float, x: float) -> float:
    if name == "tanh":
        if x > 300:
            return 1.0 + 1e-12
        s = math.sinh(x) ** 2
        if v >= 1.55:
            return math.sqrt(1 + 1 / s) * (1 + 1e-9) if x > 0.02 else math.inf
        return max(1.0, math.sqrt((s + math.sin(v) ** 2) / (s + math.cos(v) ** 2))) * (1 + 1e-9)
    power = v * v - x * x if name == "erf" else v
    if power > 600:
        return math.inf
    return 1 + 2 / math.sqrt(math.pi) * v * math.exp(power) if name == "erf" else math.exp(v)


def _of_logcosh(slope: float, offset: float, spread: float, shift: float, v: float) -> Growth:
    """|w|/2 + 2.4 ≤ (a + g)(s + shift + 1), a the slope in s."""
    if v > 2.0:
        return NOWHERE
    return Growth(slope * spread / 2 + abs(offset) / 2 + 2.4, shift + 1, 1)


def c_times(c: object, near: tuple[float, float] | None) -> tuple[float, float] | None:
    """The real parts of c t."""
    if near is None:
        return None
    ends = sorted(float(c) * t for t in near)  # type: ignore[arg-type]
    return ends[0], ends[1]


def _of_composite(name: str, real: tuple[float, float] | None, v: float, offset: float) -> float:
    import flint

    from hermite.engines.composite import complex_value

    if v == 0:
        return bound(name) or math.inf
    if real is None:
        return math.inf
    middle, radius = (real[0] + real[1]) / 2 + offset, (real[1] - real[0]) / 2 * (1 + 1e-9) + 1e-12
    box = flint.acb(flint.arb(middle, radius), flint.arb(0, v))
    value = complex_value(name, box, True)
    return float(abs(value).upper()) * (1 + 1e-9) if value.is_finite() else math.inf
