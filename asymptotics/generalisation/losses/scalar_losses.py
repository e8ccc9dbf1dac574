r"""Convex losses l(y, x) of a label and an output, with their proximal points

    prox(y, ω) = argmin_x l(y, x) + (x − ω)²/(2 V).

square (y − x)²/2 · logistic ln(1 + e^{−y x}) · hinge max(0, 1 − y x) · huber: square within ``HUBER`` of y, linear beyond.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: Where Huber's loss turns linear.
HUBER = 1.0
_STEPS = 60


Line = tuple[Array | float, Array | float]


@dataclass(frozen=True)
class Pieces:
    """A loss of labels y = ±1 whose proximal point is straight in r = 1 − y ω between ``edges``, from r = −∞ upwards.

    On each piece ``left`` (c0, c1): e = 1 − y prox = c0 + c1 r; ``pull`` (g0, g1): y g = (r − e)/V = g0 + g1 r; and
    ``cost`` (l0, l1, l2): l(y, prox) = l0 + l1 e + l2 e².
    """

    edges: tuple[Array, ...]
    left: tuple[Line, ...]
    pull: tuple[Line, ...]
    cost: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Loss:
    """``value`` l(y, x), ``prox`` (y, ω, V) and, for a smooth loss, ``curvature`` l''(y, x); else ``pieces`` of V.

    ``damping`` of the sweeps of the fixed point. ``least`` is the smallest penalty: below, the readout of separable samples
    grows without bound. ``slopes`` (y, x) are l' and l'' almost everywhere, by which Newton's method fits; None: by the dual of
    the hinge loss.
    """

    name: str
    value: Callable[[Array, Array], Array]
    prox: Callable[[Array, Array, Array], Array]
    curvature: Callable[[Array, Array], Array] | None
    pieces: Callable[[Array], Pieces] | None
    damping: float
    least: float
    slopes: Callable[[Array, Array], tuple[Array, Array]] | None


def _square(y: Array, x: Array) -> Array:
    loss: Array = 0.5 * (y - x) ** 2
    return loss


def _logistic(y: Array, x: Array) -> Array:
    loss: Array = np.logaddexp(0.0, -y * x)
    return loss


def _logistic_prox(y: Array, omega: Array, V: Array) -> Array:
    """y u at the root of h(u) = u − s − V/(1 + eᵘ), s = y ω, which lies at u ≥ 0 where s ≥ −V/2; else −u solves it at −s − V.

    h increases and is concave there: Newton's method needs no bound on its steps, and from Winitzki's value of the root of
    (u − s) eᵘ = V/2 about five of them, at any V.
    """
    from scipy.special import expit

    s = y * omega
    below = s < -0.5 * V
    s = np.where(below, -s - V, s)
    log = np.logaddexp(0.0, np.log(0.5 * V) - s)
    u = np.maximum(s + log * (1 - np.log1p(log) / (2 + log)), 0.0)
    for _ in range(_STEPS):
        p = expit(-u)
        step = (u - s - V * p) / (1 + V * p * (1 - p))
        u -= step
        if float(np.max(np.abs(step))) < 1e-13 * (1 + float(np.max(u))):
            break
    x: Array = y * np.where(below, -u, u)
    return x


def _logistic_curvature(y: Array, x: Array) -> Array:
    from scipy.special import expit

    p = expit(y * x)
    curved: Array = p * (1 - p)
    return curved


def _hinge(y: Array, x: Array) -> Array:
    loss: Array = np.maximum(0.0, 1 - y * x)
    return loss


def _hinge_prox(y: Array, omega: Array, V: Array) -> Array:
    margin = y * omega
    x: Array = np.where(margin > 1, omega, np.where(margin < 1 - V, omega + y * V, y))
    return x


def _huber(y: Array, x: Array) -> Array:
    away = np.abs(y - x)
    loss: Array = np.where(away < HUBER, 0.5 * away**2, HUBER * away - 0.5 * HUBER**2)
    return loss


def _huber_prox(y: Array, omega: Array, V: Array) -> Array:
    away = y - omega
    x: Array = np.where(
        np.abs(away) < HUBER * (1 + V), (omega + V * y) / (1 + V), omega + V * HUBER * np.sign(away)
    )
    return x


def _square_slopes(y: Array, x: Array) -> tuple[Array, Array]:
    return x - y, np.ones_like(x)


def _huber_slopes(y: Array, x: Array) -> tuple[Array, Array]:
    gap = x - y
    return np.clip(gap, -HUBER, HUBER), (np.abs(gap) < HUBER).astype(float)


def _logistic_slopes(y: Array, x: Array) -> tuple[Array, Array]:
    from scipy.special import expit

    p = expit(-y * x)
    return -y * p, p * (1 - p)


def _square_pieces(V: Array) -> Pieces:
    shrunk = 1 / (1 + V)
    return Pieces((), ((0.0, shrunk),), ((0.0, shrunk),), ((0.0, 0.0, 0.5),))


def _hinge_pieces(V: Array) -> Pieces:
    return Pieces(
        (np.zeros_like(V), V),
        ((0.0, 1.0), (0.0, 0.0), (-V, 1.0)),
        ((0.0, 0.0), (0.0, 1 / np.maximum(V, 1e-300)), (1.0, 0.0)),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    )


def _huber_pieces(V: Array) -> Pieces:
    edge, far = HUBER * (1 + V), -0.5 * HUBER**2
    return Pieces(
        (-edge, edge),
        ((HUBER * V, 1.0), (0.0, 1 / (1 + V)), (-HUBER * V, 1.0)),
        ((-HUBER, 0.0), (0.0, 1 / (1 + V)), (HUBER, 0.0)),
        ((far, -HUBER, 0.0), (0.0, 0.0, 0.5), (far, HUBER, 0.0)),
    )


#: A new loss is one entry here and its word among those of ``ridge.loss``.
LOSSES = {
    loss.name: loss
    for loss in (
        Loss(
            "square",
            _square,
            lambda y, w, V: (w + V * y) / (1 + V),
            None,
            _square_pieces,
            0.7,
            0.0,
            _square_slopes,
        ),
        Loss("logistic", _logistic, _logistic_prox, _logistic_curvature, None, 0.7, 1e-4, _logistic_slopes),
        Loss("hinge", _hinge, _hinge_prox, None, _hinge_pieces, 0.3, 1e-3, None),
        Loss("huber", _huber, _huber_prox, None, _huber_pieces, 0.7, 1e-4, _huber_slopes),
    )
}
