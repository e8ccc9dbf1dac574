"""LearnedFeatures: an orthonormal basis of what was learned, in the units that the ridge theory expects."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics import Network, Training
from asymptotics.expectations.activations import get_activation
from asymptotics.learning.features import spikes_of
from asymptotics.learning.laws import learned_features, learned_path
from hermite import Target

STAIR = Target("z1 + z1*z2", noise=0.1)


def test_spikes_are_an_orthonormal_basis_of_the_groups() -> None:
    rng = np.random.default_rng(0)
    components = rng.standard_normal((5, 2)) @ rng.standard_normal((2, 7))
    coordinates, gamma = spikes_of(components, 3)
    assert coordinates.shape == (5, 2)
    assert gamma.shape == (3, 2)
    np.testing.assert_allclose(coordinates @ coordinates.T, components @ components.T, atol=1e-10)
    np.testing.assert_allclose(coordinates @ gamma.T, components[:, :3], atol=1e-10)
    empty, none = spikes_of(np.zeros((3, 2)), 2)
    assert empty.shape == (3, 0)
    assert none.shape == (2, 0)


@pytest.mark.parametrize(
    "values", [((1.0, 0.5), (-1.0, 0.5)), ((2.0, 0.25), (1.0, 0.25), (-1.0, 0.25), (-2.0, 0.25))]
)
def test_features_hold_the_overlaps(values) -> None:
    network, training = Network(readout=values), Training(steps=2, alpha=3.0, eta=1.0)
    states, *_ = learned_path(STAIR, network, training)
    for step, (features, state) in enumerate(
        zip(learned_features(STAIR, network, training), states, strict=True)
    ):
        assert features.step == step
        assert features.k == np.linalg.matrix_rank(state.components, tol=1e-8)
        assert features.k <= len(values)
        np.testing.assert_allclose(features.M, state.M, atol=1e-9)
        np.testing.assert_allclose(features.norm2, state.norm2, atol=1e-9)
        np.testing.assert_allclose(features.coordinates @ features.coordinates.T, state.gram, atol=1e-9)
        assert np.linalg.norm(features.gamma, 2) < 1 + 1e-9
        assert np.all(np.abs(features.pair_correlation) <= 1)


def test_units_at_the_first_step() -> None:
    """Squared residual norms and a correlation of twins, from the closed one-step law (noise 0.1, alpha 3)."""
    network, training = Network(), Training(steps=1, alpha=3.0, eta=1.0)
    features = learned_features(STAIR, network, training)[1]
    y2, own = 2.1, 0.25
    np.testing.assert_allclose(features.residual_norm2, 1 + y2 * own / 3, atol=1e-10)
    np.testing.assert_allclose(features.pair_correlation, (1 - y2 * own / 3) / (1 + y2 * own / 3), atol=1e-10)
    c1 = get_activation("relu").coefficient(1)
    size = c1 * np.sqrt(1 + y2 / 3)
    np.testing.assert_allclose(np.abs(features.coordinates[:, 0]), size, atol=1e-10)
    np.testing.assert_allclose(np.abs(features.gamma[:, 0]), [1 / np.sqrt(1 + y2 / 3), 0], atol=1e-10)
    np.testing.assert_array_equal(features.partner, [1, 0])


def test_independent_neurons_have_no_correlation() -> None:
    features = learned_features(STAIR, Network(initialisation="independent"), Training(steps=1))[1]
    assert features.partner is None
    assert features.pair_correlation is None


def test_second_order_law_makes_groups_of_starts() -> None:
    f = Target("z1*z2 + He2(z1)/2")
    features = learned_features(f, Network(), Training(steps=1, alpha=2.0, batch_exponent=2))[1]
    assert features.weight.sum() == pytest.approx(1)
    assert features.k == 3  # two directions and one common noise
    np.testing.assert_allclose(features.weight @ features.M, 0, atol=1e-12)


def test_before_training_there_is_no_spike() -> None:
    features = learned_features(STAIR, Network(bias=0.5), Training(steps=0))[0]
    assert features.k == 0
    np.testing.assert_allclose(features.residual_norm2, 1.0)
    assert features.bias.std() > 0
