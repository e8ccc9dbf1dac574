"""LearnedFeatures: the one layer from which overlaps and ridge errors are read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training, overlaps, risk
from asymptotics.expectations.activations import get_activation
from asymptotics.learning.entries import step_of
from asymptotics.learning.features import LearnedFeatures, spike_basis
from asymptotics.learning.laws import LAWS, law_of, learned_features
from hermite import Target
from hermite.errors import InputError

STAIR = Target("z1 + z1*z2", noise=0.1)
FOUR = ((2.0, 0.25), (1.0, 0.25), (-1.0, 0.25), (-2.0, 0.25))


def test_spikes_are_an_orthonormal_basis_of_the_groups() -> None:
    rng = np.random.default_rng(0)
    components = rng.standard_normal((5, 2)) @ rng.standard_normal((2, 7))
    basis = spike_basis(components)
    assert basis.shape == (2, 7)
    np.testing.assert_allclose(basis @ basis.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(components @ basis.T @ basis, components, atol=1e-10)
    assert spike_basis(np.zeros((3, 2))).shape == (0, 2)


@pytest.mark.parametrize("values", [((1.0, 0.5), (-1.0, 0.5)), FOUR])
@pytest.mark.parametrize("initialisation", ["symmetric", "independent"])
def test_the_layer_of_the_ridge_fit_is_that_of_the_overlaps(values, initialisation) -> None:
    """One state after two steps: its entries are ``overlaps`` up to their accuracy, its spikes keep M and Q."""
    network = Network(readout=values, initialisation=initialisation)
    training = Training(steps=2, alpha=3.0, eta=1.0)
    layer = learned_features(STAIR, network, training)
    last = overlaps(STAIR, network, training, accuracy=1e-7).steps[-1]
    mine = step_of(layer, last.risk, 2)
    for name in ("readout", "weight", "M", "Q", "norm2"):
        np.testing.assert_allclose(getattr(mine, name), getattr(last, name), atol=2e-6)
    basis = layer.spikes()
    coordinates, gamma = layer.on_spikes(basis)
    assert len(basis) == np.linalg.matrix_rank(layer.c, tol=1e-8) <= len(values)
    np.testing.assert_allclose(coordinates @ gamma.T, layer.M, atol=1e-9)
    np.testing.assert_allclose(coordinates @ coordinates.T, layer.gram, atol=1e-9)
    assert np.linalg.norm(gamma, 2) < 1 + 1e-9
    assert np.all(np.abs(layer.correlation) <= 1)


def test_units_at_the_first_step_are_those_of_the_closed_form() -> None:
    """Squared residual norms and a correlation of pairs, from the closed one-step law (noise 0.1, alpha 3)."""
    layer = learned_features(STAIR, Network(), Training(steps=1, alpha=3.0, eta=1.0))
    y2, own = 2.1, 0.25
    np.testing.assert_allclose(layer.residual_norm2, 1 + y2 * own / 3, atol=1e-10)
    np.testing.assert_allclose(layer.pair_correlation, (1 - y2 * own / 3) / (1 + y2 * own / 3), atol=1e-10)
    c1 = get_activation("relu").coefficient(1)
    size = c1 * np.sqrt(1 + y2 / 3)
    coordinates, gamma = layer.on_spikes(layer.spikes())
    np.testing.assert_allclose(np.abs(coordinates[:, 0]), size, atol=1e-10)
    np.testing.assert_allclose(np.abs(gamma[:, 0]), [1 / np.sqrt(1 + y2 / 3), 0], atol=1e-10)
    np.testing.assert_array_equal(layer.partner, [1, 0])


def test_independent_neurons_have_no_pairs() -> None:
    layer = learned_features(STAIR, Network(initialisation="independent"), Training(steps=1))
    assert layer.partner is None
    assert layer.pair_correlation is None
    np.testing.assert_allclose(layer.correlation, 1.0)


def test_a_readout_of_zero_is_a_pair_within_one_group() -> None:
    network = Network(readout=((1.5, 0.25), (0.0, 0.5), (-1.5, 0.25)))
    layer = learned_features(STAIR, network, Training(steps=2, eta=0.7))
    np.testing.assert_array_equal(layer.partner, [2, 1, 0])
    assert layer.pair_correlation is not None
    assert layer.pair_correlation[1] == 1.0 > layer.pair_correlation[0]
    # Its two neurons never move.
    np.testing.assert_allclose(layer.c[1], 0.0, atol=1e-12)
    assert layer.residual_norm2[1] == pytest.approx(1.0, abs=1e-12)


def test_second_order_law_makes_groups_of_starts() -> None:
    f = Target("z1*z2 + He2(z1)/2")
    layer = learned_features(f, Network(), Training(steps=1, alpha=2.0, batch_exponent=2))
    assert layer.weight.sum() == pytest.approx(1)
    assert len(layer.spikes()) == 3  # two directions and one common noise
    np.testing.assert_allclose(layer.weight @ layer.M, 0, atol=1e-12)
    with pytest.raises(ValueError, match="covariance of the residuals"):
        layer.covariance_on(layer.spikes())


def test_before_training_there_is_no_spike() -> None:
    layer = learned_features(STAIR, Network(bias=0.5), Training(steps=0))
    assert len(layer.spikes()) == 0
    np.testing.assert_allclose(layer.residual_norm2, 1.0)
    assert layer.bias.std() > 0


def test_the_ridge_fit_reads_the_layer_of_its_law(monkeypatch) -> None:
    """A table with another law for the same settings changes the risk: nothing else decides the layer."""
    training, ridge = Training(1, 3.0, 0.9), Ridge(2.0, 1.0, 0.05)
    plain = risk(STAIR, Network(), training, ridge)

    class Untrained(type(LAWS["giant"][0])):
        def features(self, f, network, training) -> LearnedFeatures:
            return super().features(f, network, replace(training, steps=0))

    monkeypatch.setattr("asymptotics.learning.laws.LAWS", {"giant": (Untrained(), *LAWS["giant"][1:])})
    other = risk(replace_noise(STAIR), Network(), training, ridge)
    assert other.test_error > plain.test_error + 0.05


def replace_noise(f: Target) -> Target:
    """A target that no cache holds, with a little less noise: it can only lower the error."""
    return Target("z1 + z1*z2", noise=f.noise * (1 - 1e-9))


@pytest.mark.parametrize("width", ["infinite", 4])
@pytest.mark.parametrize("steps", [0, 1, 2])
@pytest.mark.parametrize("exponent", [0.5, 1, 2])
@pytest.mark.parametrize("removed", [(), (0,), (0, 1)])
@pytest.mark.parametrize("d", [None, 50])
def test_every_setting_concerns_exactly_one_law(width, steps, exponent, removed, d) -> None:
    network = Network(width=width)
    training = Training(steps=steps, batch_exponent=exponent, remove_orders=removed)
    (law,) = [law for law in LAWS["giant"] if law.concerns(network, training, d)]
    refusal = law.covers(STAIR, network, training, d)
    if refusal is None:
        assert law_of(STAIR, network, training, d) is law
    else:
        with pytest.raises(InputError) as error:
            overlaps(STAIR, network, training, d=d)
        assert refusal in str(error.value)


def test_a_network_of_fixed_width_has_no_layer_of_many_neurons() -> None:
    for training in (Training(steps=1), Training(steps=1, batch_exponent=0.5)):
        with pytest.raises(InputError, match=r"network\.width"):
            learned_features(STAIR, Network(width=4), training)
