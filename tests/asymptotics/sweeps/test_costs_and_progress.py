"""What a sweep is estimated to cost follows its sizes, and its progress waits for a pace."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from asymptotics import Network, Ridge, Simulation, Training
from asymptotics.simulation.job import Job
from asymptotics.sweeps import meter, store
from asymptotics.sweeps.costs import work_of
from asymptotics.sweeps.store import Store
from hermite import Target

DATA = Path(__file__).parents[2] / "data" / "store"


def job(d: int, method: str = "direct", test_samples: int = 1000) -> Job:
    setting = Simulation(d=d, test_samples=test_samples, method=method)
    return Job(
        Target("z1 + He2(z1)"), Network(), Training(0), Ridge(alpha=2.0, beta=1.0), setting, (0,), (0.1,)
    )


def test_sizes_twice_as_large_cost_eight_eigendecompositions_and_products_of_the_fit() -> None:
    small, large = work_of(job(100, test_samples=2)), work_of(job(200, test_samples=2))
    assert large.eigen == pytest.approx(8 * small.eigen)
    assert large.products == pytest.approx(8 * small.products, rel=0.05)
    assert large.normals == pytest.approx(4 * small.normals, rel=0.05)


def test_twice_the_test_samples_cost_the_same_fit() -> None:
    once, twice, thrice = (work_of(job(50, test_samples=k * 10_000)) for k in (1, 2, 3))
    assert once.eigen == twice.eigen
    assert thrice.products - twice.products == pytest.approx(twice.products - once.products)


def test_progress_is_told_when_a_pace_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units of 0.4 s, 100 of them: nothing before one second of work beyond the first unit, then the time that is left."""
    clock, said = SimpleNamespace(now=1000.0), []
    monkeypatch.setattr(meter.time, "monotonic", lambda: clock.now)
    tasks = [SimpleNamespace(job=job(20))] * 100
    progress = meter.Meter(tasks, said.append)  # type: ignore[arg-type]
    for count in range(1, 5):
        clock.now += 0.4
        progress.done(tasks[0])  # type: ignore[arg-type]
        assert bool(said) is (count == 4)
    # At a unit in 0.4 s the other 96 take 38 s.
    found = re.fullmatch(r"unit 4 of 100 done, (\d+) s to (\d+) s left", said[0])
    assert found is not None
    assert int(found[1]) < 38 < int(found[2])


def test_a_store_at_rest_is_read_where_nobody_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a folder that is mounted read-only: SQLite cannot make its shared memory there."""
    place = Path(shutil.copy(DATA / "direct.sqlite", tmp_path / "direct.sqlite"))
    with Store.read(place) as open_store:
        rows = open_store.rows()
    monkeypatch.setattr(store.os, "access", lambda *_: False)
    with Store.read(place) as at_rest:
        assert at_rest.rows() == rows
    assert rows
