"""The second moments of the ridge equations: conditional test error and norm (see ``ridge_equations`` for the symbols)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.spiked.nonlinear_sector import Inverses
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.transfers import Transfers, squared

Array = npt.NDArray[np.float64]


def second_moments(
    units: Units,
    sus: Inverses,
    maps: Transfers,
    alpha: float,
    beta: float,
    eps0: Array,
    source: Array,
    *,
    with_sector: bool = False,
) -> tuple[Array, Array]:
    """Conditional test errors eps(κ) (K, C) and ‖a‖²/d (C,) of the columns of ``eps0`` (K, C) and ``source`` (U B², C).

    With φ = (μ1 μ1ᵀ, Ms), q = α E[φ iv² eps], X = qs + (X from q1) + (X from Z)/β + source, Z = ν N⁻¹ X N⁻¹ = β Qs and
    Q1⊥ = (from q1) + (from Z)/β:  eps = eps0 + μ1ᵀ Q1⊥ μ1 + Σ tr(Ms Z)/β. Linear in eps, which differs from eps0 by a
    combination of the few functions of κ in φ: that is the system solved. ``with_sector``: φ and ``maps`` are those of
    ``sector_freedom``. Of ``stacked`` units all has a leading axis.
    """
    u, b = units.members.shape
    phi = units.sector_features if with_sector else units.features
    basis, loading = units.sector_compressed if with_sector else units.compressed
    first = phi.shape[-1] - u * b * b
    weighted = np.swapaxes(phi, -1, -2) * (alpha * units.weights * sus.iv**2)[..., None, :]
    own = squared(sus.inverse)
    NN = np.zeros((*own.shape[:-3], u, b * b, u, b * b))
    for unit in range(u):
        NN[..., unit, :, unit, :] = units.count[unit] * own[..., unit, :, :]
    NN = NN.reshape(*own.shape[:-3], u * b * b, u * b * b)
    spreading = np.linalg.solve(np.eye(u * b * b) - NN @ maps.x_from_z / beta, NN)

    # eps = eps0 + basis @ shift: what both parts are averaged with, at once.
    rank, columns = basis.shape[-1], source.shape[-1]
    q = weighted @ np.concatenate([basis, eps0], axis=-1)
    sources = np.concatenate([np.zeros((*source.shape[:-1], rank)), source], axis=-1)
    Z = spreading @ (q[..., first:, :] + maps.x_from_q @ q[..., :first, :] + sources)
    Q = maps.q_from_q @ q[..., :first, :] + np.swapaxes(maps.x_from_q, -1, -2) @ Z / beta
    moved = loading @ np.concatenate([Q, Z / beta], axis=-2)
    shift = np.linalg.solve(np.eye(rank) - moved[..., :rank], moved[..., rank:])
    found = Z[..., rank:] + Z[..., :rank] @ shift
    norm2 = np.einsum("...ubbc->...c", found.reshape(*found.shape[:-2], u, b, b, columns))
    return eps0 + basis @ shift, norm2
