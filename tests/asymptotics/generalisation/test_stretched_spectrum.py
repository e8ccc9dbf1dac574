"""Spikes that the batch of the step makes off the learned direction: limits, a given batch, and real networks."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

from asymptotics import Network, Ridge, Simulation, Training, spectrum
from asymptotics.comparison.spectra import singular_values
from asymptotics.expectations.activations import get_activation
from asymptotics.expectations.quadrature import hermite_rule
from asymptotics.generalisation.feature_spectrum import in_words
from asymptotics.generalisation.finite.conditional_spectrum import bulk_and_spikes, without_mean
from asymptotics.generalisation.finite.stretched_units import finite_block, off_share, stretched_units
from asymptotics.generalisation.finite.unit_features import learned_rule, unit_features
from asymptotics.learning.giant.labelled_batch import LabelledBatch, batch_dimension, labelled_batch
from hermite import Target

RELU = get_activation("relu")


def given(batch: LabelledBatch, steps: list[list[float]], n: int, p: int, d: int):
    """Units, edge and spikes of equal shares of units with these steps after ``batch``."""
    units = stretched_units(RELU, batch, np.array(steps), np.full(len(steps), 1 / len(steps)), d)
    return units, bulk_and_spikes(units.features, n, p, partial(finite_block, units, n))


def quiet(d: int, largest: float) -> LabelledBatch:
    """A batch whose matrix P is 0 but for one eigenvalue, whose direction is the target's second, β its first."""
    along, on_target = np.zeros(d), np.zeros((2, d))
    along[0] = on_target[0, 0] = on_target[1, -1] = 1.0
    return LabelledBatch(np.append(np.zeros(d - 1), largest), np.zeros(d), along, on_target, 0.5)


def test_rows_that_nothing_stretches_have_the_isotropic_spectrum() -> None:
    """P = 0 and Q = 0: the equations of isotropic rows, whose components on u are nodes of N(0, 1/d) there."""
    d = 200
    _, found = given(quiet(d, 0.0), [[1.0, -1.0]], 400, 300, d)
    x, weights = learned_rule(1, 31)
    nodes, shares = hermite_rule(3)
    coordinates = np.array([[[0.25 + t], [-0.25 + t]] for t in nodes / math.sqrt(d)])
    plain = unit_features(RELU, x, weights, coordinates, np.full((3, 2), 1 - 1 / d), shares, d)
    alone = bulk_and_spikes(without_mean(plain, RELU.coefficient(0)), 400, 300)
    assert found.edge == pytest.approx(alone.edge, rel=3e-3)
    assert found.spikes[0] == pytest.approx(alone.spikes[0], rel=3e-3)


@pytest.mark.parametrize("steps", [[[2.0, -2.0]], [[2.0], [-2.0]]], ids=["pairs", "rows"])
def test_one_stretched_direction_makes_the_spike_that_gaussian_rows_have(steps) -> None:
    """Rows drawn from the law itself, 6 networks: four standard errors and 2 %; its left vector is that direction."""
    d, n, p, largest = 120, 240, 240, 3.0
    units, found = given(quiet(d, largest), steps, n, p, d)
    off = [off_share(units, left) for left in found.left]
    k = int(np.argmax([one.share > 0.9 for one in off]))
    np.testing.assert_allclose(off[k].on_target, [0, 1], atol=0.02)
    rng = np.random.default_rng(3)
    stretch, tops, seen = RELU.coefficient(2) * largest, [], []
    for _ in range(6):
        w = rng.standard_normal((p if len(steps) == 2 else p // 2, d)) / np.sqrt(d)
        first, second = (w, w) if len(steps) == 1 else np.split(w, 2)
        moved = []
        for half, a in ((first, 2.0), (second, -2.0)):
            half = half.copy()
            half[:, 1] *= 1 + a * stretch
            half[:, 0] += a * RELU.coefficient(1) * 0.5
            moved.append(half)
        z = rng.standard_normal((n, d))
        left, values, _ = np.linalg.svd(
            RELU(z @ np.concatenate(moved).T) - RELU.coefficient(0), full_matrices=False
        )
        tops.append(values[k])
        seen.append((left[:, k] @ z[:, 1]) ** 2 / n)
    assert np.mean(seen) > 0.3
    sem = np.std(tops, ddof=1) / np.sqrt(6)
    assert abs(np.mean(tops) - found.spikes[k]) < 4 * sem + 0.02 * found.spikes[k]
    # Isotropic rows have the bulk there.
    assert found.spikes[k] > 1.1 * found.edge


def test_a_batch_has_the_mean_and_the_spread_of_its_law() -> None:
    """E P = C_2 and the energy of the bulk E y²/α, at labels z1 z2; β is noise of size (E y²/α)^½."""
    f, alpha, d = Target("z1*z2"), 8.0, 200
    one = labelled_batch(f, 0.0, alpha, d, centred=False, seed=(1, 1))
    assert np.mean(one.values) == pytest.approx(0.0, abs=0.02)
    assert np.mean(one.values**2) == pytest.approx(1 / alpha, rel=0.3)
    assert one.strength == pytest.approx(alpha**-0.5, rel=0.2)
    # Both outliers ±(1 + …) lie in the plane of the target.
    for place in (0, -1):
        assert np.sum(one.on_target[:, place] ** 2) > 0.6
    assert np.sum(one.along**2) == pytest.approx(1)


def test_batches_that_are_drawn_are_small_enough() -> None:
    assert batch_dimension(4.0, 2, 100) == 100
    assert batch_dimension(4.0, 2, 4000) == 300
    assert 60 <= batch_dimension(1000.0, 2, 4000) < 100


@pytest.mark.parametrize(
    ("text", "activation", "initialisation", "setting"),
    [
        ("z1 + z1*z2 + He2(z2)", "relu", "symmetric", (4.0, 2.0, 2.0, 2.0, 200)),
        pytest.param(
            "z1 + He2(z1)/2",
            "relu(x - 7/10)",
            "independent",
            (2.0, 1.5, 3.0, 2.0, 200),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "z1/2 + He2(z1 + z2)/2",
            "tanh(x + 7/10)",
            "symmetric",
            (3.0, 2.5, 2.0, 3.0, 200),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "z1 + z2^2 - 1", "relu", "independent", (6.0, 1.5, 3.0, 3.0, 150), marks=pytest.mark.slow
        ),
    ],
)
def test_real_networks_have_spikes_off_the_learned_direction(
    text, activation, initialisation, setting
) -> None:
    """Six networks: every spike within its error and four standard errors; more of them than isotropic rows have."""
    alpha1, eta, alpha, beta, d = setting
    network, training = Network(activation, initialisation=initialisation), Training(1, alpha1, eta)
    ridge = Ridge(alpha, beta, d=d)
    theory = spectrum(text, network, training, ridge)
    assert theory.bulk == "stretched"
    runs = [
        singular_values(Target(text), network, training, ridge, Simulation(seed=8, d=d), k) for k in range(6)
    ]
    top = np.array([run[: len(theory.spikes)] for run in runs])
    mean, sem = top.mean(axis=0), top.std(axis=0, ddof=1) / np.sqrt(6)
    assert np.all(np.abs(mean - theory.spikes) < 4 * sem + theory.error.total * theory.spikes)
    plain = spectrum(text, network, training, ridge, bulk="conditional")
    missed = int(np.sum(theory.off < 0.5))
    assert mean[missed] - 2 * sem[missed] > 1.03 * plain.edge
    np.testing.assert_allclose(theory.features.sum(axis=1) + theory.off, 1)
    assert "second-order term" in theory.carries[missed] or "large labels" in theory.carries[missed]


def test_spikes_off_the_learned_direction_have_words() -> None:
    assert "second-order term (40 %" in in_words(np.array([0.0, 0.02]), 0.98, 0.4)
    assert "large labels" in in_words(np.array([0.0, 0.02]), 0.98, 0.01)
    assert in_words(np.array([0.02, 0.9]), 0.08, 0.4) == "the learned direction"
