"""The nonlinear sector of the ridge equations: the fixed point of V1 and N⁻¹ (see ``units`` for the symbols)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from asymptotics.anderson import Maps, Places, Truths
from asymptotics.fixed_point import (
    Map,
    Solution,
    amplification,
    amplifications,
    continuation,
    solve,
    solve_many,
)
from asymptotics.generalisation.spiked.ridge_equations import MATRIX, Units, averages
from hermite.errors import ConvergenceError

Array = npt.NDArray[np.float64]
Reals = float | Array


class Inverses(Protocol):
    """What the second moments and the means need of a solution: 1/(om + V) and N⁻¹."""

    @property
    def iv(self) -> Array:
        """(…, K)."""

    @property
    def inverse(self) -> Array:
        """(…, U, B, B)."""


@dataclass(frozen=True)
class Susceptibilities:
    """The solved nonlinear sector: ``iv`` = 1/(om + V(κ)) (K,), ``inverse`` = N⁻¹ (U, B, B), L, T, W (A, A).

    T and W are β T and W/β of the usual normalisation; ``V1`` = W.
    """

    om: float
    iv: Array
    inverse: Array
    L: Array
    T: Array
    W: Array
    solution: Solution


def susceptibilities(
    units: Units,
    alpha: float,
    beta: float,
    lam: float,
    *,
    throw: bool = True,
    start: Susceptibilities | None = None,
) -> Susceptibilities:
    """Fixed point of (V1, N⁻¹): V = μ1ᵀ V1 μ1 + Σ ν tr(Ms N⁻¹), N = el + (α E[Ms/(om+V)] + ρ∘T)/β, V1 = W.

    ``start``: of a layer that is close.
    """
    om, el = (1.0, lam) if beta <= alpha else (lam, 1.0)
    system = System(units, alpha, 1.0 / beta, om)
    solution = _fixed_point(system, el, start)
    if throw and not solution.converged:
        raise ConvergenceError(
            f"the equations of the ridge fit were not solved (residual {solution.residual:.1e} after {solution.iterations} "
            f"evaluations): {cause_of(units.scale, alpha, beta, lam)}",
            solution,
        )
    solution = replace(solution, amplification=amplification(system.map_at(el), solution, system.blocks))
    _, inverse = system.unpack(solution.value)
    iv = system.iv(solution.value)
    return Susceptibilities(om, iv, inverse, *system.responses(iv, inverse), solution)


def susceptibilities_at(units: Units, alpha: Array, beta: Array, lam: Array) -> list[Susceptibilities]:
    """:func:`susceptibilities` at P points with λ > 0 side by side, by mixing alone: it need not have converged."""
    under = beta <= alpha
    om, el = np.where(under, 1.0, lam), np.where(under, lam, 1.0)
    system = System(units, alpha, 1.0 / beta, om)
    maps = system.maps_at(el)
    solutions = solve_many(maps, system.start(el), system.are_admissible, system.blocks)
    good = np.flatnonzero([one.converged for one in solutions])
    if not good.size:
        return system.read(solutions)
    values = np.array([solutions[i].value for i in good]).reshape(len(good), -1)
    grown = amplifications(lambda x, which: maps(x, good[which]), values, system.blocks)
    for i, size in zip(good.tolist(), grown, strict=True):
        solutions[i] = replace(solutions[i], amplification=size)
    return system.read(solutions)


def _fixed_point(system: System, el: float, near: Susceptibilities | None) -> Solution:
    units = system.units
    safe = el if el > 0 else 1e-2 * units.scale
    above = system.start(safe)
    start = above if near is None else system.point_of(near)
    if el == 0:
        start = continuation(system.map_at, [safe, 1e-1 * safe, 1e-2 * safe], above)
        above = start
    return solve(
        system.map_at(el),
        start,
        physical=system.physical,
        newton_start=above,
        blocks=system.blocks,
        throw=False,
    )


#: Features above this mean square have been blown up by training; α/β within this factor of 1 is near interpolation.
_BLOWN_UP, _NEAR = 100.0, 1.25


def cause_of(size: float, alpha: float, beta: float, lam: float) -> str:
    """What makes the equations hard at features of mean square ``size``, as far as that shows, and what to do about it.

    >>> cause_of(1.0, 4.0, 1.0, 0.1)
    'take a larger lambda than 0.1'
    """
    if size > _BLOWN_UP:
        return f"training has blown the features up to a mean square of {size:.2g}; take a smaller training.eta or fewer steps"
    if 1 / _NEAR < alpha / beta < _NEAR:
        return (
            f"alpha = {alpha:.3g} samples a dimension are near the {beta:.3g} distinct neurons (interpolation); take a larger "
            f"lambda than {lam:g}, or another alpha"
        )
    return f"take a larger lambda than {lam:g}"


class System:
    """The map of the susceptibilities on the packed upper triangles of V1 (A, A) and N⁻¹ (U, B, B).

    Points may be many at once, along leading axes; so may α, 1/β and ``om``, each a number or (P,). With ``stacked`` units
    all of them belong to one point of the curve, and what is many are the layers.
    """

    def __init__(self, units: Units, alpha: Reals, inverse_beta: Reals, om: Reals) -> None:
        self.units = units
        self.weights = np.asarray(alpha)[..., None] * units.weights
        self.om, self.inverse_beta = np.asarray(om)[..., None], np.asarray(inverse_beta)[..., None, None]
        a, (u, b) = units.groups, units.members.shape
        self.rows, self.cols, self.place = triangle(a)
        self.inner_rows, self.inner_cols, inner_place = triangle(b)
        self.size = len(self.rows)
        #: Of the entries of all N⁻¹, (U, B, B), and of those on their diagonals.
        self.inner_place = inner_place + len(self.inner_rows) * np.arange(u)[:, None, None]
        self.inner_diagonal = self.inner_place[:, np.arange(b), np.arange(b)].ravel()
        #: Where N⁻¹ begins.
        self.head = self.size
        self.blocks: tuple[slice, ...] = (slice(0, self.size), slice(self.size, None))
        double = np.where(self.rows == self.cols, 1.0, 2.0)
        inner_double = np.where(self.inner_rows == self.inner_cols, 1.0, 2.0)
        pairs = units.mu1[..., self.rows] * units.mu1[..., self.cols]
        spread = units.spread[..., self.inner_rows, self.inner_cols]
        self.forms = np.concatenate([pairs, spread.reshape(*pairs.shape[:-1], -1)], axis=-1)
        self.rho, self.scatter = units.rho, units.scatter
        self.factors = np.concatenate([double, (units.count[:, None] * inner_double).ravel()])
        self.eye_a, self.eye_b, self.u = np.eye(a), np.eye(b), u
        self.left, self.right = units.members[:, :, None], units.members[:, None, :]

    def among(self, which: Places | int) -> Self:
        """The same at some of many points, or at one."""
        part = copy(self)
        if self.forms.ndim > MATRIX:
            if not isinstance(which, int) and len(which) == len(self.forms):
                return self
            part.weights, part.forms = self.weights[which], self.forms[which]
            part.rho, part.scatter = self.rho[which], self.scatter[which]
            return part
        part.weights, part.om = self.weights[which], self.om[which]
        part.inverse_beta = self.inverse_beta[which]
        return part

    def read(self, solutions: Sequence[Solution]) -> list[Susceptibilities]:
        """What many points found."""
        x = np.array([one.value for one in solutions])
        _, inverse = self.unpack(x)
        iv = self.iv(x)
        parts = zip(self.om[:, 0].tolist(), iv, inverse, *self.responses(iv, inverse), solutions, strict=True)
        return [Susceptibilities(*part) for part in parts]

    def maps_at(self, el: Array) -> Maps:
        """:meth:`map_at` of many points, some of which are asked for."""
        return lambda x, which: self.among(which).map_at(el[which])(x)

    def start(self, el: Reals) -> Array:
        """The safe start above the solution: V1 = diag(π)/el, N = el."""
        top = np.diag(self.units.fractions)[self.rows, self.cols]
        low = np.tile(self.eye_b[self.inner_rows, self.inner_cols], self.u)
        found: Array = np.concatenate([top, low]) / np.asarray(el)[..., None]
        return found

    def unpack(self, x: Array) -> tuple[Array, Array]:
        """V1 (A, A) and N⁻¹ (U, B, B)."""
        return x[..., : self.size][..., self.place], x[..., self.head :][..., self.inner_place]

    def variance(self, x: Array) -> Array:
        """V(κ) (K,)."""
        return _sums(self.forms, self.factors * x)

    def iv(self, x: Array) -> Array:
        """1/(om + V(κ)) (K,)."""
        inverse: Array = 1.0 / (self.om + self.variance(x))
        return inverse

    def physical(self, x: Array) -> bool:
        """N⁻¹ > 0 on the diagonal and V(κ) > 0."""
        return bool(self.are_physical(x))

    def are_physical(self, x: Array) -> Truths:
        """:meth:`physical` of points along a leading axis."""
        inner = x[..., self.head :][..., self.inner_diagonal]
        found: Truths = (inner.min(axis=-1) > 0) & (self.variance(x).min(axis=-1) > 0)
        return found

    def are_admissible(self, x: Array, which: Places) -> Truths:
        """:meth:`are_physical` of some of many points."""
        return self.among(which).are_physical(x)

    def hat(self, iv: Array) -> Array:
        """Vh = α E[μ1 μ1ᵀ iv] (A, A)."""
        packed = averages(self.weights * iv, self.forms[..., : self.size])
        return packed[..., self.place]

    def responses(self, iv: Array, inverse: Array) -> tuple[Array, Array, Array]:
        """L = (I + Vh D)⁻¹, T = L Vh, W = D L, with Vh = α E[μ1 μ1ᵀ iv] and D = Σ scat(ν ρ∘N⁻¹)."""
        units = self.units
        hat = self.hat(iv)
        weighted = units.count[:, None, None] * inverse
        D = _sums(self.scatter, weighted.reshape(*weighted.shape[:-3], -1)).reshape(hat.shape)
        L = inverse_of(self.eye_a + hat @ D)
        return L, L @ hat, D @ L

    def feedback(self, iv: Array, inverse: Array) -> tuple[Array, Array]:
        """ρ∘T[u] (U, B, B) and the upper triangle of W (A, A)."""
        _, T, W = self.responses(iv, inverse)
        return self.rho * T[..., self.left, self.right], W[..., self.rows, self.cols]

    def map_at(self, el: Reals) -> Map:
        """x ↦ (V1, N⁻¹) at this penalty."""
        ridge = np.multiply.outer(el, self.eye_b)[..., None, :, :]

        def step(x: Array) -> Array:
            iv = self.iv(x)
            within, top = self.feedback(iv, x[..., self.head :][..., self.inner_place])
            own = averages(self.weights * iv, self.forms[..., self.head :])[..., self.inner_place]
            return self.packed(top, inverse_of(ridge + self.inverse_beta[..., None] * (own + within)))

        return step

    def point_of(self, sus: Susceptibilities) -> Array:
        """The point (m,) of solved susceptibilities."""
        return self.packed(sus.W[..., self.rows, self.cols], sus.inverse)

    def sizes(self, x: Array) -> Array:
        """What the entries of the matrices of a point are small or large to: √(M_ii M_jj) of M_ij, packed."""
        roots = (np.sqrt(np.abs(np.diagonal(matrix, axis1=-2, axis2=-1))) for matrix in self.unpack(x))
        top, inverse = (root[..., :, None] * root[..., None, :] for root in roots)
        return self.packed(top[..., self.rows, self.cols], inverse)

    def packed(self, top: Array, inverse: Array) -> Array:
        """Points of a packed V1 (…, ·) and N⁻¹ (…, U, B, B)."""
        inner = inverse[..., self.inner_rows, self.inner_cols]
        return np.concatenate([top, inner.reshape(*inner.shape[:-2], -1)], axis=-1)


def _sums(functions: Array, coefficients: Array) -> Array:
    """Sums of the m columns of ``functions`` (K, m), or (P, K, m), with ``coefficients`` (…, m): (…, K)."""
    if functions.ndim == MATRIX:
        out: Array = coefficients @ functions.T
        return out
    return np.asarray((functions @ coefficients[..., None])[..., 0])


def triangle(
    size: int,
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns of the upper triangle, and the place (size, size) of every entry of a symmetric matrix in it."""
    rows, cols = np.triu_indices(size)
    place = np.empty((size, size), np.intp)
    place[rows, cols] = place[cols, rows] = np.arange(len(rows))
    return rows, cols, place


def inverse_of(matrix: Array) -> Array:
    """Inverses (…, n, n); those of two rows in closed form, as a call of NumPy's costs ten times the arithmetic."""
    if matrix.shape[-1] != 2:
        out: Array = np.asarray(np.linalg.inv(matrix), np.float64)
        return out
    adjugate = np.empty_like(matrix)
    adjugate[..., 0, 0], adjugate[..., 1, 1] = matrix[..., 1, 1], matrix[..., 0, 0]
    adjugate[..., 0, 1], adjugate[..., 1, 0] = -matrix[..., 0, 1], -matrix[..., 1, 0]
    determinant = matrix[..., 0, 0] * matrix[..., 1, 1] - matrix[..., 0, 1] * matrix[..., 1, 0]
    if not np.all(determinant):
        raise np.linalg.LinAlgError("Singular matrix")
    return adjugate / determinant[..., None, None]
