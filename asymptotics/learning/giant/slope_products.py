"""E[σ'_g σ'_h] of two neurons with correlated residuals, at every node of the fields."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.pairs import slope_product
from asymptotics.learning.features import Links

Array = npt.NDArray[np.float64]


def slope_products(sigma: Activation, links: Links, cosine: Array, mu: Array, scale: Array) -> Array:
    """J (L, N): E σ'² of each group, and E σ'_g σ'_h of each pair with residuals of this ``cosine`` (L,).

    ``mu`` (G, N) means, ``scale`` (G,) norms of the residuals.
    """
    own = sigma.slope_squares(mu, scale[:, None])
    return np.concatenate([own, pair_products(sigma, links, cosine, mu, scale)])


def pair_products(sigma: Activation, links: Links, cosine: Array, mu: Array, scale: Array) -> Array:
    """J (L − G, N) of the pairs alone."""
    left, right = links.left[links.groups :], links.right[links.groups :]
    if not len(left):
        return np.zeros((0, mu.shape[1]))
    rho = cosine[links.groups :, None]
    return slope_product(sigma, mu[left], scale[left, None], mu[right], scale[right, None], rho)
