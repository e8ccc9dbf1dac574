r"""From the law of a trained layer to units of neurons at finite d, and to the operators that carry the target.

Residuals have components of order d^{-1/2} on the spikes: every unit is a cloud of coordinates a_b = c_b + δ_b, one cloud
for the neurons of a unit, δ ~ N(0, Σ_uu/d); what is left of the norms and of the cosines is s and ρ. Off the spikes

``iso``  residuals are isotropic: degree l of the target is carried by the operator of degree l;
``E``    they keep their covariance Σ on the target's remaining directions θ. With ω = w_θ (d/R)^{1/2} of mean
         (d/R)^{1/2} Σ_θu Σ_uu⁺ δ and covariance (Σ_θθ − Σ_θu Σ_uu⁺ Σ_uθ)/R given δ, functions of degree ≤ 2 in θ are
         mixed by E[H_α(ω_b) H_β(ω_b') | δ], and those of higher degree seen by partners with Π_i V_bb',ii^{α_i},
         V = Σ_θθ/R in the eigenbasis of its mean. These are finitely many functions among degrees of many: they carry the
         target and do not count in κ and D.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.quadrature import tensor_rule
from asymptotics.experiment.ridge_words import Level
from asymptotics.generalisation.finite.conditional_errors import Carrier
from asymptotics.generalisation.finite.conditional_target import (
    ConditionalTarget,
    conditional_target,
    remaining,
)
from asymptotics.generalisation.finite.unit_equations import UnitFeatures
from asymptotics.generalisation.finite.unit_features import learned_rule, unit_features
from asymptotics.generalisation.spiked.trained_layer import on_units, spikes, unit_members
from asymptotics.learning.features import LearnedFeatures
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]
#: Nodes (N, m) and weights (N,) for N(0, covariance) of a covariance (m, m).
CloudRule = Callable[[Array], tuple[Array, Array]]

#: Nodes of a cloud along each of its eigen-directions, up to this many directions; beyond, fewer.
_NODES, _FULL = 3, 2
#: Eigenvalues of the covariance of a cloud (times d) that are too small to matter.
_THIN = 1e-6
#: Groups of neurons beyond which a spectrum takes few nodes a cloud.
_MANY = 4
#: Functions up to this degree in θ are mixed by the residuals.
_MIXED = 2


@dataclass(frozen=True)
class TrainedUnits:
    """Features of the units, the carriers of the target, and the energy ``rest`` v(x) (X,) that none carries."""

    features: UnitFeatures
    carriers: tuple[Carrier, ...]
    rest: Array


@dataclass(frozen=True)
class Clouds:
    """Units after splitting their clouds into nodes: A types.

    ``coordinates`` (A, B, k), ``norm2`` (A, B), ``correlation`` (A, B, B), ``shares`` and ``unit`` (A,), ``biases`` (A, B),
    ``shift`` δ √d/√R (A, B, k).
    """

    coordinates: Array
    norm2: Array
    correlation: Array
    shares: Array
    unit: npt.NDArray[np.intp]
    biases: Array
    shift: Array


def trained_units(
    f: Target, sigma: Activation, layer: LearnedFeatures, d: int, level: Level, *, nodes: int | None = None
) -> TrainedUnits:
    """Features and carriers of ``layer`` for the ridge fit of ``f`` at dimension d; ``level`` is iso or E.

    ``nodes`` of the rule over x (one learned direction: on [−6, 6]). Raises ``InputError`` where the noise of the weights
    lies in the learned directions, or the target needs a grid that is too large.
    """
    basis = spikes(layer)
    rule = learned_rule(len(basis), nodes)
    return units_along(f, sigma, layer, d, basis, rule, exact=level == Level.E)


def units_along(
    f: Target,
    sigma: Activation,
    layer: LearnedFeatures,
    d: int,
    basis: Array,
    rule: tuple[Array, Array],
    cloud_rule: CloudRule | None = None,
    *,
    exact: bool,
) -> TrainedUnits:
    """Features and carriers given the coordinates on ``basis`` (k, H), for whose fields ``rule`` has nodes (X, k) and weights.

    ``cloud_rule``: nodes of a cloud (default :func:`cloud`); ``exact``: off the basis at level E, else isotropic. Raises what
    :func:`trained_units` raises.
    """
    layer = layer.absorbing(layer.c - layer.c @ basis.T @ basis)
    clouds = layer_clouds(layer, basis, d, cloud_rule or cloud)
    x, weights = rule
    features = unit_features(
        sigma, x, weights, clouds.coordinates, clouds.norm2, clouds.shares, d,
        biases=clouds.biases, correlation=clouds.correlation,
    )  # fmt: skip
    gamma = basis[:, : f.r].T
    inside, outside = remaining(gamma)
    if not exact:
        target = conditional_target(f, x, gamma, inside)
        return TrainedUnits(features, isotropic_carriers(features, target), target.rest)
    theta = outside @ (np.eye(f.r, basis.shape[1]) - gamma @ basis)
    covariance = on_units(layer, unit_members(layer), layer.covariance_on(np.concatenate([basis, theta])))
    k = len(basis)
    mean = np.einsum("ubbij->ij", covariance[..., k:, k:]) / covariance[..., 0, 0].size
    turn = np.linalg.eigh((mean + mean.T) / 2)[1]
    covariance[..., :, k:] = covariance[..., :, k:] @ turn
    covariance[..., k:, :] = np.swapaxes(turn, -1, -2) @ covariance[..., k:, :]
    target = conditional_target(f, x, gamma, inside @ turn)
    return TrainedUnits(features, exact_carriers(features, target, clouds, covariance, k), target.rest)


def spectral_features(sigma: Activation, layer: LearnedFeatures, d: int) -> tuple[Array, UnitFeatures]:
    """x (X, k) and the features of a layer with at most one learned direction.

    Raises ``InputError`` for more directions.
    """
    basis = spikes(layer)
    if len(basis) > 1:
        raise InputError(f"The spectrum covers one learned direction, not {len(basis)}.")
    layer = layer.absorbing(layer.c - layer.c @ basis.T @ basis)
    # A law of many readouts is no sum of a few points: two nodes a direction are enough.
    few = len(layer.groups.readout) > _MANY
    clouds = layer_clouds(layer, basis, d, partial(cloud, few=few))
    slope = float(np.max(np.abs(clouds.coordinates) / np.sqrt(clouds.norm2)[..., None], initial=0.0))
    x, weights = learned_rule(len(basis), 31 if slope < 4 else 61)
    features = unit_features(
        sigma, x, weights, clouds.coordinates, clouds.norm2, clouds.shares, d,
        biases=clouds.biases, correlation=clouds.correlation,
    )  # fmt: skip
    return x, features


def initial_features(sigma: Activation, d: int, *, pairs: bool) -> UnitFeatures:
    """Features of unit rows before any step; of ``pairs``, each row twice."""
    B = 2 if pairs else 1
    nothing = np.zeros((1, B, 0))
    return unit_features(sigma, np.zeros((1, 0)), np.ones(1), nothing, np.ones((1, B)), np.ones(1), d)


def layer_clouds(layer: LearnedFeatures, basis: Array, d: int, cloud_rule: CloudRule) -> Clouds:
    """The units of ``layer`` with their clouds on the directions ``basis`` (k, H), each of the nodes of ``cloud_rule``."""
    members = unit_members(layer)
    U, B = members.shape
    k = len(basis)
    size = layer.residual_norm2[members]
    along = on_units(layer, members, layer.covariance_on(basis))
    cosine = on_units(layer, members, layer.R[:, None, None])[..., 0, 0]
    lost = np.trace(along, axis1=-2, axis2=-1) / d
    left = 1.0 - np.einsum("ubb->ub", lost)
    if not np.all(left > 0.1):
        raise InputError(
            f"ridge.d = {d} is too small for training.alpha: nearly all of the weights' noise lies in the learned "
            "directions, which the theory at finite d takes as few among many."
        )
    rho = (cosine - lost) / np.sqrt(left[:, :, None] * left[:, None, :])
    rho[:, np.arange(B), np.arange(B)] = 1.0
    fraction = layer.groups.fraction[members].sum(axis=1)
    centres, found = layer.c @ basis.T, []
    for u in range(U):
        moved, share = cloud_rule(along[u].transpose(0, 2, 1, 3).reshape(B * k, B * k))
        shift = moved.reshape(len(share), B, k)
        found.append((u, shift, fraction[u] * share))
    unit = np.concatenate([np.full(len(share), u) for u, _, share in found])
    shift = np.concatenate([shift for _, shift, _ in found])
    shares = np.concatenate([share for _, _, share in found])
    coordinates = centres[members][unit] + shift * np.sqrt(size / d)[unit][:, :, None]
    return Clouds(
        coordinates=coordinates,
        norm2=(size * left)[unit],
        correlation=np.clip(rho, -1.0, 1.0)[unit],
        shares=shares / shares.sum(),
        unit=unit,
        biases=layer.groups.bias[members][unit],
        shift=shift,
    )


def cloud(covariance: Array, *, few: bool = False) -> tuple[Array, Array]:
    """Nodes (N, m) and weights (N,) for N(0, covariance) of rank q: 3^q up to q = 2.

    Else the rule of degree five with positive weights (q ≤ 4: 19 or 25 nodes; Stroud's E_n^{r²} 5-2), or of degree three,
    also where ``few`` are enough.
    """
    values, vectors = np.linalg.eigh(covariance) if covariance.size else (np.zeros(0), covariance)
    keep = values > _THIN
    root = vectors[:, keep] * np.sqrt(values[keep])
    q = int(keep.sum())
    axes = np.concatenate([np.eye(q), -np.eye(q)])
    if q == 0 or (q <= _FULL and not few):
        x, share = tensor_rule([_NODES] * q)
    elif q <= 4 and not few:
        pairs = [
            s * (np.eye(q)[i] + t * np.eye(q)[j])
            for i in range(q)
            for j in range(i)
            for s in (1, -1)
            for t in (1, -1)
        ]
        x = np.concatenate([np.zeros((1, q)), np.sqrt(q + 2) * axes, np.sqrt((q + 2) / 2) * np.array(pairs)])
        each = [[2 / (q + 2)], [(4 - q) / (2 * (q + 2) ** 2)] * (2 * q), [1 / (q + 2) ** 2] * len(pairs)]
        share = np.concatenate(each)
        x, share = x[share > 0], share[share > 0]
    else:
        x, share = np.sqrt(q) * axes, np.full(2 * q, 0.5 / q)
    return x @ root.T, share


def isotropic_carriers(features: UnitFeatures, target: ConditionalTarget) -> tuple[Carrier, ...]:
    """Degree by degree: every function of a degree is seen alike."""
    return tuple(
        Carrier(
            features.T[degree][:, None],
            features.partners[degree][:, :, None, :, None],
            target.of_degree(degree)[:, :, None],
        )
        for degree in range(len(features.count))
    )


def exact_carriers(
    features: UnitFeatures, target: ConditionalTarget, clouds: Clouds, covariance: Array, k: int
) -> tuple[Carrier, ...]:
    """Level E, for ``covariance`` (U, B, B, k + t, k + t) of the residuals over √(R R') on spikes and turned θ."""
    degrees = target.indices.sum(axis=1)
    low = degrees <= _MIXED
    mixing = hermite_products(target.indices[low], clouds, covariance, k)
    T = np.stack([features.T[degree] for degree in degrees[low]], axis=1)
    carriers = [Carrier(T, mixing, target.parts[low].T[None])]
    own = np.einsum("ubcii->ubci", covariance[..., k:, k:])[clouds.unit]
    for alpha, degree, part in zip(target.indices[~low], degrees[~low], target.parts[~low], strict=True):
        seen = np.prod(own**alpha, axis=-1)
        carriers.append(Carrier(features.T[degree][:, None], seen[:, :, None, :, None], part[None, :, None]))
    return tuple(carriers)


def hermite_products(indices: npt.NDArray[np.intp], clouds: Clouds, covariance: Array, k: int) -> Array:
    """E[H_α(ω_b) H_β(ω_b') | δ] (A, B, m, B, m) for |α|, |β| ≤ 2, from mean and covariance of ω given δ.

    With H = 1, ω_i, (ω_i ω_j − δ_ij)/√α!: products of Gaussian variables of order four, by Wick's rule.
    """
    A, B, t = clouds.unit.size, covariance.shape[1], indices.shape[1]
    mean, K = np.zeros((A, B, t)), np.zeros((A, B, t, B, t))
    for u, block in enumerate(covariance):
        flat = block.transpose(0, 2, 1, 3)
        along = flat[:, :k, :, :k].reshape(B * k, B * k)
        cross = flat[:, k:, :, :k].reshape(B * t, B * k)
        slope = cross @ np.linalg.pinv(along, rcond=1e-9, hermitian=True) if k else cross
        here = clouds.unit == u
        mean[here] = (clouds.shift[here].reshape(int(here.sum()), B * k) @ slope.T).reshape(-1, B, t)
        K[here] = (flat[:, k:, :, k:].reshape(B * t, B * t) - slope @ cross.T).reshape(B, t, B, t)
    own = np.einsum("abibj->abij", K)
    second = mean[..., :, None] * mean[..., None, :] + own - np.eye(t)
    three = np.einsum("abij,ack->abijck", second, mean)
    four = np.einsum("abij,ackl->abijckl", second, second)
    turned = np.einsum("abi,abjck->abijck", mean, K)
    three += turned + turned.swapaxes(2, 3)
    mixed = np.einsum("abi,ack,abjcl->abijckl", mean, mean, K) + 0.5 * np.einsum("abick,abjcl->abijckl", K, K)
    mixed = mixed + mixed.swapaxes(2, 3)
    four += mixed + mixed.swapaxes(5, 6)
    return _selected(indices, mean, second, np.einsum("abi,acj->abicj", mean, mean) + K, three, four)


def _selected(
    indices: npt.NDArray[np.intp], first: Array, second: Array, two: Array, three: Array, four: Array
) -> Array:
    """The products of the Hermite functions ``indices`` (m, t) from those of all tensor entries."""
    A, B = first.shape[:2]
    degrees = indices.sum(axis=1)
    axes = [np.repeat(np.arange(indices.shape[1]), alpha) for alpha in indices]
    zero, linear = np.flatnonzero(degrees == 0), np.flatnonzero(degrees == 1)
    square = np.flatnonzero(degrees == 2)
    i = np.array([axes[n][0] for n in linear], dtype=np.intp)
    j, k = (np.array([axes[n][side] for n in square], dtype=np.intp) for side in (0, 1))
    norm = np.where(j == k, np.sqrt(0.5), 1.0)
    out = np.empty((A, B, len(indices), B, len(indices)))

    def put(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], values: Array) -> None:
        """``values`` (A, B, rows, B, columns), and their transpose."""
        out[:, :, rows[:, None, None], np.arange(B)[None, :, None], columns[None, None, :]] = values
        turned = values.transpose(0, 3, 4, 1, 2)
        out[:, :, columns[:, None, None], np.arange(B)[None, :, None], rows[None, None, :]] = turned

    put(zero, zero, np.ones((A, B, len(zero), B, len(zero))))
    put(zero, linear, np.broadcast_to(first[:, None, None][..., i], (A, B, len(zero), B, len(i))))
    put(
        zero, square, np.broadcast_to((second[..., j, k] * norm)[:, None, None], (A, B, len(zero), B, len(j)))
    )
    put(linear, linear, two[:, :, i][..., i])
    put(square, linear, (three[:, :, j, k] * norm[:, None, None])[..., i])
    put(square, square, four[:, :, j, k][..., j, k] * norm[:, None, None] * norm)
    return out
