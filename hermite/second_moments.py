"""Second moments given the label: an estimate of the operator M ↦ E_Y[G M G], G(y) = E[z zᵀ − I | Y = y].

Labels are put into bins, inputs are scrambled Sobol sequences, independent from batch to batch. Products of the sums of
*different* batches only are taken, so that E[G ⊗ G] has no bias but that of the width of the bins, seen by doubling it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hermite.target import Target

    Array = NDArray[np.float64]

#: Bins of the label, and inputs in the first and the last.
_BINS, _FEWEST = 512, 32


def weak_recovery_alpha(f: Target, samples: int, seed: int, batches: int = 8) -> tuple[float, float]:
    """(α_c, error): 1/spectral radius, with three standard errors (jackknife) and twice the change when the bins are doubled."""
    parts = [_inputs(f, samples // batches, seed, batch) for batch in range(batches)]
    (radius, spread), (wide, _) = (
        _jackknife(*_all_sums(parts, _edges(parts[0][1], bins))) for bins in (_BINS, _BINS // 2)
    )
    error = 3 * spread + 2 * abs(radius - wide)
    return (1 / radius, error / radius**2) if radius > 0 else (math.inf, math.inf)


def _inputs(f: Target, samples: int, seed: int, batch: int) -> tuple[Array, Array]:
    """Gaussian inputs (n, r), a scrambled Sobol sequence of its own in every batch, and labels (n,)."""
    from scipy.special import ndtri
    from scipy.stats.qmc import Sobol

    generator = np.random.default_rng([seed, batch])
    uniform = Sobol(f.r, rng=generator).random_base2(max(samples.bit_length() - 1, 12))
    z = ndtri(np.clip(uniform, 1e-16, 1 - 1e-16))
    return z, f(z) + math.sqrt(f.noise) * generator.standard_normal(len(z))


def _edges(labels: Array, bins: int) -> Array:
    """Values of the label between the bins, narrow in its tails: Gaussian quantiles; equal labels share a bin."""
    from scipy.special import ndtr, ndtri

    last = ndtri(_FEWEST / len(labels))
    places = ndtr(np.linspace(last, -last, bins - 1)) * len(labels)
    edges: Array = np.unique(np.sort(labels)[places.astype(int)])
    return edges


def _sums(z: Array, labels: Array, edges: Array) -> tuple[Array, Array]:
    """Means of (z zᵀ − I) 1{bin}, (bins, r, r), and of 1{bin}, (bins,)."""
    n, r, bins = *z.shape, len(edges) + 1
    place = np.searchsorted(edges, labels)
    out = np.empty((bins, r, r))
    for i in range(r):
        for j in range(i + 1):
            own = np.bincount(place, z[:, i] * z[:, j] - (i == j), bins)
            out[:, i, j] = out[:, j, i] = own / n
    return out, np.bincount(place, minlength=bins) / n


def _all_sums(parts: list[tuple[Array, Array]], edges: Array) -> tuple[Array, Array]:
    """The sums of every batch, (batches, bins, r, r), and the mass of the bins."""
    sums, masses = zip(*(_sums(*part, edges) for part in parts), strict=True)
    return np.array(sums), np.mean(masses, axis=0)


def _jackknife(moments: Array, mass: Array) -> tuple[float, float]:
    """The spectral radius and its standard error over batches; ``moments`` (batches, bins, r, r)."""
    count = len(moments)
    whole = _radius(_operator(moments, mass))
    left = np.array([_radius(_operator(np.delete(moments, b, axis=0), mass)) for b in range(count)])
    return whole, math.sqrt((count - 1) / count * float(np.sum((left - left.mean()) ** 2)))


def _operator(moments: Array, mass: Array) -> Array:
    """E[G ⊗ G], (r², r²), from products of different batches."""
    count, _, r, _ = moments.shape
    scale = 1 / np.maximum(mass, 1e-300)
    total = moments.sum(0)
    pairs = np.einsum("bij,bkl,b->ikjl", total, total, scale, optimize=True)
    pairs -= np.einsum("sbij,sbkl,b->ikjl", moments, moments, scale, optimize=True)
    matrix: Array = np.ascontiguousarray(pairs).reshape(r * r, r * r) / (count * (count - 1))
    return matrix


def _radius(operator: Array) -> float:
    """Largest eigenvalue of M ↦ E[G M G] on symmetric matrices."""
    r = math.isqrt(len(operator))
    swap = np.eye(r * r).reshape(r, r, r, r).transpose(1, 0, 2, 3).reshape(r * r, r * r)
    half = (np.eye(r * r) + swap) / 2
    matrix = half @ operator @ half
    return float(np.linalg.eigvalsh((matrix + matrix.T) / 2)[-1])
