"""The linear sectors of the ridge equations and the errors that they give (see ``units`` for the symbols)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.spiked.nonlinear_sector import Susceptibilities, susceptibilities
from asymptotics.generalisation.spiked.one_group import Numbers, Plain, Point, is_plain
from asymptotics.generalisation.spiked.ridge_equations import Units
from hermite.errors import ConvergenceError, InputError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Errors of the ridge fit; ``norm2`` = ‖a‖²/d, ``means`` = t (A,), ``alignment`` = B (A, k + r).

    ``common``: relative changes of test and train error by the coherence of the groups' mean residuals (included).
    """

    test: float
    train: float
    norm2: float
    means: Array
    alignment: Array
    sus: Susceptibilities
    common: tuple[float, float] = (0.0, 0.0)

    @property
    def solver_error(self) -> float | None:
        """Relative error of the test error that the solver of the susceptibilities leaves."""
        return self.sus.solution.error_of_a_response

    @property
    def order_parameters(self) -> dict[str, Any]:
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
        if d is None or units.coherence is None or not np.any(units.coherence):
            return found
        alone = _errors_of(replace(units, coherence=None), sus, alpha, beta, d)
    except np.linalg.LinAlgError:
        raise ConvergenceError(
            "The errors at the fixed point are undetermined (a singular system): choose a larger regularisation.",
            sus.solution,
        ) from None
    changes = (found.test / alone.test - 1, found.train / alone.train - 1)
    return replace(found, common=changes)


def _errors_of(units: Units, sus: Susceptibilities, alpha: float, beta: float, d: int | None) -> Errors:
    """The two linear sectors at solved susceptibilities."""
    first = first_moments(units, sus, alpha, beta, d)
    e = first.conjugate[units.members]
    fields = np.einsum("ubcef,ube,ucf->ubc", units.v, e, e)
    source, eps0 = source_of(units, sus, fields, first.means, d), first.eps0
    if (common := coherent_means(units, first.means, beta, d)) is not None:
        source = source + on_members(units, sus.T @ common @ sus.T)
        eps0 = eps0 + np.sum((units.mu1 @ (sus.L.T @ common @ sus.L)) * units.mu1, axis=1)
    error, norm2 = second_moments(units, sus, transfers(units, sus), alpha, beta, eps0, source)
    test = float(units.weights @ error)
    train = float(units.weights @ (error * (sus.om * sus.iv) ** 2))
    return Errors(test, train, norm2, first.means, first.alignment, sus)


class InfiniteTestError(InputError):
    """The test error is infinite at this point; a curve keeps the point, with this reason."""


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


# First moments --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FirstMoments:
    """Conjugate field e (A, k+r), alignment B (A, k+r), means t (A,), and the mean part eps0(κ) (K,) of the error."""

    conjugate: Array
    alignment: Array
    means: Array
    eps0: Array


def first_moments(
    units: Units, sus: Susceptibilities, alpha: float, beta: float, d: int | None
) -> FirstMoments:
    """The linear sector (k = ``modes``).

    Solves (I + VE DE) e + Ct t = mh and G t + Ctᵀ DE e = g0; t is the solution of least Σ t_g²/π_g. At finite d means
    cost their norm, Kt⁻¹/d, and what the coherence of the groups adds to that of their residuals, T∘(coherence)/(β d).
    """
    a, k, r = units.groups, units.modes, units.f1.shape[1]
    size = k + r
    w = alpha * units.weights * sus.iv
    DE = _alignment_response(units, sus, size)
    VE = np.zeros((a, size, a, size))
    VE[:, :k, :, :k] = (units.linear.T @ (w[:, None] * units.linear)).reshape(a, k, a, k)
    hat = units.mu1.T @ (w[:, None] * units.mu1)
    for m in range(r):
        VE[:, k + m, :, k + m] = hat
    VE = VE.reshape(a * size, a * size)
    mh = np.zeros((a, size))
    mh[:, :k] = (units.linear.T @ (w * units.f0)).reshape(a, k)
    mh[:, k:] = units.mu1.T @ (w[:, None] * units.f1)
    Ct = np.zeros((a, size, a))
    Ct[:, :k] = (units.linear.T @ (w[:, None] * units.mu0)).reshape(a, k, a)
    Ct = Ct.reshape(a * size, a)
    G = units.mu0.T @ (w[:, None] * units.mu0)
    g0 = units.mu0.T @ (w * units.f0)
    if d is not None:
        G = G + np.linalg.inv(mean_response(units, sus)) / d
        if units.coherence is not None:
            G = G + sus.T * units.coherence / (beta * d)
    root = np.sqrt(units.fractions)
    reference = float(w @ ((units.mu0**2 + units.mu1**2) @ units.fractions))
    Gp = root[:, None] * pseudo_inverse(root[:, None] * G * root, 1e-12 * reference) * root
    mixed = Ct @ Gp
    system = np.eye(a * size) + VE @ DE - mixed @ Ct.T @ DE
    e: Array = np.asarray(np.linalg.solve(system, mh.ravel() - mixed @ g0), np.float64)
    B = DE @ e
    t = Gp @ (g0 - Ct.T @ B)
    alignment = B.reshape(a, size)
    mean_gap = units.f0 - units.mu0 @ t - units.linear @ alignment[:, :k].ravel()
    linear_gap = units.f1 - units.mu1 @ alignment[:, k:]
    eps0 = mean_gap**2 + np.sum(linear_gap**2, axis=1) + units.fs2
    return FirstMoments(e.reshape(a, size), alignment, t, eps0)


def _alignment_response(units: Units, sus: Susceptibilities, size: int) -> Array:
    """DE (A(k+r), A(k+r)): Σ_u ν_u (N_u⁻¹)_{bb'} v_u[b, b'] at the groups of b and b'."""
    a = units.groups
    out = np.zeros((a, a, size, size))
    values = (units.count[:, None, None] * sus.inverse)[..., None, None] * units.v
    np.add.at(out, (units.members[:, :, None], units.members[:, None, :]), values)
    return out.transpose(0, 2, 1, 3).reshape(a * size, a * size)


def mean_response(units: Units, sus: Susceptibilities) -> Array:
    """Kt (A, A) = Σ_u scat(ν_u N_u⁻¹): how the group means of the readout respond."""
    out = np.zeros((units.groups, units.groups))
    values = units.count[:, None, None] * sus.inverse
    np.add.at(out, (units.members[:, :, None], units.members[:, None, :]), values)
    return out


def pseudo_inverse(matrix: Array, cutoff: float) -> Array:
    """Moore–Penrose inverse of a symmetric matrix without the eigenvalues below ``cutoff`` (absolute)."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    inverse = np.where(values > cutoff, 1.0 / np.where(values > cutoff, values, 1.0), 0.0)
    out: Array = (vectors * inverse) @ vectors.T
    return out


# Second moments -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Transfers:
    """Linear maps of the second moments on flattened arrays: X from q1 (U B², A²) and from Z, Q1⊥ from q1 (A², A²).

    Q1⊥ from Z is the transpose of X from q1.
    """

    x_from_q: Array
    x_from_z: Array
    q_from_q: Array


def transfers(units: Units, sus: Susceptibilities) -> Transfers:
    """With Y = Σ scat(ρ∘Z): X = ρ∘(L q1 Lᵀ)[u] + ρ∘(T Y T)[u] and Q1⊥ = W q1 W + Lᵀ Y L."""
    S, eye = units.scatter, np.eye(units.groups**2)
    return Transfers(
        S.T @ _congruence(sus.L, eye),
        S.T @ _congruence(sus.T, S),
        _congruence(sus.W, eye),
    )


def second_moments(
    units: Units,
    sus: Susceptibilities,
    maps: Transfers,
    alpha: float,
    beta: float,
    eps0: Array,
    source: Array,
) -> tuple[Array, float]:
    """Conditional test error eps(κ) (K,) and ‖a‖²/d.

    With φ = (μ1 μ1ᵀ, Ms), q = α E[φ iv² eps], X = qs + (X from q1) + (X from Z)/β + source, Z = ν N⁻¹ X N⁻¹ = β Qs and
    Q1⊥ = (from q1) + (from Z)/β:  eps = eps0 + μ1ᵀ Q1⊥ μ1 + Σ tr(Ms Z)/β. Linear in eps, which differs from eps0 by a
    combination of the few functions of κ in φ: that is the system solved.
    """
    first = units.groups**2
    u, b = units.members.shape
    phi, (basis, loading) = units.features, units.compressed
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


def _congruence(matrix: Array, columns: Array) -> Array:
    """M Y Mᵀ for every column of ``columns`` (A², C), a flattened (A, A) matrix Y."""
    a = len(matrix)
    left = np.tensordot(matrix, columns.reshape(a, a, -1), axes=(1, 0))
    both = np.tensordot(matrix, left, axes=(1, 1))
    out: Array = both.transpose(1, 0, 2).reshape(a * a, -1)
    return out


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
