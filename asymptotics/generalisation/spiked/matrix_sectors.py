"""The ridge equations with the whole covariance of the residuals instead of its trace.

The scalars D, T, W, L of ``units`` become A d × A d matrices; where the equations have ρ∘T[u], W or L q1 Lᵀ they take
normalised traces over the d indices of the blocks, against the covariances Σ of the residuals. Exact given the batches
that made Σ and the spikes; what is left out is of relative order 1/d.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.fixed_point import Solution, jacobian_at_once, solve
from asymptotics.generalisation.spiked.first_moments import mean_response, pseudo_inverse
from asymptotics.generalisation.spiked.linear_sector import (
    coherent_means,
    refuse_singular,
    source_of,
)
from asymptotics.generalisation.spiked.nonlinear_sector import Susceptibilities, System, susceptibilities
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.second_moments import second_moments
from asymptotics.generalisation.spiked.transfers import Transfers

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MatrixErrors:
    """Test and train error of the ridge fit given the covariances, and ``norm2`` = ‖a‖²/d."""

    test: float
    train: float
    norm2: float
    solution: Solution


@dataclass(frozen=True)
class Blocks:
    """D, L = (I + Vh D)⁻¹, T = L Vh as blocks (A, d, A, d), and W (A, A), the normalised trace of D L."""

    D: Array
    L: Array
    T: Array
    W: Array


class MatrixSystem(System):
    """The map of the susceptibilities with blocks Σ_bc (U, B, B, d, d) / √(s s') and spikes (k, d)."""

    def __init__(
        self, units: Units, covariance: Array, spikes: Array, alpha: float, inverse_beta: float, om: float
    ) -> None:
        super().__init__(units, alpha, inverse_beta, om)
        self.covariance, self.spikes = covariance, spikes
        self.d = covariance.shape[-1]
        self.last: tuple[Array, Array, Blocks] | None = None

    def spike_part(self, iv: Array, hat: Array) -> Array:
        """Σ_ij (α E[μ1 μ1ᵀ iv κ_i κ_j] − δ_ij Vh) at the spikes: (A, k, A, k)."""
        units, k = self.units, len(self.spikes)
        along = (units.mu1[:, :, None] * units.kappa[:, None, :]).reshape(len(iv), -1)
        full = along.T @ ((self.weights * iv)[:, None] * along)
        full = full.reshape(units.groups, k, units.groups, k)
        extra: Array = full - np.einsum("gh,ij->gihj", hat, np.eye(k))
        return extra

    def blocks_of(self, iv: Array, inverse: Array) -> Blocks:
        """The blocks at 1/(om + V) and N⁻¹; those of the last call are kept: they are asked for at the solution again."""
        if self.last is None or not (
            np.array_equal(iv, self.last[0]) and np.array_equal(inverse, self.last[1])
        ):
            self.last = (iv, inverse, self._blocks_of(iv, inverse))
        return self.last[2]

    def _blocks_of(self, iv: Array, inverse: Array) -> Blocks:
        units, d = self.units, self.d
        a = units.groups
        D = np.zeros((a, d, a, d))
        weights = units.count[:, None, None] * inverse
        for u, b, c in np.ndindex(weights.shape):
            g, h = units.members[u, b], units.members[u, c]
            D[g, :, h] += weights[u, b, c] * self.covariance[u, b, c]
        hat = self.hat(iv)
        spike = self.spike_part(iv, hat)
        size = a * d
        # Vh ⊗ I + Pᵀ (…) P with P the spikes: products with it cost a few rows, not a matrix.
        lifted = _with_spikes(D, hat, spike, self.spikes)
        matrix = lifted.reshape(size, size)
        matrix[np.arange(size), np.arange(size)] += 1.0
        L: Array = np.asarray(np.linalg.inv(matrix), np.float64).reshape(a, d, a, d)
        # L Vh = (Vhᵀ Lᵀ)ᵀ, and Vh is symmetric.
        T = _with_spikes(L.transpose(2, 3, 0, 1), hat, spike, self.spikes).transpose(2, 3, 0, 1)
        W = np.einsum("gxky,kyhx->gh", D, L) / d
        return Blocks(D, L, T, (W + W.T) / 2)

    def feedback(self, iv: Array, inverse: Array) -> tuple[Array, Array]:
        """tr(Σ_bc T_bc)/d (U, B, B) and the upper triangle of W (A, A)."""
        found = self.blocks_of(iv, inverse)
        picked = found.T.transpose(0, 2, 1, 3)[self.left, self.right]
        within = np.einsum("ubcxy,ubcxy->ubc", self.covariance, picked) / self.d
        return (within + np.swapaxes(within, 1, 2)) / 2, found.W[self.rows, self.cols]


def _with_spikes(blocks: Array, hat: Array, spike: Array, spikes: Array) -> Array:
    """(hat ⊗ I + Pᵀ spike P) times blocks (A, d, A, d); hat (A, A), spike (A, k, A, k), P = ``spikes`` (k, d)."""
    a = len(blocks)
    flat = blocks.reshape(a, -1)
    out = (hat @ flat).reshape(blocks.shape)
    k = len(spikes)
    if k:
        along = np.tensordot(spikes, blocks, axes=(1, 1)).transpose(1, 0, 2, 3).reshape(a * k, -1)
        mixed = (spike.reshape(a * k, a * k) @ along).reshape(a, k, -1)
        out += np.einsum("ix,gin->gxn", spikes, mixed, optimize=True).reshape(blocks.shape)
    return out


def solve_matrix(
    units: Units,
    covariance: Array,
    axes: Array,
    alpha: float,
    beta: float,
    lam: float,
    *,
    d: int | None = None,
    tol: float = 1e-9,
    traces: Susceptibilities | None = None,
) -> MatrixErrors:
    """Errors of the ridge fit; ``covariance`` (U, B, B, d', d') of unit residuals, ``axes`` (k + r, d') spikes and θ.

    ``d`` as in ``solve_units``, ``tol`` that of the fixed point. The iteration starts from the solution for the traces
    alone, ``traces`` if the caller has it.
    """
    refuse_singular(units, alpha, beta, lam)
    first = traces or susceptibilities(units, alpha, beta, lam)
    k = units.kappa.shape[1]
    system = MatrixSystem(units, covariance, axes[:k], alpha, 1.0 / beta, first.om)
    el = lam if beta <= alpha else 1.0
    start = first.solution.value
    solution = _near_traces(system, System(units, alpha, 1.0 / beta, first.om), el, start, tol)
    _, inverse = system.unpack(solution.value)
    iv = system.iv(solution.value)
    blocks = system.blocks_of(iv, inverse)
    sus = Susceptibilities(first.om, iv, inverse, first.L, first.T, first.W, solution)
    eps0, conjugate, means = _first_moments(system, sus, blocks, axes, beta, d)
    e = conjugate[units.members]
    fields = np.einsum("ubx,ubcxy,ucy->ubc", e, covariance, e, optimize=True)
    source = source_of(units, sus, fields, means, d)
    if (common := coherent_means(units, means, beta, d)) is not None:
        more, hidden = _of_common(system, blocks, common)
        source = source + more
        eps0 = eps0 + np.sum((units.mu1 @ hidden) * units.mu1, axis=1)
    columns = eps0[:, None], source.reshape(-1, 1)
    error, norm2 = second_moments(units, sus, _transfers(system, blocks), alpha, beta, *columns)
    eps = error[:, 0]
    test, train = float(units.weights @ eps), float(units.weights @ (eps * (sus.om * iv) ** 2))
    return MatrixErrors(test, train, float(norm2[0]), solution)


def _near_traces(system: MatrixSystem, traces: System, el: float, start: Array, tol: float) -> Solution:
    """The fixed point of ``system`` from that of the traces alone.

    The two maps differ by little, their slopes by less: x ← x + (1 − traces')⁻¹ (whole(x) − x) takes a few evaluations of
    the whole map, the slope of the traces many of the cheap one, once. Where that does not contract, the general solver
    goes on.
    """
    whole, cheap = system.map_at(el), traces.map_at(el)
    how: dict[str, Any] = {"physical": system.physical, "blocks": system.blocks}
    slope = jacobian_at_once(cheap, start, system.blocks)
    towards = np.linalg.pinv(np.eye(len(start)) - slope)

    seen = [start]

    def following(x: Array) -> Array:
        seen[0] = x
        moved: Array = x + towards @ (whole(x) - x)
        return moved

    found = solve(
        following,
        start,
        method="anderson",
        anderson_steps=15,
        max_evaluations=15,
        tol=tol,
        throw=False,
        **how,
    )
    if found.converged:
        # Where the residual was measured, and the blocks are known.
        return replace(found, value=seen[0])
    return solve(whole, found.value, tol=tol, **how)


def _first_moments(
    system: MatrixSystem, sus: Susceptibilities, blocks: Blocks, axes: Array, beta: float, d: int | None
) -> tuple[Array, Array, Array]:
    """eps0(κ) (K,), the conjugate field e (A, d') and the means t (A,); W = D L eliminates e from the equations."""
    units, size = system.units, system.units.groups * system.d
    a, k = units.groups, units.kappa.shape[1]
    w = system.weights * sus.iv
    along = (units.mu1[:, :, None] * units.kappa[:, None, :]).reshape(len(w), -1)
    spikes, theta = axes[:k], axes[k:]
    source = (along.T @ (w * units.f0)).reshape(a, k) @ spikes + units.mu1.T @ (w[:, None] * units.f1) @ theta
    coupling = np.einsum("gih,ix->gxh", (along.T @ (w[:, None] * units.mu0)).reshape(a, k, a), spikes)
    coupling = coupling.reshape(size, a)
    D, L = blocks.D.reshape(size, size), blocks.L.reshape(size, size)
    lifted = np.concatenate([coupling, source.reshape(size, 1)], axis=1)
    moved = D @ (L @ lifted)
    G = units.mu0.T @ (w[:, None] * units.mu0) - coupling.T @ moved[:, :a]
    if d is not None:
        G = G + np.linalg.inv(mean_response(units, sus)) / d
        if units.coherence is not None:
            G = G + np.einsum("gxhx->gh", blocks.T) / system.d * units.coherence / (beta * d)
    root = np.sqrt(units.fractions)
    reference = float(w @ ((units.mu0**2 + units.mu1**2) @ units.fractions))
    g0 = units.mu0.T @ (w * units.f0) - coupling.T @ moved[:, a]
    t = root * (pseudo_inverse(root[:, None] * G * root, 1e-12 * reference) @ (root * g0))
    e = L @ (source.ravel() - coupling @ t)
    B = (D @ e).reshape(a, system.d)
    on_spikes, on_theta = B @ spikes.T, B @ theta.T
    bulk = B - on_spikes @ spikes - on_theta @ theta
    mean_gap = units.f0 - units.mu0 @ t - along @ on_spikes.ravel()
    linear_gap = units.f1 - units.mu1 @ on_theta
    hidden = np.einsum("ng,gh,nh->n", units.mu1, bulk @ bulk.T, units.mu1, optimize=True)
    eps0 = mean_gap**2 + np.sum(linear_gap**2, axis=1) + hidden + units.fs2
    return eps0, e.reshape(a, system.d), t


def _of_common(system: MatrixSystem, blocks: Blocks, common: Array) -> tuple[Array, Array]:
    """Parts of X (U, B, B) and Q1⊥ (A, A) of isotropic common vectors of Gram matrix ``common`` (A, A)."""
    units, d = system.units, system.d
    L, T = (block.transpose(0, 2, 1, 3) for block in (blocks.L, blocks.T))
    X = np.empty(units.rho.shape)
    for place in np.ndindex(X.shape):
        g, h = units.members[place[0], place[1]], units.members[place[0], place[2]]
        through = np.einsum("kxy,kl,lyz->xz", T[g], common, T[:, h], optimize=True)
        X[place] = float(np.sum(system.covariance[place] * through)) / d
    hidden: Array = np.einsum("kgxy,kl,lhxy->gh", L, common, L, optimize=True) / d
    return X, hidden


def _transfers(system: MatrixSystem, blocks: Blocks) -> Transfers:
    """The linear maps of the second moments as normalised traces over blocks."""
    units, covariance, d = system.units, system.covariance, system.d
    a, (u, b) = units.groups, units.members.shape
    size = a * d
    D, L = blocks.D, blocks.L
    W = (D.reshape(size, size) @ L.reshape(size, size)).reshape(a, d, a, d)
    # Blocks as (group, group, d, d).
    L, T, W = (np.ascontiguousarray(block.transpose(0, 2, 1, 3)) for block in (L, blocks.T, W))
    x_from_q = np.empty((u, b, b, a, a))
    x_from_z = np.empty((u, b, b, u, b, b))
    for v, i, j in np.ndindex(u, b, b):
        if j < i:  # Σ_ji = Σ_ijᵀ, and T is symmetric.
            x_from_q[v, i, j] = x_from_q[v, j, i].T
            x_from_z[v, i, j] = x_from_z[v, j, i].transpose(0, 2, 1)
            continue
        g, h = units.members[v, i], units.members[v, j]
        pulled = covariance[v, i, j].T @ L[g]
        x_from_q[v, i, j] = pulled.reshape(a, -1) @ L[h].reshape(a, -1).T / d
        for w, m in np.ndindex(u, b):
            left = T[g, units.members[w, m]].T @ covariance[v, i, j]
            for n in range(b):
                through = left @ T[units.members[w, n], h].T
                x_from_z[v, i, j, w, m, n] = np.vdot(covariance[w, m, n], through) / d
    flat = W.reshape(a, a, -1)
    q_from_q = np.einsum("gkx,hlx->ghkl", flat, flat, optimize=True) / d
    return Transfers(
        x_from_q.reshape(u * b * b, a * a),
        x_from_z.reshape(u * b * b, u * b * b),
        q_from_q.reshape(a * a, a * a),
    )
