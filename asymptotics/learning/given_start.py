"""A given start: overlaps M⁰ (p, r) with the directions as the target has them, and the Gram matrix Q⁰ (p, p)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Training

Array = npt.NDArray[np.float64]


def start_of(f: Target, training: Training) -> tuple[Array, Array]:
    """(M⁰, Q⁰) in orthonormal coordinates of the target's space; Q_ij = ⟨m_i, m_j⟩ off a unit diagonal unless given."""
    overlap, gram = training.start
    M = np.array(overlap)
    if f.gram is not None:
        # ⟨w, w*_m⟩ = Σ_k L_mk M_k with L the Cholesky factor of the directions' Gram matrix.
        M = np.linalg.solve(np.asarray(f.cholesky, dtype=np.float64), M.T).T
    if gram is not None:
        return M, np.array(gram)
    Q = M @ M.T
    np.fill_diagonal(Q, 1.0)
    return M, Q


def refusal_of_start(f: Target, p: int, training: Training) -> str | None:
    """A given start must fit the network and be one."""
    if training.start == "random":
        return None
    overlap = np.array(training.start[0])
    if overlap.shape != (p, f.r):
        return (
            f"training.start.overlap must have {p} rows of {f.r} numbers (width and directions), "
            f"not {overlap.shape[0]} of {overlap.shape[1]}"
        )
    M, Q = start_of(f, training)
    if not np.allclose(Q, Q.T, rtol=0, atol=1e-12 * float(np.abs(Q).max())):
        return "training.start.gram must be symmetric"
    kept = training.traits.online and training.projection != "free"
    if kept and not np.allclose(np.diag(Q), 1.0, rtol=0, atol=1e-9):
        return 'training.start.gram must have a unit diagonal unless projection = "free"'
    if training.start[1] is None and float(np.max(np.sum(M**2, axis=1))) > 1 + 1e-9:
        return "training.start.overlap must have rows of length at most 1 (those of unit weights) unless gram is given"
    if float(np.linalg.eigvalsh(Q - M @ M.T).min()) < -1e-9 * float(np.trace(Q)):
        return "training.start.gram must be at least overlap · overlapᵀ (rows longer than their neuron)"
    return None
