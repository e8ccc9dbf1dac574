"""Ridge on the second layer of a simulated network: one eigendecomposition serves a whole grid of penalties.

a = argmin Σ_μ (y_μ − Σ_i a_i σ(⟨w_i,z_μ⟩)/√p)² + λ‖a‖² through the smaller Gram matrix (p × p or n2 × n2); λ = 0 is the
minimum-norm limit λ → 0+. The test error E[(f* − f)²] + Δ adds the noise variance exactly instead of drawing it.

Each penalty is worked out with products of its own, never as a column of a matrix product, whose rounding depends on the
number of columns: the errors at one λ are the same to the last bit whatever else is on the grid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.simulation.backends import Backend
from asymptotics.simulation.state import Network, check_finite
from hermite.target import Target

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Fit:
    """Errors along the grid of penalties, shapes (L,): test with the label noise, train without the penalty.

    ``classes``: the further results of class labels, by name, (L,) each.
    """

    test_error: Array
    train_error: Array
    classes: Mapping[str, Array] = field(default_factory=dict)


def solve_ridge(backend: Backend, gram: Any, moment: Any, lambdas: Sequence[float]) -> list[Any]:
    """(gram + λ)^(-1) moment for every λ, each of shape (size,); λ = 0 on the range of ``gram`` only.

    At λ = 0 ``gram`` must have been accumulated in double precision: near interpolation its smallest eigenvalues are
    far below the rounding of single precision.
    """
    xp = backend.xp
    check_finite(float(xp.sum(xp.abs(gram))), float(xp.sum(xp.abs(moment))))
    values, vectors = xp.linalg.eigh(gram)
    floor = max(float(values[-1]), 0.0) * values.shape[0] * np.finfo(np.float64).eps
    projected = vectors.T @ moment
    one, none = xp.ones_like(values), xp.zeros_like(values)
    solutions = []
    for lam in lambdas:
        shifted = values + lam
        inverse = xp.where(
            shifted > (floor if lam == 0 else 0.0), 1.0 / xp.where(shifted > 0, shifted, one), none
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
    backend = network.backend
    p, xp, double = len(network.readout), backend.xp, backend.double
    root = math.sqrt(p)
    mean, slope = network.low_orders(streams[0], n2)
    rng = network.noise(streams[0])
    linear = 1 in network.remove_orders
    dual = n2 < p
    stored: list[Any] = []
    ys: list[Any] = []
    gram, moment, square = backend.zeros(*((0, 0) if dual else (p, p))), backend.zeros(p), backend.zeros()
    for chunk in network.fields(streams[0], n2):
        x = network.sigma(chunk.neurons)
        x = double(x) if 0 in lambdas else x
        y = network.labels(chunk.target, rng) - mean
        if linear:
            y = y - chunk.z @ xp.astype(slope, chunk.z.dtype)
        if dual:
            stored.append(double(x) / root)
            ys.append(y)
        else:
            gram += (x.T @ x) / p
            moment += double(x.T @ xp.astype(y, x.dtype)) / root
            square = square + y @ y
    if dual:
        x, y = xp.concat(stored), xp.concat(ys)
        readouts = [x.T @ weights for weights in solve_ridge(backend, x @ x.T, y, lambdas)]
        train = [float(xp.mean((y - x @ a) ** 2)) for a in readouts]
    else:
        readouts = solve_ridge(backend, gram, moment, lambdas)
        train = [float(square - 2 * moment @ a + a @ (gram @ a)) / n2 for a in readouts]
    total = [backend.zeros() for _ in lambdas]
    for chunk in network.fields(streams[1], n_test):
        x = network.sigma(chunk.neurons)
        y = network.labels(chunk.target, None) - mean
        if linear:
            y = y - chunk.z @ xp.astype(slope, chunk.z.dtype)
        for i, a in enumerate(readouts):
            gap = y - double(x @ xp.astype(a / root, x.dtype))
            total[i] = total[i] + gap @ gap
    test = np.array([float(value) for value in total])
    check_finite(test, train)
    return Fit(test / n_test + target.noise, np.maximum(train, 0.0))
