"""The file under a store: made whole or not at all, locked for one driver, and its failures put into sentences."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NoReturn

from hermite.errors import InputError

APPLICATION_ID = 0x67537470
FORMAT = 1
#: Seconds to wait for another program that writes into the store.
PATIENCE = 10.0

SCHEMA = f"""
BEGIN;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
CREATE TABLE runs (id INTEGER PRIMARY KEY, started TEXT, version TEXT, config TEXT, machine TEXT);
CREATE TABLE units (key TEXT PRIMARY KEY, content TEXT, cell TEXT, entropy TEXT, checksum INTEGER);
CREATE TABLE results (
    key TEXT REFERENCES units, step INTEGER, lambda REAL, result TEXT, checksum INTEGER,
    seconds REAL, host TEXT, finished TEXT, run INTEGER REFERENCES runs
);
CREATE UNIQUE INDEX points ON results (key, step, ifnull(lambda, -1.0));
COMMIT;
"""


def resolved(path: str | Path) -> Path:
    """The file itself, so that two names of one store meet the same lock; never a folder, a device or a pipe."""
    if not str(path).strip():
        raise InputError(f"The store {str(path)!r} is not a usable path: it has no name.")
    try:
        place = Path(path).resolve()
        other = place.exists() and not place.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"The store {str(path)!r} is not a usable path: {error}.") from None
    if other:
        kind = "a folder" if place.is_dir() else "a device or a pipe"
        raise InputError(f"The store {str(place)!r} must be a file, and there is {kind} of that name.")
    return place


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Autocommit: every transaction is begun and ended in so many words."""
    try:
        return sqlite3.connect(
            f"{path.as_uri()}?mode={mode}", uri=True, timeout=PATIENCE, isolation_level=None
        )
    except sqlite3.Error as error:
        refuse(path, error)


def create(path: Path) -> None:
    """A complete empty store under a temporary name, then renamed: it is there as a whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        connection = connect(part, "rwc")
        try:
            connection.executescript(SCHEMA)
        finally:
            connection.close()
        part.replace(path)
    except sqlite3.Error as error:
        refuse(path, error)
    except OSError as error:
        raise InputError(f"Cannot write the store {str(path)!r}: {error.strerror or error}.") from None


def refuse_links(path: Path) -> None:
    """Refuse to write into a file that has other names: SQLite's log and the lock go by the name."""
    names = path.stat().st_nlink
    if names > 1:
        raise InputError(
            f"The store {str(path)!r} has {names} names (hard links): two runs could write into it at once. "
            "Make a copy of it (cp), or remove the other name."
        )


def take_lock(path: Path) -> sqlite3.Connection:
    """An exclusive lock on the file beside the store: SQLite's own, so it works wherever the store does."""
    if not path.parent.is_dir():
        raise InputError(f"Cannot write the store {str(path)!r}: there is no folder {str(path.parent)!r}.")
    try:
        lock = sqlite3.connect(path.with_name(path.name + ".lock"), timeout=0.2, isolation_level=None)
    except sqlite3.Error as error:
        refuse(path, error)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        lock.close()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            raise InputError(
                f"The store {str(path)!r} is in use by another run; wait for it to end, or name another --store."
            ) from None
        refuse(path, error)
    return lock


def refuse(path: Path | None, error: sqlite3.Error) -> NoReturn:
    """One sentence for a failure of SQLite, by its error code."""
    name = "in memory" if path is None else repr(str(path))
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        reason = f"The store {name} is locked by another program."
    elif code == sqlite3.SQLITE_FULL:
        reason = f"The store {name} cannot grow: the disk is full; what was stored is kept."
    elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        reason = f"Cannot write the store {name}: {error}."
    elif code == sqlite3.SQLITE_NOTADB:
        reason = f"The file {name} is not a store of giantstep; it was left as it is."
    elif code == sqlite3.SQLITE_IOERR:
        reason = f"The store {name} cannot be written or read ({error}); what was stored is kept."
    else:
        reason = f"The store {name} is damaged ({error}); it was left as it is: move it away or restore it."
    raise InputError(reason) from None
