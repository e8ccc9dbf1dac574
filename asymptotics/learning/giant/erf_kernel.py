r"""K_ij = E[(f* − f)² σ'_i σ'_j] in closed form for σ = erf(κ x) without biases, any target.

σ'_i σ'_j is a Gaussian in (h_i, h_j): it turns the law of the fields into another Gaussian law, of total mass c and
covariance Q' = Q − Q_{·B} (Q_BB + T⁻¹)⁻¹ Q_{B·}, with B = {i, j}, T = 2κ² I (B = {i}, T = 4κ² where i = j), under which

    E' erf(κ h_k) erf(κ h_l) = (2/π) arcsin(2κ² Q'_kl / √((1 + 2κ² Q'_kk)(1 + 2κ² Q'_ll))),

while f*² and f* f need an average over the target's coordinates only: given x the same holds with the remainder R for Q. For a
polynomial f* of degree D even that is a sum: with Σ', c_k and q_k the tilted covariances of x, of x and h_k, and of h_k,

    E' f*(x) erf(κ h_k) = Σ_{n ≤ D} [t^n] E_{z ~ N(0, Σ')} f*(z + t c_k) · (d/dm)^n erf(κ m/√(1 + 2κ² q_k)) at m = 0

(exp(c·∂_x ∂_h) acts on the product of independent laws), where D + 1 nodes for t and D/2 + 1 an axis for z are exact.
Source: the integrals of Saad and Solla, Phys. Rev. E 52, 4225 (1995), of which I_4 is the case of an erf target.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.quadrature import tensor_rule
from asymptotics.expectations.sharpness import degree_of
from asymptotics.expectations.target_rule import target_rule
from asymptotics.learning.giant.noise_kernel import Student
from asymptotics.learning.giant.orbits import orbits_of, slope_pair
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Largest work (nodes and neurons times orbits times neurons) for which this beats sampling, by nodes and by sums (of which 128
#: different neurons take two seconds a kernel, samples ten for 1e-3), and of what is done at once.
_BY_NODES, _BY_SUMS, _AT_ONCE = 100_000_000, 1_000_000_000, 4_000_000
#: Powers of t of so large a degree are read off their values with the loss of five digits.
_LARGEST = 12


def has_closed_kernel(f: Target, activation: Activation, student: Student) -> bool:
    """Whether :func:`erf_kernel` covers this network at an affordable cost."""
    if activation.gauss_error is None or activation.gauss_error[1] != 0 or np.any(student.bias):
        return False
    degree = _degree(f)
    nodes = len(target_rule(f)[1]) if degree is None else _nodes(degree, f.r)
    p = len(student.readout)
    most = _BY_NODES if degree is None else _BY_SUMS
    return bool((nodes + p) * len(orbits_of(student).pairs) * p <= most)


def erf_kernel(f: Target, activation: Activation, student: Student, refine: float = 1.0) -> Array:
    """K (p, p) without label noise."""
    assert activation.gauss_error is not None
    kappa, degree = activation.gauss_error[0], _degree(f)
    orbits = orbits_of(student)
    i, j = orbits.pairs.T
    found = np.empty(len(i))
    for B, T, here in (
        (orbits.pairs[i == j, :1], 4 * kappa**2, i == j),
        (orbits.pairs[i != j], 2 * kappa**2, i != j),
    ):
        size = len(student.readout) * (len(student.readout) + (0 if degree is None else _nodes(degree, f.r)))
        parts = np.array_split(B, max(1, math.ceil(len(B) * size / _AT_ONCE)))
        tilts = [_Tilt.of(student, part, T) for part in parts if len(part)]
        values = [_output_squared(student, kappa, tilt) for tilt in tilts]
        if degree is not None:
            values = [
                own + _of_polynomial(f, degree, student, kappa, tilt)
                for own, tilt in zip(values, tilts, strict=True)
            ]
        found[here] = np.concatenate(values) if values else []
    if degree is None:
        found += _at_nodes(f, activation, student, refine, orbits.pairs)
    return orbits.spread(found)


def _degree(f: Target) -> int | None:
    """That of a polynomial whose powers of t are told apart."""
    degree = None if f.tree is None else degree_of(f.tree)
    return degree if degree is not None and degree <= _LARGEST else None


def _nodes(degree: int, r: int) -> int:
    return (degree + 1) * int((degree // 2 + 1) ** r)


@dataclass(frozen=True)
class _Tilt:
    """σ'_i σ'_j as Gaussian laws, one a pair: mass (L,), covariances of x (L, r, r), of h and x (L, p, r), and of h (L, p, p)."""

    mass: Array
    target: Array
    cross: Array
    fields: Array

    @classmethod
    def of(cls, student: Student, B: npt.NDArray[np.intp], T: float) -> _Tilt:
        """exp(−T/2 Σ_B h²) for every row of ``B`` (L, b): C − C_·B (C_BB + 1/T)⁻¹ C_B· of the covariance C of (x, h)."""
        M, Q, one = student.M, student.Q, np.eye(B.shape[1])
        inside, MB, QB = Q[B[:, :, None], B[:, None, :]], M[B], Q[B]
        pull = np.linalg.inv(inside + one / T)
        on_x, on_h = pull @ MB, pull @ QB
        # σ' σ' = (4 κ²/π) exp(…), and 4 κ² = 2 T for two neurons, T for one and the same.
        front = T * B.shape[1] / np.pi
        return cls(
            front / np.sqrt(np.linalg.det(one + T * inside)),
            np.eye(M.shape[1]) - np.swapaxes(MB, 1, 2) @ on_x,
            M - np.swapaxes(QB, 1, 2) @ on_x,
            Q - np.swapaxes(QB, 1, 2) @ on_h,
        )


def _output_squared(student: Student, kappa: float, tilt: _Tilt) -> Array:
    """E[f² σ'_i σ'_j] (L,)."""
    q, a = 2 * kappa**2 * tilt.fields, student.readout / len(student.readout)
    wide = np.sqrt(1 + np.diagonal(q, axis1=1, axis2=2))
    both = np.arcsin(np.clip(q / (wide[:, :, None] * wide[:, None, :]), -1, 1))
    squares: Array = tilt.mass * (2 / np.pi) * ((both @ a) @ a)
    return squares


def _of_polynomial(f: Target, degree: int, student: Student, kappa: float, tilt: _Tilt) -> Array:
    """E[(f*² − 2 f* f) σ'_i σ'_j] (L,) for a polynomial f*."""
    values, vectors = np.linalg.eigh(tilt.target)
    root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    r = root.shape[1]
    u, w = tensor_rule([degree + 1] * r)
    square = f((u @ np.swapaxes(root, 1, 2)).reshape(-1, r)).reshape(len(root), -1) ** 2 @ w
    u, w = tensor_rule([degree // 2 + 1] * r)
    z = u @ np.swapaxes(root, 1, 2)
    t = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    points = z[:, None, None] + (t[:, None] * tilt.cross[:, :, None, :])[:, :, :, None]
    means = f(points.reshape(-1, r)).reshape(points.shape[:-1]) @ w
    # Coefficients of the powers of t (L, p, degree + 1), and derivatives of the smoothed erf at 0.
    powers = means @ np.linalg.inv(np.vander(t, increasing=True)).T
    slope = kappa / np.sqrt(1 + 2 * kappa**2 * np.diagonal(tilt.fields, axis1=1, axis2=2))
    output = np.zeros_like(slope)
    for n in range(1, degree + 1, 2):
        factor = (-1) ** (n // 2) * 2 / math.sqrt(math.pi) * math.factorial(n - 1) / math.factorial(n // 2)
        output += powers[:, :, n] * factor * slope**n
    return tilt.mass * (square - 2 * output @ student.readout / len(student.readout))


def _at_nodes(
    f: Target, activation: Activation, student: Student, refine: float, pairs: npt.NDArray[np.intp]
) -> Array:
    """E[(f*² − 2 f* f) σ'_i σ'_j] (L,) by nodes over the target's coordinates."""
    assert activation.gauss_error is not None
    kappa, p = activation.gauss_error[0], len(student.readout)
    x, w = target_rule(f, refine)
    values = f(x)
    mu, R = student.M @ x.T, student.remainder
    s = np.sqrt(np.maximum(np.diag(R), 1e-300))
    found = np.empty(len(pairs))
    for label, (i, j) in enumerate(pairs.tolist()):
        B, T = ([i], 4 * kappa**2) if i == j else ([i, j], 2 * kappa**2)
        pull = R[:, B] @ np.linalg.inv(R[np.ix_(B, B)] + np.eye(len(B)) / T)
        left = np.diag(R - pull @ R[B])
        output = student.readout @ activation.mean(mu - pull @ mu[B], np.sqrt(left)[:, None]) / p
        slopes = slope_pair(activation, mu, s, R[i, j], i, j)
        found[label] = (w * slopes) @ (values**2 - 2 * values * output)
    return found
