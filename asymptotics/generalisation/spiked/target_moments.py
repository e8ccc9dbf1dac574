r"""What the ridge theory needs of the target: f* seen from the spikes.

With w*_m = Σ_j Γ_mj u_j + Σ_l S_ml θ_l, S = (I − Γ Γᵀ)^{1/2} (symmetric root) and τ ~ N(0, I_r),
G = g(Γ κ + S τ):

    f0(κ) = E_τ G      f1_m(κ) = E_τ[G τ_m]      fs2(κ) = E_τ G² − f0² − |f1|² + Δ
    f2_ij(κ) = E_τ[G h_ij],  h_ii = (τ_i² − 1)/√2,  h_ij = τ_i τ_j for i < j.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.caches import remembered
from asymptotics.expectations.frames import sharp_layers, sharp_places
from asymptotics.expectations.known_moments import known_moments
from asymptotics.expectations.quadrature import hermite_rule
from asymptotics.expectations.row_rule import row_rule
from asymptotics.expectations.sharpness import around, degree_of
from asymptotics.expectations.sigma_rules import composite
from asymptotics.expectations.target_rule import energy_of, target_rule
from hermite.errors import ConvergenceError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: A layer blurred to this width along a spike is smooth to the rule over the spikes.
_BLURRED = 0.25
_REFUSED = 0.05
#: Degree up to which a polynomial of one variable has the Gauss–Hermite rule that is exact for its square.
_EXACT = 60
#: Nodes of a panel and the longest panel of a sharp axis, by the number of directions.
_PANELS = {1: (12, 1.5), 2: (12, 1.5), 3: (8, 3.0)}
#: The same where 1e-4 will do.
_COARSE = (8, 3.0)


def root_of_rest(overlap: Array) -> Array:
    """S = (I_r − Γ Γᵀ)^{1/2}, the symmetric root (r, r), from ``overlap`` Γ (r, k)."""
    values, vectors = np.linalg.eigh(np.eye(len(overlap)) - overlap @ overlap.T)
    values[values < 1e-14] = 0.0
    root: Array = (vectors * np.sqrt(values)) @ vectors.T
    return root


@remembered
def moments_at_start(f: Target) -> tuple[float, Array, float]:
    """C_0 = E f*, C_1 = E ∇f* (r,) in orthonormal coordinates, and E f*²; exact where the expansion decides."""
    known = known_moments(f)
    # Coefficients may be known where the energy is not (sums of several engines' parts).
    if known is not None and known[2] is not None:
        return known[0], known[1], known[2]
    x, w = target_rule(f)
    values = f(x)
    return float(w @ values), (w * values) @ x, float(w @ values**2)


@remembered
def label_moments(f: Target) -> Array:
    """e_ab = E[y^a s^b] of a single-index target, label noise included, a = 0..4, b = 0..2: shape (5, 3)."""
    x, w = target_rule(f)
    s, g, noise = x[:, 0], f(x), f.noise
    powers = [np.ones_like(g), g, g**2 + noise, g**3 + 3 * g * noise, g**4 + 6 * g**2 * noise + 3 * noise**2]
    return np.array([[float(w @ (y * s**b)) for b in range(3)] for y in powers])


def quadratic_directions(r: int) -> list[tuple[int, int]]:
    """The places i ≤ j of the functions h_ij."""
    return [(i, j) for i in range(r) for j in range(i, r)]


def _second(products: Array, mean: Array) -> Array:
    """f2 (K, r (r + 1)/2) from E_τ[G τ τᵀ] (K, r, r) and f0 (K,)."""
    found = [
        (products[:, i, j] - mean) / math.sqrt(2.0) if i == j else products[:, i, j]
        for i, j in quadratic_directions(products.shape[1])
    ]
    return np.stack(found, axis=1)


@dataclass(frozen=True, eq=False)
class ConditionalMoments:
    """``f0`` (K,), ``f1`` (K, r), ``fs2`` (K,), ``f2`` (K, r (r + 1)/2) of a target at the nodes of its spikes."""

    f0: Array
    f1: Array
    fs2: Array
    f2: Array


def conditional_moments(f: Target, kappa: Array, overlap: Array, coarse: bool = False) -> ConditionalMoments:
    """The moments at the nodes ``kappa`` (K, k) for ``overlap`` Γ (r, k).

    Every rule is cut where f* is sharp, as far as that is along orthogonal axes. ``coarse``: 1e-4 will do.
    """
    if overlap.shape[1] == 0:
        mean, linear, energy = moments_at_start(f)
        rest = max(0.0, energy - mean**2 - float(linear @ linear)) + f.noise
        x, w = target_rule(f)
        products = np.tile((w * f(x)) @ (x[:, :, None] * x[:, None, :]).reshape(len(x), -1), (len(kappa), 1))
        f0 = np.full(len(kappa), mean)
        f2 = _second(products.reshape(-1, f.r, f.r), f0)
        return ConditionalMoments(f0, np.tile(linear, (len(kappa), 1)), np.full(len(kappa), rest), f2)
    root = root_of_rest(overlap)
    centre = kappa @ overlap.T
    if f.r == 1:
        tau, weights = _line_rule(f, centre[:, 0], float(root[0, 0]))
        points = centre + root[0, 0] * tau
        values = f(points.reshape(-1, 1)).reshape(points.shape)
        seen = _Averages(
            np.sum(weights * values, axis=1),
            np.sum(weights * values * tau, axis=1)[:, None],
            np.sum(weights * values**2, axis=1),
            np.sum(weights * values * tau**2, axis=1)[:, None, None],
        )
    else:
        seen = _tensor_moments(f, centre, root, coarse)
    f0, f1 = seen.mean, seen.linear
    fs2 = np.maximum(seen.square - f0**2 - np.sum(f1**2, axis=1), 0.0) + f.noise
    return ConditionalMoments(f0, f1, fs2, _second(seen.products, f0))


def _line_rule(f: Target, centre: Array, width: float) -> tuple[Array, Array]:
    """A rule for G, G², G τ² along the line of f*, (K or 1, points): Gauss–Hermite, exact, for a polynomial."""
    degree = None if f.tree is None else degree_of(f.tree)
    if degree is None or degree > _EXACT:
        return row_rule(f, centre, width)
    tau, weights = hermite_rule(degree + 2)
    return tau[None], weights[None]


def check_energy(f: Target, found: float) -> float:
    """By how much, relative, the rules over spikes and rest miss E f*² + Δ with ``found``.

    Raises :class:`ConvergenceError` where it is over 5 %.
    """
    expected = energy_of(f) + f.noise
    if abs(found - expected) > _REFUSED * expected:
        raise ConvergenceError(
            f"the averages of {f.text!r} over the learned directions miss its second moment by "
            f"{abs(found / expected - 1):.1%}: it is too sharp for the rules of this theory"
        )
    return abs(found - expected) / expected if expected > 0 else 0.0


def spike_breaks(f: Target, overlap: Array) -> list[float]:
    """κ (k = r = 1) where f0 turns faster than a smooth rule sees: layers that hardly anything outside the spike blurs."""
    if overlap.shape != (1, 1) or overlap[0, 0] == 0:
        return []
    gamma = float(overlap[0, 0])
    rest = float(np.sqrt(max(0.0, 1.0 - gamma**2)))
    found: list[float] = []
    for layer in sharp_layers(f):
        width = math.hypot(rest, layer.width)
        if layer.place is not None and width < _BLURRED * abs(gamma):
            place = layer.place * float(layer.normal[0])
            found += [edge / gamma for edge in around(place, width if width > 1e-9 else 0.0)]
    return found


def spike_slope(f: Target, overlap: Array) -> float:
    """How sharply f0 turns with κ, in the unit of :func:`spike_rule`: waves, and layers seen by several spikes."""
    sharpest = 1.0
    for layer in sharp_layers(f):
        seen = float(np.linalg.norm(layer.normal @ overlap)) if overlap.size else 0.0
        if seen == 0:
            continue
        blur = math.sqrt(max(0.0, 1.0 - seen**2))
        if layer.place is None:
            # A wave of frequency q is damped by exp(−q² blur²/2) and enters f0² with 2 q |seen|.
            damped = math.exp(-0.5 * min(50.0, (blur / max(layer.width, 1e-9)) ** 2))
            need = 2 * math.pi / (2 * seen / layer.width + 8.0) if damped > 1e-5 else 1.0
        else:
            need = 1.0 if overlap.shape == (1, 1) else math.hypot(blur, layer.width) / seen / 1.25
        sharpest = max(sharpest, (0.5 if overlap.shape[1] == 1 else 1.0) / max(need, 1e-3))
    return sharpest


@dataclass(frozen=True, eq=False)
class _Averages:
    """E_τ G (K,), E_τ[G τ] (K, r), E_τ G² (K,), E_τ[G τ τᵀ] (K, r, r)."""

    mean: Array
    linear: Array
    square: Array
    products: Array


def _tensor_moments(f: Target, centre: Array, root: Array, coarse: bool) -> _Averages:
    """The averages over τ ∈ R^r, κ in chunks.

    The axes of f* (along which it is sharp) are A; with A S = L Qᵀ, L lower triangular, τ = Q t, the j-th coordinate
    of A x is known from t_1..t_j: sharp axes are cut where f* is, row by row. Smooth axes have Gauss–Hermite nodes,
    D + 1 for a polynomial of degree D: exact for G². Where all axes are smooth all rows have one rule.
    """
    r = f.r
    axes, places = sharp_places(f)
    q, upper = np.linalg.qr((axes @ root).T)
    lower, order = upper.T, _order(f)
    offset = centre @ axes.T
    f0, f1, second = np.empty(len(centre)), np.empty((len(centre), r)), np.empty(len(centre))
    products = np.empty((len(centre), r, r))
    nodes, panel = panels = _COARSE if coarse else _PANELS[min(r, 3)]
    each = math.prod(order if not cuts else nodes * (round(18 / panel) + len(cuts)) for cuts in places)
    rows = max(1, 1_000_000 // each)
    smooth = not any(len(cuts) for cuts in places)
    if smooth and len(centre):
        (t,), (weights,) = _rows_of_axes(offset[:1], lower, places, order, panels)
        seen = np.concatenate(
            [np.ones((len(t), 1)), t, (t[:, :, None] * t[:, None, :]).reshape(len(t), -1)], axis=1
        )
        seen *= weights[:, None]
        shift = t @ lower.T @ axes
    for start in range(0, len(centre), rows):
        part = slice(start, start + rows)
        if smooth:
            points = centre[part, None, :] + shift
            values = f(points.reshape(-1, r)).reshape(points.shape[:2])
            found = values @ seen
            f0[part], f1[part] = found[:, 0], found[:, 1 : 1 + r] @ q.T
            products[part] = q @ found[:, 1 + r :].reshape(-1, r, r) @ q.T
            second[part] = values**2 @ weights
            continue
        t, weights = _rows_of_axes(offset[part], lower, places, order, panels)
        points = (offset[part, None, :] + t @ lower.T) @ axes
        values = weights * f(points.reshape(-1, r)).reshape(points.shape[:2])
        f0[part] = np.sum(values, axis=1)
        f1[part] = np.einsum("kn,kni->ki", values, t) @ q.T
        products[part] = q @ (np.swapaxes(t, 1, 2) @ (values[:, :, None] * t)) @ q.T
        second[part] = np.sum(values**2 / np.where(weights > 0, weights, 1.0), axis=1)
    return _Averages(f0, f1, second, products)


def _order(f: Target) -> int:
    degree = None if f.tree is None else degree_of(f.tree)
    usual = {2: 40, 3: 18, 4: 12}.get(f.r, 8)
    return usual if degree is None or degree > 60 else max(2, degree + 1)


def _rows_of_axes(
    offset: Array, lower: Array, places: Sequence[Sequence[float]], order: int, panels: tuple[int, float]
) -> tuple[Array, Array]:
    """t (K, N, r) and weights (K, N): axis after axis, cut at ``places`` as seen from the axes before.

    ``panels``: nodes and width of a panel.
    """
    count = len(offset)
    nodes, panel = panels
    t, weights = np.zeros((count, 1, 0)), np.ones((count, 1))
    for j, cuts in enumerate(places):
        mean = offset[:, j, None] + t @ lower[j, :j]
        width = abs(float(lower[j, j]))
        if cuts and width > 1e-12:
            sign = float(np.sign(lower[j, j]))
            z, w = composite(
                [sign * (np.asarray(cuts) - mean.reshape(-1, 1)) / width], mean.size, nodes, panel=panel
            )
        else:
            x, share = hermite_rule(order)
            z, w = np.broadcast_to(x, (mean.size, order)), np.broadcast_to(share, (mean.size, order))
        n = z.shape[1]
        t = np.concatenate([np.repeat(t, n, axis=1), z.reshape(count, -1, 1)], axis=2)
        weights = np.repeat(weights, n, axis=1) * w.reshape(count, -1)
        if count and len(weights[0]) > 64:
            keep = np.any(weights > 1e-22, axis=0)
            t, weights = t[:, keep], weights[:, keep]
    return t, weights
