"""Averages of labels and of activations over a Gaussian mixture, cluster by cluster."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.cut_rule import cut_rule
from asymptotics.expectations.frames import breaking_planes
from asymptotics.expectations.quadrature import tensor_rule, trapezoid_rule
from asymptotics.expectations.row_rule import row_rule
from asymptotics.experiment.inputs import Inputs
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Nodes an axis by the number of the target's directions; more are refused.
_NODES = {2: 48, 3: 20}
#: Of these nodes, those of the rule that says their error.
_COARSER = 0.75
#: Step of the rule along the spike (in standard deviations), and its reach.
_STEP, _REACH = 0.2, 7.0
#: Variances of the target's fields below this, relative to the largest, are none.
_FLAT = 1e-12


@dataclass(frozen=True)
class Conditional:
    """f0 = E y, f1 = E[y (z_E − ē)], f2 = E y² (noise included) at N places of z_E ~ N(ē, S): (N,), (N, n), (N,)."""

    f0: Array
    f1: Array
    f2: Array


def refuse_targets(f: Target, inputs: Inputs) -> None:
    """Raise ``InputError`` where the target, or a label of a cluster, does not fit the inputs or has no rule."""
    inputs.teacher_of(f)
    for target in inputs.targets_of(f):
        if target.r > 1:
            _refuse_sharp(target)


def _refuse_sharp(f: Target) -> None:
    planes = None if f.tree is None else breaking_planes(f)
    if f.r not in _NODES or planes is None or (planes and f.r > 2):
        raise InputError(
            "The theory of structured inputs covers targets of one direction, of two with kinks on lines, or smooth ones of "
            "three: simulate instead."
        )


def fields_rule(f: Target, centre: Array, covariance: Array, part: float = 1.0) -> tuple[Array, Array]:
    """Nodes s (N, P, r) and weights (N or 1, P) for fields s ~ N(centre (N, r), ``covariance`` (r, r)).

    ``part``: of the nodes an axis, where the target has several directions.
    Raises ``InputError`` for kinks that are no lines, or of a target of three directions, and for more than three.
    """
    if f.r == 1:
        width = float(np.sqrt(max(0.0, covariance[0, 0])))
        tau, weights = row_rule(f, centre[:, 0], width)
        return (centre[:, 0, None] + width * tau)[:, :, None], weights
    _refuse_sharp(f)
    values, vectors = np.linalg.eigh(covariance)
    varies = values > _FLAT * max(float(values[-1]), 1e-300)
    root = vectors[:, varies] * np.sqrt(values[varies])
    planes = [
        (n, x) for n, x in breaking_planes(f) or () if np.any(np.abs(n @ root) > _FLAT * np.abs(root).max())
    ]
    if planes:
        tau, share = cut_rule(planes, centre, root)
        return centre[:, None, :] + tau @ root.T, np.broadcast_to(share, tau.shape[:2])
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    nodes, weights = tensor_rule([round(part * _NODES[f.r])] * f.r)
    return centre[:, None, :] + nodes @ root.T, weights[None]


def regression(teacher: Array, covariance: Array) -> tuple[Array, Array]:
    """R = S W*ᵀ Cov(s)⁺ (n, r), and Cov(s) = W* S W*ᵀ."""
    seen = teacher @ covariance @ teacher.T
    inverse = np.linalg.pinv(seen, rcond=_FLAT, hermitian=True)
    slope: Array = covariance @ teacher.T @ inverse
    return slope, seen


def error_of_fields(f: Target, inputs: Inputs) -> float:
    """The largest relative change of E f² in a cluster by fewer nodes; 0 where panels end at kinks or sharp places."""
    worst, teacher = 0.0, inputs.teacher_of(f)
    for target, mean, S in zip(inputs.targets_of(f), inputs.means, inputs.covariances, strict=True):
        if target.r > 1:
            fine, coarse = (
                _mean_square(target, teacher @ mean, teacher @ S @ teacher.T, part)
                for part in (1.0, _COARSER)
            )
            worst = max(worst, abs(fine - coarse) / (fine + f.noise) if fine else 0.0)
    return worst


def _mean_square(f: Target, middle: Array, seen: Array, part: float) -> float:
    s, weights = fields_rule(f, middle[None], seen, part)
    return float(weights[0] @ np.asarray(f(s[0]), float) ** 2)


def conditional(f: Target, teacher: Array, centre: Array, covariance: Array) -> Conditional:
    """The moments of the labels at ``centre`` ē (N, n) for z_E of ``covariance`` (n, n)."""
    slope, seen = regression(teacher, covariance)
    middle = centre @ teacher.T
    s, weights = fields_rule(f, middle, seen)
    values = np.asarray(f(s.reshape(-1, f.r)), float).reshape(s.shape[:2])
    weighted = weights * values
    first = np.einsum("np,npr->nr", weighted, s - middle[:, None, :])
    return Conditional(weighted.sum(axis=1), first @ slope.T, np.sum(weighted * values, axis=1) + f.noise)


@dataclass(frozen=True)
class RawMoments:
    """E y^k (4,), E[y^k z_E] (3, n), E[y^k z_E z_Eᵀ] (2, n, n) of one cluster, k from 1."""

    plain: Array
    linear: Array
    square: Array


def raw_moments(f: Target, teacher: Array, mean: Array, covariance: Array) -> RawMoments:
    """The moments of the labels with Gaussian noise that a step of the square loss sees."""
    slope, seen = regression(teacher, covariance)
    middle = mean @ teacher.T
    s, weights = fields_rule(f, middle[None], seen)
    w, shift = np.broadcast_to(weights, s.shape[:2])[0], s[0] - middle
    g, noise = np.asarray(f(s[0]), float), f.noise
    powers = np.array([g, g**2 + noise, g**3 + 3 * g * noise, g**4 + 6 * g**2 * noise + 3 * noise**2])
    powers = powers * w
    plain = powers.sum(axis=1)
    moved = mean + shift @ slope.T
    rest = covariance - slope @ seen @ slope.T
    linear = powers[:3] @ moved
    square = np.einsum("kp,pi,pj->kij", powers[:2], moved, moved) + plain[:2, None, None] * rest
    return RawMoments(plain, linear, square)


@dataclass(frozen=True, eq=False)
class SpikePlaces:
    """Places ``kappa`` (N,) of one cluster on the spike: ``weights`` (N,), ``centre`` ē (N, n), ``within`` S_| (n, n)."""

    kappa: Array
    weights: Array
    centre: Array
    within: Array


def spike_places(u: Array | None, mean: Array, S: Array) -> SpikePlaces:
    """The places of one cluster on the spike u: one place without a spike."""
    if u is None:
        return SpikePlaces(np.zeros(1), np.ones(1), mean[None], S)
    variance = float(u @ S @ u)
    middle = float(u @ mean)
    if variance <= 0:
        return SpikePlaces(np.array([middle]), np.ones(1), mean[None], S)
    x, w = trapezoid_rule(_STEP, _REACH)
    slope = S @ u / variance
    kappa = middle + math.sqrt(variance) * x
    centre, within = mean + np.outer(kappa - middle, slope), S - variance * np.outer(slope, slope)
    return SpikePlaces(kappa, w, centre, within)
