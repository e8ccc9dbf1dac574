"""The table of ridge errors over every stage and regime (see ``ridge_table``): small in every run, whole under -m slow."""

from __future__ import annotations

import numpy as np
import pytest
from ridge_table import Setting, measure, rms, settings, table

SETTINGS = list(settings())


def test_the_table_is_large_enough() -> None:
    assert len(SETTINGS) >= 40
    assert len({(s.target.text, s.network.activation) for s in SETTINGS if s.training.steps > 1}) >= 6


# One of each kind; 8 runs at d = 200.
@pytest.mark.parametrize("index", [0, 7, 12, 23, 28, 33, 41, 44], ids=str)
def test_a_sample_of_the_table_is_met(index) -> None:
    """|z| < 4.5 for the test error (Student's t of 7 degrees: p = 0.003 each), 2 % of the theory's own error allowed."""
    row = measure(SETTINGS[index], 200, 8)
    allowed = 4.5 * row.sem[0] + 0.02 * row.theory[0]
    assert abs(row.theory[0] - row.measured[0]) < allowed


def test_another_number_of_steps_is_refused() -> None:
    """Negative control: the theory of one step against two simulated ones."""
    from dataclasses import replace

    setting: Setting = SETTINGS[28]
    row = measure(setting, 200, 8)
    wrong = replace(setting, training=replace(setting.training, steps=setting.training.steps - 1))
    other = measure(wrong, 200, 2).theory[0]
    assert abs(other - row.measured[0]) > 4.5 * row.sem[0] + 0.02 * other


@pytest.mark.slow
def test_the_whole_table_is_met(capsys) -> None:
    """Root mean square z below 1.9: 1 from the simulation, the rest from terms of order 1/d and the levels' own error."""
    rows = [measure(setting, 400, 16) for setting in SETTINGS]
    with capsys.disabled():
        print(table(rows, 400, 16))
    assert 0.7 < rms(rows, 0) < 1.9
    assert np.abs([row.z[0] for row in rows]).max() < 6
