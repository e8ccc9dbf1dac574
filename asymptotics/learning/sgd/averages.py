r"""The Gaussian averages of one step of online SGD at overlaps M, Q.

With fields h = (l*, l) ~ N(0, Ω), Ω = [[I, Mᵀ], [M, Q]], residual δ = f* − f (square loss) or f* (correlation loss: the student
predicts zero, and its gradient has no network term):

    v*_i = E[δ σ'_i l*],   vW_ij = E[δ σ'_i l_j],   K_ij = E[(δ² + Δ) σ'_i σ'_j],   KZ_ij = E[(δ² + Δ) σ'_i σ'_j hᵀ Ω⁺ h] .

KZ = rank(Ω) K + 2 d/ds K(sΩ) at s = 1. Three ways to compute them, one entry each in ``WAYS``:

* erf committees (σ = erf(x/√2), f* = Σ_k b_k erf(z_k/√2)): closed forms of Saad and Solla (Phys. Rev. E 52, 4225);
* polynomial σ and f*: tensor Gauss–Hermite in r + p axes, exact;
* everything else: closed means, and K by scrambled Sobol points whose teacher axes are drawn from N(0, 1.4²) and reweighted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from asymptotics.caches import remembered
from asymptotics.expectations.activations import Activation, erf_argument
from asymptotics.expectations.quadrature import hermite_rule, sobol_normal
from asymptotics.expectations.sharpness import degree_of
from asymptotics.learning.giant.noise_kernel import Student
from asymptotics.learning.giant.recursion import closed_means
from hermite.language.building import substitute
from hermite.language.evaluation import constant_value
from hermite.language.nodes import Call, Expression, Product, Sum, Variable, is_constant, variables_of
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Standard deviation of the law that the teacher's axes of sampled kernels are drawn from.
_WIDE = 1.4
#: Nodes up to which a tensor rule of polynomials is used.
_MOST_NODES = 300_000


@dataclass(frozen=True)
class Averages:
    """v* (p, r), vW (p, p), v Ω⁺ vᵀ (p, p), K (p, p) and KZ − rank(Ω) K = 2 dK/ds (p, p), label noise included.

    ``late``: the risk, worked out where it is told, which is not at every step.
    """

    target: Array
    network: Array
    square: Array
    kernel: Array
    tilt: Array
    late: Callable[[], float]

    @property
    def risk(self) -> float:
        """E[(f* − f)²]."""
        return self.late()


#: (student, seed, log2 of the points) → averages; closed ways ignore the last two.
Way = Callable[[Student, int, int], Averages]


@dataclass(frozen=True)
class Problem:
    """Target, activation and loss; ``tilted``: whether dK/ds is asked for, which only a finite d needs."""

    target: Target
    activation: Activation
    correlation: bool = False
    tilted: bool = True

    def at(self, student: Student) -> Student:
        """The student whose output enters δ: silent under the correlation loss."""
        return replace(student, readout=np.zeros_like(student.readout)) if self.correlation else student


def way_of(problem: Problem, p: int) -> tuple[Way, bool]:
    """The first way that covers ``problem`` at width ``p``, and whether it samples."""
    for build, sampled in WAYS:
        way = build(problem, p)
        if way is not None:
            return way, sampled
    raise AssertionError("sampling covers everything")


# erf committees ----------------------------------------------------------------------------------------------


def committee_weights(f: Target) -> Array | None:
    """b (r,) if f* = Σ_k b_k erf(z_k/√2), read off the expression; else None."""
    if f.tree is None or f.gram is not None:
        return None
    b = np.zeros(f.r)
    pending: list[tuple[Expression, float]] = [(f.tree, 1.0)]
    while pending:
        node, factor = pending.pop()
        if isinstance(node, Sum):
            pending += [(term, factor) for term in node.terms]
        elif isinstance(node, Product):
            constants = [part for part in node.factors if is_constant(part)]
            others = [part for part in node.factors if not is_constant(part)]
            if len(others) != 1:
                return None
            pending.append((others[0], factor * math.prod(map(constant_value, constants))))
        else:
            axis = _unit_erf_axis(node)
            if axis is None:
                return None
            b[axis] += factor
    return b


def _unit_erf_axis(node: Expression) -> int | None:
    """k if the node is erf(z_k/√2)."""
    if not isinstance(node, Call) or len(variables_of(node)) != 1:
        return None
    (k,) = variables_of(node)
    argument = erf_argument(substitute(node, {k: Variable(0)}))
    return k if argument is not None and _is_unit(argument) else None


def _is_unit(argument: tuple[float, float]) -> bool:
    scale, shift = argument
    return shift == 0 and math.isclose(scale * math.sqrt(2), 1.0, rel_tol=1e-14)


def _erf_way(problem: Problem, p: int) -> Way | None:
    b = committee_weights(problem.target)
    sigma = problem.activation.gauss_error
    if b is None or sigma is None or not _is_unit(sigma):
        return None

    places, noise = _places(problem.target.r, p), problem.target.noise

    def averages(student: Student, seed: int, size: int) -> Averages:
        if any(student.bias.tolist()):
            raise AssertionError("the closed forms are those of neurons without biases")
        return _erf_averages(places, b, student, noise, problem.correlation, problem.tilted)

    return averages


def erf_averages(
    b: Array, student: Student, noise: float, correlation: bool, tilted: bool = True
) -> Averages:
    """The closed forms, dK/ds only if ``tilted``; Stein's lemma, v = Γ Ω with Γ = E ∇_h(δ σ'), gives v Ω⁺ vᵀ = v Γᵀ."""
    p, r = student.M.shape
    return _erf_averages(_places(r, p), b, student, noise, correlation, tilted)


def _erf_averages(
    places: _Places, b: Array, student: Student, noise: float, correlation: bool, tilted: bool
) -> Averages:
    """Some forty calls on small arrays: what a step of the recursion costs."""
    p, r = student.M.shape
    C = places.one.copy()
    C[r:, :r] = student.M
    C[:r, r:] = student.M.T
    C[r:, r:] = student.Q
    w = np.concatenate([b, student.readout / -p])
    seen = np.concatenate([b, np.zeros(p)]) if correlation else w
    q, cross = 1 + C.diagonal(), C[r:]
    gamma = (2 / math.pi) * seen / np.sqrt(q[r:, None] * q - cross * cross)
    # The diagonal of gamma[:, r:].
    gamma.reshape(-1)[r :: r + p + 1] -= np.vecdot(gamma, cross) / q[r:]
    v = gamma @ C
    K, slope = _erf_kernels(C, places, seen, noise, tilted)

    def risk() -> float:
        return (2 / math.pi) * float(w @ np.arcsin(C / np.sqrt(q[:, None] * q)) @ w)

    tilt = np.zeros((p, p)) if slope is None else slope.take(places.spread)
    return Averages(v[:, :r], v[:, r:], v @ gamma.T, K.take(places.spread), tilt, risk)


_Indices = npt.NDArray[np.intp]
#: The inverse of a matrix of two rows is this times its entries, turned, over its determinant.
_SIGNS, _ONE = np.array([[1.0, -1.0], [-1.0, 1.0]]), np.eye(2)


@dataclass(frozen=True, eq=False)
class _Places:
    """The identity ``one`` (r + p, r + p); of every pair (i, j) of the upper triangle ``rows`` (pairs, 2) in Ω and the entries
    [[jj, ij], [ij, ii]] of the flattened Ω in ``turned``; and the pair that an entry (p, p) is."""

    one: Array
    rows: _Indices
    turned: _Indices
    spread: _Indices


@remembered
def _places(r: int, p: int) -> _Places:
    """Of r directions and p neurons."""
    i, j = np.triu_indices(p)
    spread = np.empty((p, p), dtype=np.intp)
    spread[i, j] = spread[j, i] = np.arange(len(i))
    rows = r + np.stack([i, j], axis=1)
    flat = rows[:, ::-1, None] * (r + p) + rows[:, None, ::-1]
    return _Places(np.eye(r + p), rows, flat, spread)


def _erf_kernels(
    C: Array, places: _Places, w: Array, noise: float, tilted: bool
) -> tuple[Array, Array | None]:
    """K of every pair of neurons and, if asked for, 2 dK/ds at sC, s = 1.

    With G the block of a pair, B = 1 + G and X its rows: T = C − Xᵀ B⁻¹ X, dT/ds = T − Yᵀ Y with Y = B⁻¹ X, and
    d log det B/ds = 2 − tr B⁻¹.
    """
    inverse = C.reshape(-1).take(places.turned)
    inverse += _ONE
    off = inverse[:, 0, 1]
    determinant = inverse[:, 0, 0] * inverse[:, 1, 1] - off * off
    inverse *= _SIGNS
    inverse /= determinant[:, None, None]
    X = C.take(places.rows, axis=0)
    Y = inverse @ X
    turned = Y.transpose(0, 2, 1)
    T = C - turned @ X
    root = 1 / np.sqrt(1 + T.diagonal(axis1=1, axis2=2))
    rho = T * root[:, :, None]
    rho *= root[:, None, :]
    scale = (2 / math.pi) / np.sqrt(determinant)
    K = ((2 / math.pi) * (np.arcsin(rho) @ w @ w) + noise) * scale
    if not tilted:
        return K, None
    change = T - turned @ Y
    change *= root[:, :, None]
    change *= root[:, None, :]
    share = 0.5 * change.diagonal(axis1=1, axis2=2)
    change -= rho * (share[:, :, None] + share[:, None, :])
    rho *= rho
    change /= np.sqrt(1 - rho)
    shrinking = inverse[:, 0, 0] + inverse[:, 1, 1] - 2
    slope: Array = (4 / math.pi) * scale * (change @ w @ w) + K * shrinking
    return K, slope


# polynomials -------------------------------------------------------------------------------------------------


def _polynomial_way(problem: Problem, p: int) -> Way | None:
    rule = tensor_points(problem, p)
    if rule is None:
        return None
    u, w = rule
    return lambda student, seed, size: averages_on(problem, student, u, w)


def tensor_points(problem: Problem, p: int) -> tuple[Array, Array] | None:
    """Gauss–Hermite points (N, r + p) that are exact for every average of polynomial σ and f*; None where they are too many."""
    f, sigma = problem.target, problem.activation
    top = None if f.tree is None else degree_of(f.tree)
    if top is None or sigma.pieces is None or not sigma.pieces.is_polynomial:
        return None
    own = sigma.pieces.degree
    # δ² σ'² has degree 2 (max(deg f*, deg σ) + deg σ − 1); n nodes are exact to degree 2 n − 1, and KZ has two more.
    nodes = max(top, own) + own + 1
    if nodes ** (f.r + p) > _MOST_NODES:
        return None
    x, weight = hermite_rule(nodes)
    u = np.array(list(product(x, repeat=f.r + p)))
    w: Array = np.prod(np.array(list(product(weight, repeat=f.r + p))), axis=1)
    return u, w


def averages_on(problem: Problem, student: Student, u: Array, w: Array) -> Averages:
    """All averages as sums over points ``u`` (N, r + p) of weight ``w``, h = F u with F the root of Ω."""
    f, sigma = problem.target, problem.activation
    p, r = student.M.shape
    root = student.root()
    rank = r + root.shape[1]
    fields = u[:, :r] @ student.M.T + u[:, r:rank] @ root.T
    values, output = f(u[:, :r]), sigma(fields + student.bias) @ student.readout / p
    gap = values - output
    delta = values if problem.correlation else gap
    slopes = sigma.derivative(fields + student.bias)
    weighted = (w * delta)[:, None] * slopes
    vu = weighted.T @ u[:, :rank]
    power = w * (delta**2 + f.noise)
    K = (slopes * power[:, None]).T @ slopes
    KZ = (slopes * (power * np.sum(u[:, :rank] ** 2, axis=1))[:, None]).T @ slopes
    network = vu[:, :r] @ student.M.T + vu[:, r:] @ root.T
    risk = float(w @ gap**2)
    return Averages(vu[:, :r], network, vu @ vu.T, K, KZ - rank * K, lambda: risk)


# everything else ---------------------------------------------------------------------------------------------


def points_of(problem: Problem, p: int, seed: int, size: int) -> tuple[Array, Array]:
    """Points (N, r + p) and weights for averages over independent normals: exact for polynomials, else wide Sobol points."""
    return tensor_points(problem, p) or wide_points(problem.target.r, p, seed, size)


@remembered
def wide_points(r: int, p: int, seed: int, size: int) -> tuple[Array, Array]:
    """2^size scrambled Sobol points whose first r axes are drawn from N(0, 1.4²) and reweighted: the labels' tails decide."""
    u = sobol_normal(r + p, size, seed).copy()
    u[:, :r] *= _WIDE
    w = np.exp(-(1 - _WIDE**-2) / 2 * np.sum(u[:, :r] ** 2, axis=1))
    return u, w / w.sum()


def sampled_way(problem: Problem, p: int = 0, refine: float = 1.0) -> Way:
    """Closed means, on ``refine`` times the usual nodes an axis, and K from points; covers everything."""
    f, sigma = problem.target, problem.activation

    def averages(student: Student, seed: int, size: int) -> Averages:
        sampled = averages_on(problem, student, *wide_points(f.r, len(student.readout), seed, size))
        silent = problem.at(student)
        means = closed_means(f, sigma, silent, refine)

        def risk() -> float:
            return closed_means(f, sigma, student, refine).risk if problem.correlation else means.risk

        return replace(sampled, target=means.target, network=means.network, square=means.square, late=risk)

    return averages


#: Ways to compute the averages, and whether they sample.
WAYS: tuple[tuple[Callable[[Problem, int], Way | None], bool], ...] = (
    (_erf_way, False),
    (_polynomial_way, False),
    (sampled_way, True),
)
