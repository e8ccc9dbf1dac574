r"""The first layer on a Gaussian mixture, before and after one giant step of n = α d samples, as the ridge fit sees it.

With a = η ã, averages ⟨·⟩ = Σ_c p_c E[· | c], labels' moments D_k = E[y^k | c, z_E], and per cluster c_1 = E σ'(√q_c x), c_2 =
E σ''(√q_c x), rest = E σ'² − c_1² − q_c c_2², a step learns one direction v = ⟨c_1 D_1 z⟩ and common noise, one new axis a block:

    v̄_e = ⟨c_1 D_1 x_e⟩,   |N_j|² = w_j ⟨c_1² D_2 e_j⟩/α,   b_j = ⟨c_2 D_1 e_j⟩,
    vB_gh,j = (1 + a_g b_j)(1 + a_h b_j) + a_g a_h ⟨D_2 (q c_2² + rest) e_j⟩/α

on block j, and Σ_gh on E and the noise axes. Norms fluctuate by cluster with covariance
ν_cc' = ½ [Σ_j w_j vB_j² e_cj e_c'j − (Σ_j w_j K_j e_cj)(Σ_j w_j K_j e_c'j)], K_j = (1 + a_g b_j)(1 + a_h b_j), over d.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.quadrature import hermite_rule
from asymptotics.experiment.inputs import Inputs
from asymptotics.learning.groups import Groups
from asymptotics.learning.structured.moments import RawMoments, raw_moments
from hermite.target import Target

Array = npt.NDArray[np.float64]


#: Nodes of the neurons' shifts by means of norm √d.
FAR_NODES = 12
#: Of a neuron's norm off that axis, the least that is left to it.
_LEAST_REST = 0.05


@dataclass(frozen=True)
class MixtureLayer:
    """A groups in U units of B neurons, n axes (named ones, then those of the noise), J blocks, K clusters.

    ``members`` (U, B), ``count`` ν (U,), ``c`` (A,) coordinates along the spike ``u`` (n,) (None before a step);
    ``means`` (K, n), ``covariances`` (K, n, n) of the inputs on the axes, ``teacher`` W* (r, n);
    ``bulk`` vB (J, U, B, B), ``sigma`` Σ (U, B, B, n, n), ``norm`` ν (U, B, B, K, K).
    """

    members: npt.NDArray[np.intp]
    count: Array
    c: Array
    u: Array | None
    means: Array
    covariances: Array
    teacher: Array
    bulk: Array
    sigma: Array
    norm: Array


def untrained_layer(f: Target, inputs: Inputs) -> MixtureLayer:
    """One neuron a unit, no spike (symmetric initialisation: half as many units)."""
    n, J = inputs.axes, len(inputs.fractions)
    bulk = np.ones((J, 1, 1, 1))
    return MixtureLayer(
        members=np.zeros((1, 1), np.intp),
        count=np.ones(1),
        c=np.zeros(1),
        u=None,
        means=inputs.means,
        covariances=inputs.covariances,
        teacher=inputs.teacher_of(f),
        bulk=bulk,
        sigma=np.eye(n)[None, None, None],
        norm=_norm(inputs, bulk, bulk),
    )


def far_layer(f: Target, inputs: Inputs, d: float) -> MixtureLayer:
    """Untrained neurons on clusters whose means have norm √d along one axis: ⟨w, m_c⟩ = x M_c, x ~ N(0, 1) a neuron.

    One group a node of x, of coordinate x on that axis, in units of 1/√d: κ ~ N(M_c, e_c/d), e_c the variance of the last
    block, of which it is an axis; the other axes share 1 − x²/d of the norm. At d = ∞ κ = M_c. Where the shifts of clusters
    are nearly dependent functions of x their fit is large and so is what κ's variance adds: a term of 1/d only by name.
    """
    x, share = hermite_rule(FAR_NODES)
    plain = untrained_layer(f, inputs)
    n, K, A = inputs.axes, len(inputs.clusters), len(x)
    covariances, sigma = np.zeros((K, n + 1, n + 1)), np.zeros((n + 1, n + 1))
    covariances[:, :n, :n], sigma[:n, :n] = inputs.covariances, np.eye(n)
    covariances[:, n, n] = inputs.bulk[:, -1] / d
    # Rows of nodes that weigh nothing at any d for which there are averages.
    rest = np.maximum(1 - x**2 / d, _LEAST_REST)
    bulk = np.tile(rest[:, None, None], (len(inputs.fractions), 1, 1, 1))
    return replace(
        plain,
        members=np.arange(A)[:, None],
        count=share,
        c=x,
        u=np.eye(n + 1)[n],
        means=np.concatenate([inputs.means, inputs.far[:, None]], axis=1),
        covariances=covariances,
        teacher=np.concatenate([plain.teacher, np.zeros((f.r, 1))], axis=1),
        bulk=bulk,
        sigma=rest[:, None, None, None, None] * sigma,
        norm=_norm(inputs, bulk, bulk),
    )


def _norm(inputs: Inputs, bulk: Array, kept: Array) -> Array:
    """ν (U, B, B, K, K)."""
    w, e = np.array(inputs.fractions), inputs.bulk
    square = np.einsum("j,jubc,kj,lj->ubckl", w, bulk**2, e, e)
    mean = np.einsum("j,jubc,kj->ubck", w, kept, e)
    out: Array = 0.5 * (square - mean[..., :, None] * mean[..., None, :])
    return out


def trained_layer(
    f: Target,
    sigma: Activation,
    inputs: Inputs,
    groups: Groups,
    eta: float,
    alpha: float,
    moments: Sequence[RawMoments] | None = None,
) -> MixtureLayer:
    """The layer after one step from an output of 0; ``moments`` of the labels by cluster, if they are not those of values."""
    members = np.arange(len(groups.readout))[:, None]
    if groups.pairs is not None:
        members = np.array(groups.pairs, dtype=np.intp)
    a = (eta * groups.readout)[members]
    w, e, q, p = np.array(inputs.fractions), inputs.bulk, inputs.q, inputs.weights
    root = np.sqrt(q)
    zero = np.zeros_like(root)
    c1, c2 = sigma.S1(zero, root), sigma.S2(zero, root)
    rest = np.maximum(sigma.slope_squares(zero, root) - c1**2 - q * c2**2, 0.0)
    own, teacher = q * c2**2 + rest, inputs.teacher_of(f)
    moments = moments or [
        raw_moments(g, teacher, m, S)
        for g, m, S in zip(inputs.targets_of(f), inputs.means, inputs.covariances, strict=True)
    ]
    parts = _Averages.of(moments, p, c1, c2, own, e, w, alpha)
    strength = np.concatenate([parts.mean, np.sqrt(parts.noise2)])
    size = float(np.linalg.norm(strength))
    used = np.concatenate([np.ones(inputs.axes, bool), parts.noise2 > 0])
    kept = (1 + a[:, :, None, None] * parts.b) * (1 + a[:, None, :, None] * parts.b)
    outer = a[:, :, None] * a[:, None, :]
    bulk = np.moveaxis(kept + outer[..., None] * parts.diffuse, -1, 0)
    full = np.array([[[parts.sigma(g, h, alpha) for h in unit] for g in unit] for unit in a])
    scale = np.concatenate([np.ones(inputs.axes), np.where(parts.noise2 > 0, np.sqrt(parts.noise2), 1.0)])
    full = (full / scale[:, None] / scale)[..., used, :][..., used]
    K, n = len(p), int(used.sum())
    more = n - inputs.axes
    covariances = np.zeros((K, n, n))
    covariances[:, : inputs.axes, : inputs.axes] = inputs.covariances
    index = np.arange(inputs.axes, n)
    covariances[:, index, index] = e[:, used[inputs.axes :]]
    # A pair of two neurons of the same group uses up its fraction twice.
    twice = (members.shape[1] == 2) & (members[:, 0] == members[:, -1])
    return MixtureLayer(
        members=members,
        count=groups.fraction[members[:, 0]] / np.where(twice, 2.0, 1.0),
        c=eta * groups.readout * size,
        u=strength[used] / size if size > 0 else np.eye(n)[0],
        means=np.concatenate([inputs.means, np.zeros((K, more))], axis=1),
        covariances=covariances,
        teacher=np.concatenate([teacher, np.zeros((len(teacher), more))], axis=1),
        bulk=bulk,
        sigma=full,
        norm=_norm(inputs, bulk, np.moveaxis(kept, -1, 0)),
    )


@dataclass(frozen=True)
class _Averages:
    """The averages ⟨·⟩ of the module's text: vectors and matrices over the named axes (n) and blocks (J)."""

    mean: Array
    noise2: Array
    b: Array
    diffuse: Array
    pull: Array
    cross: Array
    NSN: Array
    spread: Array
    spread_cross: Array
    spread_noise: Array
    second: Array

    @classmethod
    def of(
        cls,
        moments: Sequence[RawMoments],
        p: Array,
        c1: Array,
        c2: Array,
        own: Array,
        e: Array,
        w: Array,
        alpha: float,
    ) -> _Averages:
        D = np.array([m.plain for m in moments])
        x = np.array([m.linear for m in moments])
        xx = np.array([m.square for m in moments])
        noise2 = w * ((p * c1**2 * D[:, 1]) @ e) / alpha
        b = (p * c2 * D[:, 0]) @ e
        second = (p * own * D[:, 1]) @ e
        NSN = np.einsum("c,cj,cl,j,l->jl", p * c2 * c1**2 * D[:, 2], e, e, w, w) / alpha**2 + np.diag(
            noise2 * b
        )
        return cls(
            mean=(p * c1) @ x[:, 0],
            noise2=noise2,
            b=b,
            diffuse=second / alpha,
            pull=np.einsum("c,cij->ij", p * c2, xx[:, 0]),
            cross=np.einsum("c,ci,cl,l->il", p * c2 * c1, x[:, 1], e, w) / alpha,
            NSN=NSN,
            spread=np.einsum("c,cij->ij", p * own, xx[:, 1]) / alpha,
            spread_cross=np.einsum("c,ci,cl,l->il", p * own * c1, x[:, 2], e, w) / alpha**2,
            spread_noise=np.einsum("c,cj,cl,j,l->jl", p * own * c1**2 * D[:, 3], e, e, w, w) / alpha**3,
            second=second,
        )

    def sigma(self, g: float, h: float, alpha: float) -> Array:
        """Σ_gh (n + J, n + J) for a_g, a_h, before the noise axes are normalised."""
        n = len(self.cross)
        left, right = (np.concatenate([np.eye(n) + a * self.pull, a * self.cross], axis=1) for a in (g, h))
        out: Array = left.T @ right
        out[:n, :n] += g * h * self.spread
        both = g * h * (self.spread_cross + self.cross * self.b)
        out[:n, n:] += g * self.cross + both
        out[n:, :n] += (h * self.cross + both).T
        rest = self.NSN - np.diag(self.noise2 * self.b)
        out[n:, n:] += np.diag(self.noise2) + (g + h) * self.NSN
        out[n:, n:] += (
            g
            * h
            * (
                self.spread_noise
                + np.diag(self.noise2 * self.second / alpha)
                + rest * self.b
                + self.b[:, None] * self.NSN
            )
        )
        return out
