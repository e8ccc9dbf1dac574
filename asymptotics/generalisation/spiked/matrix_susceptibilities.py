"""The susceptibilities with the whole covariance of the residuals instead of its trace, on many batches side by side.

The scalars D, T, W, L of ``ridge_equations`` become A d × A d matrices; where the equations have ρ∘T[u] or W they take
normalised traces over the d indices of the blocks, against the covariances Σ of the residuals. Exact given the batches
that made Σ and the spikes; what is left out is of relative order 1/d.

In white coordinates, Vh = R Rᵀ and μ1 = R μ with α E[μ μᵀ iv] = 1,

    T = (E + D)⁻¹,  L = T E,  W = E − E T E,  D = Rᵀ (Σ ν scat(N⁻¹∘Σ)) R,

where E is the identity but on the spikes, where it is the inverse of α E[μ μᵀ iv κ κᵀ]: one positive matrix is inverted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asymptotics.anderson import Places, mixed
from asymptotics.fixed_point import solve
from asymptotics.generalisation.spiked.first_moments import transposed
from asymptotics.generalisation.spiked.nonlinear_sector import System, inverse_of
from asymptotics.generalisation.spiked.ridge_equations import averages
from asymptotics.generalisation.spiked.white_matrices import (
    Batches,
    Inverted,
    inverted,
    lower_pairs,
    spike_places,
    symmetric,
)

Array = npt.NDArray[np.float64]

#: Eigenvalues of Vh relative to the largest that count as zero.
_ZERO = 1e-12
#: Those of the white form on the spikes, of order one else: where μ1 is affine in the fields of several groups some vanish. E is
#: infinite there, W = E − E T E loses all digits, and what is put in place of 0 changes 1/d of the traces by as much.
_FREE, _IN_PLACE = 1e-8, 1e-3
#: The least of them from which Cholesky's factor is as good as the vectors.
_REGULAR = 1e-9
#: Evaluations with the slope of the traces before the general solver goes on.
_STEPS = 15
#: Increments of a slope, relative to the largest entry of a block.
_INCREMENT = 1e-7


class White(NamedTuple):
    """R (Q, A, a), its inverse (Q, a, A) on its range, and E on the spikes (Q, a k, a k), of Q layers; is R ``triangular``?"""

    root: Array
    inverse: Array
    spikes: Array
    triangular: bool


class MatrixSystem(System):
    """The map of the susceptibilities; ``T`` of the last call of every layer is kept."""

    def __init__(self, batches: Batches, alpha: float, inverse_beta: float, om: float) -> None:
        super().__init__(batches.units, alpha, inverse_beta, om)
        self.batches = batches
        self.T: dict[int, Inverted] = {}
        self._roots: dict[int, Array] = {}

    def white(self, iv: Array, which: Places) -> White:
        """The white coordinates at 1/(om + V) of some of the layers."""
        part, linear, k = self.among(which), _some(self.units.linear, which), self.batches.spikes
        count, a = len(which), self.units.groups
        hat = part.hat(iv)
        values, vectors = np.linalg.eigh(hat)
        triangular = bool(np.all(values[:, 0] > _REGULAR * values[:, -1]))
        if triangular:
            kept, root = a, np.asarray(np.linalg.cholesky(hat), np.float64)
            inverse = inverse_of(root)
        else:
            # Away from the solution Vh may be anything.
            floor = _ZERO * np.abs(values).max(axis=1, keepdims=True)
            kept = int(np.max(np.sum(values > floor, axis=1), initial=1))
            size = np.sqrt(np.maximum(values, floor))[:, None, -kept:]
            vectors = vectors[:, :, -kept:]
            root = vectors * size
            inverse = transposed(np.divide(vectors, size, out=np.zeros_like(vectors), where=size > 0))
        onto = np.einsum("pag,ij->paigj", inverse, np.eye(k)).reshape(count, kept * k, a * k)
        own = transposed(linear) @ ((part.weights * iv)[..., None] * linear)
        values, turn = np.linalg.eigh(onto @ own @ transposed(onto))
        values = np.where(values > _FREE, values, _IN_PLACE)
        spikes = (turn / values[:, None, :]) @ transposed(turn)
        return White(root, inverse, spikes, triangular)

    def on_members(self, root: Array) -> Array:
        """R_ga R_hb at the groups g, h of every unit's neurons, (Q, U, B, B, a, a)."""
        left, right = root[:, self.left], root[:, self.right]
        out: Array = left[..., :, None] * right[..., None, :]
        return out

    def traces(self, iv: Array, inverse: Array, which: Places) -> tuple[Array, Array]:
        """tr(Σ_bc T_bc)/d (Q, U, B, B) and tr W/d (Q, A, A), that on the range of Vh."""
        white, shape = self.white(iv, which), self.units.rho.shape[1:]
        count, a, k, d = len(which), white.root.shape[-1], self.batches.spikes, self.batches.d
        on_members = self.on_members(white.root).reshape(count, -1, a, a)
        factors = (self.units.count[:, None, None] * inverse).reshape(count, -1, 1, 1) * on_members
        places = spike_places(self.batches, a)
        seen, W = np.empty((count, factors.shape[1], a, a)), np.empty((count, a, a))
        for q, i in enumerate(which.tolist()):
            self.T[i] = inverted(self.batches, i, factors[q], white.spikes[q], white.triangular)
            self._roots[i] = white.root[q]
            T = self.T[i].matrix
            seen[q] = self._seen(T, i)
            small, own = symmetric(T[places[:, None], places]), white.spikes[q]
            small = (own - own @ small @ own).reshape(a, k, a, k)
            W[q] = np.einsum("aibi->ab", small)
            for r, c in lower_pairs(a):
                block = T[r * d + k : (r + 1) * d, c * d + k : (c + 1) * d]
                W[q, r, c] += (d - k) * (r == c) - np.trace(block)
                W[q, c, r] = W[q, r, c]
        within = np.sum(seen * on_members, axis=(-1, -2)).reshape(count, *shape)
        within = (within + transposed(within)) / 2
        return within / d, transposed(white.inverse) @ W @ white.inverse / d

    def whole_T(self, iv: Array, inverse: Array, white: White) -> Array:
        """T of all layers (P, a d, a d) at a point where the map was evaluated last, in these white coordinates."""
        known = (
            mine.shape == self._roots[i].shape and np.allclose(mine, self._roots[i], rtol=1e-9, atol=0.0)
            for i, mine in enumerate(white.root)
        )
        if not all(known):
            # Some were solved in coordinates of their own: fewer, or not triangular.
            self.traces(iv, inverse, np.arange(len(white.root)))
        return np.array([self.T[i].whole for i in range(len(white.root))])

    def _seen(self, T: Array, layer: int) -> Array:
        """tr(Σ_sᵀ T_ab) (s, a, a) of a lower triangle T."""
        d, shape = self.batches.d, self.units.rho.shape[1:]
        a = len(T) // d
        whole, lower = (
            part[layer].reshape(-1, d * d) for part in (self.batches.covariance, self.batches.lower)
        )
        seen = np.empty((len(whole), a, a))
        for i, j in lower_pairs(a):
            block = T[i * d : (i + 1) * d, j * d : (j + 1) * d].ravel()
            seen[:, i, j] = (lower if i == j else whole) @ block
            # Σ_cb = Σ_bcᵀ, and T is symmetric.
            seen[:, j, i] = seen[:, i, j].reshape(shape).swapaxes(-1, -2).ravel()
        return seen

    def whole_at(self, el: float) -> Callable[[Array, Places], Array]:
        """x ↦ (V1, N⁻¹) at this penalty, of some of the layers."""
        ridge = el * self.eye_b

        def step(x: Array, which: Places) -> Array:
            part = self.among(which)
            iv = part.iv(x)
            within, top = self.traces(iv, self.unpack(x)[1], which)
            own = averages(part.weights * iv, part.forms[..., self.head :])[..., self.inner_place]
            inverse = inverse_of(ridge + self.inverse_beta * (own + within))
            return self.packed(top[..., self.rows, self.cols], inverse)

        return step


def _some(values: Array, which: Places) -> Array:
    """Some layers; all of them without a copy."""
    return values if len(which) == len(values) else values[which]


class Guess(NamedTuple):
    """What whole covariances change of the points, (P, m), and of the slopes of the map there, (P, m, m): small numbers.

    In units of the entries that the traces alone give (:meth:`System.sizes`).
    """

    shift: Array
    bend: Array


def whole_susceptibilities(
    system: MatrixSystem, el: float, traces: Array, guess: Guess | None, tol: float
) -> tuple[Array, Array]:
    """The fixed points (P, m) near those of the ``traces`` alone, where the slopes of the traces are the second (P, m, m).

    The two maps differ by little, their slopes by less: x ← x + (1 − slope)⁻¹ (whole(x) − x) takes a few evaluations of
    the whole map, the slope of the traces many of the cheap one, once; both are better with a ``guess``. Where that does
    not contract, the general solver goes on. ``ConvergenceError`` where that does not either. ``system.T`` is left there.
    """
    whole = system.whole_at(el)
    slopes, start = _slopes(system, el, traces), traces
    expected = slopes
    if guess is not None:
        size = system.sizes(traces)
        start, expected = traces + guess.shift * size, slopes + in_units(guess.bend, 1.0 / size)
    towards = np.linalg.pinv(np.eye(start.shape[1]) - expected)

    def following(x: Array, which: Places) -> Array:
        step = towards[which] @ (whole(x, which) - x)[..., None]
        moved: Array = x + step[..., 0]
        return moved

    everywhere = np.arange(len(start))
    start = np.where(system.are_admissible(start, everywhere)[:, None], start, traces)
    x, reached = traces.copy(), np.zeros(len(traces), bool)
    # Where steps lead to what is no number, no matrix has eigenvalues.
    with suppress(np.linalg.LinAlgError), np.errstate(all="ignore"):
        found = mixed(
            following, start, system.are_admissible, system.blocks, tol=tol, steps=_STEPS, evaluations=_STEPS
        )
        reached = found.residual <= tol
        x[reached] = found.x[reached]
    for i in np.flatnonzero(~reached):
        place = np.array([i])
        x[i] = solve(
            lambda one, place=place: whole(one[None], place)[0],  # type: ignore[misc]
            x[i],
            physical=lambda one, place=place: bool(system.are_admissible(one[None], place)[0]),  # type: ignore[misc]
            blocks=system.blocks,
            tol=tol,
        ).value
        whole(x[i : i + 1], place)
    return x, slopes


def in_units(slope: Array, size: Array) -> Array:
    """Slopes (P, m, m) of points in units of ``size`` (P, m)."""
    out: Array = slope * size[:, None, :] / size[:, :, None]
    return out


def _slopes(system: System, el: float, x: Array) -> Array:
    """Forward differences of the map of the traces (P, m, m) at points (P, m) of stacked units."""
    cheap = system.map_at(el)
    at, size, slope = cheap(x), np.empty_like(x), np.empty((*x.shape, x.shape[1]))
    for block in system.blocks:
        size[:, block] = np.abs(x[:, block]).max(axis=1, initial=0.0, keepdims=True)
    size[size == 0.0] = 1.0
    step = _INCREMENT * np.maximum(np.abs(x), 1e-3 * size)
    for i in range(x.shape[1]):
        moved = x.copy()
        moved[:, i] += step[:, i]
        slope[:, :, i] = (cheap(moved) - at) / (moved[:, i] - x[:, i])[:, None]
    return slope
