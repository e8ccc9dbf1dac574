"""The example scripts run, and land where they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from script_loading import module_at

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_a_network_in_plain_pytorch_lands_on_our_curve() -> None:
    pytest.importorskip("torch")
    example = module_at(EXAMPLES / "plain_pytorch.py")
    runs = np.array([example.train(seed, d=600, p=100) for seed in range(8)])
    error = runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    z = (runs.mean(axis=0) - example.predicted(d=600, p=100)) / error
    # Two steps, two directions; a finite d moves the means by less than its own error bar or two.
    assert np.abs(z).max() < 6
