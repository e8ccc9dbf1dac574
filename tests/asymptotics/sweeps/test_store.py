"""The store: what is committed stays, one driver at a time, nothing foreign or damaged is ever written to."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from asymptotics.commands.cli import run
from asymptotics.experiment.grid import Experiment
from asymptotics.sweeps import store as module
from asymptotics.sweeps import store_file
from asymptotics.sweeps.store import Record, Store, canonical, checksum, content_key
from asymptotics.sweeps.sweeping import plan
from hermite.errors import InputError

CELL = {
    "target": "z1",
    "noise": 0.0,
    "activation": "relu",
    "method": "direct",
    "d": 20,
    "p": 20,
    "batch_exponent": 1.0,
    "alpha_train": 4.0,
    "eta": 1.0,
    "n": 80,
    "alpha": 1.0,
    "beta": 1.0,
    "n2": 20,
    "seed": 0,
    "replicate": 0,
}


def errors(value: float) -> dict[str, float]:
    return {"test_error": value, "train_error": 0.0, "excess_risk": 0.0}


def record(i: int, value: float = 0.1, points: tuple[tuple[int, float | None], ...] = ((0, 0.1),)) -> Record:
    return Record(
        content=canonical({"unit": i}),
        cell=CELL | {"replicate": i},
        entropy=2**255 + i,
        points=tuple((step, lam, errors(value)) for step, lam in points),
        seconds=0.5,
        host="here",
        finished="2026-01-01T00:00:00+00:00",
    )


def filled(path: Path, count: int = 3) -> list[dict[str, object]]:
    with Store.open(path) as store:
        store.begin("2026-01-01", "0.1.0", {"target": {"expression": "z1"}}, {"host": "here"})
        for i in range(count):
            store.add(record(i, 0.1 + i))
        return store.rows()


def test_what_is_added_is_there_after_reopening_to_the_last_bit(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    value = 0.1 + 0.2
    with Store.open(path) as store:
        store.begin("2026-01-01", "0.1.0", {"a": [1.5]}, {"host": "here"})
        store.add(record(0, value, ((0, 0.1), (1, 1e-300), (2, None))))
    with Store.read(path) as store:
        rows = store.rows()
        assert store.runs() == [
            {"started": "2026-01-01", "version": "0.1.0", "config": {"a": [1.5]}, "machine": {"host": "here"}}
        ]
        assert store.points() == {record(0).key: {(0, 0.1), (1, 1e-300), (2, None)}}
    assert [row["test_error"] for row in rows] == [value] * 3
    assert [row["lambda"] for row in rows] == [0.1, 1e-300, None]
    (entropy,) = sqlite3.connect(path).execute("SELECT entropy FROM units").fetchone()
    assert int(entropy, 16) == 2**255


def test_keys_depend_on_the_content_alone() -> None:
    assert content_key(canonical({"a": 1, "b": [2.0]})) == content_key(canonical({"b": [2.0], "a": 1}))
    assert content_key(canonical({"a": 1})) != content_key(canonical({"a": 1.5}))
    with pytest.raises(ValueError, match="JSON"):
        canonical({"a": float("nan")})


def test_stored_points_stay_unless_replaced(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a.sqlite") as store:
        store.add(record(0, 1.0))
        store.add(record(0, 2.0, ((0, 0.1), (1, 0.1))))
        assert [row["test_error"] for row in store.rows()] == [1.0, 2.0]
        store.add(record(0, 3.0), replace=True)
        assert [row["test_error"] for row in store.rows()] == [3.0, 2.0]
        store.add(record(0, 4.0, ((0, None),)))
        store.add(record(0, 5.0, ((0, None),)), replace=True)
        assert [row["test_error"] for row in store.rows()] == [5.0, 3.0, 2.0]


def test_rows_are_sorted_and_chosen_by_key_and_point(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a.sqlite") as store:
        for i in (2, 0, 1):
            store.add(record(i, float(i), ((1, 1.0), (0, 10.0), (0, 9.0))))
        rows = store.rows()
        places = [(row["key"], row["step"], row["lambda"]) for row in rows]
        assert places == sorted(places)
        assert len(rows) == 9
        chosen = store.rows({record(1).key: [(0, 10.0)], "unknown": [(0, 1.0)]})
        assert [(row["replicate"], row["lambda"]) for row in chosen] == [(1, 10.0)]


def test_exports_agree_with_the_rows() -> None:
    with Store.open(None) as store:
        store.add(record(0, 0.1 + 0.2))
        table, text = store.to_frame(), store.to_csv()
    (row,) = csv.DictReader(text.splitlines())
    assert float(row["test_error"]) == table["test_error"][0] == 0.1 + 0.2
    assert list(row) == list(table.columns)
    assert {"key", "d", "replicate", "step", "lambda", "seconds", "host", "finished"} <= set(table.columns)


def test_parquet_needs_its_extra_or_reads_back(tmp_path: Path) -> None:
    with Store.open(None) as store:
        store.add(record(0, 0.25))
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            with pytest.raises(InputError, match=r"giantstep\[parquet\]"):
                store.to_parquet()
            return
        (tmp_path / "a.parquet").write_bytes(store.to_parquet())
    assert pd.read_parquet(tmp_path / "a.parquet")["test_error"].tolist() == [0.25]


# ---- one driver ------------------------------------------------------------------------------


def test_a_second_driver_is_refused_and_readers_are_not(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with Store.open(path) as store:
        store.add(record(0))
        (tmp_path / "other.sqlite").symlink_to(path)
        for name in ("a.sqlite", "other.sqlite"):
            with pytest.raises(InputError, match="in use by another run"):
                Store.open(tmp_path / name)
        with Store.read(path) as reader:
            assert len(reader.rows()) == 1
            with pytest.raises(InputError, match="Cannot write"):
                reader.add(record(1))
        store.add(record(1))
    with Store.open(path) as store:
        assert len(store.rows()) == 2


def test_a_driver_in_another_process_is_seen_and_its_death_frees_the_store(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    filled(path)
    code = (
        "import sys, time\nfrom asymptotics.sweeps.store import Store\n"
        "s = Store.open(sys.argv[1])\nprint('open', flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        try:
            assert driver.stdout.readline() == b"open\n"
            with pytest.raises(InputError, match="in use by another run"):
                Store.open(path)
        finally:
            driver.kill()
    with Store.open(path) as store:
        assert len(store.rows()) == 3


def test_another_program_that_holds_the_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.sqlite"
    filled(path)
    monkeypatch.setattr(store_file, "PATIENCE", 0.1)
    other = sqlite3.connect(path, isolation_level=None)
    try:
        with Store.open(path) as store:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(InputError, match="locked by another program"):
                store.add(record(7))
            other.execute("ROLLBACK")
            store.add(record(7))
            assert len(store.rows()) == 4
    finally:
        other.close()


# ---- files that are not ours -----------------------------------------------------------------


def foreign_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE results (x)")
    connection.commit()
    connection.close()


def damaged(path: Path) -> None:
    filled(path, 200)
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):
        content[4096 * page : 4096 * page + 64] = os.urandom(64)
    path.write_bytes(content)


def truncated(path: Path) -> None:
    filled(path, 200)
    path.write_bytes(path.read_bytes()[: 4096 * 3])


def newer(path: Path) -> None:
    filled(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("alpha, beta\n1, 2\n" * 100), "not a store of giantstep"),
        (lambda path: path.write_text("x"), "not a store of giantstep"),
        (foreign_database, "not a store of giantstep"),
        (damaged, "damaged"),
        (truncated, "damaged"),
        (newer, "format 99"),
    ],
)
def test_foreign_and_damaged_files_are_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "a.sqlite"
    make(path)
    before = path.read_bytes()
    for way in (Store.open, Store.read):
        with pytest.raises(InputError, match=message):
            way(path)
        assert path.read_bytes() == before
    with pytest.raises(InputError, match=message):
        Store.open(path)
    assert [found.name for found in tmp_path.iterdir() if found.name.endswith(("lock", "part"))] in (
        [],
        ["a.sqlite.lock"] * (message in ("damaged", "format 99")),
    )


@pytest.mark.skipif(os.name != "posix", reason="a pipe in a folder is POSIX")
def test_what_is_not_a_file_is_never_replaced_by_one(tmp_path: Path) -> None:
    # A device or a pipe has length 0, as an empty file has.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    for name in ("pipe", "link"):
        for way in (Store.open, Store.read):
            with pytest.raises(InputError, match="must be a file"):
                way(tmp_path / name)
    assert pipe.is_fifo()
    assert sorted(found.name for found in tmp_path.iterdir()) == ["link", "pipe"]


def test_a_number_that_was_changed_by_the_disk_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    filled(path)
    content = path.read_bytes()
    assert content.count(b'"test_error":1.1,') == 1
    for old, new in ((b'"test_error":1.1,', b'"test_error":7.1,'), (b'"replicate": 1', b'"replicate": 7')):
        path.write_bytes(content.replace(old, new))
        with (
            Store.read(path) as store,
            pytest.raises(InputError, match=r"damaged \(a (row|unit) fails its checksum"),
        ):
            store.rows()
    path.write_bytes(content)
    with Store.read(path) as store:
        assert len(store.rows()) == 3


def test_a_store_that_vanishes_during_the_run_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with Store.open(path) as store:
        store.add(record(0))
        path.rename(tmp_path / "elsewhere.sqlite")
        with pytest.raises(InputError, match="moved, replaced or deleted"):
            store.add(record(1))
        path.touch()
        with pytest.raises(InputError, match="moved, replaced or deleted"):
            store.add(record(1))


def test_any_name_will_do(tmp_path: Path) -> None:
    for name in ("a b?mode=ro#1%20.sqlite", "é.db", "plain"):
        filled(tmp_path / name)
        with Store.read(tmp_path / name) as store:
            assert len(store.rows()) == 3
        assert (tmp_path / name).is_file()


def test_an_empty_file_becomes_a_store_and_a_missing_one_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").touch()
    filled(tmp_path / "a.sqlite")
    with pytest.raises(InputError, match="There is no store"):
        Store.read(tmp_path / "none.sqlite")
    with pytest.raises(InputError, match="no folder"):
        Store.open(tmp_path / "none" / "a.sqlite")
    for way in (Store.open, Store.read):
        with pytest.raises(InputError, match="there is a folder of that name"):
            way(tmp_path)
    assert not (tmp_path / "none.sqlite").exists()


def test_a_half_made_store_of_a_killed_driver_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".a.sqlite.part").write_bytes(b"SQLite format 3\0 and then nothing")
    assert len(filled(tmp_path / "a.sqlite")) == 3
    assert not (tmp_path / ".a.sqlite.part").exists()


# ---- the disk --------------------------------------------------------------------------------


def test_a_full_disk_keeps_what_was_stored(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with Store.open(path) as store:
        (pages,) = store.connection.execute("PRAGMA page_count").fetchone()
        store.connection.execute(f"PRAGMA max_page_count = {pages + 2}")

        def add_many() -> None:
            for i in range(1000):
                store.add(record(i))

        with pytest.raises(InputError, match="disk is full; what was stored is kept"):
            add_many()
        stored = len(store.rows())
        assert {row["replicate"] for row in store.rows()} == set(range(stored)) != set()
    with Store.open(path) as store:
        assert len(store.rows()) == stored
        store.add(record(stored))
        assert len(store.rows()) == stored + 1


@pytest.mark.skipif(os.name != "posix", reason="limits of a process are POSIX")
def test_a_write_that_the_system_refuses_is_one_sentence(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys\nsys.path.insert(0, sys.argv[2])\n"
        "from asymptotics.sweeps.store import Store\nfrom hermite.errors import InputError\n"
        "from test_store import record\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "store = Store.open(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "i = 0\n"
        "try:\n    for i in range(1000): store.add(record(i))\n"
        "except InputError as error: print(i, error)\n"
    )
    path = tmp_path / "a.sqlite"
    ran = subprocess.run(
        [sys.executable, "-c", code, str(path), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    count, _, sentence = ran.stdout.partition(" ")
    assert "what was stored is kept" in sentence
    with Store.open(path) as store:
        assert len(store.rows()) == int(count) > 0


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused_for_writing_and_read(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    filled(folder / "a.sqlite")
    (folder / "a.sqlite.lock").unlink()
    folder.chmod(0o500)
    try:
        for name in ("a.sqlite", "new.sqlite"):
            with pytest.raises(InputError, match="Cannot write the store"):
                Store.open(folder / name)
        with Store.read(folder / "a.sqlite") as store:
            assert len(store.rows()) == 3
    finally:
        folder.chmod(0o700)


def test_what_sqlite_says_of_a_read_only_store_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root passes every permission, so the connection itself is opened for reading only.
    path = tmp_path / "a.sqlite"
    filled(path)
    connect = store_file.connect
    monkeypatch.setattr(module, "connect", lambda place, _mode: connect(place, "ro"))
    with pytest.raises(InputError, match=r"Cannot write the store .*readonly"):
        Store.open(path)


def test_contents_are_canonical_json(tmp_path: Path) -> None:
    filled(tmp_path / "a.sqlite")
    connection = sqlite3.connect(tmp_path / "a.sqlite")
    for key, content in connection.execute("SELECT key, content FROM units"):
        assert canonical(json.loads(content)) == content
        assert content_key(content) == key
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


# ---- values that no version writes -----------------------------------------------------------

DEEP = "[" * 3000 + "]" * 3000


def crafted(path: Path, table: str, column: str, value: object) -> None:
    """A store with one value replaced and every checksum right."""
    filled(path)
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE {table} SET {column} = ?", (value,))
    for key, content, cell, entropy in connection.execute(
        "SELECT key, content, cell, entropy FROM units"
    ).fetchall():
        check = checksum(key, content, cell, entropy)
        connection.execute("UPDATE units SET checksum = ? WHERE key = ?", (check, key))
    for row in connection.execute("SELECT rowid, key, step, lambda, result FROM results").fetchall():
        connection.execute("UPDATE results SET checksum = ? WHERE rowid = ?", (checksum(*row[1:]), row[0]))
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        (
            "runs",
            "config",
            ["[1,2]", "null", "3", '"text"', "{", DEEP, '{"target":' + DEEP + "}", None, b"\x00"],
        ),
        ("runs", "machine", ["[]", "null", DEEP]),
        ("runs", "started", [None, b"x"]),
        (
            "results",
            "result",
            [
                "[]",
                "null",
                '"text"',
                "{}",
                DEEP,
                '{"test_error":NaN,"train_error":0,"excess_risk":0}',
                '{"test_error":Infinity,"train_error":0,"excess_risk":0}',
                '{"test_error":"1","train_error":0,"excess_risk":0}',
                '{"test_error":[1],"train_error":0,"excess_risk":0}',
                '{"test_error":true,"train_error":0,"excess_risk":0}',
                '{"risk":1,"neurons":[]}',
                '{"risk":1,"neurons":[[1]]}',
                '{"risk":1,"neurons":[{"M":["a"],"norm2":1,"readout":1,"weight":1}]}',
                '{"risk":1,"neurons":' + DEEP + "}",
                None,
                # A number that no float holds, one that no text holds, one below its least, and a name that is there twice.
                '{"test_error":1%s,"train_error":0,"excess_risk":0}' % ("0" * 400),
                '{"test_error":-1%s,"train_error":0,"excess_risk":0}' % ("0" * 400),
                '{"test_error":1%s,"train_error":0,"excess_risk":0}' % ("0" * 5000),
                '{"test_error":1e999,"train_error":0,"excess_risk":0}',
                '{"test_error":-1,"train_error":0,"excess_risk":0}',
                '{"test_error":1,"train_error":-1e-3,"excess_risk":0}',
                '{"test_error":1,"test_error":2,"train_error":0,"excess_risk":0}',
                '{"test_error":1,"train_error":0,"excess_risk":0,"classification_error":1.5}',
                '{"test_error":1,"train_error":0,"excess_risk":0,"test_error_sem":0.1}',
                '{"risk":-1,"neurons":[{"M":[0],"norm2":1,"readout":1,"weight":1}]}',
                '{"risk":1,"neurons":[{"M":[0],"norm2":-1,"readout":1,"weight":1}]}',
                '{"risk":1,"neurons":[{"M":[0],"norm2":1,"readout":1,"weight":2}]}',
                '{"risk":1,"neurons":[{"M":[1%s],"norm2":1,"readout":1,"weight":1}]}' % ("0" * 400),
                '{"risk":1,"neurons":[{"M":[0],"norm2":1,"readout":1,"weight":1,"M_cov":[[-1]]}]}',
                '{"risk":1,"neurons":[{"M":[0],"norm2":1,"readout":1,"weight":1,"M_cov":[[1,2]]}]}',
                '{"risk":1,"neurons":[{"M":[0],"norm2":1,"readout":1,"weight":1,"x":1}]}',
                '{"risk":1,"neurons":[{"M":[0],"M":[1],"norm2":1,"readout":1,"weight":1}]}',
            ],
        ),
        ("results", "step", ["one", -1, 1.5, None]),
        ("results", "lambda", ["one", -1.0, float("inf")]),
        ("results", "seconds", ["one", None, -1.0]),
        ("results", "host", [None, b"x"]),
        (
            "units",
            "cell",
            [
                *("[]", "null", "{}", DEEP),
                *(
                    json.dumps(CELL | change)
                    for change in (
                        *(
                            {"d": "x"},
                            {"d": True},
                            {"d": 0},
                            {"d": -5},
                            {"d": 2**64},
                            {"d": 10**400},
                            {"d": "20"},
                        ),
                        *(
                            {"x": 1},
                            {"eta": -1.0},
                            {"eta": 10**400},
                            {"noise": -0.1},
                            {"n2": 1.5},
                            {"replicate": -1},
                        ),
                        *({"alpha": [1.0]}, {"alpha": False}, {"seed": -1}, {"target": None}),
                    )
                ),
            ],
        ),
    ],
)
def test_a_crafted_store_is_refused_row_by_row_in_one_sentence(
    table: str, column: str, values: list[object], tmp_path: Path
) -> None:
    for i, value in enumerate(values):
        path = tmp_path / f"{i}.sqlite"
        crafted(path, table, column, value)
        with Store.read(path) as store, pytest.raises(InputError, match="damaged") as caught:
            _ = store.runs(), store.rows()
        (sentence,) = caught.value.problems
        assert f"{table}.{column}" in sentence
        assert len(sentence) < 400


@pytest.mark.parametrize(
    "value", ["[1,2]", "null", DEEP, '{"target": 3}', "{}", '{"training": {"steps": [[[]]]}}']
)
def test_a_report_of_a_crafted_store_is_a_sentence(
    value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.sqlite"
    crafted(path, "runs", "config", value)
    assert run(["report", str(path), "-o", str(tmp_path / "x.html")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err


#: What a real unit may be turned into, with every checksum right: rows that are none of their unit.
TURNED = (
    ("cell", {"d": 21}), ("cell", {"p": 22}), ("cell", {"eta": 2.0}), ("cell", {"replicate": 7}),
    ("result", {"risk": 1.0}), ("result", {"classification_error": 0.5}), ("result", {"test_error": 10**400}),
    ("result", {"test_error": -0.5}), ("result", None),
)  # fmt: skip


@pytest.mark.parametrize(("column", "change"), TURNED)
def test_every_command_refuses_a_store_whose_rows_are_none_of_their_units(
    column: str, change: dict[str, object] | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, path = tmp_path / "a.toml", tmp_path / "a.sqlite"
    file.write_text(
        '[target]\nexpression = "z1"\n[ridge]\nalpha = 2.0\n[simulation]\nd = 20\nreplicates = 2\ntest_samples = 100\n'
    )
    assert run(["simulate", str(file)]) == 0
    neurons = {"risk": 1.0, "neurons": [{"M": [0.0], "norm2": 1.0, "readout": 1.0, "weight": 1.0}]}
    connection = sqlite3.connect(path)
    for key, content, cell, entropy in connection.execute(
        "SELECT key, content, cell, entropy FROM units"
    ).fetchall():
        if column == "cell":
            cell = json.dumps(json.loads(cell) | change)
            check = checksum(key, content, cell, entropy)
            connection.execute("UPDATE units SET cell = ?, checksum = ? WHERE key = ?", (cell, check, key))
    for number, *row in connection.execute("SELECT rowid, key, step, lambda, result FROM results").fetchall():
        if column == "result":
            row[3] = json.dumps(neurons if change is None else json.loads(row[3]) | change)
            values = (row[3], checksum(*row), number)
            connection.execute("UPDATE results SET result = ?, checksum = ? WHERE rowid = ?", values)
    connection.commit()
    connection.close()
    capsys.readouterr()
    for command in (
        ["report", str(path), "-o", str(tmp_path / "x.html")],
        ["simulate", str(file)],
        ["validate", str(file), "--store", str(path)],
    ):
        assert run(command) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert "damaged" in told.err.splitlines()[-1]
        assert len(told.err.splitlines()[-1]) < 500


def test_a_store_of_two_names_is_refused_for_writing(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    filled(path)
    os.link(path, tmp_path / "b.sqlite")
    for name in ("a.sqlite", "b.sqlite"):
        with pytest.raises(InputError, match=r"2 names \(hard links\)"):
            Store.open(tmp_path / name)
        with Store.read(tmp_path / name) as store:
            assert len(store.rows()) == 3
    (tmp_path / "b.sqlite").unlink()
    assert len(filled(path)) == 3


@pytest.mark.parametrize("name", ["", "   ", "\t"])
def test_a_store_without_a_name_is_refused(name: str) -> None:
    for opened in (Store.open, Store.read):
        with pytest.raises(InputError, match="it has no name"):
            opened(name)
    with pytest.raises(InputError, match="usable path"):
        plan(Experiment.from_dict({"target": {"expression": "z1"}}), name)
