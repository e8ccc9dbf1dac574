r"""The ridge equations on a Gaussian mixture, conditional on ω = (cluster, κ).

Per ω and group: μ0 = E F, μ1 = E σ', μ2 = E σ'', F = σ(c_g κ + √q_gc x), q_gc = Σ_j w_j vB_gg,j e_cj; within a unit
Ms_bb' = Cov(F, F') − cov_c μ1 μ1'. With r = α/β, iv = 1/(1 + V), E over ω, one susceptibility V1_j a block,

    V = μ1ᵀ (Σ_j w_j e_cj V1_j) μ1 + Σ_u ν_u tr(Ms_u N_u⁻¹),   Vh_j = r E[e_cj μ1 μ1ᵀ iv],   D_j = Σ_u scat(β ν_u vB_u,j ∘ N_u⁻¹),
    L_j = (1 + Vh_j D_j)⁻¹,  T_j = L_j Vh_j,  W_j = D_j L_j = β V1_j,   N_u = λ + r E[Ms_u iv] + Σ_j w_j vB_u,j ∘ T_j[u].

First moments live on the axes and, for the fluctuating norms, on one direction a cluster (function 1[c] μ2); second moments
are linear.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.experiment.inputs import Inputs
from asymptotics.fixed_point import Map, Solution, amplification, solve
from asymptotics.generalisation.spiked.feature_moments import product_moment
from asymptotics.generalisation.spiked.first_moments import pseudo_inverse
from asymptotics.learning.structured.layer import MixtureLayer
from asymptotics.learning.structured.moments import conditional, spike_places
from hermite.errors import ConvergenceError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Where an activation is flat V is 0 up to this, beside the 1 of 1 + V.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class MixtureFeatures:
    """What the equations need: O places ω, A groups, U units of B, J blocks, K clusters, n axes; see the module.

    ``cluster`` (O,), ``weights`` (O,), ``mu0``, ``mu1``, ``mu2`` (O, A), ``spread`` Ms (O, U, B, B), ``centre`` ē (O, n),
    ``within`` S_| (K, n, n), ``f0`` (O,), ``f1`` (O, n), ``f2`` (O,).
    """

    layer: MixtureLayer
    fractions: Array
    variances: Array
    cluster: npt.NDArray[np.intp]
    weights: Array
    mu0: Array
    mu1: Array
    mu2: Array
    spread: Array
    centre: Array
    within: Array
    f0: Array
    f1: Array
    f2: Array


def mixture_features(f: Target, sigma: Activation, inputs: Inputs, layer: MixtureLayer) -> MixtureFeatures:
    """The features of ``layer``; raises ``InputError`` for targets of more than two directions."""
    w, e = np.array(inputs.fractions), inputs.bulk
    cov = np.einsum("j,jubc,kj->kubc", w, layer.bulk, e)
    A = len(layer.c)
    q = np.empty((len(e), A))
    q[:, layer.members] = np.einsum("kubb->kub", cov)
    parts = []
    for k, (share, target) in enumerate(zip(inputs.weights, inputs.targets_of(f), strict=True)):
        mean, S = layer.means[k], layer.covariances[k]
        at = spike_places(layer.u, mean, S)
        kappa, weights, centre = at.kappa, at.weights, at.centre
        seen = conditional(target, layer.teacher, centre, at.within)
        h, s2 = np.outer(kappa, layer.c), np.broadcast_to(q[k], (len(kappa), A))
        mu0, slope, second = sigma.conditional_moments(h, s2)
        mu1 = slope / np.sqrt(q[k])
        mu2 = sigma.S2_distribution(h, np.sqrt(s2))
        spread = np.empty((len(kappa), *layer.members.shape, layer.members.shape[1]))
        for u, unit in enumerate(layer.members):
            for b, g in enumerate(unit):
                for j, other in enumerate(unit[: b + 1]):
                    both = second[:, g]
                    if j != b:
                        rho = float(np.clip(cov[k, u, b, j] / math.sqrt(q[k, g] * q[k, other]), -1, 1))
                        both = product_moment(sigma, h[:, [g, other]], q[k, [g, other]], rho)
                    rest = both - mu0[:, g] * mu0[:, other] - cov[k, u, b, j] * mu1[:, g] * mu1[:, other]
                    if j == b:
                        rest = np.maximum(rest, 0.0)
                    spread[:, u, b, j] = spread[:, u, j, b] = rest
        parts.append(
            (
                np.full(len(kappa), k),
                share * weights,
                mu0,
                mu1,
                mu2,
                spread,
                centre,
                seen.f0,
                seen.f1,
                seen.f2,
            )
        )
    withins = np.array(
        [spike_places(layer.u, m, S).within for m, S in zip(layer.means, layer.covariances, strict=True)]
    )
    cluster, weights, mu0, mu1, mu2, spread, centre, f0, f1, f2 = (
        np.concatenate(x) for x in zip(*parts, strict=True)
    )
    return MixtureFeatures(layer, w, e, cluster, weights, mu0, mu1, mu2, spread, centre, withins, f0, f1, f2)


@dataclass(frozen=True)
class MixtureErrors:
    """Test and train error, test error by cluster (K,), ‖a‖²/p, and how the solver ended."""

    test: float
    train: float
    by_cluster: Array
    norm2: float
    solution: Solution


@dataclass(frozen=True, eq=False)
class _FirstMoments:
    """Of the readout: ``t`` (A,), ``B`` and ``fields`` e (A, M), ``pull`` (A,) of the finite-d source; ``sigma`` Σ of them."""

    t: Array
    B: Array
    fields: Array
    pull: Array
    sigma: Array


class MixtureFit:
    """One fit at α, β, λ > 0 and, with ``d``, the finite-d terms of the means."""

    def __init__(self, c: MixtureFeatures, alpha: float, beta: float, lam: float, d: int | None) -> None:
        self.c, self.alpha, self.beta, self.lam, self.d = c, alpha, beta, lam, d
        self.r = alpha / beta
        self.A, (self.U, self.B), self.J = len(c.layer.c), c.layer.members.shape, len(c.fractions)
        self.pick = (c.layer.members[:, :, None], c.layer.members[:, None, :])
        # Sums over places are products of matrices: they are most of the work.
        self.pairs = (c.mu1[:, :, None] * c.mu1[:, None, :]).reshape(len(c.mu1), -1)
        self.spread = c.spread.reshape(len(c.mu1), -1)
        self.member = (c.cluster == np.arange(len(c.variances))[:, None]).astype(float)

    def scatter(self, values: Array) -> Array:
        """Σ_u of blocks (U, B, B, ...) at the rows and columns of their groups (A, A, ...)."""
        out = np.zeros((self.A, self.A, *values.shape[3:]))
        np.add.at(out, self.pick, values)
        return out

    def along_blocks(self, values: Array) -> Array:
        """μ1ᵀ (Σ_j w_j e_cj X_j) μ1 at every place (O,) for X (J, A, A)."""
        seen = (self.c.variances * self.c.fractions) @ values.reshape(self.J, -1)
        found: Array = np.sum(self.pairs * seen[self.c.cluster], axis=1)
        return found

    def over_blocks(self, weights: Array) -> Array:
        """Σ_ω weights e_cj μ1 μ1ᵀ (J, A, A)."""
        found: Array = self.c.variances.T @ ((self.member * weights) @ self.pairs)
        return found.reshape(self.J, self.A, self.A)

    def over_spread(self, weights: Array) -> Array:
        """Σ_ω weights Ms_u (U, B, B)."""
        found: Array = (weights @ self.spread).reshape(self.U, self.B, self.B)
        return found

    def variance(self, V1: Array, inverse: Array) -> Array:
        """V(ω) for V1 (J, A, A) and N⁻¹ (U, B, B)."""
        own: Array = self.spread @ (self.c.layer.count[:, None, None] * inverse).ravel()
        return own + self.along_blocks(V1)

    def responses(self, iv: Array, inverse: Array) -> tuple[Array, Array, Array]:
        """L, T, W, (J, A, A) each."""
        c = self.c
        hat = self.r * self.over_blocks(c.weights * iv)
        D = np.array(
            [
                self.scatter(self.beta * c.layer.count[:, None, None] * block * inverse)
                for block in c.layer.bulk
            ]
        )
        L = np.linalg.inv(np.eye(self.A) + hat @ D)
        return L, L @ hat, D @ L

    def _unpack(self, x: Array) -> tuple[Array, Array]:
        head = self.J * self.A**2
        return x[:head].reshape(self.J, self.A, self.A), x[head:].reshape(self.U, self.B, self.B)

    def map(self) -> Map:
        """(V1, N⁻¹) ↦ the right-hand sides."""
        c = self.c

        def step(x: Array) -> Array:
            V1, inverse = self._unpack(x)
            iv = 1 / (1 + self.variance(V1, inverse))
            _, T, W = self.responses(iv, inverse)
            own = self.r * self.over_spread(c.weights * iv)
            within = np.einsum("j,jubc,jubc->ubc", c.fractions, c.layer.bulk, T[(slice(None), *self.pick)])
            N = self.lam * np.eye(self.B) + own + within
            new = np.linalg.inv((N + np.swapaxes(N, 1, 2)) / 2)
            return np.concatenate([(W / self.beta).ravel(), new.ravel()])

        return step

    def solve(self, *, throw: bool = True) -> MixtureErrors:
        """The errors; ``ConvergenceError`` unless ``throw`` is false."""
        start = np.concatenate(
            [np.zeros(self.J * self.A**2), np.tile(np.eye(self.B) / self.lam, (self.U, 1, 1)).ravel()]
        )

        def physical(x: Array) -> bool:
            V1, inverse = self._unpack(x)
            varies = self.variance(V1, inverse) > -_ROUNDING
            return bool(np.all(np.einsum("ubb->ub", inverse) > 0) and np.all(varies))

        step, head = self.map(), self.J * self.A**2
        blocks = (slice(0, head), slice(head, None))
        solution = solve(step, start, physical=physical, newton_start=start, blocks=blocks, throw=throw)
        solution = replace(solution, amplification=amplification(step, solution, blocks))
        V1, inverse = self._unpack(solution.value)
        iv = 1 / (1 + self.variance(V1, inverse))
        return self._errors(iv, inverse, solution)

    def _sector(self) -> tuple[Array, Array]:
        """Mean functions φ (O, A, M) on axes and norms, and the covariance of the neurons' components (U, B, B, M, M)."""
        c, K = self.c, len(self.c.variances)
        n = c.centre.shape[1]
        norms = c.mu2[:, :, None] * (c.cluster[:, None, None] == np.arange(K))
        phi = np.concatenate([c.mu1[:, :, None] * c.centre[:, None, :], norms], axis=2)
        sigma = np.zeros((self.U, self.B, self.B, n + K, n + K))
        sigma[..., :n, :n], sigma[..., n:, n:] = c.layer.sigma, c.layer.norm
        return phi, sigma

    def _first_moments(self, iv: Array, inverse: Array) -> _FirstMoments:
        c, A = self.c, self.A
        n = c.centre.shape[1]
        phi, sigma = self._sector()
        M = phi.shape[2]
        w = self.r * c.weights * iv
        flat = phi.reshape(len(w), -1)
        VE = ((flat.T * w) @ flat).reshape(A, M, A, M)
        for k, within in enumerate(c.within):
            here = c.cluster == k
            pair = np.einsum("o,oa,ob->ab", w[here], c.mu1[here], c.mu1[here])
            VE[:, :n, :, :n] += pair[:, None, :, None] * within[None, :, None, :]
        mh = np.einsum("o,oam->am", w * c.f0, phi)
        mh[:, :n] += np.einsum("o,oa,oi->ai", w, c.mu1, c.f1)
        Ct = np.einsum("o,oam,ob->amb", w, phi, c.mu0).reshape(A * M, A)
        G = np.einsum("o,oa,ob->ab", w, c.mu0, c.mu0)
        g0 = c.mu0.T @ (w * c.f0)
        count = c.layer.count[:, None, None]
        DE = self.scatter((self.beta * count * inverse)[..., None, None] * sigma)
        DE = DE.transpose(0, 2, 1, 3).reshape(A * M, A * M)
        Kt = self.scatter(count * inverse)
        if self.d is not None:
            G = G + np.linalg.inv(Kt) / (self.beta * self.d)
        share = np.zeros(A)
        np.add.at(share, c.layer.members, c.layer.count[:, None])
        root = np.sqrt(share)
        scale = float(w @ ((c.mu0**2 + c.mu1**2) @ share))
        Gp = root[:, None] * pseudo_inverse(root[:, None] * G * root, 1e-12 * scale) * root
        mixed = Ct @ Gp
        system = np.eye(A * M) + VE.reshape(A * M, -1) @ DE - mixed @ Ct.T @ DE
        e = np.asarray(np.linalg.solve(system, mh.ravel() - mixed @ g0), np.float64)
        B = DE @ e
        t = Gp @ (g0 - Ct.T @ B)
        h = np.zeros(A) if self.d is None else np.linalg.solve(Kt, t) / math.sqrt(self.beta * self.d)
        return _FirstMoments(t, B.reshape(A, M), e.reshape(A, M), h, sigma)

    def _errors(self, iv: Array, inverse: Array, solution: Solution) -> MixtureErrors:
        c, beta = self.c, self.beta
        n = c.centre.shape[1]
        L, T, W = self.responses(iv, inverse)
        first = self._first_moments(iv, inverse)
        t, B, e = first.t, first.B, first.fields
        H = c.mu1 @ B[:, :n]
        norm = np.sum(c.mu2 * B[:, n:].T[c.cluster], axis=1)
        inside = np.einsum("oi,oij,oj->o", H, c.within[c.cluster], H)
        mean = c.f0 - c.mu0 @ t - np.sum(H * c.centre, axis=1) - norm
        eps0 = mean**2 + c.f2 - c.f0**2 - 2 * np.sum(H * c.f1, axis=1) + inside
        members = c.layer.members
        source = np.einsum("ubcml,ubm,ucl->ubc", first.sigma, e[members], e[members])
        source = source + first.pull[members][:, :, None] * first.pull[members][:, None, :] / beta
        count = c.layer.count[:, None, None]
        blocks = (slice(None), *self.pick)

        def moments(eps: Array, X: Array) -> tuple[Array, Array, Array]:
            """Q1⊥ (J, A, A), Qs (U, B, B) and the part of the next X that is no source, for ε and X."""
            w = self.r * c.weights * iv**2 * eps
            q1, qs = self.over_blocks(w), self.over_spread(w)
            inner = inverse @ X @ inverse
            Y = np.array([self.scatter(beta * count * block * inner) for block in c.layer.bulk])
            within = L @ q1 @ np.swapaxes(L, 1, 2) / beta + T @ Y @ T
            after = qs / beta + np.einsum("j,jubc,jubc->ubc", c.fractions, c.layer.bulk, within[blocks])
            return W @ q1 @ W / beta + np.swapaxes(L, 1, 2) @ Y @ L, beta * count * inner, after

        def after(eps: Array, X: Array) -> tuple[Array, Array]:
            """What ε and X cause, without their sources: a linear map."""
            Q1, Qs, found = moments(eps, X)
            return self.along_blocks(Q1) + self.spread @ Qs.ravel(), found

        eps, X = _linear(after, eps0, source)
        Qs = moments(eps, X)[1]
        by_cluster = np.array(
            [
                float(c.weights[here] @ eps[here] / c.weights[here].sum())
                for here in (c.cluster == k for k in range(len(c.variances)))
            ]
        )
        return MixtureErrors(
            float(c.weights @ eps),
            float(c.weights @ (eps * iv**2)),
            by_cluster,
            float(np.einsum("ubb->", Qs)),
            solution,
        )


def _linear(
    effect: Callable[[Array, Array], tuple[Array, Array]], eps0: Array, source: Array
) -> tuple[Array, Array]:
    """(ε, X) = (ε0, source) + effect(ε, X) for a linear ``effect``.

    Its rank is that of the second moments, not the number of places: a Krylov space of so many dimensions holds the solution,
    where plain iteration takes hundreds of rounds, and thousands near the interpolation threshold. Each part is in units of
    its own source and of what the sources cause, so that neither is lost beside the other, nor beside a source that is
    nothing but rounding (no mean function is learned). Raises ``ConvergenceError``.
    """
    from scipy.sparse.linalg import LinearOperator, gmres

    places = eps0.size
    units = [
        float(np.max(np.abs(part) + np.abs(caused), initial=0.0)) or 1.0
        for part, caused in zip((eps0, source), effect(eps0, source), strict=True)
    ]

    def pack(eps: Array, X: Array) -> Array:
        return np.concatenate([eps / units[0], X.ravel() / units[1]])

    def unpack(x: Array) -> tuple[Array, Array]:
        return x[:places] * units[0], x[places:].reshape(source.shape) * units[1]

    start = pack(eps0, source)
    system = LinearOperator(
        (start.size, start.size), matvec=lambda x: x - pack(*effect(*unpack(x))), dtype=np.float64
    )
    found, _ = gmres(system, start, rtol=1e-13, restart=min(start.size, 200), maxiter=5)
    left = float(np.linalg.norm(start - system.matvec(found)))
    if not left <= 1e-9 * float(np.linalg.norm(found)):
        raise ConvergenceError(
            "The second moments of the fit are beyond floats: choose a larger ridge.lambda."
        )
    return unpack(found)
