"""The store of a sweep: one SQLite file, written by the driver only, one transaction a finished unit.

A *unit* (one replicate of one cell) is keyed by the SHA-256 of its canonical JSON, which holds everything that decides
its numbers; its results are rows (step, lambda). The file is in WAL mode with full synchronisation: a process killed at
any moment loses at most the units in flight. What is finished goes on from the log ``NAME-wal`` into the file as the
sweep goes; copy both while one runs, or after one was killed. One driver at a time: it holds an exclusive lock on the empty file
``NAME.lock`` beside the store, which the system releases when the process ends, however it ends. Anybody may read.

A file that is not a store, or is damaged, is refused and left as it is. Keep stores on a local disk: SQLite's WAL mode
needs shared memory, which network file systems do not have.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from asymptotics.sweeps.store_file import (
    APPLICATION_ID,
    FORMAT,
    SCHEMA,
    connect,
    create,
    refuse,
    refuse_links,
    resolved,
    take_lock,
)
from asymptotics.sweeps.stored_values import (
    Misshapen,
    checked_point,
    read_cell,
    read_number,
    read_result,
    read_table,
    read_text,
)
from asymptotics.sweeps.table_formats import frame, parquet
from hermite.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Point = tuple[int, float | None]


def canonical(value: object) -> str:
    """Canonical JSON: sorted keys, no blanks, no NaN; equal contents give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_key(content: str) -> str:
    """The key of a unit: SHA-256 of its canonical JSON."""
    return hashlib.sha256(content.encode()).hexdigest()


def checksum(*values: object) -> int:
    """CRC-32 of values: SQLite checks the frame of its pages, not the numbers in them."""
    return zlib.crc32(repr(values).encode())


@dataclass(frozen=True)
class Record:
    """A finished unit: ``cell`` names its settings in a table; ``points`` are (step, lambda, results)."""

    content: str
    cell: Mapping[str, object]
    entropy: int
    points: tuple[tuple[int, float | None, Mapping[str, Any]], ...]
    seconds: float
    host: str
    finished: str

    @property
    def key(self) -> str:
        """The key of the unit."""
        return content_key(self.content)


class Store:
    """The results of sweeps, by content. ``with Store.open(path) as store`` drives, ``Store.read(path)`` reads.

    Three tables: ``runs`` of the driver (experiment, version, machine), ``units`` (canonical JSON, settings, entropy of
    the seed) and ``results`` (key, step, lambda, errors or overlaps as JSON, seconds of the unit, host, date).

    ``Store.open(None)`` lives in memory only. Every failure of the file (locked, full, read-only, damaged, foreign) is
    an ``InputError`` of one sentence; what was committed before it stays.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path | None, lock: sqlite3.Connection | None
    ) -> None:
        self.connection, self.path, self._lock = connection, path, lock
        self._run: int | None = None
        # When the log was last taken into the file, and the seconds that it took.
        self._merged, self._merging = 0.0, 0.0
        self._number = None if path is None else path.stat().st_ino

    # ---- opening and closing --------------------------------------------------------------

    @classmethod
    def open(cls, path: str | Path | None) -> Self:
        """The store at ``path`` for writing, made if missing; refuses a second driver, foreign and damaged files."""
        if path is None:
            memory = sqlite3.connect(":memory:", isolation_level=None)
            memory.executescript(SCHEMA)
            return cls(memory, None, None)
        place = resolved(path)
        if place.exists() and place.stat().st_size:
            # A foreign file gets no lock beside it.
            cls.read(place).close()
        lock = take_lock(place)
        try:
            if not place.exists() or place.stat().st_size == 0:
                create(place)
            refuse_links(place)
            store = cls(connect(place, "rw"), place, lock)
        except BaseException:
            lock.close()
            raise
        try:
            store._identify()
            with store._spoken():
                store.connection.execute("PRAGMA journal_mode = WAL")
                store.connection.execute("PRAGMA synchronous = FULL")
                # A write, taken back, tells of a read-only file before any work is done.
                store.connection.execute("BEGIN IMMEDIATE")
                store.connection.execute(f"PRAGMA user_version = {FORMAT}")
                store.connection.execute("ROLLBACK")
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """The store at ``path`` for reading, also while a driver writes; raises ``InputError`` if there is none."""
        place = resolved(path)
        if not place.exists():
            raise InputError(f"There is no store {str(place)!r}.")
        # Without write access SQLite cannot make the shared memory of the WAL mode; nobody writes there either.
        at_rest = not os.access(place.parent, os.W_OK) and not place.with_name(place.name + "-wal").exists()
        store = cls(connect(place, "ro&immutable=1" if at_rest else "rw"), place, None)
        try:
            store._identify()
            store._check_pages()
            store.connection.execute("PRAGMA query_only = ON")
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the file and let the next driver in."""
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _identify(self) -> None:
        """Refuse what is not a store of this format."""
        with self._spoken():
            (application,) = self.connection.execute("PRAGMA application_id").fetchone()
            if application != APPLICATION_ID:
                raise InputError(
                    f"The file {str(self.path)!r} is not a store of giantstep; it was left as it is."
                )
            (version,) = self.connection.execute("PRAGMA user_version").fetchone()
            if version != FORMAT:
                raise InputError(
                    f"The store {str(self.path)!r} has format {version}; this version of giantstep reads format "
                    f"{FORMAT}."
                )

    def _check_pages(self) -> None:
        """Refuse a file whose pages do not hang together."""
        with self._spoken():
            (state,) = self.connection.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok":
                raise sqlite3.DatabaseError(state)

    @contextlib.contextmanager
    def _spoken(self) -> Iterator[None]:
        """Failures of SQLite as one sentence."""
        try:
            yield
        except sqlite3.Error as error:
            refuse(self.path, error)
        except Misshapen as error:
            refuse(self.path, sqlite3.DatabaseError(str(error)))

    # ---- writing --------------------------------------------------------------------------

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._spoken():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
                raise

    def begin(
        self, started: str, version: str, config: Mapping[str, object], machine: Mapping[str, Any]
    ) -> None:
        """Note a run of the driver: its experiment, the package's version and the machine."""
        with self._transaction():
            cursor = self.connection.execute(
                "INSERT INTO runs (started, version, config, machine) VALUES (?, ?, ?, ?)",
                (started, version, canonical(config), canonical(machine)),
            )
            self._run = cursor.lastrowid

    def add(self, record: Record, *, replace: bool = False) -> None:
        """Write a finished unit, all of it or nothing; stored points stay unless ``replace``."""
        self._check_place()
        try:
            self._write(record, replace)
        finally:
            self._merge()

    def _write(self, record: Record, replace: bool) -> None:
        verb = "REPLACE" if replace else "IGNORE"
        unit = (record.key, record.content, json.dumps(record.cell, allow_nan=False), hex(record.entropy))
        points = [
            (record.key, step, None if lam is None else float(lam), canonical(result))
            for step, lam, result in record.points
        ]
        when = (record.seconds, record.host, record.finished, self._run)
        with self._transaction():
            self.connection.execute(
                "INSERT OR IGNORE INTO units VALUES (?, ?, ?, ?, ?)", (*unit, checksum(*unit))
            )
            self.connection.executemany(
                f"INSERT OR {verb} INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(*point, checksum(*point), *when) for point in points],
            )

    def _merge(self) -> None:
        """Take the log into the file, as often as costs a twentieth of the time."""
        now = time.monotonic()
        if self.path is None or now - self._merged < 20 * self._merging:
            return
        # A reader may be in the way: then next time.
        with contextlib.suppress(sqlite3.Error):
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._merged = time.monotonic()
        self._merging = self._merged - now

    def _check_place(self) -> None:
        """Refuse to write into a file that has lost its name: what goes there is gone at the end."""
        if self.path is not None:
            try:
                same = self.path.stat().st_ino == self._number
            except OSError:
                same = False
            if not same:
                raise InputError(
                    f"The store {str(self.path)!r} was moved, replaced or deleted during the run."
                )

    # ---- reading --------------------------------------------------------------------------

    def points(self) -> dict[str, set[Point]]:
        """The stored (step, lambda) of every unit, by key."""
        found: dict[str, set[Point]] = {}
        with self._spoken():
            for key, step, lam in self.connection.execute("SELECT key, step, lambda FROM results"):
                found.setdefault(key, set()).add((step, lam))
        return found

    def runs(self) -> list[dict[str, Any]]:
        """The runs of the driver, first to last: ``started, version, config, machine``."""
        select = "SELECT started, version, config, machine FROM runs ORDER BY id"
        with self._spoken():
            return [
                {
                    "started": read_text(s, "runs.started"),
                    "version": read_text(v, "runs.version"),
                    "config": read_table(c, "runs.config"),
                    "machine": read_table(m, "runs.machine"),
                }
                for s, v, c, m in self.connection.execute(select)
            ]

    def spellings(self) -> list[tuple[str, str]]:
        """The names of target and activation that the contents of the units have."""
        select = (
            "SELECT DISTINCT json_extract(content, '$.content.target[0]'), "
            "json_extract(content, '$.content.network[0]') FROM units WHERE json_valid(content) ORDER BY 1, 2"
        )
        with self._spoken():
            found = self.connection.execute(select).fetchall()
        return [(f, s) for f, s in found if isinstance(f, str) and isinstance(s, str)]

    def settings(self) -> dict[str, set[Any]]:
        """The values of each setting of a grid that occur in the contents of the units."""
        places = {
            "train": "training[0]",
            "eta": "training[1]",
            "alpha": "ridge[0]",
            "beta": "ridge[1]",
            "d": "simulation[1]",
        }
        columns = ", ".join(f"json_extract(content, '$.content.{place}')" for place in places.values())
        with self._spoken():
            found = self.connection.execute(f"SELECT DISTINCT {columns} FROM units WHERE json_valid(content)")
            kept = list(zip(*found, strict=True)) or [()] * len(places)
        return {name: set(own) for name, own in zip(places, kept, strict=True)}

    def rows(self, wanted: Mapping[str, Iterable[Point]] | None = None) -> list[dict[str, Any]]:
        """The table, one row a (unit, step, lambda), sorted by key, step and lambda; all of it or what is ``wanted``.

        Raises ``InputError`` if a row fails its checksum.
        """
        asked = None if wanted is None else {key: set(points) for key, points in wanted.items()}
        select = (
            "SELECT key, step, lambda, result, checksum, seconds, host, finished FROM results "
            "ORDER BY key, step, lambda"
        )
        found = []
        with self._spoken():
            cells = self._cells()
            for key, step, lam, result, check, seconds, host, finished in self.connection.execute(select):
                if asked is not None and (step, lam) not in asked.get(key, ()):
                    continue
                if checksum(key, step, lam, result) != check or key not in cells:
                    raise sqlite3.DatabaseError("a row fails its checksum")
                checked_point(step, lam)
                row = {"key": key, **cells[key], "step": step, "lambda": lam, **read_result(result)}
                when = {
                    "seconds": read_number(seconds, "results.seconds", least=0.0),
                    "host": read_text(host, "results.host"),
                    "finished": read_text(finished, "results.finished"),
                }
                found.append(row | when)
        return found

    def _cells(self) -> dict[str, dict[str, object]]:
        """The settings of every unit as columns, by key."""
        select = "SELECT key, content, cell, entropy, checksum FROM units"
        cells = {}
        for key, content, cell, entropy, check in self.connection.execute(select):
            if checksum(key, content, cell, entropy) != check:
                raise sqlite3.DatabaseError("a unit fails its checksum")
            if content_key(read_text(content, "units.content")) != key:
                raise sqlite3.DatabaseError("units.key is not that of units.content")
            cells[key] = read_cell(cell)
        return cells

    def to_frame(self) -> pd.DataFrame:
        """The whole table as a pandas DataFrame."""
        return frame(self.rows())

    def to_csv(self) -> str:
        """The whole table as CSV text; numbers are written so that they read back to the last bit."""
        return frame(self.rows()).to_csv(index=False, lineterminator="\n")

    def to_parquet(self) -> bytes:
        """The whole table as Parquet; raises ``InputError`` without the extra ``parquet``."""
        return parquet(frame(self.rows()))
