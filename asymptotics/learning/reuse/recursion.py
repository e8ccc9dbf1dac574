r"""Several full-batch steps on the same n = alpha d samples: the recursion of overlaps with memory.

With y = f*(W* z) + √Δ ξ drawn once, δ = y − f and S_i = ã_i δ σ'(r_i), every step is

    w_i ← (1 − η wd) w_i + η (1/n) Σ_μ S_i,μ z_μ .

The fields r^t = ⟨w^t, z_μ⟩ on the batch depend on z_μ through the weights; the fields ω^t on a fresh sample are Gaussian
with covariance Q_ts = ⟨w^t, w^s⟩ and m_t = ⟨w^t, w*⟩. As d → ∞ at fixed width and number of steps

    r^t = ω^t + (1/alpha) Σ_{s<t} A_ts S^s ,
    (B_t, Γ_t0, …, Γ_tt) = E[S^t (h*, ω^0, …, ω^t)ᵀ] Cov_t⁺ ,        C_ts = E[S^t S^sᵀ]/alpha ,
    A_{t+1,s} = (1 − η wd) A_ts + η 1[s = t] + η Σ_{u=s+1..t} Γ_tu A_us ,

and m, Q follow from ⟨G, w*⟩, ⟨G, w^s⟩ and ⟨G, G⟩ of the gradient G. No derivative of σ' is needed: Γ is a regression, whose
kinks are included (Stein's lemma). Source: dynamical mean-field theory of arXiv:2402.03220, in this derivative-free form.

All averages are over scrambled Sobol points in (h*, ξ, ω^0, …, ω^T), the teacher's axes drawn from N(0, 1.4²) and
reweighted, since the labels' tails decide; several independent scrambles give the error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.quadrature import sobol_normal
from asymptotics.learning.covariance_roots import steady_root
from asymptotics.learning.giant.noise_kernel import Student
from asymptotics.learning.giant.recursion import closed_means
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Standard deviation of the law that the teacher's axes are drawn from.
_WIDE = 1.4
#: Eigenvalues of a covariance below this share of the largest are no directions: twins of a symmetric start.
_RANK = 1e-10


@dataclass(frozen=True)
class Batch:
    """What is fixed through the steps: target, activation, rate, n/d, weight decay, and which neurons are exchangeable.

    ``classes`` (p,) numbers neurons that are exchangeable under the law of the start; the partner of neuron i in a symmetric
    start is p − 1 − i.
    """

    target: Target
    activation: Activation
    alpha: float
    eta: float
    decay: float = 0.0
    classes: npt.NDArray[np.intp] | None = None
    symmetric: bool = False
    #: E[(δ² + Δ) σ'_i σ'_j] of the first step (p, p) where it is known: that step is then one on fresh samples exactly.
    first: Array | None = None
    #: False is a negative control: fields on the batch as on fresh samples, no correlation of the gradients in time.
    memory: bool = True


@dataclass(frozen=True)
class Trajectory:
    """Overlaps with one scramble of the points, or their mean.

    ``m`` (T + 1, p, r); ``Q`` (T + 1, T + 1, p, p) with Q[t, s] = ⟨w^t, w^s⟩; ``risk`` (T + 1,) = E[(f* − f)²] on fresh samples;
    ``train`` (T + 1,) = E[(y − f)²] on the batch, label noise included.
    """

    m: Array
    Q: Array
    risk: Array
    train: Array


def trajectory(batch: Batch, start: Student, steps: int, log2_size: int, seed: int) -> Trajectory:
    """Steps 0..T from ``start`` on 2^``log2_size`` points of one scramble."""
    f, sigma, a, eta = batch.target, batch.activation, start.readout, batch.eta
    p, r = start.M.shape
    u = sobol_normal(r + 1 + p * (steps + 1), log2_size, seed)
    h = _WIDE * u[:, :r]
    weight = np.exp(-(_WIDE**2 - 1) / 2 * np.sum(u[:, :r] ** 2, axis=1))
    weight /= weight.sum()
    labels = f(h) + np.sqrt(f.noise) * u[:, r]
    pool = _averages_of(batch, p)

    m = np.zeros((steps + 1, p, r))
    Q = np.zeros((steps + 1, steps + 1, p, p))
    m[0], Q[0, 0] = start.M, start.Q
    A = np.zeros((steps + 2, steps + 1, p, p))
    C = np.zeros((steps + 1, steps + 1, p, p))
    risk, train = np.zeros(steps + 1), np.zeros(steps + 1)
    fields, scores = [h], list[Array]()
    keep = 1 - eta * batch.decay
    for t in range(steps + 1):
        own = u[:, r + 1 + p * t : r + 1 + p * (t + 1)]
        covariance = _covariance(m, Q, t)
        fields.append(_next_field(covariance, fields, own, p))
        memory = sum((S @ A[t, s].T for s, S in enumerate(scores)), np.zeros_like(own))
        on_batch = fields[-1] + memory / batch.alpha + start.bias
        residual = labels - sigma(on_batch) @ a / p
        risk[t] = closed_means(f, sigma, Student(a, start.bias, m[t], Q[t, t])).risk
        train[t] = weight @ residual**2
        if t == steps:
            break
        scores.append(a * residual[:, None] * sigma.derivative(on_batch))
        weighted = weight[:, None] * scores[t]
        moments = weighted.T @ np.hstack(fields)
        if t == 0:
            moments = _closed_first_moments(batch, start)
        response = moments @ _pseudo_inverse(covariance)
        B = pool.rows(response[:, :r])
        gamma = [pool.pairs(response[:, r + p * s : r + p * (s + 1)]) for s in range(t + 1)]
        for s in range(t + 1):
            if batch.memory or s == t:
                C[t, s] = pool.pairs(weighted.T @ scores[s]) / batch.alpha
                C[s, t] = C[t, s].T
        if t == 0 and batch.first is not None:
            C[0, 0] = np.outer(a, a) * batch.first / batch.alpha
        for s in range(t + 1) if batch.memory else ():
            A[t + 1, s] = keep * A[t, s] + eta * sum(
                (gamma[v] @ A[v, s] for v in range(s + 1, t + 1)), np.zeros((p, p))
            )
            A[t + 1, s] += eta * np.eye(p) if s == t else 0.0
        _advance(m, Q, A, C, B, gamma, t, keep, eta)
    return Trajectory(m, Q, risk, train)


def _advance(
    m: Array, Q: Array, A: Array, C: Array, B: Array, gamma: list[Array], t: int, keep: float, eta: float
) -> None:
    """Fill step t + 1 of m and Q from the gradient's products with w*, every w^s, and itself."""
    echo = [sum((A[s, q] @ C[q, t] for q in range(s)), np.zeros_like(C[0, 0])) for s in range(t + 1)]
    on_target = B + sum(gamma[s] @ m[s] for s in range(t + 1))
    on_weights = [
        B @ m[s].T + sum(gamma[q] @ Q[q, s] for q in range(t + 1)) + echo[s].T for s in range(t + 1)
    ]
    norm = B @ on_target.T + C[t, t]
    for q in range(t + 1):
        norm = norm + gamma[q] @ on_weights[q].T + echo[q].T @ gamma[q].T
    m[t + 1] = keep * m[t] + eta * on_target
    for s in range(t + 1):
        Q[t + 1, s] = keep * Q[t, s] + eta * on_weights[s]
        Q[s, t + 1] = Q[t + 1, s].T
    cross = on_weights[t] + on_weights[t].T
    Q[t + 1, t + 1] = keep**2 * Q[t, t] + keep * eta * cross + eta**2 * (norm + norm.T) / 2


def _closed_first_moments(batch: Batch, start: Student) -> Array:
    """E[S^0 (h*, ω^0)ᵀ] without sampling: the means of the giant step."""
    means = closed_means(batch.target, batch.activation, start)
    return start.readout[:, None] * np.hstack([means.target, means.network])


def _covariance(m: Array, Q: Array, t: int) -> Array:
    """Covariance of (h*, ω^0, …, ω^t)."""
    p, r = m.shape[1:]
    weights = m[: t + 1].reshape(-1, r)
    gram = Q[: t + 1, : t + 1].transpose(0, 2, 1, 3).reshape(p * (t + 1), p * (t + 1))
    return np.block([[np.eye(r), weights.T], [weights, gram]])


def _next_field(covariance: Array, fields: list[Array], own: Array, p: int) -> Array:
    """ω^t: its regression on what is known, through the covariance, and a fresh Gaussian with what remains."""
    before, cross, now = covariance[:-p, :-p], covariance[-p:, :-p], covariance[-p:, -p:]
    slope = cross @ _pseudo_inverse(before)
    # The largest directions on the first axes, which the points fill most evenly.
    root = steady_root(now - slope @ cross.T, _RANK * float(np.trace(now)))
    field: Array = np.hstack(fields) @ slope.T + own[:, : root.shape[1]] @ root.T
    return field


def _pseudo_inverse(covariance: Array) -> Array:
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    kept = values > _RANK * values[-1]
    inverse: Array = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    return inverse


@dataclass(frozen=True)
class _Averages:
    """Means over exchangeable neurons, and over pairs of one kind: same, partner, group with group."""

    row_class: npt.NDArray[np.intp]
    pair_class: npt.NDArray[np.intp]

    def rows(self, x: Array) -> Array:
        """``x`` (p, r) averaged over neurons of a class."""
        return _class_means(self.row_class, x)

    def pairs(self, x: Array) -> Array:
        """``x`` (p, p) averaged over pairs of a class."""
        return _class_means(self.pair_class.ravel(), x.reshape(-1, 1)).reshape(x.shape)


def _class_means(label: npt.NDArray[np.intp], x: Array) -> Array:
    total = np.zeros((label.max() + 1, x.shape[1]))
    np.add.at(total, label, x)
    mean: Array = (total / np.bincount(label)[:, None])[label]
    return mean


def _averages_of(batch: Batch, p: int) -> _Averages:
    own = np.arange(p) if batch.classes is None else batch.classes
    i, j = np.indices((p, p))
    kind = np.where(i == j, 0, np.where(batch.symmetric & (i + j == p - 1), 1, 2))
    keys = np.stack([own[i], own[j], kind], axis=-1).reshape(-1, 3)
    _, label = np.unique(keys, axis=0, return_inverse=True)
    return _Averages(np.unique(own, return_inverse=True)[1], label.reshape(p, p))
