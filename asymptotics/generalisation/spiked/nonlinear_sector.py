"""The nonlinear sector of the ridge equations: the fixed point of V1 and N⁻¹ (see ``units`` for the symbols)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.fixed_point import Map, Solution, amplification, continuation, solve
from asymptotics.generalisation.spiked.ridge_equations import Units

Array = npt.NDArray[np.float64]


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
    units: Units, alpha: float, beta: float, lam: float, *, throw: bool = True
) -> Susceptibilities:
    """Fixed point of (V1, N⁻¹): V = μ1ᵀ V1 μ1 + Σ ν tr(Ms N⁻¹), N = el + (α E[Ms/(om+V)] + ρ∘T)/β, V1 = W."""
    om, el = (1.0, lam) if beta <= alpha else (lam, 1.0)
    system = System(units, alpha, 1.0 / beta, om)
    solution = _fixed_point(system, el, throw)
    solution = replace(solution, amplification=amplification(system.map_at(el), solution, system.blocks))
    _, inverse = system.unpack(solution.value)
    iv = system.iv(solution.value)
    return Susceptibilities(om, iv, inverse, *system.responses(iv, inverse), solution)


def _fixed_point(system: System, el: float, throw: bool) -> Solution:
    units = system.units
    safe = el if el > 0 else 1e-2 * units.scale
    above = system.start(safe)
    start = above
    if el == 0:
        start = continuation(system.map_at, [safe, 1e-1 * safe, 1e-2 * safe], above)
        above = start
    return solve(
        system.map_at(el),
        start,
        physical=system.physical,
        newton_start=above,
        blocks=system.blocks,
        throw=throw,
    )


class System:
    """The map of the susceptibilities on the packed upper triangles of V1 (A, A) and N⁻¹ (U, B, B)."""

    def __init__(self, units: Units, alpha: float, inverse_beta: float, om: float) -> None:
        self.units, self.alpha, self.inverse_beta, self.om = units, alpha, inverse_beta, om
        a, (u, b) = units.groups, units.members.shape
        self.rows, self.cols = np.triu_indices(a)
        self.inner_rows, self.inner_cols = np.triu_indices(b)
        self.size = len(self.rows)
        #: Where N⁻¹ begins.
        self.head = self.size
        self.blocks: tuple[slice, ...] = (slice(0, self.size), slice(self.size, None))
        double = np.where(self.rows == self.cols, 1.0, 2.0)
        inner_double = np.where(self.inner_rows == self.inner_cols, 1.0, 2.0)
        pairs = units.mu1[:, self.rows] * units.mu1[:, self.cols]
        spread = units.spread[:, :, self.inner_rows, self.inner_cols]
        self.forms = np.concatenate([pairs, spread.reshape(len(pairs), -1)], axis=1)
        self.factors = np.concatenate([double, (units.count[:, None] * inner_double).ravel()])
        self.eye_a, self.eye_b, self.u = np.eye(a), np.eye(b), u

    def start(self, el: float) -> Array:
        """The safe start above the solution: V1 = diag(π)/el, N = el."""
        top = np.diag(self.units.fractions / el)[self.rows, self.cols]
        low = np.tile(self.eye_b[self.inner_rows, self.inner_cols] / el, self.u)
        return np.concatenate([top, low])

    def unpack(self, x: Array) -> tuple[Array, Array]:
        """V1 (A, A) and N⁻¹ (U, B, B)."""
        return self._fill(x[: self.size]), self._fill_inner(x[self.head :])

    def _fill(self, x: Array) -> Array:
        out = np.empty_like(self.eye_a)
        out[self.rows, self.cols] = x
        out[self.cols, self.rows] = x
        return out

    def _fill_inner(self, x: Array) -> Array:
        values = x.reshape(self.u, -1)
        out = np.empty((self.u, *self.eye_b.shape))
        out[:, self.inner_rows, self.inner_cols] = values
        out[:, self.inner_cols, self.inner_rows] = values
        return out

    def variance(self, x: Array) -> Array:
        """V(κ) (K,)."""
        variance: Array = self.forms @ (self.factors * x)
        return variance

    def iv(self, x: Array) -> Array:
        """1/(om + V(κ)) (K,)."""
        return 1.0 / (self.om + self.variance(x))

    def physical(self, x: Array) -> bool:
        """N⁻¹ > 0 on the diagonal and V(κ) > 0."""
        inner = x[self.head :].reshape(self.u, -1)[:, self.inner_rows == self.inner_cols]
        return bool(np.all(inner > 0) and np.all(self.variance(x) > 0))

    def hat(self, iv: Array) -> Array:
        """Vh = α E[μ1 μ1ᵀ iv] (A, A)."""
        return self._fill(self.forms[:, : self.size].T @ (self.alpha * self.units.weights * iv))

    def responses(self, iv: Array, inverse: Array) -> tuple[Array, Array, Array]:
        """L = (I + Vh D)⁻¹, T = L Vh, W = D L, with Vh = α E[μ1 μ1ᵀ iv] and D = Σ scat(ν ρ∘N⁻¹)."""
        units = self.units
        hat = self.hat(iv)
        weighted = units.count[:, None, None] * inverse
        D = (units.scatter @ weighted.ravel()).reshape(self.eye_a.shape)
        L: Array = np.asarray(np.linalg.inv(self.eye_a + hat @ D), dtype=np.float64)
        return L, L @ hat, D @ L

    def feedback(self, iv: Array, inverse: Array) -> tuple[Array, Array]:
        """ρ∘T[u] (U, B, B) and the upper triangle of W (A, A)."""
        _, T, W = self.responses(iv, inverse)
        members = self.units.members
        return self.units.rho * T[members[:, :, None], members[:, None, :]], W[self.rows, self.cols]

    def map_at(self, el: float) -> Map:
        """x ↦ (V1, N⁻¹) at this penalty."""
        units = self.units

        def step(x: Array) -> Array:
            iv = self.iv(x)
            within, top = self.feedback(iv, self._fill_inner(x[self.head :]))
            own = self._fill_inner(self.forms[:, self.head :].T @ (self.alpha * units.weights * iv))
            N = el * self.eye_b + self.inverse_beta * (own + within)
            inverse = np.linalg.inv(N)
            return np.concatenate([top, inverse[:, self.inner_rows, self.inner_cols].ravel()])

        return step
