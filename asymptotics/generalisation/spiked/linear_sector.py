"""The linear sectors of the ridge equations and the errors that they give (see ``units`` for the symbols)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.meaning import InfiniteTestError
from asymptotics.generalisation.spiked.first_moments import (
    first_moments,
    mean_response,
    residual_covariances,
)
from asymptotics.generalisation.spiked.nonlinear_sector import Susceptibilities, susceptibilities
from asymptotics.generalisation.spiked.one_group import Numbers, Plain, Point, is_plain
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.transfers import Transfers, transfers
from hermite.errors import ConvergenceError, InputError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Errors of the ridge fit; ``norm2`` = ‖a‖²/d, ``means`` = t (A,), ``alignment`` = B (A, k + r).

    ``common``, ``freedom``: relative changes of test and train error by the coherence of the groups' mean residuals, and by
    the degrees of freedom of means, spikes and θ (included; None where they are not). ``finite``: that of the test error by
    the means of the features at finite d, relative to what it is with them (included).
    """

    test: float
    train: float
    norm2: float
    means: Array
    alignment: Array
    sus: Susceptibilities
    common: tuple[float, float] = (0.0, 0.0)
    freedom: tuple[float, float] | None = None
    finite: float = 0.0

    @property
    def alone(self) -> Errors:
        """The errors without the sector's degrees of freedom."""
        if self.freedom is None:
            return self
        test, train = (1 + change for change in self.freedom)
        return replace(self, test=self.test / test, train=self.train / train, freedom=None)

    @property
    def solver_error(self) -> float | None:
        """Relative error of the test error that the solver of the susceptibilities leaves."""
        return self.sus.solution.error_of_a_response

    @property
    def order_parameters(self) -> dict[str, object]:
        """What the equations found, for the reader."""
        return {
            "V1": self.sus.W,
            "N_inverse": self.sus.inverse,
            "t": self.means,
            "B": self.alignment,
            "readout_norm2_per_d": self.norm2,
        }


def solve_units(
    units: Units, alpha: float, beta: float, lam: float, *, d: int | None = None, throw: bool = True
) -> Errors:
    """Errors of ridge regression at n = α d samples and p = β d neurons (β = ∞: kernel ridge), penalty λ‖a‖².

    ``d``: include the O(1/d) terms carried by the group means of the readout. ``InputError`` at λ = 0 where the
    estimator or its error does not exist; ``ConvergenceError`` unless ``throw`` is false.
    """
    refuse_singular(units, alpha, beta, lam)
    if is_plain(units) and units.coherence is None:
        (errors,) = _in_closed_form(units, [Point(alpha, beta, lam, math.inf if d is None else d)])
        if errors is not None:
            return errors
    return _in_general(units, alpha, beta, lam, d, throw)


def solve_points(units: Units, points: Sequence[Point]) -> list[Errors | None]:
    """``solve_units`` at many points of plain units, those that are solved in closed form; None for any other.

    All points are worked out at once; refusals are the caller's (:func:`refuse_singular`).
    """
    return _in_closed_form(units, points) if is_plain(units) and points else [None] * len(points)


def _in_closed_form(units: Units, points: Sequence[Point]) -> list[Errors | None]:
    found = Plain(units, points).errors()
    solved = found.solved
    return [_errors_at(found, i) if solved[i] else None for i in range(len(points))]


def _errors_at(found: Numbers, i: int) -> Errors:
    L, T, W = (values[i].reshape(1, 1) for values in (found.L, found.T, found.W))
    sus = Susceptibilities(
        float(found.om[i]), found.iv[i : i + 1], found.inverse[i].reshape(1, 1, 1), L, T, W, found.solution(i)
    )
    return Errors(
        float(found.test[i]),
        float(found.train[i]),
        float(found.norm2[i]),
        found.means[i : i + 1],
        found.alignment[i : i + 1],
        sus,
    )


def _in_general(units: Units, alpha: float, beta: float, lam: float, d: int | None, throw: bool) -> Errors:
    sus = susceptibilities(units, alpha, beta, lam, throw=throw)
    try:
        found = _errors_of(units, sus, alpha, beta, d)
        if d is None:
            return found
        if found.test > 0:
            limit = _errors_of(units, sus, alpha, beta, None).test
            found = replace(found, finite=1.0 - limit / found.test)
        if units.coherence is None or not np.any(units.coherence):
            return found
        alone = _errors_of(replace(units, coherence=None), sus, alpha, beta, d)
    except np.linalg.LinAlgError:
        raise ConvergenceError(
            "The errors at the fixed point are undetermined (a singular system): choose a larger regularisation.",
            sus.solution,
        ) from None
    changes = (found.test / alone.test - 1, found.train / alone.train - 1)
    return replace(found, common=changes)


def counting_the_sector(
    units: Units, errors: Errors, alpha: float, beta: float, lam: float, d: int
) -> Errors:
    """``errors`` of ``solve_units`` at d with the variance and leverage of means, spikes and θ, and directions of degree 2.

    Without them where there are too many directions or too few neurons; see ``sector_freedom``.
    """
    from asymptotics.generalisation.spiked.sector_freedom import covers_sector, with_freedom

    if not errors.sus.solution.converged or not covers_sector(units, alpha, beta, d):
        return errors
    solved = with_freedom(units, errors.sus, alpha, beta, lam, d)
    if solved is None:
        return errors
    system, sus = solved
    try:
        found = _errors_of(units, sus, alpha, beta, d, system.transfers(sus))
    except np.linalg.LinAlgError:
        return errors
    changes = (found.test / errors.test - 1, found.train / errors.train - 1)
    if not (found.test > 0 and found.train >= 0 and abs(changes[0]) < NO_TERM):
        return errors
    return replace(found, common=errors.common, freedom=changes, finite=errors.finite)


#: A relative change by terms of order 1/n that is no small term.
NO_TERM = 0.5


def _errors_of(
    units: Units,
    sus: Susceptibilities,
    alpha: float,
    beta: float,
    d: int | None,
    sector: Transfers | None = None,
) -> Errors:
    """The two linear sectors at solved susceptibilities; ``sector``: maps of the second moments that count it."""
    quadratic = sector is not None and units.f2 is not None
    first = first_moments(units, sus, alpha, beta, d, quadratic=quadratic)
    e = first.conjugate[units.members]
    fields = np.einsum("ubcef,ube,ucf->ubc", residual_covariances(units, d if quadratic else None), e, e)
    source, eps0 = source_of(units, sus, fields, first.means, d), first.eps0
    if (common := coherent_means(units, first.means, beta, d)) is not None:
        source = source + on_members(units, sus.T @ common @ sus.T)
        eps0 = eps0 + np.sum((units.mu1 @ (sus.L.T @ common @ sus.L)) * units.mu1, axis=1)
    maps = transfers(units, sus) if sector is None else sector
    error, norm2 = second_moments(units, sus, maps, alpha, beta, eps0, source, with_sector=sector is not None)
    test = float(units.weights @ error)
    train = float(units.weights @ (error * (sus.om * sus.iv) ** 2))
    return Errors(test, train, norm2, first.means, first.alignment[:, : units.v.shape[-1]], sus)


def refuse_singular(units: Units, alpha: float, beta: float, lam: float) -> None:
    """``InputError`` where λ = 0 has no finite answer: at interpolation, or for features without a nonlinear part."""
    if lam > 0:
        return
    same = units.members[:, 0] == units.members[:, -1] if units.members.shape[1] == 2 else np.zeros(1, bool)
    if np.any(same) and beta <= alpha:
        raise InputError("lambda = 0 with equal neurons: their features are degenerate; choose lambda > 0.")
    if np.isclose(alpha, beta, rtol=1e-9, atol=0.0):
        raise InfiniteTestError(
            f"lambda = 0 at alpha = {alpha:g} equal to the number of distinct features per dimension: the test error "
            "is infinite at interpolation; choose lambda > 0 or another ratio."
        )
    if float(np.max(np.abs(units.spread), initial=0.0)) <= 1e-13 * units.scale:
        raise InputError(
            "lambda = 0 with a linear activation: the features are degenerate; choose lambda > 0."
        )


# Second moments -------------------------------------------------------------------------------------------------


def second_moments(
    units: Units,
    sus: Susceptibilities,
    maps: Transfers,
    alpha: float,
    beta: float,
    eps0: Array,
    source: Array,
    *,
    with_sector: bool = False,
) -> tuple[Array, float]:
    """Conditional test error eps(κ) (K,) and ‖a‖²/d.

    With φ = (μ1 μ1ᵀ, Ms), q = α E[φ iv² eps], X = qs + (X from q1) + (X from Z)/β + source, Z = ν N⁻¹ X N⁻¹ = β Qs and
    Q1⊥ = (from q1) + (from Z)/β:  eps = eps0 + μ1ᵀ Q1⊥ μ1 + Σ tr(Ms Z)/β. Linear in eps, which differs from eps0 by a
    combination of the few functions of κ in φ: that is the system solved. ``with_sector``: φ and ``maps`` are those of
    ``sector_freedom``.
    """
    u, b = units.members.shape
    phi = units.sector_features if with_sector else units.features
    basis, loading = units.sector_compressed if with_sector else units.compressed
    first = phi.shape[1] - u * b * b
    weighted = phi.T * (alpha * units.weights * sus.iv**2)
    own = units.count[:, None, None, None, None] * np.einsum("uij,ukl->uikjl", sus.inverse, sus.inverse)
    NN = np.zeros((u, b * b, u, b * b))
    NN[np.arange(u), :, np.arange(u), :] = own.reshape(u, b * b, b * b)
    NN = NN.reshape(u * b * b, -1)
    spreading = np.linalg.solve(np.eye(len(NN)) - NN @ maps.x_from_z / beta, NN)

    def response(eps: Array, source: Array) -> tuple[Array, Array]:
        """(Q1⊥, Z/β) and Z of the columns of ``eps`` and of the sources of X."""
        q = weighted @ eps
        Z = spreading @ (q[first:] + maps.x_from_q @ q[:first] + source)
        Q = maps.q_from_q @ q[:first] + maps.x_from_q.T @ Z / beta
        return np.concatenate([Q, Z / beta]), Z

    column = source.reshape(-1, 1)
    slope, _ = response(basis, np.zeros_like(column))
    offset, _ = response(eps0[:, None], column)
    shift = np.linalg.solve(np.eye(basis.shape[1]) - loading @ slope, loading @ offset)
    eps = eps0 + (basis @ shift)[:, 0]
    _, Z = response(eps[:, None], column)
    return eps, float(np.einsum("ubb->", Z.reshape(u, b, b)))


def coherent_means(units: Units, means: Array, beta: float, d: int | None) -> Array | None:
    """t tᵀ∘(coherence)/(β d) (A, A): the means' part of the Gram matrix of residuals; None where there is none."""
    if d is None or units.coherence is None:
        return None
    out: Array = np.outer(means, means) * units.coherence / (beta * d)
    return out


def on_members(units: Units, matrix: Array) -> Array:
    """ρ∘M[u] (U, B, B): a matrix of the groups at those of each unit."""
    members = units.members
    out: Array = units.rho * matrix[members[:, :, None], members[:, None, :]]
    return out


def source_of(units: Units, sus: Susceptibilities, fields: Array, means: Array, d: int | None) -> Array:
    """What the mean fields add to X (U, B, B): ``fields`` = Σ v e e', and at finite d the variance of the group means."""
    if d is None:
        return fields
    h = np.linalg.solve(mean_response(units, sus), means)[units.members]
    varied: Array = fields + h[:, :, None] * h[:, None, :] / d
    return varied
