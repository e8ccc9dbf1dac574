"""Overlaps as they leave the library: with the directions that the user gave, not with a basis of them.

Theory and simulation work in orthonormal coordinates of the target's space. With a Gram matrix G = L Lᵀ of the given
directions w*_m (``Target.gram``), row m of L holds w*_m in these coordinates, so that

    ⟨w, w*_m⟩ = Σ_k L_mk M_k,   M → M Lᵀ,   Cov M → L Cov Lᵀ,   cos(w, w*_m) = ⟨w, w*_m⟩ / (‖w‖ √G_mm).

This is the only place where coordinates are turned; it is used where results are made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.results import Overlaps, StepOverlaps
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.input_laws import InputLaw

Array = npt.NDArray[np.float64]


def along_given(f: Target, M: Array) -> Array:
    """⟨w, w*_m⟩ with the given directions for overlaps ``M`` (…, r) with the orthonormal basis."""
    if f.gram is None:
        return M
    turned: Array = M @ f.cholesky.T
    return turned


def lengths_of(f: Target, inputs: InputLaw | None = None) -> Array | None:
    """‖w*_m‖ (r,), of the teacher's rows on structured ``inputs``; None for unit vectors."""
    if inputs is not None:
        return inputs.lengths(f)
    if f.gram is None or all(row[m] == 1 for m, row in enumerate(f.gram)):
        return None
    return np.sqrt([float(row[m]) for m, row in enumerate(f.gram)])


def cosines_with_given(f: Target, M: Array, norm: Array) -> Array:
    """cos(w, w*_m) for overlaps ``M`` (…, r) with the *given* directions and norms ‖w‖ (…)."""
    cosines: Array = M / norm[..., None]
    lengths = lengths_of(f)
    return cosines if lengths is None else cosines / lengths


def in_given_directions(f: Target, overlaps: Overlaps) -> Overlaps:
    """Theory's ``overlaps`` with the orthonormal basis, as overlaps with the given directions of ``f``.

    Quantiles are made in the given directions at once: those of a sum do not follow from those of its terms.
    """
    if f.gram is None:
        return overlaps
    lengths = lengths_of(f)

    def turned(step: StepOverlaps) -> StepOverlaps:
        cov = step.M_cov
        return replace(
            step,
            M=along_given(f, step.M),
            M_cov=None if cov is None else np.einsum("mk,gkl,nl->gmn", f.cholesky, cov, f.cholesky),
            lengths=lengths,
        )

    return replace(overlaps, steps=tuple(map(turned, overlaps.steps)))
