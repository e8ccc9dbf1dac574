r"""The covariance S of the residuals on target and common noise, one giant step further.

With D1 = δ and the label noise averaged, D2 = δ² + Δ, D3 = δ³ + 3 δ Δ, D4 = δ⁴ + 6 δ² Δ + 3 Δ², and

    rest_gh = E σ'_g σ'_h − S1_g S1_h − R_gh S2_g S2_h,

the batch of n = alpha d samples adds raw directions N_j (one a group, orthogonal to H, Gram K/alpha). On H + {N_j} the new
covariance is Y_gᵀ S Y_h + R Γ_gh + I_gh: the old one moved by I + a (1/n) Σ δ S2 z zᵀ, what that matrix draws from the
bulk, and the noise beyond the part linear in r. One step and one direction have a closed form (arXiv:2402.04980 for its
isotropic version); see ``tests``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.learning.features import LearnedFeatures
from asymptotics.learning.giant.fields import Fields, Sums

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CovarianceMeans(Sums):
    """What S needs beyond the mean field; L links, G groups, H directions. Names: weight, then factors in order."""

    pull: Array  # (G, H, H)  D1 S2_g x x
    cross: Array  # (G, H, G) D2 S2_g x S1_j
    cubic: Array  # (G, G, G) D3 S2_g S1_j S1_l
    square: Array  # (L,)     D2 S2 S2
    square_xx: Array  # (L, H, H)
    square_x1: Array  # (L, H, G) D3 S2 S2 x S1_l
    square_11: Array  # (L, G, G) D4 S2 S2 S1 S1
    rest: Array  # (L,)       D2 rest
    rest_xx: Array  # (L, H, H)
    rest_x1: Array  # (L, H, G) D3 rest x S1
    rest_11: Array  # (L, G, G) D4 rest S1 S1
    spread: Array  # (G,)     D4 rest²
    slopes: Array  # (G, G)   S1 S1, without a weight
    curvatures: Array  # (G, G) D2 S2_g S2_h


def covariance_means(
    layer: LearnedFeatures, part: Fields, S1: Array, S2: Array, product: Array, noise: float
) -> CovarianceMeans:
    """The averages over one chunk; S1, S2 (G, N), ``product`` E σ'_g σ'_h (L, N), ``noise`` Δ."""
    left, right, own = layer.links.left, layer.links.right, slice(0, layer.links.groups)
    x, w, e = part.x, part.w, part.delta
    D2 = w * (e**2 + noise)
    D3 = w * (e**3 + 3 * e * noise)
    D4 = w * (e**4 + 6 * e**2 * noise + 3 * noise**2)
    curved = S2[left] * S2[right]
    rest = product - S1[left] * S1[right] - layer.R[:, None] * curved
    pull, square_xx, rest_xx = _quadratics([S2 * (w * e), curved * D2, rest * D2], x.T, x.T)
    cross, square_x1, rest_x1 = _quadratics([S2 * D2, curved * D3, rest * D3], x.T, S1)
    cubic, square_11, rest_11 = _quadratics([S2 * D3, curved * D4, rest * D4], S1, S1)
    return CovarianceMeans(
        pull=pull,
        cross=cross,
        cubic=cubic,
        square=curved @ D2,
        square_xx=square_xx,
        square_x1=square_x1,
        square_11=square_11,
        rest=rest @ D2,
        rest_xx=rest_xx,
        rest_x1=rest_x1,
        rest_11=rest_11,
        spread=rest[own] ** 2 @ D4,
        slopes=(S1 * w) @ S1.T,
        curvatures=(S2 * D2) @ S2.T,
    )


def _quadratics(weights: Sequence[Array], x: Array, y: Array) -> list[Array]:
    """Σ_n weights[g, n] x[i, n] y[j, n], shape (g, i, j), of each of ``weights``: one product of matrices for all."""
    pairs = (x[:, None] * y).reshape(-1, x.shape[1])
    found = (np.concatenate(weights) @ pairs.T).reshape(-1, len(x), len(y))
    return np.split(found, np.cumsum([len(own) for own in weights])[:-1])


def covariance_after(
    layer: LearnedFeatures, mean: CovarianceMeans, pulled: Array, K: Array, a: Array, i: float
) -> Array:
    """The new covariance on H and the raw noise directions N_1..N_G, shape (L, H + G, H + G).

    ``pulled`` E[δ S2_g] (G,), ``K`` E[D2 S1 S1] (G, G), step ``a`` = eta ã (G,), ``i`` = 1/alpha.
    """
    left, right = layer.links.left, layer.links.right
    H, G = layer.c.shape[1], layer.links.groups
    count = len(left)
    cross = i * mean.cross
    noise = i**2 * mean.cubic + i * pulled[:, None, None] * K
    Y = np.zeros((G, H, H + G))
    Y[:, :, :H] = np.eye(H) + a[:, None, None] * mean.pull
    Y[:, :, H:] = a[:, None, None] * cross

    def on_links(values: Array) -> Array:
        return values[:, None, None]

    al, ar, bl, br = (on_links(values) for values in (a[left], a[right], pulled[left], pulled[right]))
    third = i**2 * mean.square_x1
    bulk = np.zeros((count, H + G, H + G))
    bulk[:, :H, :H] = al * ar * i * mean.square_xx
    bulk[:, :H, H:] = al * cross[left] + al * ar * (third + br * cross[left])
    bulk[:, H:, :H] = np.swapaxes(ar * cross[right] + al * ar * (third + bl * cross[right]), 1, 2)
    quartic = (
        i**3 * mean.square_11
        + i**2 * on_links(mean.square) * K
        + br * (noise[left] - i * bl * K)
        + bl * noise[right]
    )
    bulk[:, H:, H:] = i * K + al * noise[left] + ar * noise[right] + al * ar * quartic
    own = np.zeros_like(bulk)
    own[:, :H, :H] = mean.rest_xx
    own[:, :H, H:] = i * mean.rest_x1
    own[:, H:, :H] = np.swapaxes(own[:, :H, H:], 1, 2)
    own[:, H:, H:] = i**2 * mean.rest_11 + i * on_links(mean.rest) * K
    moved = np.swapaxes(Y[left], 1, 2) @ layer.covariance @ Y[right]
    total: Array = moved + on_links(layer.R) * bulk + al * ar * i * own
    return total


def anisotropy_of(
    layer: LearnedFeatures, mean: CovarianceMeans, factor: Array, R: Array, a: Array, i: float
) -> float:
    """Indicator of what an isotropic bulk leaves out in this step; ``factor`` 1 + a E[δ S2] (G,), ``R`` the new one."""
    own = slice(0, layer.links.groups)
    size = 4 * layer.residual_norm2**2 * a**2 * i * mean.square[own] * factor**2 + a**4 * i**3 * mean.spread
    return float(layer.weight @ (size / R[own] ** 2))
