"""Ridge on a network of fixed width p while d → ∞: n2 = alpha d samples are then a whole population.

With G_ij = E[σ(h_i) σ(h_j)] and b_i = E[f* σ(h_i)] over fields h of covariance Q and overlaps M with the target, the fit
a = √p (G + p λ/n2)⁻¹ b has the error

    E[(f* − f)²] = E f*² − 2 bᵀ c + cᵀ G c,   c = (G + p λ/n2)⁻¹ b,

up to terms of relative order p/n2.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.pairs import gram_moments
from asymptotics.expectations.target_rule import target_rule
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Combinations of neurons of less than this relative second moment are equal functions: they get no weight at λ = 0.
_EQUAL = 1e-11


def population_error(f: Target, sigma: Activation, M: Array, Q: Array, penalty: float) -> float:
    """E[(f* − f)²] of the fit at overlaps ``M`` (p, r) and Gram matrix ``Q`` (p, p); ``penalty`` = p λ/n2."""
    x, w = target_rule(f)
    values = f(x)
    rest = np.sqrt(np.maximum(np.diag(Q) - np.sum(M**2, axis=1), 0.0))[:, None]
    cross = sigma.mean(M @ x.T, rest) @ (w * values)
    gram = gram_moments(sigma, np.zeros(len(Q)), Q).second
    eigenvalues, vectors = np.linalg.eigh(gram)
    along = vectors.T @ cross
    shifted = eigenvalues + penalty
    used = shifted > _EQUAL * float(eigenvalues[-1])
    c = np.where(used, along / np.where(used, shifted, 1.0), 0.0)
    return float(w @ values**2 - 2 * along @ c + c**2 @ eigenvalues)
