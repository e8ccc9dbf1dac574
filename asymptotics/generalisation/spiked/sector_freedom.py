r"""Means, spikes and θ as degrees of freedom of the fit: terms of relative order 1/n of the ridge equations at finite d.

The equations as d → ∞ give the means t of the readout, its alignments with the spikes and with θ neither variance nor
leverage. Here every direction e of the sector (t, spikes, θ) counts as one of the d: weight 1/d, the bulk 1 − (k + r)/d = q.
The function seen along t is μ0, with v_tt = d; along a spike κ_i μ1 (together φ); along θ_m it is μ1. With
LE = (I + VE DE)⁻¹, TE = LE VE, WE = DE LE over groups and directions,

    V = q μ1ᵀ W μ1 + Σ ν tr(Ms N⁻¹) + (φᵀ WE φ + Σ_m μ1ᵀ WE_θθ μ1)/d
    N = el + (α E[Ms iv] + q ρ∘T[u] + Σ_ee' v_ee' TE/d)/β
    X = qs + q ρ∘(L q1 Lᵀ + T Y T/β)[u] + Σ v∘(LE qE LEᵀ + TE YE TE/β)/d + source
    eps = eps0 + q μ1ᵀ Q1⊥ μ1 + Σ tr(Ms Z)/β + (φᵀ QE φ + Σ_m μ1ᵀ QE_θθ μ1)/d,   QE = WE qE WE + LEᵀ YE LE/β.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from asymptotics.fixed_point import solve_many
from asymptotics.generalisation.spiked.nonlinear_sector import Reals, Susceptibilities, System, triangle
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.transfers import Transfers, congruence, squared, transfers

Array = npt.NDArray[np.float64]

#: Groups times directions: the second moments are linear maps on the squares of so many.
LARGEST = 30
#: Samples, and neurons of a group, below which terms of the second order in their inverse count as much.
FEWEST = 20


def covers_sector(units: Units, alpha: float, beta: float, d: int) -> bool:
    """Whether the directions are few, and samples and neurons of every group many: what is left is of order 1/p²."""
    directions = units.modes + int(units.f1.shape[1])
    fewest = min(alpha, beta * float(units.fractions.min())) * d
    return units.groups * (1 + directions) <= LARGEST and d > 2 * directions and fewest >= FEWEST


class FreedomSystem(System):
    """The map of the susceptibilities with the sector's directions; x = (q W + Σ_m WE_θθ/d, WE_φφ/d, N⁻¹)."""

    def __init__(self, units: Units, alpha: Reals, beta: Reals, om: Reals, d: int) -> None:
        super().__init__(units, alpha, np.divide(1.0, beta), om)
        a, modes, r = units.groups, units.modes, units.f1.shape[1]
        self.d, self.bulk = d, 1.0 - (units.kappa.shape[1] + r) / d
        self.directions = 1 + modes + r
        self.seen = units.seen
        count = self.seen.shape[1]
        self.seen_rows, self.seen_cols, self.seen_place = triangle(count)
        products = self.seen[:, self.seen_rows] * self.seen[:, self.seen_cols]
        double = np.where(self.seen_rows == self.seen_cols, 1.0, 2.0)
        head = self.size + len(double)
        self.forms = np.concatenate(
            [self.forms[:, : self.size], products, self.forms[:, self.size :]], axis=1
        )
        self.factors = np.concatenate([self.factors[: self.size], double, self.factors[self.size :]])
        self.head = head
        self.blocks = (slice(0, self.size), slice(self.size, head), slice(head, None))
        self.v = np.zeros((*units.rho.shape, self.directions, self.directions))
        self.v[..., 0, 0] = d
        self.v[..., 1:, 1:] = units.v
        #: Rows of the sector that see φ, (A (1 + modes),), and θ, (r, A).
        places = np.arange(a * self.directions).reshape(a, self.directions)
        self.on_seen, self.on_theta = places[:, : 1 + modes].ravel(), places[:, 1 + modes :].T
        self.means = self.on_seen[:: 1 + modes]
        self.eye_n = np.eye(places.size)

    def sector(self, iv: Array, inverse: Array, T: Array) -> tuple[Array, Array, Array]:
        """LE, TE and WE (n, n), n = A × directions."""
        units, lead, n = self.units, iv.shape[:-1], len(self.eye_n)
        responses = (units.count[:, None, None] * inverse).reshape(*lead, -1)
        DE = (responses @ self.sector_scatter.T).reshape(*lead, n, n)
        VE = np.zeros((*lead, n, n))
        seen = (self.weights * iv) @ self.forms[:, self.size : self.head]
        VE[..., self.on_seen[:, None], self.on_seen] = seen[..., self.seen_place]
        VE[..., self.on_theta[:, :, None], self.on_theta[:, None, :]] = self.hat(iv)[..., None, :, :]
        if units.coherence is not None:
            VE[..., self.means[:, None], self.means] += T * units.coherence * self.inverse_beta / self.d
        LE: Array = np.asarray(np.linalg.inv(self.eye_n + VE @ DE), np.float64)
        return LE, LE @ VE, DE @ LE

    @cached_property
    def sector_scatter(self) -> Array:
        """(n², U B²): Σ_u Z_u[b, c] v_u[b, c] at the groups of b and c, on flattened arrays."""
        a, s, (u, b) = self.units.groups, self.directions, self.units.members.shape
        out = np.zeros((a, s, a, s, u, b, b))
        for unit, i, j in np.ndindex(u, b, b):
            g, h = self.units.members[unit, i], self.units.members[unit, j]
            out[g, :, h, :, unit, i, j] += self.v[unit, i, j]
        return out.reshape((a * s) ** 2, -1)

    def feedback(self, iv: Array, inverse: Array) -> tuple[Array, Array]:
        """q ρ∘T[u] + Σ v TE/d (U, B, B), and the packed parts of V that are not spread."""
        _, T, W = self.responses(iv, inverse)
        _, TE, WE = self.sector(iv, inverse, T)
        lead, shape = iv.shape[:-1], self.units.rho.shape
        own = (TE.reshape(*lead, -1) @ self.sector_scatter).reshape(*lead, *shape)
        within = self.bulk * self.units.rho * T[..., self.left, self.right]
        along = WE[..., self.on_theta[:, :, None], self.on_theta[:, None, :]].sum(axis=-3)
        linear = self.bulk * W + along / self.d
        mixed = WE[..., self.on_seen[self.seen_rows], self.on_seen[self.seen_cols]] / self.d
        packed = np.concatenate([linear[..., self.rows, self.cols], mixed], axis=-1)
        return within + (own + own.swapaxes(-1, -2)) / (2 * self.d), packed

    def _placed(self, matrix: Array) -> Array:
        """M ⊗ M (R², A² + (A (1 + modes))²) of M (R, n) from q1, which is seen along every θ_m, and from E φφᵀ."""
        along = np.zeros((len(matrix) ** 2, self.units.groups**2))
        for places in self.on_theta:
            along += squared(matrix[:, places])
        return np.concatenate([along, squared(matrix[:, self.on_seen])], axis=1)

    def transfers(self, sus: Susceptibilities) -> Transfers:
        """The linear maps of the second moments; q is (q1, E φφᵀ), which enter with their weights."""
        found = transfers(self.units, sus)
        LE, TE, WE = self.sector(sus.iv, sus.inverse, sus.T)
        a2, scatter = self.units.groups**2, self.sector_scatter
        x_from_q = scatter.T @ self._placed(LE) / self.d
        x_from_q[:, :a2] += self.bulk * found.x_from_q
        on_first = np.zeros((a2, x_from_q.shape[1]))
        for places in self.on_theta:
            on_first += self._placed(WE[places])
        q_from_q = np.concatenate([on_first, self._placed(WE[self.on_seen])]) / self.d
        q_from_q[:a2, :a2] += self.bulk * found.q_from_q
        x_from_z = self.bulk * found.x_from_z + scatter.T @ congruence(TE, scatter) / self.d
        return Transfers(x_from_q, x_from_z, q_from_q)


def with_freedom(
    units: Units, found: Sequence[Susceptibilities], alpha: Array, beta: Array, lam: Array, d: int
) -> list[tuple[FreedomSystem, Susceptibilities] | None]:
    """The system and its susceptibilities at P points, from those ``found`` without the sector; None where not reached."""
    om = np.array([sus.om for sus in found])
    system = FreedomSystem(units, alpha, beta, om, d)
    el = np.where(beta <= alpha, lam, 1.0)
    inverse = np.array([sus.inverse for sus in found])
    _, packed = system.feedback(np.array([sus.iv for sus in found]), inverse)
    inner = inverse[:, :, system.inner_rows, system.inner_cols].reshape(len(found), -1)
    start = np.concatenate([packed, inner], axis=1)
    solutions = solve_many(
        system.maps_at(el), start, system.are_admissible, system.blocks, tol=1e-10, evaluations=60
    )
    # The map differs from that without the sector by terms of order 1/d: it amplifies as much.
    solutions = [
        replace(one, amplification=sus.solution.amplification)
        for one, sus in zip(solutions, found, strict=True)
    ]
    return [
        (system.among(i), sus) if one.converged else None
        for i, (one, sus) in enumerate(zip(solutions, system.read(solutions), strict=True))
    ]
