r"""Ridge on spiked random features, conditional on the spikes: the equations in their general form.

Model (leave-one-out / conditional Gaussian equivalence; related work: arXiv:2402.04980, 2305.18270, 2410.18938).
Inputs z ~ N(0, I_d); the projections κ ∈ R^k on k spike directions are kept exactly, everything orthogonal to them is
replaced by its Gaussian equivalent. Neurons come in *units* of B neurons (B = 1: independent rows; B = 2: the pairs of
a symmetric initialisation), the neurons of a unit belong to groups g = 1..A of equal coordinates on the spikes.

With F_g = σ(⟨c_g, κ⟩ + √s_g x), x ~ N(0, 1):   μ0 = E F,  μ1 = E F x,  Ms = Cov(F, F') − ρ μ1 μ1'  (within a unit).

Everything is written with T, W, D, e and X scaled by powers of β so that β = ∞ (kernel ridge) is the value 1/β = 0.
The pair (om, el) = (1, λ) for β ≤ α and (λ, 1) for β > α makes λ = 0 regular on both sides of interpolation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """What the equations need of features and target; independent of α, β and λ, hence reused along a curve.

    K nodes for κ, k spikes, A groups, U units of B neurons, r target directions orthogonal to the spikes (θ).
    Many layers of one shape side by side (:func:`stacked`) have a leading axis in all but ``count`` and ``members``.

    ``weights`` (K,), ``kappa`` (K, k)   rule for κ ~ N(0, I_k), weights summing to 1
    ``mu0``, ``mu1`` (K, A)              conditional moments of the groups
    ``spread`` (K, U, B, B)              Ms, the conditional covariance that is neither mean nor linear
    ``count`` (U,)                       ν_u: units of this type per neuron (Σ ν_u B = 1)
    ``members`` (U, B)                   the groups of a unit's neurons
    ``rho`` (U, B, B)                    correlations of the neurons' components orthogonal to the spikes
    ``v`` (U, B, B, k + r, k + r)        d × covariance of those (unit-norm) components along (spikes, θ)
    ``f0`` (K,), ``f1`` (K, r), ``fs2`` (K,)  target: conditional mean, linear part along θ, remaining variance + noise
    ``curvature`` (K, A) or None         μ2 = s E σ'': response to the fluctuation of the residual norms; ``v`` then has a
                                         row and a column for d^{1/2}(|r|² − s)/(2 s) between spikes and θ
    ``coherence`` (A, A) or None         p ⟨r̄_g, r̄_h⟩/√(s_g s_h) of the groups' mean residuals beyond that of independent
                                         units; it enters at finite d
    ``mu2`` (K, A), ``f2`` (K, R)        E[F (x² − 1)] and the target's part of degree 2 in θ: they enter at finite d; or None
    ``error``                            relative error of E f*² + Δ and of E σ² by the rules over spikes and rest
    """

    weights: Array
    kappa: Array
    mu0: Array
    mu1: Array
    spread: Array
    count: Array
    members: npt.NDArray[np.int_]
    rho: Array
    v: Array
    f0: Array
    f1: Array
    fs2: Array
    curvature: Array | None = None
    coherence: Array | None = None
    mu2: Array | None = None
    f2: Array | None = None
    error: float = 0.0

    @property
    def modes(self) -> int:
        """Directions seen through κ: the spikes, and the norm if its fluctuation counts."""
        return int(self.kappa.shape[-1]) + (self.curvature is not None)

    @property
    def groups(self) -> int:
        """A, the number of groups."""
        return int(self.mu0.shape[-1])

    @cached_property
    def fractions(self) -> Array:
        """π_g (A,): neurons of group g per neuron of the network."""
        out = np.zeros(self.groups)
        np.add.at(out, self.members, self.count[:, None])
        return out

    @cached_property
    def scatter(self) -> Array:
        """(A², U B²): Y = Σ_u ρ_u ∘ Z_u added at the rows and columns of the unit's groups, on flattened arrays."""
        a, (u, b), lead = self.groups, self.members.shape, self.rho.shape[:-3]
        out = np.zeros((*lead, a, a, u, b, b))
        for unit in range(u):
            for i in range(b):
                for j in range(b):
                    place = (..., self.members[unit, i], self.members[unit, j], unit, i, j)
                    out[place] = self.rho[..., unit, i, j]
        return out.reshape(*lead, a * a, -1)

    @cached_property
    def features(self) -> Array:
        """(K, A² + U B²): [μ1 μ1ᵀ | Ms], the two quadratic forms that enter V and eps."""
        pairs = self.mu1[..., :, None] * self.mu1[..., None, :]
        nodes = self.weights.shape
        return np.concatenate([pairs.reshape(*nodes, -1), self.spread.reshape(*nodes, -1)], axis=-1)

    @cached_property
    def compressed(self) -> tuple[Array, Array]:
        """``features`` = basis @ loading, basis (K, R) orthonormal: smooth functions of κ have a small rank R."""
        return compressed(self.features)

    @cached_property
    def seen(self) -> Array:
        """φ (K, A (1 + modes)): μ0, and what is seen along the spikes, group by group."""
        nodes = len(self.weights)
        along = self.linear.reshape(nodes, self.groups, self.modes)
        return np.concatenate([self.mu0[:, :, None], along], axis=2).reshape(nodes, -1)

    @cached_property
    def sector_features(self) -> Array:
        """(K, A² + (A (1 + modes))² + U B²): μ1 μ1ᵀ, φ φᵀ and Ms."""
        nodes = len(self.weights)
        parts = [(x[:, :, None] * x[:, None, :]).reshape(nodes, -1) for x in (self.mu1, self.seen)]
        return np.concatenate([*parts, self.spread.reshape(nodes, -1)], axis=1)

    @cached_property
    def sector_compressed(self) -> tuple[Array, Array]:
        """``sector_features`` = basis @ loading, as in ``compressed``."""
        return compressed(self.sector_features)

    @cached_property
    def linear(self) -> Array:
        """(K, A modes): μ1_g κ_i, and μ2_g last; index g modes + i."""
        along = self.mu1[..., :, None] * self.kappa[..., None, :]
        if self.curvature is not None:
            along = np.concatenate([along, self.curvature[..., None]], axis=-1)
        return along.reshape(*self.weights.shape, -1)

    @cached_property
    def scale(self) -> float:
        """E of the mean second moment of the features: the unit in which λ is large or small."""
        second = self.mu0**2 + self.mu1**2
        spread = np.einsum("kubb,u->k", self.spread, self.count)
        return float(self.weights @ (second @ self.fractions + spread))


def compressed(features: Array) -> tuple[Array, Array]:
    """basis (K, R) orthonormal and loading (R, m) of functions (K, m) of κ; of layers side by side (P, K, m) they themselves."""
    if features.ndim > MATRIX:
        return features, np.eye(features.shape[-1])
    basis, size, right = np.linalg.svd(features, full_matrices=False)
    keep = size > 1e-15 * max(features.shape) * size[0]
    return basis[:, keep], size[keep, None] * right[keep]


def averages(weights: Array, functions: Array) -> Array:
    """Σ over K nodes of ``weights`` (…, K) times ``functions`` (K, m) or, layer by layer, (P, K, m): (…, m)."""
    if functions.ndim == MATRIX:
        out: Array = weights @ functions
        return out
    return np.asarray((weights[..., None, :] @ functions)[..., 0, :])


#: Axes of functions (K, m) of one layer.
MATRIX = 2


def stacked(layers: Sequence[Units]) -> Units:
    """Layers of the same groups, spikes and target's directions side by side; a last node without weight fills up the shorter."""
    most = max(len(one.weights) for one in layers)

    def on_nodes(name: str) -> Array:
        columns = []
        for one in layers:
            values: Array = getattr(one, name)
            last = np.repeat(values[-1:] * (name != "weights"), most - len(values), axis=0)
            columns.append(np.concatenate([values, last]))
        return np.array(columns)

    first = layers[0]
    nodes: dict[str, Any] = {name: on_nodes(name) for name in ON_NODES}
    coherence = None if first.coherence is None else np.array([one.coherence for one in layers])
    rho, v = (np.array([getattr(one, name) for one in layers]) for name in ("rho", "v"))
    return Units(count=first.count, members=first.members, rho=rho, v=v, coherence=coherence, **nodes)


def layer_of_stack(units: Units, i: int) -> Units:
    """One of :func:`stacked` layers."""
    nodes: dict[str, Any] = {name: getattr(units, name)[i] for name in ON_NODES}
    coherence = None if units.coherence is None else units.coherence[i]
    return replace(units, rho=units.rho[i], v=units.v[i], coherence=coherence, **nodes)


#: What :func:`stacked` layers have on nodes.
ON_NODES = ("weights", "kappa", "mu0", "mu1", "spread", "f0", "f1", "fs2")
