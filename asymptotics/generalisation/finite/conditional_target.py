r"""The target given the learned coordinates x, resolved in degrees of its remaining directions θ.

With w* = Γ u + Γ_θ θ, θ an orthonormal basis of what the spikes leave of the target's span,

    f_α(x) = E_τ[g(Γ x + Γ_θ τ) h_α(τ)],   |α| ≤ 6,      v(x) = E_τ[g² | x] − Σ_α f_α(x)²,

h_α products of orthonormal Hermite polynomials. Every rule over τ is cut where g is sharp: in one or two directions along
any lines (they move with x), in more along orthogonal ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.cut_rule import cut_rule
from asymptotics.expectations.frames import breaking_planes
from asymptotics.expectations.quadrature import hermite_values, tensor_rule
from asymptotics.expectations.row_rule import row_rule
from asymptotics.generalisation.finite.unit_features import DEGREES
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Values of the target, nodes on U times nodes off it, that are worth computing (about 10 s).
_MOST_VALUES = 30_000_000
#: Gauss–Hermite nodes an axis where nothing is sharp.
_ORDER = {1: 60, 2: 30, 3: 16, 4: 10}
#: Directions of which less than this is left are learned.
_LEARNED = 1e-7


@dataclass(frozen=True)
class ConditionalTarget:
    """``indices`` α (N, t), ``parts`` f_α(x) (N, X) and ``rest`` v(x) (X,)."""

    indices: npt.NDArray[np.intp]
    parts: Array
    rest: Array

    def of_degree(self, degree: int) -> Array:
        """The functions of |α| = degree, (C, X)."""
        found: Array = self.parts[self.indices.sum(axis=1) == degree]
        return found


def remaining(overlap: Array) -> tuple[Array, Array]:
    """(Γ_θ (r, t), the rows (t, r) that make θ of w* − Γ u), t directions of the target that are not learned."""
    values, vectors = np.linalg.eigh(np.eye(len(overlap)) - overlap @ overlap.T)
    left = np.sqrt(np.maximum(values, 0.0))
    keep = left > _LEARNED * max(1.0, float(left.max(initial=0.0)))
    inside: Array = vectors[:, keep] * left[keep]
    outside: Array = (vectors[:, keep] / left[keep]).T
    return inside, outside


def conditional_target(f: Target, x: Array, overlap: Array, inside: Array) -> ConditionalTarget:
    """The target at nodes ``x`` (X, k) for ``overlap`` Γ (r, k) and ``inside`` Γ_θ (r, t).

    Raises ``InputError`` where the grid would be too large, or the target is sharp where no rule is cut.
    """
    t = inside.shape[1]
    order = _ORDER.get(t, 7)
    centre = x @ overlap.T
    planes = _planes(f, inside)
    if f.r == t == 1:
        # Resolved along its line, waves too; |Γ_θ| τ has the law of Γ_θ τ.
        tau, weights = row_rule(f, centre[:, 0], abs(float(inside[0, 0])))
        tau = np.sign(inside[0, 0]) * tau[:, :, None]
    elif planes and t <= 2:
        tau, weights = cut_rule(planes, centre, inside)
    else:
        if len(x) * order**t > _MOST_VALUES:
            raise InputError(
                f"The theory at finite d after learning covers fewer variables than {f.r} with {overlap.shape[1]} "
                "learned directions: use ridge.regime = 'proportional', or a target of at most 5 variables."
            )
        nodes, share = tensor_rule([order] * t)
        tau, weights = nodes[None], share[None]
    most = min(DEGREES, order - 1)
    found = [alpha for alpha in product(range(most + 1 if t else 1), repeat=t) if sum(alpha) <= DEGREES]
    indices = np.array(found, dtype=np.intp).reshape(len(found), t)
    parts, energy = np.empty((len(found), len(x))), np.empty(len(x))
    for i, point in enumerate(centre):
        row = min(i, len(tau) - 1)
        values = np.asarray(f(point + tau[row] @ inside.T), float)
        weighted = weights[min(i, len(weights) - 1)] * values
        energy[i] = float(weighted @ values)
        basis = [hermite_values(tau[row][:, j], most) for j in range(t)]
        parts[:, i] = _projected(weighted, basis, indices)
    left = energy - np.sum(parts**2, axis=0)
    return ConditionalTarget(indices, parts, np.where(left > 1e-10 * energy, left, 0.0))


def _projected(weighted: Array, basis: list[Array], indices: npt.NDArray[np.intp]) -> Array:
    """Σ_n weighted_n Π_j basis_j[α_j, n] for every α (N,)."""
    if not basis:
        return np.array([weighted.sum()])
    table = weighted[None]
    for values in basis[:-1]:
        table = (table[:, None, :] * values).reshape(-1, len(weighted))
    sums = (table @ basis[-1].T).reshape([len(values) for values in basis])
    result: Array = sums[tuple(indices.T)]
    return result


def _planes(f: Target, inside: Array) -> list[tuple[Array, float]]:
    """(n, place) of the planes n·x = place where panels must end, those that cross the remaining directions."""
    planes = breaking_planes(f)
    if planes is None:
        raise InputError(
            "The theory at finite d after learning covers targets whose kinks lie on planes: use ridge.regime = "
            "'proportional'."
        )
    crossing = [(n, place) for n, place in planes if np.linalg.norm(n @ inside) > 1e-9]
    if crossing and inside.shape[1] > 2:
        raise InputError(
            "The theory at finite d after learning covers targets with kinks or sharp layers where at most two of their "
            f"directions are not learned, not {inside.shape[1]}: use ridge.regime = 'proportional'."
        )
    return crossing
