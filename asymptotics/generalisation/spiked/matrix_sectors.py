"""The errors given the whole covariance of the residuals, on many batches side by side (see ``matrix_susceptibilities``).

With T at the solution, L = T E and W = E − E T E in white coordinates, the second moments of ``second_moments`` are carried by

    X = tr(Σᵀ (L q1 Lᵀ + T Y T))/d,   Q1⊥ = W q1 W + Lᵀ Y L,

normalised traces over blocks: of products Σ R T, one a covariance and a group, all others are combinations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.spiked.first_moments import mean_response, pseudo_inverse, transposed
from asymptotics.generalisation.spiked.linear_sector import coherent_means, refuse_singular, source_of
from asymptotics.generalisation.spiked.matrix_susceptibilities import (
    Guess,
    MatrixSystem,
    in_units,
    whole_susceptibilities,
)
from asymptotics.generalisation.spiked.nonlinear_sector import susceptibilities
from asymptotics.generalisation.spiked.ridge_equations import Units, averages
from asymptotics.generalisation.spiked.second_moments import second_moments
from asymptotics.generalisation.spiked.transfers import Transfers, squared
from asymptotics.generalisation.spiked.white_matrices import Batches, side_by_side, spike_places

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MatrixErrors:
    """Test and train error of the ridge fit given the covariances, and ``norm2`` = ‖a‖²/d."""

    test: float
    train: float
    norm2: float


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
) -> MatrixErrors:
    """:func:`solve_batches` of one layer: ``covariance`` (U, B, B, d', d') of unit residuals, ``axes`` (k + r, d')."""
    refuse_singular(units, alpha, beta, lam)
    first = susceptibilities(units, alpha, beta, lam)
    batches = side_by_side([units], [covariance], [axes])
    (found,) = solve_batches(batches, first.solution.value[None], alpha, beta, lam, d=d, tol=tol).errors
    return found


def solve_batches(
    batches: Batches,
    traces: Array,
    alpha: float,
    beta: float,
    lam: float,
    *,
    d: int | None = None,
    tol: float = 1e-9,
    guess: Guess | None = None,
) -> Solved:
    """Errors of the ridge fit on P batches; ``traces`` (P, m): the solutions for the traces alone.

    ``d`` as in ``solve_units``, ``tol`` that of the fixed point; ``guess``, where something nearer than ``traces`` is known.
    Raises ``ConvergenceError``.
    """
    om, el = (1.0, lam) if beta <= alpha else (lam, 1.0)
    system = MatrixSystem(batches, alpha, 1.0 / beta, om)
    points, slopes = whole_susceptibilities(system, el, traces, guess, tol)
    found = _Responses(system, points)
    size = system.sizes(traces)
    bend = in_units(found.slope(beta) - slopes, size)
    return Solved(found.errors(alpha, beta, d), Guess((points - traces) / size, bend))


class Solved(NamedTuple):
    """The errors on every batch, and what would have been the best guess."""

    errors: list[MatrixErrors]
    guess: Guess


class Learned(NamedTuple):
    """The mean part eps0(κ) (P, K) of the error, the conjugate field e (P, A, d') and the means t (P, A)."""

    eps0: Array
    conjugate: Array
    means: Array


class Blocks(NamedTuple):
    """Traces over blocks, s a covariance and a, b, c, e white indices.

    ``through_t``, ``through_l`` (s, b, a): of Σᵀ R T_a (R T_b)ᵀ and the same of L; ``pairs`` (s, a, s', b): of
    (Σ R T_a)(Σ' R T_b); ``by_w`` and ``by_l`` (a, c, b, e): of W_ac W_beᵀ and of L_caᵀ L_eb; ``trace`` (a, b): of T.
    """

    through_t: Array
    through_l: Array
    pairs: Array
    by_w: Array
    by_l: Array
    trace: Array


class _Responses:
    """What is read from T at the solution."""

    def __init__(self, system: MatrixSystem, solution: Array) -> None:
        self.system, self.batches, self.units = system, system.batches, system.units
        self.iv, self.inverse = system.iv(solution), system.unpack(solution)[1]
        self.white = system.white(self.iv, np.arange(len(solution)))
        self.a = self.white.root.shape[-1]
        self.T = system.whole_T(self.iv, self.inverse, self.white)
        self.mu = self.units.mu1 @ transposed(self.white.inverse)

    def errors(self, alpha: float, beta: float, d: int | None) -> list[MatrixErrors]:
        """The errors of the ridge fit on every batch."""
        units, om = self.units, float(self.system.om[0])
        blocks = self.blocks
        learned = self._first_moments(blocks.trace, beta, d)
        e = learned.conjugate[:, units.members]
        pulled = self.batches.covariance @ e[:, :, None, :, :, None]
        fields = np.sum(pulled[..., 0] * e[:, :, :, None], axis=-1)
        source, eps0 = source_of(units, self, fields, learned.means, d), learned.eps0
        if (common := coherent_means(units, learned.means, beta, d)) is not None:
            inner = transposed(self.white.root) @ common @ self.white.root
            source = source + np.einsum("psba,pab->ps", blocks.through_t, inner).reshape(source.shape)
            hidden = np.einsum("pacbe,pce->pab", blocks.by_l, inner)
            eps0 = eps0 + np.sum((self.mu @ hidden) * self.mu, axis=-1)
        columns = eps0[..., None], source.reshape(len(source), -1, 1)
        error, norm2 = second_moments(units, self, self.transfers, alpha, beta, *columns)
        eps = error[..., 0]
        test = np.sum(units.weights * eps, axis=-1)
        train = np.sum(units.weights * eps * (om * self.iv) ** 2, axis=-1)
        return [MatrixErrors(*one) for one in np.array([test, train, norm2[:, 0]]).T.tolist()]

    def slope(self, beta: float) -> Array:
        """That of the map (P, m, m), but for what the spikes' own form changes: of relative order k/d."""
        system, units, maps = self.system, self.units, self.transfers
        weighted = transposed(system.forms) * (system.weights * self.iv**2)[..., None, :]
        averaged = -(weighted @ system.forms) * system.factors
        full_top = np.eye(system.size)[system.place.ravel()]
        full_inner = np.eye(averaged.shape[-1] - system.size)[system.inner_place.ravel()]
        hat, own = full_top @ averaged[:, : system.size], full_inner @ averaged[:, system.size :]
        moved = np.zeros(hat.shape[:1] + own.shape[1:])
        moved[..., system.size :] = np.repeat(units.count, units.members.shape[1] ** 2)[:, None] * full_inner
        top = transposed(maps.x_from_q) @ moved - maps.q_from_q @ hat
        inverse = -squared(self.inverse) / beta
        change = own + maps.x_from_q @ hat - maps.x_from_z @ moved
        u, b2 = units.members.shape[0], units.members.shape[1] ** 2
        change = (inverse @ change.reshape(len(change), u, b2, -1)).reshape(change.shape)
        a, inner = units.groups, np.arange(u * b2).reshape(u, *units.members.shape[1:], -1)
        packed_top = system.rows * a + system.cols
        packed_inner = inner[:, system.inner_rows, system.inner_cols].ravel()
        return np.concatenate([top[:, packed_top], change[:, packed_inner]], axis=1)

    def _on_spikes(self, values: Array) -> Array:
        """E times ``values`` (P, a, d, C)."""
        k = self.batches.spikes
        out = values.copy()
        along = self.white.spikes @ values[:, :, :k].reshape(len(values), self.a * k, values.shape[-1])
        out[:, :, :k] = along.reshape(out[:, :, :k].shape)
        return out

    def _first_moments(self, trace: Array, beta: float, d: int | None) -> Learned:
        """W eliminates e from the equations of e and t; ``trace`` (P, a, a): tr T/d."""
        units, theta, mu, white = self.units, self.batches.theta, self.mu, self.white
        count, groups, a, k, size = len(mu), units.groups, self.a, self.batches.spikes, self.batches.d
        w = self.system.weights * self.iv
        along = (mu[..., :, None] * units.kappa[..., None, :]).reshape(*w.shape, a * k)
        weighted = w[..., None] * units.mu0
        # Of every mean, and of the target.
        sources = np.zeros((count, a, size, groups + 1))
        seen = np.concatenate([weighted, (w * units.f0)[..., None]], axis=-1)
        sources[:, :, :k] = (transposed(along) @ seen).reshape(count, a, k, groups + 1)
        sources[..., -1] += transposed(w[..., None] * mu) @ units.f1 @ theta
        raised = self._on_spikes(sources)
        hit = (self.T @ raised.reshape(count, a * size, -1)).reshape(raised.shape)
        moved = raised - self._on_spikes(hit)
        onto = transposed(sources[..., :-1].reshape(count, a * size, -1))
        onto = onto @ moved.reshape(count, a * size, -1)
        G = transposed(units.mu0) @ weighted - onto[..., :-1]
        if d is not None:
            G = G + np.linalg.inv(mean_response(units, self)) / d
            if units.coherence is not None:
                own = white.root @ trace @ transposed(white.root)
                G = G + own * units.coherence / (beta * d)
        root = np.sqrt(units.fractions)
        reference = np.sum(w * ((units.mu0**2 + units.mu1**2) @ units.fractions), axis=-1)
        g0 = averages(units.f0, weighted) - onto[..., -1]
        inverse = pseudo_inverse(root[:, None] * G * root, 1e-12 * reference)
        t = root * (inverse @ (root * g0)[..., None])[..., 0]
        rest = np.concatenate([-t, np.ones((count, 1))], axis=1)[:, None, :, None]
        e, B = ((part @ rest)[..., 0] for part in (hit, moved))
        on_theta = B @ transposed(theta)
        bulk = B - on_theta @ theta
        bulk[..., :k] = 0.0
        on_spikes = B[..., :k].reshape(count, a * k, 1)
        mean_gap = units.f0 - (units.mu0 @ t[..., None] + along @ on_spikes)[..., 0]
        linear_gap = units.f1 - mu @ on_theta
        hidden = np.sum((mu @ (bulk @ transposed(bulk))) * mu, axis=-1)
        eps0 = mean_gap**2 + np.sum(linear_gap**2, axis=-1) + hidden + units.fs2
        return Learned(eps0, white.root @ e, t)

    def _blocks(self, i: int) -> Blocks:
        """The traces of one layer: what is large stays in the cache."""
        units, a, k, size = self.units, self.a, self.batches.spikes, self.batches.d
        T, white, groups = self.T[i], self.white, units.groups
        spikes, own = spike_places(self.batches, a), white.spikes[i]
        blocks = np.ascontiguousarray(T.reshape(a, size, a, size).swapaxes(1, 2))
        # R T_c by group, R L_c on the spikes.
        rows = (white.root[i] @ blocks.reshape(a, -1)).reshape(groups, a, size, size)
        rows_l = self._mixed(rows[..., :k], own)
        covariance = self.batches.covariance[i].reshape(-1, size, size)
        left, right = (
            np.broadcast_to(x, units.rho.shape[1:]).ravel() for x in (self.system.left, self.system.right)
        )
        count = len(covariance)
        # One by one: broadcast, a product of matrices of this size takes more than twice as long.
        pulled = np.empty((count, a, size, size))
        for s in range(count):
            np.matmul(covariance[s], rows[right[s]], out=pulled[s])
        pulled_l = self._mixed(pulled[..., :k], own)
        through = np.array([pulled[s].reshape(a, -1) @ rows[left[s]].reshape(a, -1).T for s in range(count)])
        change = np.einsum("sbxi,saxi->sba", pulled_l, rows_l[left]) - np.einsum(
            "sbxi,saxi->sba", pulled[..., :k], rows[left][..., :k]
        )
        flat = pulled.reshape(count * a, -1)
        turned = transposed(pulled).reshape(count * a, -1)
        pairs = (flat @ turned.T).reshape(count, a, count, a)
        # L: columns of spikes; W: rows as well.
        L = T.copy()
        L[:, spikes] = T[:, spikes] @ own
        W = -L
        W[spikes] = own @ W[spikes]
        W[np.arange(len(W)), np.arange(len(W))] += 1.0
        W[spikes[:, None], spikes] += own - np.eye(len(own))
        by_w, by_l = (self._gram(matrix) for matrix in (W, L))
        trace = np.einsum("abxx->ab", blocks)
        return Blocks(through, through + change, pairs, by_w, by_l.transpose(1, 0, 3, 2), trace)

    def _mixed(self, columns: Array, own: Array) -> Array:
        """Columns of the spikes (…, a, d, k) times E."""
        *lead, a, size, k = columns.shape
        flat = columns.swapaxes(-2, -3).reshape(*lead, size, a * k)
        return (flat @ own).reshape(*lead, size, a, k).swapaxes(-2, -3)

    def _gram(self, matrix: Array) -> Array:
        """⟨M_ac, M_be⟩ (a, c, b, e) of blocks."""
        a, size = self.a, self.batches.d
        flat = matrix.reshape(a, size, a, size).swapaxes(1, 2).reshape(a * a, -1)
        return np.asarray(flat @ flat.T).reshape(a, a, a, a)

    @cached_property
    def blocks(self) -> Blocks:
        """The normalised traces of all layers."""
        every = [self._blocks(i) for i in range(len(self.T))]
        return Blocks(*(np.array(part) / self.batches.d for part in zip(*every, strict=True)))

    @cached_property
    def transfers(self) -> Transfers:
        """The linear maps of the second moments in the coordinates of the groups."""
        blocks = self.blocks
        root, inverse, (u, b) = self.white.root, self.white.inverse, self.units.members.shape
        count, pairs = len(root), u * b * b
        x_from_q = transposed(inverse)[:, None] @ transposed(blocks.through_l) @ inverse[:, None]
        both, a = squared(inverse), self.a
        on_white = blocks.by_w.swapaxes(2, 3).reshape(count, a * a, a * a)
        q_from_q = transposed(both) @ on_white @ both
        left, right = (np.broadcast_to(x, (u, b, b)).ravel() for x in (self.system.left, self.system.right))
        # tr(Σ_rᵀ T_mi Σ_s T_jn) at s = (v, i, j) and r = (w, m, n).
        swapped = np.arange(pairs).reshape(u, b, b).swapaxes(1, 2).ravel()
        own = blocks.pairs[:, :, :, swapped]
        x_from_z = np.einsum("psarb,pra,psb->psr", own, root[:, right], root[:, left])
        return Transfers(
            x_from_q.reshape(count, pairs, -1),
            x_from_z,
            q_from_q,
        )
