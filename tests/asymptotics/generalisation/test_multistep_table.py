"""A table of 21 settings of the ridge fit after one to three steps: independent values of every level, and a simulation.

relu, tanh, erf, shifts; two and three directions; noise 0.05. Levels iso and E to six digits; under -m slow also the measured
corrections and En+ against that simulation (d = 600, 40 runs).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training, risk
from asymptotics.generalisation.spiked.corrections import (
    auxiliary_layers,
    bulk_correction,
    norm_correction,
    with_norm_mode,
)
from asymptotics.generalisation.spiked.trained_layer import trained_units
from asymptotics.learning.laws import learned_features
from hermite import Target

ROWS = json.loads((Path(__file__).parents[2] / "data" / "multistep_table.json").read_text())
TARGETS = {
    "stair2": "z1 + z1*z2",
    "stair3": "z1 + z1*z2 + z1*z2*z3",
    "pm": "(z1 + z1^2 + z2 - z2^2)/2",
    "tanhab": "tanh(z1) + z1*z2",
}


def setting(row):
    f = Target(TARGETS[row["target"]], noise=0.05)
    network = Network(row["activation"], initialisation=row["initialisation"])
    return f, network, Training(row["steps"], row["alpha1"], row["eta"])


def name(row) -> str:
    return f"{row['activation']}-{row['target']}-{row['eta']:g}-{row['alpha1']:g}-{row['steps']}-{row['ridge'][0]:g}"


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_levels(row) -> None:
    f, network, training = setting(row)
    limit, iso = (risk(f, network, training, Ridge(*row["ridge"], level=level)) for level in ("E", "iso"))
    # The table is printed to six digits and rests on quadrature that is good to about 1e-5 after three steps.
    for found, expected in ((limit, row["E"]), (iso, row["iso"])):
        assert found.test_error == pytest.approx(expected[0], rel=2e-5)
        assert found.train_error == pytest.approx(expected[1], rel=2e-4)
    finite = risk(f, network, training, Ridge(*row["ridge"], d=600, level="E"))
    assert (finite.test_error, finite.train_error) == pytest.approx(row["E600"], abs=2e-4)
    layer = learned_features(f, network, training)
    assert layer.anisotropy == pytest.approx(row["chi"], abs=6e-4)


@pytest.mark.slow
def test_corrections_and_simulation() -> None:
    """Norms within 0.15 %, bulk within 5 combined standard errors; En+ against the simulation: rms z of the test error < 2.2.

    The independent values have rms 1.6 over their 41 rows: errors of order 1/d at d = 600 and products of the small terms.
    """
    scores = []
    for row in ROWS:
        f, network, training = setting(row)
        sigma = network.get_activation()
        layer = learned_features(f, network, training)
        units = trained_units(f, sigma, layer, "E")
        layers = auxiliary_layers(f, network, training, 600)
        norms = norm_correction(units, with_norm_mode(units, sigma, layer, layers), *row["ridge"], 600)
        bulk, _ = bulk_correction(f, sigma, layers, *row["ridge"], 600)
        print(name(row), 100 * norms.test, row["norms"][0], 100 * bulk.test, row["bulk"][0])
        assert 100 * norms.test == pytest.approx(row["norms"][0], abs=0.15)
        assert abs(100 * bulk.test - row["bulk"][0]) < 5 * np.hypot(100 * bulk.test_sem, 0.2)
        value, sem = row["mc"][0]
        scores.append((row["E600"][0] * (1 + norms.test) * (1 + bulk.test) - value) / sem)
    assert float(np.sqrt(np.mean(np.square(scores)))) < 2.2
