"""E[σ'_g σ'_h] of two neurons with correlated residuals, at every node of the fields.

Without a closed form a moment costs a series at every node, yet it is a smooth function of the two means alone: it is
tabulated on a Chebyshev grid that is refined until its coefficients are rounding errors.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.pairs import slope_product, slope_product_table
from asymptotics.learning.features import Links

Array = npt.NDArray[np.float64]

#: Sizes of the Chebyshev grid, and the relative size of its last coefficients that counts as rounding.
_SIZES = (16, 32, 64, 128, 192)
_ROUNDING = 1e-13
_ROWS = 1 << 12


def slope_products(sigma: Activation, links: Links, cosine: Array, mu: Array, scale: Array) -> Array:
    """J (L, N): E σ'² of each group, and E σ'_g σ'_h of each pair with residuals of this ``cosine`` (L,).

    ``mu`` (G, N) means, ``scale`` (G,) norms of the residuals.
    """
    own = sigma.slope_squares(mu, scale[:, None])
    return np.concatenate([own, pair_products(sigma, links, cosine, mu, scale)])


def pair_products(sigma: Activation, links: Links, cosine: Array, mu: Array, scale: Array) -> Array:
    """J (L − G, N) of the pairs alone."""
    left, right, rho = links.left[links.groups :], links.right[links.groups :], cosine[links.groups :, None]
    closed = bool(sigma.kinks) or sigma.pieces is not None or sigma.gauss_error is not None
    if closed or not len(left):
        return slope_product(sigma, mu[left], scale[left, None], mu[right], scale[right, None], rho)
    pairs = zip(left, right, cosine[links.groups :].tolist(), strict=True)
    return np.stack([_one_pair(sigma, mu[g], scale[g], mu[h], scale[h], rho) for g, h, rho in pairs])


def _one_pair(sigma: Activation, m1: Array, s1: float, m2: Array, s2: float, rho: float) -> Array:
    """E σ'(m_1 + …) σ'(m_2 + …) at nodes m1, m2 (N,)."""
    ends = [_range(m1), _range(m2)]
    for size in _SIZES:
        if 4 * size > len(m1):
            break
        angles = np.pi * (np.arange(size) + 0.5) / size
        x1, x2 = (centre + half * np.cos(angles) for centre, half in ends)
        table = slope_product_table(sigma, x1, s1, x2, s2, rho)
        if table is None:
            break
        # Discrete orthogonality on the roots of T_size.
        basis = np.cos(np.outer(np.arange(size), angles)) * 2 / size
        basis[0] /= 2
        coefficients = basis @ table @ basis.T
        last = max(np.abs(coefficients[-3:]).max(), np.abs(coefficients[:, -3:]).max())
        if last <= _ROUNDING * np.abs(coefficients).max():
            t1, t2 = ((m - centre) / half for m, (centre, half) in zip((m1, m2), ends, strict=True))
            return _evaluated(coefficients, t1, t2)
    return slope_product(sigma, m1, s1, m2, s2, rho)


def _range(m: Array) -> tuple[float, float]:
    """Centre and half width of an interval that holds ``m``."""
    low, high = float(m.min()), float(m.max())
    return (low + high) / 2, max((high - low) / 2, 1e-6)


def _evaluated(coefficients: Array, t1: Array, t2: Array) -> Array:
    """Σ_ij C_ij T_i(t1) T_j(t2) node by node; t in [−1, 1]. C is of low rank."""
    left, values, right = np.linalg.svd(coefficients)
    rank = int(np.sum(values > 1e-16 * values[0]))
    left, right = left[:, :rank] * values[:rank], right[:rank].T
    top, out = len(coefficients) - 1, np.empty(len(t1))
    chebyshev = np.polynomial.chebyshev.chebvander
    for start in range(0, len(t1), _ROWS):
        part = slice(start, start + _ROWS)
        out[part] = np.sum((chebyshev(t1[part], top) @ left) * (chebyshev(t2[part], top) @ right), axis=1)
    return out
