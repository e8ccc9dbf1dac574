r"""The first layer conditional on its batches: what the law of the layer leaves out, measured on auxiliary batches.

Given samples (z, y) and groups with means m_g ∈ R^d and residual covariances Σ_gh = d Cov(r_i, r_j), one step of size
a_g = eta ã_g on n = alpha d samples is, with δ = y − f and all other averages over the residuals of equal norm,

    m_g ← m_g + (a_g/n) Σ δ S1_g z,      L_g = I + (a_g/n) Σ δ S2_g z zᵀ,
    Σ_gh ← L_g Σ_gh L_hᵀ + a_g a_h (d/n) (1/n) Σ δ² rest_gh z zᵀ.

The same batches also move a sample of neurons w_i of each group under the same δ: their squared norms fluctuate from
neuron to neuron by O(d^{-1/2}), which no covariance of r contains.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.learning.features import LearnedFeatures, Links
from asymptotics.learning.giant.slope_products import slope_products
from asymptotics.learning.groups import Groups
from hermite.target import Target

Array = npt.NDArray[np.float64]

_CHUNK = 4096


@dataclass(frozen=True)
class BatchLayer(LearnedFeatures):
    """A layer whose axes are those of R^d: ``c`` (G, d) are the group means, ``S`` (L, d, d) = Σ, R = tr Σ/d.

    ``neurons`` (G, P, d) are sampled weights; in a pair the two have equal index.
    """

    neurons: Array = field(default_factory=lambda: np.zeros((0, 0, 0)))

    @property
    def d(self) -> int:
        """The input dimension of the batches."""
        return int(self.c.shape[1])


def initial_batch_layer(groups: Groups, r: int, d: int, neurons: int, rng: np.random.Generator) -> BatchLayer:
    """The start: no means, isotropic residuals; the two neurons of a pair share their weights."""
    links = Links.of(groups)
    w = rng.standard_normal((links.groups, neurons, d))
    w /= np.linalg.norm(w, axis=2, keepdims=True)
    for left, right in zip(links.left[links.groups :], links.right[links.groups :], strict=True):
        w[right] = w[left]
    count = len(links.left)
    S = np.tile(np.eye(d), (count, 1, 1))
    return BatchLayer(groups, links, r, np.zeros((links.groups, d)), np.ones(count), S, neurons=w)


def train_on_batches(
    f: Target,
    sigma: Activation,
    groups: Groups,
    steps: int,
    eta: float,
    alpha: float,
    *,
    d: int,
    neurons: int,
    seed: tuple[int, ...],
) -> BatchLayer:
    """``steps`` giant steps on fresh batches of round(α d) samples, drawn from ``seed``."""
    rng = np.random.default_rng(seed)
    layer = initial_batch_layer(groups, f.r, d, neurons, rng)
    for _ in range(steps):
        layer = _step(f, sigma, layer, eta, round(alpha * d), rng)
    return layer


def _step(
    f: Target, sigma: Activation, layer: BatchLayer, eta: float, n: int, rng: np.random.Generator
) -> BatchLayer:
    links, groups, d = layer.links, layer.groups, layer.d
    left, right = links.left, links.right
    scale = np.sqrt(layer.residual_norm2)
    output = groups.fraction * groups.readout
    pull, noise = np.zeros((links.groups, d, d)), np.zeros((len(left), d, d))
    drift, gradient = np.zeros_like(layer.c), np.zeros_like(layer.neurons)
    for start in range(0, n, _CHUNK):
        z = rng.standard_normal((min(_CHUNK, n - start), d))
        y = f(z[:, : f.r]) + np.sqrt(f.noise) * rng.standard_normal(len(z))
        mean = layer.c @ z.T + groups.bias[:, None]
        S1, S2 = sigma.S1(mean, scale[:, None]), sigma.S2(mean, scale[:, None])
        delta = y - output @ sigma.mean(mean, scale[:, None])
        product = slope_products(sigma, links, layer.correlation, mean, scale)
        rest = product - S1[left] * S1[right] - layer.R[:, None] * S2[left] * S2[right]
        drift += (S1 * delta) @ z
        for g in range(links.groups):
            pull[g] += (z.T * (delta * S2[g])) @ z
            slopes = sigma.derivative(z @ layer.neurons[g].T + groups.bias[g])
            gradient[g] += (slopes * delta[:, None]).T @ z
        for link in range(len(left)):
            noise[link] += (z.T * (delta**2 * rest[link])) @ z
    a = eta * groups.readout
    moved = np.eye(d) + (a / n)[:, None, None] * pull
    S = moved[left] @ layer.covariance @ np.swapaxes(moved[right], 1, 2)
    S += (a[left] * a[right] * d / n**2)[:, None, None] * noise
    rate = (a / n)[:, None]
    return replace(
        layer,
        c=layer.c + rate * drift,
        R=np.trace(S, axis1=1, axis2=2) / d,
        S=S,
        neurons=layer.neurons + rate[:, :, None] * gradient,
    )


def norm_covariances(layer: BatchLayer, axes: Array) -> Array:
    """d Cov of (⟨r, axes⟩, |r|²/2) over the sampled neurons, (L, E + 1, E + 1); ``axes`` (E, d)."""
    r = layer.neurons - layer.neurons.mean(axis=1, keepdims=True)
    along = np.concatenate([r @ axes.T, 0.5 * np.sum(r**2, axis=2, keepdims=True)], axis=2)
    along -= along.mean(axis=1, keepdims=True)
    left, right = layer.links.left, layer.links.right
    out: Array = layer.d * np.swapaxes(along[left], 1, 2) @ along[right] / (r.shape[1] - 1)
    return out
