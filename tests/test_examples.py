"""The example scripts run, and land where they say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_network_in_plain_pytorch_lands_on_our_curve() -> None:
    pytest.importorskip("torch")
    example = load("plain_pytorch")
    runs = np.array([example.train(seed, d=600, p=100) for seed in range(8)])
    error = runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    z = (runs.mean(axis=0) - example.predicted(d=600, p=100)) / error
    # Two steps, two directions; a finite d moves the means by less than its own error bar or two.
    assert np.abs(z).max() < 6
