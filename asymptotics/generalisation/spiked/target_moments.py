r"""What the ridge theory needs of the target: f* seen from the spikes.

With w*_m = Σ_j Γ_mj u_j + Σ_l S_ml θ_l, S = (I − Γ Γᵀ)^{1/2} (symmetric root) and τ ~ N(0, I_r),
G = g(Γ κ + S τ):

    f0(κ) = E_τ G      f1_m(κ) = E_τ[G τ_m]      fs2(κ) = E_τ G² − f0² − |f1|² + Δ.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.quadrature import hermite_rule, legendre, piecewise_rule, trapezoid_rule
from asymptotics.expectations.target_rule import kink_frame, target_rule
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

_REACH = 9.0


def root_of_rest(overlap: Array) -> Array:
    """S = (I_r − Γ Γᵀ)^{1/2}, the symmetric root (r, r), from ``overlap`` Γ (r, k)."""
    values, vectors = np.linalg.eigh(np.eye(len(overlap)) - overlap @ overlap.T)
    values[values < 1e-14] = 0.0
    root: Array = (vectors * np.sqrt(values)) @ vectors.T
    return root


@lru_cache(maxsize=64)
def moments_at_start(f: Target) -> tuple[float, Array, float]:
    """C_0 = E f*, C_1 = E ∇f* (r,) in orthonormal coordinates, and E f*²; exact where the expansion decides."""
    if f.tree is not None:
        from hermite.expansion import expand

        try:
            expansion = expand(f, order=1)
            mean, linear = float(expansion.tensor(0)), np.asarray(expansion.tensor(1))
            # Coefficients may be known where the energy is not (sums of several engines' parts).
            if expansion.total_scalar is not None:
                return mean, linear, float(expansion.total_scalar)
        except InputError:
            pass  # undecided (tanh(z1*z2)): cubature
    x, w = _rule(f)
    values = f(x)
    return float(w @ values), (w * values) @ x, float(w @ values**2)


@lru_cache(maxsize=64)
def label_moments(f: Target) -> Array:
    """e_ab = E[y^a s^b] of a single-index target, label noise included, a = 0..4, b = 0..2: shape (5, 3)."""
    x, w = _rule(f)
    s, g, noise = x[:, 0], f(x), f.noise
    powers = [np.ones_like(g), g, g**2 + noise, g**3 + 3 * g * noise, g**4 + 6 * g**2 * noise + 3 * noise**2]
    return np.array([[float(w @ (y * s**b)) for b in range(3)] for y in powers])


def conditional_moments(f: Target, kappa: Array, overlap: Array) -> tuple[Array, Array, Array]:
    """f0 (K,), f1 (K, r), fs2 (K,) at the nodes ``kappa`` (K, k) for ``overlap`` Γ (r, k).

    One direction: split at the kinks of f*. Several: tensor rule over τ (no kinks allowed for).
    """
    if overlap.shape[1] == 0:
        mean, linear, energy = moments_at_start(f)
        rest = max(0.0, energy - mean**2 - float(linear @ linear)) + f.noise
        return np.full(len(kappa), mean), np.tile(linear, (len(kappa), 1)), np.full(len(kappa), rest)
    root = root_of_rest(overlap)
    centre = kappa @ overlap.T
    if f.r == 1:
        tau, weights = row_rule(f, centre[:, 0], float(root[0, 0]))
        points = centre + root[0, 0] * tau
        values = f(points.reshape(-1, 1)).reshape(points.shape)
        f0 = np.sum(weights * values, axis=1)
        f1 = np.sum(weights * values * tau, axis=1)[:, None]
        second = np.sum(weights * values**2, axis=1)
    else:
        f0, f1, second = _tensor_moments(f, centre, root)
    fs2 = np.maximum(second - f0**2 - np.sum(f1**2, axis=1), 0.0) + f.noise
    return f0, f1, fs2


def spike_breaks(f: Target, overlap: Array) -> list[float]:
    """κ (k = r = 1) where f0 is not smooth because hardly any of the target lies outside the spike."""
    if overlap.shape != (1, 1) or 1.0 - overlap[0, 0] ** 2 > 0.02:
        return []
    width = float(np.sqrt(max(0.0, 1.0 - overlap[0, 0] ** 2)))
    kinks = _kinks(f)
    shifts = [0.0] if width < 1e-9 else [j * width for j in (-6, -3, -1, 0, 1, 3, 6)]
    return [float((kink + shift) / overlap[0, 0]) for kink in kinks for shift in shifts]


def _kinks(f: Target) -> tuple[float, ...]:
    frame = kink_frame(f)
    return tuple(sign * kink for sign in (float(frame.axes[0, 0]),) for kink in frame.kinks[0])


def _rule(f: Target) -> tuple[Array, Array]:
    """Nodes (N, r) and weights (N,) over the target's directions."""
    if f.r == 1:
        x, w = piecewise_rule(_kinks(f), panel=0.5)
        return x[:, None], w
    return target_rule(f)


def row_rule(f: Target, centre: Array, width: float) -> tuple[Array, Array]:
    """Nodes and weights for τ ~ N(0, 1), (K or 1, points): one row a κ, split at the kinks of f*."""
    kinks = np.asarray(_kinks(f))
    if len(kinks) == 0 or width < 1e-12:
        x, w = trapezoid_rule(0.1)
        return x[None, :], w[None, :]
    cuts = (kinks - centre[:, None]) / width
    grid = np.broadcast_to(np.arange(-_REACH, _REACH + 0.5, 1.0), (len(centre), int(2 * _REACH) + 1))
    edges = np.sort(np.clip(np.concatenate([grid, cuts], axis=1), -_REACH, _REACH), axis=1)
    x, w = legendre(16)
    size = np.diff(edges, axis=1)
    nodes = (edges[:, :-1, None] + size[:, :, None] * x).reshape(len(centre), -1)
    weights = (size[:, :, None] * w).reshape(len(centre), -1) * np.exp(-0.5 * nodes**2) / np.sqrt(2 * np.pi)
    return nodes, weights


def _tensor_moments(f: Target, centre: Array, root: Array) -> tuple[Array, Array, Array]:
    """E_τ G, E_τ[G τ], E_τ G² by a tensor rule over τ ∈ R^r, κ in chunks."""
    r = f.r
    order = {2: 40, 3: 18, 4: 12}.get(r, 8)
    x, w = hermite_rule(order)
    tau = np.stack(np.meshgrid(*[x] * r, indexing="ij"), axis=-1).reshape(-1, r)
    weights = np.ones(1)
    for _ in range(r):
        weights = np.multiply.outer(weights, w).ravel()
    keep = weights > 1e-22
    tau, weights = tau[keep], weights[keep]
    offsets = tau @ root.T
    f0, f1, second = np.empty(len(centre)), np.empty((len(centre), r)), np.empty(len(centre))
    rows = max(1, 1_000_000 // len(tau))
    for start in range(0, len(centre), rows):
        part = slice(start, start + rows)
        points = centre[part, None, :] + offsets
        values = f(points.reshape(-1, r)).reshape(points.shape[:2])
        f0[part] = values @ weights
        f1[part] = values @ (weights[:, None] * tau)
        second[part] = values**2 @ weights
    return f0, f1, second
