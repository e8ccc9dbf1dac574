r"""The first layer after T giant steps at n = O(d), several target directions: spikes, and the law of the rest.

A neuron of group g is w = Σ_k c_gk h_k + ρ-part r, with h_1..h_r the target's directions and further directions h of
batch noise common to all neurons; r has small components on all directions. To leading order the ridge fit needs

    R_gh = ⟨r_i, r_j⟩            (g = h: one neuron; g ≠ h: the two neurons of a pair),
    S_gh[e, e'] = d Cov(⟨r_i, e⟩, ⟨r_j, e'⟩)   for e, e' in H = span(h).

Start: c = 0, R = 1, S = I. One step of size a_g = eta ã_g on n = alpha d fresh samples, i = 1/alpha, x ~ N(0, I_H):

    D1 = f* − f,  D2 = D1² + Δ,  D3 = D1³ + 3 D1 Δ,  D4 = D1⁴ + 6 D1² Δ + 3 Δ²,
    S1_g, S2_g = E_ζ σ', σ''(⟨c_g, x⟩ + b_g + √R_gg ζ),   J_gh = E σ'_g σ'_h,   rest = J − S1 S1 − R S2 S2,
    v_g = E[D1 S1_g x],   b_g = E[D1 S2_g],   K_gh = E[D2 S1_g S1_h].

The batch adds raw directions N_j (one a group, orthogonal to H, Gram i K); on H + {N_j} the new covariance is
Y_gᵀ S Y_h + R Γ_gh + I_gh: the old one moved by I + a (1/n) Σ D1 S2 z zᵀ, what that matrix draws from the bulk, and the
noise beyond the part linear in r. The directions are then rotated to those on which neurons actually have components.
One step and one direction have a closed form (arXiv:2402.04980 for its isotropic version); see ``tests``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.pairs import slope_product
from asymptotics.learning.giant.mean_field import field_rule
from asymptotics.learning.groups import Groups
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Common noise of root mean square below this (relative) counts as a neuron's own: an effect of second order.
_NEGLIGIBLE = 1e-4
#: With more groups than this (laws with a density) the axes of the cubature are many: fewer nodes an axis and in all.
FEW_GROUPS = 8


@dataclass(frozen=True)
class Links:
    """The pairs (g, h) of groups whose residuals are correlated: every group with itself, then the pairs."""

    left: npt.NDArray[np.intp]
    right: npt.NDArray[np.intp]
    groups: int

    @classmethod
    def of(cls, groups: Groups) -> Links:
        """Links of these groups; two neurons of one group (ã = 0) stay equal and need no link of their own."""
        size = len(groups.a)
        pairs = [pair for pair in groups.pairs or () if pair[0] != pair[1]]
        own = np.arange(size)
        both = np.array(pairs, dtype=np.intp).reshape(-1, 2)
        return cls(np.concatenate([own, both[:, 0]]), np.concatenate([own, both[:, 1]]), size)


@dataclass(frozen=True)
class Layer:
    """The first layer: ``c`` (G, H) on H = (w*, common noise), and for every link ``R`` (L,) and ``S`` (L, H, H).

    ``targets`` = r, the number of target directions.

    ``anisotropy`` sums over steps an indicator of what an isotropic bulk leaves out (0: nothing).
    """

    groups: Groups
    links: Links
    targets: int
    c: Array
    R: Array
    S: Array
    anisotropy: float = 0.0

    @property
    def norm2(self) -> Array:
        """|r|² of each group (G,)."""
        return self.R[: self.links.groups]

    @property
    def correlation(self) -> Array:
        """Cosine of the residuals of each link (L,)."""
        s = np.sqrt(self.norm2)
        cosine: Array = np.clip(self.R / (s[self.links.left] * s[self.links.right]), -1.0, 1.0)
        return cosine

    def absorbing(self, components: Array) -> Layer:
        """The layer with ``components`` (G, m) on further directions counted as parts of the residuals."""
        shared = np.sum(components[self.links.left] * components[self.links.right], axis=1)
        return replace(self, R=self.R + shared)


def initial_layer(groups: Groups, r: int) -> Layer:
    """Unit weights without components on the target's directions."""
    links = Links.of(groups)
    count = len(links.left)
    c, S = np.zeros((links.groups, r)), np.tile(np.eye(r), (count, 1, 1))
    return Layer(groups, links, r, c, np.ones(count), S)


def train(f: Target, sigma: Activation, groups: Groups, steps: int, alpha: float) -> Layer:
    """The layer after ``steps`` giant steps on n = α d samples each; ``InputError`` if eta makes it overflow."""
    layer = initial_layer(groups, f.r)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            mean = expectations(f, sigma, layer)
            if not (np.isfinite(mean.K).all() and np.isfinite(mean.square_11).all()):
                raise InputError("training.eta is too large: the weights overflow; use a smaller eta.")
            layer = advance(layer, mean, alpha)
    return layer


# One step ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Expectations:
    """E over the fields at one state; L links, G groups, H directions. Names: weight, factors in order."""

    v: Array  # (G, H)       D1 S1_g x
    b: Array  # (G,)         D1 S2_g
    K: Array  # (G, G)       D2 S1 S1
    pull: Array  # (G, H, H)  D1 S2_g x x
    cross: Array  # (G, H, G) D2 S2_g x S1_j
    cubic: Array  # (G, G, G) D3 S2_g S1_j S1_l
    square: Array  # (L,)    D2 S2 S2
    square_xx: Array  # (L, H, H)
    square_x1: Array  # (L, H, G) D3 S2 S2 x S1_l
    square_11: Array  # (L, G, G) D4 S2 S2 S1 S1
    rest: Array  # (L,)      D2 rest
    rest_xx: Array
    rest_x1: Array  # D3 rest x S1
    rest_11: Array  # D4 rest S1 S1
    spread: Array  # (G,)    D4 rest²


def expectations(f: Target, sigma: Activation, layer: Layer) -> Expectations:
    """All the averages that one step needs, over x ~ N(0, I_H)."""
    links, groups = layer.links, layer.groups
    scale = np.sqrt(layer.norm2)
    output = groups.fraction * groups.readout
    left, right, own = links.left, links.right, slice(0, links.groups)
    total: list[Array] = []
    refine, most = (1.0, 4_000_000) if links.groups <= FEW_GROUPS else (0.6, 400_000)
    for x, w in field_rule(f, layer.c[:, f.r :], scale, refine, most):
        mean = layer.c @ x.T + groups.bias[:, None]
        S1, S2 = sigma.S1(mean, scale[:, None]), sigma.S2(mean, scale[:, None])
        e = f(x[:, : f.r]) - output @ sigma.mean(mean, scale[:, None])
        D1, D2 = w * e, w * (e**2 + f.noise)
        D3 = w * (e**3 + 3 * e * f.noise)
        D4 = w * (e**4 + 6 * e**2 * f.noise + 3 * f.noise**2)
        curved = S2[left] * S2[right]
        product = slope_products(sigma, links, layer.correlation, mean, scale)
        rest = product - S1[left] * S1[right] - layer.R[:, None] * curved
        part = [
            (S1 * D1) @ x,
            S2 @ D1,
            (S1 * D2) @ S1.T,
            _quadratic(S2 * D1, x, x),
            _quadratic(S2 * D2, x, S1.T),
            _quadratic(S2 * D3, S1.T, S1.T),
            curved @ D2,
            _quadratic(curved * D2, x, x),
            _quadratic(curved * D3, x, S1.T),
            _quadratic(curved * D4, S1.T, S1.T),
            rest @ D2,
            _quadratic(rest * D2, x, x),
            _quadratic(rest * D3, x, S1.T),
            _quadratic(rest * D4, S1.T, S1.T),
            rest[own] ** 2 @ D4,
        ]
        total = part if not total else [a + b for a, b in zip(total, part, strict=True)]
    return Expectations(*total)


def _quadratic(weights: Array, x: Array, y: Array) -> Array:
    """Σ_n weights[g, n] x[n, i] y[n, j], shape (g, i, j)."""
    return np.stack([(x.T * row) @ y for row in weights])


def slope_products(sigma: Activation, links: Links, cosine: Array, mean: Array, scale: Array) -> Array:
    """J (L, N): E σ'² of each group, and E σ'_g σ'_h of each pair with residuals of this ``cosine`` (L,)."""
    size = links.groups
    out = np.empty((len(links.left), mean.shape[1]))
    out[:size] = sigma.slope_squares(mean, scale[:, None])
    left, right = links.left[size:], links.right[size:]
    if len(left):
        out[size:] = slope_product(
            sigma, mean[left], scale[left, None], mean[right], scale[right, None], cosine[size:, None]
        )
    return out


def advance(layer: Layer, mean: Expectations, alpha: float) -> Layer:
    """The layer after one more step of n = α d samples."""
    groups, links, i = layer.groups, layer.links, 1.0 / alpha
    a, left, right = groups.a, links.left, links.right
    H, G = layer.c.shape[1], links.groups
    pulled = 1 + a * mean.b
    al, ar = a[left], a[right]
    R = layer.R * (pulled[left] * pulled[right] + al * ar * i * mean.square) + al * ar * i * mean.rest
    extended = _extended_covariance(layer, mean, i)
    values, vectors = np.linalg.eigh(i * np.outer(a, a) * mean.K)
    keep = values > 1e-12 * max(float(values[-1]), 1e-300)
    root = np.sqrt(values[keep])
    orthonormal = np.zeros((H + G, H + int(keep.sum())))
    orthonormal[:H, :H] = np.eye(H)
    orthonormal[H:, H:] = a[:, None] * vectors[:, keep] / root
    S = np.einsum("ae,lab,bf->lef", orthonormal, extended, orthonormal, optimize=True)
    c = np.concatenate([layer.c + a[:, None] * mean.v, vectors[:, keep] * root], axis=1)
    indicator = 4 * layer.norm2**2 * a**2 * i * mean.square[:G] * pulled**2 + a**4 * i**3 * mean.spread
    anisotropy = layer.anisotropy + float(groups.fraction @ (indicator / R[:G] ** 2))
    return _rotated(Layer(groups, links, layer.targets, c, R, S, anisotropy))


def _extended_covariance(layer: Layer, mean: Expectations, i: float) -> Array:
    """The new covariance on H and the raw noise directions N_1..N_G, shape (L, H + G, H + G)."""
    a, left, right = layer.groups.a, layer.links.left, layer.links.right
    H, G = layer.c.shape[1], layer.links.groups
    count = len(left)
    cross = i * mean.cross
    noise = i**2 * mean.cubic + i * mean.b[:, None, None] * mean.K
    Y = np.zeros((G, H, H + G))
    Y[:, :, :H] = np.eye(H) + a[:, None, None] * mean.pull
    Y[:, :, H:] = a[:, None, None] * cross

    def on_links(values: Array) -> Array:
        return values[:, None, None]

    al, ar, bl, br = (on_links(values) for values in (a[left], a[right], mean.b[left], mean.b[right]))
    third = i**2 * mean.square_x1
    bulk = np.zeros((count, H + G, H + G))
    bulk[:, :H, :H] = al * ar * i * mean.square_xx
    bulk[:, :H, H:] = al * cross[left] + al * ar * (third + br * cross[left])
    bulk[:, H:, :H] = np.swapaxes(ar * cross[right] + al * ar * (third + bl * cross[right]), 1, 2)
    quartic = (
        i**3 * mean.square_11
        + i**2 * on_links(mean.square) * mean.K
        + br * (noise[left] - i * bl * mean.K)
        + bl * noise[right]
    )
    bulk[:, H:, H:] = i * mean.K + al * noise[left] + ar * noise[right] + al * ar * quartic
    own = np.zeros_like(bulk)
    own[:, :H, :H] = mean.rest_xx
    own[:, :H, H:] = i * mean.rest_x1
    own[:, H:, :H] = np.swapaxes(own[:, :H, H:], 1, 2)
    own[:, H:, H:] = i**2 * mean.rest_11 + i * on_links(mean.rest) * mean.K
    moved = np.swapaxes(Y[left], 1, 2) @ layer.S @ Y[right]
    total: Array = moved + on_links(layer.R) * bulk + al * ar * i * own
    return total


def _rotated(layer: Layer) -> Layer:
    """The same layer on the directions of noise that neurons have components on; negligible ones join the rest."""
    r = layer.targets
    weighted = np.sqrt(layer.groups.fraction)[:, None] * layer.c[:, r:]
    _, values, axes = np.linalg.svd(weighted, full_matrices=False)
    keep = values > _NEGLIGIBLE * max(1.0, float(values.max(initial=0.0)))
    turn = np.zeros((layer.c.shape[1], r + int(keep.sum())))
    turn[:r, :r] = np.eye(r)
    turn[r:, r:] = axes[keep].T
    c = layer.c @ turn
    lost = layer.c[:, r:] @ axes[~keep].T
    return replace(layer.absorbing(lost), c=c, S=np.swapaxes(turn, 0, 1) @ layer.S @ turn)
