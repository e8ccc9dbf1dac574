"""K_ij = E[(f* − f)² σ'_i σ'_j], the covariance of the batch noise, and K^z_ij = E[(f* − f)² σ'_i σ'_j |u|²].

The fields are h = F u with u ~ N(0, I): first the r target coordinates x, then the directions of the neurons' remainder
R = Q − M Mᵀ = L Lᵀ, largest first. R is singular under symmetric initialisation: nothing is inverted.

* one or two neurons: cubature, Gauss–Hermite over x and Gauss–Legendre between the kinks over the neurons' fields;
* more neurons: scrambled Sobol points, with E[f*² σ'_i σ'_j], known exactly over x, as a control variate: it carries the
  heavy tail, which is what quasi-Monte Carlo integrates worst.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.pairs import weighted_slope_products
from asymptotics.expectations.quadrature import sobol_chunks
from asymptotics.expectations.target_rule import target_rule
from asymptotics.learning.covariance_roots import steady_root
from hermite.target import Target

Array = npt.NDArray[np.float64]

_CHUNK = 1 << 20
_MAX_EXACT_PAIRS = 600_000


@dataclass(frozen=True)
class Student:
    """A network of p neurons as its fields see it: ``readout`` ã (p,), ``bias`` (p,), ``M`` (p, r), ``Q`` (p, p)."""

    readout: Array
    bias: Array
    M: Array
    Q: Array

    @property
    def remainder(self) -> Array:
        """R = Q − M Mᵀ."""
        return self.Q - self.M @ self.M.T

    def root(self) -> Array:
        """L (p, rank) with L Lᵀ = R, columns in decreasing size; eigenvalues below 1e-12 of the largest dropped."""
        remainder = self.remainder
        return steady_root(remainder, 1e-12 * max(float(np.linalg.norm(remainder, 2)), 1e-300))


def kernel_by_cubature(
    f: Target, activation: Activation, student: Student, *, refine: float = 1.0, with_radius: bool = False
) -> tuple[Array, Array]:
    """(K, K^z) of at most two neurons, without label noise; K^z is 0 unless ``with_radius``."""
    p = len(student.readout)
    R = student.remainder
    s = np.sqrt(np.maximum(np.diag(R), 1e-300))
    x, w = target_rule(f, refine)
    finer, panel = round(2 + 2 * refine), 4.5
    probe = activation.row_rule(np.zeros((1, 1)), np.full((1, 1), float(s.max())), finer, panel)[0]
    rows = max(1, _CHUNK // (2 * probe.shape[1]) ** p)
    K, KZ = np.zeros((p, p)), np.zeros((p, p))
    rest = 0.0
    if p == 2:
        rho = float(np.clip(R[0, 1] / (s[0] * s[1]), -1, 1))
        rest = float(np.sqrt(max(0.0, (1 - rho) * (1 + rho))))
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        mu = part @ student.M.T + student.bias
        u, wu = activation.row_rule(mu[:, :1], np.full((len(part), 1), s[0]), finer, panel)
        u, wu = (np.broadcast_to(part_of, (len(part), u.shape[1])) for part_of in (u, wu))
        fields = [mu[:, :1] + s[0] * u]
        weight = w[start : start + rows, None] * wu
        target = np.broadcast_to(f(part)[:, None], u.shape)
        radius = np.sum(part**2, axis=1)[:, None] + u**2
        if p == 2:
            centre = mu[:, 1:] + rho * s[1] * u
            if rest < 1e-7:
                fields.append(centre)
            else:
                t, wt = activation.row_rule(
                    centre.reshape(-1, 1), np.full((centre.size, 1), s[1] * rest), finer, panel
                )
                t, wt = (np.broadcast_to(part_of, (centre.size, t.shape[1])) for part_of in (t, wt))
                shape = (*u.shape, t.shape[1])
                fields = [
                    np.broadcast_to(fields[0][..., None], shape),
                    centre[..., None] + s[1] * rest * t.reshape(shape),
                ]
                weight = weight[..., None] * wt.reshape(shape)
                target = np.broadcast_to(target[..., None], shape)
                radius = radius[..., None] + t.reshape(shape) ** 2
        output = sum(a * activation(h) for a, h in zip(student.readout, fields, strict=True)) / p
        power = weight * (target - output) ** 2
        slopes = [activation.derivative(h) for h in fields]
        for i in range(p):
            for j in range(i, p):
                product = power * slopes[i] * slopes[j]
                K[i, j] += float(np.sum(product))
                if with_radius:
                    KZ[i, j] += float(np.sum(product * radius))
    upper = np.triu(K, 1), np.triu(KZ, 1)
    return K + upper[0].T, KZ + upper[1].T


def exact_part(f: Target, activation: Activation, student: Student) -> Array | None:
    """E[f*² σ'_i σ'_j], (p, p), over the target's coordinates; None if it would cost too much."""
    p = len(student.readout)
    x, w = target_rule(f, 0.7)
    if len(x) * p * (p + 1) / 2 > _MAX_EXACT_PAIRS:
        return None
    R = student.remainder
    s = np.sqrt(np.maximum(np.diag(R), 1e-300))
    mu = student.M @ x.T + student.bias[:, None]
    rho = np.clip(R / np.outer(s, s), -1, 1)
    return weighted_slope_products(activation, mu, s, rho, w * f(x) ** 2)


def kernel_by_sampling(
    f: Target,
    activation: Activation,
    student: Student,
    log2_size: int,
    seed: int,
    exact: Array | None,
    *,
    with_radius: bool = False,
) -> tuple[Array, Array]:
    """(K, K^z) of any number of neurons from 2^log2_size scrambled Sobol points, without label noise."""
    p, r = student.M.shape
    root = student.root()
    K, KZ, control = np.zeros((p, p)), np.zeros((p, p)), np.zeros((p, p))
    overlap, square = 0.0, 0.0
    for u in sobol_chunks(r + root.shape[1], log2_size, seed, max(1, _CHUNK // p)):
        h = u[:, :r] @ student.M.T + u[:, r:] @ root.T + student.bias
        values = f(u[:, :r])
        target = values**2
        power = (values - activation(h) @ student.readout / p) ** 2
        slopes = activation.derivative(h)
        K += (slopes * power[:, None]).T @ slopes
        if exact is not None:
            control += (slopes * target[:, None]).T @ slopes
            overlap += float(power @ target)
            square += float(target @ target)
        if with_radius:
            KZ += (slopes * (power * np.sum(u**2, axis=1))[:, None]).T @ slopes
    size = 2.0**log2_size
    if exact is not None and square > 0:
        # The tail of δ² that is explained by the tail of f*² is known exactly.
        K = K + overlap / square * (size * exact - control)
    return K / size, KZ / size
