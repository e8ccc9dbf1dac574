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
from asymptotics.expectations.pairs import gram_moments
from asymptotics.expectations.quadrature import sobol_normal, tensor_rule
from asymptotics.expectations.target_rule import target_rule
from asymptotics.learning.features import LearnedFeatures
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Groups up to which the risk is summed over pairs of groups.
_MAX_PAIRED = 60
_CHUNK = 1 << 21


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
    for x, w in field_rule(f, layer.noise, scale, resolution):
        mu = layer.c @ x.T + layer.bias[:, None]
        yield Fields(x, w, mu, f(x[:, : f.r]) - output @ activation.mean(mu, scale[:, None]))


def field_rule(
    f: Target, noise: Array, scale: Array, resolution: Resolution
) -> Iterator[tuple[Array, Array]]:
    """Chunks of nodes (N, r + m) and weights (N,) for the axes (w*, common noise).

    ``noise`` (G, m) and ``scale`` (G,): components of the neurons on the common noise, and the norm of their own. A
    tensor rule of too many nodes gives way to Sobol points.
    """
    refine = resolution.refine
    r, m = f.r, noise.shape[1]
    x, w = target_rule(f, refine)
    # An axis on which all neurons vary little compared with their own noise needs few nodes.
    ratio = np.max(np.abs(noise) / scale[:, None], axis=0, initial=0.0)
    orders = [max(3, round(refine * min(28, 4 + 22 * q**0.75))) for q in ratio]
    rows = max(1, _CHUNK // len(scale))
    if len(x) * np.prod(orders, dtype=float) <= resolution.most * refine:
        e, u = tensor_rule(orders)
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


def network_risk(f: Target, activation: Activation, layer: LearnedFeatures, refine: float = 1.0) -> float:
    """E[(f* − f)²] of the network as it is, without label noise.

    E f*² − 2 Σ_g π_g ã_g E[f* σ_g] + Σ_gh π_g π_h ã_g ã_h E[σ_g σ_h], the last over different neurons: only the
    target's coordinates are integrated. Many groups (leap laws) are averaged over the fields instead.
    """
    G = len(layer.readout)
    output = layer.weight * layer.readout
    if G > _MAX_PAIRED:
        chunks = fields_of(f, activation, layer, Resolution(refine))
        return sum(float(part.w @ part.delta**2) for part in chunks)
    x, w = target_rule(f, refine)
    values = f(x)
    own = np.sqrt(layer.weight_norm2 - np.sum(layer.M**2, axis=1))[:, None]
    cross = activation.mean(layer.M @ x.T + layer.bias[:, None], own) @ (w * values)
    # Two neurons of every group: the blocks off the diagonal hold pairs of different neurons.
    gram, variance = layer.gram, np.diag(layer.residual_norm2)
    Q = np.block([[gram + variance, gram], [gram, gram + variance]])
    second = gram_moments(activation, np.tile(layer.bias, 2), Q).second[:G, G:]
    return float(w @ values**2 - 2 * output @ cross + output @ second @ output)
