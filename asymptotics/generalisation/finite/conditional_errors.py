r"""Errors of the ridge fit from the conditional equations: the derivative of the energy in a penalty that depends on x.

    Q(λ(·)) = yᵀ(ΦΦᵀ + diag λ(x_μ))⁻¹ y = n Σ_x w_x (v + Δ)/κ + Σ_c [fᵀ W f − (W f)ᵀ Z (W f)],
    E[((ΦΦᵀ + λ)⁻¹ y)_μ² | x] = −(1/(n w_x)) ∂Q/∂λ_x,

f the parts of the target that the operators carry, v(x) the energy of what they do not. The derivative is one linear
system, the adjoint of the equations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.fixed_point import Solution
from asymptotics.generalisation.finite.unit_equations import (
    Place,
    UnitFeatures,
    response,
    solve_unit_equations,
    triangle,
)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Carrier:
    """Functions of the target and the operator that carries them: m functions of x that the residuals may mix.

    ``T`` (X, m, A, B) acts on each; ``mixing`` (A, B, m, B, m) is what the average over residuals leaves between function
    α seen by neuron b and β by b' (m = 1: P_l(ρ_bb')); ``parts`` (R, X, m) rows of the target.
    """

    T: Array
    mixing: Array
    parts: Array


@dataclass(frozen=True)
class UnitErrors:
    """Excess risk and training error, κ (X,), D (A, B, B), and how the solver ended."""

    excess: float
    train: float
    kappa: Array
    D: Array
    solution: Solution


def unit_errors(
    c: UnitFeatures,
    carriers: Sequence[Carrier],
    rest: Array,
    n: int,
    p: float,
    lam: float,
    noise: float,
    *,
    start: UnitErrors | None = None,
    throw: bool = True,
) -> UnitErrors:
    """Errors at n samples, p neurons (∞: kernel ridge), penalty λ > 0 and noise Δ; ``rest`` v(x) (X,).

    ``start``: the answer of a neighbour on a curve.
    Raises what :func:`~asymptotics.generalisation.finite.unit_equations.solve_unit_equations` raises.
    """
    near = None if start is None else Place(start.kappa, start.D)
    found = solve_unit_equations(c, n, p, lam, start=near, throw=throw)
    kappa, D = found.kappa, found.D
    k = kappa / n
    W = c.weights / k
    on_kappa = -n * (rest + noise) / kappa**2
    on_D = np.zeros(D.shape)
    for carrier in carriers:
        if carrier.parts.size:
            first, second = _gradients(c, carrier, D, W, k)
            on_kappa -= first / n
            on_D -= second
    tri = triangle(D.shape[-1])
    on_H = np.zeros(len(D) * len(tri))
    if not math.isinf(p):
        # ∂D/∂H_t = −D E_t D.
        on_H = -np.einsum("abc,tcd,ade,abe->at", D, tri, D, on_D, optimize=True).ravel()
    adjoint = np.linalg.solve(found.state.adjoint(c.weights), np.concatenate([on_kappa, on_H]))
    e2 = -adjoint[: len(kappa)] / n
    excess = float(c.weights @ (kappa**2 * e2)) - noise
    return UnitErrors(excess, lam**2 * float(c.weights @ e2), kappa, D, found.solution)


def _gradients(c: UnitFeatures, carrier: Carrier, D: Array, W: Array, k: Array) -> tuple[Array, Array]:
    """Σ (g/k)² (X,) and (ω_a/B) Σ mixing h h (A, B, B) of one carrier, g = f − Z W f, h = Tᵀ W g."""
    X, m, A, B = carrier.T.shape
    M = np.zeros((A, B, m, A, B, m))
    index = np.arange(A)
    M[index, :, :, index] = c.per_neuron[:, None, None, None, None] * D[:, :, None, :, None] * carrier.mixing
    T = np.zeros((X, m, A, B, m))
    each = np.arange(m)
    T[:, each, :, :, each] = carrier.T.transpose(1, 0, 2, 3)
    flat = T.reshape(X * m, A * B * m)
    weights = np.repeat(W, m)
    f = carrier.parts.reshape(len(carrier.parts), X * m)
    Z, _, _ = response(flat, M.reshape(A * B * m, -1), weights)
    g = f - (f * weights) @ Z
    h = ((g * weights) @ flat).reshape(len(f), A, B, m)
    on_kappa = np.sum((g.reshape(len(f), X, m) / k[None, :, None]) ** 2, axis=(0, 2))
    on_D = np.einsum("a,abicj,rabi,racj->abc", c.per_neuron, carrier.mixing, h, h, optimize=True)
    return on_kappa, on_D
