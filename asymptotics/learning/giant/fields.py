"""Averages over the fields of a layer of many neurons: x ~ N(0, I) on the axes (w*, common noise).

With μ_g = c_g·x + b_g and s_g² = |r|² the network and its error are

    f(x) = Σ_g π_g ã_g E_ζ σ(μ_g + s_g ζ),   δ = f*(x) − f(x),   ζ ~ N(0, 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.pairs import group_products
from asymptotics.expectations.quadrature import sobol_normal, tensor_rule
from asymptotics.expectations.ramp_pairs import ramps_of
from asymptotics.expectations.target_rule import target_rule
from asymptotics.learning.features import LearnedFeatures
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Groups up to which the risk is summed over pairs of groups.
_MAX_PAIRED = 60
#: The same where pairs have no closed form, and may have to be integrated one by one.
_MAX_SPLIT = 8
_CHUNK = 1 << 21
#: Of a target of one direction.
_COARSEST = 0.4
#: The same where σ has closed moments: what the caches of a processor hold. Others are tabulated, once a chunk.
_CLOSED_CHUNK = 1 << 15


@dataclass(frozen=True)
class Resolution:
    """How finely averages are taken: ``refine`` multiplies the nodes an axis, a tensor rule has ``most`` nodes.

    ``rare``: whether the common noise of rare groups is kept as such; else the root mean square over all neurons
    decides which of its directions count.
    """

    refine: float = 1.0
    most: int = 4_000_000
    rare: bool = True


@dataclass(frozen=True)
class Sums:
    """Averages that are summed chunk by chunk: ``+`` adds every field."""

    def __add__(self, other: Self) -> Self:
        return replace(self, **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


@dataclass(frozen=True)
class Fields:
    """A chunk of nodes: ``x`` (N, H), weights ``w`` (N,), means ``mu`` = μ (G, N) and the error ``delta`` = δ (N,)."""

    x: Array
    w: Array
    mu: Array
    delta: Array


def fields_of(
    f: Target, activation: Activation, layer: LearnedFeatures, resolution: Resolution
) -> Iterator[Fields]:
    """All chunks of the rule for ``layer``."""
    output, scale = layer.weight * layer.readout, np.sqrt(layer.residual_norm2)
    closed = activation.pieces is not None or activation.gauss_error is not None
    for x, w in field_rule(f, layer.noise, scale, resolution, _CLOSED_CHUNK if closed else _CHUNK):
        mu = layer.c @ x.T + layer.bias[:, None]
        yield Fields(x, w, mu, f(x[:, : f.r]) - output @ activation.mean(mu, scale[:, None]))


def field_rule(
    f: Target, noise: Array, scale: Array, resolution: Resolution, chunk: int = _CHUNK
) -> Iterator[tuple[Array, Array]]:
    """Chunks of nodes (N, r + m) and weights (N,) for the axes (w*, common noise).

    ``noise`` (G, m) and ``scale`` (G,): components of the neurons on the common noise, and the norm of their own. A
    tensor rule of too many nodes gives way to Sobol points. ``chunk``: nodes times groups at a time.
    """
    refine = resolution.refine
    r, m = f.r, noise.shape[1]
    # Along one direction a coarser rule than the first of a path is hardly smaller, and would have to be made.
    x, w = target_rule(f, refine if r > 1 else max(refine, _COARSEST))
    ratio = np.max(np.abs(noise) / scale[:, None], axis=0, initial=0.0)
    rows = max(1, chunk // len(scale))
    rules = noise_rules(ratio, refine)
    if len(x) * np.prod([len(u) for _, _, u in rules], dtype=float) <= resolution.most * refine:
        e, u = _product(rules, m)
        per = max(1, rows // len(e))
        for start in range(0, len(x), per):
            a, b = x[start : start + per], w[start : start + per]
            yield (
                np.concatenate([np.repeat(a, len(e), axis=0), np.tile(e, (len(a), 1))], axis=1),
                np.repeat(b, len(e)) * np.tile(u, len(b)),
            )
        return
    points = sobol_normal(r + m, 18 + round(refine), 20261 + round(100 * refine))
    for start in range(0, len(points), rows):
        part = points[start : start + rows]
        yield part, np.full(len(part), 1 / len(points))


def noise_rules(ratio: Array, refine: float) -> list[tuple[npt.NDArray[np.intp], Array, Array]]:
    """Rules whose product integrates over the common noise: (axes, nodes (N, axes), weights (N,)) each.

    An axis on which every neuron varies by at most q times its own noise enters an average through terms q^2k with
    coefficients below 1/k!: where q⁴ or q⁶ is negligible, all such axes share one rule of degree 3 or 5, whose nodes
    grow linearly or quadratically with their number. Other axes get Gauss–Hermite nodes each.
    """
    negligible = 10.0 ** (-12 * refine)
    is_tiny, is_small = ratio**4 / 8 < negligible, ratio**6 / 48 < negligible
    tiny, small = np.flatnonzero(is_tiny), np.flatnonzero(is_small & ~is_tiny)
    rules = []
    for axis in np.flatnonzero(~is_tiny & ~is_small):
        order = max(3, round(refine * min(28, 4 + 22 * ratio[axis] ** 0.75)))
        rules.append((np.array([axis]), *tensor_rule([order])))
    if len(small):
        rules.append((small, *_degree_five(len(small))))
    if len(tiny):
        rules.append((tiny, *_degree_three(len(tiny))))
    return rules


def _degree_three(m: int) -> tuple[Array, Array]:
    """2m nodes ±√m e_i, exact to degree 3 (two nodes on one axis)."""
    star = np.sqrt(m) * np.concatenate([np.eye(m), -np.eye(m)])
    return star, np.full(2 * m, 0.5 / m)


def _degree_five(m: int) -> tuple[Array, Array]:
    """2m² + 1 nodes 0, ±√(m+2) e_i, √(m/2+1) (±e_i ± e_j), exact to degree 5 (Stroud 1971, E_n^r² 5-2)."""
    star = np.sqrt(m + 2) * np.concatenate([np.eye(m), -np.eye(m)])
    i, j = np.triu_indices(m, 1)
    sides = np.sqrt(m / 2 + 1) * np.concatenate(
        [a * np.eye(m)[i] + b * np.eye(m)[j] for a in (1, -1) for b in (1, -1)]
    )
    weights = [2 / (m + 2), *[(4 - m) / (2 * (m + 2) ** 2)] * len(star), *[1 / (m + 2) ** 2] * len(sides)]
    return np.concatenate([np.zeros((1, m)), star, sides]), np.array(weights)


def _product(rules: list[tuple[npt.NDArray[np.intp], Array, Array]], m: int) -> tuple[Array, Array]:
    """The product of rules over disjoint axes, nodes (N, m)."""
    nodes, weights = np.zeros((1, m)), np.ones(1)
    for axes, x, w in rules:
        count = len(nodes)
        nodes = np.repeat(nodes, len(x), axis=0)
        nodes[:, axes] = np.tile(x, (count, 1))
        weights = np.repeat(weights, len(x)) * np.tile(w, count)
    return nodes, weights


def network_risk(f: Target, activation: Activation, layer: LearnedFeatures, refine: float = 1.0) -> float:
    """E[(f* − f)²] of the network as it is, without label noise.

    E f*² − 2 Σ_g π_g ã_g E[f* σ_g] + Σ_gh π_g π_h ã_g ã_h E[σ_g σ_h], the last over different neurons: only the
    target's coordinates are integrated. Many groups (leap laws, nodes of a law) are averaged over the fields.
    """
    G = len(layer.readout)
    output = layer.weight * layer.readout
    closed = ramps_of(activation) is not None or activation.gauss_error is not None
    if (_MAX_PAIRED if closed else _MAX_SPLIT) < G:
        chunks = fields_of(f, activation, layer, Resolution(refine))
        return sum(float(part.w @ part.delta**2) for part in chunks)
    x, w = target_rule(f, refine)
    values = f(x)
    norm2 = layer.weight_norm2
    own = np.sqrt(norm2 - np.sum(layer.M**2, axis=1))[:, None]
    cross = activation.mean(layer.M @ x.T + layer.bias[:, None], own) @ (w * values)
    second = group_products(activation, layer.bias, np.sqrt(norm2), layer.gram)
    return float(w @ values**2 - 2 * output @ cross + output @ second @ output)
