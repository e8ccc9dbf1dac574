r"""One giant step with one target direction in closed form, for labels of any law: their moments E[y^a s^b] are all it asks.

Class labels y = ±1 of mean m(s) have E[y^a | s] = 1, m, 1, m, 1. (The library has the layer of any number of steps and
directions in ``asymptotics.learning``, derived apart from this: a second derivation that it is held against.)

w = w0 + a G with a = eta ã and G = (1/n) Σ y σ'(⟨w0, z⟩) z. With c_1 = E σ', c_2 = E[σ' x], C_0 = E y, C_1 = E[y s],
y2 = E y² (noise included), and the direction v = (1/n) Σ y z:

    |v|² = C_1² + y2/α,   u = v/|v|,   Γ = C_1/|v|,   c_a = a c_1 |v|,
    s_a = (1 + a c_2 C_0)² + a² (E σ'² − c_1²) y2/α.

The residual is not isotropic: Sigma_{aa'} = (I + a Ŝ)(I + a' Ŝ) + a a' (E σ'² − c_1² − c_2²)/α · S2 with
Ŝ = c_2 (1/n) Σ y z zᵀ and S2 = (1/n) Σ y² z zᵀ. Level ``E`` keeps its exact 2 × 2 block on span(u, w*) and an isotropic
bulk; level ``iso`` sets it to the identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.target_rule import target_rule
from asymptotics.experiment.ridge_words import Level
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.spiked_layer import SpikedNeurons, isotropic, spiked_units
from asymptotics.generalisation.spiked.target_moments import label_moments
from asymptotics.learning.groups import Groups
from hermite.target import Target

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Labels:
    """Moments e[a, b] = E[y^a s^b] (5, 3) of the labels that the gradient sees, and the sampling ratio α."""

    e: Array
    alpha: float

    @property
    def size(self) -> float:
        """|v| = (C_1² + E y²/α)^{1/2}."""
        return float(np.sqrt(self.e[1, 1] ** 2 + self.e[2, 0] / self.alpha))

    @property
    def overlap(self) -> float:
        """Γ = C_1/|v|, the cosine of the learned direction with the target's."""
        return float(self.e[1, 1] / self.size) if self.size > 0 else 0.0

    def shifted(self, offset: float) -> Labels:
        """The labels y − offset."""
        from math import comb

        moved = np.array(
            [
                [
                    sum(comb(a, j) * (-offset) ** (a - j) * self.e[j, b] for j in range(a + 1))
                    for b in range(3)
                ]
                for a in range(5)
            ]
        )
        return Labels(moved, self.alpha)


def labels_of(f: Target, alpha: float) -> Labels:
    """The labels of a single-index target at n = α d."""
    return Labels(label_moments(f), alpha)


def class_labels_of(mean: Target, alpha: float) -> Labels:
    """Class labels of ``mean`` E[y | s] at n = α d."""
    x, w = target_rule(mean)
    s, m = x[:, 0], np.asarray(mean(x), float)
    powers = (np.ones_like(s), m, np.ones_like(s), m, np.ones_like(s))
    return Labels(np.array([[float(w @ (y * s**b)) for b in range(3)] for y in powers]), alpha)


def first_step_units(
    f: Target, sigma: Activation, groups: Groups, eta: float, labels: Labels, level: Level = Level.E
) -> Units:
    """Units of the network after one giant step; ``level`` is E or iso."""
    moved = _moved(sigma, groups, eta, labels)
    members = np.array(groups.pairs) if groups.pairs is not None else np.arange(len(groups.readout))[:, None]
    correlation = np.ones((len(members), members.shape[1], members.shape[1]))
    if groups.pairs is not None:
        correlation[:, 0, 1] = correlation[:, 1, 0] = moved.rho
    v = isotropic(correlation, 1, 1, True)
    if level == Level.E:
        v = _exact_block(labels, eta * groups.readout, moved, members)
    return spiked_units(
        f,
        sigma,
        SpikedNeurons(
            moved.coordinates[:, None],
            moved.norm2,
            groups.fraction,
            groups.bias,
            groups.pairs,
            rho=moved.rho if groups.pairs is not None else None,
            v=v,
        ),
        [[labels.overlap]],
    )


@dataclass(frozen=True, eq=False)
class _Moved:
    """Neurons after the step: ``c2`` (A,), ``coordinates`` c (A,), ``norm2`` s (A,), ``rho`` of each pair (U,).

    ``rest``: E σ'² − c_1² − c_2² (A,).
    """

    c2: Array
    coordinates: Array
    norm2: Array
    rest: Array
    rho: Array


def _moved(sigma: Activation, groups: Groups, eta: float, labels: Labels) -> _Moved:
    one, size = np.ones_like(groups.bias), eta * groups.readout
    c1 = sigma.S1(groups.bias, one)
    c2 = sigma.S2(groups.bias, one)
    varying = sigma.slope_squares(groups.bias, one) - c1**2
    noise = labels.e[2, 0] / labels.alpha
    c0 = labels.e[1, 0]
    coordinates = size * c1 * labels.size
    norm2 = (1 + size * c2 * c0) ** 2 + size**2 * varying * noise
    rho = np.zeros(0)
    if groups.pairs is not None:
        i, j = np.array(groups.pairs).T
        a, b = size[i], size[j]
        product = (1 + a * c2[i] * c0) * (1 + b * c2[j] * c0) + a * b * varying[i] * noise
        rho = product / np.sqrt(norm2[i] * norm2[j])
    return _Moved(c2, coordinates, norm2, np.maximum(varying - c2**2, 0.0), rho)


def _exact_block(labels: Labels, a: Array, moved: _Moved, members: npt.NDArray[np.int_]) -> Array:
    """v (U, B, B, 2, 2): the block of Sigma on (u, θ), divided by √(s s')."""
    shat, shat2, s2 = _blocks(labels)
    c2, rest, norm2 = moved.c2, moved.rest, moved.norm2
    left, right = members[:, :, None], members[:, None, :]

    def weight(values: Array) -> Array:
        return values[..., None, None]

    mixed = weight(a[left] * a[right] * rest[left] / labels.alpha) * s2
    linear = weight((a[left] + a[right]) * c2[left]) * shat
    quadratic = weight(a[left] * a[right] * c2[left] ** 2) * shat2
    block: Array = (np.eye(2) + linear + quadratic + mixed) / weight(np.sqrt(norm2[left] * norm2[right]))
    return block


def _blocks(labels: Labels) -> tuple[Array, Array, Array]:
    """The 2 × 2 blocks on (u, θ) of Ŝ/c_2, (Ŝ/c_2)² and S2, from closed forms on (v, w*)."""
    e, i = labels.e, 1.0 / labels.alpha
    c0, c1, y2 = e[1, 0], e[1, 1], e[2, 0]
    b = y2 * i
    vv = i**2 * e[3, 0] + 2 * i * c1 * e[2, 1] + c1**2 * e[1, 2] + b * c0
    vw = i * e[2, 1] + c1 * e[1, 2]
    ww = e[1, 2]
    vv_2 = i**2 * e[4, 0] + 2 * i * c1 * e[3, 1] + c1**2 * e[2, 2] + b * y2
    vw_2 = i * e[3, 1] + c1 * e[2, 2]
    ww_2 = e[2, 2]
    ww_q = e[1, 2] ** 2 + i * e[2, 2]
    vw_q = i**2 * e[3, 1] + i * e[1, 2] * e[2, 1] + i * c1 * e[2, 2] + c1 * e[1, 2] ** 2 + i * e[2, 1] * c0
    vv_q = (
        i * vv_2
        + c0 * i * (i * e[3, 0] + c1 * e[2, 1])
        + vw * (i * e[2, 1] + c1 * e[1, 2])
        + (vv - c1 * vw) * c0
    )
    gamma, size = labels.overlap, labels.size
    if size == 0 or abs(gamma) >= 1:
        return np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 2))
    # Rows: u = v/|v| and θ = (w* − Γ u)/√(1 − Γ²) in terms of (v, w*).
    cosine = np.sqrt(1 - gamma**2)
    basis = np.array([[1 / size, 0.0], [-gamma / (size * cosine), 1 / cosine]])

    def block(a: float, m: float, z: float) -> Array:
        out: Array = basis @ np.array([[a, m], [m, z]]) @ basis.T
        return out

    return block(vv, vw, ww), block(vv_q, vw_q, ww_q), block(vv_2, vw_2, ww_2)
