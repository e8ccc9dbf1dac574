r"""Ridge on spiked random features, conditional on the spikes: the equations in their general form.

Model (leave-one-out / conditional Gaussian equivalence; related work: arXiv:2402.04980, 2305.18270, 2410.18938).
Inputs z ~ N(0, I_d); the projections κ ∈ R^k on k spike directions are kept exactly, everything orthogonal to them is
replaced by its Gaussian equivalent. Neurons come in *units* of B neurons (B = 1: independent rows; B = 2: the pairs of
a symmetric initialisation), the neurons of a unit belong to groups g = 1..A of equal coordinates on the spikes.

With F_g = σ(⟨c_g, κ⟩ + √s_g x), x ~ N(0, 1):   μ0 = E F,  μ1 = E F x,  Ms = Cov(F, F') − ρ μ1 μ1'  (within a unit).

Everything is written with T, W, D, e and X scaled by powers of β so that β = ∞ (kernel ridge) is the value 1/β = 0.
The pair (om, el) = (1, λ) for β ≤ α and (λ, 1) for β > α makes λ = 0 regular on both sides of interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from asymptotics.fixed_point import Map, Solution, continuation, solve
from hermite.errors import ConvergenceError, InputError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """What the equations need of features and target; independent of α, β and λ, hence reused along a curve.

    K nodes for κ, k spikes, A groups, U units of B neurons, r target directions orthogonal to the spikes (θ).

    ``weights`` (K,), ``kappa`` (K, k)   rule for κ ~ N(0, I_k), weights summing to 1
    ``mu0``, ``mu1`` (K, A)              conditional moments of the groups
    ``spread`` (K, U, B, B)              Ms, the conditional covariance that is neither mean nor linear
    ``count`` (U,)                       ν_u: units of this type per neuron (Σ ν_u B = 1)
    ``members`` (U, B)                   the groups of a unit's neurons
    ``rho`` (U, B, B)                    correlations of the neurons' components orthogonal to the spikes
    ``v`` (U, B, B, k + r, k + r)        d × covariance of those (unit-norm) components along (spikes, θ)
    ``f0`` (K,), ``f1`` (K, r), ``fs2`` (K,)  target: conditional mean, linear part along θ, remaining variance + noise
    ``curvature`` (K, A) or None         μ2 = s E σ'': response to the fluctuation of the residual norms; ``v`` then has a
                                         row and a column for d^{1/2}(|r|² − s)/(2 s) between spikes and θ
    """

    weights: Array
    kappa: Array
    mu0: Array
    mu1: Array
    spread: Array
    count: Array
    members: npt.NDArray[np.int_]
    rho: Array
    v: Array
    f0: Array
    f1: Array
    fs2: Array
    curvature: Array | None = None

    @property
    def modes(self) -> int:
        """Directions seen through κ: the spikes, and the norm if its fluctuation counts."""
        return int(self.kappa.shape[1]) + (self.curvature is not None)

    @property
    def groups(self) -> int:
        """A, the number of groups."""
        return int(self.mu0.shape[1])

    @cached_property
    def fractions(self) -> Array:
        """π_g (A,): neurons of group g per neuron of the network."""
        out = np.zeros(self.groups)
        np.add.at(out, self.members, self.count[:, None])
        return out

    @cached_property
    def scatter(self) -> Array:
        """(A², U B²): Y = Σ_u ρ_u ∘ Z_u added at the rows and columns of the unit's groups, on flattened arrays."""
        a, (u, b) = self.groups, self.members.shape
        out = np.zeros((a, a, u, b, b))
        for unit in range(u):
            for i in range(b):
                for j in range(b):
                    out[self.members[unit, i], self.members[unit, j], unit, i, j] = self.rho[unit, i, j]
        return out.reshape(a * a, -1)

    @cached_property
    def features(self) -> Array:
        """(K, A² + U B²): [μ1 μ1ᵀ | Ms], the two quadratic forms that enter V and eps."""
        pairs = self.mu1[:, :, None] * self.mu1[:, None, :]
        nodes = len(self.weights)
        return np.concatenate([pairs.reshape(nodes, -1), self.spread.reshape(nodes, -1)], axis=1)

    @cached_property
    def compressed(self) -> tuple[Array, Array]:
        """``features`` = basis @ loading, basis (K, R) orthonormal: smooth functions of κ have a small rank R."""
        basis, size, right = np.linalg.svd(self.features, full_matrices=False)
        keep = size > 1e-15 * max(self.features.shape) * size[0]
        return basis[:, keep], size[keep, None] * right[keep]

    @cached_property
    def linear(self) -> Array:
        """(K, A modes): μ1_g κ_i, and μ2_g last; index g modes + i."""
        along = self.mu1[:, :, None] * self.kappa[:, None, :]
        if self.curvature is not None:
            along = np.concatenate([along, self.curvature[:, :, None]], axis=2)
        return along.reshape(len(self.weights), -1)

    @cached_property
    def scale(self) -> float:
        """E of the mean second moment of the features: the unit in which λ is large or small."""
        second = self.mu0**2 + self.mu1**2
        spread = np.einsum("kubb,u->k", self.spread, self.count)
        return float(self.weights @ (second @ self.fractions + spread))


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


@dataclass(frozen=True)
class Errors:
    """Errors of the ridge fit; ``norm2`` = ‖a‖²/d, ``means`` = t (A,), ``spikes`` = B (A, k + r)."""

    test: float
    train: float
    norm2: float
    means: Array
    alignment: Array
    sus: Susceptibilities


def solve_units(
    units: Units, alpha: float, beta: float, lam: float, *, d: int | None = None, throw: bool = True
) -> Errors:
    """Errors of ridge regression at n = α d samples and p = β d neurons (β = ∞: kernel ridge), penalty λ‖a‖².

    ``d``: include the O(1/d) terms carried by the group means of the readout. ``InputError`` at λ = 0 where the
    estimator or its error does not exist; ``ConvergenceError`` unless ``throw`` is false.
    """
    refuse_singular(units, alpha, beta, lam)
    sus = susceptibilities(units, alpha, beta, lam, throw=throw)
    try:
        conjugate, alignment, means, eps0 = first_moments(units, sus, alpha, d)
        e = conjugate[units.members]
        fields = np.einsum("ubcef,ube,ucf->ubc", units.v, e, e)
        source = source_of(units, sus, fields, means, d)
        error, norm2 = second_moments(units, sus, transfers(units, sus), alpha, beta, eps0, source)
    except np.linalg.LinAlgError:
        raise ConvergenceError(
            "The errors at the fixed point are undetermined (a singular system): choose a larger regularisation.",
            sus.solution,
        ) from None
    test = float(units.weights @ error)
    train = float(units.weights @ (error * (sus.om * sus.iv) ** 2))
    return Errors(test, train, norm2, means, alignment, sus)


def refuse_singular(units: Units, alpha: float, beta: float, lam: float) -> None:
    """``InputError`` where λ = 0 has no finite answer: at interpolation, or for features without a nonlinear part."""
    if lam > 0:
        return
    same = units.members[:, 0] == units.members[:, -1] if units.members.shape[1] == 2 else np.zeros(1, bool)
    if np.any(same) and beta <= alpha:
        raise InputError("lambda = 0 with equal neurons: their features are degenerate; choose lambda > 0.")
    if np.isclose(alpha, beta, rtol=1e-9, atol=0.0):
        raise InputError(
            f"lambda = 0 at alpha = {alpha:g} equal to the number of distinct features per dimension: the test error "
            "is infinite at interpolation; choose lambda > 0 or another ratio."
        )
    if float(np.max(np.abs(units.spread), initial=0.0)) <= 1e-13 * units.scale:
        raise InputError(
            "lambda = 0 with a linear activation: the features are degenerate; choose lambda > 0."
        )


# Susceptibilities -----------------------------------------------------------------------------------------------


def susceptibilities(
    units: Units, alpha: float, beta: float, lam: float, *, throw: bool = True
) -> Susceptibilities:
    """Fixed point of (V1, N⁻¹): V = μ1ᵀ V1 μ1 + Σ ν tr(Ms N⁻¹), N = el + (α E[Ms/(om+V)] + ρ∘T)/β, V1 = W."""
    om, el = (1.0, lam) if beta <= alpha else (lam, 1.0)
    system = System(units, alpha, 1.0 / beta, om)
    safe = el if el > 0 else 1e-2 * units.scale
    above = system.start(safe)
    start = above
    if el == 0:
        start = continuation(system.map_at, [safe, 1e-1 * safe, 1e-2 * safe], above)
        above = start
    solution = solve(
        system.map_at(el),
        start,
        physical=system.physical,
        newton_start=above,
        blocks=system.blocks,
        throw=throw,
    )
    _, inverse = system.unpack(solution.value)
    iv = system.iv(solution.value)
    return Susceptibilities(om, iv, inverse, *system.responses(iv, inverse), solution)


class System:
    """The map of the susceptibilities on the packed upper triangles of V1 (A, A) and N⁻¹ (U, B, B)."""

    def __init__(self, units: Units, alpha: float, inverse_beta: float, om: float) -> None:
        self.units, self.alpha, self.inverse_beta, self.om = units, alpha, inverse_beta, om
        a, (u, b) = units.groups, units.members.shape
        self.rows, self.cols = np.triu_indices(a)
        self.inner_rows, self.inner_cols = np.triu_indices(b)
        self.size = len(self.rows)
        self.blocks = (slice(0, self.size), slice(self.size, None))
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
        return self._fill(x[: self.size]), self._fill_inner(x[self.size :])

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
        inner = x[self.size :].reshape(self.u, -1)[:, self.inner_rows == self.inner_cols]
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
        """ρ∘T[u] (U, B, B) and W (A, A)."""
        _, T, W = self.responses(iv, inverse)
        members = self.units.members
        return self.units.rho * T[members[:, :, None], members[:, None, :]], W

    def map_at(self, el: float) -> Map:
        """x ↦ (V1, N⁻¹) at this penalty."""
        units = self.units

        def step(x: Array) -> Array:
            iv = self.iv(x)
            within, W = self.feedback(iv, self._fill_inner(x[self.size :]))
            own = self._fill_inner(self.forms[:, self.size :].T @ (self.alpha * units.weights * iv))
            N = el * self.eye_b + self.inverse_beta * (own + within)
            inverse = np.linalg.inv(N)
            return np.concatenate(
                [W[self.rows, self.cols], inverse[:, self.inner_rows, self.inner_cols].ravel()]
            )

        return step


# First moments --------------------------------------------------------------------------------------------------


def first_moments(
    units: Units, sus: Susceptibilities, alpha: float, d: int | None
) -> tuple[Array, Array, Array, Array]:
    """The linear sector (k = ``modes``): conjugate field e (A, k+r), alignment B (A, k+r), means t (A,), and eps0(κ) (K,).

    Solves (I + VE DE) e + Ct t = mh and G t + Ctᵀ DE e = g0; t is the solution of least Σ t_g²/π_g.
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
    return e.reshape(a, size), alignment, t, eps0


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


def source_of(units: Units, sus: Susceptibilities, fields: Array, means: Array, d: int | None) -> Array:
    """What the mean fields add to X (U, B, B): ``fields`` = Σ v e e', and at finite d the variance of the group means."""
    if d is None:
        return fields
    h = np.linalg.solve(mean_response(units, sus), means)[units.members]
    varied: Array = fields + h[:, :, None] * h[:, None, :] / d
    return varied
