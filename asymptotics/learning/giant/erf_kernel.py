r"""K_ij = E[(f* − f)² σ'_i σ'_j] in closed form for σ = erf(κ x) without biases, any target.

σ'_i σ'_j is a Gaussian in (h_i, h_j): it turns the law of the fields into another Gaussian law, of total mass c and
covariance Q' = Q − Q_{·B} (Q_BB + T⁻¹)⁻¹ Q_{B·}, with B = {i, j}, T = 2κ² I (B = {i}, T = 4κ² where i = j), under which

    E' erf(κ h_k) erf(κ h_l) = (2/π) arcsin(2κ² Q'_kl / √((1 + 2κ² Q'_kk)(1 + 2κ² Q'_ll))),

while f*² and f* f need an average over the target's coordinates only: given x the same holds with the remainder R for Q.
Source: the integrals of Saad and Solla, Phys. Rev. E 52, 4225 (1995), of which I_4 is the case of an erf target.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.target_rule import target_rule
from asymptotics.learning.giant.noise_kernel import Student
from asymptotics.learning.giant.orbits import orbits_of, slope_pair
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Largest work (nodes times orbits times neurons) for which this beats sampling.
_MOST = 100_000_000


def has_closed_kernel(f: Target, activation: Activation, student: Student) -> bool:
    """Whether :func:`erf_kernel` covers this network at an affordable cost."""
    if activation.gauss_error is None or activation.gauss_error[1] != 0 or np.any(student.bias):
        return False
    work = len(target_rule(f)[1]) * len(orbits_of(student).pairs) * len(student.readout)
    return bool(work <= _MOST)


def erf_kernel(f: Target, activation: Activation, student: Student, refine: float = 1.0) -> Array:
    """K (p, p) without label noise."""
    assert activation.gauss_error is not None
    kappa, p = activation.gauss_error[0], len(student.readout)
    x, w = target_rule(f, refine)
    values = f(x)
    mu, R = student.M @ x.T, student.remainder
    s = np.sqrt(np.maximum(np.diag(R), 1e-300))
    orbits = orbits_of(student)
    found = np.empty(len(orbits.pairs))
    for label, (i, j) in enumerate(orbits.pairs.tolist()):
        B, T = ([i], 4 * kappa**2) if i == j else ([i, j], 2 * kappa**2)
        pull, left = _tilted(R, B, T)
        output = student.readout @ activation.mean(mu - pull @ mu[B], np.sqrt(np.diag(left))[:, None]) / p
        slopes = slope_pair(activation, mu, s, R[i, j], i, j)
        found[label] = (w * slopes) @ (values**2 - 2 * values * output)
        found[label] += _output_squared(student, kappa, B, T)
    return orbits.spread(found)


def _tilted(covariance: Array, B: list[int], T: float) -> tuple[Array, Array]:
    """(A, C'): under the tilt by exp(−T/2 Σ_B h²) the means m become m − A m_B, and the covariance C − A C_B·."""
    pull = covariance[:, B] @ np.linalg.inv(covariance[np.ix_(B, B)] + np.eye(len(B)) / T)
    return pull, covariance - pull @ covariance[B]


def _output_squared(student: Student, kappa: float, B: list[int], T: float) -> float:
    """E[f² σ'_i σ'_j]."""
    mass = 4 * kappa**2 / np.pi / np.sqrt(np.linalg.det(np.eye(len(B)) + T * student.Q[np.ix_(B, B)]))
    q = 2 * kappa**2 * _tilted(student.Q, B, T)[1]
    wide = np.sqrt(1 + np.diag(q))
    both = 2 / np.pi * np.arcsin(np.clip(q / np.outer(wide, wide), -1, 1))
    return float(mass * student.readout @ both @ student.readout / len(student.readout) ** 2)
