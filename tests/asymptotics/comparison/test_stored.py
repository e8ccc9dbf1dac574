"""Measurements read back from a store equal those of a simulation, and give the same verdict."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from asymptotics import Experiment
from asymptotics.commands.cli import run
from asymptotics.comparison.joined import MeasuredOverlaps, MeasuredRisk, measure_all
from asymptotics.comparison.measurements import experiment_of, is_store, measured_in
from asymptotics.documents.findings import of_store
from asymptotics.documents.report_page import report_page
from asymptotics.sweeps.store import Store
from asymptotics.sweeps.sweeping import sweep
from hermite.errors import InputError

CURVE = """
[target]
expression = "z1 + He2(z1)/2"
noise = 0.1
[training]
steps = [0, 1]
alpha = [2.0, 4.0]
[ridge]
alpha = [1.0, 2.0]
lambda = [0.1, 1.0]
[simulation]
d = [24, 48]
replicates = 4
test_samples = 500
"""
OVERLAPS = """
[target]
expression = "z1 + z1*z2"
[training]
steps = 2
[simulation]
d = [24, 48]
width = 16
replicates = 4
test_samples = 500
"""


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("stores")
    made = {}
    for name, text in (("curve", CURVE), ("overlaps", OVERLAPS)):
        made[name] = folder / f"{name}.sqlite"
        sweep(Experiment.from_toml(text), made[name])
    return made


def test_errors_read_back_equal_those_measured(stores: dict[str, Path]) -> None:
    experiment = Experiment.from_toml(CURVE)
    with Store.read(stores["curve"]) as store:
        found = measured_in(store, experiment)
    direct = measure_all(experiment)

    def table(points: list) -> dict:  # type: ignore[type-arg]
        assert all(isinstance(point, MeasuredRisk) for point in points)
        return {(p.training if p.training.steps else None, p.ridge, p.simulation.d): p.risk for p in points}

    read, made = table(found), table(direct)
    assert len(found) == len(direct) == len(read)
    assert set(read) == set(made)
    for key, one in made.items():
        if key[0] is None:
            continue  # either of two equal points may stand for step 0
        assert read[key].test_error == pytest.approx(one.test_error, rel=1e-12)
        assert read[key].train_error_sem == pytest.approx(one.train_error_sem, rel=1e-9)


def test_overlaps_read_back_equal_those_measured(stores: dict[str, Path]) -> None:
    experiment = Experiment.from_toml(OVERLAPS)
    with Store.read(stores["overlaps"]) as store:
        found = measured_in(store, experiment)
    for read, made in zip(found, measure_all(experiment), strict=True):
        assert isinstance(read, MeasuredOverlaps)
        assert isinstance(made, MeasuredOverlaps)
        assert (read.training, read.simulation) == (made.training, made.simulation)
        for a, b in zip(read.overlaps.steps, made.overlaps.steps, strict=True):
            for name in ("M", "M_sem", "norm2", "norm2_sem", "risk", "risk_sem", "readout", "weight"):
                np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(("kind", "text"), [("curve", CURVE), ("overlaps", OVERLAPS)])
def test_a_page_is_made_from_a_store_alone(kind: str, text: str, stores: dict[str, Path]) -> None:
    page = report_page(of_store(str(stores[kind])))
    assert "Theory and simulation: agrees" in page
    with Store.read(stores[kind]) as store:
        experiment, _ = experiment_of(store)
    assert experiment.target == Experiment.from_toml(text).target


def test_the_commands_take_a_store(
    stores: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "experiment.toml"
    file.write_text(CURVE)
    assert run(["validate", str(file), "--store", str(stores["curve"]), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["finite_size"] is not None
    assert {row["d"] for row in report["rows"]} == {48}
    page = tmp_path / "report.html"
    assert run(["report", str(stores["overlaps"]), "-o", str(page)]) == 0
    assert "z_{2}" in page.read_text(encoding="utf-8")


def test_a_store_of_something_else_is_refused(stores: dict[str, Path], tmp_path: Path) -> None:
    other = Experiment.from_toml(CURVE.replace("noise = 0.1", "noise = 0.2"))
    with Store.read(stores["curve"]) as store, pytest.raises(InputError, match="nothing of this experiment"):
        measured_in(store, other)
    assert is_store(stores["curve"])
    text = tmp_path / "text.toml"
    text.write_text(CURVE)
    assert not is_store(text)
    assert not is_store(tmp_path / "missing")
