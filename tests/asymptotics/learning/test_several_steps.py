"""The law of the first layer after several giant steps: closed form, reference values, and the real network."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from first_step_closed_form import first_step_units, labels_of

from asymptotics import Network, Ridge, Training, overlaps, risk
from asymptotics.generalisation.spiked.linear_sector import solve_units
from asymptotics.generalisation.spiked.trained_layer import trained_units
from asymptotics.learning.giant.mean_field import train
from asymptotics.learning.groups import readout_groups
from asymptotics.learning.laws import learned_features
from asymptotics.simulation.direct import DirectNetwork
from asymptotics.simulation.student import Setup
from hermite import Target
from hermite.errors import InputError

CASES = json.loads((Path(__file__).parents[2] / "data" / "multistep.json").read_text())


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{c['activation']}-{c['target']}-{c['steps']}-{c['initialisation']}" for c in CASES]
)
def test_reference_values_are_met(case) -> None:
    f = Target(case["target"], noise=case["noise"])
    network = Network(case["activation"], case["readout"], initialisation=case["initialisation"])
    training = Training(case["steps"], case["training_alpha"], case["eta"])
    setting = (case["alpha"], case["beta"], case["lam"])
    found = risk(f, network, training, Ridge(*setting, level="E"))
    isotropic = risk(f, network, training, Ridge(*setting, level="iso"))
    # The reference values of pairs rest on a rule for the kinks that is good to 1e-7.
    assert found.test_error == pytest.approx(case["test_error"], rel=2e-7)
    assert found.train_error == pytest.approx(case["train_error"], rel=2e-7)
    assert isotropic.test_error == pytest.approx(case["test_error_iso"], rel=2e-7)
    layer = learned_features(f, network, training)
    assert layer.anisotropy == pytest.approx(case["chi"], rel=1e-9)


@pytest.mark.parametrize("level", ["E", "iso"])
@pytest.mark.parametrize("initialisation", ["symmetric", "independent"])
@pytest.mark.parametrize("activation", ["relu", "tanh(x + 1/2)"])
def test_one_step_has_a_closed_form(activation, initialisation, level) -> None:
    """Derived on its own from moments E[y^a s^b] of the labels."""
    f = Target("z1 + He2(z1)/2", noise=0.1)
    network = Network(
        activation, [[2.0, 0.2], [1.0, 0.3], [-1.0, 0.3], [-2.0, 0.2]], initialisation=initialisation
    )
    sigma, groups = network.get_activation(), readout_groups(network)
    layer = train(f, sigma, groups, 1, 1.3, 6.0)
    units = trained_units(f, sigma, layer, level)
    # The closed form is that of independent neurons, without the coherence of their means.
    general = solve_units(replace(units, coherence=None), 2.0, 1.0, 0.05, d=200)
    closed = solve_units(
        first_step_units(f, sigma, groups, 1.3, labels_of(f, 6.0), level), 2.0, 1.0, 0.05, d=200
    )
    assert general.test == pytest.approx(closed.test, rel=1e-9)
    assert general.train == pytest.approx(closed.train, rel=1e-9)


@pytest.mark.parametrize("initialisation", ["symmetric", "independent"])
def test_the_layer_has_the_means_of_the_overlaps(initialisation) -> None:
    """The layer of the ridge fit (one fine cubature, S moved along) and the overlaps (refined until they settle)."""
    f = Target("z1 + z1*z2", noise=0.05)
    network, training = Network("relu", initialisation=initialisation), Training(3, 5.0, 0.8)
    layer = learned_features(f, network, training)
    last = overlaps(f, network, training).steps[-1]
    np.testing.assert_allclose(layer.c[:, :2], last.M, atol=2e-6)
    np.testing.assert_allclose(np.sum(layer.c**2, axis=1) + layer.residual_norm2, last.norm2, rtol=2e-6)


@pytest.mark.parametrize("initialisation", ["symmetric", "independent"])
def test_the_real_network_has_the_predicted_covariance(initialisation) -> None:
    """d Cov(r_i·e, r_j·e') on (w*, group means) after two steps, 12 runs at d = 300: |z| < 4.5 over 21 to 42 entries."""
    f = Target("z1 + z1*z2", noise=0.05)
    network, d, p, runs = Network("relu", initialisation=initialisation), 300, 600, 12
    sigma, groups, readout = network.get_activation(), readout_groups(network), network.finite_readout(p)
    layer = train(f, sigma, groups, 2, 1.0, 8.0)
    half = np.arange(p // 2)
    members = [half, p - 1 - half]
    measured = []
    for run in range(runs):
        student = DirectNetwork(Setup(
            f, sigma, readout, d, symmetric=network.is_symmetric, bias=0.0, entropy=11, replicate=run,
            memory=10**9, dtype="float64",
        ))  # fmt: skip
        for step in (1, 2):
            student.giant_step(step, 8 * d, 1.0)
        w = student.weights
        means = np.stack([w[g].mean(axis=0) for g in members])
        axes = np.concatenate([np.eye(2, d), means])
        parts = [(w[g] - m) @ axes.T for g, m in zip(members, means, strict=True)]
        links = [(0, 0), (1, 1)] + ([(0, 1)] if network.is_symmetric else [])
        measured.append([d * parts[g].T @ parts[h] / (p // 2 - 1) for g, h in links])
    axes = np.concatenate([np.eye(2, layer.c.shape[1]), layer.c])
    predicted = layer.covariance_on(axes)[: len(measured[0])]
    mean, sem = np.mean(measured, axis=0), np.std(measured, axis=0, ddof=1) / np.sqrt(runs)
    z = (mean - predicted) / sem
    assert np.abs(z).max() < 4.5
    # Isotropic residuals are another theory.
    isotropic = (mean - layer.R[: len(mean), None, None] * (axes @ axes.T)) / sem
    assert np.abs(isotropic).max() > 8


def test_two_equal_groups_are_one() -> None:
    f = Target("z1 + z1*z2", noise=0.05)
    one = Network("relu", [[1.0, 0.5], [-1.0, 0.5]], initialisation="independent")
    training, ridge = Training(2, 8.0, 0.8), Ridge(2.0, 1.0, 0.05, level="E")
    sigma, groups = one.get_activation(), readout_groups(one)
    split = replace(
        groups,
        readout=np.repeat(groups.readout, 2),
        bias=np.repeat(groups.bias, 2),
        fraction=np.repeat(groups.fraction, 2) / 2,
    )
    merged = risk(f, one, training, ridge)
    found = solve_units(trained_units(f, sigma, train(f, sigma, split, 2, 0.8, 8.0), "E"), 2.0, 1.0, 0.05)
    assert found.test == pytest.approx(merged.test_error, rel=1e-8)


def test_removed_mean_is_not_learned() -> None:
    """With order 0 removed a constant changes nothing, after one step and after two."""
    network, ridge = Network("relu"), Ridge(2.0, 1.0, 0.05)
    training = Training(2, 8.0, 0.8, remove_orders=(0,))
    plain = risk(Target("z1 + z1*z2", noise=0.05), network, training, ridge)
    moved = risk(Target("z1 + z1*z2 + 3", noise=0.05), network, training, ridge)
    assert moved.test_error == pytest.approx(plain.test_error, rel=1e-9)


def test_overflow_is_refused() -> None:
    with pytest.raises(InputError, match=r"training\.eta"):
        risk(Target("z1"), Network("exp(x)", initialisation="independent"), Training(2, 4.0, 80.0), Ridge())
