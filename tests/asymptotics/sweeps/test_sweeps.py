"""Sweeps: one table, bit for bit, whatever the order, the workers, the restarts and the kills."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asymptotics
from asymptotics import Experiment, sweep
from asymptotics.commands.cli import run
from asymptotics.commands.streams import INTERRUPTED
from asymptotics.comparison.curves import simulated_risks
from asymptotics.comparison.trajectories import measure
from asymptotics.experiment.points import Grid, collapse, expand, values
from asymptotics.experiment.settings import Training
from asymptotics.simulation.job import GENERATION
from asymptotics.sweeps import sweeping as sweeps
from asymptotics.sweeps.costs import START, Work, estimate
from asymptotics.sweeps.provenance import config_of
from asymptotics.sweeps.store import Store
from asymptotics.sweeps.sweep_result import VOLATILE
from asymptotics.sweeps.sweeping import plan
from asymptotics.sweeps.tasks import Outcome, Task, jobs_of, tasks_of
from hermite import Target
from hermite.errors import InputError

FILE = """
[target]
expression = "z1 + He2(z1)/2"
noise = 0.1
[network]
activation = "relu"
[training]
steps = [0, 2]
alpha = [2.0, 4.0]
[ridge]
alpha = [1.0, 2.0]
lambda = [0.1, 1.0]
[simulation]
d = [16, 20]
replicates = 3
test_samples = 300
"""

OVERLAPS = """
[target]
expression = "z1 + He2(z1)/2"
[training]
steps = 2
[simulation]
d = 20
width = 10
replicates = 2
test_samples = 300
"""


def experiment(text: str = FILE, **settings: Any) -> Experiment:
    found = Experiment.from_toml(text)
    return replace(found, simulations=tuple(replace(s, **settings) for s in found.simulations))


def lasting(rows: Any) -> list[dict[str, Any]]:
    """The table without what may differ between runs."""
    return [{name: value for name, value in row.items() if name not in VOLATILE} for row in rows]


@pytest.fixture(scope="module")
def undisturbed() -> list[dict[str, Any]]:
    return lasting(sweep(experiment()).rows)


def test_the_table_has_every_unit_step_and_lambda_once_in_order(undisturbed: list[dict[str, Any]]) -> None:
    places = [(row["key"], row["step"], row["lambda"]) for row in undisturbed]
    assert places == sorted(set(places))
    assert len(places) == 2 * 2 * 2 * 3 * 2 * 2
    assert {row["step"] for row in undisturbed} == {0, 2}
    assert all(row["excess_risk"] == row["test_error"] - 0.1 for row in undisturbed)
    assert all(row["n2"] == round(row["alpha"] * row["d"]) for row in undisturbed)
    assert all(row["p"] == row["d"] for row in undisturbed)


def test_means_are_those_of_the_simulation(undisturbed: list[dict[str, Any]]) -> None:
    given = experiment()
    found = {
        tuple(row[name] for name in ("d", "step", "alpha_train", "alpha", "lambda")): row
        for row in sweep(given).means()
    }
    for unit in given.units():
        for (training, ridge), risk in simulated_risks(given, unit).items():
            if training.steps == 0:
                # Nothing was trained: the units of all trainings are replicates of one point.
                row = found[unit.simulation.d, 0, None, ridge.alpha, ridge.lam]
                assert row["replicates"] == 3 * len(given.longest)
                continue
            row = found[unit.simulation.d, training.steps, training.alpha, ridge.alpha, ridge.lam]
            assert row["test_error"] == risk.test_error
            assert row["test_error_sem"] == risk.test_error_sem
            assert row["replicates"] == 3


def test_order_and_workers_do_not_matter(
    undisturbed: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lasting(sweep(experiment(), workers=2).rows) == undisturbed
    shuffled = tasks_of(experiment())
    random.Random(0).shuffle(shuffled)
    monkeypatch.setattr(sweeps, "tasks_of", lambda _experiment: shuffled)
    assert lasting(sweep(experiment()).rows) == undisturbed


def test_a_unit_alone_is_the_unit_in_its_grid(undisturbed: list[dict[str, Any]]) -> None:
    # One step and one lambda: nothing else of the grid may change a bit of them.
    text = FILE.replace("[0, 2]", "2").replace("[0.1, 1.0]", "1.0").replace("[1.0, 2.0]", "1.0")
    alone = lasting(sweep(experiment(text, replicates=1)).rows)
    assert len(alone) == 4
    assert all(row in undisturbed for row in alone)


def test_no_penalty_in_the_grid_changes_nothing_for_the_others(undisturbed: list[dict[str, Any]]) -> None:
    rows = lasting(sweep(experiment(FILE.replace("[0.1, 1.0]", "[1.0, 0.0, 0.1]"))).rows)
    assert [row for row in rows if row["lambda"]] == undisturbed
    bare = lasting(sweep(experiment(FILE.replace("[0.1, 1.0]", "0.0"))).rows)
    assert [row for row in rows if not row["lambda"]] == bare


def test_resuming_computes_only_what_is_missing(tmp_path: Path, undisturbed: list[dict[str, Any]]) -> None:
    path = tmp_path / "a.sqlite"
    small = FILE.replace("[0, 2]", "2").replace("[0.1, 1.0]", "[0.1]").replace("[16, 20]", "20")
    assert sweep(experiment(small, replicates=2), path).computed == 8
    first = {(r["key"], r["step"], r["lambda"]): r["finished"] for r in sweep(experiment(small), path).rows}
    assert sweep(experiment(small), path).computed == 0
    grown = sweep(experiment(), path)
    assert grown.computed == 24  # every unit has a step or a lambda more
    assert lasting(grown.rows) == undisturbed
    kept = {(r["key"], r["step"], r["lambda"]): r["finished"] for r in grown.rows}
    assert first.items() <= kept.items()
    with Store.read(path) as store:
        assert [run["version"] for run in store.runs()] == [asymptotics.__version__] * 3
        kept_config = Experiment.from_dict(store.runs()[-1]["config"])
    assert set(kept_config.trainings) == set(experiment().trainings)
    assert {task.key for task in tasks_of(kept_config)} == {task.key for task in tasks_of(experiment())}


def test_a_store_from_another_machine_is_said_to_agree_to_rounding(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    lines: list[str] = []
    sweep(experiment(OVERLAPS, replicates=1), path, progress=lines.append)
    sweep(experiment(OVERLAPS, replicates=2), path, progress=lines.append)
    assert not any("warning" in line for line in lines)
    with Store.open(path) as store:
        store.begin("", "0.1.0", {}, store.runs()[0]["machine"] | {"host": "elsewhere", "numpy": "1.26"})
    sweep(experiment(OVERLAPS, replicates=3), path, progress=lines.append)
    assert any("another host, numpy; they agree to rounding only" in line for line in lines)


def test_not_resuming_computes_everything_again(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    first = sweep(experiment(OVERLAPS), path)
    again = sweep(experiment(OVERLAPS), path, resume=False)
    assert again.computed == first.computed == 2
    assert lasting(again.rows) == lasting(first.rows)
    assert [row["seconds"] for row in again.rows] != [row["seconds"] for row in first.rows]


@pytest.mark.parametrize(
    "change",
    [
        {"test_samples": 301},
        {"seed": 1},
        {"dtype": "float64"},
        {"memory": "2 GB"},
        {"threads": 2},
        {"width": 12},
    ],
)
def test_a_changed_file_makes_new_cells_and_never_mixes(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "a.sqlite"
    before = sweep(experiment(OVERLAPS), path)
    after = sweep(experiment(OVERLAPS, **change), path)
    assert after.computed == 2
    assert not {row["key"] for row in before.rows} & {row["key"] for row in after.rows}
    assert lasting(after.rows) == lasting(sweep(experiment(OVERLAPS, **change)).rows)
    assert sweep(experiment(OVERLAPS), path).computed == 0


def test_overlaps_are_swept_where_the_file_has_no_ridge() -> None:
    given = experiment(OVERLAPS)
    rows = sweep(given).rows
    assert [row["step"] for row in rows] == [0, 1, 2] * 2
    assert all(row["lambda"] is None for row in rows)
    expected = measure(given, given.longest[0], given.simulations[0])
    for step in range(3):
        found = [row for row in rows if row["step"] == step]
        assert np.mean([row["risk"] for row in found]) == expected[step].risk
        m = np.mean([[neuron["M"] for neuron in row["neurons"]] for row in found], axis=0)
        assert np.array_equal(m, expected[step].M)


def test_the_configuration_is_kept_as_a_file_would_give_it() -> None:
    online = 'target.expression = "z1"\nnetwork.width = 2\n[training]\nprotocol = "sgd"\n'
    for text in (
        FILE,
        OVERLAPS,
        '[target]\nexpression = "z1*z2"\ngram = [["1", "1/2"], ["1/2", "1"]]',
        online + "steps = 3",
        online + "time = [0.5, 1.0]",
    ):
        given = Experiment.from_toml(text)
        assert Experiment.from_dict(json.loads(json.dumps(config_of(given)))) == given


def test_frames_and_files_hold_the_same_table() -> None:
    result = sweep(experiment(OVERLAPS))
    assert repr(result).splitlines()[0].split()[-1] == "risk"
    frame = result.to_frame()
    assert len(frame) == len(result.rows)
    assert json.loads(frame["neurons"][0]) == result.to_dict()["rows"][0]["neurons"]
    files = result.files()
    assert json.loads(files["simulate.json"]) == result.to_dict()
    assert str(files["simulate.csv"]).splitlines()[0].split(",") == list(frame.columns)


@pytest.mark.parametrize(
    ("text", "settings", "key", "value"),
    [
        (FILE, {}, "f11f4fcdf8c93c5cc123edaaeb5fa63647782bb8e3d1d5c2199f88547fbebe7a", 0.5984382),
        (OVERLAPS, {}, "a4d4de21b0bb4f1661d03911f36040bfc74a783d4bc727c005b2c661adec62fb", 0.6646094),
        (
            OVERLAPS,
            {"method": "reduced", "d": 40},
            "d935b3c82d56f755073962a9865c6e9e994cf95bf9d322fd0a66dab6a489e72c",
            0.9455822,
        ),
    ],
)
def test_stores_of_earlier_versions_go_on(
    text: str, settings: dict[str, Any], key: str, value: float
) -> None:
    # A failure says that a unit of this content used to be named otherwise, or to give other numbers. If that is
    # meant, raise ``GENERATION`` in runner.py, so that stores keep the two apart, and write the new values here.
    row = sweep(experiment(text, replicates=1, **settings)).rows[-1]
    assert row["key"] == key
    assert row.get("test_error", row.get("risk")) == pytest.approx(value, rel=1e-4)


# ---- faults ----------------------------------------------------------------------------------


def test_failing_units_do_not_stop_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    text = FILE.replace("[2.0, 4.0]", "2.0\neta = [1.0, 1e30]")
    lines: list[str] = []
    with pytest.raises(InputError, match=r"eta = 1e\+30.*overflow") as caught:
        sweep(experiment(text), path, progress=lines.append)
    assert len(caught.value.problems) == 4
    assert sum("a unit failed: d = " in line for line in lines) == 4
    with Store.read(path) as store:
        assert len(store.points()) == 12


def test_a_worker_killed_in_the_middle_changes_nothing(
    tmp_path: Path, undisturbed: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, work = str(tmp_path / "died"), sweeps.run_task

    def deadly(task: Task) -> Outcome:
        import os
        import signal

        if task.replicate == 1 and not os.path.exists(mark):
            open(mark, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return work(task)

    monkeypatch.setattr(sweeps, "run_task", deadly)
    result = sweep(experiment(), tmp_path / "a.sqlite", workers=2)
    assert (tmp_path / "died").exists()
    assert result.computed == 24
    assert lasting(result.rows) == undisturbed


def test_errors_of_the_program_end_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_task: Task) -> Outcome:
        raise ZeroDivisionError

    monkeypatch.setattr(sweeps, "run_task", broken)
    with pytest.raises(ZeroDivisionError):
        sweep(experiment())


def test_problems_of_the_plan_are_told_at_once() -> None:
    with pytest.raises(InputError, match="must be finite"):
        sweep(experiment(FILE.replace("lambda", "beta = [1.0, inf]\nlambda")))
    for workers in (0, -1, True, 1.5):
        with pytest.raises(InputError, match="workers must be"):
            sweep(experiment(), workers=workers)  # type: ignore[arg-type]


def test_functions_stay_out_of_files(tmp_path: Path) -> None:
    given = replace(experiment(OVERLAPS), target=Target.from_function(lambda x: x[:, 0], 1))
    with pytest.raises(InputError, match="given as text"):
        sweep(given, tmp_path / "a.sqlite")
    assert not list(tmp_path.iterdir())
    assert len(sweep(given).rows) == 6


def test_a_worker_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    work = sweeps.run_task
    monkeypatch.setattr(sweeps, "run_task", lambda task: replace(work(task), version="0.0.0"))
    with pytest.raises(InputError, match=r"runs giantstep 0\.0\.0"):
        sweep(experiment(OVERLAPS))


def test_a_clock_that_jumps_changes_nothing(undisturbed: list[dict[str, Any]], monkeypatch: Any) -> None:
    times = iter(np.random.default_rng(0).uniform(-1e9, 1e9, 10_000))
    monkeypatch.setattr(time, "time", lambda: float(next(times)))
    monkeypatch.setattr(sweeps, "_now", lambda: f"at {next(times)}")
    rows = sweep(experiment()).rows
    assert lasting(rows) == undisturbed
    assert all(row["seconds"] > 0 for row in rows)


def test_a_full_disk_ends_the_sweep_and_the_next_one_resumes(
    tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    path = tmp_path / "a.sqlite"
    with Store.open(path) as store:
        (pages,) = store.connection.execute("PRAGMA page_count").fetchone()
        store.connection.execute(f"PRAGMA max_page_count = {pages + 6}")
        with pytest.raises(InputError, match="disk is full"):
            sweep(experiment(), store)
        stored = len(store.points())
    assert 0 < stored < 24
    resumed = sweep(experiment(), path)
    assert resumed.computed == 24 - stored
    assert lasting(resumed.rows) == undisturbed


def test_ctrl_c_in_a_commit_waits_for_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.sqlite"
    add = Store.add

    def interrupted(self: Store, *args: Any, **options: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        add(self, *args, **options)

    monkeypatch.setattr(Store, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(experiment(), path)
    with Store.read(path) as store:
        assert len(store.points()) == 1


# ---- costs -----------------------------------------------------------------------------------


def test_a_plan_writes_nothing_and_counts_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    before = plan(experiment(), path, workers=2)
    assert not path.exists()
    assert (before["units"], before["stored"], before["missing"], before["rows"]) == (24, 0, 24, 96)
    assert 0 < before["unit_seconds"] <= before["seconds"]
    assert before["memory_bytes"] > 1e6
    sweep(experiment(replicates=1), path)
    after = plan(experiment(), path)
    assert (after["stored"], after["missing"]) == (8, 16)
    assert plan(experiment(), path, resume=False)["missing"] == 24


def test_estimates_grow_with_the_work_and_shrink_with_the_workers() -> None:
    units = [(job, 1000) for job in jobs_of(experiment())]
    large = [(job, 1000) for job in jobs_of(experiment(test_samples=30_000))]
    assert estimate(large, 1).seconds > estimate(units, 1).seconds
    assert START < estimate(large, 2).seconds - START < estimate(large, 1).seconds / 2
    assert estimate(units, 2).memory == 2 * estimate(units, 1).memory


COMMAND = [sys.executable, "-c", "from asymptotics.commands.cli import main; main()", "simulate"]

# ---- the command -----------------------------------------------------------------------------


def answer(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run(["simulate", *args])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_prints_the_same_rows_however_it_runs(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    undisturbed: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Wide enough for one block of columns.
    monkeypatch.setenv("COLUMNS", "120")
    file = tmp_path / "a.toml"
    file.write_text(FILE)
    code, dry, _ = answer([str(file), "--dry-run"], capsys)
    assert code == 0
    assert "24 units (96 rows): 0 stored, 24 missing" in dry
    assert not (tmp_path / "a.sqlite").exists()
    for options, said in (([], "24 of 24"), ([], ""), (["--workers", "2", "--no-resume"], "24 of 24")):
        code, printed, err = answer([str(file), "--json", *options], capsys)
        assert code == 0
        assert lasting(json.loads(printed)["rows"]) == undisturbed
        assert said in err
    code, printed, _ = answer([str(file), "--dry-run", "--json"], capsys)
    assert json.loads(printed)["missing"] == 0
    code, printed, _ = answer([str(file), "--out", str(tmp_path / "out")], capsys)
    assert printed.splitlines()[0].split()[-2:] == ["test_error", "train_error"]
    # Means: at step 0 the trainings are one.
    assert len(printed.splitlines()) == 2 + 2 * (1 + 2) * 2 * 2
    assert {"simulate.csv", "simulate.json"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_the_command_refuses_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.toml"
    file.write_text(FILE)
    with Store.open(tmp_path / "a.sqlite"):
        code, printed, err = answer([str(file), "--json"], capsys)
    assert (code, printed) == (2, "")
    assert "in use by another run" in err
    (tmp_path / "b.sqlite").write_text("my thesis")
    code, printed, err = answer([str(file), "--store", str(tmp_path / "b.sqlite")], capsys)
    assert (code, printed) == (2, "")
    assert "not a store" in err
    assert (tmp_path / "b.sqlite").read_text() == "my thesis"
    code, _, err = answer(["-"], capsys)
    assert code == 2
    assert "--store" in err

    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeps, "sweep", interrupted)
    code, printed, err = answer([str(file)], capsys)
    assert (code, printed) == (INTERRUPTED, "")
    assert "the same command resumes" in err


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    (tmp_path / "a.toml").write_text(FILE.replace("replicates = 3", "replicates = 1000"))
    with subprocess.Popen(
        [*COMMAND, "a.toml", *options],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as driver:
        while units_in(tmp_path / "a.sqlite") < 5:
            time.sleep(0.01)
        # A terminal sends it to the whole group, workers included.
        os.killpg(driver.pid, signal.SIGINT)
        printed, err = driver.communicate(timeout=20)
    assert (driver.returncode, printed) == (INTERRUPTED, "")
    assert "the same command resumes" in err
    assert "Traceback" not in err
    assert 5 <= units_in(tmp_path / "a.sqlite") < 8000


def test_a_dask_worker_killed_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    given = experiment(replicates=20, test_samples=5000)
    path = tmp_path / "a.sqlite"
    killed: list[int] = []

    def kill_one(nannies: list[Any]) -> None:
        while units_in(path) < 10:
            time.sleep(0.01)
        killed.append(nannies[0].pid)
        os.kill(nannies[0].pid, signal.SIGKILL)

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
    ) as cluster:
        killer = threading.Thread(target=kill_one, args=(list(cluster.workers.values()),))
        killer.start()
        result = sweep(given, path, scheduler=cluster.scheduler_address)
        killer.join()
    assert killed
    assert result.computed == 160
    assert lasting(result.rows) == lasting(sweep(given).rows)


# ---- kills -----------------------------------------------------------------------------------


def units_in(path: Path) -> int:
    """Units in a store that a driver may be writing, or may have left behind."""
    if not path.exists():
        return 0
    with Store.read(path) as store:
        return len(store.points())


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def kill_and_resume(folder: Path, kills: int, *options: str) -> None:
    """Kill −9 the driver of one sweep at random so many times, then let it end; compare with an undisturbed run."""
    # The unit takes about 5 ms, so that a kill finds the sweep at work, often in a commit.
    text = FILE.replace("replicates = 3", f"replicates = {4 * kills}").replace("= 300", "= 10_000")
    (folder / "a.toml").write_text(text)
    path = folder / "a.sqlite"
    log = folder / "a.sqlite-wal"
    total = 8 * 4 * kills
    chance = random.Random(0)
    stages = [0]
    for _ in range(kills):
        with subprocess.Popen(
            [*COMMAND, "a.toml", *options], cwd=folder, stderr=subprocess.PIPE, text=True
        ) as driver:
            assert driver.stderr is not None
            assert "units to compute" in driver.stderr.readline()
            # Ten more pages in the log: some units are committed. Opening the store to count them would mend it.
            before = size_of(path) + size_of(log)
            while before <= size_of(path) + size_of(log) < before + 10 * 4120 and driver.poll() is None:
                time.sleep(0.002)
            time.sleep(chance.uniform(0.0, 0.05))
            driver.kill()
        # Counted in a copy: the next run must find the files as the kill left them.
        shutil.copytree(folder, folder.parent / f"copy-{folder.name}", dirs_exist_ok=True)
        stages.append(units_in(folder.parent / f"copy-{folder.name}" / path.name))
    assert stages == sorted(stages), "a kill lost finished units"
    assert len(set(stages)) > kills // 2, "most runs got nowhere"
    assert stages[-1] < total, "the sweep was over before the last kill"
    ended = subprocess.run(
        [*COMMAND, "a.toml", "--json", *options], cwd=folder, capture_output=True, text=True, check=True
    )
    assert f"{total - stages[-1]} of {total} units to compute ({stages[-1]} stored)" in ended.stderr
    undisturbed = sweep(Experiment.load(folder / "a.toml"))
    assert lasting(json.loads(ended.stdout)["rows"]) == lasting(undisturbed.rows)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_kills_at_any_moment_leave_the_table_as_it_is(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, 5)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_many_kills_at_any_moment_leave_the_table_as_it_is(tmp_path: Path, options: tuple[str, ...]) -> None:
    kill_and_resume(tmp_path, 25, *options)


# ---- what names a unit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "activation"),
    [
        ("z1+He2(z1)/2 ", "relu"),
        ("  z1 +\tHe2( z1 ) / 2", " relu(x)"),
        ("z1 + 0.5*He2(z1)", "relu ( x )"),
        ("z1 + 1/2*He2(z1)", "relu"),
        ("He2(z1)/2 + z1", "relu"),
        ("z1^2/2 + z1 - 1/2", "relu"),
        ("z1*(1 + z1/2) - 1/2", "relu"),
    ],
)
def test_equal_targets_however_typed_are_one_unit(
    target: str, activation: str, tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    path = tmp_path / "a.sqlite"
    sweep(experiment(replicates=1), path)
    typed = FILE.replace("z1 + He2(z1)/2", target.replace("\t", " ")).replace('"relu"', f'"{activation}"')
    result = sweep(experiment(typed, replicates=1), path)
    assert result.computed == 0
    alone = sweep(experiment(typed, replicates=1))
    assert [row["test_error"] for row in alone.rows] == [row["test_error"] for row in result.rows]


def test_a_unit_under_the_name_of_an_earlier_version_is_found_and_added_to(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    given = experiment(replicates=1)
    named = ("z1+He2(z1)/2", "relu")
    old = [replace(task, job=replace(task.job, spelling=named)) for task in tasks_of(given)]
    with Store.open(path) as store:
        for task in old:
            half = replace(task, job=replace(task.job, steps=(0,)))
            store.add(sweeps._record(task, sweeps.run_task(half)))
    result = sweep(given, path)
    # The missing steps come from the trajectory that the old name draws, not from another one.
    assert {row["key"] for row in result.rows} == {task.key for task in old}
    wanted = [point for task in old for point in sweeps.run_task(task).points]
    found = [(row["step"], row["lambda"], row["test_error"]) for row in result.rows]
    assert sorted(found) == sorted((step, lam, errors["test_error"]) for step, lam, errors in wanted)
    assert sweep(experiment(replicates=2), path).computed == 8
    assert plan(experiment(replicates=2), path)["missing"] == 0


def test_methods_have_generations_of_their_own() -> None:
    (direct,) = tasks_of(experiment(OVERLAPS, replicates=1))
    (reduced,) = tasks_of(experiment(OVERLAPS, replicates=1, method="reduced", d=40))
    assert '"generation":1' in direct.content
    assert f'"generation":{GENERATION["reduced"]}' in reduced.content


# ---- bounds before work ----------------------------------------------------------------------

LONG = [round(1 + 0.01 * i, 2) for i in range(1000)]


@pytest.mark.parametrize(
    ("tables", "units"),
    [
        ({"training": {"alpha": LONG, "eta": LONG}, "ridge": {"alpha": LONG}}, 10**10),
        ({"training": {"alpha": LONG}, "ridge": {"alpha": LONG, "lambda": LONG}}, 10**7),
        ({"ridge": {}, "simulation": {"replicates": 10**9}}, 10**9),
        ({"training": {"steps": 10**9}}, 10),
        ({"training": {"steps": [0, 10**9]}, "ridge": {}}, 10),
        (
            {"training": {"alpha": LONG}, "ridge": {"alpha": LONG[:100]}, "simulation": {"replicates": 1}},
            10**5,
        ),
    ],
)
def test_a_plan_counts_and_never_writes_out(tables: dict[str, Any], units: int) -> None:
    given = Experiment.from_dict({"target": {"expression": "z1"}} | tables)
    start = time.process_time()
    tracemalloc.start()
    try:
        found = plan(given)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found["units"] == found["missing"] == units
    assert found["needs_force"] == (units > 10**6)
    assert found["seconds_range"][0] < found["seconds"] < found["seconds_range"][1]
    assert peak < 1e8
    # Under the tracing of memory, which slows it several times.
    assert time.process_time() - start < 10.0
    if units != 10**5:
        with pytest.raises(InputError, match="only with --force"):
            sweep(given)


def test_grids_that_are_not_written_out_have_the_points_of_those_that_are() -> None:
    axes = {"steps": (0, 1, 2), "alpha": (1.0, 2.0), "eta": (0.5, 1.0)}
    lazy: Grid[Training] = Grid(Training, axes)
    plain = expand(Training, axes)
    assert isinstance(plain, tuple)
    assert (tuple(lazy), len(lazy), lazy[7], lazy[-1], lazy[2:5]) == (
        plain,
        12,
        plain[7],
        plain[-1],
        plain[2:5],
    )
    assert tuple(collapse(lazy, "steps", 2)) == collapse(plain, "steps", 2)
    assert values(lazy, "alpha") == values(plain, "alpha")
    assert values(lazy, "batch_exponent") == values(plain, "batch_exponent")
    with pytest.raises(IndexError):
        lazy[12]


def test_workers_and_threads_are_no_more_than_cores_and_it_is_said() -> None:
    lines: list[str] = []
    few = experiment(OVERLAPS, threads=10**6)
    rows = lasting(sweep(few, workers=10**6, progress=lines.append).rows)
    assert any("1000000 workers were asked for" in line for line in lines)
    assert any("simulation.threads = 1000000" in line for line in lines)
    assert len(rows) == 6
    told: list[str] = []
    assert plan(few, workers=10**6, progress=told.append)["workers"] <= (os.cpu_count() or 1)
    assert [line for line in lines if " are used" in line] == told


def in_a_daemon(_item: int) -> tuple[list[Any], list[str]]:
    lines: list[str] = []
    return lasting(sweep(experiment(OVERLAPS), workers=2, progress=lines.append).rows), lines


def test_a_sweep_inside_a_pool_of_daemons_runs_there() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (answer_,) = pool.map(in_a_daemon, [0])
    rows, lines = answer_
    assert rows == lasting(sweep(experiment(OVERLAPS)).rows)
    assert any("may have no children" in line for line in lines)


#: Ten sweeps as measured once: (replicates, samples, d, workers), seconds while ten programs shared each core, and CPU
#: seconds of the sweep alone (those of one worker: less than a quiet machine takes, which waits for its disk, too).
MEASURED = [
    ((1, 300, 16, 1), 0.309, 0.101),
    ((20, 300, 16, 1), 0.862, 0.168),
    ((60, 300, 16, 1), 2.151, 0.515),
    ((3, 5000, 30, 1), 0.372, 0.079),
    ((3, 20_000, 40, 1), 0.808, 0.250),
    ((2, 50_000, 40, 1), 0.927, 0.359),
    ((1, 300, 16, 2), 2.358, None),
    ((40, 300, 16, 2), 3.298, None),
    ((10, 5000, 30, 2), 2.734, None),
    ((2, 50_000, 40, 2), 3.015, None),
]
#: What ``calibrate`` found on that machine, and its load.
RATES = Work(6.7e-09, 8e-12, 2.1e-10, 2.1e-09, 3.5e-11)


def sized(replicates: int, samples: int, d: int) -> Experiment:
    given = experiment(replicates=replicates, test_samples=samples)
    return replace(given, simulations=tuple(replace(s, d=d) for s in given.simulations[:1]))


@pytest.mark.parametrize(("sweep_", "busy", "quiet"), MEASURED)
def test_the_range_of_an_estimate_covers_what_was_measured(
    sweep_: tuple[int, int, int, int], busy: float, quiet: float | None
) -> None:
    *size, workers = sweep_
    cells = [(job, size[0]) for job in jobs_of(sized(*size))]
    low, high = estimate(cells, workers, RATES, crowd=10.3).range
    assert low <= busy <= high
    if quiet is not None:
        low, high = estimate(cells, workers, RATES).range
        assert low <= quiet <= high


def test_a_busy_machine_widens_the_range_upwards_only() -> None:
    cells = [(job, 3) for job in jobs_of(experiment())]
    (low, high), (same, higher) = (estimate(cells, 1, RATES, crowd=c).range for c in (1.0, 4.0))
    assert same == low
    assert higher == pytest.approx(4 * high)


@pytest.mark.slow
@pytest.mark.parametrize("sweep_", [case[0] for case in MEASURED])
def test_the_range_of_an_estimate_covers_here_and_now(
    sweep_: tuple[int, int, int, int], tmp_path: Path
) -> None:
    *size, workers = sweep_
    low, high = plan(sized(*size), workers=workers)["seconds_range"]
    start = time.perf_counter()
    sweep(sized(*size), tmp_path / "a.sqlite", workers=workers)
    assert low <= time.perf_counter() - start <= high


def test_a_large_plan_beside_a_store_looks_up_what_the_store_has(tmp_path: Path) -> None:
    few = {"target": {"expression": "z1"}, "simulation": {"d": 10, "replicates": 1, "test_samples": 50}}
    grids = {"training": {"alpha": [1.0, 1.01, 77.0]}, "ridge": {"alpha": [1.0, 1.01]}}
    sweep(Experiment.from_dict(few | grids), tmp_path / "a.sqlite")
    large = Experiment.from_dict(few | {"training": {"alpha": LONG}, "ridge": {"alpha": LONG[:100]}})
    start = time.process_time()
    tracemalloc.start()
    try:
        found = plan(large, tmp_path / "a.sqlite")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Of the six that are stored two are not asked for.
    assert (found["units"], found["stored"]) == (100_000, 4)
    assert peak < 1e8
    assert time.process_time() - start < 10.0


# ---- the copy of a store ---------------------------------------------------------------------


def test_a_copy_of_the_file_alone_holds_what_was_finished_a_moment_before_a_kill(tmp_path: Path) -> None:
    # A kill in the middle of a checkpoint leaves a file that needs its log, as the program says; four in a row are no chance.
    for attempt in ("first", "second", "third", "fourth"):
        (tmp_path / attempt).mkdir()
        try:
            alone, all_of_it = _killed_and_copied(tmp_path / attempt)
        except InputError:
            continue
        assert 0.25 * all_of_it <= alone
        return
    pytest.fail("no copy of the file alone can be read")


def _killed_and_copied(tmp_path: Path) -> tuple[int, int]:
    """Units in a copy of the store's file alone, and with its log, after kill −9."""
    (tmp_path / "a.toml").write_text(FILE.replace("replicates = 3", "replicates = 1000"))
    with subprocess.Popen(
        [*COMMAND, "a.toml"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as driver:
        # Many: the log is taken in as often as costs a twentieth of the time, which a slow disk makes seldom.
        while units_in(tmp_path / "a.sqlite") < 200:
            time.sleep(0.02)
        # The rows seen have just been written: not in the checkpoint that follows.
        time.sleep(0.25)
        driver.kill()
        assert driver.stderr is not None
        assert "a.sqlite-wal" in driver.stderr.read()
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "a.sqlite", tmp_path / "copy")
    return units_in(tmp_path / "copy" / "a.sqlite"), units_in(tmp_path / "a.sqlite")
