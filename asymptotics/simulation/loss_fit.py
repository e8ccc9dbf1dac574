r"""The second layer of a simulated network fitted to class labels by any convex loss of this package.

a = argmin Σ_μ l(y_μ, ⟨x_μ, a⟩) + (λ/2)|a|², x = σ(⟨w_i, z⟩)/√p. Smooth losses by Newton's method with a line search (Huber's
second derivative jumps, and the steps end after finitely many); the hinge loss by its dual

    max_c Σ c − |Σ c_μ y_μ x_μ|²/(2 λ),   0 ≤ c ≤ 1,   a = Σ c_μ y_μ x_μ/λ,

whose gap to the primal is the certificate. With fewer samples than neurons a lies in their span: everything happens there.
Errors on new samples are means over their labels, not draws of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.losses.scalar_losses import LOSSES, Loss
from asymptotics.simulation.ridge_fit import Fit
from asymptotics.simulation.state import Network, check_finite
from hermite.errors import ConvergenceError

Array = npt.NDArray[np.float64]

#: Newton steps at most, the gradient (relative to its parts) that ends them, and the relative gap of the dual.
_STEPS, _GRADIENT, _GAP = 200, 1e-10, 1e-8


def fit_classes(
    network: Network,
    loss: str,
    lambdas: Sequence[float],
    *,
    n2: int,
    n_test: int,
    streams: tuple[int, int],
) -> Fit:
    """Fit the readout on ``n2`` fresh samples and measure it on ``n_test`` others (streams: training, test).

    Raises :class:`ConvergenceError` where a fit is not found.
    """
    backend, root = network.backend, math.sqrt(len(network.readout))
    rng = network.noise(streams[0])
    features, labels = [], []
    for chunk in network.fields(streams[0], n2):
        features.append(backend.fetch(backend.double(network.sigma(chunk.neurons))) / root)
        labels.append(backend.fetch(network.labels(chunk.target, rng)))
    X, y = np.concatenate(features), np.concatenate(labels)
    check_finite(X)
    readouts = [fit_readout(loss, X, y, lam) for lam in lambdas]
    l = LOSSES[loss].value  # noqa: E741
    train = [(np.mean((y - out) ** 2), np.mean(l(y, out))) for out in (X @ a for a in readouts)]
    total = np.zeros((len(lambdas), 3))
    for chunk in network.fields(streams[1], n_test):
        x = backend.fetch(backend.double(network.sigma(chunk.neurons))) / root
        mean = backend.fetch(network.labels(chunk.target, None))
        for i, a in enumerate(readouts):
            out = x @ a
            lost = 0.5 * ((1 + mean) * l(np.ones(1), out) + (1 - mean) * l(-np.ones(1), out))
            wrong = 0.5 * (1 - mean * np.sign(out))
            total[i] += np.sum(1 - 2 * mean * out + out**2), np.sum(wrong), np.sum(lost)
    test = total / n_test
    check_finite(test)
    return Fit(
        test[:, 0],
        np.array([error for error, _ in train]),
        {
            "classification_error": test[:, 1],
            "test_loss": test[:, 2],
            "train_loss": np.array([lost for _, lost in train]),
        },
    )


def fit_readout(loss: str, X: Array, y: Array, lam: float) -> Array:
    """The minimum a (p,) for features ``X`` (n, p), labels ``y`` = ±1 (n,) and a penalty λ > 0."""
    if X.shape[0] < X.shape[1]:
        # a = Q b with Xᵀ = Q R.
        q, r = np.linalg.qr(X.T)
        found: Array = q @ fit_readout(loss, np.ascontiguousarray(r.T), y, lam)
        return found
    by_dual = LOSSES[loss].slopes is None
    return _by_dual(X, y, lam) if by_dual else _by_newton(LOSSES[loss], X, y, lam)


def _by_newton(loss: Loss, X: Array, y: Array, lam: float) -> Array:
    value, slopes = loss.value, loss.slopes
    assert slopes is not None
    a = np.zeros(X.shape[1])
    out = X @ a
    energy = float(np.sum(value(y, out)))
    for _ in range(_STEPS):
        slope, curvature = slopes(y, out)
        pull = X.T @ slope
        gradient = pull + lam * a
        size = float(np.linalg.norm(pull) + lam * np.linalg.norm(a) + np.linalg.norm(X.T @ np.abs(slope)))
        if float(np.linalg.norm(gradient)) <= _GRADIENT * size:
            return a
        hessian = (X.T * curvature) @ X
        hessian[np.diag_indices_from(hessian)] += lam
        step = -np.linalg.solve(hessian, gradient)
        descent, along = float(gradient @ step), X @ step
        length = 1.0
        while length > 1e-10:
            moved, there = a + length * step, out + length * along
            after = float(np.sum(value(y, there))) + 0.5 * lam * float(moved @ moved)
            if after <= energy + 1e-4 * length * descent or abs(length * descent) <= 1e-14 * abs(energy):
                break
            length /= 2
        a, out, energy = moved, there, after
    raise ConvergenceError(f"the {loss.name} fit of the readout did not end in {_STEPS} Newton steps")


def _by_dual(X: Array, y: Array, lam: float) -> Array:
    """The dual's box by a primal-dual interior point (Mehrotra): each step solves a system of the size of the readout."""
    signed = X * y[:, None]
    c = np.full(len(y), 0.5)
    a: Array = signed.T @ c / lam
    # Multipliers of the size of the slopes, so that stationarity holds from the start on.
    margin = 1.0 - signed @ a
    start = float(np.mean(np.abs(margin)))
    low, high = start + np.maximum(-margin, 0.0), start + np.maximum(margin, 0.0)
    for _ in range(_STEPS):
        margin, dual = 1.0 - signed @ a, signed.T @ c
        primal = float(np.sum(np.maximum(0.0, margin)) + 0.5 * lam * a @ a)
        if primal <= float(np.sum(c) - 0.5 * dual @ dual / lam) + _GAP * primal:
            return a
        # −margin − low + high = 0 and λ a = Σ c y x; low c = high (1 − c) = 0. a stays a variable: from c alone it would
        # carry the rounding of c over λ.
        stiff = low / c + high / (1 - c)
        inner = lam * np.eye(len(a)) + (signed / stiff[:, None]).T @ signed
        room = float(low @ c + high @ (1 - c)) / (2 * len(y))
        centre, bent = 0.0, (np.zeros_like(c), np.zeros_like(c))
        for share in (1.0, 0.995):
            right = margin + (centre - bent[0]) / c - (centre - bent[1]) / (1 - c)
            da = np.linalg.solve(inner, signed.T @ (right / stiff) + dual - lam * a)
            dc = (right - signed @ da) / stiff
            dlow = (centre - bent[0] - low * dc) / c - low
            dhigh = (centre - bent[1] + high * dc) / (1 - c) - high
            length = share * _longest((c, dc), (1 - c, -dc), (low, dlow), (high, dhigh))
            bent = dc * dlow, -dc * dhigh
            ahead = (low + length * dlow) @ (c + length * dc) + (high + length * dhigh) @ (
                1 - c - length * dc
            )
            centre = room * (float(ahead) / (2 * len(y) * room)) ** 3
        a, c, low, high = a + length * da, c + length * dc, low + length * dlow, high + length * dhigh
    raise ConvergenceError("the hinge fit of the readout did not close the gap to its dual")


def _longest(*parts: tuple[Array, Array]) -> float:
    """The longest step, at most 1, for which every x + length dx of ``parts`` (x, dx) stays at 0 or above."""
    return min(1.0, *(float(np.min(np.where(dx < 0, -x / np.minimum(dx, -1e-300), 1.0))) for x, dx in parts))
