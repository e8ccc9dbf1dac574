"""The linear maps of the second moments of the ridge equations (see ``ridge_equations`` for the symbols)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.spiked.nonlinear_sector import Susceptibilities
from asymptotics.generalisation.spiked.ridge_equations import Units

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Transfers:
    """Linear maps of the second moments on flattened arrays: X from q1 (U B², A²) and from Z, Q1⊥ from q1 (A², A²).

    Q1⊥ from Z is the transpose of X from q1.
    """

    x_from_q: Array
    x_from_z: Array
    q_from_q: Array


def transfers(units: Units, sus: Susceptibilities) -> Transfers:
    """With Y = Σ scat(ρ∘Z): X = ρ∘(L q1 Lᵀ)[u] + ρ∘(T Y T)[u] and Q1⊥ = W q1 W + Lᵀ Y L."""
    S = units.scatter
    St = np.swapaxes(S, -1, -2)
    return Transfers(St @ squared(sus.L), St @ congruence(sus.T, S), squared(sus.W))


def squared(matrix: Array) -> Array:
    """M ⊗ M (A², C²) of M (A, C): flattened Y ↦ M Y Mᵀ."""
    *lead, rows, columns = matrix.shape
    product: Array = matrix[..., :, None, :, None] * matrix[..., None, :, None, :]
    return product.reshape(*lead, rows**2, columns**2)


def congruence(matrix: Array, columns: Array) -> Array:
    """M Y Mᵀ for every column of ``columns`` (A², C), a flattened (A, A) matrix Y."""
    *lead, a, _ = matrix.shape
    left = (matrix @ columns.reshape(*lead, a, -1)).reshape(*lead, a, a, -1)
    both: Array = matrix[..., None, :, :] @ left
    return both.reshape(*lead, a * a, -1)
