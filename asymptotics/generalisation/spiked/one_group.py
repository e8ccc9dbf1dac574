r"""One group of independent neurons without spikes: the ridge equations in closed form up to one number, many points at once.

With iv = 1/(om + V), h = α μ1² iv, q = ν ρ h and c = el + α μ* iv/β the equation of N⁻¹ = g is quadratic,

    c q g² + (c + ρ h/β − q) g − 1 = 0,

and V = μ1² W + ν μ* g with D = ν ρ g, L = 1/(1 + h D), W = D L closes it: V ↦ V' increases and has one fixed point, which
Newton finds in ln V, kept between the last points on either side of it. What follows is linear (``Plain.errors``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asymptotics.fixed_point import Solution, Status
from asymptotics.generalisation.spiked.ridge_equations import Units

Array = npt.NDArray[np.float64]

#: ln V is looked for up to this far from the start.
_REACH = 80.0
#: Newton steps at most: bisection of the widest bracket to rounding takes 60.
_STEPS = 80
_TOLERANCE = 1e-12


class Point(NamedTuple):
    """Where a curve is asked for: n = α d samples, p = β d neurons, penalty λ, and the d of O(1/d) terms (∞: none)."""

    alpha: float
    beta: float
    lam: float
    d: float = math.inf


@dataclass(frozen=True)
class Numbers:
    """What the equations give at every point, arrays (P,); ``alignment`` (P, r). ``solved``: to the tolerance."""

    test: Array
    train: Array
    norm2: Array
    means: Array
    alignment: Array
    om: Array
    iv: Array
    inverse: Array
    L: Array
    T: Array
    W: Array
    residual: Array
    amplification: Array
    evaluations: int

    @property
    def solved(self) -> npt.NDArray[np.bool_]:
        """Where the residual is within the tolerance and the errors are numbers."""
        found: npt.NDArray[np.bool_] = (
            (self.residual <= _TOLERANCE) & np.isfinite(self.test) & (self.inverse > 0)
        )
        return found

    def solution(self, i: int) -> Solution:
        """How point ``i`` was solved."""
        grown = float(self.amplification[i])
        return Solution(
            Status.CONVERGED,
            float(self.residual[i]),
            self.evaluations,
            "closed form",
            np.array([self.W[i], self.inverse[i]]),
            grown if math.isfinite(grown) else None,
        )


def is_plain(units: Units) -> bool:
    """Whether the closed form applies: one neuron type, and no spike that it would depend on."""
    return units.mu1.size == 1 and units.members.size == 1 and units.modes == 0


class Plain:
    """The equations of ``units`` (see :func:`is_plain`) at many points."""

    def __init__(self, units: Units, points: Sequence[Point]) -> None:
        self.mu0, self.mu1, self.spread = (
            float(values.item()) for values in (units.mu0, units.mu1, units.spread)
        )
        self.count, self.rho = float(units.count.item()), float(units.rho.item())
        self.v = units.v[0, 0, 0]
        self.f0, self.f1, self.fs2 = float(units.f0.item()), units.f1[0], float(units.fs2.item())
        self.slope2 = self.mu1**2
        self.alpha, beta, lam, self.d = np.array(points, dtype=np.float64).T
        self.inverse_beta = 1.0 / beta
        under = beta <= self.alpha
        self.om, self.el = np.where(under, 1.0, lam), np.where(under, lam, 1.0)

    def response(self, variance: Array) -> tuple[Array, Array, Array]:
        """(g, W, dV'/dV) at V."""
        iv = 1.0 / (self.om + variance)
        h = self.alpha * self.slope2 * iv
        own = self.inverse_beta * self.alpha * self.spread * iv
        pair = self.count * self.rho
        back = self.inverse_beta * self.rho
        c = self.el + own
        q = pair * h
        b = c + back * h - q
        root = np.sqrt(b * b + 4.0 * c * q)
        g = np.where(
            b > 0, 2.0 / np.where(b > 0, b + root, 1.0), (root - b) / np.where(b > 0, 1.0, 2.0 * c * q)
        )
        D = pair * g
        L = 1.0 / (1.0 + h * D)
        # All that depends on V does so through iv, and h, own and q are proportional to it: d/dV = −iv × (…).
        bend = own * q * g * g + c * q * g * g + (own + back * h - q) * g
        slope_g = iv * bend / root
        slope_W = L * L * (pair * slope_g + iv * h * D * D)
        return g, D * L, self.slope2 * slope_W + self.count * self.spread * slope_g

    def susceptibilities(self) -> tuple[Array, Array, int]:
        """(W, g) (P,) at the fixed point, NaN where no bracket of it is found, and the evaluations of the map."""
        kept = self.slope2, self.count * self.spread
        g, W, _ = self.response(np.ones_like(self.alpha))
        x = np.log(kept[0] * W + kept[1] * g)
        low, high = x - _REACH, x + _REACH
        calls = 1
        for _ in range(_STEPS):
            calls += 1
            variance = np.exp(x)
            g, W, slope = self.response(variance)
            after = kept[0] * W + kept[1] * g
            gap = np.log(after) - x
            low, high = np.where(gap >= 0, x, low), np.where(gap <= 0, x, high)
            step = gap / (1.0 - slope * variance / after)
            moved = x + step
            inside = (moved > low) & (moved < high)
            moved = np.where(inside, moved, np.where(gap == 0, x, 0.5 * (low + high)))
            done = np.abs(moved - x) <= 2e-15 * (1.0 + np.abs(x))
            x = moved
            if np.all(done | ~np.isfinite(x)):
                break
        g, W, _ = self.response(np.exp(x))
        return W, g, calls + 1

    def map(self, W: Array, g: Array) -> tuple[Array, Array]:
        """(W, N⁻¹) that follow from (W, N⁻¹): the equations themselves, as ``nonlinear_sector.System`` has them."""
        iv = 1.0 / (self.om + self.slope2 * W + self.count * self.spread * g)
        h = self.alpha * self.slope2 * iv
        D = self.count * self.rho * g
        L = 1.0 / (1.0 + h * D)
        own = self.alpha * self.spread * iv + self.rho * L * h
        return D * L, 1.0 / (self.el + self.inverse_beta * own)

    def errors(self) -> Numbers:
        """All points; see ``linear_sector`` for the equations, of which this is the case A = U = B = K = 1, k = 0."""
        with np.errstate(all="ignore"):
            W, g, calls = self.susceptibilities()
            after = self.map(W, g)
            residual = np.maximum(_gap(W, after[0]), _gap(g, after[1]))
            return self._errors(after[0], after[1], np.where(np.isnan(residual), np.inf, residual), calls + 1)

    def _errors(self, W: Array, g: Array, residual: Array, calls: int) -> Numbers:
        iv = 1.0 / (self.om + self.slope2 * W + self.count * self.spread * g)
        h = self.alpha * self.slope2 * iv
        D = self.count * self.rho * g
        L = 1.0 / (1.0 + h * D)
        T = L * h
        w = self.alpha * iv
        # First moments: v is a multiple of the identity on θ, and there are no spikes to couple the mean to.
        scale = float(self.v[0, 0])
        response = self.count * g * scale
        e = (w * self.mu1 / (1.0 + h * response))[:, None] * self.f1
        B = response[:, None] * e
        square = w * self.mu0**2 + 1.0 / (self.count * g * self.d)
        seen = square > 1e-12 * w * (self.mu0**2 + self.mu1**2)
        t = np.where(seen, w * self.mu0 * self.f0 / np.where(seen, square, 1.0), 0.0)
        eps0 = (self.f0 - self.mu0 * t) ** 2 + np.sum((self.f1 - self.mu1 * B) ** 2, axis=1) + self.fs2
        source = scale * np.sum(e * e, axis=1) + (t / (self.count * g)) ** 2 / self.d
        # Second moments: linear in eps.
        x_from_q, x_from_z = self.rho * L * L, self.rho**2 * T * T
        NN = self.count * g * g
        spreading = NN / (1.0 - NN * x_from_z * self.inverse_beta)
        weight = self.alpha * iv * iv
        q1, q2 = weight * self.slope2, weight * self.spread
        drive = spreading * (q2 + x_from_q * q1)
        through = (self.slope2 * x_from_q + self.spread) * self.inverse_beta
        eps = (eps0 + through * spreading * source) / (1.0 - self.slope2 * W * W * q1 - through * drive)
        norm2 = drive * eps + spreading * source
        return Numbers(
            eps, eps * (self.om * iv) ** 2, norm2, t, B, self.om, iv, g, L, T, W, residual,
            self._amplification(W, g), calls,
        )  # fmt: skip

    def _amplification(self, W: Array, g: Array) -> Array:
        """|(I − J)⁻¹| of the map in relative units of (W, N⁻¹), largest sum of a row; NaN where it does not contract.

        W' = D/(1 + h D), 1/g' = el + (own + ρ h/(1 + h D))/β, and V is a sum of a part of W and one of g: with their shares
        of iv · V all logarithmic derivatives are in closed form.
        """
        iv = 1.0 / (self.om + self.slope2 * W + self.count * self.spread * g)
        h, own = self.alpha * self.slope2 * iv, self.alpha * self.spread * iv
        D = self.count * self.rho * g
        L = 1.0 / (1.0 + h * D)
        shares = self.slope2 * W * iv, self.count * self.spread * g * iv
        weight = self.inverse_beta * g
        # d ln W' = L d ln D − h D L d ln h;  d ln g' = −g (own d ln own + ρ h L² (d ln h − h D d ln D))/β.
        bent = weight * (own + self.rho * h * L * L)
        moved = weight * self.rho * h * L * L * h * D
        a, b = h * D * L * shares[0], h * D * L * shares[1] + L
        c, e = bent * shares[0], bent * shares[1] + moved
        determinant = (1.0 - a) * (1.0 - e) - b * c
        norm = np.maximum(np.abs(1.0 - e) + np.abs(b), np.abs(c) + np.abs(1.0 - a))
        return np.where(determinant > 0, norm / np.where(determinant > 0, determinant, 1.0), np.nan)


def _gap(x: Array, gx: Array) -> Array:
    """|g(x) − x| relative to the larger of the two."""
    size = np.maximum(np.abs(x), np.abs(gx))
    out: Array = np.abs(gx - x) / np.where(size > 0, size, 1.0)
    return out
