r"""Singular values of the features from the conditional equations at negative penalties.

With Φ = F/√p, λ = −s²/p and the operator of degree 0, of finite rank, taken out of κ and ζ, the equations have a regular
real solution, κ < 0, where s is above the bulk of F. Coming from far above,

* the upper edge of the bulk is where their Jacobian becomes singular;
* a singular value outside the bulk is where an eigenvalue of T_0ᵀ (−W) T_0 M_0 passes 1; its left vector is
  (T_0 M_0 u)(x)/κ(x), u the eigenvector;
* the density of the bulk at s is (2 n s/(π p)) Im Σ_x w_x/κ(x) just above the real axis, for Σ_x w_x/κ(x) is the trace of
  the resolvent of ΦΦᵀ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.quadrature import hermite_values
from asymptotics.generalisation.finite.unit_equations import (
    TOLERANCE,
    UnitFeatures,
    UnitState,
    metrics,
    triangle,
    unit_state,
)
from hermite.errors import ConvergenceError

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[Any]

#: Where the march begins, in units of √n + √p; its ratio far away and near the bulk; how finely the edge is bisected.
_FAR, _RATIOS, _EDGE = 40.0, ((4.0, 0.7), (1.6, 0.9), (0.0, 0.97)), 1e-6
#: Of the way to where the edge seems to be, what a step leaves.
_LEFT = 0.15
#: Steps of Newton from the place before: more are none, for the place is beyond the edge.
_NEWTON = 16
#: After so many one that brings the equations no nearer is the last: a shorter way will.
_IN_DOUBT = 4
#: Places of spikes are found to this, relative.
CROSSING = 1e-9
_TURNS = 40
#: Logarithm of an eigenvalue that is far below 1: no power of s yet.
_SMALL = 2.0
#: Height above the real axis, and points, of the density; both relative to the edge.
_HEIGHT, _POINTS = 2e-3, 100


@dataclass(frozen=True)
class Place:
    """The solution at ``s``: κ (X,), H (A, B, B), and the state there."""

    s: complex
    kappa: Numbers
    H: Numbers
    state: UnitState


#: The eigenvalues, downwards, of which one passes 1 at a spike, and the left functions (values, 1 + J, X), at a place.
Block = Callable[[Place], tuple[Array, Array]]


@dataclass(frozen=True)
class BulkAndSpikes:
    """``edge``, ``spikes`` (downwards) with their ``left`` functions (spikes, 1 + J, X), and the place above the edge.

    ``left`` are what multiplies 1 and J inputs off the learned direction in each left vector, functions of x.
    """

    edge: float
    spikes: Array
    left: Array
    above: Place


def without_mean(c: UnitFeatures, constant: float) -> UnitFeatures:
    """Features less a ``constant``, the operator of degree 0 not counted."""
    T, count = c.T.copy(), c.count.copy()
    T[0] -= constant
    count[0] = 0.0
    return replace(c, T=T, count=count)


def bulk_and_spikes(
    c: UnitFeatures,
    n: int,
    p: int,
    block: Block | None = None,
    *,
    crossing: float = CROSSING,
    edge: float = _EDGE,
) -> BulkAndSpikes:
    """Edge and spikes of the n × p features ``c``, which are ``without_mean``.

    ``block``: the operator of finite rank that makes the spikes; by default that of degree 0. ``crossing`` and ``edge``: how well
    the eigenvalues are to pass 1, and the edge is to be known, relative. Raises ``ConvergenceError`` if
    the equations have no solution far above the bulk.
    """
    block = block or partial(_of_degree_zero, c, n)
    scale = math.sqrt(n) + math.sqrt(p)
    size = float(np.sqrt(np.max(np.einsum("a,xabb->x", c.per_neuron, c.tail)) + np.max(np.sum(c.T[1:] ** 2))))
    s = _FAR * scale * max(1.0, size)
    A, B = c.shares.size, c.T.shape[-1]
    start = _newton(c, n, p, s, np.full(len(c.weights), -(s**2) / p), np.tile(np.eye(B), (A, 1, 1)))
    if start is None:
        raise ConvergenceError("The equations of the spectrum have no solution far above the bulk.")
    here, found = start, []
    values = block(here)[0]
    for after in _downwards(c, n, p, start, scale, edge):
        moved = block(after)[0]
        for j in range(len(moved)):
            if values[j] < 1 <= moved[j]:
                found.append(_crossing(c, n, p, block, here, after, j, crossing))
        here, values = after, moved
    found.sort(key=lambda spike: -spike[0])
    left = np.array([vector for _, vector in found]) if found else np.zeros((0, 1, len(c.weights)))
    return BulkAndSpikes(float(np.real(here.s)), np.array([place for place, _ in found]), left, here)


def _downwards(
    c: UnitFeatures, n: int, p: int, start: Place, scale: float, precision: float
) -> Iterator[Place]:
    """Solutions at falling s, down to the edge.

    There the trace of the resolvent has a slope of (s − edge)^{−1/2}: near it two slopes tell where the edge is, and steps go
    most of the way. Times λ² the slope is the mean of 1/(1 − t/|λ|)² over the spectrum t, which rises towards it: where it
    falls, the solution is another one, or part of the bulk has been leapt over.
    """
    here, sign, slope = start, _sign(c, start), _slope(c, start)
    edge, shrink = 0.0, 1.0
    while shrink > precision:
        above = float(np.real(here.s))
        ratio = next(ratio for far, ratio in _RATIOS if above / scale > far)
        s = max(above * (1 - (1 - ratio) * shrink), edge + (above - edge) * _LEFT)
        after = _newton(c, n, p, s, here.kappa * (s / here.s) ** 2, here.H)
        moved = None if after is None or _sign(c, after) != sign else _slope(c, after)
        if after is None or moved is None or (slope is not None and moved * s**4 < slope * above**4):
            shrink /= 2
            continue
        if slope is not None and moved > slope:
            # slope⁻² is linear in s and 0 at the edge.
            edge = s - (above - s) / ((moved / slope) ** 2 - 1)
        here, slope = after, moved
        yield here
        if s - edge < precision * s:
            return


def _sign(c: UnitFeatures, place: Place) -> float:
    return float(np.linalg.slogdet(place.state.jacobian(c.weights))[0])


def _slope(c: UnitFeatures, place: Place) -> float | None:
    """Σ_x w_x κ'(x)/κ(x)², ' by λ; None for a solution that is none outside the bulk.

    There κ < 0 falls with λ, for 1/κ(x) are entries of a resolvent.
    """
    X = len(place.kappa)
    right = np.zeros(X + place.state.r2.size)
    right[:X] = 1.0
    moved = np.linalg.solve(place.state.jacobian(c.weights), right)[:X]
    if np.any(place.kappa >= 0) or np.any(moved <= 0):
        return None
    return float(c.weights @ (moved / place.kappa**2))


def _newton(c: UnitFeatures, n: int, p: int, s: complex, kappa: Numbers, H: Numbers) -> Place | None:
    """Plain steps of Newton at λ = −s²/p; None where they do not converge."""
    lam = -(s**2) / p
    X, tri = len(kappa), triangle(H.shape[-1])
    with np.errstate(all="ignore"):
        least = math.inf
        for turn in range(_NEWTON):
            try:
                state = unit_state(c, kappa, H, n, p, lam)
                step = np.linalg.solve(state.jacobian(c.weights), -np.concatenate([state.r1, state.r2]))
            except np.linalg.LinAlgError:
                return None
            residual = float(np.max(np.abs(state.r1) / np.abs(kappa)) + np.max(np.abs(state.r2)))
            if not math.isfinite(residual) or not np.all(np.isfinite(step)):
                return None
            if residual < TOLERANCE:
                return Place(s, kappa, H, state)
            if turn >= _IN_DOUBT and residual > least:
                return None
            least = min(least, residual)
            kappa = kappa + step[:X]
            H = H + np.einsum("at,tbc->abc", step[X:].reshape(len(H), -1), tri)
    return None


def _of_degree_zero(c: UnitFeatures, n: int, place: Place) -> tuple[Array, Array]:
    """Eigenvalues, downwards, of T_0ᵀ (−W) T_0 M_0 (at most eight), and the left functions (T_0 M_0 u)(x)/κ(x)."""
    X = len(c.weights)
    T = c.T[0].reshape(X, -1)
    M = metrics(c, np.linalg.inv(place.H), c.partners[:1])[0]
    W = c.weights * n / place.kappa
    values, vectors = np.linalg.eig(T.T @ (-W[:, None] * T) @ M)
    order = np.argsort(-values.real)[:8]
    left = (T @ (M @ vectors[:, order].real)).T / place.kappa
    return np.asarray(values.real[order], np.float64), np.asarray(left[:, None], np.float64)


def _crossing(
    c: UnitFeatures, n: int, p: int, block: Block, high: Place, low: Place, j: int, precision: float
) -> tuple[float, Array]:
    """(place, left functions) where the j-th eigenvalue passes 1 between two solutions.

    By secants in the logarithms, for it is near a power of s; the end that stays twice counts half (Illinois). Bisected where it
    is small.
    """
    above, below = (float(np.real(place.s)) for place in (high, low))
    at_high, at_low = block(high)[0][j], block(low)[0][j]
    under, over, stayed = _logarithm(at_high), _logarithm(at_low), 0
    for _ in range(_TURNS):
        part = under / (under - over) if under > -_SMALL and over > 0 else 0.5
        s = above * (below / above) ** part
        starts = (low, high)
        found = (_newton(c, n, p, s, place.kappa * (s / place.s) ** 2, place.H) for place in starts)
        middle = next((place for place in found if place is not None), None)
        if middle is None:
            break
        value = block(middle)[0][j]
        if value >= 1:
            low, below, over = middle, s, _logarithm(value)
            under, stayed = (under / 2 if stayed > 0 else under), 1
        else:
            high, above, under = middle, s, _logarithm(value)
            over, stayed = (over / 2 if stayed < 0 else over), -1
        if abs(value - 1) < precision or abs(above - below) < precision * above:
            low = middle
            break
    return float(np.real(low.s)), block(low)[1][j]


def _logarithm(value: float) -> float:
    return math.log(max(value, 1e-9))


def hermite_shares(x: Array, weights: Array, left: Array, degree: int) -> Array:
    """Squared weights (spikes, degree + 1) of functions of x on h_0..h_degree, adding up to 1."""
    basis = hermite_values(x, degree)
    parts = (left * weights) @ basis.T
    squares: Array = parts**2 / np.maximum(np.sum(parts**2, axis=1, keepdims=True), 1e-300)
    return squares


def bulk_density(
    c: UnitFeatures, n: int, p: int, found: BulkAndSpikes, *, rank: int | None = None
) -> tuple[Array, Array]:
    """(s, singular values per unit of s) from just above the edge down to 0, where the equations could be followed.

    ``rank`` of the features (default p): the n − rank zeros of ΦΦᵀ are no singular values of F and are left out.
    """
    zeros = max(0, n - (p if rank is None else rank))
    edge = found.edge
    height = _HEIGHT * edge
    here = _newton(c, n, p, 1.2 * edge + 1j * height, *_risen(found.above, 1.2 * edge + 1j * height))
    places, density = [], []
    if here is None:
        return np.zeros(0), np.zeros(0)
    for s in np.concatenate([np.linspace(1.2, 1.02, 5), np.linspace(1.015, 0.005, _POINTS)]) * edge:
        after = _followed(c, n, p, here, s + 1j * height)
        if after is None:
            break
        here = after
        places.append(s)
        trace = n * complex(c.weights @ (1 / here.kappa)) - zeros / (-(here.s**2) / p)
        density.append(2 * s / (math.pi * p) * trace.imag)
    return np.array(places)[::-1], np.maximum(np.array(density), 0.0)[::-1]


def _risen(place: Place, s: complex) -> tuple[Numbers, Numbers]:
    return place.kappa * (s / place.s) ** 2, place.H.astype(complex)


def _followed(c: UnitFeatures, n: int, p: int, here: Place, s: complex, depth: int = 6) -> Place | None:
    """The solution at ``s`` from the one ``here``, the step halved where Newton fails or leaves the upper half plane."""
    after = _newton(c, n, p, s, here.kappa * (s / here.s) ** 2, here.H)
    if after is not None and float(np.imag(c.weights @ (1 / after.kappa))) > 0:
        return after
    if depth == 0:
        return None
    middle = _followed(c, n, p, here, (here.s + s) / 2, depth - 1)
    return None if middle is None else _followed(c, n, p, middle, s, depth - 1)
