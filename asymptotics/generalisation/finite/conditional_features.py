r"""Ridge at all (n, p, d) after a subspace U has been learned: random features that are conditional on x = z_U.

A neuron is w = (a, w_perp), a ∈ R^k its coordinates on U (groups a = 1..A of weight w_a), w_perp uniform on a sphere of radius
ρ_a in D = d − k dimensions. Rotations of z_perp leave one operator for each degree l, of multiplicity N(D, l),

    T_l(x, a) = C_l(⟨a, x⟩)/(2^l (D/2)_l)^{1/2},   C_l(h) = E_g[σ(h + ρ_a g) He_l(g)],

and a flat tail τ(x, a) = E σ² − Σ_l N_l T_l². The unlearned tail is heteroscedastic in x, so that the equivalent has functions
κ(x) and D(a) for unknowns instead of two numbers: with k = κ/n, W = diag(w_x/k), q = diag(w_a D)^{1/2},

    Z_l = T q (1 + q Tᵀ W T q)⁻¹ q Tᵀ,   Y_l = T − Z_l W T,   P_l = Tᵀ W Y_l,
    κ(x) = λ + Σ_a w_a D(a) τ(x, a) + Σ_l N_l Z_l(x, x),
    1/D(a) = 1 + (Σ_x w_x τ(x, a)/k(x) + Σ_l N_l P_l(a, a))/p.

Errors follow from the derivative of the energy yᵀ(ΦΦᵀ + λ)⁻¹ y in a penalty that depends on x. One x and one a are the plain
equivalent of ``random_features``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.quadrature import hermite_values, tensor_rule
from asymptotics.expectations.target_rule import kink_frame
from asymptotics.fixed_point import Solution, Status
from asymptotics.generalisation.finite.harmonics import multiplicity
from asymptotics.generalisation.spiked.target_moments import root_of_rest, row_rule
from hermite.errors import ConvergenceError, InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Degrees of z_perp that are resolved, in the features and in the target.
DEGREES = 6
#: Values of the target, nodes on U times nodes off it, that are worth computing (about 10 s).
_MOST_VALUES = 30_000_000
_TOLERANCE = 1e-9
_STEPS = 60


@dataclass(frozen=True)
class Conditional:
    """Nodes x (K) with ``weights``; features ``T`` (L+1, K, A), ``tail`` (K, A), ``count`` N_l (L+1,), ``shares`` w_a (A,).

    ``target``: for each degree the functions f_{l,c}(x), (C_l, K); ``rest`` (K,) the energy of higher degrees given x.
    """

    weights: Array
    T: Array
    tail: Array
    count: Array
    shares: Array
    target: tuple[Array, ...]
    rest: Array


@dataclass(frozen=True)
class ConditionalErrors:
    """Excess risk, training error, κ (K,), D (A,), and how the solver ended."""

    excess: float
    train: float
    kappa: Array
    thinning: Array
    solution: Solution


def conditional_features(
    f: Target,
    sigma: Activation,
    coordinates: Array,
    norm2: Array,
    shares: Array,
    overlap: Array,
    d: int,
    *,
    biases: Array | None = None,
) -> Conditional:
    """Set-up: ``coordinates`` a (A, k), ``norm2`` ρ² (A,), ``shares`` (A,), ``overlap`` Γ (r, k) of the target with U."""
    k = coordinates.shape[1]
    if k > 3:
        raise InputError(f"The theory at finite d covers at most 3 learned directions, not {k}.")
    D = d - k
    if D < 2:
        raise InputError(f"ridge.d must be at least {k + 2} after {k} learned directions, not {d}.")
    x, weights = tensor_rule([{1: 40, 2: 18, 3: 9}[k]] * k) if k else (np.zeros((1, 0)), np.ones(1))
    mean = x @ coordinates.T + (0.0 if biases is None else biases)
    scale = np.broadcast_to(np.sqrt(norm2), mean.shape)
    count = np.array([multiplicity(D, degree) for degree in range(DEGREES + 1)])
    T = _projections(sigma, mean, scale)
    for degree in range(DEGREES + 1):
        T[degree] /= math.sqrt(math.prod(D + 2 * i for i in range(degree)))
    tail = sigma.squares(mean, scale) - np.einsum("l,lka->ka", count, T**2)
    target, rest = _target(f, x, overlap)
    return Conditional(weights, T, np.maximum(tail, 0.0), count, shares, target, rest)


def _projections(sigma: Activation, mean: Array, scale: Array) -> Array:
    """C_l(h) = E[σ(h + ρ g) He_l(g)] at means h (K, A) and ρ (K, A), l = 0..``DEGREES``: (L + 1, K, A)."""
    out = np.empty((DEGREES + 1, mean.size))
    for i, (m, s) in enumerate(zip(mean.ravel(), scale.ravel(), strict=True)):
        (g,), (w,) = sigma.row_rule(np.array([[m]]), np.array([[s]]), finer=2)
        out[:, i] = hermite_values(g, DEGREES) @ (w * sigma(m + s * g))
    factor = np.sqrt([float(math.factorial(degree)) for degree in range(DEGREES + 1)])
    return (factor[:, None] * out).reshape(-1, *mean.shape)


def _target(f: Target, x: Array, overlap: Array) -> tuple[tuple[Array, ...], Array]:
    """f_α(x) = E_τ[g(Γ x + S τ) h_α(τ)] by |α| ≤ ``DEGREES``, and the energy above.

    Raises ``InputError`` where the grid would be too large.
    """
    r = f.r
    root = root_of_rest(overlap) if overlap.shape[1] else np.eye(r)
    order = {1: 60, 2: 30, 3: 16, 4: 10}.get(r, 7)
    if len(x) * order**r > _MOST_VALUES:
        raise InputError(
            f"The theory at finite d after learning covers fewer variables than {r} with {overlap.shape[1]} learned "
            "directions: use ridge.regime = 'proportional', or a target of at most 5 variables."
        )
    centre = x @ overlap.T
    if r == 1:
        # Split at the kinks of the target, which move with x.
        tau, w = row_rule(f, centre[:, 0], float(root[0, 0]))
        values = f((centre + root[0, 0] * tau).reshape(-1, 1)).reshape(len(x), -1)
        rows = np.einsum(
            "axn,xn->ax", hermite_values(np.broadcast_to(tau, values.shape), DEGREES), w * values
        )
        return _with_rest(tuple(row[None, :] for row in rows), np.sum(w * values**2, axis=1))
    frame = kink_frame(f)
    if f.tree is not None and (any(frame.kinks) or not frame.exact):
        raise InputError(
            "The theory at finite d after learning covers targets of several directions without kinks only: use "
            "ridge.regime = 'proportional'."
        )
    tau, w = tensor_rule([order] * r)
    values = np.stack([f(point + tau @ root.T) for point in centre])
    basis = [hermite_values(tau[:, j], min(DEGREES, order - 1)) for j in range(r)]
    found: list[list[Array]] = [[] for _ in range(DEGREES + 1)]
    for alpha in product(range(min(DEGREES, order - 1) + 1), repeat=r):
        if sum(alpha) <= DEGREES:
            weight = w * math.prod((basis[j][a] for j, a in enumerate(alpha)), start=np.ones(1))
            found[sum(alpha)].append(values @ weight)
    return _with_rest(tuple(np.array(rows).reshape(-1, len(x)) for rows in found), values**2 @ w)


def _with_rest(target: tuple[Array, ...], energy: Array) -> tuple[tuple[Array, ...], Array]:
    """The functions and the energy (K,) that they leave."""
    carried = sum((np.sum(rows**2, axis=0) for rows in target), start=np.zeros(len(energy)))
    rest = energy - carried
    return target, np.where(rest > 1e-10 * energy, rest, 0.0)


# The equations -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _State:
    """Everything at one (κ, D): residuals, Jacobian, and the operators Z, Y, P by degree."""

    residual: Array
    jacobian: Array
    Z: Array
    Y: Array
    P: Array


def _state(c: Conditional, kappa: Array, D: Array, n: int, p: float, lam: float) -> _State:
    k = kappa / n
    W = c.weights / k
    q = np.sqrt(c.shares * D)
    Tq = c.T * q
    inner = np.eye(len(q)) + np.einsum("lxa,x,lxb->lab", Tq, W, Tq, optimize=True)
    Z = Tq @ np.linalg.solve(inner, np.swapaxes(Tq, 1, 2))
    Y = c.T - Z @ (W[:, None] * c.T)
    P = np.swapaxes(c.T, 1, 2) @ (W[:, None] * Y)
    own = np.einsum("l,lxx->x", c.count, Z)
    r1 = kappa - lam - c.tail @ (c.shares * D) - own
    spread = c.tail + np.einsum("l,lxa->xa", c.count, Y**2)
    slope = c.weights / k**2
    size = len(kappa)
    J = np.zeros((size + len(D), size + len(D)))
    J[:size, :size] = np.eye(size) - np.einsum("l,lxy->xy", c.count, Z**2) * slope / n
    J[:size, size:] = -spread * c.shares
    if math.isinf(p):
        r2 = 1 / D - 1
        J[size:, size:] = -np.diag(1 / D**2)
    else:
        zeta = (c.weights / k) @ c.tail + np.einsum("l,laa->a", c.count, P)
        r2 = 1 / D - 1 - zeta / p
        J[size:, :size] = (slope[:, None] * spread).T / (p * n)
        J[size:, size:] = -np.diag(1 / D**2) + np.einsum("l,lab->ab", c.count, P**2) * c.shares / p
    return _State(np.concatenate([r1, r2]), J, Z, Y, P)


def solve_conditional(
    c: Conditional, n: int, p: float, lam: float, noise: float, *, throw: bool = True
) -> ConditionalErrors:
    """Errors of the ridge fit of n samples and p neurons (∞: kernel ridge), penalty λ > 0.

    Newton in (ln κ, ln D), from a large λ downwards. Raises ``InputError`` for λ = 0 and ``ConvergenceError`` unless
    ``throw`` is false.
    """
    if lam <= 0:
        raise InputError("lambda = 0 after learning at finite d is not covered: choose lambda > 0.")
    size = len(c.weights)
    largest = float(np.max(c.tail @ c.shares + np.einsum("l,lxa,a->x", c.count, c.T**2, c.shares)))
    theta = np.concatenate([np.full(size, np.log(20 * largest)), np.zeros(len(c.shares))])
    path = [10 * largest]
    while path[-1] / 3 > lam:
        path.append(path[-1] / 3)
    residual, evaluations = math.inf, 0
    for penalty in [*[x for x in path if x > lam], lam]:
        for _ in range(_STEPS):
            kappa, D = np.exp(theta[:size]), np.exp(theta[size:])
            state = _state(c, kappa, D, n, p, penalty)
            evaluations += 1
            scale = np.concatenate([kappa, 1 / D])
            residual = float(np.max(np.abs(state.residual) / scale))
            if residual < _TOLERANCE:
                break
            step = np.linalg.solve(state.jacobian * np.exp(theta), -state.residual)
            theta = theta + step * min(1.0, 2.0 / float(np.max(np.abs(step))))
    status = Status.CONVERGED if residual < _TOLERANCE else Status.STALLED
    solution = Solution(status, residual, evaluations, "newton", theta)
    if throw and not solution.converged:
        raise ConvergenceError(f"{status.value} (residual {residual:.1e})", solution)
    kappa, D = np.exp(theta[:size]), np.exp(theta[size:])
    state = _state(c, kappa, D, n, p, lam)
    relative = state.jacobian * np.exp(theta) / np.concatenate([kappa, 1 / D])[:, None]
    growth = float(np.abs(np.linalg.inv(relative)).sum(axis=1).max())
    solution = replace(solution, amplification=growth)
    e2 = _squared_residuals(c, state, kappa, D, n, p, noise)
    excess = float(c.weights @ (kappa**2 * e2)) - noise
    return ConditionalErrors(excess, lam**2 * float(c.weights @ e2), kappa, D, solution)


def _squared_residuals(
    c: Conditional, state: _State, kappa: Array, D: Array, n: int, p: float, noise: float
) -> Array:
    """E[((ΦΦᵀ + λ)⁻¹ y)_μ² | x] by the adjoint of the equations; weights are kept out of every denominator."""
    size, k = len(kappa), kappa / n
    W = c.weights / k
    on_kappa = -n * (c.rest + noise) / kappa**2
    on_d = np.zeros(len(D))
    for degree, rows in enumerate(c.target):
        if len(rows):
            g = rows - (rows * W) @ state.Z[degree]
            on_kappa = on_kappa - np.sum((g / k) ** 2, axis=0) / n
            if not math.isinf(p):
                on_d = on_d - np.sum(((g * W) @ c.T[degree]) ** 2, axis=0)
    spread = c.tail + np.einsum("l,lxa->xa", c.count, state.Y**2)
    A = np.zeros((size + len(D), size + len(D)))
    A[:size, :size] = np.eye(size) - np.einsum("l,lyx->xy", c.count, state.Z**2) * c.weights / (
        n * k[:, None] ** 2
    )
    A[size:, :size] = -(spread * c.weights[:, None]).T
    A[size:, size:] = -np.diag(1 / D**2)
    if not math.isinf(p):
        A[:size, size:] = spread * c.shares / (p * n * k[:, None] ** 2)
        A[size:, size:] += np.einsum("l,lba->ab", c.count, state.P**2) * c.shares / p
    adjoint = np.linalg.solve(A, np.concatenate([on_kappa, on_d]))
    found: Array = -adjoint[:size] / n
    return found
