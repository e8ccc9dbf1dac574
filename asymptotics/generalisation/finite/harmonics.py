r"""Spherical harmonics of features and target at finite d: w uniform on the sphere S^{d-1}, z ~ N(0, I_d).

With r = |z| and |w| = 1, σ(⟨w, z⟩ + b) = Σ_l T_l(r) Σ_m Y_lm(w) Y_lm(z/r), T_l(r) = E_t[σ(r t + b) P_l(t)], t with density
∝ (1 − t²)^{(d−3)/2}, P_l Gegenbauer with P_l(1) = 1: each degree l carries one radial function for each bias, with
multiplicity N(d, l) = C(d+l−1, l) − C(d+l−3, l−2). A target of Hermite tensors C_k has at degree l the radial functions

    φ_jl(r) ∝ (−1)^j r^l L_j^{(l + d/2 − 1)}(r²/2),   k = l + 2j,

with the Gram matrix M_l[j, j'] of their coefficients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.quadrature import legendre
from asymptotics.expectations.target_rule import energy_of
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Largest degree treated one by one; what lies above is a flat tail.
DEGREES = 24
_TENSOR = 300_000
#: Standard deviations of ⟨w, z⟩ that are integrated over.
_SIGMAS = 13.0


@dataclass(frozen=True)
class Features:
    """Radial functions of the features at ``nodes`` of r, for each bias.

    ``nodes`` r (R,), ``weights`` (R,); ``radial`` √N T_l(r, b) (L+1, R, B); ``multiplicity`` N(d, l) (L+1,);
    ``shares`` (B,) of the biases; ``tail`` (R, B): E_t σ² less what the degrees up to L carry; ``error``: by how much, relative
    to E σ², the rules over angle and radius miss E σ(x + b) and E σ(x + b)², x ~ N(0, 1), which ⟨w, z⟩ is.
    """

    d: int
    nodes: Array
    weights: Array
    radial: Array
    multiplicity: Array
    shares: Array
    tail: Array
    error: float = 0.0


@dataclass(frozen=True)
class TargetHarmonics:
    """The target by degree: ``gram[l]`` M_l (J, J) over φ_0l, φ_1l, …; ``energy`` E f²; ``missing`` above the cut."""

    d: int
    gram: tuple[Array, ...]
    energy: float
    missing: float


def multiplicity(d: int, degree: int) -> float:
    """N(d, l), the number of spherical harmonics of degree l in d dimensions."""
    return float(
        math.comb(d + degree - 1, degree) - (math.comb(d + degree - 3, degree - 2) if degree >= 2 else 0)
    )


def radius_rule(d: int, points: int) -> tuple[Array, Array]:
    """Nodes r and weights for r = |z|: Gauss–Laguerre in r²/2 with exponent d/2 − 1, by Golub–Welsch."""
    from scipy.linalg import eigh_tridiagonal

    a = d / 2 - 1
    k = np.arange(points)
    values, vectors = eigh_tridiagonal(2 * k + 1 + a, np.sqrt(k[1:] * (k[1:] + a)))
    weights = vectors[0] ** 2
    return np.sqrt(2 * values), weights / weights.sum()


def features(sigma: Activation, d: int, biases: Array, shares: Array, points: int = 20) -> Features:
    """The harmonics of σ(⟨w, z⟩ + b) at dimension ``d`` ≥ 2."""
    if d < 2:
        raise InputError(f"the theory at finite d needs d of at least 2, not {d}.")
    r, weights = radius_rule(d, points)
    size = np.array([multiplicity(d, degree) for degree in range(DEGREES + 1)])
    radial = np.empty((DEGREES + 1, len(r), len(biases)))
    second = np.empty((len(r), len(biases)))
    # Where σ is sharp, as far as ⟨w, z⟩ reaches.
    edges = sigma.resolved.edges(_SIGMAS + float(np.max(np.abs(biases), initial=0.0)))
    for i, radius in enumerate(r):
        for j, b in enumerate(biases):
            t, w = _angle_rule(d, ((edges - b) / radius).tolist())
            values = np.asarray(sigma(radius * t + b), float)
            radial[:, i, j] = _harmonics(t, d) @ (w * values)
            second[i, j] = w @ values**2
    tail = second - np.sum(radial**2, axis=0)
    tail[tail < 1e-12 * second] = 0.0
    exact, unit = sigma.squares(biases, np.ones_like(biases)), np.ones_like(biases)
    off = (
        np.abs(weights @ second - exact) / exact,
        np.abs(weights @ radial[0] - sigma.mean(biases, unit)) / np.sqrt(exact),
    )
    return Features(d, r, weights, radial, size, shares, tail, float(np.max(off)))


def _angle_rule(d: int, cuts: list[float]) -> tuple[Array, Array]:
    """Nodes t = cos θ and weights for the density ∝ sin^{d−2} θ dθ, split at ``cuts``."""
    reach = min(math.pi / 2, _SIGMAS / math.sqrt(d))
    inside = [math.acos(c) for c in cuts if abs(c) < 1]
    panels = max(8, math.ceil(2 * reach * math.sqrt(d) / 1.0))
    edges = np.linspace(math.pi / 2 - reach, math.pi / 2 + reach, panels + 1)
    edges = np.unique(np.concatenate([edges, [c for c in inside if abs(c - math.pi / 2) < reach]]))
    x, w = legendre(24)
    width = np.diff(edges)
    theta = (edges[:-1, None] + width[:, None] * x).ravel()
    weights = (width[:, None] * w).ravel() * np.exp((d - 2) * np.log(np.sin(theta)))
    return np.cos(theta), weights / weights.sum()


def _harmonics(t: Array, d: int) -> Array:
    """√N(d, l) P_l(t), l = 0..24, (25, points): orthonormal under the law of t."""
    out = np.empty((DEGREES + 1, len(t)))
    out[0] = 1.0
    out[1] = math.sqrt(d) * t
    for degree in range(1, DEGREES):
        here, before, after = (multiplicity(d, degree + shift) for shift in (0, -1, 1))
        grow = (2 * degree + d - 2) * math.sqrt(after / here)
        back = degree * math.sqrt(after / before)
        out[degree + 1] = (grow * t * out[degree] - back * out[degree - 1]) / (degree + d - 2)
    return out


def target_harmonics(f: Target, d: int) -> TargetHarmonics:
    """Energies of the target by degree of spherical harmonics, from its Hermite tensors.

    With G_m^{kk'} = ⟨tr^{(k−m)/2} C_k, tr^{(k'−m)/2} C_k'⟩/m! and A_{j,l} = 4^j j! (d/2 + l)_j, the H_l solve
    G_m = Σ_{l ≤ m} A_{J,l} A_{J',l}/A_{s,l} H_l upwards in l, and M_l[j, j'] = (A_{j,l} A_{j',l})^{1/2} H_l^{kk'}.
    A target that is no polynomial is cut at the largest degree whose tensor has at most 300,000 entries (10 at most).
    """
    from hermite.expansion import expand

    if d < f.r:
        raise InputError(f"d must be at least the target's number of directions, {f.r}, not {d}.")
    limit = int(math.log(_TENSOR) / math.log(f.r)) if f.r > 1 else 60
    degree = _degree(f)
    if degree is not None and degree > limit:
        raise InputError(
            f"The theory at finite d takes targets of degree up to {limit} in {f.r} directions, not {degree}; "
            'use ridge.regime = "proportional".'
        )
    top = degree if degree is not None else min(10, limit)
    expansion = expand(f, order=top)
    if expansion.total_scalar is None:
        why = f": {expansion.reason}" if expansion.reason else ""
        raise InputError(
            f"The theory at finite d needs the target's energy E f², which no engine knows{why}."
        )
    traces = _traces([np.asarray(expansion.tensor(k), float) for k in range(top + 1)])
    gram = [_gram(h, d) for h in _all_h(traces, top, d)]
    # By the rule where the expansion's integral could not be enclosed.
    energy = energy_of(f)
    found = float(sum(np.trace(m) for m in gram))
    missing = 0.0 if degree is not None else max(0.0, energy - found)
    return TargetHarmonics(d, tuple(gram), energy, missing)


def _degree(f: Target) -> int | None:
    if not f.is_polynomial:
        return None
    from hermite.engines.polynomial import PolynomialEngine

    return PolynomialEngine(f).degree


def _traces(tensors: list[Array]) -> list[dict[int, Array]]:
    """For every k the partial traces of C_k: order m ↦ tr^{(k−m)/2} C_k."""
    out: list[dict[int, Array]] = []
    for k, tensor in enumerate(tensors):
        current, found = tensor, {k: tensor}
        for m in range(k - 2, -1, -2):
            current = np.trace(current, axis1=0, axis2=1)
            found[m] = np.asarray(current)
        out.append(found)
    return out


def _weight(j: int, degree: int, d: int) -> float:
    """A_{j,l} = 4^j j! (d/2 + l)_j."""
    out = 4.0**j * math.factorial(j)
    for i in range(j):
        out *= d / 2 + degree + i
    return out


def _all_h(traces: list[dict[int, Array]], top: int, d: int) -> list[dict[tuple[int, int], float]]:
    """H_l^{kk'} for l = 0..top, k and k' of the parity of l and at least l."""
    solved: list[dict[tuple[int, int], float]] = []
    for degree in range(top + 1):
        here: dict[tuple[int, int], float] = {}
        for k in range(degree, top + 1, 2):
            for other in range(degree, k + 1, 2):
                value = float(np.sum(traces[k][degree] * traces[other][degree])) / math.factorial(degree)
                for lower in range(degree % 2, degree, 2):
                    factor = _weight((k - lower) // 2, lower, d) * _weight((other - lower) // 2, lower, d)
                    value -= factor / _weight((degree - lower) // 2, lower, d) * solved[lower][k, other]
                value /= _weight((k - degree) // 2, degree, d) * _weight((other - degree) // 2, degree, d)
                here[k, other] = here[other, k] = value
        solved.append(here)
    return solved


def _gram(h: dict[tuple[int, int], float], d: int) -> Array:
    """M_l (J, J) from H_l."""
    orders = sorted({k for k, _ in h})
    degree = orders[0]
    root = np.array([math.sqrt(_weight((k - degree) // 2, degree, d)) for k in orders])
    gram: Array = root[:, None] * np.array([[h[k, other] for other in orders] for k in orders]) * root
    return gram


def radial_basis(r: Array, d: int, degree: int, size: int) -> Array:
    """φ_jl at ``r`` (size, R), j = 0..size − 1: E_r φ² = 1."""
    from scipy.special import eval_genlaguerre, gammaln

    a = degree + d / 2 - 1
    x = r**2 / 2
    # E[x^l L_j²] under the Gamma(d/2) law of x is Γ(j + a + 1)/(j! Γ(d/2)).
    rows = []
    for j in range(size):
        log_norm = 0.5 * (gammaln(j + a + 1) - gammaln(j + 1) - gammaln(d / 2))
        rows.append((-1) ** j * np.exp(0.5 * degree * np.log(x) - log_norm) * eval_genlaguerre(j, a, x))
    return np.array(rows)
