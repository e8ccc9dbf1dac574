"""The spectrum of the features by the conditional equations: white noise, references, densities, real networks."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from asymptotics import Network, Ridge, Simulation, Training, spectrum
from asymptotics.comparison.spectra import singular_values
from asymptotics.generalisation.feature_spectrum import in_words
from asymptotics.generalisation.finite.conditional_spectrum import bulk_and_spikes, bulk_density
from asymptotics.generalisation.finite.unit_equations import UnitFeatures
from hermite import Target
from hermite.errors import InputError

CASES = json.loads((Path(__file__).parents[2] / "data" / "pairs.json").read_text())["spectrum"]


def white_noise(B: int) -> UnitFeatures:
    """Entries of unit variance, independent but for columns that come B times."""
    one = np.ones((1, 1))
    return UnitFeatures(
        np.ones(1),
        np.ones(1),
        np.zeros((1, 1, 1, B)),
        np.ones((1, 1, B, B)),
        np.zeros(1),
        np.ones((1, 1, B, B)) * one,
    )


@pytest.mark.parametrize(("n", "p"), [(600, 900), (900, 400)])
def test_white_noise_has_the_density_of_marchenko_and_pastur(n, p) -> None:
    found = bulk_and_spikes(white_noise(1), n, p)
    low, high = abs(math.sqrt(n) - math.sqrt(p)), math.sqrt(n) + math.sqrt(p)
    assert found.edge == pytest.approx(high, rel=1e-6)
    assert len(found.spikes) == 0
    s, density = bulk_density(white_noise(1), n, p, found)
    # Away from the edges, where the broadening of 0.2 % of the edge shows.
    inside = (s > low + 0.2 * high) & (s < 0.93 * high)
    exact = np.sqrt((high**2 - s[inside] ** 2) * (s[inside] ** 2 - low**2)) / (np.pi * s[inside])
    np.testing.assert_allclose(density[inside], exact, rtol=0.01)
    assert np.trapezoid(density, s) == pytest.approx(min(n, p), rel=0.02)


def test_columns_that_come_twice_are_half_as_many_stretched() -> None:
    """√2 times the singular values of n × p/2."""
    found = bulk_and_spikes(white_noise(2), 500, 800)
    assert found.edge == pytest.approx(math.sqrt(2) * (math.sqrt(500) + math.sqrt(400)), rel=1e-6)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_reference_places_are_met(case) -> None:
    """Both ways, to the digits given; the rule over x and its end move a spike that touches the edge by more."""
    f, d = Target(case["target"], noise=case["noise"]), case["d"]
    setting = Network(case["sigma"]), Training(1, case["alpha1"], case["eta"])
    ridge = Ridge(case["n"] / d, case["p"] / d, d=d)
    found = spectrum(f, *setting, ridge)
    assert found.bulk == "conditional"
    assert found.edge == pytest.approx(case["edge"], abs=0.02)
    assert found.spikes == pytest.approx(case["outliers"], abs=0.06)
    assert found.carries[0].startswith("the learned direction") or "the mean" in found.carries[0]
    resummed = spectrum(f, *setting, ridge, bulk="initial")
    assert resummed.edge == pytest.approx(case["resummed_edge"], abs=0.01)
    assert resummed.spikes[0] == pytest.approx(case["resummed"][0], abs=0.01)
    # One draw: three standard deviations of it; half of all columns as independent ones would be 1.4 off.
    assert abs(found.spikes[0] - case["mc_top"][0]) < 3 * case["mc_sd_first"]
    assert case["mc_top"][len(case["resummed"])] == pytest.approx(found.edge, rel=0.02)


@pytest.mark.parametrize(
    ("network", "eta"),
    [
        (Network("tanh(x + 7/10)"), 0.5),
        (Network("relu"), 1.0),
        (Network("tanh(x + 7/10)", initialisation="independent"), 0.5),
        pytest.param(Network("tanh(x + 7/10)", "gaussian"), 0.5, marks=pytest.mark.slow),
    ],
    ids=["tanh", "relu", "rows", "gaussian"],
)
def test_real_networks_have_the_predicted_spikes(network, eta) -> None:
    """d = 200, n2 = 2 d, p = 3 d, four networks: spikes, edge and histogram; the untrained bulk is refused."""
    f, training, ridge = Target("z1 + He2(z1)/2", noise=0.1), Training(1, 4.0, eta), Ridge(2.0, 3.0, d=200)
    theory = spectrum(f, network, training, ridge)
    assert theory.bulk == "conditional"
    assert theory.density is not None
    runs = [singular_values(f, network, training, ridge, Simulation(seed=5), k) for k in range(4)]
    count = len(theory.spikes)
    top = np.array([run[: count + 1] for run in runs])
    mean, sem = top.mean(axis=0), top.std(axis=0, ddof=1) / 2
    apart = theory.spikes > 1.05 * theory.edge
    assert apart[0]
    gap = np.abs(mean[:count] - theory.spikes)[apart]
    assert np.all(gap < 4 * sem[:count][apart] + 0.03 * theory.spikes[apart])
    assert np.mean([run[apart.sum()] for run in runs]) == pytest.approx(theory.edge, rel=0.04)
    # Counts of the bulk in four bins, by rank: within three per cent of all values.
    s, density = theory.density
    cumulative = np.concatenate([[0.0], np.cumsum(np.diff(s) * (density[1:] + density[:-1]) / 2)])
    for place in np.array([0.35, 0.5, 0.7, 0.85]) * theory.edge:
        below = cumulative[-1] - np.interp(place, s, cumulative)
        real = np.mean([np.sum(run > place) for run in runs]) - apart.sum()
        assert abs(below - real) < 0.03 * len(runs[0])
    before = spectrum(f, network, Training(0), ridge)
    assert abs(mean[0] / before.edge - 1) > 0.1


@pytest.mark.parametrize(("activation", "eta"), [("tanh", 3.0), ("erf", 40.0)])
def test_a_step_that_saturates_the_features_narrows_the_bulk(activation, eta) -> None:
    """Four networks at d = 100: spike and edge within 4 % and four standard errors; the bulk before the step is 30 % wider."""
    f, network, training = Target("sign(z1)"), Network(activation), Training(1, 4.0, eta)
    ridge = Ridge(3.0, 2.0, d=100)
    theory = spectrum(f, network, training, ridge)
    assert theory.bulk == "conditional"
    assert spectrum(f, network, Training(0), ridge).edge > 1.3 * theory.edge
    runs = np.array(
        [singular_values(f, network, training, ridge, Simulation(seed=5), k)[:2] for k in range(4)]
    )
    mean, sem = runs.mean(axis=0), runs.std(axis=0, ddof=1) / 2
    told = np.array([theory.spikes[0], theory.edge])
    assert np.all(np.abs(mean - told) < 4 * sem + 0.04 * told)


def test_what_a_spike_carries_is_said_in_words() -> None:
    assert in_words(np.array([0.02, 0.9, 0.08])) == "the learned direction"
    assert in_words(np.array([0.0, 0.3, 0.7])) == "its square (70 %) and the learned direction (30 %)"
    assert in_words(np.array([0.0, 0.0, 0.0, 0.1, 0.9])) == "its power 4"


@pytest.mark.parametrize(
    ("bulk", "training", "words"),
    [("both", Training(1), "bulk must be"), ("conditional", Training(0), "training.steps is 0")],
)
def test_a_bulk_that_there_is_not_is_refused(bulk, training, words) -> None:
    with pytest.raises(InputError, match=words):
        spectrum(Target("z1"), Network(), training, Ridge(d=100), bulk=bulk)
