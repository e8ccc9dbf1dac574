"""Roots of covariance matrices that rounding does not turn: points that are drawn along them stay where they are.

Equal neurons make equal eigenvalues, whose eigenvectors are any basis of their space: that of a library depends on the last
digits. Averages over a fixed set of quasi-random points would then scatter with the unit of the target.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: Eigenvalues within this share of the largest are equal; columns whose pivots are within it of each other are tied.
_EQUAL, _TIED = 1e-8, 1e-6


def steady_root(covariance: Array, least: float) -> Array:
    """L (m, rank) with L Lᵀ the ``covariance`` (m, m), columns in decreasing size.

    Eigenvalues of at most ``least`` are dropped. Within a space of equal eigenvalues the columns are those of its projector,
    the largest first (of equal ones the first), orthogonalised: a basis that the space alone decides.
    """
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = int(np.sum(values > least))
    parts = []
    start = 0
    while start < kept:
        stop = start + 1
        while stop < kept and values[stop - 1] - values[stop] <= _EQUAL * values[0]:
            stop += 1
        parts.append(_basis(vectors[:, start:stop]) * np.sqrt(values[start:stop]))
        start = stop
    return np.hstack(parts) if parts else np.zeros((len(covariance), 0))


def _basis(vectors: Array) -> Array:
    """The orthonormal basis (m, k) of the span of ``vectors`` (m, k) that does not depend on these."""
    left = vectors @ vectors.T
    basis = np.empty_like(vectors)
    for k in range(vectors.shape[1]):
        size = np.diag(left)
        pivot = int(np.argmax(size >= (1 - _TIED) * size.max()))
        basis[:, k] = left[:, pivot] / np.sqrt(size[pivot])
        left = left - np.outer(basis[:, k], basis[:, k])
    return basis
