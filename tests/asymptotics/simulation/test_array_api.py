"""The same simulation on other array libraries: the strictest namespace of the standard, and PyTorch where it is installed."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asymptotics import Network, Ridge, Simulation, Training, simulate
from asymptotics.simulation import job
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
    monkeypatch.setattr(job, "get_backend", lambda *_: Backend(array_api_strict))
    np.testing.assert_allclose(numbers(network, remove=(0, 1)), expected, rtol=1e-9, atol=1e-10)


def test_torch_equals_numpy_on_the_stream_of_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("array_api_compat.torch")
    network = Network(width=6, bias=0.3)
    expected = numbers(network, remove=(0, 1))
    monkeypatch.setattr(job, "get_backend", lambda *_: Backend(torch, torch.device("cpu")))
    np.testing.assert_allclose(numbers(network, remove=(0, 1)), expected, rtol=1e-9, atol=1e-10)


def test_a_callable_is_evaluated_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    import array_api_strict

    text = Target("z1 + z1*z2", gram=[[1, "1/2"], ["1/2", 1]])
    f = Target.from_function(lambda x: text(x), 2)
    ridge = Ridge(alpha=3.0, beta=0.4)
    expected = [simulate(g, Network(), Training(1), ridge, SETTING).risks[0] for g in (text, f)]
    monkeypatch.setattr(job, "get_backend", lambda *_: Backend(array_api_strict))
    for g, old in zip((text, f), expected, strict=True):
        assert simulate(g, Network(), Training(1), ridge, SETTING).risks[0].test_error == pytest.approx(
            old.test_error, rel=1e-9
        )


class TestTheStreamOfTorch:
    """Drawn on the device: other numbers than NumPy's, of the same law, the same for any size of the chunks."""

    @pytest.fixture
    def backend(self) -> Backend:
        pytest.importorskip("torch")
        return get_backend("torch", "cpu")

    def test_rows_do_not_depend_on_chunks_nor_on_where_they_end(self, backend: Backend) -> None:
        def rows(n: int, most: int) -> Any:
            chunks = backend.normal_chunks(7, (0, 3), n, 5, most, "float32")
            return np.concatenate([backend.fetch(chunk).copy() for chunk in chunks])

        whole = rows(3000, 3000)
        assert whole.shape == (3000, 5)
        np.testing.assert_array_equal(rows(3000, 300), whole)
        np.testing.assert_array_equal(rows(700, 512), whole[:700])
        assert not np.any(rows(3000, 3000)[:256] == whole[256:512])

    def test_draws_are_standard_normal_and_streams_differ(self, backend: Backend) -> None:
        n = 40_000
        x, y = (backend.fetch(backend.normals(7, 0, key)(n)) for key in (1, 2))
        assert np.abs(np.mean(x)) * np.sqrt(n) < 4
        assert np.abs(np.mean(x**2) - 1) * np.sqrt(n / 2) < 4
        assert np.abs(np.mean(x**4) - 3) * np.sqrt(n / 96) < 4
        assert np.abs(np.mean(x * y)) * np.sqrt(n) < 4
        np.testing.assert_array_equal(x, backend.fetch(backend.normals(7, 0, 1)(n)))

    def test_errors_have_the_law_of_those_of_numpy(self, backend: Backend) -> None:
        setting = Simulation(d=40, replicates=24, test_samples=2000)
        means, squares = [], []
        for name in ("numpy", "torch"):
            (found,) = simulate(
                F,
                Network(),
                Training(1),
                Ridge(alpha=3.0, beta=0.5),
                replace(setting, backend=name),
                steps=[1],
            ).risks
            assert found.test_error_sem is not None
            means.append(found.test_error)
            squares.append(found.test_error_sem**2)
        assert abs(means[1] - means[0]) / np.sqrt(sum(squares)) < 4
        assert means[0] != means[1]


def test_the_stream_is_part_of_the_identity_of_a_unit() -> None:
    def identity(backend: str) -> dict[str, Any]:
        setting = replace(SETTING, backend=backend)
        return job.Job(F, Network(width=6), Training(1), None, setting, (0, 1), ()).identity

    assert "stream" not in identity("numpy")
    assert identity("torch")["stream"] == "torch"


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is installed")
def test_a_missing_library_is_one_sentence() -> None:
    with pytest.raises(InputError, match='needs the extra "torch"'):
        simulate(F, Network(width=6), Training(), None, replace(SETTING, backend="torch"))


def test_numpy_has_one_device() -> None:
    with pytest.raises(InputError, match=r'simulation.device must be "cpu"'):
        get_backend("numpy", "cuda")
