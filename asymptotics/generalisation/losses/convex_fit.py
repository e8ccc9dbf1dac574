r"""Errors of min_a Σ_μ l(y_μ, f(z_μ)) + (λ/2)|a|², y = ±1, on spiked random features (conditional Gaussian equivalence).

Given κ (spikes) and τ (the target's directions off them) the local field of a new sample is ω = M + √q ξ, ξ ~ N(0, 1), with

    M = μ0·t + Σ_i κ_i μ1·B_{u_i} + Σ_m τ_m μ1·B_θ_m,   q = μ1ᵀ Q μ1 + Σ_u tr(Ms_u Qs_u),
    V = μ1ᵀ V1 μ1 + Σ_u ν_u tr(Ms_u N_u⁻¹),
    g = (prox − ω)/V,   Γ = −∂g/∂ω,   r = α/β.

The equations of the square loss hold with 1/(1 + V) → E[Γ | κ] in the susceptibilities, pair moments weighted by g², and
conjugate fields e = r E[μ1 κ g], r E[μ1 τ g], r E[μ0 g] = (Kt⁻¹ t)/(β d); their nonlinear conditions are met by one step a
sweep of the linear system of the square loss at the current Γ. Kinked losses: E[Γ | ·] = −E[ξ g]/√q.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.fixed_point import Solution, Status
from asymptotics.generalisation.losses.label_grid import LabelGrid
from asymptotics.generalisation.losses.local_field import local_fields
from asymptotics.generalisation.losses.mixing import Mixing
from asymptotics.generalisation.losses.scalar_losses import LOSSES
from asymptotics.generalisation.spiked.first_moments import first_moments, pseudo_inverse
from asymptotics.generalisation.spiked.linear_sector import source_of
from asymptotics.generalisation.spiked.nonlinear_sector import susceptibilities
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.second_moments import second_moments
from asymptotics.generalisation.spiked.transfers import transfers
from hermite.errors import ConvergenceError, InputError

Array = npt.NDArray[np.float64]

_SWEEPS, _TOLERANCE, _ROUGH, _REACH = 1500, 1e-9, 1e-5, 7.0
#: Sweeps without a smaller change than ever before, after which there will be none.
_PATIENCE = 250
#: How much farther than it seems the fixed point may be of sweeps that do not settle.
_DRIFT = 10.0
#: Of the readout's size: means and alignments of less than this are none.
_ROUNDING = 1e-5
#: Least Γ of a step of the means, of that of the square loss. Where all samples lie on the straight part of a hinge Γ = 0.
_LEAST_CURVED = 0.1


@dataclass(frozen=True)
class ConvexErrors:
    """``classification`` P(sign f ≠ y), losses and E(y − f)² on new and on training samples, |a|²/p.

    ``missed``: what the nodes of the labels leave out, relative.
    """

    classification: float
    test_loss: float
    train_loss: float
    mse: float
    train_mse: float
    norm2: float
    solution: Solution
    missed: float = 0.0

    @property
    def told(self) -> tuple[float, ...]:
        """The errors and losses."""
        return self.classification, self.test_loss, self.train_loss, self.mse, self.train_mse


@dataclass(frozen=True)
class _Averages:
    """Over y and ξ, at nodes (K, J) of (κ, τ): E g, E g², E Γ."""

    g: Array
    square: Array
    curvature: Array


def normal_grid(nodes: int, reach: float = _REACH) -> tuple[Array, Array]:
    """The trapezoid rule of N(0, 1) on [−reach, reach]."""
    x = np.linspace(-reach, reach, nodes)
    w = np.exp(-0.5 * x**2)
    return x, w / w.sum()


@dataclass(frozen=True, eq=False)
class _Means:
    """First moments of the readout: ``t`` (A,), ``B`` and ``fields`` e (A, k + r), ``pull`` Kt⁻¹ t/√(β d) (A,)."""

    t: Array
    B: Array
    fields: Array
    pull: Array


class ConvexFit:
    """One fit: units, the ``labels`` given κ and τ, and the sizes."""

    def __init__(
        self, units: Units, labels: LabelGrid, loss: str, alpha: float, beta: float, lam: float, d: int | None
    ) -> None:
        if loss not in LOSSES:
            raise InputError(f"ridge.loss must be one of {', '.join(LOSSES)}, not {loss!r}.")
        if not lam > 0 or lam < LOSSES[loss].least:
            least = f"at least {LOSSES[loss].least:g}" if LOSSES[loss].least else "positive"
            raise InputError(f'lambda must be {least} for ridge.loss = "{loss}", not {lam:g}.')
        if units.kappa.shape[1] > 1 or not math.isfinite(beta):
            raise InputError(
                "Losses other than the square cover at most one learned direction and a finite beta."
            )
        self.u, self.loss, self.alpha, self.beta, self.lam, self.d = units, LOSSES[loss], alpha, beta, lam, d
        self.positive, self.coarser, self.tau = labels.positive, labels.coarser, labels.tau
        self.weights = units.weights[:, None] * labels.share
        self.xi, self.wxi = normal_grid(self.loss.nodes)
        self.spikes = units.kappa.shape[1]
        self.size = self.spikes + self.tau.shape[2]

    def averages(self, M: Array, q: Array, V: Array) -> _Averages:
        """E over y and ξ at means (K, J) and variances (K,)."""
        omega, mean = local_fields(M, q, self.xi, self.u.weights, self.loss.curvature is not None)
        root = np.sqrt(q)[:, None]
        width = V.reshape(-1, *[1] * (omega.ndim - 1))
        total = [np.zeros(M.shape) for _ in range(3)]
        for y, share in ((1.0, self.positive), (-1.0, 1 - self.positive)):
            label = np.full((1,) * omega.ndim, y)
            x = self.loss.prox(label, omega, width)
            g = (x - omega) / width
            if self.loss.curvature is not None:
                bend = self.loss.curvature(label, x)
                gamma = mean(bend / (1 + width * bend), self.wxi)
            elif float(q.min()) < 1e-12:
                gamma = np.broadcast_to(1 / (1 + V[:, None]), M.shape)
            else:
                gamma = -mean(g, self.wxi * self.xi) / root
            for out, value in zip(total, (mean(g, self.wxi), mean(g**2, self.wxi), gamma), strict=True):
                out += share * value
        return _Averages(*total)

    def fields(self, t: Array, B: Array) -> Array:
        """M (K, J)."""
        u = self.u
        spikes = np.einsum("ka,ki,ai->k", u.mu1, u.kappa, B[:, : self.spikes])
        M: Array = (u.mu0 @ t + spikes)[:, None] + np.sum(
            (u.mu1 @ B[:, self.spikes :])[:, None] * self.tau, axis=2
        )
        return M

    def solve(self, *, throw: bool = True) -> ConvexErrors:
        """Sweeps from nothing, the square loss's from its ridge equations; ``ConvergenceError`` unless ``throw`` is false."""
        (U, b), A = self.u.members.shape, self.u.groups
        start: tuple[Array, ...] = (
            np.zeros((A, A)), np.tile((self.lam + 0.2) * np.eye(b), (U, 1, 1)), np.zeros((A, A)),
            np.zeros((U, b, b)), np.zeros(A), np.zeros((A, self.size)),
        )  # fmt: skip
        if self.loss.name == "square":
            start = self._of_ridge_equations() or start
        state, solution = self._settled(start, _TOLERANCE)
        found = self._errors(state, solution)
        one = np.ones(1)
        if solution.converged and found.train_loss > (1 + _ROUNDING) * float(
            self.loss.value(one, 0 * one)[0]
        ):
            # No readout at all would have a smaller objective.
            solution = replace(solution, status=Status.UNPHYSICAL)
            found = replace(found, solution=solution)
        if throw and not solution.converged:
            raise ConvergenceError(
                f'The equations of ridge.loss = "{self.loss.name}" at lambda = {self.lam:g} did not settle in '
                f"{solution.iterations} sweeps (residual {solution.residual:.1e}): take a lambda nearer to 1.",
                solution,
            )
        if self.coarser is None:
            return found
        other = copy(self)
        other.positive = self.coarser
        rough = other._errors(*other._settled(state, _ROUGH))
        return replace(
            found, missed=max(abs(1 - a / b) for a, b in zip(rough.told, found.told, strict=True) if b)
        )

    def _of_ridge_equations(self) -> tuple[Array, ...] | None:
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
        found = self.averages(self.fields(t, B), np.zeros_like(V), V)
        square = np.broadcast_to((eps / (1 + V) ** 2)[:, None], found.square.shape)
        return (sus.W / sus.om, N, *self._sweep(replace(found, square=square), V, N, t, B)[2:])

    def _settled(self, state: tuple[Array, ...], tolerance: float) -> tuple[tuple[Array, ...], Solution]:
        """V1, N, Q1⊥, Qs, t, B after sweeps from ``state`` until they change by less than ``tolerance``."""
        change, sweeps, least, since = math.inf, 0, math.inf, 0
        mixing = Mixing(self.loss.damping, lambda arrays: self._is_physical(arrays))
        with np.errstate(over="ignore"):
            while sweeps < _SWEEPS and sweeps < since + _PATIENCE and change > tolerance:
                sweeps += 1
                V, q, M = self._variances(*state)
                new = self._sweep(self.averages(M, q, V), V, state[1], *state[4:])
                # t and B are parts of one vector, and where both vanish rounding beside the readout.
                readout = _ROUNDING * math.sqrt(float(np.max(np.abs(new[3]))))
                size = max(float(np.max(np.abs(new[4]))), float(np.max(np.abs(new[5]))), readout, 1e-300)
                sizes = [max(float(np.max(np.abs(a))), 1e-300) for a in new[:4]] + [size, size]
                change = max(
                    float(np.max(np.abs(a - o))) / x for a, o, x in zip(new, state, sizes, strict=True)
                )
                if not math.isfinite(change):
                    break
                if change < least:
                    least, since = change, sweeps
                if change > tolerance:
                    state = mixing.next(state, new, sizes, change)
        status = Status.CONVERGED if change <= tolerance else Status.STALLED
        # What still moves after so many sweeps may drift without end: near λ = 0 at interpolation the readout does.
        factor = mixing.amplification * (1.0 if status is Status.CONVERGED else _DRIFT)
        return state, Solution(status, change, sweeps, "anderson", state[4], factor)

    def _is_physical(self, state: tuple[Array, ...]) -> bool:
        """Whether N ≥ λ, and variances are not negative."""
        V1, N, Q1, Qs, t, B = state
        if float(np.linalg.eigvalsh((N + np.swapaxes(N, 1, 2)) / 2).min()) < self.lam * (1 - 1e-9):
            return False
        u = self.u
        q = np.einsum("ka,ab,kb->k", u.mu1, Q1, u.mu1) + np.einsum("kubc,ubc->k", u.spread, Qs)
        return bool(
            np.all(np.diag(V1) >= 0) and np.all(q >= 0) and np.all(np.isfinite(t)) and np.all(np.isfinite(B))
        )

    def _variances(
        self, V1: Array, N: Array, Q1: Array, Qs: Array, t: Array, B: Array
    ) -> tuple[Array, Array, Array]:
        u = self.u
        inverse = u.count[:, None, None] * np.linalg.inv(N)
        V = np.einsum("ka,ab,kb->k", u.mu1, V1, u.mu1) + np.einsum("kubc,ubc->k", u.spread, inverse)
        q = np.einsum("ka,ab,kb->k", u.mu1, Q1, u.mu1) + np.einsum("kubc,ubc->k", u.spread, Qs)
        return np.maximum(V, 1e-300), np.maximum(q, 0.0), self.fields(t, B)

    def _sweep(self, m: _Averages, V: Array, N: Array, t: Array, B: Array) -> tuple[Array, ...]:
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

    def _means(self, m: _Averages, wG: Array, inverse: Array, t: Array, B: Array) -> _Means:
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

    def _errors(self, state: tuple[Array, ...], solution: Solution) -> ConvexErrors:
        from scipy.special import ndtr

        V, q, M = self._variances(*state)
        norm2 = float(np.einsum("ubb->", state[3]))
        found = np.zeros(5)
        root = np.maximum(np.sqrt(q)[:, None], 1e-300)
        omega, mean = local_fields(M, q, self.xi, self.u.weights, self.loss.curvature is not None)
        width = V.reshape(-1, *[1] * (omega.ndim - 1))
        for y, share in ((1.0, self.positive), (-1.0, 1 - self.positive)):
            w = self.weights * share
            label = np.full((1,) * omega.ndim, y)
            wrong = ndtr(-y * M / root)
            test = mean(self.loss.value(label, omega), self.wxi)
            fitted = self.loss.prox(label, omega, width)
            train = mean(self.loss.value(label, fitted), self.wxi)
            missed = mean((y - fitted) ** 2, self.wxi)
            values = (wrong, test, train, (y - M) ** 2 + q[:, None], missed)
            found += [float(np.sum(w * value)) for value in values]
        wrong_share, test_loss, train_loss, mse, train_mse = (float(x) for x in found)
        return ConvexErrors(wrong_share, test_loss, train_loss, mse, train_mse, norm2, solution)
