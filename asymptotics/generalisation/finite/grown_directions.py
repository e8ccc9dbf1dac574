r"""The ridge fit where small components of the rows have grown along the target: directions of degree 2 at finite d.

A direction without a linear part is no spike, but giant steps stretch what rows have along it: w ← (1 + a S) w up to
noise, S = (c_2/n) Σ y z zᵀ. Features then learn functions of degree 2 of it, a share of the order of V² n p/d², with
V = d Var⟨w, θ⟩/|w|².
Counting these functions one by one to first order in V/d (``first_moments``) learns too much once V is no small part of d.
Here the grown directions are directions like spikes are: rows have a cloud of coordinates on them, N(0, Σ/d), and the fit is
that of random features given the fields x along them (``unit_equations``), exact in V/d.

They are not the target's: S also mixes noise of the batch into them. With the mean Σ̄ of Σ/|w|² over the neurons, on a batch,
they are the leading directions of Σ̄ C_2² Σ̄, C_2 = E ∇²f: what one power of Σ̄ makes of the target's, which is what decides
how well a quadratic form of the fit can align with them. Batches are auxiliary ones, of dimension d: they also fluctuate
as the true one does.

What is left of the rows is taken as isotropic. (Replacing the number of its functions of degree 2 by the effective one,
N/r², r = d tr Σ²/(tr Σ)², was tried: better by 1.4 % at r = 2.9, worse by 9 % at r = 3.4 of another setting. It is left out.)

[derived; checked: given (Σ, batch) against draws of the law, against networks of one and two steps, and as V/d → 0 against the
first order]
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.quadrature import tensor_rule
from asymptotics.expectations.sharpness import degree_of
from asymptotics.expectations.target_rule import energy_of
from asymptotics.generalisation.finite.conditional_errors import UnitErrors, unit_errors
from asymptotics.generalisation.finite.trained_units import TrainedUnits, units_along
from asymptotics.generalisation.finite.unit_features import learned_rule
from asymptotics.generalisation.spiked.trained_layer import strong_spikes
from asymptotics.learning.features import Links
from asymptotics.learning.giant.batches import BatchLayer
from asymptotics.learning.giant.one_step import hermite_tensor
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Spikes and grown directions together: rules over their fields are products.
MOST_DIRECTIONS = 2
#: Directions of Σ̄ C_2² Σ̄ that count, relative to the strongest.
_WEAKEST = 1e-4
_ROUNDING = 1e-20
#: Nodes of a cloud along an eigen-direction of variance v/d up to each limit, and the least weight of a product of nodes.
_CLOUD = ((0.05, 3), (math.inf, 5))
_RARE = 1e-4
#: Gauss–Hermite nodes along a grown direction where the target is a polynomial of a low degree, and that degree.
_FIELD, _LOW = 8, 4


def grown_units(f: Target, sigma: Activation, layer: BatchLayer) -> TrainedUnits:
    """Features and carriers of ``layer`` for the ridge fit of ``f``, given the fields along spikes and grown directions.

    Raises ``InputError`` where nearly all of a row lies in these directions.
    """
    basis = directions(f, layer)
    rule = field_rule(f, len(strong_spikes(layer, layer.d)), len(basis))
    return units_along(f, sigma, layer, layer.d, basis, rule, partial(fine_cloud, layer.d), exact=True)


def as_independent(layer: BatchLayer) -> BatchLayer:
    """``layer`` as if its neurons had no partners."""
    groups = replace(layer.groups, pairs=None)
    count = len(layer.weight)
    return replace(
        layer, groups=groups, links=Links.of(groups), R=layer.R[:count], S=layer.covariance[:count]
    )


def grown_errors(
    units: TrainedUnits, n: int, p: float, lam: float, noise: float, start: UnitErrors | None = None
) -> UnitErrors:
    """The fit on one batch; λ > 0. ``start``: the answer of a neighbour on a curve."""
    return unit_errors(units.features, units.carriers, units.rest, n, p, lam, noise, start=start)


def directions(f: Target, layer: BatchLayer) -> Array:
    """Orthonormal rows (q, d): strong spikes, then the leading directions of Σ̄ C_2² Σ̄ off them."""
    basis = strong_spikes(layer, layer.d)
    count = len(layer.weight)
    mean = np.einsum("g,gij->ij", layer.weight / layer.R[:count], layer.covariance[:count])
    curvature = hermite_tensor(f, 2)
    seen = mean[:, : f.r] @ curvature
    seen -= basis.T @ (basis @ seen)
    left, size, _ = np.linalg.svd(seen, full_matrices=False)
    most = max(0, MOST_DIRECTIONS - len(basis))
    # Where the target has no part of degree 2, rounding is left.
    least = max(_WEAKEST * float(size[0]) ** 2, _ROUNDING * energy_of(f))
    keep = size**2 > least
    grown: Array = np.concatenate([basis, left[:, keep].T[:most]])
    return grown


def field_rule(f: Target, k: int, q: int) -> tuple[Array, Array]:
    """Nodes (X, q) and weights for the fields along ``k`` spikes and q − k grown directions."""
    degree = None if f.tree is None else degree_of(f.tree)
    if k == q or degree is None or degree > _LOW:
        return learned_rule(q)
    x, w = learned_rule(k)
    y, v = tensor_rule([_FIELD] * (q - k))
    nodes = np.concatenate([np.repeat(x, len(y), axis=0), np.tile(y, (len(x), 1))], axis=1)
    weights = np.outer(w, v).ravel()
    keep = weights > 1e-9 * weights.max()
    return nodes[keep], weights[keep] / weights[keep].sum()


def fine_cloud(d: int, covariance: Array) -> tuple[Array, Array]:
    """Nodes (N, m) and weights (N,) of N(0, covariance), more along an eigen-direction where it is no small part of d."""
    values, vectors = np.linalg.eigh(covariance)
    keep = values > 1e-6
    counts = [next(n for limit, n in _CLOUD if value <= limit * d) for value in values[keep]]
    x, weights = tensor_rule(counts)
    often = weights > _RARE
    x, weights = x[often], weights[often] / weights[often].sum()
    # What was cut off had a part of the variance.
    x /= np.sqrt(weights @ x**2)
    return x @ (vectors[:, keep] * np.sqrt(values[keep])).T, weights
