"""The same simulation on other array libraries: the strictest namespace of the standard, and PyTorch where it is installed."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asymptotics import Network, Ridge, Simulation, Training, simulate
from asymptotics.simulation import runner
from asymptotics.simulation.backends import Backend, get_backend
from hermite import InputError, Target

F = Target("z1 + z1*z2", noise=0.1)
SETTING = Simulation(d=30, width=6, replicates=2, test_samples=400, dtype="float64")


def numbers(network: Network, remove: tuple[int, ...] = (), setting: Simulation = SETTING) -> Any:
    """Overlaps, risks and errors of a small experiment, as one vector."""
    training = Training(steps=2, alpha=5.0, remove_orders=remove)
    layers = simulate(F, network, training, None, setting).overlaps
    fits = simulate(F, network, training, Ridge(alpha=3.0, beta=0.4), setting, lambdas=[0.1, 1.0]).risks
    assert layers is not None
    parts = [np.concatenate([s.M.ravel(), s.Q.ravel(), [s.risk]]) for s in layers.steps]
    return np.concatenate([*parts, [r.test_error for r in fits], [r.train_error for r in fits]])


@pytest.mark.parametrize("name", ["relu", "tanh(x + 1/2)", "erf(x)", "He2(x) + x"])
@pytest.mark.parametrize("initialisation", ["symmetric", "independent"])
def test_array_api_strict_equals_numpy(
    name: str, initialisation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import array_api_strict

    network = Network(activation=name, initialisation=initialisation, bias=0.3, width=6)
    expected = numbers(network, remove=(0, 1))
    monkeypatch.setattr(runner, "get_backend", lambda *_: Backend(array_api_strict))
    np.testing.assert_allclose(numbers(network, remove=(0, 1)), expected, rtol=1e-9, atol=1e-10)


def test_torch_equals_numpy() -> None:
    pytest.importorskip("torch")
    network = Network(width=6)
    torch = replace(SETTING, backend="torch")
    np.testing.assert_allclose(numbers(network, setting=torch), numbers(network), rtol=1e-9, atol=1e-10)


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is installed")
def test_a_missing_library_is_one_sentence() -> None:
    with pytest.raises(InputError, match='needs the extra "torch"'):
        simulate(F, Network(width=6), Training(), None, replace(SETTING, backend="torch"))


def test_numpy_has_one_device() -> None:
    with pytest.raises(InputError, match=r'simulation.device must be "cpu"'):
        get_backend("numpy", "cuda")
