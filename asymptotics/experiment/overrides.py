"""Settings given beside a file: ``ridge.alpha=[1, 2]`` in place of what the file says."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from hermite.errors import InputError


def changed(data: Mapping[str, object], settings: Sequence[str]) -> dict[str, Any]:
    """``data`` (tables by name) with every ``table.key=value`` of ``settings`` put in.

    A value is TOML; what is not (``z1 + z1*z2``, ``tanh``) is text. Raises ``InputError`` with a sentence for each that is no
    ``table.key=value``, or that sets a key again; keys and values themselves are checked where the experiment is made.
    """
    out: dict[str, Any] = {
        name: dict(value) if isinstance(value, Mapping) else value for name, value in data.items()
    }
    problems = []
    told: set[tuple[str, str]] = set()
    for setting in settings:
        place, equals, value = setting.partition("=")
        table, dot, key = (piece.strip() for piece in place.partition("."))
        if not (equals and dot and table and key and value.strip()):
            problems.append(f"--set takes table.key=value such as ridge.alpha=[1,2], not {setting!r}.")
            continue
        if (table, key) in told:
            problems.append(
                f"{table}.{key} is set twice, by --set or an option of its own: set it once "
                f"(several values are a list, {table}.{key}=[1,2])."
            )
            continue
        told.add((table, key))
        if not isinstance(out.setdefault(table, {}), dict):
            problems.append(f"--set {setting}: {table} is not a table of this file.")
            continue
        try:
            out[table][key] = value_of(value)
        except ValueError as error:
            problems.append(f"--set {place.strip()}: {value.strip()!r} is not a TOML value: {error}.")
    if problems:
        raise InputError(problems)
    return out


def value_of(text: str) -> object:
    """The TOML value that ``text`` is, or ``text`` itself; raises ``ValueError`` for a broken list, table or string."""
    try:
        found = tomllib.loads(f"value = {text}")
        if list(found) == ["value"]:
            return found["value"]
    except (ValueError, RecursionError) as error:
        if text.strip()[0] in "[{\"'":
            raise ValueError(str(error)) from None
    return text.strip()
