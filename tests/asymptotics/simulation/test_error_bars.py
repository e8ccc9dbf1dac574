"""Error bars are standard errors of the mean over replicates: the sample variance has one degree of freedom less."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics import Network, Ridge, Simulation, Training, overlaps, simulate
from asymptotics.simulation.averages import mean_and_error
from hermite import Target


def test_the_standard_error_of_two_numbers_is_half_their_distance() -> None:
    """1 and 3: mean 2, sample variance 2, standard error √(2/2) = 1."""
    mean, error = mean_and_error(np.array([1.0, 3.0]))
    assert mean == 2.0
    assert error == pytest.approx(1.0, rel=1e-15)


def test_one_replicate_has_no_error_bar() -> None:
    assert mean_and_error(np.array([1.0]))[1] is None


def test_error_bars_of_a_simulation_are_those_of_its_replicates() -> None:
    """Replicates do not depend on each other: runs of 1, 2 and 3 of them give each one's number back."""
    f, training, ridge = Target("z1", noise=0.1), Training(1, 4.0, 1.0), Ridge(2.0, 1.0, 0.1)
    means, last = [], None
    for count in (1, 2, 3):
        plan = Simulation(d=24, replicates=count, test_samples=500, seed=4)
        (last,) = simulate(f, Network(), training, ridge, plan, steps=[1]).risks
        means.append(count * last.test_error)
    runs = np.diff([0.0, *means])
    assert last is not None
    assert last.test_error_sem == pytest.approx(np.std(runs, ddof=1) / np.sqrt(3), rel=1e-9)


def test_starts_behind_a_finite_d_mean_span_every_direction() -> None:
    """M_cov of neurons on the sphere is I/d: a handful of starts could not fill three directions."""
    f, d = Target("z1*z2*z3"), 60
    found = overlaps(
        f, Network(width=2, initialisation="independent"), Training(1, 1.0, 1.0, batch_exponent=2), d=d
    )
    covariance = found[0].M_cov
    assert covariance is not None
    for own in covariance:
        values = np.linalg.eigvalsh(own) * d
        # Sixteen draws: the smallest eigenvalue of a 3 × 3 sample covariance is above 1/4 but for one in 10^4.
        assert values.min() > 0.15
        assert values.max() < 4.0
