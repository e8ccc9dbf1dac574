"""Ridge on the second layer of a simulated network: one eigendecomposition serves a whole grid of penalties.

a = argmin Σ_μ (y_μ − Σ_i a_i σ(⟨w_i,z_μ⟩)/√p)² + λ‖a‖² through the smaller Gram matrix (p × p or n2 × n2); λ = 0 is the
minimum-norm limit λ → 0+. The test error E[(f* − f)²] + Δ adds the noise variance exactly instead of drawing it.

Each penalty is worked out with products of its own, never as a column of a matrix product, whose rounding depends on the
number of columns: the errors at one λ are the same to the last bit whatever else is on the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.simulation.state import Network, check_finite, labels
from hermite.target import Target

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Fit:
    """Errors along the grid of penalties, shapes (L,): test with the label noise, train without the penalty."""

    test_error: Array
    train_error: Array


def solve_ridge(gram: Array, moment: Array, lambdas: Sequence[float]) -> list[Array]:
    """(gram + λ)^(-1) moment for every λ, each of shape (size,); λ = 0 on the range of ``gram`` only.

    At λ = 0 ``gram`` must have been accumulated in double precision: near interpolation its smallest eigenvalues are
    far below the rounding of single precision.
    """
    check_finite(gram, moment)
    values, vectors = np.linalg.eigh(gram)
    floor = max(float(values[-1]), 0.0) * len(values) * np.finfo(np.float64).eps
    projected = vectors.T @ moment
    solutions = []
    for lam in lambdas:
        shifted = values + lam
        inverse = np.where(
            shifted > (floor if lam == 0 else 0.0), 1.0 / np.where(shifted > 0, shifted, 1.0), 0.0
        )
        solutions.append(vectors @ (inverse * projected))
    return solutions


def fit_and_test(
    network: Network,
    target: Target,
    lambdas: Sequence[float],
    *,
    n2: int,
    n_test: int,
    streams: tuple[int, int],
) -> Fit:
    """Fit the readout on ``n2`` fresh samples and measure it on ``n_test`` others (streams: training, test)."""
    if 0 in lambdas and any(lambdas):
        # λ = 0 has a precision of its own; the others must not depend on whether it is there.
        parts = ((0.0,), tuple(lam for lam in lambdas if lam))
        zero, rest = (
            fit_and_test(network, target, part, n2=n2, n_test=n_test, streams=streams) for part in parts
        )
        place = list(lambdas).index(0)
        return Fit(
            np.insert(rest.test_error, place, zero.test_error),
            np.insert(rest.train_error, place, zero.train_error),
        )
    p = len(network.readout)
    xp, send, fetch = network.backend.xp, network.backend.send, network.backend.fetch
    mean, slope = network.low_orders(streams[0], n2)
    rng = network.noise(streams[0])
    dual = n2 < p
    precision = xp.float64 if 0 in lambdas else None
    stored: list[Array] = []
    ys: list[Array] = []
    gram, moment, square = np.zeros((p, p) if not dual else (0, 0)), np.zeros(p), 0.0
    for chunk in network.fields(streams[0], n2):
        x = network.sigma(chunk.neurons)
        x = x if precision is None else xp.astype(x, precision)
        y = labels(target, chunk.target, rng) - mean
        if chunk.z is not None and slope.any():
            y = y - chunk.z @ slope.astype(chunk.z.dtype)
        if dual:
            stored.append(fetch(x) / np.sqrt(p))
            ys.append(y)
        else:
            gram += fetch(x.T @ x) / p
            moment += fetch(x.T @ xp.astype(send(y), x.dtype)) / np.sqrt(p)
            square += float(y @ y)
    if dual:
        x, y = np.concatenate(stored).astype(np.float64), np.concatenate(ys)
        readouts = [x.T @ weights for weights in solve_ridge(x @ x.T, y, lambdas)]
        train = [float(np.mean((y - x @ a) ** 2)) for a in readouts]
    else:
        readouts = solve_ridge(gram, moment, lambdas)
        train = [float(square - 2 * moment @ a + a @ (gram @ a)) / n2 for a in readouts]
    total = np.zeros(len(lambdas))
    for chunk in network.fields(streams[1], n_test):
        x = network.sigma(chunk.neurons)
        y = labels(target, chunk.target, None) - mean
        if chunk.z is not None and slope.any():
            y = y - chunk.z @ slope.astype(chunk.z.dtype)
        for i, a in enumerate(readouts):
            gap = y - fetch(x @ xp.astype(send(a / np.sqrt(p)), x.dtype)).astype(np.float64)
            total[i] += gap @ gap
    check_finite(total, train)
    return Fit(total / n_test + target.noise, np.maximum(train, 0.0))
