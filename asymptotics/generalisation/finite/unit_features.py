r"""The operators of units of neurons given the learned coordinates x: what the conditional equations need of a layer.

A neuron is w = (a, w_⊥), a ∈ R^k its coordinates on U, w_⊥ of norm √s uniform in direction on the sphere in D = d − k
dimensions. Degree l of the remaining inputs has multiplicity N(D, l) and the operator

    T_l(x, ab) = E_g[σ(⟨a, x⟩ + √s g) He_l(g)]/(D (D + 2) … (D + 2 l − 2))^{1/2},

to leading order in the radius of z_⊥.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.quadrature import hermite_values
from asymptotics.expectations.ramp_pairs import ramp_moments, ramps_of
from asymptotics.generalisation.finite.harmonics import multiplicity
from asymptotics.generalisation.finite.unit_equations import UnitFeatures
from asymptotics.generalisation.spiked.feature_moments import product_moment
from hermite.errors import InputError

Array = npt.NDArray[np.float64]

#: Degrees of z_⊥ that are resolved, in the features and in the target.
DEGREES = 6
#: Learned directions that the rule over x covers.
MOST_DIRECTIONS = 3
#: Nodes an axis of the trapezoid rule over x, by the number of axes, and its reach.
_NODES, _REACH = {1: 31, 2: 19, 3: 11}, {1: 6.0, 2: 5.5, 3: 4.5}
_ROWS = 4096


def learned_rule(k: int, nodes: int | None = None, reach: float | None = None) -> tuple[Array, Array]:
    """Nodes x (X, k) and weights (X,) for x ~ N(0, I_k): the trapezoid rule, without the corners that weigh nothing."""
    if k == 0:
        return np.zeros((1, 0)), np.ones(1)
    if k > MOST_DIRECTIONS:
        raise InputError(
            f"The theory at finite d covers at most {MOST_DIRECTIONS} learned directions, not {k}."
        )
    line = np.linspace(-1.0, 1.0, nodes or _NODES[k]) * (reach or _REACH[k])
    x = np.stack(np.meshgrid(*[line] * k, indexing="ij"), axis=-1).reshape(-1, k)
    logarithm = -0.5 * np.sum(x**2, axis=1)
    # The smallest weight of an axis alone bounds the corners.
    keep = logarithm >= -0.5 * float(line[-1]) ** 2 - 1e-9
    weights = np.exp(logarithm[keep])
    return x[keep], weights / weights.sum()


def unit_features(
    sigma: Activation,
    x: Array,
    weights: Array,
    coordinates: Array,
    norm2: Array,
    shares: Array,
    d: int,
    *,
    biases: Array | None = None,
    correlation: Array | None = None,
) -> UnitFeatures:
    """Features on nodes ``x`` (X, k): ``coordinates`` a (A, B, k), ``norm2`` s (A, B), ``shares`` ω (A,).

    ``biases`` (A, B) move the means; ``correlation`` ρ (A, B, B) are the cosines of the residuals within a unit (default:
    all 1, one shared row). Raises ``InputError`` for d < k + 2.
    """
    A, B, k = coordinates.shape
    D = d - k
    if D < 2:
        raise InputError(f"ridge.d must be at least {k + 2} after {k} learned directions, not {d}.")
    rho = np.ones((A, B, B)) if correlation is None else correlation
    mean = np.einsum("xk,abk->xab", x, coordinates) + (0.0 if biases is None else biases)
    scale = np.broadcast_to(np.sqrt(norm2), mean.shape)
    count = np.array([multiplicity(D, degree) for degree in range(DEGREES + 1)])
    T = projections(sigma, mean, scale)
    for degree in range(DEGREES + 1):
        T[degree] /= math.sqrt(math.prod(D + 2 * i for i in range(degree)))
    partners = gegenbauer(rho, D, DEGREES)
    second = _second_moments(sigma, mean, norm2, rho)
    carried = np.einsum("l,labc,lxab,lxac->xabc", count, partners, T, T, optimize=True)
    tail = second - carried
    own = np.arange(B)
    tail[:, :, own, own] = np.maximum(tail[:, :, own, own], 0.0)
    found = np.einsum("x,xabb,a->b", weights, second, shares)
    spread = np.sqrt(np.sum(coordinates**2, axis=2) + norm2)
    exact = shares @ sigma.squares(np.zeros_like(spread) if biases is None else biases, spread)
    error = float(np.max(np.abs(found - exact) / np.maximum(exact, 1e-300)))
    return UnitFeatures(weights, shares, T, tail, count, partners, error)


def projections(sigma: Activation, mean: Array, scale: Array) -> Array:
    """E[σ(m + s g) He_l(g)], l = 0..``DEGREES``, at means and spreads of one shape: (L + 1, *shape)."""
    m, s = mean.reshape(-1, 1), scale.reshape(-1, 1)
    out = np.empty((DEGREES + 1, len(m)))
    for start in range(0, len(m), _ROWS):
        part = slice(start, start + _ROWS)
        g, w = sigma.row_rule(m[part], s[part], finer=2)
        values = w * sigma(m[part] + s[part] * g)
        basis = hermite_values(g, DEGREES)
        shape = "lrn,rn->lr" if len(g) == len(values) else "lkn,rn->lr"
        out[:, part] = np.einsum(shape, basis, values)
    factor = np.sqrt([float(math.factorial(degree)) for degree in range(DEGREES + 1)])
    return (factor[:, None] * out).reshape(-1, *mean.shape)


def gegenbauer(t: Array, D: int, degrees: int) -> Array:
    """P_l(t) of S^{D−1}, P_l(1) = 1, l = 0..degrees: (degrees + 1, *t.shape)."""
    out = np.empty((degrees + 1, *t.shape))
    out[0] = 1.0
    if degrees:
        out[1] = t
    for degree in range(1, degrees):
        previous, below = out[degree], out[degree - 1]
        out[degree + 1] = ((2 * degree + D - 2) * t * previous - degree * below) / (degree + D - 2)
    return out


def _second_moments(sigma: Activation, mean: Array, norm2: Array, rho: Array) -> Array:
    """E[σ_b σ_b' | x] (X, A, B, B) of residuals that are Gaussian with correlation ρ."""
    X, A, B = mean.shape
    out = np.empty((X, A, B, B))
    scale = np.sqrt(norm2)
    for b in range(B):
        out[:, :, b, b] = sigma.squares(mean[:, :, b], np.broadcast_to(scale[:, b], (X, A)))
        for e in range(b):
            if ramps_of(sigma) is not None:
                first, second = (np.broadcast_to(scale[:, j], (X, A)) for j in (b, e))
                cosine = np.broadcast_to(rho[:, b, e], (X, A))
                both = ramp_moments(sigma, mean[:, :, b], first, mean[:, :, e], second, cosine).second
            else:
                both = np.stack(
                    [
                        product_moment(sigma, mean[:, a][:, [b, e]], norm2[a, [b, e]], float(rho[a, b, e]))
                        for a in range(A)
                    ],
                    axis=1,
                )
            out[:, :, b, e] = out[:, :, e, b] = both
    return out
