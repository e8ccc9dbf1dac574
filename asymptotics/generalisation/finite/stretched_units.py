r"""The features of rows that a labelled batch has stretched: the conditional equations with an anisotropic degree one.

Given x = ⟨β, z⟩/|β| the remaining inputs enter degree one of the features through w_⊥, whose covariance is not isotropic after
a step: along the eigenvectors e_j of P = (1/n) Σ y z zᵀ it is v(λ_j) of :mod:`asymptotics.learning.giant.labelled_batch`, a
function of the readout. So the operator of degree one, of multiplicity d − 1 on an isotropic row, becomes as many operators as
there are eigenvalues, grouped where they are close: T_1 with P_1(ρ_bb') replaced by v_bb'(λ_j)/(s_b s_b')^½, s the mean of v.
(Higher degrees have so many functions that only their mean counts, to leading order.)

Directions in which v is largest are taken out of the bulk one by one. They, the learned direction u, which is no eigenvector of
P (weights o_j² on them), and degree 0 make one operator of finite rank on functions T_0(x), and T_1(x) ⟨e_j, z⟩: with
G_1 = T_1ᵀ W T_1, G_uu = T_1ᵀ W x² T_1, G_0u = T_0ᵀ W x T_1, it has the Gram matrix

    G_00 = T_0ᵀ W T_0,   G_0j = o_j G_0u,   G_jk = δ_jk G_1 + o_j o_k (G_uu − G_1),

and the metric M_0 on degree 0, M(λ_j) on e_j, and on what is left of u, which lies in the bulk, the M_u of

    M_u (1 + G_1 M_u)⁻¹ = Σ_j o_j² M(λ_j) (1 + G_1 M(λ_j))⁻¹ / Σ_j o_j²         (j in the bulk).

A singular value leaves the bulk where an eigenvalue of −G M passes 1. [derived; checked by simulation given the batch]
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.generalisation.finite.conditional_spectrum import Place, without_mean
from asymptotics.generalisation.finite.unit_equations import UnitFeatures, metrics
from asymptotics.generalisation.finite.unit_features import learned_rule, unit_features
from asymptotics.learning.giant.labelled_batch import LabelledBatch

Array = npt.NDArray[np.float64]

#: Directions that are taken out of the bulk, and a bound on the size of the matrices that they make.
_OUT, _SIZE = 6, 60
#: Eigenvalues of a group from either end of the bulk; the rest is cut into equal groups.
_ENDS, _MIDDLE = (5, 8, 13, 21), 8
#: Slopes from which the rule over x is refined.
_STEEP, _NODES = 4.0, (31, 61)


@dataclass(frozen=True)
class StretchedUnits:
    """Features of the bulk on nodes ``x`` (X,), and what the operator of finite rank needs.

    ``slope`` T_1 (X, A, B); ``bulk`` (groups, A, B, B) v/s of the bulk, with ``carried`` (groups,) Σ o_j² there; ``out``
    (J, A, B, B) of the directions taken out, with ``along`` o_j (J,); ``on_target`` (J + 1, r): components of these and of
    what is left of u on the target's directions; ``learned`` (r,) those of u. ``uneven``: :func:`_unevenness`.
    """

    x: Array
    features: UnitFeatures
    slope: Array
    bulk: Array
    carried: Array
    out: Array
    along: Array
    on_target: Array
    learned: Array
    uneven: float


def stretched_units(
    sigma: Activation, batch: LabelledBatch, steps: Array, shares: Array, d: int
) -> StretchedUnits:
    """Units of rows that ``batch`` moved with ``steps`` eta ã (A, B), of ``shares`` (A,), at dimension d.

    Raises ``InputError`` for d < 3.
    """
    c1, c2 = sigma.coefficient(1), sigma.coefficient(2)
    rest = sigma.derivative_second_moment - c1**2 - c2**2
    left, right = steps[:, :, None, None], steps[:, None, :, None]
    v = (1 + left * c2 * batch.values) * (1 + right * c2 * batch.values) + left * right * rest * batch.squares
    norm2 = np.einsum("abbj->ab", v) / batch.d
    v = v / np.sqrt(norm2[:, :, None] * norm2[:, None, :])[..., None]
    size = np.einsum("a,abbj->j", shares, v)
    count = max(1, min(_OUT, _SIZE // steps.size - 2, batch.d // 8))
    order = np.argsort(-size)
    out, inside = order[:count], np.sort(order[count:])
    coordinates = (steps * c1 * batch.strength)[:, :, None]
    lost = np.einsum("abbj,j->ab", v, batch.along**2) / batch.d
    steep = float(np.max(np.abs(coordinates[..., 0]) / np.sqrt(norm2)))
    x, weights = learned_rule(1, _NODES[steep >= _STEEP])
    plain = unit_features(
        sigma, x, weights, coordinates, norm2 * (1 - np.minimum(lost, 0.5)), shares, d, correlation=v.mean(axis=-1)
    )  # fmt: skip
    groups = _groups(len(inside))
    bulk = np.array([v[..., inside[part]].mean(axis=-1) for part in groups])
    # Those taken out are few of many: the bulk keeps its weight.
    sizes = np.array([part.stop - part.start for part in groups]) * (d - 1) / len(inside)
    features = without_mean(plain, sigma.coefficient(0))
    features = replace(
        features,
        T=np.concatenate([features.T[:1], features.T[2:], np.repeat(features.T[1:2], len(groups), axis=0)]),
        count=np.concatenate([features.count[:1], features.count[2:], sizes]),
        partners=np.concatenate([features.partners[:1], features.partners[2:], bulk]),
    )
    along = batch.along[out]
    learned = batch.on_target @ batch.along
    remains = math.sqrt(max(1 - float(along @ along), 1e-12))
    on_target = np.concatenate(
        [batch.on_target[:, out].T, ((learned - batch.on_target[:, out] @ along) / remains)[None]]
    )
    carried = np.array([np.sum(batch.along[inside[part]] ** 2) for part in groups])
    return StretchedUnits(
        x[:, 0], features, plain.T[1], bulk, carried, np.moveaxis(v[..., out], -1, 0),
        np.append(along, remains), on_target, learned, _unevenness(sigma, norm2, v, shares, d),
    )  # fmt: skip


def _unevenness(sigma: Activation, norm2: Array, v: Array, shares: Array, d: int) -> float:
    """Spread of |w|² from neuron to neuron, relative, times the share of degree two of the features: what no degree here has.

    ``v`` (A, B, B, d) along the eigenvectors, of mean 1; rows that are isotropic have one norm.
    """
    second = np.einsum("a,abbj->", shares, v**2) / (v.shape[1] * v.shape[-1])
    size = float(np.einsum("a,ab->", shares, norm2)) / norm2.shape[1]
    first, square = sigma.coefficient(1) ** 2 * size, sigma.coefficient(2) ** 2 / 2
    other = (sigma.second_moment - sigma.coefficient(0) ** 2 - sigma.coefficient(1) ** 2 - square) * size
    energy = first + square * size**2 + max(other, 0.0)
    return math.sqrt(2 * max(float(second) - 1, 0.0) / d) * float(square * size**2 / max(energy, 1e-300))


def _groups(size: int) -> list[slice]:
    """Cuts of ``size`` sorted eigenvalues, finer at both ends."""
    ends = np.cumsum([0, *(n for n in _ENDS)])
    ends = ends[ends < size / 3]
    middle = np.linspace(ends[-1], size - ends[-1], _MIDDLE + 1)
    cuts = np.unique(np.concatenate([ends, np.round(middle), size - ends]).astype(int))
    return [slice(int(i), int(j)) for i, j in pairwise(cuts)]


def finite_block(units: StretchedUnits, n: int, place: Place) -> tuple[Array, Array]:
    """Eigenvalues of −G M, downwards, and the left functions (values, J + 2, X): of x alone, then beside ⟨e_j, z_⊥⟩ each."""
    c, x = units.features, units.x
    X, A, B = units.slope.shape
    size, J = A * B, len(units.out) + 1
    D = np.linalg.inv(place.H)
    T0, T1 = c.T[0].reshape(X, size), units.slope.reshape(X, size)
    W = np.real(c.weights * n / place.kappa)
    G1, Guu = T1.T @ (W[:, None] * T1), T1.T @ ((W * x**2)[:, None] * T1)
    G = np.zeros((1 + J, size, 1 + J, size))
    G[0, :, 0, :] = T0.T @ (W[:, None] * T0)
    G[0, :, 1:, :] = units.along[None, :, None] * (T0.T @ ((W * x)[:, None] * T1))[:, None, :]
    G[1:, :, 0, :] = np.moveaxis(G[0, :, 1:, :], 0, -1)
    mixed = np.outer(units.along, units.along)
    G[1:, :, 1:, :] = np.eye(J)[:, None, :, None] * G1[:, None, :]
    G[1:, :, 1:, :] += mixed[:, None, :, None] * (Guu - G1)[:, None, :]
    all_of = metrics(c, D, np.concatenate([np.ones((1, A, B, B)), units.out, units.bulk]))
    inside = all_of[J:]
    seen = np.einsum("g,gij->ij", units.carried, inside @ np.linalg.inv(np.eye(size) + G1 @ inside))
    seen /= max(float(np.sum(units.carried)), 1e-300)
    M = np.zeros_like(G)
    each = np.arange(J)
    M[each, :, each, :] = all_of[:J]
    M[J, :, J, :] = seen @ np.linalg.inv(np.eye(size) - G1 @ seen)
    whole = (1 + J) * size
    flat = M.reshape(whole, whole)
    values, vectors = np.linalg.eig(-G.reshape(whole, whole) @ flat)
    order = np.argsort(-values.real)[: J + 3]
    h = (flat @ vectors[:, order].real).reshape(1 + J, size, -1)
    off = np.einsum("xc,jcv->vjx", T1, h[1:])
    on = (T0 @ h[0]).T + x * np.einsum("j,vjx->vx", units.along, off)
    left = np.concatenate([on[:, None], off], axis=1) / np.real(place.kappa)
    return np.asarray(values.real[order], np.float64), np.asarray(left, np.float64)


@dataclass(frozen=True)
class OffShare:
    """Of a left vector: ``share`` off the learned direction, and of the direction there, squared components on the target's."""

    share: float
    on_target: Array


def off_share(units: StretchedUnits, left: Array) -> OffShare:
    """What a left vector (J + 2, X) of :func:`finite_block` has off the learned direction."""
    weights = units.features.weights
    on, off = left[0], left[1:]
    gram = np.eye(len(units.along)) - np.outer(units.along, units.along)
    shapes = (off * weights) @ off.T
    energy = float(np.sum(gram * shapes))
    total = energy + float(weights @ on**2)
    # The direction Σ_j g_j e_j that most of it has; its part along u is none of it.
    values, axes = np.linalg.eigh(gram)
    root = np.sqrt(np.maximum(values, 0.0))
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 1e-6)
    half = (axes * root) @ axes.T
    top = (axes * inverse) @ axes.T @ np.linalg.eigh(half @ shapes @ half)[1][:, -1]
    direction = units.on_target.T @ top - units.learned * (units.along @ top)
    return OffShare(energy / max(total, 1e-300), direction**2)
