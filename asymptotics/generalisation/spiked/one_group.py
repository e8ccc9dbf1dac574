r"""The nonlinear sector of one group of independent neurons without spikes: one equation for one number.

With q = ν ρ h, h = α μ1² iv, a = α μ* iv, iv = 1/(om + V) and c = el + a/β the equation of N⁻¹ = g is quadratic,

    c q g² + (c + ρ h/β − q) g − 1 = 0,

and V = μ1² W + ν μ* g with W = ν ρ g/(1 + q g) closes it: an increasing function of V with one fixed point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: ln V is looked for up to this far from the start.
_REACH = 80.0


@dataclass(frozen=True)
class OneGroup:
    """μ1², μ*² (``spread``), ν, ρ of the group, and the setting α, 1/β, om, el of ``ridge_equations``."""

    slope2: float
    spread: float
    count: float
    rho: float
    alpha: float
    inverse_beta: float
    om: float
    el: float

    def response(self, variance: float) -> tuple[float, float]:
        """(W, g) at V."""
        iv = 1.0 / (self.om + variance)
        h = self.alpha * self.slope2 * iv
        c = self.el + self.inverse_beta * self.alpha * self.spread * iv
        q = self.count * self.rho * h
        b = c + self.inverse_beta * self.rho * h - q
        root = math.sqrt(b * b + 4.0 * c * q)
        g = 2.0 / (b + root) if b > 0 else (root - b) / (2.0 * c * q)
        scaled = self.count * self.rho * g
        return scaled / (1.0 + h * scaled), g

    def next(self, variance: float) -> float:
        """V that follows from V."""
        W, g = self.response(variance)
        return self.slope2 * W + self.count * self.spread * g

    def solve(self) -> tuple[float, float] | None:
        """(W, g) at the fixed point; None where no bracket of it is found."""
        from scipy.optimize import brentq

        def gap(x: float) -> float:
            return math.log(self.next(math.exp(x))) - x

        try:
            low = high = math.log(self.next(1.0))
            while gap(low) < 0:
                low -= 4.0
                if low < -_REACH:
                    return None
            while gap(high) > 0:
                high += 4.0
                if high > _REACH:
                    return None
            x = low if low == high else float(brentq(gap, low, high, xtol=1e-15, rtol=1e-15))
        except (ValueError, ZeroDivisionError, OverflowError):
            return None
        return self.response(math.exp(x))
