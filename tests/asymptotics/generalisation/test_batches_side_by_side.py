"""Auxiliary batches are solved side by side, in white coordinates, from guesses along a line: the same numbers as one by one."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training, risk
from asymptotics.caches import SetUps
from asymptotics.experiment.ridge_words import Level
from asymptotics.generalisation.spiked import corrections
from asymptotics.generalisation.spiked.batch_rounds import (
    OnPath,
    Path,
    batch_errors,
    errors_of_round,
    rounds_of,
)
from asymptotics.generalisation.spiked.corrections import (
    auxiliary_layer,
    batch_of,
    batch_units,
    measured_bulk,
)
from asymptotics.generalisation.spiked.layer_stacks import solve_layers
from asymptotics.generalisation.spiked.linear_sector import solve_units
from asymptotics.generalisation.spiked.matrix_sectors import _Responses
from asymptotics.generalisation.spiked.matrix_susceptibilities import (
    MatrixSystem,
    in_units,
    whole_susceptibilities,
)
from asymptotics.generalisation.spiked.trained_layer import trained_units
from asymptotics.generalisation.spiked.white_matrices import Batches, inverted, spike_places
from asymptotics.learning.laws import learned_features
from hermite import Target

STAIR = Target("z1 + z1*z2", noise=0.05)
ATOMS = ((2.0, 0.25), (1.0, 0.25), (-1.0, 0.25), (-2.0, 0.25))
#: Units of one and of two neurons, two and four groups; groups of equal slopes (tanh), without any (abs: no spike).
NETWORKS = {
    "pairs": Network("relu"),
    "independent": Network("relu", initialisation="independent"),
    "equal slopes": Network("tanh", initialisation="independent"),
    "no spikes": Network("abs", initialisation="independent"),
    "four groups in pairs": Network("relu", readout=ATOMS),
}
POINTS = [(0.5, 2.0, 0.01, 200), (3.0, 1.0, 0.05, None)]


def batches_of(network: Network, count: int, f: Target = STAIR) -> tuple[list, Batches]:
    training = Training(1, 2.0, 1.0)
    law = learned_features(f, network, training)
    layers = [batch_of(f, f, network, training, law, 24, index) for index in range(count)]
    (batches,) = rounds_of(layers)
    return layers, batches


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("point", POINTS)
def test_layers_side_by_side_are_the_layers_alone(name, point) -> None:
    layers, batches = batches_of(NETWORKS[name], 3)
    together = errors_of_round(batches, point, 1e-9)
    for (layer, units), one in zip(layers, together, strict=True):
        alone = batch_errors(units, layer, *point)
        assert one.whole == pytest.approx(alone.whole, rel=1e-5)
        assert one.isotropic == pytest.approx(alone.isotropic, rel=1e-9)
        *ratios, d = point
        own = solve_units(units, *ratios, d=d)
        assert one.isotropic == pytest.approx((own.test, own.train), rel=1e-8)


@pytest.mark.parametrize("name", ["pairs", "independent", "four groups in pairs"])
def test_the_inverse_by_elimination_is_that_of_the_whole_matrix(name) -> None:
    """E + D written out with Kronecker products, R lower triangular, any positive weights of the covariances."""
    _, batches = batches_of(NETWORKS[name], 1)
    units, rng = batches.units, np.random.default_rng(7)
    groups, k, d = units.groups, batches.spikes, batches.d
    root = np.tril(rng.normal(size=(groups, groups))) + 2 * np.eye(groups)
    square = rng.normal(size=(groups * k, groups * k))
    spikes = np.eye(groups * k) + square @ square.T
    weights, factors = np.empty(units.rho.shape[1:]), []
    D = np.zeros((groups * d, groups * d))
    for u, b, c in np.ndindex(weights.shape):
        weights[u, b, c] = 0.5 + (b == c)
        g, h = units.members[u, b], units.members[u, c]
        factors.append(weights[u, b, c] * np.outer(root[g], root[h]))
        D += np.kron(factors[-1], batches.covariance[0, u, b, c])
    places, E = spike_places(batches, groups), np.eye(groups * d)
    E[places[:, None], places] = spikes
    right = np.linalg.inv(E + (D + D.T) / 2)
    for triangular in (True, False):
        found = inverted(batches, 0, np.array(factors), spikes, triangular)
        assert (found.rest is not None) == triangular
        np.testing.assert_allclose(found.whole, right, atol=1e-12)


@pytest.mark.parametrize("name", ["pairs", "independent"])
def test_the_slope_at_the_solution_is_that_of_the_map(name) -> None:
    """Finite differences; what the form on the spikes changes is left out: of order k/d."""
    _, batches = batches_of(NETWORKS[name], 1)
    alpha, beta, lam = 1.0, 2.0, 0.05
    first = solve_layers(batches.units, alpha, beta, lam).points
    system = MatrixSystem(batches, alpha, 1 / beta, lam)
    x, cheap = whole_susceptibilities(system, 1.0, first, None, 1e-11)
    size, whole, only = system.sizes(x), system.whole_at(1.0), np.arange(1)
    slope = in_units(_Responses(system, x).slope(beta), size)[0]
    found = np.empty_like(slope)
    for i in range(x.shape[1]):
        h = 1e-5 * size[0, i]
        up, down = x.copy(), x.copy()
        up[0, i] += h
        down[0, i] -= h
        found[:, i] = (whole(up, only) - whole(down, only))[0] / (2 * h) / size[0] * size[0, i]
    assert np.abs(slope - found).max() < 0.1
    assert np.abs(slope - found).max() < 0.3 * np.abs(in_units(cheap, size)[0] - found).max()


def test_a_guess_along_a_line_changes_evaluations_and_no_number(monkeypatch) -> None:
    _, batches = batches_of(NETWORKS["pairs"], 2)
    seen = []
    traces = MatrixSystem.traces
    monkeypatch.setattr(MatrixSystem, "traces", lambda self, *a: seen.append(len(a[2])) or traces(self, *a))
    path, evaluations = Path(), []
    for place, lam in enumerate(np.geomspace(0.01, 0.02, 5).tolist()):
        point = (0.8, 2.0, lam, 200)
        alone = errors_of_round(batches, point, 1e-8)
        seen.clear()
        along = errors_of_round(batches, point, 1e-8, None, OnPath(path, float(place)))
        evaluations.append(sum(seen))
        for one, other in zip(alone, along, strict=True):
            assert one.whole == pytest.approx(other.whole, rel=1e-6)
            # Level E is solved to 1e-11, from a guess as well.
            assert one.isotropic == pytest.approx(other.isotropic, rel=1e-9)
    assert evaluations[-1] <= 0.6 * evaluations[0]


def test_a_path_changes_neither_how_many_batches_are_taken_nor_what_they_measure() -> None:
    network, training, counts = NETWORKS["independent"], Training(1, 2.0, 1.0), set()
    law, kept = learned_features(STAIR, network, training), SetUps()
    point = (3.0, 1.0, 0.05, 24)
    units = trained_units(STAIR, network.get_activation(), law, Level.E)
    reference = solve_units(units, *point[:3], d=24)
    for accuracy in (1.0, 0.1, 1e-4):

        def measured(along, accuracy=accuracy):
            return measured_bulk(
                STAIR, network, training, law, STAIR, reference, point, accuracy, 16, kept, along=along
            )

        alone, along = measured(None), measured(OnPath(Path(), 0.0))
        assert along.count == alone.count
        assert (along.test, along.train) == pytest.approx((alone.test, alone.train), rel=1e-3 * accuracy)
        counts.add(alone.count)
    assert {8, 16} <= counts


@pytest.mark.parametrize("name", ["pairs", "equal slopes"])
def test_nodes_that_are_left_out_weigh_what_is_said(name, monkeypatch) -> None:
    network, training = NETWORKS[name], Training(2, 2.0, 1.0)
    law = learned_features(STAIR, network, training)
    layer = auxiliary_layer(STAIR, network, training, 24, 0)
    light = batch_units(STAIR, network.get_activation(), layer, law.coherence)
    monkeypatch.setattr(corrections, "_LIGHT", 0.0)
    whole = batch_units(STAIR, network.get_activation(), layer, law.coherence)
    assert len(light.weights) < 0.8 * len(whole.weights)
    for point in POINTS:
        some, all_of_them = (batch_errors(units, layer, *point) for units in (light, whole))
        for which in ("whole", "isotropic"):
            assert getattr(some, which)[0] == pytest.approx(getattr(all_of_them, which)[0], rel=1e-5)


def test_a_fit_that_interpolates_is_corrected_at_finite_d() -> None:
    """lambda = 0 with more neurons than samples: the training error is 0 on every batch, no ratio of it is looked for."""
    found = risk(
        STAIR, NETWORKS["independent"], Training(1, 2.0, 1.0), Ridge(1.0, 2.0, 0.0, level="En+", d=200)
    )
    assert found.train_error == 0
    assert 2 < found.test_error < 4


@pytest.mark.parametrize("accuracy", [None, 1e-3])
def test_directions_of_the_spikes_that_no_feature_sees_are_free(accuracy: float | None) -> None:
    """σ' is affine: of four groups' slopes along the spikes some combination is 0, and its white form has no inverse."""
    f = Target("9*z1/10 + 2*He2(z2)/5")
    network = Network("x + He2(x)/2", readout=ATOMS, initialisation="symmetric")
    ridge = Ridge(2.62, 0.646, 0.546, d=168)
    found = risk(f, network, Training(2, 5.91, 0.444), ridge, accuracy=accuracy)
    assert "Measured on" in found.validity_note
    assert found.error.total is not None
    assert found.error.total < 0.1


@pytest.mark.parametrize("sigma", ["x + He2(x)/5", "He2(x) + x"])
def test_free_directions_cost_no_digits_after_three_steps(sigma: str) -> None:
    """With E bounded by 2e5 there, the traces of weak means lost all but two."""
    network = Network(sigma, readout=ATOMS, initialisation="symmetric")
    f, ridge = Target("z1 + z1*z2/3", noise=0.1), Ridge(2.5, 0.7, 0.4, d=160)
    found = risk(f, network, Training(3, 5.0, 0.2), ridge)
    assert "Measured on" in found.validity_note
    assert found.error.total is not None
    assert found.error.total < 0.4
