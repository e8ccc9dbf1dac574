"""``curve()`` is ``risk`` at every point, and ``giantstep curve`` in Python."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asymptotics import Experiment, Network, Ridge, Simulation, Training, curve, risk
from asymptotics.comparison.curves import curve_rows, to_csv
from hermite.errors import InputError

TARGET = "z1 + He2(z1)/2"


def test_arrays_of_settings_are_risks_one_by_one() -> None:
    alphas, lams = np.geomspace(0.5, 4, 3), np.array([0.01, 0.1])
    network, training = Network(activation="tanh"), Training(steps=1, alpha=2.0)
    table = curve(TARGET, network, training, Ridge(beta=2.0), alpha=alphas, lam=lams, steps=[0, 1])
    assert len(table) == 12
    for row in table.to_dict("records"):
        ridge = Ridge(alpha=row["alpha"], beta=2.0, lam=row["lambda"])
        one = risk(TARGET, network, Training(steps=row["step"], alpha=2.0), ridge)
        assert row["test_error"] == pytest.approx(one.test_error, rel=1e-9)
        assert row["train_error"] == pytest.approx(one.train_error, rel=1e-9)
    assert sorted(table["alpha"].unique()) == pytest.approx(alphas)


def test_an_experiment_gives_the_table_of_the_command() -> None:
    experiment = Experiment.from_toml(
        f'target.expression = "{TARGET}"\ntraining.steps = [0, 1]\nridge = {{alpha = [1.0, 2.0], lambda = 0.1}}'
    )
    table = curve(experiment)
    written = pd.read_csv(io.StringIO(to_csv(curve_rows(experiment))))
    for name in ("step", "alpha", "lambda", "test_error", "excess_risk"):
        np.testing.assert_allclose(table[name].astype(float), written[name].astype(float))


def test_a_simulation_stands_beside() -> None:
    table = curve(TARGET, alpha=[1.0, 2.0], simulate=Simulation(d=20, replicates=3, test_samples=500))
    assert table["simulation_replicates"].tolist() == [3, 3]
    assert (table["simulation_test_error_sem"] > 0).all()


def test_a_grid_becomes_an_array_of_xarray() -> None:
    """A dimension for every setting that varies; what was not trained stands at every eta."""
    pytest.importorskip("xarray")
    experiment = Experiment.from_toml(
        f'target.expression = "{TARGET}"\ntraining = {{steps = [0, 1], eta = [0.5, 1.0]}}\n'
        "ridge = {alpha = [1.0, 2.0, 4.0], lambda = 0.1}"
    )
    table = curve(experiment)
    grid = table.to_xarray()
    assert dict(grid.sizes) == {"step": 2, "eta": 2, "alpha": 3}
    assert not grid["test_error"].isnull().any()
    for row in table.to_dict("records"):
        etas = [row["eta"]] if row["step"] else [0.5, 1.0]
        for eta in etas:
            point = grid["test_error"].sel(step=row["step"], eta=eta, alpha=row["alpha"])
            assert float(point) == row["test_error"]
    assert float(grid["lambda"]) == 0.1
    assert Experiment.from_dict(json.loads(grid.attrs["experiment"])) == experiment


def test_an_index_of_ones_own_is_that_of_pandas() -> None:
    pytest.importorskip("xarray")
    table = curve(TARGET, alpha=[1.0, 2.0], lam=[0.1, 1.0])
    grid = table.set_index(["lambda", "alpha"])["test_error"].to_xarray()
    assert grid.dims == ("lambda", "alpha")
    assert table[table["alpha"] == 1.0].to_xarray()["test_error"].dims == ("lambda",)


def test_one_point_is_an_array_too_and_kernel_ridge_is_at_infinity() -> None:
    pytest.importorskip("xarray")
    assert dict(curve(TARGET).to_xarray().sizes) == {"step": 1}
    grid = curve(TARGET, beta=[1.0, np.inf]).to_xarray()
    assert grid["beta"].values.tolist() == [1.0, np.inf]


def test_without_xarray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"giantstep\[xarray\]"):
        curve(TARGET).to_xarray()


def test_a_table_remembers_its_experiment() -> None:
    table = curve(TARGET, alpha=[1.0, 2.0])
    assert Experiment.from_dict(json.loads(table.attrs["experiment"])).target.text == TARGET


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"alfa": [1.0]}, "grids of steps, eta, alpha"),
        ({"alpha": []}, "at least one"),
        ({"alpha": "1"}, "array of numbers"),
        ({"alpha": [1.0, -1.0]}, "ridge.alpha must be"),
        ({"steps": 1.5}, "training.steps must be"),
    ],
)
def test_what_is_no_grid_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        curve(TARGET, **settings)


def test_an_experiment_comes_alone() -> None:
    with pytest.raises(InputError, match="give it alone"):
        curve(Experiment.from_toml('target.expression = "z1"'), alpha=[1.0])


def test_without_a_training_the_curve_is_that_of_untrained_features() -> None:
    table = curve(TARGET, alpha=[1.0, 2.0])
    assert list(table["step"]) == [0, 0]
