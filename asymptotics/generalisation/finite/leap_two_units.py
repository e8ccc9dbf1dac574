r"""The units of neurons of one giant step on n = alpha d² samples at finite d, by the law of their layer (``leap_two_law``).

U = (the directions that C_2 spans, tilted by the noise of the batch, and u). The linear functions of the other inputs fall into
J blocks of the Gauss rule of the semicircle, each with v_gh(h_j) in the place of s_gh P_1(ρ); higher degrees are those of
isotropic residuals of the mean covariance s_gh = Σ_j w_j v_gh(h_j). Its coordinates on U are not taken out of s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.frames import breaking_planes
from asymptotics.expectations.quadrature import split_hermite_rule, tensor_rule
from asymptotics.expectations.target_rule import target_rule
from asymptotics.generalisation.finite.conditional_errors import Carrier
from asymptotics.generalisation.finite.conditional_target import (
    ConditionalTarget,
    conditional_target,
    remaining,
)
from asymptotics.generalisation.finite.folding import Folding, carried, folding
from asymptotics.generalisation.finite.leap_two_law import FLAT, LeapTwoLaw
from asymptotics.generalisation.finite.trained_units import TrainedUnits, cloud
from asymptotics.generalisation.finite.unit_equations import UnitFeatures
from asymptotics.generalisation.finite.unit_features import DEGREES, unit_features
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Gauss–Hermite nodes an axis for the starts x, by the number of learned directions; few of them act as equal neurons.
_STARTS = {0: 1, 1: 18, 2: 10}
#: Fewer of them, to compare with.
_FEWER_STARTS = {0: 1, 1: 12, 2: 7}
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
class LeapTwoUnits(TrainedUnits):
    """Units, with the energy of the target that is neither a function of the learned coordinates nor ``linear`` in the rest.

    ``linear``: the carriers of a linear function of size 1 along a direction without a relation to the layer's.
    """

    linear: tuple[Carrier, ...]
    floor: float


def leap_two_units(
    f: Target,
    sigma: Activation,
    law: LeapTwoLaw,
    d: int,
    *,
    nodes: int | None = None,
    fewer: bool = False,
) -> LeapTwoUnits:
    """Features and carriers of the layer for the ridge fit of ``f`` at dimension d.

    ``nodes``: an axis over the learned coordinates; ``fewer``: two thirds of the usual ones an axis for x, which says how much
    these matter. Raises ``InputError`` where the target has kinks on lines that are no axes of the learned directions, or
    needs a grid that is too large.
    """
    r2 = law.axes.shape[1]
    has_common = bool(np.any(law.common))
    x, weights, target = _learned_coordinates(f, law, has_common, nodes)
    found = _split(law, d, (_FEWER_STARTS if fewer else _STARTS)[r2], has_common, few=r2 > 1)
    covariance = law.covariance_at(found.unit, found.more)
    mean = np.einsum("j,jubc->ubc", law.weights, covariance)
    norm2 = np.einsum("ubb->ub", mean)
    scale = np.sqrt(norm2[:, :, None] * norm2[:, None, :])
    by_block = covariance / scale
    folded = folding(x, weights, found.coordinates, found.shares, np.moveaxis(by_block, 0, 1), norm2)
    chosen = folded.nodes.chosen
    features = unit_features(
        sigma, x[chosen], folded.nodes.totals(weights), found.coordinates, norm2, found.shares, d,
        correlation=mean / scale,
    )  # fmt: skip
    return _carried(_in_blocks(features, law.weights, by_block), folded, target, law.weights)


def linear_carriers(units: LeapTwoUnits, size: float) -> tuple[Carrier, ...]:
    """A linear function ``size`` ⟨e, z⟩ along a direction e without a relation to the layer's, in the blocks of degree 1."""
    return tuple(replace(carrier, parts=size * carrier.parts) for carrier in units.linear)


def _carried(
    features: UnitFeatures, folded: Folding, target: ConditionalTarget, weights: Array
) -> LeapTwoUnits:
    """Units from ``features`` on the kept nodes, degree 1 in blocks of these ``weights``, and all types."""
    c, size = folded.features(features), len(folded.characters)

    def carriers(operator: int, parts: Array) -> list[Carrier]:
        found = []
        for character, functions in carried(folded, parts):
            at = size * operator + character
            T, P = c.T[at][:, None], c.partners[at][:, :, None, :, None]
            found.append(Carrier(T, P, functions[:, :, None]))
        return found

    def blocks(parts: Array) -> list[Carrier]:
        return [one for j, w in enumerate(weights) for one in carriers(1 + j, math.sqrt(w) * parts)]

    constant = carriers(0, target.of_degree(0))
    higher = [
        one for degree in range(2, DEGREES + 1) for one in carriers(len(weights) + degree - 1, target.of_degree(degree))
    ]  # fmt: skip
    linear = blocks(np.ones((1, target.parts.shape[1])))
    rest = folded.functions(target.rest[None])[0, 0]
    floor = float(c.weights @ rest) + sum(
        float(np.sum(one.parts**2, axis=(0, 2)) @ c.weights) for one in higher
    )
    return LeapTwoUnits(
        c, (*constant, *blocks(target.of_degree(1)), *higher), rest, linear=tuple(linear), floor=floor
    )


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
        if np.linalg.norm(along) < FLAT:
            continue
        axis = int(np.argmax(np.abs(along)))
        if abs(abs(along[axis]) - 1) > FLAT:
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
