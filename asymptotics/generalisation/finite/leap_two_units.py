r"""One giant step on n = alpha d² samples: the law of the layer, and its units of neurons at finite d.

With c_k = E[σ He_k], C_k = E[∇^k f*], a = η ã, y2 the second moment of the labels that the step sees (noise included) and
x ~ N(0, I_r) √d times the initial overlaps, a neuron is

    w = W*ᵀ M + common u + r,     M = x/√d + a (c_2 C_2 x + c_3 C_3[x, x]/(2 √d)) + batch noise,
    r = (1 + a H) w_0 + a (rest y2/alpha)^{1/2} ω,     rest = E σ'² − c_1² − c_2²,

u one direction for all neurons, the batch noise of covariance a_g a_h (c_2² + rest) E[y² z z*ᵀ]/(alpha d), and H = c_2
(y2/alpha)^{1/2} times one symmetric Gaussian matrix, also for all: its spectrum is a semicircle. Along an eigenvector of
value h residuals of a unit have the covariance

    v_gh(h) = (1 + a_g h)(1 + a_h h) + a_g a_h rest y2/alpha

per dimension. At finite d the noise of C_2 tilts the directions that all neurons learn, and a neuron of start x keeps
1 + a c_4 C_2[x, x]/(2 √d) of its w_0 in the place of 1. U = (the directions that C_2 spans, so tilted, and u). The linear
functions of the other inputs fall into J blocks of the
Gauss rule of the semicircle, each with v_gh(h_j) in the place of s_gh P_1(ρ); higher degrees are those of isotropic
residuals of the mean covariance s_gh = Σ_j w_j v_gh(h_j). Its coordinates on U are not taken out of s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.frames import breaking_planes, sharp_places
from asymptotics.expectations.quadrature import split_hermite_rule, tensor_rule, trapezoid_rule
from asymptotics.expectations.target_rule import target_rule
from asymptotics.generalisation.finite.conditional_errors import Carrier
from asymptotics.generalisation.finite.conditional_target import (
    ConditionalTarget,
    conditional_target,
    remaining,
)
from asymptotics.generalisation.finite.trained_units import TrainedUnits, cloud
from asymptotics.generalisation.finite.unit_equations import UnitFeatures
from asymptotics.generalisation.finite.unit_features import DEGREES, MOST_DIRECTIONS, unit_features
from asymptotics.learning.giant.one_step import OneStepLaw, hermite_tensor, start_slopes
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Points of the Gauss rule of the semicircle.
BLOCKS = 6
#: Step of the rule for the pull of the first output.
_OWN_STEP = 0.05
#: Directions of C_2 of less than this, relative to the largest, are not learned.
_FLAT = 1e-9
#: Gauss–Hermite nodes an axis for the starts x, by the number of learned directions; few of them act as equal neurons.
_STARTS = {0: 1, 1: 18, 2: 10}
#: Nodes over the learned coordinates an axis (trapezoid, reach) and over the one on u, by their number.
_ON_TARGET, _REACH = {1: 21, 2: 15}, {1: 6.0, 2: 6.0}
_ON_COMMON, _COMMON_REACH = {0: 31, 1: 9, 2: 7}, {0: 6.0, 1: 5.0, 2: 4.0}
#: A common component of more than this, in units of the residual, has so many times the nodes; not beside two learned
#: directions, where these would take minutes.
_STRONG, _MORE = 1.0, 1.9
#: Nodes between two kinks, and the energy of the target that a rule may miss before it is refined.
_BETWEEN, _MISSED = 10, 1e-4
_FINER = (1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True)
class Semicircle:
    """``places`` t (J,) and ``weights`` (J,) of the Gauss rule of the semicircle of unit variance."""

    places: Array
    weights: Array


def semicircle(blocks: int = BLOCKS) -> Semicircle:
    """t_j = 2 cos(π j/(J + 1)), w_j = 2/(J + 1) sin²(π j/(J + 1)): exact for polynomials of degree 2 J − 1."""
    angle = np.pi * np.arange(1, blocks + 1) / (blocks + 1)
    return Semicircle(2 * np.cos(angle), 2 / (blocks + 1) * np.sin(angle) ** 2)


@dataclass(frozen=True)
class LeapTwoLaw:
    """The law of the units of a layer, U units of B neurons.

    ``a`` η ã (U, B); ``shares`` (U,); ``common`` (U, B); ``norm2`` s (U, B); ``covariance`` v_gh(h_j) (J, U, B, B) with the
    ``weights`` w_j (J,); ``axes`` (r, r2) an orthonormal basis of what C_2 spans, ``overlap`` (r, r2) of the target with the
    directions that are learned in its place; ``root`` (U, B, r2, r2) from x to M on these;
    ``bend`` (U, B, r2, r2, r2) of the part that is quadratic in x; ``moved`` (J, U, B) the part of w_0 that is kept, by block,
    and ``stretch`` (U, B, r2, r2) what x adds to it.
    """

    a: Array
    shares: Array
    common: Array
    norm2: Array
    covariance: Array
    weights: Array
    axes: Array
    overlap: Array
    root: Array
    bend: Array
    moved: Array
    stretch: Array

    def covariance_at(self, unit: npt.NDArray[np.intp], more: Array) -> Array:
        """v_gh(h_j) (J, A, B, B) of types of these units (A,) that keep ``more`` (A, B) of their w_0."""
        moved = self.moved[:, unit]
        cross = moved[..., :, None] * more[:, None, :]
        found: Array = self.covariance[:, unit] + cross + np.swapaxes(cross, -1, -2)
        return found + more[:, :, None] * more[:, None, :]


def leap_two_law(
    law: OneStepLaw,
    alpha: float,
    d: int,
    *,
    p: float = math.inf,
    blocks: int = BLOCKS,
    as_limit: bool = False,
) -> LeapTwoLaw:
    """The law at dimension d and n = ``alpha`` d² of the layer whose limit is ``law``.

    ``p`` neurons: independent rows are trained with their own output of size p^{-1/2} (infinite: without it). ``as_limit``:
    directions of C_2 as they are, and the same part of w_0 kept by all, as for d → ∞.
    ``law``: of batch exponent 2, without biases; ``InputError`` where C_2 spans more than two directions.
    """
    f, sigma, groups = law.target, law.activation, law.groups
    members = np.arange(len(groups.readout))[:, None]
    if groups.pairs is not None:
        members = np.array(groups.pairs, dtype=np.intp)
    a = law.eta * groups.readout[members]
    c1, c2, c3 = (float(c) for c in sigma.slope_coefficients(2))
    y2, second = _label_moments(f, start_slopes(sigma, groups, 2)[1])
    rest = max(sigma.derivative_second_moment - c1**2 - c2**2, 0.0)
    own = _OwnOutput.of(law, y2 / alpha, d, p)
    rule = semicircle(blocks)
    h = c2 * math.sqrt(y2 / alpha) * rule.places
    kept = 1 - own.pull * a**2 / law.eta
    moved = kept + h[:, None, None] * a
    outer = a[:, :, None] * a[:, None, :]
    covariance = moved[..., :, None] * moved[..., None, :] + outer * rest * y2 / alpha
    norm2 = np.einsum("j,jubb->ub", rule.weights, covariance)
    learned = law.order == 2 and bool(np.any(law.gain))
    axes = np.zeros((f.r, 0))
    if learned:
        values, vectors = np.linalg.eigh(law.tensor)
        axes = vectors[:, np.abs(values) > _FLAT * np.abs(values).max()]
        # All directions: the nodes of x lie along the target's own, or where it is sharp.
        axes = sharp_places(f)[0].T if axes.shape[1] == f.r else axes
    if axes.shape[1] + bool(np.any(law.common)) > MOST_DIRECTIONS:
        raise InputError(
            f"The ridge theory at batch_exponent = 2 covers second-order terms of at most two directions, not {axes.shape[1]}: "
            "simulate instead."
        )
    tensor = axes.T @ law.tensor @ axes if learned else np.zeros((0, 0))
    spread = (axes.T @ second @ axes) / (alpha * d)
    shares = groups.fraction[members].sum(axis=1) / groups.fraction[members].sum()
    # Of the components along the axes, what the step gave them: the start has no part in the tilt.
    gained = c2 * a[..., None, None] * tensor
    whole = np.eye(axes.shape[1]) / math.sqrt(d) + gained
    sizes = [float(shares @ np.sum(part**2, axis=(1, 2, 3))) for part in (gained, whole)]
    tilt = sizes[0] / sizes[1] if sizes[1] > 0 and not as_limit else 0.0
    overlap, strength = _tilted(tensor, tilt * spread)
    linear = kept[..., None, None] * overlap.T / math.sqrt(d) + c2 * a[..., None, None] * strength
    noise = (c2**2 + rest) * (a**2)[..., None, None] * spread
    bend = np.zeros((*a.shape, *(axes.shape[1],) * 3))
    if learned and c3:
        third = np.einsum("abc,ai,bj,ck->ijk", hermite_tensor(f, 3), axes, axes, axes)
        bend = a[..., None, None, None] * (0.5 * c3 / math.sqrt(d)) * third
    fourth = 0.5 * sigma.coefficient(4) / math.sqrt(d) if not as_limit else 0.0
    return LeapTwoLaw(
        a=a,
        shares=shares,
        common=own.common * law.common[members],
        norm2=norm2,
        covariance=covariance,
        weights=rule.weights,
        axes=axes,
        overlap=axes @ overlap,
        root=_root(linear, noise),
        bend=bend,
        moved=moved,
        stretch=fourth * a[..., None, None] * tensor,
    )


@dataclass(frozen=True)
class _OwnOutput:
    """What the first output f = (1/p) Σ ã σ of independent rows adds to their gradient at η √d.

    Its linear part c_1 w̄, w̄ = (1/p) Σ ã w of |w̄|² = m/p, m = E ã², adds −g ã w̄ to every row, g = η √d c_1²; the rows have ã/m
    of w̄ already, by chance. Beyond what chance gives, (E ã² of) the common component squared grows by g (g − 2/m) m/p, as the
    batch noise is η² c_1² y2/alpha: by the factor ``common``. Its own part in the output pulls a row back by
    a ã √d/p (E[σ σ' x] − c_0 c_2), in units of a ã: ``pull``.
    """

    common: float
    pull: float

    @classmethod
    def of(cls, law: OneStepLaw, noise: float, d: int, p: float) -> _OwnOutput:
        if law.groups.pairs is not None or math.isinf(p):
            return cls(1.0, 0.0)
        sigma, groups = law.activation, law.groups
        size = float(groups.fraction @ groups.readout**2)
        x, w = trapezoid_rule(_OWN_STEP)
        # E[σ σ' x] = E[σ² (x² − 1)]/2, less what readouts of mean 0 take off: the others' mean c_0 c_2.
        pull = float(w @ (np.asarray(sigma(x), float) ** 2 * (x**2 - 1))) / 2
        pull -= sigma.coefficient(0) * sigma.coefficient(2)
        c1 = sigma.coefficient(1)
        batch, g = (law.eta * c1) ** 2 * noise, law.eta * math.sqrt(d) * c1**2
        grown = math.sqrt(max(0.0, 1 + g * (g - 2 / size) * size / (p * batch))) if batch > 0 else 1.0
        return cls(grown, pull * math.sqrt(d) / p)


def _tilted(tensor: Array, spread: Array) -> tuple[Array, Array]:
    """Overlap (r2, r2) of the axes of C_2 with the directions that are learned, and the strength R (r2, r2) along these.

    The batch noise adds to C_2 x a part N x, N of d rows and Nᵀ N = ``spread`` = E[y² z zᵀ]/(alpha d): all neurons move in the
    span of (C_2; N) = Q R, and Q's part on the axes, turned to be symmetric, is the overlap.
    """
    if not tensor.size or not np.any(spread):
        return np.eye(len(tensor)), tensor
    values, vectors = np.linalg.eigh(tensor @ tensor + spread)
    root = (vectors * np.sqrt(values)) @ vectors.T
    left, cosines, right = np.linalg.svd(tensor @ np.linalg.inv(root))
    turn = left @ right
    return (left * cosines) @ left.T, turn @ root


def _label_moments(f: Target, output: float) -> tuple[float, Array]:
    """E (y − f_0)² and E[(y − f_0)² z zᵀ] (r, r), the noise included, f_0 the first ``output``."""
    x, w = target_rule(f)
    energy = w * ((np.asarray(f(x), float) - output) ** 2 + f.noise)
    return float(energy.sum()), (energy[:, None] * x).T @ x


def _root(linear: Array, noise: Array) -> Array:
    """R with R Rᵀ = K Kᵀ + noise that is nearest to K: the two neurons of a unit move with one x."""
    total = linear @ np.swapaxes(linear, -1, -2) + noise
    values, vectors = np.linalg.eigh(total)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    left, _, right = np.linalg.svd(root @ linear)
    turned: Array = root @ (left @ right)
    return turned


def leap_two_units(
    f: Target,
    sigma: Activation,
    law: LeapTwoLaw,
    d: int,
    *,
    starts: int | None = None,
    nodes: int | None = None,
) -> TrainedUnits:
    """Features and carriers of the layer for the ridge fit of ``f`` at dimension d.

    ``starts``: nodes an axis for x; ``nodes`` an axis over the learned coordinates. Raises ``InputError`` where the target
    has kinks on lines that are no axes of the learned directions, or needs a grid that is too large.
    """
    r2 = law.axes.shape[1]
    has_common = bool(np.any(law.common))
    x, weights, target = _learned_coordinates(f, law, has_common, nodes)
    found = _split(law, d, starts or _STARTS[r2], has_common, few=r2 > 1)
    covariance = law.covariance_at(found.unit, found.more)
    mean = np.einsum("j,jubc->ubc", law.weights, covariance)
    norm2 = np.einsum("ubb->ub", mean)
    scale = np.sqrt(norm2[:, :, None] * norm2[:, None, :])
    by_block = covariance / scale
    features = unit_features(
        sigma, x, weights, found.coordinates, norm2, found.shares, d, correlation=mean / scale
    )
    spread = _in_blocks(features, law.weights, by_block)
    carriers = [
        Carrier(features.T[degree][:, None], features.partners[degree][:, :, None, :, None], part)
        for degree in range(len(features.count))
        if degree != 1
        for part in [target.of_degree(degree)[:, :, None]]
    ]
    first = target.of_degree(1)[:, :, None]
    carriers += [
        Carrier(features.T[1][:, None], block[:, :, None, :, None], math.sqrt(share) * first)
        for share, block in zip(law.weights, by_block, strict=True)
    ]
    return TrainedUnits(spread, tuple(carriers), target.rest)


def linear_carriers(units: TrainedUnits, size: float) -> tuple[Carrier, ...]:
    """A linear function ``size`` ⟨e, z⟩ along a direction e without a relation to the layer's, in the blocks of degree 1."""
    features, rule = units.features, semicircle(len(units.features.count) - DEGREES)
    ones = np.full((1, len(features.weights), 1), size)
    return tuple(
        Carrier(
            features.T[1 + j][:, None], features.partners[1 + j][:, :, None, :, None], math.sqrt(share) * ones
        )
        for j, share in enumerate(rule.weights)
    )


def floor_of(units: TrainedUnits) -> float:
    """The energy of the target that is neither a function of the learned coordinates nor linear in the rest."""
    w, higher = units.features.weights, units.carriers[1:DEGREES]
    return float(w @ units.rest) + sum(float(np.sum(c.parts**2, axis=(0, 2)) @ w) for c in higher)


@dataclass(frozen=True)
class _Types:
    """``coordinates`` (A, B, k), ``shares`` (A,), the ``unit`` (A,) of every type, and ``more`` (A, B) of its w_0."""

    coordinates: Array
    shares: Array
    more: Array
    unit: npt.NDArray[np.intp]


def _split(law: LeapTwoLaw, d: int, starts: int, has_common: bool, few: bool) -> _Types:
    """Every unit at every node of x, and of its cloud of coordinates on u (``few``: without)."""
    U, B = law.a.shape
    x, share = tensor_rule([starts] * law.axes.shape[1])
    M = np.einsum("ubij,nj->unbi", law.root, x) + np.einsum("ubijk,nj,nk->unbi", law.bend, x, x)
    stretch = np.einsum("ubij,ni,nj->unb", law.stretch, x, x)
    coordinates, shares, unit, kept = [], [], [], []
    for u in range(U):
        here, weight, more = M[u], share, stretch[u]
        if has_common:
            shift, part = np.zeros((1, B)), np.ones(1)
            if not few:
                mean = np.einsum("j,jbc->bc", law.weights, law.covariance[:, u])
                shift, part = cloud(mean, few=B > 1)
            on_u = law.common[u] + shift / math.sqrt(d)
            both = np.broadcast_to(on_u[None, :, :, None], (len(x), len(on_u), B, 1))
            along = np.broadcast_to(here[:, None], (len(x), len(on_u), *here.shape[1:]))
            here = np.concatenate([along, both], axis=-1).reshape(-1, B, here.shape[-1] + 1)
            weight = np.outer(share, part).ravel()
            more = np.repeat(more, len(on_u), axis=0)
        coordinates.append(here)
        shares.append(law.shares[u] * weight)
        unit.append(np.full(len(weight), u))
        kept.append(more)
    parts = (coordinates, shares, kept, unit)
    return _Types(*(np.concatenate(part) for part in parts))


def _in_blocks(features: UnitFeatures, weights: Array, by_block: Array) -> UnitFeatures:
    """``features`` with the operator of degree 1 in J blocks of the multiplicities N_1 w_j."""
    order = [0, *[1] * len(weights), *range(2, len(features.count))]
    count = features.count[order].copy()
    count[1 : 1 + len(weights)] *= weights
    partners = features.partners[order].copy()
    partners[1 : 1 + len(weights)] = by_block
    return replace(features, T=features.T[order], count=count, partners=partners)


def _learned_coordinates(
    f: Target, law: LeapTwoLaw, has_common: bool, nodes: int | None
) -> tuple[Array, Array, ConditionalTarget]:
    """Nodes (X, k) over U, their weights, and the target there: refined until its energy is met."""
    r2 = law.axes.shape[1]
    inside = remaining(law.overlap)[0]
    x, w = target_rule(f)
    energy = float(w @ np.asarray(f(x), float) ** 2)
    kinks = _kinks_on(f, law.axes)
    for finer in (1.0,) if nodes else _FINER:
        axes = [
            _axis(places, finer, nodes or (_ON_TARGET[r2] if r2 else 1), _REACH.get(r2, 6.0))
            for places in kinks
        ]
        grid, weights = _product(axes)
        target = conditional_target(f, grid, law.overlap, inside)
        seen = float(weights @ (np.sum(target.parts**2, axis=0) + target.rest))
        if abs(seen - energy) <= _MISSED * energy:
            break
    else:
        raise InputError(
            "The ridge theory at batch_exponent = 2 does not resolve this target: it is too sharp for a rule over the learned "
            "coordinates; simulate instead."
        )
    if not has_common:
        return grid, weights, target
    strong = r2 < 2 and float(np.max(np.abs(law.common) / np.sqrt(law.norm2))) > _STRONG
    line, share = _trapezoid(round(_ON_COMMON[r2] * (_MORE if strong else 1.0)), _COMMON_REACH[r2])
    first = np.repeat(np.arange(len(grid)), len(line))
    x = np.concatenate([grid[first], np.tile(line, len(grid))[:, None]], axis=1)
    target = replace(target, parts=target.parts[:, first], rest=target.rest[first])
    return x, np.outer(weights, share).ravel(), target


def _kinks_on(f: Target, axes: Array) -> list[tuple[float, ...]]:
    """Where the target is sharp on every learned axis."""
    planes = breaking_planes(f)
    refusal = (
        "The ridge theory at batch_exponent = 2 covers targets whose kinks and sharp layers lie on planes across the directions "
        "of their second-order term: simulate instead."
    )
    if planes is None:
        raise InputError(refusal)
    places: list[set[float]] = [set() for _ in range(axes.shape[1])]
    for normal, place in planes:
        along = normal @ axes
        if np.linalg.norm(along) < _FLAT:
            continue
        axis = int(np.argmax(np.abs(along)))
        if abs(abs(along[axis]) - 1) > _FLAT:
            raise InputError(refusal)
        places[axis].add(float(place * np.sign(along[axis])))
    return [tuple(sorted(found)) for found in places]


def _axis(places: tuple[float, ...], finer: float, nodes: int, reach: float) -> tuple[Array, Array]:
    """The rule of one learned coordinate."""
    if places:
        return split_hermite_rule(places, round(_BETWEEN * finer))
    return _trapezoid(round(nodes * finer), reach)


def _trapezoid(nodes: int, reach: float) -> tuple[Array, Array]:
    line = np.linspace(-reach, reach, nodes)
    weights = np.exp(-0.5 * line**2)
    return line, weights / weights.sum()


def _product(axes: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """The product of rules, without the corners that weigh less than the least node of an axis."""
    if not axes:
        return np.zeros((1, 0)), np.ones(1)
    x = np.stack(np.meshgrid(*[line for line, _ in axes], indexing="ij"), axis=-1).reshape(-1, len(axes))
    w = np.prod(
        np.stack(np.meshgrid(*[share for _, share in axes], indexing="ij"), axis=-1).reshape(-1, len(axes)),
        axis=1,
    )
    least = max(float(share.min() / share.max()) for _, share in axes)
    keep = w >= least * w.max() * (1 - 1e-9) if len(axes) > 1 else np.ones(len(w), bool)
    return x[keep], w[keep] / w[keep].sum()
