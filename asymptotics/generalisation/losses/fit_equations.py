r"""The equations of a fit by a convex loss, at nodes of κ and τ: one sweep, and the errors at a solution.

Given κ (spikes) and τ (the target's directions off them) the local field of a new sample is ω = M + √q ξ, ξ ~ N(0, 1), with

    M = μ0·t + Σ_i κ_i μ1·B_{u_i} + Σ_m τ_m μ1·B_θ_m,   q = μ1ᵀ Q μ1 + Σ_u tr(Ms_u Qs_u),
    V = μ1ᵀ V1 μ1 + Σ_u ν_u tr(Ms_u N_u⁻¹),
    g = (prox − ω)/V,   Γ = −∂g/∂ω,   r = α/β.

The equations of the square loss hold with 1/(1 + V) → E[Γ | κ] in the susceptibilities, pair moments weighted by g², and
conjugate fields e = r E[μ1 κ g], r E[μ1 τ g], r E[μ0 g] = (Kt⁻¹ t)/(β d); their nonlinear conditions are met by one step a
sweep of the linear system of the square loss at the current Γ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.losses.label_grid import LabelGrid
from asymptotics.generalisation.losses.noise_averages import Costs, LocalField, Pulls, costs, pulls
from asymptotics.generalisation.losses.scalar_losses import Loss
from asymptotics.generalisation.losses.sharp_places import Asked, Field, levels_of
from asymptotics.generalisation.spiked.first_moments import first_moments, pseudo_inverse
from asymptotics.generalisation.spiked.linear_sector import source_of
from asymptotics.generalisation.spiked.nonlinear_sector import susceptibilities
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.second_moments import second_moments
from asymptotics.generalisation.spiked.transfers import transfers

Array = npt.NDArray[np.float64]
#: V1, N, Q1⊥, Qs, t, B.
State = tuple[Array, ...]

#: Least Γ of a step of the means, of that of the square loss. Where all samples lie on the straight part of a hinge Γ = 0.
_LEAST_CURVED = 0.1


@dataclass(frozen=True)
class Sizes:
    """n2/d, p/d, the penalty, and d where its terms are wanted."""

    alpha: float
    beta: float
    lam: float
    d: int | None


@dataclass(frozen=True, eq=False)
class _Means:
    """First moments of the readout: ``t`` (A,), ``B`` and ``fields`` e (A, k + r), ``pull`` Kt⁻¹ t/√(β d) (A,)."""

    t: Array
    B: Array
    fields: Array
    pull: Array


class FitEquations:
    """Equations at the nodes of ``units`` and of the ``labels`` given κ and τ; ``finer``: the noise at more nodes, too."""

    def __init__(
        self, units: Units, labels: LabelGrid, loss: Loss, sizes: Sizes, *, finer: bool = False
    ) -> None:
        self.u, self.labels, self.loss, self.finer = units, labels, loss, finer
        self.alpha, self.beta, self.lam, self.d = sizes.alpha, sizes.beta, sizes.lam, sizes.d
        self.positive, self.tau = labels.positive, labels.tau
        self.weights = units.weights[:, None] * labels.share
        self.spikes = units.kappa.shape[1]
        self.size = self.spikes + self.tau.shape[2]

    @property
    def rougher(self) -> FitEquations | None:
        """The same with labels to fewer degrees; None where nodes resolve them."""
        if self.labels.coarser is None:
            return None
        labels = replace(self.labels, positive=self.labels.coarser, coarser=None)
        sizes = Sizes(self.alpha, self.beta, self.lam, self.d)
        return FitEquations(self.u, labels, self.loss, sizes, finer=self.finer)

    @property
    def start(self) -> State:
        """No readout."""
        (U, b), A = self.u.members.shape, self.u.groups
        nothing = np.zeros((A, A)), np.zeros((U, b, b)), np.zeros(A), np.zeros((A, self.size))
        return (nothing[0], np.tile((self.lam + 0.2) * np.eye(b), (U, 1, 1)), *nothing)

    def sweep(self, state: State, *, rough: bool = False) -> State:
        """One sweep; ``rough``: at few nodes of the noise."""
        V, q, M = self.variances(state)
        return self._sweep(pulls(self.loss, replace(self._at(M, q, V), rough=rough)), V, state[1], *state[4:])

    def costs(self, state: State) -> Costs:
        """Averages of the losses over the noise."""
        V, q, M = self.variances(state)
        return costs(self.loss, self._at(M, q, V))

    def _at(self, M: Array, q: Array, V: Array) -> LocalField:
        return LocalField(M, q, V, self.positive, self.u.weights, self.finer)

    def fields(self, t: Array, B: Array) -> Array:
        """M (K, J)."""
        mean, slope = self._mean_and_slope(t, B)
        M: Array = mean[:, None] + np.sum(slope[:, None] * self.tau, axis=2)
        return M

    def _mean_and_slope(self, t: Array, B: Array) -> tuple[Array, Array]:
        """m (K,) and ∇ (K, r)."""
        u = self.u
        spikes = np.einsum("ka,ki,ai->k", u.mu1, u.kappa, B[:, : self.spikes])
        return u.mu0 @ t + spikes, u.mu1 @ B[:, self.spikes :]

    def local(self, state: State, units: Units, asked: Asked) -> Field:
        """The local field at the nodes of ``units``, and where averages of what is ``asked`` turn."""
        there = self if units is self.u else self._moved(units)
        V, q = there.widths(state)
        return Field(*there._mean_and_slope(*state[4:]), np.sqrt(q), *levels_of(self.loss, V, asked))

    def _moved(self, units: Units) -> FitEquations:
        """At other nodes of κ, to ask for what does not depend on labels."""
        count = len(units.kappa)
        labels = LabelGrid(np.ones((count, 1)), np.zeros((1, 1, self.tau.shape[2])), np.ones((1, 1)))
        return FitEquations(units, labels, self.loss, Sizes(self.alpha, self.beta, self.lam, self.d))

    def variances(self, state: State) -> tuple[Array, Array, Array]:
        """V and q (K,), and M (K, J)."""
        return (*self.widths(state), self.fields(*state[4:]))

    def widths(self, state: State) -> tuple[Array, Array]:
        """V and q (K,)."""
        V1, N, Q1, Qs = state[:4]
        u = self.u
        inverse = u.count[:, None, None] * np.linalg.inv(N)
        V = np.einsum("ka,ab,kb->k", u.mu1, V1, u.mu1) + np.einsum("kubc,ubc->k", u.spread, inverse)
        q = np.einsum("ka,ab,kb->k", u.mu1, Q1, u.mu1) + np.einsum("kubc,ubc->k", u.spread, Qs)
        return np.maximum(V, 1e-300), np.maximum(q, 0.0)

    def of_ridge_equations(self) -> State | None:
        """V1, N, Q1⊥, Qs, t, B of the square loss on labels of these moments, solved by Newton's method; None where it fails.

        Near n = p at a small λ sweeps would come closer by a factor 1 − O(√λ) each.
        """
        weights = self.weights / self.u.weights[:, None]
        label = weights * (2 * self.positive - 1)
        f0 = label.sum(axis=1)
        f1 = np.sum(label[..., None] * self.tau, axis=1)
        u = replace(
            self.u, f0=f0, f1=f1, fs2=1.0 - f0**2 - np.sum(f1**2, axis=1), curvature=None, coherence=None
        )
        ratios = self.alpha, self.beta
        try:
            sus = susceptibilities(u, *ratios, self.lam, throw=False)
            if not sus.solution.converged:
                return None
            first = first_moments(u, sus, *ratios, self.d, quadratic=False)
            e = first.conjugate[u.members]
            source = source_of(u, sus, np.einsum("ubcef,ube,ucf->ubc", u.v, e, e), first.means, self.d)
            columns = first.eps0[:, None], source.reshape(-1, 1)
            eps = second_moments(u, sus, transfers(u, sus), *ratios, *columns)[0][:, 0]
            N: Array = np.asarray(sus.om * np.linalg.inv(sus.inverse), np.float64)
        except np.linalg.LinAlgError:
            return None
        t, B = first.means, first.alignment
        V = (1.0 / sus.iv - sus.om) / sus.om
        found = pulls(self.loss, self._at(self.fields(t, B), np.zeros_like(V), V))
        square = np.broadcast_to((eps / (1 + V) ** 2)[:, None], found.square.shape)
        return (sus.W / sus.om, N, *self._sweep(replace(found, square=square), V, N, t, B)[2:])

    def is_physical(self, state: State) -> bool:
        """Whether N ≥ λ, and variances are not negative."""
        V1, N, Q1, Qs, t, B = state
        if float(np.linalg.eigvalsh((N + np.swapaxes(N, 1, 2)) / 2).min()) < self.lam * (1 - 1e-9):
            return False
        u = self.u
        q = np.einsum("ka,ab,kb->k", u.mu1, Q1, u.mu1) + np.einsum("kubc,ubc->k", u.spread, Qs)
        return bool(
            np.all(np.diag(V1) >= 0) and np.all(q >= 0) and np.all(np.isfinite(t)) and np.all(np.isfinite(B))
        )

    def _sweep(self, m: Pulls, V: Array, N: Array, t: Array, B: Array) -> State:
        """New V1, N, Q1⊥, Qs, t, B from averages at the variances ``V`` (K,)."""
        u, r, beta = self.u, self.alpha / self.beta, self.beta
        A, b = u.groups, u.members.shape[1]
        wG, wg2 = self.weights * m.curvature, self.weights * m.square
        gamma, second = r * wG.sum(axis=1), r * wg2.sum(axis=1)
        hat = u.mu1.T @ (gamma[:, None] * u.mu1)
        own = np.einsum("k,kubc->ubc", gamma, u.spread)
        D = self._scatter(beta * u.count[:, None, None] * u.rho * np.linalg.inv(N))
        L = np.linalg.inv(np.eye(A) + hat @ D)
        T = L @ hat
        pick = (u.members[:, :, None], u.members[:, None, :])
        N = self.lam * np.eye(b) + own + u.rho * T[pick]
        inverse: Array = np.asarray(np.linalg.inv(N), np.float64)
        D = self._scatter(beta * u.count[:, None, None] * u.rho * inverse)
        L = np.linalg.inv(np.eye(A) + hat @ D)
        T, W = L @ hat, D @ L
        model = np.maximum(m.curvature, _LEAST_CURVED / (1 + V[:, None]))
        means = self._means(m, self.weights * model, inverse, t, B)
        q1 = u.mu1.T @ (second[:, None] * u.mu1)
        qs = np.einsum("k,kubc->ubc", second, u.spread)
        fields = means.fields[u.members]
        source = qs / beta + u.rho * (L @ q1 @ L.T / beta)[pick]
        source = source + np.einsum("ubcef,ube,ucf->ubc", u.v, fields, fields)
        if self.d is not None:
            h = means.pull[u.members]
            source = source + h[:, :, None] * h[:, None, :] / beta
        X = source
        for _ in range(500):
            Y = self._scatter(beta * u.count[:, None, None] * u.rho * (inverse @ X @ inverse))
            after = source + u.rho * (T @ Y @ T)[pick]
            done = float(np.max(np.abs(after - X))) <= 1e-13 * float(np.max(np.abs(after)))
            X = after
            if done:
                break
        Qs = beta * u.count[:, None, None] * (inverse @ X @ inverse)
        Y = self._scatter(u.rho * Qs)
        return W / beta, N, W @ q1 @ W.T / beta + L.T @ Y @ L, Qs, means.t, means.B

    def _means(self, m: Pulls, wG: Array, inverse: Array, t: Array, B: Array) -> _Means:
        """The linear system of the square loss at curvatures ``wG``, targets shifted by g.

        Its fixed point is the same at any curvatures.
        """
        u, r, size, A = self.u, self.alpha / self.beta, self.size, self.u.groups
        zeta = np.concatenate(
            [
                np.broadcast_to(u.kappa[:, None], (*wG.shape, self.spikes)),
                np.broadcast_to(self.tau, (*wG.shape, size - self.spikes)),
            ],
            axis=2,
        )
        wg = self.weights * m.g
        zz = r * np.einsum("kj,kji,kjl->kil", wG, zeta, zeta)
        z1 = r * np.einsum("kj,kji->ki", wG, zeta)
        VE = np.einsum("kil,ka,kb->aibl", zz, u.mu1, u.mu1, optimize=True).reshape(A * size, -1)
        Ct = np.einsum("ki,ka,kb->aib", z1, u.mu1, u.mu0).reshape(A * size, A)
        G = np.einsum("k,ka,kb->ab", r * wG.sum(axis=1), u.mu0, u.mu0)
        e = r * np.einsum("kj,kji,ka->ai", wg, zeta, u.mu1).ravel()
        mh = e + VE @ B.ravel() + Ct @ t
        g0 = r * (u.mu0.T @ wg.sum(axis=1)) + G @ t + Ct.T @ B.ravel()
        DE = np.zeros((A, A, size, size))
        pick = (u.members[:, :, None], u.members[:, None, :])
        np.add.at(DE, pick, (self.beta * u.count[:, None, None] * inverse)[..., None, None] * u.v)
        DE = DE.transpose(0, 2, 1, 3).reshape(A * size, -1)
        Kt = np.zeros((A, A))
        np.add.at(Kt, pick, u.count[:, None, None] * inverse)
        if self.d is not None:
            G = G + np.linalg.inv(Kt) / (self.beta * self.d)
        root = np.sqrt(u.fractions)
        scale = r * float(wG.sum(axis=1) @ ((u.mu0**2 + u.mu1**2) @ u.fractions))
        Gp = root[:, None] * pseudo_inverse(root[:, None] * G * root, 1e-12 * scale) * root
        mixed = Ct @ Gp
        system = np.eye(A * size) + VE @ DE - mixed @ Ct.T @ DE
        e = np.asarray(np.linalg.solve(system, mh - mixed @ g0), np.float64)
        B = (DE @ e).reshape(A, size)
        t = Gp @ (g0 - Ct.T @ B.ravel())
        pull = np.zeros(A)
        if self.d is not None:
            pull += np.linalg.solve(Kt, t) / math.sqrt(self.beta * self.d)
        return _Means(t, B, np.reshape(e, (A, size)), pull)

    def _scatter(self, values: Array) -> Array:
        out = np.zeros((self.u.groups, self.u.groups))
        np.add.at(out, (self.u.members[:, :, None], self.u.members[:, None, :]), values)
        return out
