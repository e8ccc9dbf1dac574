r"""Averages over the noise of the local field, ω = M + √q ξ with ξ ~ N(0, 1), of what a loss makes of it.

All is a function of the residual r = 1 − y ω ~ N(1 − y M, q). Losses that are squares and straight lines have proximal points
that are straight in r on a few pieces: their averages are partial moments of the normal law, exact at any q and V. The logistic
loss has the trapezoid rule over ξ: its proximal point is analytic in ω within π of the real axis at any V, so that steps of
0.8 in ω miss e^{−2π²/0.8}.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.losses.local_field import local_fields
from asymptotics.generalisation.losses.scalar_losses import Loss, Pieces

Array = npt.NDArray[np.float64]

#: Of the rule over ξ: reach, nodes at least and at most, and the longest step in ω.
_REACH, _FEWEST, _MOST, _STEP = 7.0, 41, 300, 0.8
#: κ less likely than this, of the likeliest, do not say how many.
_RARE = 1e-8


@dataclass(frozen=True)
class Pulls:
    """E g, E g² and E Γ at nodes (K, J) of (κ, τ), over y and ξ."""

    g: Array
    square: Array
    curvature: Array


@dataclass(frozen=True)
class Costs:
    """E l(y, ω), E l(y, prox) and E (y − prox)² at nodes (K, J), over y and ξ."""

    test: Array
    train: Array
    train_square: Array


def normal_grid(nodes: int, reach: float = _REACH) -> tuple[Array, Array]:
    """The trapezoid rule of N(0, 1) on [−reach, reach]."""
    x = np.linspace(-reach, reach, nodes)
    w = np.exp(-0.5 * x**2)
    return x, w / w.sum()


@dataclass(frozen=True, eq=False)
class LocalField:
    """Means ``M`` (K, J) and variances ``q`` (K,) of ω, the width ``V`` (K,), P(y = 1) (K, J), and the ``weights`` (K,) of κ.

    Nodes of ξ, where there are any: ``finer``: more, ``rough``: few.
    """

    M: Array
    q: Array
    V: Array
    positive: Array
    weights: Array
    finer: bool = False
    rough: bool = False

    def labels(self) -> Iterator[tuple[float, Array]]:
        """y and its probability."""
        yield from ((1.0, self.positive), (-1.0, 1 - self.positive))

    def nodes(self) -> tuple[Array, Array]:
        """The rule over ξ."""
        if self.rough:
            return normal_grid(_FEWEST)
        likely = self.weights > _RARE * self.weights.max()
        steps = 2 * _REACH * math.sqrt(float(np.max(self.q[likely]))) / _STEP
        # Few counts: the rule is to stay what it is while a fixed point settles.
        count = max(_FEWEST, 20 * math.ceil((min(steps, _MOST) + 1) / 20) + 1)
        return normal_grid(round(1.3 * count) if self.finer else count)


def pulls(loss: Loss, at: LocalField) -> Pulls:
    """What the fixed point asks for."""
    g, square, curvature = (np.zeros(at.M.shape) for _ in range(3))
    if loss.pieces is not None:
        pieces = loss.pieces(at.V[:, None])
        for y, share in at.labels():
            moments = list(_partial_moments(pieces, 1 - y * at.M, at.q))
            for (g0, g1), (one, first, second) in zip(pieces.pull, moments, strict=True):
                g += y * share * (g0 * one + g1 * first)
                # 1/V² overflows where features are saturated.
                square += share * (g0 * (g0 * one + 2 * g1 * first) + g1 * (g1 * second))
                curvature += share * g1 * one
        # Before the first sweep there is no noise: the slope at one place would be that of all. Later there is none where
        # features are saturated: nothing is asked of it there.
        curvature = np.where(at.q[:, None] > 0, curvature, 1 / (1 + at.V[:, None]))
        return Pulls(g, square, curvature)
    assert loss.curvature is not None
    xi, weights = at.nodes()
    omega, mean = local_fields(at.M, at.q, xi, at.weights)
    width = at.V.reshape(-1, *[1] * (omega.ndim - 1))
    for y, share in at.labels():
        label = np.full((1,) * omega.ndim, y)
        x = loss.prox(label, omega, width)
        pull, bend = (x - omega) / width, loss.curvature(label, x)
        g += share * mean(pull, weights)
        square += share * mean(pull**2, weights)
        curvature += share * mean(bend / (1 + width * bend), weights)
    return Pulls(g, square, curvature)


def costs(loss: Loss, at: LocalField) -> Costs:
    """What the errors ask for."""
    test, train, square = (np.zeros(at.M.shape) for _ in range(3))
    if loss.pieces is not None:
        for y, share in at.labels():
            residual = 1 - y * at.M
            # A new sample's output is the proximal point of width zero.
            test += share * _cost(loss.pieces(np.zeros((len(at.V), 1))), residual, at.q)[0]
            loss_left, square_left = _cost(loss.pieces(at.V[:, None]), residual, at.q)
            train += share * loss_left
            square += share * square_left
        return Costs(test, train, square)
    xi, weights = at.nodes()
    omega, mean = local_fields(at.M, at.q, xi, at.weights)
    width = at.V.reshape(-1, *[1] * (omega.ndim - 1))
    for y, share in at.labels():
        label = np.full((1,) * omega.ndim, y)
        fitted = loss.prox(label, omega, width)
        test += share * mean(loss.value(label, omega), weights)
        train += share * mean(loss.value(label, fitted), weights)
        square += share * mean((y - fitted) ** 2, weights)
    return Costs(test, train, square)


def _cost(pieces: Pieces, residual: Array, q: Array) -> tuple[Array, Array]:
    """E l(prox) and E (y − prox)² at means of r (K, J)."""
    loss, square = np.zeros(residual.shape), np.zeros(residual.shape)
    moments = _partial_moments(pieces, residual, q)
    for (c0, c1), (l0, l1, l2), (one, first, second) in zip(pieces.left, pieces.cost, moments, strict=True):
        left, squared = c0 * one + c1 * first, c0 * (c0 * one + 2 * c1 * first) + c1**2 * second
        loss += l0 * one + l1 * left + l2 * squared
        square += squared
    return loss, square


def _partial_moments(pieces: Pieces, mean: Array, q: Array) -> Iterator[tuple[Array, Array, Array]]:
    """E 1, E r and E r² on each piece, r ~ N(``mean``, q)."""
    from scipy.special import ndtr

    root = np.sqrt(q)[:, None]
    below, density, moment = np.zeros(mean.shape), np.zeros(mean.shape), np.zeros(mean.shape)
    for edge in (*pieces.edges, np.full((1, 1), np.inf)):
        # Farther than 40 widths away nothing is left.
        z = np.clip((edge - mean) / np.maximum(root, 1e-300), -40.0, 40.0)
        upto, high = ndtr(z), np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
        one, tilt, bend = upto - below, density - high, moment - z * high
        yield (
            one,
            mean * one + root * tilt,
            mean**2 * one + 2 * mean * root * tilt + root**2 * (one + bend),
        )
        below, density, moment = upto, high, z * high
