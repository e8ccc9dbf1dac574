r"""Random-feature and kernel ridge at initialisation for all (n, p, d), from the exact spectrum at finite d.

Deterministic equivalents of Defilippis, Loureiro and Misiakiewicz (arXiv:2405.15699): with D1(ν) = Tr Σ(Σ+ν)^{-1} and
D2(ν) = Tr Σ²(Σ+ν)^{-2},

    n − λ/ν1 = D1(ν2),     p − p ν1/ν2 = D1(ν2),      x = ν1/ν2,
    Υ = (p/n) [(1−x)² + x² D2/(p−D2)],      χ = Tr Σ(Σ+ν2)^{-2}/(p − D2),
    excess = [ν2² Σ_l b_l² (1 + χ λ_l)/(λ_l+ν2)² + b_out² + Δ Υ] / (1 − Υ),     train = (λ/(n ν1))² (excess + Δ);

p = ∞ is kernel ridge. b_out² is the energy that no feature reaches: degrees of zero eigenvalue and an O(1/d) radial part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.fixed_point import Solution, Status
from asymptotics.generalisation.finite.harmonics import Features, TargetHarmonics, radial_basis
from asymptotics.generalisation.meaning import InfiniteTestError
from hermite.errors import ConvergenceError, InputError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues λ (E,) of the features' covariance with ``multiplicity`` (E,), a flat ``tail`` of trace τ, the target's
    energies ``signal`` b² (E,) on them and ``outside`` b_out²."""

    values: Array
    multiplicity: Array
    tail: float
    signal: Array
    outside: float

    def d1(self, nu: float) -> float:
        """Tr Σ(Σ+ν)^{-1}."""
        return float(self.multiplicity @ (self.values / (self.values + nu))) + self.tail / nu

    def d2(self, nu: float) -> float:
        """Tr Σ²(Σ+ν)^{-2}."""
        return float(self.multiplicity @ (self.values / (self.values + nu)) ** 2)

    def mixed(self, nu: float) -> float:
        """Tr Σ(Σ+ν)^{-2}."""
        return float(self.multiplicity @ (self.values / (self.values + nu) ** 2)) + self.tail / nu**2

    @property
    def rank(self) -> float:
        """Number of features of non-zero variance; ∞ with a tail."""
        return math.inf if self.tail > 0 else float(np.sum(self.multiplicity))


@dataclass(frozen=True)
class Equivalent:
    """Errors and the resolvent's parameters: ``nu1``, ``nu2``, Υ, D1."""

    excess: float
    train: float
    nu1: float
    nu2: float
    upsilon: float
    d1: float
    solution: Solution


def spectrum(features: Features, target: TargetHarmonics) -> Spectrum:
    """Eigenvalues and target energies: at degree l the radial functions of the biases are diagonalised in r."""
    values: list[float] = []
    counts: list[float] = []
    signal: list[float] = []
    root = np.sqrt(features.weights)
    floor = 1e-15 * float(
        features.weights @ ((features.radial**2).sum(axis=0) + features.tail) @ features.shares
    )
    for degree, size in enumerate(features.multiplicity):
        scaled = root[:, None] * features.radial[degree] * np.sqrt(features.shares)
        vectors, singular, _ = np.linalg.svd(scaled, full_matrices=False)
        on_basis = _overlaps(features, target, degree, vectors, root)
        for energy, direction in zip(singular**2, on_basis, strict=True):
            if energy > floor:
                values.append(float(energy / size))
                counts.append(float(size))
                signal.append(float(direction))
    tail = float(features.weights @ features.tail @ features.shares)
    return Spectrum(
        np.array(values),
        np.array(counts),
        tail,
        np.array(signal),
        max(0.0, target.energy - math.fsum(signal)),
    )


def _overlaps(features: Features, target: TargetHarmonics, degree: int, vectors: Array, root: Array) -> Array:
    """Energy of the target's degree-l part on each radial eigenfunction (columns of ``vectors``, times √weights)."""
    if degree >= len(target.gram):
        return np.zeros(vectors.shape[1])
    gram = target.gram[degree]
    basis = radial_basis(features.nodes, features.d, degree, len(gram)) * root
    c = basis @ vectors
    out: Array = np.einsum("ja,jk,ka->a", c, gram, c)
    return out


def deterministic_equivalent(
    spectrum: Spectrum, n: int, p: float, lam: float, noise: float, *, throw: bool = True
) -> Equivalent:
    """Errors at n samples, p features (∞: kernel ridge) and penalty λ ≥ 0.

    Raises ``InfiniteTestError`` at λ = 0 and n = p, ``ConvergenceError`` if the root is not found.
    """
    if lam == 0 and n == p and spectrum.rank > n:
        raise InfiniteTestError(
            f"lambda = 0 with as many samples as distinct features (n2 = {n}): the test error is infinite; "
            "choose lambda > 0 or another ratio."
        )
    if lam == 0 and spectrum.rank <= min(n, p):
        return _finite_rank(spectrum, n, noise)
    nu2, solution = _root(spectrum, n, p, lam, throw)
    d1, d2 = spectrum.d1(nu2), spectrum.d2(nu2)
    x = 1.0 if math.isinf(p) else max(0.0, 1 - d1 / p)
    if lam == 0:
        x = 1.0 if math.isinf(p) else max(0.0, 1 - n / p)
    gap = max(n - d1, 0.0) if lam > 0 else n - min(n, p)  # λ/ν1
    if math.isinf(p):
        upsilon, chi = d2 / n, 0.0
    else:
        upsilon = (p * (1 - x) ** 2 + x**2 * p * d2 / (p - d2)) / n
        chi = spectrum.mixed(nu2) / (p - d2)
    ratio = (nu2 / (spectrum.values + nu2)) ** 2 * (1 + chi * spectrum.values)
    excess = (float(spectrum.signal @ ratio) + spectrum.outside + noise * upsilon) / (1 - upsilon)
    train = (gap / n) ** 2 * (excess + noise)
    # λ grows at least as fast as ν2 (the two other factors of the equation increase): what grows is the response.
    solution = replace(solution, amplification=1.0 / (1.0 - upsilon) if upsilon < 1.0 else None)
    return Equivalent(excess, train, x * nu2, nu2, upsilon, d1, solution)


def _finite_rank(spectrum: Spectrum, n: int, noise: float) -> Equivalent:
    """λ = 0 with more samples and features than directions: least squares on them."""
    upsilon = spectrum.rank / n
    solution = Solution(Status.CONVERGED, 0.0, 0, "closed form", np.zeros(1), amplification=1.0)
    if upsilon >= 1:
        raise InputError(
            f"lambda = 0 with n2 = {n} samples for as many directions: the test error is infinite."
        )
    excess = (spectrum.outside + noise * upsilon) / (1 - upsilon)
    return Equivalent(
        excess, (1 - upsilon) ** 2 * (excess + noise), 0.0, 0.0, upsilon, spectrum.rank, solution
    )


def _root(spectrum: Spectrum, n: int, p: float, lam: float, throw: bool) -> tuple[float, Solution]:
    """ν2 of (n − D1)(1 − D1/p) ν2 = λ with D1 < min(n, p), by bisection in ln ν2; at λ = 0 of D1 = min(n, p).

    The left side increases in ν2 where it is positive. Close to that edge it loses all digits, the sign does not.
    """
    count = min(float(n), p)

    def balance(nu: float) -> float:
        d1 = spectrum.d1(nu)
        if d1 >= count:
            return -math.inf
        return (n - d1) * (1.0 if math.isinf(p) else 1 - d1 / p) * nu - lam if lam > 0 else 1.0

    low, high = -600.0, 600.0
    evaluations = 0
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        evaluations += 1
        if balance(math.exp(middle)) < 0:
            low = middle
        else:
            high = middle
    nu = math.exp(high)
    if lam == 0:
        residual = abs(spectrum.d1(nu) / count - 1)
    else:
        # n − D1 keeps few digits where n or p is nearly reached: the scale of the residual is that of its terms.
        residual = abs(balance(nu)) / (lam + nu * n * 1e-6)
    return nu, _solution(residual, nu, evaluations, throw)


def _solution(residual: float, nu: float, evaluations: int, throw: bool) -> Solution:
    status = Status.CONVERGED if residual < 1e-8 else Status.STALLED
    solution = Solution(status, residual, evaluations, "bisection", np.array([nu]))
    if throw and not solution.converged:
        raise ConvergenceError(f"{solution.message} (residual {residual:.2e})", solution)
    return solution
