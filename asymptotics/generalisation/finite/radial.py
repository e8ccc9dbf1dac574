r"""Random-feature ridge at finite d with the radius of every input observed: what the pooled spectrum averages away.

|z|² scales the unlearned tail of each sample, so that the noise is heteroscedastic in r = |z|. With T_l(r, b) the radial
functions of the features, W = diag(w_r/k), k = κ/n, q = diag((w_b D)^{1/2}), and x-sums over the nodes of r:

    Z_l = T_l q (I + q T_lᵀ W T_l q)^{-1} q T_lᵀ,      Y_l = T_l − Z_l W T_l,      P_l = T_lᵀ W Y_l,
    κ(r) = λ + Σ_b w_b D(b) τ(r, b) + Σ_l N_l Z_l(r, r),
    1/D(b) = 1 + ζ(b)/p,    ζ(b) = Σ_r w_r τ(r, b)/k(r) + Σ_l N_l P_l(b, b)            (p = ∞: D = 1).

With one node of r and one bias this is the equivalent of ``random_features`` with κ = n ν1, D = ν1/ν2. The errors follow
from the derivative of Q(λ(·)) = yᵀ (ΦΦᵀ + diag λ(r_μ))^{-1} y, by the adjoint of the residuals of (κ, D).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.fixed_point import Solution, amplification, continuation, solve
from asymptotics.generalisation.finite.harmonics import Features, TargetHarmonics, radial_basis
from asymptotics.generalisation.finite.random_features import Equivalent

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RadialErrors:
    """Excess risk and training error, with κ(r) (R,) and D(b) (B,)."""

    excess: float
    train: float
    kappa: Array
    thinning: Array
    solution: Solution


@dataclass(frozen=True)
class _Problem:
    """Features and target on the nodes of r: ``T`` (L, R, B), ``N`` (L,), tail (R, B), weights, signal per degree."""

    T: Array
    N: Array
    tail: Array
    wx: Array
    wa: Array
    signal: tuple[Array, ...]
    outside: Array
    n: int
    p: float


def radial_equivalent(
    features: Features,
    target: TargetHarmonics,
    n: int,
    p: float,
    lam: float,
    noise: float,
    start: Equivalent,
    *,
    throw: bool = True,
) -> RadialErrors:
    """Errors at n samples, p features (∞: kernel ridge) and penalty λ > 0, started from the pooled equivalent.

    Raises ``ConvergenceError`` (unless ``throw`` is false) where the fixed point was not reached.
    """
    problem = _problem(features, target, n, p)
    thinning = 1.0 if math.isinf(p) else start.nu1 / start.nu2
    # Each radius sees the pooled κ scaled by its own tail.
    tail = features.tail @ features.shares
    relative = tail / (features.weights @ tail) if np.all(tail > 0) else np.ones(len(tail))
    kappa = lam + max(n * start.nu1 - lam, 1e-3 * lam) * relative
    guess = np.log(np.concatenate([kappa, np.full(len(problem.wa), thinning)]))

    def family(value: float) -> Callable[[Array], Array]:
        return lambda x: _step(problem, value, x)

    blocks = (slice(0, len(problem.wx)), slice(len(problem.wx), None))
    solution = solve(family(lam), guess, blocks=blocks, tol=1e-11, throw=False)
    if not solution.converged:
        ladder = lam * np.geomspace(1e4, 1.0, 12)
        solution = solve(
            family(lam), continuation(family, ladder, guess), blocks=blocks, tol=1e-11, throw=throw
        )
    solution = replace(solution, amplification=amplification(family(lam), solution, blocks))
    values = np.exp(solution.value)
    kappa, thin = values[: len(problem.wx)], values[len(problem.wx) :]
    e2 = _leave_one_out(problem, kappa, thin, noise)
    excess = float(problem.wx @ (kappa**2 * e2)) - noise
    return RadialErrors(excess, float(lam**2 * (problem.wx @ e2)), kappa, thin, solution)


def _problem(features: Features, target: TargetHarmonics, n: int, p: float) -> _Problem:
    """Everything on the nodes of r; the signal of degree l by the eigenvectors of M_l."""
    count = features.multiplicity
    signal: list[Array] = []
    for degree in range(len(count)):
        if degree >= len(target.gram):
            signal.append(np.zeros((0, len(features.nodes))))
            continue
        values, vectors = np.linalg.eigh(target.gram[degree])
        keep = values > 1e-14 * max(target.energy, 1e-300)
        basis = radial_basis(features.nodes, features.d, degree, len(values))
        signal.append((np.sqrt(values[keep])[:, None] * vectors.T[keep]) @ basis)
    outside = np.full(len(features.nodes), target.missing)
    for degree in range(len(count), len(target.gram)):
        basis = radial_basis(features.nodes, features.d, degree, len(target.gram[degree]))
        outside = outside + np.einsum("jr,jk,kr->r", basis, target.gram[degree], basis)
    return _Problem(
        T=features.radial / np.sqrt(count)[:, None, None],
        N=count,
        tail=features.tail,
        wx=features.weights,
        wa=features.shares,
        signal=tuple(signal),
        outside=outside,
        n=n,
        p=p,
    )


def _kernels(problem: _Problem, kappa: Array, thin: Array) -> tuple[Array, Array, Array]:
    """Z (L, R, R), Y (L, R, B) and P (L, B, B); no division by the quadrature weights of r."""
    W = problem.wx * problem.n / kappa
    tq = problem.T * np.sqrt(problem.wa * thin)
    inner = np.eye(len(thin)) + np.einsum("lra,r,lrb->lab", tq, W, tq)
    Z = tq @ np.linalg.solve(inner, tq.transpose(0, 2, 1))
    Y = problem.T - Z @ (W[:, None] * problem.T)
    P = problem.T.transpose(0, 2, 1) @ (W[:, None] * Y)
    return Z, Y, P


def _step(problem: _Problem, lam: float, x: Array) -> Array:
    """The map of (ln κ, ln D)."""
    values = np.exp(np.clip(x, -600, 600))
    kappa, thin = values[: len(problem.wx)], values[len(problem.wx) :]
    Z, _, P = _kernels(problem, kappa, thin)
    new = lam + problem.tail @ (problem.wa * thin) + problem.N @ np.einsum("lrr->lr", Z)
    zeta = (problem.wx * problem.n / kappa) @ problem.tail + problem.N @ np.einsum("laa->la", P)
    return np.concatenate([np.log(new), -np.log1p(zeta / problem.p)])


def _leave_one_out(problem: _Problem, kappa: Array, thin: Array, noise: float) -> Array:
    """e2(r) = E[(R y)_μ² | r], R the resolvent: −1/(n w_r) dQ/dλ_r by the adjoint of the residuals."""
    Z, Y, P = _kernels(problem, kappa, thin)
    n, p, wx, wa, N = problem.n, problem.p, problem.wx, problem.wa, problem.N
    k = kappa / n
    W = wx / k
    size = len(wx)
    jacobian = np.zeros((size + len(wa), size + len(wa)))
    jacobian[:size, :size] = np.eye(size) - np.einsum("l,lxy->xy", N / n, Z**2) * (wx / k**2)
    jacobian[:size, size:] = -wa * (problem.tail + np.einsum("l,lxb->xb", N, Y**2))
    seen = problem.tail.T + np.einsum("l,lya->ay", N, Y**2)
    jacobian[size:, :size] = (wx / k**2) / (p * n) * seen
    jacobian[size:, size:] = -np.diag(thin**-2) + (wa / p) * np.einsum("l,lab->ab", N, P**2)
    gradient = np.concatenate([-n * (problem.outside + noise) / kappa**2, np.zeros(len(wa))])
    for degree, functions in enumerate(problem.signal):
        for f in functions:
            g = f - Z[degree] @ (W * f)
            gradient[:size] -= (g / k) ** 2 / n
            if not math.isinf(p):
                gradient[size:] -= (problem.T[degree].T @ (W * g)) ** 2
    weight = np.concatenate([wx, wa])
    adjoint = np.linalg.solve(jacobian.T * (weight / weight[:, None]), gradient)
    e2: Array = -adjoint[:size] / n
    return e2
