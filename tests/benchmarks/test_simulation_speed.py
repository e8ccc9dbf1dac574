"""A simulated experiment against its floor: the bare float32 matrix products of the same sizes.

Run with `make benchmark`; the ratios are in ``extra_info`` (d = 512, p = 1024, n = 30,000, relu, 100,000 test points).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from stopwatch import least_seconds

from asymptotics.expectations.activations import get_activation
from asymptotics.simulation.direct import DirectNetwork
from asymptotics.simulation.reduced import ReducedNetwork
from asymptotics.simulation.ridge_fit import fit_and_test
from asymptotics.simulation.student import Setup
from hermite import Target

D, P, N, TEST = 512, 1024, 30_000, 100_000
F = Target("z1 + z1*z2")
READOUT = np.repeat([1.0, -1.0], P // 2)


def student(kind: Any = DirectNetwork, readout: Any = READOUT, d: int = D) -> Any:
    options = {
        "symmetric": False,
        "bias": 0.0,
        "entropy": 0,
        "replicate": 0,
        "memory": 10**9,
        "dtype": "float32",
    }
    return kind(Setup(F, get_activation("relu"), readout, d, **options))


def products(*shapes: tuple[int, int, int]) -> float:
    """Seconds of the float32 products (m, k) @ (k, n) of ``shapes``."""
    rng = np.random.default_rng(0)
    total = 0.0
    for m, k, n in shapes:
        a, b = rng.standard_normal((m, k), dtype=np.float32), rng.standard_normal((k, n), dtype=np.float32)
        total += least_seconds(lambda a=a, b=b: a @ b)
    return total


def measure(benchmark: Any, work: Callable[[], Any], floor: float) -> None:
    benchmark.pedantic(work, rounds=3, iterations=1)
    if benchmark.enabled:
        benchmark.extra_info["floor_s"] = round(floor, 3)
        benchmark.extra_info["ratio"] = round(benchmark.stats.stats.min / floor, 2)


@pytest.mark.slow
def test_a_giant_step_is_timed_beside_its_products(benchmark: Any) -> None:
    """Drawing the batch, fields, gradient, update."""
    floor = products((N, D, P), (P, N, D))
    measure(benchmark, lambda: student().giant_step(1, N, 1.0), floor)


@pytest.mark.slow
def test_a_whole_experiment_is_timed_beside_its_products(benchmark: Any) -> None:
    """A step, the features of as many fresh samples, ridge, 100,000 test points."""

    def work() -> None:
        network = student()
        network.giant_step(1, N, 1.0)
        fit_and_test(network, F, [0.01, 0.1], n2=N, n_test=TEST, streams=(1001, 1002))

    floor = products((N, D, P), (P, N, D), (N, D, P), (P, N, P), (TEST, D, P))
    measure(benchmark, work, floor)


def test_a_reduced_step_in_a_million_dimensions_is_timed(benchmark: Any) -> None:
    """Three steps of 200,000 samples at d = 10⁶ and p = 8; a step of 4·10⁶ costs 20 times as much."""

    def work() -> None:
        network = student(ReducedNetwork, np.repeat([1.0, -1.0], 4), 10**6)
        for step in range(3):
            network.giant_step(step + 1, 200_000, 1.0)

    benchmark.pedantic(work, rounds=2, iterations=1)
