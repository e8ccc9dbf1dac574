r"""The conditional equations for units of B neurons that share a row (B = 2: the partners of symmetric initialisation).

A unit of type a (share ω_a of the p/B units) holds neurons b with coordinates on U and residuals whose directions have
cosines ρ_bb' within the unit. Given x = z_U every degree l of the remaining inputs is one operator T_l(x, ab), and averages
over the residuals leave P_l(ρ_bb') of it between partners, P_l the Gegenbauer polynomial of the sphere, P_l(1) = 1. With
unknown functions κ(x) and B × B matrices D(a), k = κ/n, W = diag(w_x/k), M_l = blockdiag_a[(ω_a/B) D(a) ∘ P_l(ρ_a)]:

    Z_l = T_l M_l (1 + T_lᵀ W T_l M_l)⁻¹ T_lᵀ,   Y_l = T_l − Z_l W T_l,   Π_l = T_lᵀ W Y_l,
    κ(x) = λ + Σ_a (ω_a/B) tr[D(a) τ(x, a)] + Σ_l N_l Z_l(x, x),
    D(a)⁻¹ = 1 + ζ(a)/p,   ζ_bb' = Σ_x w_x τ_bb'(x, a)/k(x) + Σ_l N_l P_l(ρ_bb') Π_l[ab, ab'],

τ_bb' = E[σ_b σ_b' | x] − Σ_l N_l P_l(ρ_bb') T_l T_l. One neuron a unit is a network of independent rows; one x and one a
are the plain equivalent of ``random_features``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.fixed_point import Solution, Status
from hermite.errors import ConvergenceError, InputError

Array = npt.NDArray[np.float64]

#: Residual, relative to κ and to D⁻¹, at which the equations count as solved.
TOLERANCE = 1e-10
_STEPS = 60
#: Evaluations from a neighbour's solution after which it was none.
_NEAR = 10
#: The path of penalties falls by this factor a stage; no Newton step moves ln κ or ln D by more.
_FACTOR, _LONGEST = 4.0, 1.5


@dataclass(frozen=True)
class UnitFeatures:
    """What the equations need of a layer: X nodes x, A types of units of B neurons, degrees l = 0..L.

    ``weights`` (X,) of the nodes, ``shares`` ω (A,) of the units; ``T`` (L + 1, X, A, B); ``tail`` τ (X, A, B, B);
    ``count`` N_l (L + 1,); ``partners`` P_l(ρ) (L + 1, A, B, B). ``error``: by how much, relative, the rules over x and off it
    miss the mean of E σ_b² over the units, which is known.
    """

    weights: Array
    shares: Array
    T: Array
    tail: Array
    count: Array
    partners: Array
    error: float = 0.0

    @property
    def per_neuron(self) -> Array:
        """ω_a/B (A,): the share of the neurons in each place of a unit."""
        part: Array = self.shares / self.T.shape[-1]
        return part


@dataclass(frozen=True)
class UnitState:
    """The equations at one (κ, D): ``Z`` (L + 1, X, X), ``Y`` (L + 1, X, A, B), residuals, and the Jacobian in four parts.

    Rows: κ(x), then the lower triangle of D(a)⁻¹. ``on_kappa`` (X, X) is without its factor w_y, and so is
    ``from_kappa`` (U, X) = ∂r_2/∂κ_y: nothing is divided by the weights of a rule.
    """

    Z: Array
    Y: Array
    r1: Array
    r2: Array
    on_kappa: Array
    on_H: Array
    from_kappa: Array
    from_H: Array

    def jacobian(self, weights: Array) -> Array:
        """∂(r_1, r_2)/∂(κ, H)."""
        top = [np.eye(len(weights)) - self.on_kappa * weights, self.on_H]
        return np.block([top, [self.from_kappa * weights, self.from_H]])

    def adjoint(self, weights: Array) -> Array:
        """diag(1/w) Jᵀ diag(w), w = 1 for the entries of H."""
        top = [np.eye(len(weights)) - self.on_kappa.T * weights, self.from_kappa.T]
        return np.block([top, [self.on_H.T * weights, self.from_H.T]])


@dataclass(frozen=True)
class UnitSolution:
    """κ (X,), D (A, B, B), the state there, and how the solver ended."""

    kappa: Array
    D: Array
    state: UnitState
    solution: Solution


#: Residual at a penalty on the way, of which the next one is only a start.
_ON_THE_WAY = 1e-4


def triangle(B: int) -> Array:
    """E_ij + E_ji (i > j) and E_ii, (B(B + 1)/2, B, B): a symmetric matrix is Σ of its lower triangle times these."""
    out = []
    for i in range(B):
        for j in range(i + 1):
            one = np.zeros((B, B))
            one[i, j] = one[j, i] = 1.0
            out.append(one)
    return np.array(out)


def response(T: Array, M: Array, W: Array) -> tuple[Array, Array, Array]:
    """Z, Y and Π of operators ``T`` (…, X, C), metrics ``M`` (…, C, C) of their columns and ``W`` (X,)."""
    turned = np.swapaxes(T, -1, -2)
    if T.shape[-2] < T.shape[-1]:
        # The same by (1 + T M Tᵀ W)⁻¹, of the smaller size.
        kernel = T @ M @ turned
        inner = np.linalg.solve(np.eye(T.shape[-2]) + kernel * W, np.concatenate([kernel, T], axis=-1))
        rows = T.shape[-2]
        Z, seen = inner[..., :rows], inner[..., rows:]
        return (Z + np.swapaxes(Z, -1, -2)) / 2, seen, turned @ (W[:, None] * seen)
    gram = turned @ (W[:, None] * T)
    inner = np.linalg.solve(np.eye(M.shape[-1]) + gram @ M, np.concatenate([turned, gram], axis=-1))
    rows = T.shape[-2]
    Z = T @ M @ inner[..., :rows]
    # Y = T (1 + M G)⁻¹ and Π = (1 + G M)⁻¹ G: no difference of large terms.
    Y: Array = np.swapaxes(inner[..., :rows], -1, -2)
    return (Z + np.swapaxes(Z, -1, -2)) / 2, Y, inner[..., rows:]


def metrics(features: UnitFeatures, D: Array, partners: Array) -> Array:
    """blockdiag_a[(ω_a/B) D(a) ∘ P_a] for each P of ``partners`` (m, A, B, B): (m, A B, A B)."""
    A, B = D.shape[:2]
    M = np.zeros((len(partners), A, B, A, B), D.dtype)
    index = np.arange(A)
    M[:, index, :, index, :] = np.moveaxis(features.per_neuron[:, None, None] * D * partners, 1, 0)
    return M.reshape(len(M), A * B, A * B)


def unit_state(c: UnitFeatures, kappa: Array, H: Array, n: int, p: float, lam: complex) -> UnitState:
    """Residuals and Jacobian at κ and H = D⁻¹; p = ∞: H = 1. Analytic: λ may be negative or complex."""
    X, A, B = c.T.shape[1:]
    k = kappa / n
    W = c.weights / k
    D: Array = np.asarray(np.linalg.inv(H), H.dtype)
    part = c.per_neuron
    tri = triangle(B)
    lower = [(i, j) for i in range(B) for j in range(i + 1)]
    rows, columns = (np.array(side) for side in zip(*lower, strict=True))
    infinite = math.isinf(p)
    kind = np.result_type(kappa, H)
    # All degrees at once: each is a small operator, and there are many of them.
    Z, Y, pi = response(c.T.reshape(len(c.count), X, -1), metrics(c, D, c.partners), W)
    Y, pi = Y.reshape(c.T.shape), pi.reshape(-1, A, B, A, B)
    counted = c.count[:, None, None, None] * c.partners
    spread = c.tail.astype(kind)
    for P, y in zip(counted, Y, strict=True):
        spread += P * y[:, :, :, None] * y[:, :, None, :]
    own = np.einsum("labac->labc", pi)
    zeta = np.einsum("x,xabc->abc", W, c.tail) + np.sum(counted * (own + own.swapaxes(2, 3)), axis=0) / 2
    # ∂r_2/∂D, contracted below with ∂D/∂H.
    bend = np.zeros((A, B, B, A, B, B), kind)
    if not infinite:
        for weight, P, one in zip(counted, c.partners, pi, strict=True):
            sides = one[:, :, None, :, :, None] * one.transpose(2, 3, 0, 1)[:, None, :, :, None, :]
            bend += weight[..., None, None, None] * P * sides
    r1 = kappa - lam - np.einsum("abc,xabc->x", part[:, None, None] * D, c.tail)
    r1 -= np.einsum("l,lxx->x", c.count, Z)
    on_kappa = np.einsum("l,lxy->xy", c.count, Z**2) / (n * k**2)
    # ∂D/∂H_t = −D E_t D.
    turned = -(D[:, None] @ tri @ D[:, None])
    on_H = -np.einsum("xabc,atbc->xat", spread, part[:, None, None, None] * turned).reshape(X, -1)
    if infinite:
        r2 = H - np.eye(B)
        from_kappa = np.zeros((A * len(tri), X))
        from_H = np.eye(A * len(tri))
    else:
        r2 = H - np.eye(B) - zeta / p
        from_kappa = (spread / (k**2 * p * n)[:, None, None, None])[:, :, rows, columns].reshape(X, -1).T
        moved = np.einsum("abcdef,dtef->abcdt", bend, (part / p)[:, None, None, None] * turned)
        from_H = np.eye(A * len(tri)) + moved[:, rows, columns].reshape(A * len(tri), -1)
    return UnitState(Z, Y, r1, r2[:, rows, columns].ravel(), on_kappa, on_H, from_kappa, from_H)


@dataclass(frozen=True)
class Place:
    """κ (X,) and D (A, B, B) of equations that differ little, to start from."""

    kappa: Array
    D: Array


def solve_unit_equations(
    c: UnitFeatures, n: int, p: float, lam: float, *, start: Place | None = None, throw: bool = True
) -> UnitSolution:
    """κ and D at n samples, p neurons (∞: kernel ridge, D = 1) and a penalty λ > 0.

    Newton from a large λ downwards in steps of ln κ and of H^{-1/2} dH H^{-1/2}, each at most 1.5: other paths meet
    roots that belong to no network. ``start``: the solution of a neighbour on a curve, taken for a start where every step from
    there is whole and each brings the residual down. Raises ``InputError`` for λ = 0 and ``ConvergenceError`` unless ``throw`` is
    false.
    """
    if lam <= 0:
        raise InputError("lambda = 0 after learning at finite d is not covered: choose lambda > 0.")
    found = None if start is None else _from_neighbour(c, n, p, lam, start)
    kappa, H, state, residual, evaluations = found or _from_large_penalty(c, n, p, lam)
    status = Status.CONVERGED if residual < TOLERANCE else Status.STALLED
    solution = Solution(status, residual, evaluations, "newton", np.log(kappa))
    if throw and not solution.converged:
        raise ConvergenceError(
            f"the equations of the fit at finite d were not solved (residual {residual:.1e}): take a larger lambda than "
            f"{lam:g}, or a smaller training.eta",
            solution,
        )
    solution = replace(solution, amplification=_amplification(c, state, kappa, H))
    return UnitSolution(kappa, np.asarray(np.linalg.inv(H), np.float64), state, solution)


#: κ, H, the state there, its residual, and how often the equations were evaluated.
_Found = tuple[Array, Array, UnitState, float, int]


def _from_large_penalty(c: UnitFeatures, n: int, p: float, lam: float) -> _Found:
    A, B = c.shares.size, c.T.shape[-1]
    size = len(c.weights)
    largest = float(np.max(np.einsum("a,xabb->x", c.per_neuron, c.tail)))
    largest += float(np.max(np.einsum("l,lxab,a->x", c.count, c.T**2, c.per_neuron)))
    kappa, H = np.full(size, 20 * largest), np.tile(np.eye(B), (A, 1, 1))
    path = [10 * largest]
    while path[-1] / _FACTOR > lam:
        path.append(path[-1] / _FACTOR)
    evaluations = 0
    for penalty in [*[x for x in path if x > lam], lam]:
        for step in range(_STEPS + 1):
            state = unit_state(c, kappa, H, n, p, penalty)
            evaluations += 1
            residual = _residual(state, kappa, H)
            if residual < (TOLERANCE if penalty == lam else _ON_THE_WAY) or not math.isfinite(residual):
                break
            if step < _STEPS:
                kappa, H = _moved(c, state, kappa, H)[:2]
    return kappa, H, state, residual, evaluations


def _from_neighbour(c: UnitFeatures, n: int, p: float, lam: float, start: Place) -> _Found | None:
    """None where the neighbour is of another layer, or too far."""
    A, B = c.shares.size, c.T.shape[-1]
    if start.kappa.shape != c.weights.shape or start.D.shape != (A, B, B):
        return None
    kappa, H = start.kappa, np.asarray(np.linalg.inv(start.D), np.float64)
    before = math.inf
    for evaluations in range(1, _NEAR + 1):
        state = unit_state(c, kappa, H, n, p, lam)
        residual = _residual(state, kappa, H)
        if residual < TOLERANCE:
            return kappa, H, state, residual, evaluations
        if not residual < before:
            break
        before = residual
        kappa, H, fraction = _moved(c, state, kappa, H)
        if fraction < 1:
            break
    return None


def _residual(state: UnitState, kappa: Array, H: Array) -> float:
    scale = np.max(np.abs(H), axis=(1, 2))
    r2 = np.abs(state.r2).reshape(len(H), -1) / scale[:, None]
    return float(max(np.max(np.abs(state.r1) / kappa), np.max(r2)))


def _moved(c: UnitFeatures, state: UnitState, kappa: Array, H: Array) -> tuple[Array, Array, float]:
    """One step of Newton that keeps κ positive and H positive definite, and the part of it that was taken."""
    size = len(kappa)
    step = np.linalg.solve(state.jacobian(c.weights), -np.concatenate([state.r1, state.r2]))
    dk = step[:size] / kappa
    dH = np.einsum("at,tbc->abc", step[size:].reshape(len(H), -1), triangle(H.shape[-1]))
    values, vectors = np.linalg.eigh(H)
    root = (vectors * np.sqrt(values)[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    inverse = (vectors / np.sqrt(values)[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    turn, axes = np.linalg.eigh(inverse @ dH @ inverse)
    fraction = min(1.0, _LONGEST / max(float(np.abs(dk).max()), float(np.abs(turn).max())))
    grown = (axes * np.exp(fraction * turn)[:, None, :]) @ np.swapaxes(axes, 1, 2)
    moved = root @ grown @ root
    return kappa * np.exp(fraction * dk), (moved + np.swapaxes(moved, 1, 2)) / 2, fraction


def _amplification(c: UnitFeatures, state: UnitState, kappa: Array, H: Array) -> float:
    """|J⁻¹| in relative units: how much larger errors of κ and D may be than the residual."""
    size = np.repeat(np.max(np.abs(H), axis=(1, 2)), H.shape[-1] * (H.shape[-1] + 1) // 2)
    scale = np.concatenate([kappa, size])
    relative = state.jacobian(c.weights) * scale / scale[:, None]
    return float(np.abs(np.linalg.inv(relative)).sum(axis=1).max())
