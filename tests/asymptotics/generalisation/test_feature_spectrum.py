"""Singular values of features: closed form of the edge, reference places, and a real network."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from asymptotics import Network, Ridge, Simulation, Training, spectrum
from asymptotics.commands.cli import run
from asymptotics.comparison.spectra import singular_values
from asymptotics.expectations.activations import get_activation
from asymptotics.expectations.quadrature import hermite_rule
from asymptotics.generalisation.initial_bulk import Bulk, outliers, transfer
from hermite import Target
from hermite.errors import InputError

CUBIC = get_activation("x + He2(x)/2 + He3(x)/6")
INDEPENDENT = "independent"


def test_white_noise_has_the_edge_of_marchenko_and_pastur() -> None:
    """High degrees only: λ_m N_m = τ spread over very many directions, edge √n + √p."""
    bulk = Bulk(get_activation("He6(x)/sqrt(720)"), 500, 2400, 1600)
    edge = math.sqrt(bulk.square(bulk.edge()))
    assert edge == pytest.approx(math.sqrt(2400) + math.sqrt(1600), rel=2e-3)


def test_a_linear_activation_has_its_known_edge() -> None:
    """σ(x) = x: a product of two Gaussian matrices; its largest singular value is below the edge by O(d^(-2/3)), 2 % here."""
    rng = np.random.default_rng(0)
    d, n, p = 300, 600, 450
    w = rng.standard_normal((p, d))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    real = np.linalg.norm(rng.standard_normal((n, d)) @ w.T, 2)
    bulk = Bulk(get_activation("x"), d, n, p)
    assert math.sqrt(bulk.square(bulk.edge())) == pytest.approx(1.02 * real, rel=0.02)


# n = 2400, p = 1600, d = 600, |β| = 1.2155, eta = n^a against readouts of variance 1/p: independent values.
PLACES = [(0.1, [179.7154]), (0.2, [313.7063]), (0.29, [656.7907, 262.2202])]


@pytest.mark.parametrize(("power", "places"), PLACES)
def test_reference_places_are_met(power, places) -> None:
    bulk = Bulk(CUBIC, 600, 2400, 1600)
    edge = bulk.edge()
    assert math.sqrt(bulk.square(edge)) == pytest.approx(160.0271, abs=1e-4)
    H, _ = transfer(CUBIC, 2400**power * 1.2155 / math.sqrt(1600), *hermite_rule(24))
    found, shares = outliers(bulk, edge, H)
    assert found == pytest.approx(places, abs=1e-4)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    # The first spike is linear in the direction, the second quadratic.
    assert [int(np.argmax(row)) for row in shares] == [1, 2][: len(places)]


def test_no_step_makes_no_spike() -> None:
    found = spectrum(
        Target("z1"), Network("tanh", initialisation=INDEPENDENT), Training(0), Ridge(2.0, 1.0, d=200)
    )
    assert len(found.spikes) == 0
    assert found.window_count == 0


@pytest.mark.parametrize(
    ("eta", "count", "slack"), [(0.01, 0, 0.0), (0.2, 1, 0.0), (0.5, 1, 0.0), (1.0, 2, 0.07)]
)
def test_a_real_network_has_the_predicted_spikes(eta, count, slack) -> None:
    """Gaussian readout, d = 400, 6 networks: spikes within 4 standard errors, the edge within 4 %.

    Where the step is strong, the part of the gradient that is not in the theory moves spikes (7 % are allowed) and edge.
    """
    f = Target("z1 + He2(z1)/2", noise=0.1)
    network = Network("tanh(x + 7/10)", "gaussian", initialisation=INDEPENDENT)
    training, ridge = Training(1, 6.0, eta), Ridge(3.0, 2.0, d=400)
    theory = spectrum(f, network, training, ridge)
    runs = np.array(
        [singular_values(f, network, training, ridge, Simulation(seed=4), k)[: count + 1] for k in range(6)]
    )
    real, sem = runs.mean(axis=0), runs.std(axis=0, ddof=1) / np.sqrt(6)
    assert len(theory.spikes) == count
    assert np.all(np.abs(real[:count] - theory.spikes) < 4 * sem[:count] + slack * theory.spikes)
    if slack == 0:
        assert real[count] == pytest.approx(theory.edge, rel=0.045)
    if count:
        # Negative controls: no step, and twice the step.
        other = spectrum(f, network, Training(1, 6.0, 2 * eta), ridge)
        assert abs(real[0] - other.spikes[0]) > 10 * sem[0]
        assert abs(real[0] - theory.edge) > 10 * sem[0]


@pytest.mark.parametrize(
    ("activation", "readout", "eta", "count"),
    [
        ("tanh(x + 7/10)", "rademacher", 0.05, 1),
        ("tanh(x + 7/10)", "rademacher", 0.5, 2),  # ã² is constant, ã³ is ã
        ("tanh(x + 7/10)", "gaussian", 0.5, 3),
        ("He3(x)", "gaussian", 0.5, 0),  # c_1 = 0
        ("relu", "gaussian", 5.0, None),  # beyond the last window
    ],
)
def test_windows_count_the_spikes(activation, readout, eta, count) -> None:
    """n2 = 1200, p = 800: eta √p = n2^a with a = 0.05, 0.37 and 0.7."""
    network = Network(activation, readout, initialisation=INDEPENDENT)
    found = spectrum(Target("z1"), network, Training(1, 6.0, eta), Ridge(3.0, 2.0, d=400))
    assert found.window_count == count


def test_a_strong_first_spike_lies_above_its_leading_term() -> None:
    """A strong step: the resummed first spike of a polynomial activation is larger than its leading term, of equal order."""
    found = spectrum(
        Target("z1"),
        Network("x + He2(x)/2", "gaussian", initialisation=INDEPENDENT),
        Training(1, 6.0, 0.4),
        Ridge(3.0, 2.0, d=500),
    )
    assert 1.0 < found.spikes[0] / found.asymptotic[0] < 2.0


@pytest.mark.parametrize(
    ("network", "training", "ridge", "words"),
    [
        (Network(initialisation=INDEPENDENT), Training(2), Ridge(d=100), "0 and 1 giant steps"),
        (Network(initialisation=INDEPENDENT), Training(1), Ridge(), "ridge.d"),
        (Network(initialisation=INDEPENDENT, bias=1.0), Training(1), Ridge(d=100), "bias"),
        (Network(initialisation=INDEPENDENT), Training(1, batch_exponent=2), Ridge(d=100), "batch_exponent"),
    ],
)
def test_bad_input_is_refused(network, training, ridge, words) -> None:
    with pytest.raises(InputError, match=words):
        spectrum(Target("z1"), network, training, ridge)


@pytest.mark.parametrize("size", ["1e120", "1e150"])
def test_labels_that_blow_the_features_up_are_refused_in_a_sentence(size) -> None:
    """Readouts of order 1 beside them: cubes of the spike overflow."""
    network = Network("tanh", initialisation="independent")
    with pytest.raises(InputError, match=r"the features overflow: use a smaller training\.eta"):
        spectrum(Target(f"{size}*(z1 + He2(z2)/2)"), network, Training(1, 4.0, 20.0), Ridge(3.0, 2.0, d=100))


def test_the_command_prints_what_the_function_returns(tmp_path, capsys) -> None:
    file = tmp_path / "e.toml"
    file.write_text(
        '[target]\nexpression = "z1"\n[network]\nactivation = "tanh(x + 1/2)"\ninitialisation = "independent"\n'
        "[training]\nsteps = [0, 1, 2]\neta = 4\n[simulation]\nd = 60\n"
    )
    assert run(["spectrum", str(file), "--simulate", "--json", "--out", str(tmp_path / "out")]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [found["step"] for found in runs] == [0, 1]
    assert runs[1]["spikes"][0] > runs[1]["edge"]
    names = sorted(path.suffix for path in (tmp_path / "out").iterdir())
    assert names == [".csv", ".json", ".pdf", ".pdf", ".png", ".png"]
    assert run(["spectrum", str(file)]) == 0
    assert "edge of the bulk" in capsys.readouterr().out
    file.write_text('[target]\nexpression = "z1"\n[training]\nbatch_exponent = 2\n')
    assert run(["spectrum", str(file)]) == 2


@pytest.mark.parametrize(
    ("activation", "bulk", "told"),
    [
        ("relu", "initial", True),
        ("relu", "conditional", True),
        ("tanh", "initial", False),
        ("relu", "auto", False),
    ],
)
def test_what_the_batch_stretches_is_told_where_it_is_not_included(activation, bulk, told) -> None:
    """An activation without c_2 does not see it."""
    f, network = Target("z1 + He2(z1)/2"), Network(activation)
    found = spectrum(f, network, Training(1, 8.0, 0.5), Ridge(2.0, 2.0, d=100), bulk=bulk)
    assert ("may put more spikes" in found.validity_note) is told
