r"""Plateaus of targets that are no polynomials, by quadrature split at the kinks.

    floor(U, κ) = E f² − Σ_{|β| ≤ κ} E_x[ (E[f h_β(z_⊥) | z_U = x])² ],   h_β orthonormal Hermite polynomials on U⊥.

The outer rule (over x = z_U) and the inner rule (over z_⊥) are chosen so that f is smooth between their breakpoints;
where that is not possible many points are used. ``error`` is what a coarser rule changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.known_moments import known_moments
from asymptotics.expectations.quadrature import hermite_values
from asymptotics.expectations.target_rule import energy_of
from asymptotics.stairway.expansion_floors import floors_at_start, knows_energy, proved_after
from asymptotics.stairway.floor_rules import STEP, Grid, basis_of, grid_of, planes_of
from asymptotics.stairway.visibility import Visible
from hermite.errors import ConvergenceError, InputError
from hermite.exact.exactness import Exactness
from hermite.target import Target, named_part

Array = npt.NDArray[np.float64]
Planes = Sequence[tuple[Array, float]]

#: Errors relative to E f² that are small enough, and too large; steps are divided by at most _FINEST.
_GOAL, _REFUSED = 1e-8, 0.05
#: Floors below this share of E f², which are differences of parts of it, are rounding.
_LOST = 1e-13
_FINEST = {1: 64.0, 2: 4.0, 3: 1.0, 4: 1.0, 5: 1.0, 6: 1.0}
#: Points at which f is computed at once: what is computed on the way stays in the cache.
_AT_ONCE = 1 << 16
#: Numbers of one piece of a sum over points.
_IN_CACHE = 1 << 18
#: Values of f above this, or all below its inverse, have squares that are no floats.
_LARGEST = 1e150


class NumericalFloors:
    """The stairway of any target with E f² < ∞; subspaces are orthonormal rows (k, r) in orthonormal coordinates."""

    exactness = Exactness.NUMERICAL
    degree: int | None = None

    def __init__(self, f: Target) -> None:
        # A variable that the expression does not name matters nowhere, and would cost an axis.
        self.variables, (self.f, self.places) = f.r, named_part(f)
        f = self.f
        if f.r > max(STEP):
            raise InputError(
                f"plateaus of a target that is no polynomial need at most {max(STEP)} directions, not {f.r}."
            )
        self.planes = [] if f.tree is None else planes_of(f)
        self._seen_error = 0.0
        self._lost: list[tuple[list[float], Visible]] = []
        self.fineness = 1.0
        self._kept: dict[tuple[Any, ...], tuple[Array, Grid, Array]] = {}

    def start(self) -> Array:
        """U_0 = {0}."""
        return np.zeros((0, self.f.r))

    def dim(self, learned: Array) -> int:
        """Its dimension."""
        return len(learned)

    def strings(self, learned: Array) -> list[list[str]]:
        """Row-reduced echelon form in the named variables; entries close to a small fraction are written as one."""
        # A direction Σ x_i e_i is Σ_i v_i w_i with v = x L⁻¹.
        rows = learned @ np.linalg.inv(self.f.cholesky)
        whole = np.zeros((len(rows), self.variables))
        whole[:, list(self.places)] = _reduced(rows)
        return [[_text(x) for x in row] for row in whole]

    def floors(self, learned: Array, kappa: int, visible: Visible) -> list[float]:
        """For κ = 0..``kappa``; never negative; at U = {0} by the exact expansion where it is decided, at U = V nothing."""
        if len(learned) == self.f.r and visible.everything:
            return [0.0] * (kappa + 1)
        exact = None if len(learned) else floors_at_start(self.f, kappa, visible)
        if exact is not None:
            return exact
        energy = energy_of(self.f)
        while True:
            fine, coarse = (self._floors(learned, kappa, visible, self.fineness * k) for k in (1.0, 0.75))
            error = max(abs(a - b) for a, b in zip(fine, coarse, strict=True))
            if not len(learned):
                mean, _, square = known_moments(self.f) or (0.0, None, None)
                error = max(error, 0.0 if square is None else abs(fine[0] - (square - mean**2)))
            if error <= _GOAL * energy or 2 * self.fineness > _FINEST[self.f.r]:
                break
            # Steep or narrow: the same rules with smaller steps, for all that follows.
            self.fineness *= 2
        if error > _REFUSED * energy:
            raise ConvergenceError(
                f"the plateaus of {self.f.text!r} are known to {error:.1e} only, of a second moment {energy:.3g}: "
                "its averages need finer rules than there are"
            )
        self._seen_error = max(self._seen_error, error)
        self._lost.append((fine, visible))
        return fine

    @property
    def error(self) -> float:
        """What a coarser rule changes at most, and how large floors told as 0 may be, for which the expansion is asked."""
        while self._lost:
            self._seen_error = max(self._seen_error, self._doubt(*self._lost.pop()))
        return self._seen_error

    def _doubt(self, floors: list[float], visible: Visible) -> float:
        """How large the floors that rounding cannot tell from 0 may be: at most what nothing learned leaves."""
        lost = [k for k, floor in enumerate(floors) if floor == 0]
        if not lost:
            return 0.0
        start = floors_at_start(self.f, lost[-1], visible)
        most = math.inf if start is None else max(start[k] for k in lost)
        return min(_LOST * energy_of(self.f), most)

    def next(self, learned: Array, visible: Visible) -> Array:
        """U + span over x of E[f z_⊥ | z_U = x]: proved, or by the eigenvectors of its second moment above the error."""
        k, r = len(learned), self.f.r
        if k == r:
            return learned
        proved = proved_after(self.f, k) if visible.everything else None
        if proved is not None:
            return proved if len(proved) > k else learned
        basis, grid, values = self._sampled(learned, self.fineness)
        linear = np.einsum(
            "kn,kn,kni->ki", values, np.broadcast_to(grid.wy, values.shape), _inner_nodes(grid, values)
        )
        moment = _visible_moment(grid, linear, 1, visible)
        size, vectors = np.linalg.eigh(moment)
        total = float(grid.wx @ np.sum(grid.wy * values**2, axis=1))
        share = self._seen_error / total if total else 0.0
        kept = vectors[:, size > max(1e-14, (10 * share) ** 2) * total]
        rows = np.concatenate([learned, kept.T @ basis[k:]])
        return np.linalg.svd(rows, full_matrices=False)[2][: len(rows)] if len(rows) else rows

    def _floors(self, learned: Array, kappa: int, visible: Visible, refine: float) -> list[float]:
        k, r = len(learned), self.f.r
        _, grid, values = self._sampled(learned, refine)
        total = float(grid.wx @ np.sum(grid.wy * values**2, axis=1))
        scale = max(total, 1e-300)
        out: list[float] = []
        levels = [list(_multi_indices(r - k, level)) for level in range(kappa + 1)]
        parts = iter(_projected(grid.y, values * grid.wy, [beta for own in levels for beta in own]).T)
        for level, own in enumerate(levels):
            for _ in own:
                total -= float(_visible_moment(grid, next(parts)[:, None], level, visible)[0, 0])
            out.append(total if total > _LOST * scale else 0.0)
        return out

    def _sampled(self, learned: Array, refine: float) -> tuple[Array, Grid, Array]:
        """(basis, rule, values of f) at a subspace; those of the last subspace are kept, whatever is asked of them."""
        key = (refine, learned.shape, learned.tobytes())
        if key not in self._kept:
            basis = basis_of(self.planes, learned, self.f.r)
            grid = grid_of(self.planes, basis, len(learned), refine)
            self._kept = {k: v for k, v in self._kept.items() if k[1:] == key[1:]}
            self._kept[key] = basis, grid, self._values(grid, basis)
        return self._kept[key]

    def _values(self, grid: Grid, basis: Array) -> Array:
        k = grid.x.shape[1]
        values: Array = np.empty((len(grid.x), grid.y.shape[1]))
        along = min(values.shape[1], _AT_ONCE)
        down = max(1, _AT_ONCE // along)
        with np.errstate(all="ignore"):
            # In pieces: the points themselves, and what an expression computes on the way, take several times the memory.
            for first in range(0, len(values), down):
                rows = slice(first, first + down)
                outer = (grid.x[rows] @ basis[:k])[:, None, :]
                inner = grid.y if len(grid.y) == 1 else grid.y[rows]
                for start in range(0, values.shape[1], along):
                    piece = slice(start, start + along)
                    points = outer + inner[:, piece] @ basis[k:]
                    values[rows, piece] = self.f(points.reshape(-1, self.f.r)).reshape(points.shape[:-1])
        largest = float(np.max(np.abs(values), initial=0.0))
        # Where all values of an expression are 0, they may lie below the floats, or the function far out.
        too_small = largest < 1 / _LARGEST and (largest > 0 or not knows_energy(self.f))
        if largest == 0.0 and too_small:
            raise InputError(
                f"every value of {self.f.text!r} is 0 in floating point, and it is not proved to be 0: scale it."
            )
        if not largest < _LARGEST or too_small:
            raise InputError(
                f"plateaus of {self.f.text!r} need values between {1 / _LARGEST:g} and {_LARGEST:g}, so that their squares "
                "are numbers: scale it."
            )
        return values


def _inner_nodes(grid: Grid, values: Array) -> Array:
    return np.broadcast_to(grid.y, (*values.shape, grid.y.shape[2]))


def _multi_indices(n: int, degree: int) -> Iterator[tuple[int, ...]]:
    """All β ∈ N^n with |β| = ``degree``."""
    for chosen in combinations_with_replacement(range(n), degree):
        yield tuple(chosen.count(i) for i in range(n))


def _projected(y: Array, weighted: Array, betas: Sequence[tuple[int, ...]]) -> Array:
    """Σ_n weighted_kn h_β(y_kn) for every β, (K, number of β); ``y`` (K or 1, N, m), ``weighted`` (K, N).

    In pieces that stay in the cache: each axis has its polynomials once, and each β one product.
    """
    out = np.zeros((len(weighted), len(betas)))
    step = max(1, _IN_CACHE // (len(y) * len(betas)))
    for start in range(0, y.shape[1], step):
        piece = slice(start, start + step)
        products = _products(y[:, piece], betas)
        if len(y) == 1:
            out += weighted[:, piece] @ products[:, 0].T
        else:
            out += np.einsum("kn,bkn->kb", weighted[:, piece], products)
    return out


def _products(y: Array, betas: Sequence[tuple[int, ...]]) -> Array:
    """h_β(y) for every β, (number of β, *shape of ``y`` without its last axis)."""
    along = hermite_values(np.moveaxis(y, -1, 0), max(map(max, betas), default=0) if betas[0] else 0)
    out = np.ones((len(betas), *y.shape[:-1]))
    known: dict[tuple[int, ...], int] = {}
    for place, beta in enumerate(betas):
        used = [i for i, b in enumerate(beta) if b]
        if used:
            last = used[-1]
            rest = known.get((*beta[:last], *(0,) * (len(beta) - last)))
            own = along[beta[last], last]
            if rest is None:
                out[place] = own
                for i in used[:-1]:
                    out[place] *= along[beta[i], i]
            else:
                np.multiply(out[rest], own, out=out[place])
        known[beta] = place
    return out


def _visible_moment(grid: Grid, g: Array, outside: int, visible: Visible) -> Array:
    """E_x[g gᵀ] (m, m) of ``g`` (K, m), restricted to degrees j in x for which j + ``outside`` is visible."""
    if visible.everything:
        full: Array = (grid.wx[:, None] * g).T @ g
        return full
    total = np.zeros((g.shape[1], g.shape[1]))
    for parity in (0, 1):
        part = (g + (-1) ** parity * g[grid.mirror]) / 2
        limit = visible.odd if (parity + outside) % 2 else visible.even
        if math.isinf(limit):
            total += (grid.wx[:, None] * part).T @ part
            continue
        for degree in range(parity, int(limit) - outside + 1, 2):
            for alpha in _multi_indices(grid.x.shape[1], degree):
                coefficient = (grid.wx * _products(grid.x, [alpha])[0]) @ part
                total += np.outer(coefficient, coefficient)
    return total


def _reduced(rows: Array) -> Array:
    """Reduced row-echelon form with a pivot threshold of 1e-7."""
    m = np.array(rows, float)
    row = 0
    for column in range(m.shape[1] if m.size else 0):
        pivot = row + int(np.argmax(np.abs(m[row:, column]))) if row < len(m) else row
        if row == len(m) or abs(m[pivot, column]) < 1e-7:
            continue
        m[[row, pivot]] = m[[pivot, row]]
        m[row] /= m[row, column]
        for other in range(len(m)):
            if other != row:
                m[other] -= m[other, column] * m[row]
        row += 1
    return m


def _text(x: float) -> str:
    near = Fraction(x).limit_denominator(100)
    return str(near) if abs(float(near) - x) < 1e-7 else f"{x:.9g}"
