"""The first moments of the ridge equations: what the fit learns on average (see ``ridge_equations`` for the symbols)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.spiked.nonlinear_sector import Susceptibilities
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.target_moments import quadratic_directions

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FirstMoments:
    """Conjugate field e (A, k+r), alignment B (A, k+r), means t (A,), and the mean part eps0(κ) (K,) of the error."""

    conjugate: Array
    alignment: Array
    means: Array
    eps0: Array


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
    """

    def __init__(self, units: Units, sus: Susceptibilities, alpha: float, curved_d: int | None) -> None:
        self.units = units
        a, k, r = units.groups, units.modes, units.f1.shape[1]
        v = residual_covariances(units, curved_d)
        size = v.shape[-1]
        w = alpha * units.weights * sus.iv
        self.DE = _alignment_response(units, sus, v)
        self.bent, self.curved = _quadratic_part(units, curved_d is not None)
        linear, mu0, mu1, bent = ((w[:, None] * x) for x in (units.linear, units.mu0, units.mu1, self.bent))
        VE = np.zeros((a, size, a, size))
        VE[:, :k, :, :k] = (units.linear.T @ linear).reshape(a, k, a, k)
        hat = units.mu1.T @ mu1
        for m in range(r):
            VE[:, k + m, :, k + m] = hat
        own = self.bent.T @ bent
        for m in range(k + r, size):
            VE[:, m, :, m] = own
        mh = np.zeros((a, size))
        mh[:, :k] = (linear.T @ units.f0).reshape(a, k)
        mh[:, k : k + r] = mu1.T @ units.f1
        mh[:, k + r :] = bent.T @ self.curved
        across = np.zeros((a, size, a))
        across[:, :k] = (units.linear.T @ mu0).reshape(a, k, a)
        self.mh, self.across = mh.ravel(), across.reshape(a * size, a)
        self.G, self.g0 = units.mu0.T @ mu0, mu0.T @ units.f0
        self.open = np.eye(a * size) + VE.reshape(a * size, a * size) @ self.DE
        self.back = self.across.T @ self.DE
        self.reference = float(w @ ((units.mu0**2 + units.mu1**2) @ units.fractions))

    def moments(self, costs: Array | None) -> FirstMoments:
        """The solution where the means cost ``costs`` (A, A)."""
        units, root = self.units, np.sqrt(self.units.fractions)
        k, r = units.modes, units.f1.shape[1]
        G = self.G if costs is None else self.G + costs
        Gp = root[:, None] * pseudo_inverse(root[:, None] * G * root, 1e-12 * self.reference) * root
        mixed = self.across @ Gp
        e: Array = np.asarray(np.linalg.solve(self.open - mixed @ self.back, self.mh - mixed @ self.g0))
        B = self.DE @ e
        t = Gp @ (self.g0 - self.across.T @ B)
        alignment = B.reshape(units.groups, -1)
        mean_gap = units.f0 - units.mu0 @ t - units.linear @ alignment[:, :k].ravel()
        linear_gap = units.f1 - units.mu1 @ alignment[:, k : k + r]
        # fs2 counts all of f2.
        curved_gap = (self.curved - self.bent @ alignment[:, k + r :]) ** 2 - self.curved**2
        eps0 = mean_gap**2 + np.sum(linear_gap**2, axis=1) + units.fs2 + np.sum(curved_gap, axis=1)
        return FirstMoments(e.reshape(units.groups, -1), alignment, t, eps0)


def _quadratic_part(units: Units, wanted: bool) -> tuple[Array, Array]:
    """μ2 (K, A) and f2 (K, R); no direction if not ``wanted``."""
    if not wanted or units.mu2 is None or units.f2 is None:
        return np.zeros_like(units.mu1), np.zeros((len(units.weights), 0))
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
    a, size = units.groups, v.shape[-1]
    out = np.zeros((a, a, size, size))
    values = (units.count[:, None, None] * sus.inverse)[..., None, None] * v
    np.add.at(out, (units.members[:, :, None], units.members[:, None, :]), values)
    return out.transpose(0, 2, 1, 3).reshape(a * size, a * size)


def mean_response(units: Units, sus: Susceptibilities) -> Array:
    """Kt (A, A) = Σ_u scat(ν_u N_u⁻¹): how the group means of the readout respond."""
    out = np.zeros((units.groups, units.groups))
    values = units.count[:, None, None] * sus.inverse
    np.add.at(out, (units.members[:, :, None], units.members[:, None, :]), values)
    return out


def pseudo_inverse(matrix: Array, cutoff: float) -> Array:
    """Moore–Penrose inverse of a symmetric matrix without the eigenvalues below ``cutoff`` (absolute)."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    inverse = np.where(values > cutoff, 1.0 / np.where(values > cutoff, values, 1.0), 0.0)
    out: Array = (vectors * inverse) @ vectors.T
    return out
