"""The first moments of the ridge equations: what the fit learns on average (see ``ridge_equations`` for the symbols)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.spiked.nonlinear_sector import Inverses, Susceptibilities
from asymptotics.generalisation.spiked.ridge_equations import Units, averages
from asymptotics.generalisation.spiked.target_moments import quadratic_directions

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FirstMoments:
    """Conjugate field e (A, k+r), alignment B (A, k+r), means t (A,), and the mean part eps0(κ) (K,) of the error.

    ``curved`` (K,): by how much the directions of degree 2 lower eps0.
    """

    conjugate: Array
    alignment: Array
    means: Array
    eps0: Array
    curved: Array


def first_moments(
    units: Units, sus: Susceptibilities, alpha: float, beta: float, d: int | None, *, quadratic: bool
) -> FirstMoments:
    """The linear sector; at finite d with all that the means cost."""
    equations = FirstEquations(units, sus, alpha, d if quadratic else None)
    return equations.moments(mean_costs(units, sus, beta, d))


def mean_costs(
    units: Units, sus: Susceptibilities, beta: float, d: int | None, *, coherent: bool = True
) -> Array | None:
    """What the means t of the readout cost at finite d (A, A), added to G: their norm, Kt⁻¹/d.

    And what the coherence of the groups adds to that of their residuals, T∘(coherence)/(β d), unless not ``coherent``.
    """
    if d is None:
        return None
    costs: Array = np.asarray(np.linalg.inv(mean_response(units, sus)), np.float64) / d
    if coherent and units.coherence is not None:
        costs = costs + sus.T * units.coherence / (beta * d)
    return costs


class FirstEquations:
    """(I + VE DE) e + Ct t = mh and G t + Ctᵀ DE e = g0; t is the solution of least Σ t_g²/π_g.

    With ``curved_d`` also the directions of degree 2 in θ, that features of curvature μ2 learn at a rate n p/d², as the last.
    Of ``stacked`` units all has a leading axis.
    """

    def __init__(self, units: Units, sus: Susceptibilities, alpha: float, curved_d: int | None) -> None:
        self.units = units
        a, k, r = units.groups, units.modes, units.f1.shape[-1]
        v = residual_covariances(units, curved_d)
        lead, size = v.shape[:-5], v.shape[-1]
        w = alpha * units.weights * sus.iv
        self.DE = _alignment_response(units, sus, v)
        self.bent, self.curved = _quadratic_part(units, curved_d is not None)
        linear, mu0, mu1, bent = ((w[..., None] * x) for x in (units.linear, units.mu0, units.mu1, self.bent))
        VE = np.zeros((*lead, a, size, a, size))
        VE[..., :, :k, :, :k] = (transposed(units.linear) @ linear).reshape(*lead, a, k, a, k)
        hat = transposed(units.mu1) @ mu1
        for m in range(r):
            VE[..., :, k + m, :, k + m] = hat
        own = transposed(self.bent) @ bent
        for m in range(k + r, size):
            VE[..., :, m, :, m] = own
        mh = np.zeros((*lead, a, size))
        mh[..., :k] = averages(units.f0, linear).reshape(*lead, a, k)
        mh[..., k : k + r] = transposed(mu1) @ units.f1
        mh[..., k + r :] = transposed(bent) @ self.curved
        across = np.zeros((*lead, a, size, a))
        across[..., :k, :] = (transposed(units.linear) @ mu0).reshape(*lead, a, k, a)
        self.mh, self.across = mh.reshape(*lead, a * size), across.reshape(*lead, a * size, a)
        self.G, self.g0 = transposed(units.mu0) @ mu0, averages(units.f0, mu0)
        self.open = np.eye(a * size) + VE.reshape(*lead, a * size, a * size) @ self.DE
        self.back = transposed(self.across) @ self.DE
        self.reference = np.sum(w * ((units.mu0**2 + units.mu1**2) @ units.fractions), axis=-1)

    def moments(self, costs: Array | None) -> FirstMoments:
        """The solution where the means cost ``costs`` (A, A)."""
        units, root = self.units, np.sqrt(self.units.fractions)
        k, r, lead = units.modes, units.f1.shape[-1], self.G.shape[:-2]
        G = self.G if costs is None else self.G + costs
        Gp = root[:, None] * pseudo_inverse(root[:, None] * G * root, 1e-12 * self.reference) * root
        mixed = self.across @ Gp
        right = self.mh[..., None] - mixed @ self.g0[..., None]
        e: Array = np.asarray(np.linalg.solve(self.open - mixed @ self.back, right))
        B = self.DE @ e
        t = Gp @ (self.g0[..., None] - transposed(self.across) @ B)
        alignment = B.reshape(*lead, units.groups, -1)
        along = alignment[..., :k].reshape(*lead, -1, 1)
        mean_gap = units.f0 - (units.mu0 @ t + units.linear @ along)[..., 0]
        linear_gap = units.f1 - units.mu1 @ alignment[..., k : k + r]
        # fs2 counts all of f2.
        curved_gap = (self.curved - self.bent @ alignment[..., k + r :]) ** 2 - self.curved**2
        curved = np.sum(curved_gap, axis=-1)
        eps0 = mean_gap**2 + np.sum(linear_gap**2, axis=-1) + units.fs2 + curved
        return FirstMoments(e.reshape(*lead, units.groups, -1), alignment, t[..., 0], eps0, -curved)


def _quadratic_part(units: Units, wanted: bool) -> tuple[Array, Array]:
    """μ2 (K, A) and f2 (K, R); no direction if not ``wanted``."""
    if not wanted or units.mu2 is None or units.f2 is None:
        return np.zeros_like(units.mu1), np.zeros((*units.weights.shape, 0))
    return units.mu2, units.f2


def residual_covariances(units: Units, d: int | None) -> Array:
    """``v``; with a ``d`` also that of the directions of degree 2, (V_ik V_jl + V_il V_jk)/d, V that along θ.

    Functions are normalised: a factor 1/√2 for each pair of equal places.
    """
    if d is None or units.f2 is None:
        return units.v
    k, r = units.modes, units.f1.shape[1]
    places = quadratic_directions(r)
    i, j = (np.array([pair[side] for pair in places], int) for side in (0, 1))
    V = units.v[..., k:, k:]
    scale = np.where(i == j, math.sqrt(0.5), 1.0)

    def at(rows: Array, cols: Array) -> Array:
        found: Array = V[..., rows[:, None], cols[None, :]]
        return found

    out = np.zeros((*V.shape[:-2], k + r + len(places), k + r + len(places)))
    out[..., : k + r, : k + r] = units.v
    out[..., k + r :, k + r :] = np.outer(scale, scale) * (at(i, i) * at(j, j) + at(i, j) * at(j, i)) / d
    return out


def _alignment_response(units: Units, sus: Susceptibilities, v: Array) -> Array:
    """DE (A size, A size): Σ_u ν_u (N_u⁻¹)_{bb'} v_u[b, b'] at the groups of b and b'."""
    a, size, lead = units.groups, v.shape[-1], v.shape[:-5]
    out = np.zeros((*lead, a, a, size, size))
    values = (units.count[:, None, None] * sus.inverse)[..., None, None] * v
    for u, b, c in np.ndindex(units.rho.shape[-3:]):
        out[..., units.members[u, b], units.members[u, c], :, :] += values[..., u, b, c, :, :]
    return np.swapaxes(out, -2, -3).reshape(*lead, a * size, a * size)


def mean_response(units: Units, sus: Inverses) -> Array:
    """Kt (A, A) = Σ_u scat(ν_u N_u⁻¹): how the group means of the readout respond."""
    values = units.count[:, None, None] * sus.inverse
    out = np.zeros((*values.shape[:-3], units.groups, units.groups))
    for u, b, c in np.ndindex(values.shape[-3:]):
        out[..., units.members[u, b], units.members[u, c]] += values[..., u, b, c]
    return out


def pseudo_inverse(matrix: Array, cutoff: float | Array) -> Array:
    """Moore–Penrose inverse of symmetric matrices (…, n, n) without the eigenvalues below ``cutoff`` (absolute)."""
    values, vectors = np.linalg.eigh((matrix + transposed(matrix)) / 2)
    kept = values > np.asarray(cutoff)[..., None]
    inverse = np.where(kept, 1.0 / np.where(kept, values, 1.0), 0.0)
    out: Array = (vectors * inverse[..., None, :]) @ transposed(vectors)
    return out


def transposed(matrix: Array) -> Array:
    """Matrices (…, m, n) as (…, n, m)."""
    return np.swapaxes(matrix, -1, -2)
