"""Exchangeable neurons at fixed width: pairs (i, j) whose entries of Q and K are equal by symmetry.

A network whose neurons start alike (M = 0, Q = I, or with twins i and p−1−i) stays invariant under every permutation of
neurons of equal readout and bias that keeps twins together. The pairs (i, j) fall into orbits: a neuron with itself, twins,
and others, by the kinds of the two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.pairs import slope_product
from asymptotics.learning.giant.noise_kernel import Student

Array = npt.NDArray[np.float64]

#: Entries that differ by less than this, relative to the largest, are equal up to rounding.
_EQUAL = 1e-9


@dataclass(frozen=True)
class Orbits:
    """``labels`` (p, p): the orbit 0..L−1 of each pair; ``pairs`` (L, 2): one pair of each.

    ``kind`` (p,): equal for neurons that may be exchanged together with their twins; None without the symmetry.
    """

    labels: npt.NDArray[np.intp]
    pairs: npt.NDArray[np.intp]
    kind: npt.NDArray[np.intp] | None = None

    def mean(self, matrix: Array) -> Array:
        """``matrix`` (p, p) with every entry replaced by the mean of its orbit."""
        flat = self.labels.ravel()
        return (np.bincount(flat, matrix.ravel()) / np.bincount(flat))[self.labels]

    def spread(self, values: Array) -> Array:
        """The matrix (p, p) with ``values`` (L,) of the orbits."""
        return values[self.labels]


def orbits_of(student: Student) -> Orbits:
    """The orbits of ``student``; every pair i ≤ j is one of its own where M and Q do not have the symmetry."""
    p = len(student.readout)
    own = np.stack([student.readout, student.bias], axis=1)
    # The kind of a neuron: its own parameters and those of the neuron at its twin's place.
    kind = np.unique(np.concatenate([own, own[::-1]], axis=1), axis=0, return_inverse=True)[1].ravel()
    i, j = np.indices((p, p))
    relation = np.where(i == j, 0, np.where(i + j == p - 1, 1, 2))
    low, high = np.minimum(kind[i], kind[j]), np.maximum(kind[i], kind[j])
    found = _numbered((low * p + high) * 3 + relation)
    # 1: the squared length of a neuron at its start, which is the unit of Q.
    size = _EQUAL * max(float(np.abs(student.Q).max()), 1.0)
    means = np.stack([student.M[kind == k].mean(axis=0) for k in range(kind.max() + 1)])[kind]
    if np.abs(student.M - means).max() > size or np.abs(student.Q - found.mean(student.Q)).max() > size:
        return _numbered(np.minimum(i, j) * p + np.maximum(i, j))
    return replace(found, kind=kind)


def _numbered(codes: npt.NDArray[np.intp]) -> Orbits:
    _, first, labels = np.unique(codes, return_index=True, return_inverse=True)
    pairs = np.stack(np.unravel_index(first, codes.shape), axis=1)
    return Orbits(labels.reshape(codes.shape), pairs)


def slopes_given_target(
    activation: Activation, student: Student, orbits: Orbits, x: Array, weight: Array
) -> Array:
    """Σ_x weight(x) E[σ'_i σ'_j | x] of one pair of each orbit, (L,); nodes ``x`` (N, r) of the target's coordinates."""
    mu, s = student.M @ x.T + student.bias[:, None], np.sqrt(np.maximum(np.diag(student.remainder), 1e-300))
    out = np.empty(len(orbits.pairs))
    for label, (i, j) in enumerate(orbits.pairs.tolist()):
        out[label] = slope_pair(activation, mu, s, student.remainder[i, j], i, j) @ weight
    return out


def slope_pair(activation: Activation, mu: Array, s: Array, covariance: float, i: int, j: int) -> Array:
    """E[σ'_i σ'_j] at every node, (N,), for means ``mu`` (p, N), spreads ``s`` (p,) and this covariance."""
    if i == j:
        return activation.slope_squares(mu[i], np.full(mu.shape[1], s[i]))
    rho = float(np.clip(covariance / (s[i] * s[j]), -1, 1))
    return slope_product(activation, mu[i], s[i], mu[j], s[j], rho)
