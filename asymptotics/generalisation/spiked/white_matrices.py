"""The one matrix that is inverted for every batch: T = (E + D)⁻¹ in white coordinates (see ``matrix_susceptibilities``).

With R of Cholesky's kind the last white index sees the last group alone. In the basis in which its covariance is diagonal
but for the spikes, all of that index but the spikes is eliminated by a division: of two groups half of the matrix is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.spiked.first_moments import transposed
from asymptotics.generalisation.spiked.ridge_equations import Units, stacked

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Batches:
    """Layers of one shape, whose spikes are the first k axes: ``covariance`` Σ (P, U, B, B, d, d), ``theta`` (P, r, d).

    ``lower``: what the lower triangle of a symmetric matrix is multiplied with for its trace with Σ. ``last``: which Σ is that
    of the last group, if that is in one unit, once: diagonal but on the spikes.
    """

    units: Units
    covariance: Array
    lower: Array
    theta: Array
    last: int | None

    @property
    def d(self) -> int:
        """The dimension of the batches."""
        return int(self.covariance.shape[-1])

    @property
    def spikes(self) -> int:
        """k."""
        return int(self.units.kappa.shape[-1])


def side_by_side(units: Sequence[Units], covariances: Sequence[Array], axes: Sequence[Array]) -> Batches:
    """Of ``covariances`` (U, B, B, d, d) of unit residuals and ``axes`` (k + r, d), orthonormal spikes and θ."""
    k, members = units[0].kappa.shape[-1], units[0].members
    places = np.argwhere(members == members.max())
    last = None
    if len(places) == 1 and members.max() > 0:
        u, b = places[0].tolist()
        last = int(np.ravel_multi_index((u, b, b), units[0].rho.shape))
    turned, thetas = [], []
    for covariance, own in zip(covariances, axes, strict=True):
        # The spikes, and a basis of what is orthogonal to them.
        rest = np.linalg.svd(own[:k])[2][k:] if k else np.eye(own.shape[-1])
        if last is not None:
            of_last = covariance.reshape(-1, *covariance.shape[-2:])[last]
            rest = np.linalg.eigh(rest @ of_last @ rest.T)[1].T @ rest
        turn = np.concatenate([own[:k], rest])
        turned.append(turn @ covariance @ turn.T)
        thetas.append(own[k:] @ turn.T)
    whole = np.array(turned)
    even = (whole + transposed(whole)) / 2
    lower = 2 * np.tril(even, -1) + even * np.eye(whole.shape[-1])
    return Batches(stacked(units), whole, lower, np.array(thetas), last)


class Inverted(NamedTuple):
    """T (a d, a d), a lower triangle; with the ``rest`` H (d − k, ·) of what was eliminated only the diagonal of its corner."""

    matrix: Array
    rest: Array | None

    @property
    def whole(self) -> Array:
        """All of T (a d, a d)."""
        if self.rest is not None:
            count = self.rest.shape[1]
            corner = self.matrix[count:, count:]
            diagonal = corner.diagonal() + np.sum(self.matrix[count:, :count] * self.rest, axis=1)
            corner[...] = np.diag(diagonal) - self.matrix[count:, :count] @ self.rest.T
        return symmetric(self.matrix)


def inverted(batches: Batches, layer: int, factors: Array, spikes: Array, triangular: bool) -> Inverted:
    """T of one layer, D = Σ_s ``factors`` (s, a, a) Σ_s, and E on the ``spikes`` (a k, a k); ``triangular``: as R is."""
    covariance = batches.covariance[layer].reshape(len(factors), -1)
    if triangular and batches.last is not None:
        found = _without_last(batches, covariance, factors, spikes)
        if found is not None:
            return found
    matrix = _assembled(batches, covariance, factors, spikes)
    if not _invert(matrix):
        # Away from the solution D may be anything.
        whole = symmetric(_assembled(batches, covariance, factors, spikes))
        matrix = np.asarray(np.linalg.inv(whole), np.float64)
    return Inverted(matrix, None)


@lru_cache
def lower_pairs(size: int) -> tuple[tuple[int, int], ...]:
    """(i, j), i ≥ j, the last pair last."""
    return tuple((i, j) for i in range(size) for j in range(i + 1))


def spike_places(batches: Batches, a: int) -> npt.NDArray[np.intp]:
    """Where the spikes are on the axes of T."""
    return np.add.outer(batches.d * np.arange(a), np.arange(batches.spikes)).ravel()


def _assembled(
    batches: Batches, covariance: Array, factors: Array, spikes: Array, without_last: bool = False
) -> Array:
    """The lower triangle of E + D (a d, a d), without the last diagonal block if told so."""
    a, d = factors.shape[-1], batches.d
    pairs = lower_pairs(a)[: -1 if without_last else None]
    rows, cols = zip(*pairs, strict=True)
    own = (factors[:, rows, cols].T @ covariance).reshape(-1, d, d)
    matrix = np.zeros((a * d, a * d))
    for (i, j), block in zip(pairs, own, strict=True):
        matrix[i * d : (i + 1) * d, j * d : (j + 1) * d] = block
    matrix.reshape(-1)[:: a * d + 1] += 1.0
    places = spike_places(batches, a)
    matrix[places[:, None], places] += spikes - np.eye(len(spikes))
    return matrix


def _invert(matrix: Array) -> bool:
    """The inverse of a positive matrix (n, n), lower triangle by lower triangle in place; whether it is positive."""
    from scipy.linalg.lapack import dpotrf, dpotri

    factor, wrong = dpotrf(matrix.T, lower=0, overwrite_a=1, clean=0)
    if not wrong:
        _, wrong = dpotri(factor, lower=0, overwrite_c=1)
    return not wrong


def _without_last(batches: Batches, covariance: Array, factors: Array, spikes: Array) -> Inverted | None:
    """T by elimination of the last index but for its spikes; None where that is not positive."""
    from scipy.linalg.blas import dsymm

    a, d, k, last = factors.shape[-1], batches.d, batches.spikes, batches.last
    matrix = _assembled(batches, covariance, factors, spikes, without_last=True)
    count, start = (a - 1) * d + k, (a - 1) * d
    own, factor = covariance[last].reshape(d, d), float(factors[last, -1, -1])
    matrix[start:, start:count] += factor * own[:, :k]
    eliminated = 1.0 + factor * own.diagonal()[k:]
    if not eliminated.min(initial=1.0) > 0:
        return None
    across = matrix[count:, :count]
    rest = across / eliminated[:, None]
    kept = matrix[:count, :count] - across.T @ rest
    if not _invert(kept):
        return None
    matrix[:count, :count] = kept
    matrix[count:, :count] = dsymm(-1.0, kept.T, rest.T, side=0, lower=0).T
    corner = 1.0 / eliminated - np.sum(matrix[count:, :count] * rest, axis=1)
    matrix.reshape(-1)[count * (a * d + 1) :: a * d + 1] = corner
    return Inverted(matrix, rest)


def symmetric(lower: Array) -> Array:
    """Symmetric matrices (…, n, n) of which the lower triangle is given."""
    return np.where(_below(lower.shape[-1]), lower, transposed(lower))


@lru_cache(maxsize=8)
def _below(size: int) -> npt.NDArray[np.bool_]:
    """Where the lower triangle is: NumPy's own builds it every time."""
    places = np.tri(size, dtype=bool)
    places.flags.writeable = False
    return places
