"""Bounds of a product of functions of correlated lines, one axis complex and all others real (see ``correlated_moments``)."""

from __future__ import annotations

import math

import flint

from hermite.engines.composite import is_composite, tree_of
from hermite.engines.constants import Unsupported
from hermite.engines.correlated_axes import Setting
from hermite.engines.strip_bounds import Growth, growth
from hermite.engines.univariate import Univariate
from hermite.exact.effort import spend
from hermite.language.nodes import postorder

#: Units of :mod:`hermite.exact.effort` that the bound of a function of one line costs, and a node of a composite one.
_A_FUNCTION, _A_NODE = 3, 2


class Frame:
    """Bounds of |F Π He/√k!| e^{−q/2} times the front of the density, on the axes of a setting."""

    def __init__(self, setting: Setting, order: int) -> None:
        self.setting, self.order = setting, order
        m = setting.m
        self.front = float((setting.correlation.det() * (2 * flint.arb.pi()) ** m).rsqrt().upper())
        self.spreads = [math.sqrt(setting.lines.covariance[at][at]) for at in range(len(setting.own))]
        self.mixing = [[float(x) for x in row] for row in setting.mixing]
        self.slopes = [float(setting.precision[i, i].upper()) for i in range(m)]
        self.real = [
            growth(u, s, 0.0, None) for u, s in zip(setting.lines.functions, self.spreads, strict=True)
        ]
        self.cost = sum(map(_cost, setting.lines.functions))

    def edges(self, i: int, radius: float) -> list[float]:
        found = {-radius, 0.0, radius}
        for u, own, row in zip(self.setting.lines.functions, self.setting.own, self.mixing, strict=True):
            if own == i:
                found |= {-float(theta) / row[i] for theta in u.thresholds}
        return sorted(x for x in found if abs(x) <= radius)

    def bound(self, i: int, y: float, a: float, b: float) -> float:
        spend(self.cost)
        total = Growth(
            self.front * math.exp(min(self.slopes[i] * b * b / 2 * (1 + 1e-9), 700.0)),
            b + math.sqrt(self.order),
            self.order,
        )
        for at, u in enumerate(self.setting.lines.functions):
            m = self.mixing[at][i]
            if not m or not b:
                total = total * self.real[at]
                continue
            near = None
            if self.setting.own[at] == i:
                near = (min(m * (y - a), m * (y + a)), max(m * (y - a), m * (y + a)))
            total = total * growth(u, self.spreads[at], abs(m) * b, near)
        return _largest(total, max(0.0, abs(y) - a))

    def radius(self, tolerance: float) -> tuple[float, float]:
        """(R, bound of the integral where some |y_i| > R): there s = √q > R."""
        total = Growth(1.0, math.sqrt(self.order), self.order)
        for own in self.real:
            total = total * own
        m = self.setting.m
        # ∫_{s>R} s^(m−1) …: the density of the length of m standard Gaussians.
        front = total.constant * 2 / (2 ** (m / 2) * math.gamma(m / 2))
        degree, shift, r = total.degree + m - 1, total.shift, 6.0
        while True:
            r += 0.25
            fall = r - degree / r
            if fall > 0.5:
                tail = front * math.exp(degree * math.log(r + shift) - r * r / 2) / fall
                if tail < tolerance:
                    return r, tail * (1 + 1e-9)
            if r > 40:
                raise Unsupported("a product that grows too fast for a certified sum")


def _cost(u: Univariate) -> int:
    nodes = sum(len(postorder(tree_of(name))) for name, *_ in u.factors if is_composite(name))
    return _A_FUNCTION + _A_NODE * nodes


def _largest(g: Growth, low: float) -> float:
    """sup over s ≥ low of constant (s + shift)^degree e^{−s²/2}."""
    if not math.isfinite(g.constant):
        return math.inf
    top = (-g.shift + math.sqrt(g.shift**2 + 4 * g.degree)) / 2
    s = max(low, top)
    log = (
        math.log(max(g.constant, 1e-300))
        + (g.degree * math.log(s + g.shift) if g.degree else 0.0)
        - s * s / 2
    )
    return math.exp(log) * (1 + 1e-9) if log < 600 else math.inf
