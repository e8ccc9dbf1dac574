"""A hundred points of a learning curve take less than a second (`pytest --benchmark-enable` to measure)."""

from __future__ import annotations

import time

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training
from asymptotics.generalisation.errors import risk_curve
from hermite import Target

F = Target("sin(3*z1/2) + cos(3*z1/2) - exp(-9/8)", noise=0.05)
RIDGES = [Ridge(float(a), 1.0, 0.05) for a in np.geomspace(0.2, 10, 100)]

CURVES = {
    "plain": (Network(), None),
    "two groups": (Network(initialisation="independent"), Training(1)),
    "pairs": (Network(), Training(1)),
}


@pytest.mark.parametrize("name", CURVES)
def test_curve(benchmark, name) -> None:
    network, training = CURVES[name]
    points = benchmark(lambda: risk_curve(F, network, training, RIDGES))
    assert all(point.solution.converged for point in points)


@pytest.mark.parametrize("name", CURVES)
def test_a_hundred_points_in_a_second_of_work(name) -> None:
    """Processor time, the best of three: the machine may be shared."""
    network, training = CURVES[name]
    risk_curve(F, network, training, RIDGES[:1])
    spent = []
    for _ in range(3):
        start = time.process_time()
        risk_curve(F, network, training, RIDGES)
        spent.append(time.process_time() - start)
    assert min(spent) < 1.0
