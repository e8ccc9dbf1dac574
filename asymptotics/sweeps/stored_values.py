"""What a store may hold, value by value: a file with the right checksums may still be damaged, or made by hand."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

#: The columns that name a cell, and whether each is text.
TEXTS = ("target", "activation", "method")
COUNTS = ("d", "p", "n", "n2", "seed", "replicate")
NUMBERS = ("noise", "batch_exponent", "alpha_train", "eta", "alpha", "beta")
ERRORS = (
    "test_error",
    "train_error",
    "excess_risk",
    "risk",
    "classification_error",
    "test_loss",
    "train_loss",
)


class Misshapen(ValueError):
    """A value of a store that no version writes; the text says which, and what it should be."""


def read_text(value: Any, name: str) -> str:
    """Text."""
    return value if isinstance(value, str) else _refuse(value, name, "text")


def read_number(value: Any, name: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        _refuse(value, name, "a finite number")
    return value


def read_table(value: Any, name: str) -> dict[str, Any]:
    """A JSON object; NaN and infinities are none of JSON."""
    try:
        found = json.loads(read_text(value, name), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "too many levels"
        raise Misshapen(f"{name} is no JSON: {reason}") from None
    return found if isinstance(found, dict) else _refuse(found, name, "a table")


def read_cell(value: Any) -> dict[str, Any]:
    """The settings of a unit; without a protocol it is one of giant steps."""
    cell = read_table(value, "units.cell")
    for name, entry in cell.items():
        if name in (*TEXTS, "protocol"):
            read_text(entry, f"units.cell.{name}")
        elif name in ("d", "replicate") or (name in COUNTS and entry is not None):
            _whole(entry, f"units.cell.{name}")
        elif name in NUMBERS and entry is not None:
            read_number(entry, f"units.cell.{name}")
        elif name not in COUNTS + NUMBERS:
            raise Misshapen(f"units.cell has a name {name[:30]!r} that is none of its columns")
    if gone := [name for name in (*TEXTS, *COUNTS, *NUMBERS) if name not in cell]:
        raise Misshapen(f"units.cell lacks {', '.join(gone)}")
    return {"protocol": "giant"} | cell


def read_result(value: Any) -> dict[str, Any]:
    """The errors of a point, or its risk and its neurons."""
    result = read_table(value, "results.result")
    for name, entry in result.items():
        if name in ERRORS:
            read_number(entry, f"results.result.{name}")
        elif name == "neurons":
            _neurons(entry)
        else:
            raise Misshapen(f"results.result has a name {name[:30]!r} that is none of its columns")
    if (
        not {"test_error", "train_error", "excess_risk"} <= result.keys()
        and not {
            "risk",
            "neurons",
        }
        <= result.keys()
    ):
        raise Misshapen("results.result has neither the errors of a ridge fit nor a risk with its neurons")
    return result


def checked_point(step: Any, lam: Any) -> None:
    """A step and a penalty, or a step alone."""
    _whole(step, "results.step")
    if lam is not None and read_number(lam, "results.lambda") < 0:
        _refuse(lam, "results.lambda", "at least 0")


def _neurons(value: Any) -> None:
    name = "results.result.neurons"
    if not isinstance(value, list) or not value:
        _refuse(value, name, "a list of neurons")
    lengths = set()
    for entry in value:
        if not isinstance(entry, dict):
            _refuse(entry, name, "a list of tables")
        for key in ("readout", "weight", "norm2"):
            read_number(entry.get(key), f"{name}.{key}")
        overlaps = entry.get("M")
        if not isinstance(overlaps, list):
            _refuse(overlaps, f"{name}.M", "a list of numbers")
        lengths.add(len([read_number(x, f"{name}.M") for x in overlaps]))
    if len(lengths) > 1:
        raise Misshapen(f"{name}: the overlaps of its neurons differ in length")


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        _refuse(value, name, "a whole number of at least 0")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _refuse(value: Any, name: str, wanted: str) -> NoReturn:
    try:
        given = repr(value)
    except RecursionError:
        given = "something of too many levels"
    raise Misshapen(f"{name} must be {wanted}, not {given if len(given) <= 40 else given[:37] + '...'}")
