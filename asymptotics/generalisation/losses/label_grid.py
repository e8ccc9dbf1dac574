r"""Class labels given what the fit sees of the target: P(y = 1 | κ, τ) at nodes of τ, s = Γ κ + S τ, S = (1 − Γ Γᵀ)^{1/2}.

One direction: nodes with panels where the probability turns. Two: Gauss–Hermite nodes and, in the place of P, its Hermite
expansion in τ up to their degree, from a fine rule: averages with smooth functions of τ are those of P, however sharp P is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.quadrature import hermite_rule, hermite_values, trapezoid_rule
from asymptotics.expectations.row_rule import row_rule
from asymptotics.generalisation.spiked.target_moments import root_of_rest
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Directions of the target that are covered.
MOST_DIRECTIONS = 2
#: Degrees an axis that decide averages with smooth functions.
_LOW = 5
#: Nodes an axis of two; steps of the fine rule and of the one that says its error; its reach.
_NODES, _FINE, _COARSER, _REACH = 17, 0.08, 0.11, 7.0


@dataclass(frozen=True)
class LabelGrid:
    """``positive`` P(y = 1 | κ, τ) (K, J), ``tau`` (K or 1, J, r), ``share`` their weights (K or 1, J).

    ``error``: of averages of P with smooth functions, absolute.
    """

    positive: Array
    tau: Array
    share: Array
    error: float = 0.0


def label_grid(mean: Target, kappa: Array, overlap: Array) -> LabelGrid:
    """The grid of class labels of ``mean`` E[y | s] at the places ``kappa`` (K, k) for ``overlap`` Γ (r, k).

    Raises ``InputError`` for targets of more than two directions.
    """
    if mean.r > MOST_DIRECTIONS:
        raise InputError(
            f"The theory of class labels and their losses covers targets of at most {MOST_DIRECTIONS} directions, not "
            f"{mean.r}: simulate instead."
        )
    root, centre = root_of_rest(overlap), kappa @ overlap.T
    if mean.r == 1:
        width = float(root[0, 0])
        tau, share = row_rule(mean, centre[:, 0], width)
        s = centre[:, 0, None] + width * tau
        values = np.asarray(mean(s.reshape(-1, 1)), float).reshape(s.shape)
        return LabelGrid((1 + values) / 2, tau[..., None], share)
    fine, coarser = (_coefficients(mean, centre, root, step) for step in (_FINE, _COARSER))
    x, w = hermite_rule(_NODES)
    h = _orthonormal(x)
    values = np.einsum("kij,ia,jb->kab", fine, h, h, optimize=True).reshape(len(centre), -1)
    first, second = np.meshgrid(x, x, indexing="ij")
    tau = np.stack([first.ravel(), second.ravel()], axis=1)[None]
    error = float(np.max(np.abs(fine - coarser)[:, :_LOW, :_LOW]))
    return LabelGrid((1 + values) / 2, tau, np.outer(w, w).reshape(1, -1), error)


def _orthonormal(x: Array) -> Array:
    """h_l(x) of degrees below the number of nodes: (degrees, points)."""
    return hermite_values(x, _NODES - 1)


def _coefficients(mean: Target, centre: Array, root: Array, step: float) -> Array:
    """E_τ[m(centre + S τ) h_i(τ_1) h_j(τ_2)] (K, degrees, degrees)."""
    x, w = trapezoid_rule(step, _REACH)
    h = _orthonormal(x) * w
    grid = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1) @ root.T
    out = np.empty((len(centre), _NODES, _NODES))
    for k, place in enumerate(centre):
        values = np.asarray(mean((place + grid).reshape(-1, 2)), float).reshape(grid.shape[:2])
        out[k] = h @ values @ h.T
    return out
