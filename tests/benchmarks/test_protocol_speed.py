"""Online SGD: its steps beside the numbers and the array calls that they cannot do without, in the same minute."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
from stopwatch import least_seconds

from asymptotics.expectations.activations import get_activation
from asymptotics.learning.giant.noise_kernel import Student
from asymptotics.learning.sgd.averages import Problem, way_of
from asymptotics.learning.sgd.flow import Step, recursion
from asymptotics.simulation.online_reduced import OnlineReduced, OnlineStep
from asymptotics.simulation.reduced import ReducedNetwork
from asymptotics.simulation.student import Setup
from hermite import Target

seconds = partial(least_seconds, clock=time.process_time)


def test_reduced_steps_cost_a_few_times_their_random_numbers() -> None:
    """64 replicates, n_b = 20, p = 4: about 0.2 ms a step, a third of it normals; free of d."""
    f, sigma, readout = Target("z1 + z1*z2"), get_activation("relu"), np.array([1.0, 1.0, -1.0, -1.0])
    times = []
    for d in (100, 10**8):
        students = [
            ReducedNetwork(
                Setup(
                    f,
                    sigma,
                    readout,
                    d,
                    symmetric=False,
                    bias=0.0,
                    entropy=1,
                    replicate=k,
                    memory=10**8,
                    dtype="float64",
                )
            )
            for k in range(64)
        ]
        runs = OnlineReduced(students, OnlineStep(0.01, 20))
        runs.advance(100)
        times.append(seconds(lambda runs=runs: runs.advance(300)))
    rng = np.random.default_rng(0)
    numbers = seconds(lambda: [rng.standard_normal(64 * 20 * 6) for _ in range(300)])
    assert max(times) < 12 * numbers
    assert max(times) < 2 * min(times)


def test_a_step_of_the_recursion_costs_about_a_hundred_small_array_calls() -> None:
    """An erf committee of two neurons: 0.06 ms a step."""
    f = Target("(erf(z1/sqrt(2)) + erf(z2/sqrt(2)))/2")
    way, sampled = way_of(Problem(f, get_activation("erf(x/sqrt(2))"), tilted=False), 2)
    assert not sampled
    M = np.array([[0.3, 0.1], [0.0, 0.2]])
    Q = M @ M.T
    np.fill_diagonal(Q, 1.0)
    start = Student(np.ones(2), np.zeros(2), M, Q)
    step = Step(0.01, 1.0)
    steps = 1000
    took = seconds(lambda: recursion(start, way, step, [0, steps], 1, 1))
    calls = seconds(lambda: [np.sqrt(Q * Q) for _ in range(50 * steps)])
    assert took < 3 * calls
