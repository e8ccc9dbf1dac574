"""The linear sectors of the ridge equations and the errors that they give (see ``units`` for the symbols)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.meaning import InfiniteTestError
from asymptotics.generalisation.spiked.first_moments import (
    FirstEquations,
    FirstMoments,
    mean_costs,
    mean_response,
    residual_covariances,
    transposed,
)
from asymptotics.generalisation.spiked.nonlinear_sector import (
    Inverses,
    Susceptibilities,
    susceptibilities,
    susceptibilities_at,
)
from asymptotics.generalisation.spiked.one_group import Numbers, Plain, Point, is_plain
from asymptotics.generalisation.spiked.ridge_equations import Units, averages
from asymptotics.generalisation.spiked.second_moments import second_moments
from asymptotics.generalisation.spiked.transfers import Transfers, transfers
from hermite.errors import ConvergenceError, InputError

if TYPE_CHECKING:
    from asymptotics.generalisation.spiked.sector_freedom import FreedomSystem

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Errors of the ridge fit; ``norm2`` = ‖a‖²/d, ``means`` = t (A,), ``alignment`` = B (A, k + r).

    ``common``, ``freedom``: relative changes of test and train error by the coherence of the groups' mean residuals, and by
    the degrees of freedom of means, spikes and θ (included; None where they are not). ``finite``: that of the test error by
    the means of the features at finite d, relative to what it is with them (included). ``curved``: by how much, relative,
    directions of degree 2 lower the error of what is fitted on average, to first order in n p/d² (included where ``freedom`` is).
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
    curved: float = 0.0

    @property
    def alone(self) -> Errors:
        """The errors without the sector's degrees of freedom."""
        if self.freedom is None:
            return self
        test, train = (1 + change for change in self.freedom)
        return replace(self, test=self.test / test, train=self.train / train, freedom=None, curved=0.0)

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
    units: Units,
    alpha: float,
    beta: float,
    lam: float,
    *,
    d: int | None = None,
    throw: bool = True,
    start: Susceptibilities | None = None,
) -> Errors:
    """Errors of ridge regression at n = α d samples and p = β d neurons (β = ∞: kernel ridge), penalty λ‖a‖².

    ``d``: include the O(1/d) terms carried by the group means of the readout; ``start``: of a layer that is close.
    ``InputError`` at λ = 0 where the estimator or its error does not exist; ``ConvergenceError`` unless ``throw`` is false.
    """
    refuse_singular(units, alpha, beta, lam)
    if is_plain(units) and units.coherence is None:
        (errors,) = _in_closed_form(units, [Point(alpha, beta, lam, math.inf if d is None else d)])
        if errors is not None:
            return errors
    sus = susceptibilities(units, alpha, beta, lam, throw=throw, start=start)
    try:
        return _in_general(units, sus, alpha, beta, d)
    except np.linalg.LinAlgError:
        raise ConvergenceError(
            "The errors at the fixed point are undetermined (a singular system): choose a larger regularisation.",
            sus.solution,
        ) from None


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


def _in_general(units: Units, sus: Susceptibilities, alpha: float, beta: float, d: int | None) -> Errors:
    if d is None:
        return _errors_of(units, sus, alpha, beta, [Means(None)])[0]
    ways = [Means(d), Means(None), Means(d, coherent=False)]
    has_common = units.coherence is not None and bool(np.any(units.coherence))
    found, limit, *alone = _errors_of(units, sus, alpha, beta, ways if has_common else ways[:2])
    if found.test > 0:
        found = replace(found, finite=1.0 - limit.test / found.test)
    for one in alone:
        found = replace(found, common=(_change(found.test, one.test), _change(found.train, one.train)))
    return found


def solve_side_by_side(
    units: Units, alpha: Array, beta: Array, lam: Array, d: int | None
) -> list[Errors | None]:
    """``solve_units`` at P points, at finite d with ``counting_the_sector``; None where a point has to be solved alone."""
    found: list[Errors | None] = [None] * len(alpha)
    regular = np.flatnonzero(lam > 0)
    if not len(regular) or (is_plain(units) and units.coherence is None):
        return found
    alpha, beta, lam = alpha[regular], beta[regular], lam[regular]
    solved = susceptibilities_at(units, alpha, beta, lam)
    kept = [i for i, sus in enumerate(solved) if sus.solution.converged]
    try:
        errors = [_in_general(units, solved[i], float(alpha[i]), float(beta[i]), d) for i in kept]
    except np.linalg.LinAlgError:
        return found
    if d is not None:
        errors = _counting(units, errors, alpha[kept], beta[kept], lam[kept], d)
    for i, one in zip(kept, errors, strict=True):
        found[regular[i]] = one
    return found


def counting_the_sector(
    units: Units, errors: Errors, alpha: float, beta: float, lam: float, d: int
) -> Errors:
    """``errors`` of ``solve_units`` at d with the variance and leverage of means, spikes and θ, and directions of degree 2.

    Without them where there are too many directions or too few neurons; see ``sector_freedom``.
    """
    point = [np.array([float(x)]) for x in (alpha, beta, lam)]
    (found,) = _counting(units, [errors], point[0], point[1], point[2], d)
    return found


def _counting(
    units: Units, errors: Sequence[Errors], alpha: Array, beta: Array, lam: Array, d: int
) -> list[Errors]:
    from asymptotics.generalisation.spiked.sector_freedom import covers_sector, with_freedom

    found = list(errors)
    places = [
        i
        for i, one in enumerate(errors)
        if one.sus.solution.converged and covers_sector(units, float(alpha[i]), float(beta[i]), d)
    ]
    if not places:
        return found
    ratios = alpha[places], beta[places]
    solved = with_freedom(units, [errors[i].sus for i in places], *ratios, lam[places], d)
    for i, one in zip(places, solved, strict=True):
        if one is not None:
            found[i] = _with_sector(units, errors[i], *one, float(alpha[i]), float(beta[i]), d)
    return found


def _with_sector(
    units: Units,
    errors: Errors,
    system: FreedomSystem,
    sus: Susceptibilities,
    alpha: float,
    beta: float,
    d: int,
) -> Errors:
    try:
        (found,) = _errors_of(units, sus, alpha, beta, [Means(d)], system.transfers(sus))
    except np.linalg.LinAlgError:
        return errors
    changes = (_change(found.test, errors.test), _change(found.train, errors.train))
    if not (found.test > 0 and found.train >= 0 and abs(changes[0]) < NO_TERM):
        return replace(errors, curved=found.curved)
    return replace(found, common=errors.common, freedom=changes, finite=errors.finite)


def _share_of_curved(units: Units, first: FirstMoments) -> float:
    """By how much, relative, directions of degree 2 lower the mean part of the error."""
    lower, left = float(units.weights @ first.curved), float(units.weights @ first.eps0)
    return lower / (lower + left) if lower + left > 0 else 0.0


def _change(new: float, old: float) -> float:
    """Relative; none of a training error that is 0: the fit interpolates."""
    return new / old - 1 if old > 0 else 0.0


#: A relative change by terms of order 1/n that is no small term.
NO_TERM = 0.5


class Means(NamedTuple):
    """How the means of the readout count: at ``d`` (None: as d → ∞), with the coherence of the groups or without."""

    d: int | None
    coherent: bool = True


def _errors_of(
    units: Units,
    sus: Susceptibilities,
    alpha: float,
    beta: float,
    ways: Sequence[Means],
    sector: Transfers | None = None,
) -> list[Errors]:
    """The errors at solved susceptibilities."""
    found = moments_of(units, sus, alpha, beta, ways, sector)
    size = units.v.shape[-1]
    numbers = (part.tolist() for part in (found.test, found.train, found.norm2))
    return [
        Errors(
            test,
            train,
            norm2,
            first.means,
            first.alignment[:, :size],
            sus,
            curved=_share_of_curved(units, first),
        )
        for test, train, norm2, first in zip(*numbers, found.learned, strict=True)
    ]


class Moments(NamedTuple):
    """Test and train error and ‖a‖²/d of C ways (…, C), and what was learned in each."""

    test: Array
    train: Array
    norm2: Array
    learned: list[FirstMoments]


def moments_of(
    units: Units,
    sus: Susceptibilities,
    alpha: float,
    beta: float,
    ways: Sequence[Means],
    sector: Transfers | None = None,
) -> Moments:
    """The two linear sectors at solved susceptibilities; ``sector``: maps of the second moments that count it."""
    curved = ways[0].d if sector is not None and units.f2 is not None else None
    equations, v = FirstEquations(units, sus, alpha, curved), residual_covariances(units, curved)
    learned, eps0s, sources = [], [], []
    for d, coherent in ways:
        first = equations.moments(mean_costs(units, sus, beta, d, coherent=coherent))
        e = first.conjugate[..., units.members, :]
        fields = np.einsum("...ubcef,...ube,...ucf->...ubc", v, e, e)
        source, eps0 = source_of(units, sus, fields, first.means, d), first.eps0
        common = coherent_means(units, first.means, beta, d) if coherent else None
        if common is not None:
            source = source + on_members(units, sus.T @ common @ sus.T)
            eps0 = eps0 + np.sum((units.mu1 @ (transposed(sus.L) @ common @ sus.L)) * units.mu1, axis=-1)
        learned.append(first)
        eps0s.append(eps0)
        sources.append(source.reshape(*source.shape[:-3], -1))
    maps = transfers(units, sus) if sector is None else sector
    columns = np.stack(eps0s, axis=-1), np.stack(sources, axis=-1)
    eps, norm2 = second_moments(units, sus, maps, alpha, beta, *columns, with_sector=sector is not None)
    train = averages(units.weights * (sus.om * sus.iv) ** 2, eps)
    return Moments(averages(units.weights, eps), train, norm2, learned)


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


def coherent_means(units: Units, means: Array, beta: float, d: int | None) -> Array | None:
    """t tᵀ∘(coherence)/(β d) (A, A): the means' part of the Gram matrix of residuals; None where there is none."""
    if d is None or units.coherence is None:
        return None
    out: Array = means[..., :, None] * means[..., None, :] * units.coherence / (beta * d)
    return out


def on_members(units: Units, matrix: Array) -> Array:
    """ρ∘M[u] (U, B, B): a matrix of the groups at those of each unit."""
    members = units.members
    out: Array = units.rho * matrix[..., members[:, :, None], members[:, None, :]]
    return out


def source_of(units: Units, sus: Inverses, fields: Array, means: Array, d: int | None) -> Array:
    """What the mean fields add to X (U, B, B): ``fields`` = Σ v e e', and at finite d the variance of the group means."""
    if d is None:
        return fields
    h = np.linalg.solve(mean_response(units, sus), means[..., None])[..., units.members, 0]
    varied: Array = fields + h[..., :, None] * h[..., None, :] / d
    return varied
