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
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.losses.scalar_losses import LOSSES, Loss
from asymptotics.simulation.ridge_fit import Fit
from asymptotics.simulation.state import Network, check_finite
from hermite.errors import ConvergenceError

Array = npt.NDArray[np.float64]

#: Newton steps at most, the gradient (relative to its parts) that ends them, and the relative gap of the dual.
_STEPS, _GRADIENT, _GAP = 200, 1e-10, 1e-5


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
    from scipy.optimize import minimize

    signed = X * y[:, None]

    def negative(c: Array) -> tuple[float, Array]:
        a = signed.T @ c / lam
        return float(0.5 * lam * a @ a - np.sum(c)), signed @ a - 1.0

    start = np.full(len(y), 0.5)
    options: Any = {"maxiter": 20000, "maxfun": 40000, "ftol": 1e-15, "gtol": 1e-10, "maxcor": 30}
    found = minimize(
        negative, start, jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * len(y), options=options
    )
    a: Array = signed.T @ found.x / lam
    primal = float(np.sum(np.maximum(0.0, 1.0 - signed @ a)) + 0.5 * lam * a @ a)
    if not primal + float(found.fun) <= _GAP * primal:
        raise ConvergenceError("the hinge fit of the readout did not close the gap to its dual")
    return a
