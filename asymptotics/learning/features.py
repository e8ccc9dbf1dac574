"""What training leaves behind for the ridge fit: spikes, groups of neurons on them, and an isotropic
remainder.

A neuron of group g is w = Σ_j c_gj u_j + w_perp with orthonormal spikes u_1..u_k, w_perp orthogonal to them
and of squared norm ``residual_norm2``; the target's directions are w*_m = Σ_j Γ_mj u_j + (a part orthogonal
to the spikes).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LearnedFeatures:
    """The first layer after ``step`` giant steps, d → ∞, many neurons.

    ``readout`` (G,)            ã of a group
    ``bias`` (G,)               its untrained bias b: the activation of the group is x ↦ σ(x + b)
    ``weight`` (G,)             fraction of the neurons (sums to 1)
    ``coordinates`` (G, k)      c_gj, components on the spikes; k = rank
    ``gamma`` (r, k)            Γ_mj = ⟨w*_m, u_j⟩
    ``residual_norm2`` (G,)     ‖w_perp‖², a squared norm
    ``partner`` (G,) or None    group of the neuron's twin (symmetric initialisation), which has the
                                opposite readout
    ``pair_correlation`` (G,) or None   cosine between the w_perp of twins (else independent directions)
    ``residual_covariance``     room for what is known of the remainder beyond its norm, by name
    """

    step: int
    readout: Array
    bias: Array
    weight: Array
    coordinates: Array
    gamma: Array
    residual_norm2: Array
    partner: npt.NDArray[np.intp] | None = None
    pair_correlation: Array | None = None
    residual_covariance: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        """Number of spikes."""
        return int(self.coordinates.shape[1])

    @property
    def M(self) -> Array:
        """⟨w, w*_m⟩ of each group, shape (G, r)."""
        return self.coordinates @ self.gamma.T

    @property
    def norm2(self) -> Array:
        """‖w‖² of each group, shape (G,)."""
        total: Array = np.sum(self.coordinates**2, axis=1) + self.residual_norm2
        return total


def spike_basis(components: Array, tolerance: float = 1e-10) -> Array:
    """Orthonormal rows (k, dim) that span the groups' ``components`` (G, dim) on orthonormal axes.

    k = rank: singular values below ``tolerance`` times the largest (or below 1e-12) are dropped.
    """
    _, values, axes = np.linalg.svd(components, full_matrices=False)
    basis: Array = axes[values > max(tolerance * float(values.max(initial=0.0)), 1e-12)]
    # One sign a spike, so that the same features are printed the same way.
    flip = np.array([np.sign(row[np.argmax(np.abs(row))]) for row in basis]).reshape(-1, 1)
    return basis * flip if len(basis) else basis


def spikes_of(components: Array, r: int, tolerance: float = 1e-10) -> tuple[Array, Array]:
    """(coordinates (G, k), gamma (r, k)) on :func:`spike_basis`; the first r axes are the target's directions."""
    basis = spike_basis(components, tolerance)
    return components @ basis.T, basis[:, :r].T.copy()
