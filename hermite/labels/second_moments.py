"""Second moments given the label: an estimate of the operator M ↦ E_Y[G M G], G(y) = E[z zᵀ − I | Y = y].

Labels are put into bins, inputs are scrambled Sobol sequences, independent from batch to batch. Products of the sums of
*different* batches only are taken, so that E[G ⊗ G] has no bias but that of the width of the bins, seen with fewer bins.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hermite.target import named_part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hermite.target import Target

    Array = NDArray[np.float64]

#: Bins of the label, and inputs in the first and the last.
_BINS, _FEWEST = 2048, 16


class Unresolved(Exception):
    """The spectral radius is not told from 0; ``least``: what α_c exceeds."""

    def __init__(self, least: float) -> None:
        super().__init__(f"alpha_c exceeds {least:.2g}")
        self.least = least


def weak_recovery_alpha(f: Target, samples: int, seed: int, batches: int = 8) -> tuple[float, float]:
    """(α_c, error): 1/spectral radius, with three standard errors (jackknife) and twice the change with an eighth of the bins.

    Raises ``Unresolved`` where the radius is less than twice its error.
    """
    f, _ = named_part(f)
    parts = [_inputs(f, samples // batches, seed, batch) for batch in range(batches)]
    (radius, spread), (wide, _) = (
        _jackknife(*_all_sums(parts, _edges(parts[0][1], bins))) for bins in (_BINS, _BINS // 8)
    )
    error = 3 * spread + 2 * abs(radius - wide)
    if radius <= 2 * error:
        raise Unresolved(1 / (max(radius, 0.0) + error))
    return 1 / radius, error / radius**2


def _inputs(f: Target, samples: int, seed: int, batch: int) -> tuple[Array, Array]:
    """Gaussian inputs (n, r), a scrambled Sobol sequence of its own in every batch, and labels (n,)."""
    from scipy.special import ndtri
    from scipy.stats.qmc import Sobol

    generator = np.random.default_rng([seed, batch])
    uniform = Sobol(f.r, rng=generator).random_base2(max(samples.bit_length() - 1, 12))
    z = ndtri(np.clip(uniform, 1e-16, 1 - 1e-16))
    with np.errstate(all="ignore"):
        labels = f(z)
    if not np.all(np.isfinite(labels)):
        raise Unresolved(0.0)
    return z, labels + math.sqrt(f.noise) * generator.standard_normal(len(z))


def _edges(labels: Array, bins: int) -> Array:
    """Values of the label between the bins, narrow in its tails: Gaussian quantiles; equal labels share a bin."""
    from scipy.special import ndtr, ndtri

    last = ndtri(_FEWEST / len(labels))
    places = ndtr(np.linspace(last, -last, bins - 1)) * len(labels)
    edges: Array = np.unique(np.sort(labels)[places.astype(int)])
    return edges


def _sums(z: Array, labels: Array, edges: Array) -> tuple[Array, Array]:
    """Sums of z zᵀ − I over the bins, (bins, r, r), and the number of inputs in them, (bins,)."""
    r, bins = z.shape[1], len(edges) + 1
    place = np.searchsorted(edges, labels)
    out = np.empty((bins, r, r))
    for i in range(r):
        for j in range(i + 1):
            out[:, i, j] = out[:, j, i] = np.bincount(place, z[:, i] * z[:, j] - (i == j), bins)
    return out, np.bincount(place, minlength=bins).astype(float)


def _all_sums(parts: list[tuple[Array, Array]], edges: Array) -> tuple[Array, Array]:
    """The sums of every batch, (batches, bins, r, r), and the numbers of inputs, (batches, bins)."""
    sums, counts = zip(*(_sums(*part, edges) for part in parts), strict=True)
    return np.array(sums), np.array(counts)


def _jackknife(sums: Array, counts: Array) -> tuple[float, float]:
    """The spectral radius and its standard error over batches."""
    batches = len(sums)
    whole = _radius(_operator(sums, counts))
    left = np.array(
        [_radius(_operator(np.delete(sums, b, axis=0), np.delete(counts, b, axis=0))) for b in range(batches)]
    )
    return whole, math.sqrt((batches - 1) / batches * float(np.sum((left - left.mean()) ** 2)))


def _operator(sums: Array, counts: Array) -> Array:
    """E[G ⊗ G], (r², r²): in each bin the mean over pairs of inputs of different batches."""
    r = sums.shape[-1]
    total, number = sums.sum(0), counts.sum(0)
    pairs = number**2 - np.sum(counts**2, axis=0)
    weight = np.divide(number / number.sum(), pairs, out=np.zeros_like(pairs), where=pairs > 0)
    moment = np.einsum("bij,bkl,b->ikjl", total, total, weight, optimize=True)
    moment -= np.einsum("sbij,sbkl,b->ikjl", sums, sums, weight, optimize=True)
    matrix: Array = np.ascontiguousarray(moment).reshape(r * r, r * r)
    return matrix


def _radius(operator: Array) -> float:
    """Largest eigenvalue of M ↦ E[G M G] on symmetric matrices."""
    r = math.isqrt(len(operator))
    swap = np.eye(r * r).reshape(r, r, r, r).transpose(1, 0, 2, 3).reshape(r * r, r * r)
    half = (np.eye(r * r) + swap) / 2
    matrix = half @ operator @ half
    return float(np.linalg.eigvalsh((matrix + matrix.T) / 2)[-1])
