"""Stores that earlier versions wrote are read and resumed.

``tests/data/store/direct.sqlite`` was written by giantstep 0.1.0 before its modules moved into rooms:
``giantstep simulate direct.toml --store direct.sqlite``.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asymptotics import Experiment, sweep
from asymptotics.sweeps.store import Store
from asymptotics.sweeps.sweep_result import VOLATILE
from asymptotics.sweeps.tasks import tasks_of

DATA = Path(__file__).parents[2] / "data" / "store"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy: opening a store for writing may touch its file."""
    return Path(shutil.copy(DATA / "direct.sqlite", tmp_path))


def lasting(rows: Any) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in VOLATILE} for row in rows]


def test_a_store_of_an_earlier_version_is_resumed_with_no_unit_computed_again(old: Path) -> None:
    experiment = Experiment.load(DATA / "direct.toml")
    with Store.read(old) as store:
        before = store.rows()
    result = sweep(experiment, old)
    assert result.computed == 0
    names = (
        "key",
        "step",
        "lambda",
        "test_error",
        "train_error",
        "excess_risk",
        "seconds",
        "host",
        "finished",
    )
    assert [[row[n] for n in names] for row in result.rows] == [[row[n] for n in names] for row in before]
    assert {task.key for task in tasks_of(experiment)} == {row["key"] for row in before}


def test_this_version_draws_what_the_earlier_one_stored(old: Path) -> None:
    experiment = Experiment.load(DATA / "direct.toml")
    with Store.read(old) as store:
        stored = lasting(store.rows())
    new = lasting(sweep(experiment).rows)
    assert [row["key"] for row in new] == [row["key"] for row in stored]
    # Equal to rounding: the file was written on another machine.
    assert [row["test_error"] for row in new] == pytest.approx(
        [row["test_error"] for row in stored], rel=1e-4
    )


def test_more_replicates_add_to_an_old_store(old: Path) -> None:
    experiment = Experiment.load(DATA / "direct.toml")
    more = replace(experiment, simulations=tuple(replace(s, replicates=3) for s in experiment.simulations))
    assert sweep(more, old).computed == 3
