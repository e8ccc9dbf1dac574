"""The first layer after one giant step on n = alpha d^ℓ samples, at rate η d^((ℓ−1)/2), d → ∞, then p → ∞.

ℓ is the information exponent of the labels (C_1 = … = C_{ℓ−1} = 0). A neuron of readout ã started at
w^0 = W*ᵀ x/√d + …, x ~ N(0, I_r). With c_k = E[σ He_k], C_k = E[∇^k f*], f_0 the initial output, c_2 the
coefficient of σ and y2 = E[(f* − f_0)²] + Δ,

    M(x) = η ã c_ℓ/(ℓ−1)! C_ℓ[x^(ℓ−1)]                  signal; the same for all x if ℓ = 1
    keep = 1 + η ã c_2 (C_0 − f_0)                       for ℓ = 1; for ℓ ≥ 2 it diverges unless C_0 = f_0 or c_2 = 0
    common = η ã c_1 √(y2/alpha)                         batch noise along one direction shared by all neurons
    residual² = keep² + (η ã)²/alpha y2 (E σ'² − c_1²)   a neuron's own direction
    Q_ii = |M|² + common² + residual²,   Q_ij = M_i·M_j + common_i common_j   (i, j not a pair).

Labels stripped of orders 0 and 1 (:mod:`asymptotics.learning.giant.low_orders`): y2 becomes E[(f* − C_0 − ⟨C_1, z⟩)²] + Δ,
C_0 = 0, and the common noise η ã c_1 |C_1|/√alpha: it comes from (I − ZᵀZ/n) B alone. With n = alpha d^k, k < ℓ, M = 0:
see :func:`overlap_below_threshold` for its size at finite d. Source: the one-step analysis of arXiv:2305.18270, with every
term of order one kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.frames import splits_kinks
from asymptotics.expectations.quadrature import sobol_normal, tensor_rule
from asymptotics.expectations.target_rule import target_rule
from asymptotics.learning.features import LearnedFeatures, Links
from asymptotics.learning.giant.low_orders import low_orders, symbolic_tensor, without_orders
from asymptotics.learning.giant.mean_field import overflow, rotated
from asymptotics.learning.given_directions import along_given, cosines_with_given
from asymptotics.learning.groups import Groups
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Gauss–Hermite nodes an axis for the random start x, by the number of directions.
_START_NODES = {1: 16, 2: 8, 3: 6, 4: 4}
_SAMPLE = 15


@dataclass(frozen=True)
class OneStepLaw:
    """The law of one neuron after one step, group by group; arrays (G,) unless said otherwise.

    ``order`` ℓ of the signal (None: nothing is learned), ``gain`` η ã c_ℓ/(ℓ−1)!, ``tensor`` C_ℓ of shape (r,)*ℓ,
    ``common`` and ``residual2`` as in the module docstring, ``pair_covariance`` of the residuals of a pair (or None).
    """

    target: Target
    activation: Activation
    eta: float
    order: int | None
    groups: Groups
    gain: Array
    tensor: Array
    common: Array
    residual2: Array
    pair_covariance: Array | None

    @property
    def deterministic(self) -> bool:
        """Whether all neurons of a group have the same overlap."""
        return self.order in (None, 1)

    def direction(self, x: Array) -> Array:
        """C_ℓ[x^(ℓ−1)] for starts x (N, r), shape (N, r)."""
        if self.order is None:
            return np.zeros_like(x)
        out = np.broadcast_to(self.tensor, (len(x), *self.tensor.shape))
        for _ in range(self.order - 1):
            out = np.einsum("n...j,nj->n...", out, x)
        return out

    def overlap(self, x: Array) -> Array:
        """M of every group for starts x (N, r), shape (G, N, r)."""
        overlap: Array = self.gain[:, None, None] * self.direction(x)
        return overlap

    @cached_property
    def start_moments(self) -> tuple[Array, Array]:
        """Mean (r,) and covariance (r, r) of C_ℓ[x^(ℓ−1)], by a Gauss–Hermite rule that is exact for it."""
        x, w = tensor_rule([self.order or 1] * self.target.r)
        values = self.direction(x)
        mean = w @ values
        centred = values - mean
        return mean, (centred * w[:, None]).T @ centred

    @property
    def M(self) -> Array:
        """Mean overlap of a group, shape (G, r)."""
        return np.outer(self.gain, self.start_moments[0])

    @property
    def M_cov(self) -> Array:
        """Covariance of the overlap over the neurons of a group, shape (G, r, r)."""
        covariance: Array = np.square(self.gain)[:, None, None] * self.start_moments[1]
        return covariance

    @property
    def norm2(self) -> Array:
        """Mean of ‖w_i‖² over a group."""
        mean, covariance = self.start_moments
        signal = self.gain**2 * (mean @ mean + np.trace(covariance))
        norm2: Array = signal + self.common**2 + self.residual2
        return norm2

    @property
    def Q(self) -> Array:
        """Mean of ⟨w_i, w_j⟩ over different neurons, not a pair, of groups g and h, shape (G, G)."""
        M = self.M
        Q: Array = M @ M.T + np.outer(self.common, self.common)
        return Q

    def samples(self, log2_size: int = _SAMPLE, seed: int = 0) -> dict[str, Array]:
        """Values at 2^log2_size quasi-random starts: M (G, N, r), norm_M, cosine_subspace, norm2 (G, N), cosine.

        M and cosine are with the directions as they are given, the others with their whole space.
        """
        x = sobol_normal(self.target.r, log2_size, seed)
        M = self.overlap(x)
        size2 = np.sum(M**2, axis=2)
        norm2 = size2 + (self.common**2 + self.residual2)[:, None]
        M = along_given(self.target, M)
        return {
            "M": M,
            "norm_M": np.sqrt(size2),
            "norm2": norm2,
            "cosine_subspace": np.sqrt(size2 / norm2),
            "cosine": cosines_with_given(self.target, M, np.sqrt(norm2)),
        }

    def quantiles(
        self,
        levels: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
        groups: Sequence[npt.NDArray[np.intp]] | None = None,
    ) -> dict[str, Any]:
        """Quantiles over the neurons of M, |M|, ‖w‖² and the cosines with V* and each direction.

        One row for each of ``groups`` (sets of the law's groups, mixed by weight; default: each alone).
        Keys as in :meth:`samples`, arrays (rows, levels) or (rows, levels, r); ``levels`` once a row.
        """
        rows = groups if groups is not None else [np.array([g]) for g in range(len(self.gain))]
        out: dict[str, Any] = {"levels": np.tile(np.asarray(levels), (len(rows), 1))}
        for name, values in self.samples(4 if self.deterministic else _SAMPLE).items():
            picked = [
                weighted_quantiles(
                    values[g].reshape(-1, *values.shape[2:]),
                    np.repeat(self.groups.fraction[g], values.shape[1]),
                    levels,
                )
                for g in rows
            ]
            out[name] = np.array(picked)
        return out

    def layer(self, *, fewer: bool = False) -> LearnedFeatures:
        """The law as a layer: for ℓ ≥ 2 a group for every (ã, b) and every node of the start x (``fewer`` an axis)."""
        r = self.target.r
        nodes = 1 if self.deterministic else _START_NODES.get(r, 3) - fewer
        x, w = tensor_rule([nodes] * r)
        G, N = len(self.gain), len(x)
        groups = _repeated(self.groups, w)
        links = Links.of(groups)
        R = np.repeat(self.residual2, N)
        if self.pair_covariance is not None:
            R = np.concatenate([R, np.repeat(self.pair_covariance, N)[links.left[links.groups :]]])
        c = np.concatenate([self.overlap(x).reshape(G * N, r), np.repeat(self.common, N)[:, None]], axis=1)
        return rotated(LearnedFeatures(groups, links, r, c, R), rare=True)


def _repeated(groups: Groups, weights: Array) -> Groups:
    """Every group at every start of ``weights`` (N,); the two neurons of a pair start from the same x."""
    N = len(weights)
    pairs = groups.pairs and tuple((i * N + n, j * N + n) for i, j in groups.pairs for n in range(N))
    return Groups(
        np.repeat(groups.readout, N),
        np.repeat(groups.bias, N),
        np.repeat(groups.fraction, N) * np.tile(weights, len(groups.fraction)),
        pairs,
    )


def weighted_quantiles(values: Array, weight: Array, levels: Sequence[float]) -> Array:
    """Quantiles of ``values`` (N, ...) under weights (N,), shape (levels, ...)."""
    columns = values.reshape(len(values), -1)
    order = np.argsort(columns, axis=0)
    mass = np.cumsum(weight[order], axis=0) / np.sum(weight)
    out = np.empty((len(levels), columns.shape[1]))
    for c in range(columns.shape[1]):
        place = np.searchsorted(mass[:, c], np.asarray(levels) - 1e-12)
        out[:, c] = columns[order[np.minimum(place, len(values) - 1), c], c]
    return out.reshape(len(levels), *values.shape[1:])


def hermite_tensor(f: Target, order: int) -> Array:
    """C_order = E ∇^order f* in orthonormal coordinates, shape (r,)*order.

    By cubature; from the symbolic expansion where the target has kinks that the cubature cannot split.
    """
    x, w = target_rule(f)
    tensor = np.zeros((f.r,) * order)
    table = np.ones((order + 1, *x.shape))
    for k in range(order):
        table[k + 1] = x * table[k] - (k * table[k - 1] if k else 0.0)
    values = w * f(x)
    for index in np.ndindex(*tensor.shape):
        product = np.ones(len(x))
        for axis in range(f.r):
            count = index.count(axis)
            if count:
                product = product * table[count][:, axis]
        tensor[index] = float(values @ product)
    return tensor if splits_kinks(f) else symbolic_tensor(f, order, tensor)


def start_slopes(activation: Activation, groups: Groups, order: int) -> tuple[Array, float]:
    """E[σ'(x + b) He_k] for k < ``order``, (G, order), and the initial output f_0; rounding errors are 0."""
    a, b = groups.readout, groups.bias
    biases, back = np.unique(b, return_inverse=True)
    # Rounding is relative to the largest of a few orders, whatever the unit of the activation.
    seen = np.array([activation.slope_coefficients(order + 7, bias=float(x)) for x in biases])[back]
    slopes = np.where(np.abs(seen) > 1e-12 * np.abs(seen).max(initial=0.0), seen, 0.0)[:, :order]
    parts = groups.fraction * a * activation.mean(b, np.ones_like(b))
    f0 = float(np.sum(parts))
    return slopes, f0 if abs(f0) > 1e-13 * float(np.sum(np.abs(parts))) else 0.0


def refusal_of_divergence(
    f: Target, activation: Activation, groups: Groups, removed: tuple[int, ...], exponent: float
) -> str | None:
    """With n ≫ alpha d samples ``keep`` diverges unless C_0 = f_0 or c_2 = 0."""
    if exponent <= 1:
        return None
    slopes, f0 = start_slopes(activation, groups, 2)
    low = low_orders(without_orders(f, removed))
    constant, size = low.constant, max(float(np.sqrt(low.energy)), abs(f0))
    # Slopes that are 0 but for rounding are 0 already.
    if abs(constant - f0) <= 1e-12 * size or not np.any(slopes[:, 1]):
        return None
    return (
        f"training.batch_exponent = {exponent:g} with labels of mean {constant:.6g} and an activation with "
        "c_2 ≠ 0: the term eta d^((l-1)/2) C_0 c_2 diverges; centre the labels with remove_orders = [0]"
    )


def one_step_law(
    f: Target,
    activation: Activation,
    groups: Groups,
    eta: float,
    alpha: float,
    order: int | None,
    *,
    removed: tuple[int, ...] = (),
    exponent: float = 1.0,
) -> OneStepLaw:
    """The law after one step for raw labels ``f`` minus ``removed`` orders.

    ``order``: ℓ, the information exponent of what remains, if n = alpha d^ℓ; None if n is below it (nothing learned).
    Raises :class:`InputError` where keep diverges (exponent > 1, (C_0 − f_0) c_2 ≠ 0).
    """
    if eta * float(np.max(np.abs(groups.readout), initial=0.0)) > 1e75:
        raise overflow(eta)
    refusal = refusal_of_divergence(f, activation, groups, removed, exponent)
    if refusal is not None:
        raise InputError(refusal)
    labels = without_orders(f, removed)
    raw, low = low_orders(f), low_orders(labels)
    a, b, h = groups.readout, groups.bias, groups.partner
    slopes, f0 = start_slopes(activation, groups, max(order or 1, 2))
    c1, c2 = slopes[:, 0], slopes[:, 1]
    y2 = low.energy - 2 * f0 * low.constant + f0**2 + f.noise
    shared = float(raw.linear @ raw.linear) if 1 in removed else y2
    keep = 1 + eta * a * c2 * (low.constant - f0) if exponent == 1 else np.ones_like(a)
    own = activation.slope_squares(b, np.ones_like(b)) - c1**2
    return OneStepLaw(
        target=labels,
        activation=activation,
        eta=eta,
        order=order,
        groups=groups,
        gain=eta * a * (slopes[:, order - 1] / math.factorial(order - 1) if order else np.zeros_like(a)),
        tensor=hermite_tensor(labels, order) if order else np.zeros(f.r),
        common=eta * a * c1 * math.sqrt(shared / alpha),
        residual2=keep**2 + (eta * a) ** 2 / alpha * y2 * own,
        pair_covariance=None if h is None else keep * keep[h] + eta**2 * a * a[h] / alpha * y2 * own,
    )


def overlap_below_threshold(law: OneStepLaw, d: int, order: int, exponent: float, alpha: float) -> Array:
    """Size of the cosine with V* at finite d when n = alpha d^exponent, exponent < ``order`` = ℓ: shape (G,).

    cos² ≈ (E|x/√d + signal|² + tr Cov)/‖w‖² with the start x/√d, the signal η ã c_ℓ/(ℓ−1)! C_ℓ[x^(ℓ−1)] of size
    d^(−(ℓ−k)/2), k the exponent, and the batch noise (η ã)²/(alpha d) E σ'² E[(f*² + Δ)|x|²] on the r directions.
    """
    f = law.target
    slopes = law.activation.slope_coefficients(order - 1)
    tensor = hermite_tensor(f, order)
    x, w = tensor_rule([order] * f.r)
    values = np.broadcast_to(tensor, (len(x), *tensor.shape))
    for _ in range(order - 1):
        values = np.einsum("n...j,nj->n...", values, x)
    power = float(w @ np.sum(values**2, axis=1))
    rate = law.eta * law.groups.readout
    gain = rate * slopes[order - 1] / math.factorial(order - 1)
    nodes, weights = target_rule(f)
    heavy = float(weights @ ((f(nodes) ** 2 + f.noise) * np.sum(nodes**2, axis=1)))
    noise = rate**2 / alpha * law.activation.slope_squares(law.groups.bias, np.ones_like(rate)) * heavy
    signal = gain**2 * power * float(d) ** (exponent - order)
    cosine: Array = np.sqrt((signal + (f.r + noise) / d) / (law.common**2 + law.residual2 + signal))
    return cosine
