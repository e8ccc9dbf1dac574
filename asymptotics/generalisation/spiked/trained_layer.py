"""From the law of a trained layer to the units of the ridge equations, at a chosen level.

``iso``  the residuals of the weights have equal variance in all directions;
``E``    their exact leading-order covariance on the span of spikes and target, an isotropic bulk.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.experiment.ridge_words import Level
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.spiked_layer import SpikedNeurons, spiked_units
from asymptotics.generalisation.spiked.target_moments import root_of_rest
from asymptotics.learning.features import LearnedFeatures
from asymptotics.learning.giant.mean_field import FEW_GROUPS
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Of the mean square of a residual's component, |r|²/d, from which a group's mean along a spike is more than that.
_STRONG = 3.0


def trained_units(
    f: Target, sigma: Activation, layer: LearnedFeatures, level: Level, coarse: bool = False
) -> Units:
    """Units of the layer for the ridge fit of ``f``; ``level`` is E or iso; ``coarse``: averages of f to 1e-4.

    Raises ``InputError`` if the features overflow.
    """
    basis = spikes(layer)
    layer = layer.absorbing(layer.c - layer.c @ basis.T @ basis)
    coordinates, gamma = layer.on_spikes(basis)
    members = unit_members(layer)
    correlation = np.clip(on_units(layer, members, layer.R[:, None, None])[..., 0, 0], -1.0, 1.0)
    exact = None
    if level == Level.E:
        axes = np.concatenate([basis, complement(basis, f.r)])
        exact = on_units(layer, members, layer.covariance_on(axes))
        exact = _without_missing(exact, gamma, correlation)
    groups = layer.groups
    with np.errstate(over="ignore", invalid="ignore"):
        units = spiked_units(
            f,
            sigma,
            SpikedNeurons(
                coordinates,
                layer.residual_norm2,
                groups.fraction,
                groups.bias,
                groups.pairs,
                rho=None if groups.pairs is None else correlation[:, 0, 1],
                v=exact,
            ),
            gamma,
            coarse=coarse,
        )
    if layer.coherence is not None:
        scale = np.sqrt(layer.residual_norm2)
        units = replace(units, coherence=layer.coherence / np.outer(scale, scale))
    # Fourth powers of the moments must exist.
    largest = max(float(np.abs(values).max()) for values in (units.mu0, units.mu1, units.spread))
    if not largest < 1e60:
        raise InputError("the features overflow: use a smaller training.eta, or an activation of order 1.")
    if largest < 1e-60:
        raise InputError("the features underflow: use an activation of order 1.")
    return units


def most_spikes(layer: LearnedFeatures) -> int:
    """How many spikes count: the rule over their fields grows as a power of it."""
    return 4 if layer.links.groups <= FEW_GROUPS else 3


def spikes(layer: LearnedFeatures) -> Array:
    """Orthonormal rows (k, H): the directions of the groups, at most ``most_spikes``, strongest in root mean square."""
    return layer.spikes(most_spikes(layer))


def strong_spikes(layer: LearnedFeatures, d: int) -> Array:
    """Those of :func:`spikes` along which the groups' means exceed what residuals have on any direction at ``d``."""
    basis, size = spikes(layer), layer.R[: len(layer.weight)]
    strength2 = layer.weight @ (layer.c @ basis.T) ** 2
    strong: Array = basis[strength2 > _STRONG * float(layer.weight @ size) / d]
    return strong


def strength_left_out(layer: LearnedFeatures) -> float:
    """Root mean square of the strongest direction of the groups that is no spike (0 if all are)."""
    weighted = np.sqrt(layer.groups.fraction)[:, None] * layer.c
    values = np.linalg.svd(weighted, compute_uv=False)
    most = most_spikes(layer)
    return float(values[most]) if len(values) > most else 0.0


def axes_of(layer: LearnedFeatures) -> Array:
    """Spikes and θ (k + r, H) on the axes of the layer."""
    basis = spikes(layer)
    return np.concatenate([basis, complement(basis, layer.targets)])


def unit_members(layer: LearnedFeatures) -> npt.NDArray[np.intp]:
    """The groups of each unit's neurons, (U, B)."""
    pairs = layer.groups.pairs
    if pairs is None:
        return np.arange(layer.links.groups)[:, None]
    return np.array(pairs, dtype=np.intp)


def on_units(layer: LearnedFeatures, members: npt.NDArray[np.intp], values: Array) -> Array:
    """Covariances of the links (L, n, n) as blocks of units (U, B, B, n, n), divided by √(s s')."""
    links, scale = layer.links, np.sqrt(layer.residual_norm2)
    index = {(int(g), int(h)): i for i, (g, h) in enumerate(zip(links.left, links.right, strict=True))}
    out = np.empty((*members.shape, members.shape[1], *values.shape[1:]))
    for u, unit in enumerate(members.tolist()):
        for b, g in enumerate(unit):
            for c, h in enumerate(unit):
                block = values[index[g, h]] if (g, h) in index else values[index[h, g]].T
                out[u, b, c] = block / (scale[g] * scale[h])
    return out


def complement(basis: Array, r: int) -> Array:
    """θ (r, H): S⁺ (w* − Γ u), the target's directions outside the spikes; zero rows where nothing is left."""
    gamma = basis[:, :r].T
    target = np.eye(r, basis.shape[1])
    theta: Array = np.linalg.pinv(root_of_rest(gamma), rcond=1e-7, hermitian=True) @ (target - gamma @ basis)
    return theta


def _without_missing(v: Array, gamma: Array, correlation: Array) -> Array:
    """Directions θ that lie within the spikes have no residual to speak of: isotropic, coupled to nothing."""
    r, k = gamma.shape
    root = root_of_rest(gamma)
    missing = np.eye(r) - np.linalg.pinv(root, rcond=1e-7, hermitian=True) @ root
    out = v.copy()
    out[..., k:, k:] += correlation[..., None, None] * missing
    return out
