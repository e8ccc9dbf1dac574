"""What a store may hold, value by value: a file with the right checksums may still be damaged, or made by hand."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping
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

_NEURON = ("readout", "weight", "M", "norm2", "M_cov")


class Misshapen(ValueError):
    """A value of a store that no version writes; the text says which, and what it should be."""


def read_text(value: Any, name: str) -> str:
    """Text."""
    return value if isinstance(value, str) else _refuse(value, name, "text")


def read_number(value: object, name: str, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number that a float holds, between two bounds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        _refuse(value, name, "a finite number")
    if not least <= value <= most:
        _refuse(value, name, f"at least {least:g}" if value < least else f"at most {most:g}")
    return value


def read_table(value: object, name: str) -> dict[str, object]:
    """A JSON object whose names differ; NaN and infinities are none of JSON."""
    try:
        found = json.loads(
            read_text(value, name), parse_constant=_no_number, object_pairs_hook=_different_names
        )
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "too many levels"
        raise Misshapen(f"{name} is no JSON: {reason}") from None
    return found if isinstance(found, dict) else _refuse(found, name, "a table")


def read_cell(value: object) -> dict[str, object]:
    """The settings of a unit; without a protocol it is one of giant steps."""
    cell = read_table(value, "units.cell")
    for name, entry in cell.items():
        if name in (*TEXTS, "protocol"):
            read_text(entry, f"units.cell.{name}")
        elif name == "seed":
            _whole(entry, f"units.cell.{name}", most=2**512)
        elif name == "d" or (name in COUNTS and entry is not None):
            _whole(entry, f"units.cell.{name}", least=0 if name == "replicate" else 1)
        elif name in NUMBERS and entry is not None:
            read_number(entry, f"units.cell.{name}", least=0.0)
        elif name not in COUNTS + NUMBERS:
            raise Misshapen(f"units.cell has a name {name[:30]!r} that is none of its columns")
    if gone := [name for name in (*TEXTS, *COUNTS, *NUMBERS) if name not in cell]:
        raise Misshapen(f"units.cell lacks {', '.join(gone)}")
    return {"protocol": "giant"} | cell


def read_result(value: object) -> dict[str, object]:
    """The errors of a point, or its risk and its neurons."""
    result = read_table(value, "results.result")
    for name, entry in result.items():
        if name in ERRORS:
            # A measured error less the noise may fall below 0.
            least = -math.inf if name == "excess_risk" else 0.0
            most = 1.0 if name == "classification_error" else math.inf
            read_number(entry, f"results.result.{name}", least, most)
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


#: The columns of a cell that its content decides, whatever the version that wrote them.
_DECIDED = ("protocol", "method", "d", "p", "alpha_train", "eta", "alpha", "beta", "seed", "replicate")


def check_unit(row: Mapping[str, Any], cell: Mapping[str, Any], directions: int, classes: bool) -> None:
    """That a row is one of the unit with these settings: its columns, its kind of result, the lengths of its lists."""
    for name in _DECIDED:
        wanted = cell.get(name, "giant") if name == "protocol" else cell[name]
        if row[name] != wanted:
            _refuse(row[name], f"units.cell.{name}", f"{wanted!r}, as the content of its unit says")
    results = {name for name in (*ERRORS, "neurons") if name in row}
    fitted = {"test_error", "train_error", "excess_risk"}
    fitted |= {"classification_error", "test_loss", "train_loss"} if classes else set()
    allowed = [{"risk", "neurons"}, {"risk", "neurons", "train_error"}] if row["lambda"] is None else [fitted]
    if results not in allowed:
        raise Misshapen(
            f"results.result has {', '.join(sorted(results))} where {', '.join(sorted(allowed[0]))} belong"
        )
    lengths = {len(entry["M"]) for entry in row.get("neurons", ())} - {directions}
    if lengths:
        raise Misshapen(f"results.result.neurons.M has {lengths.pop()} numbers for {directions} directions")


def check_alike(rows: Iterable[Mapping[str, Any]]) -> None:
    """That replicates of one point have the same neurons and columns, so that means over them exist."""
    kinds = {
        (
            frozenset(row) & frozenset(ERRORS),
            tuple((n["readout"], n["weight"]) for n in row.get("neurons", ())),
        )
        for row in rows
    }
    if len(kinds) > 1:
        raise Misshapen("the replicates of one point have different neurons or columns")


def checked_point(step: object, lam: object) -> None:
    """A step and a penalty, or a step alone."""
    _whole(step, "results.step")
    if lam is not None:
        read_number(lam, "results.lambda", least=0.0)


def _neurons(value: object) -> None:
    name = "results.result.neurons"
    if not isinstance(value, list) or not value:
        _refuse(value, name, "a list of neurons")
    lengths = set()
    for entry in value:
        if not isinstance(entry, dict):
            _refuse(entry, name, "a list of tables")
        if strange := set(entry) - set(_NEURON):
            raise Misshapen(f"{name} has a name {min(strange)[:30]!r} that is none of its columns")
        read_number(entry.get("readout"), f"{name}.readout")
        read_number(entry.get("weight"), f"{name}.weight", 0.0, 1.0)
        read_number(entry.get("norm2"), f"{name}.norm2", least=0.0)
        length = len(_numbers(entry.get("M"), f"{name}.M"))
        lengths.add(length)
        if "M_cov" in entry:
            _covariance(entry["M_cov"], f"{name}.M_cov", length)
    if len(lengths) > 1:
        raise Misshapen(f"{name}: the overlaps of its neurons differ in length")


def _covariance(value: object, name: str, length: int) -> None:
    """A square matrix whose diagonal, the variances, is not negative."""
    if not isinstance(value, list) or [len(_numbers(row, name)) for row in value] != [length] * length:
        _refuse(value, name, f"{length} rows of {length} numbers")
    for m, row in enumerate(value):
        read_number(row[m], f"the diagonal of {name}", least=0.0)


def _numbers(value: object, name: str) -> list[float]:
    if not isinstance(value, list):
        _refuse(value, name, "a list of numbers")
    return [read_number(x, name) for x in value]


def _whole(value: object, name: str, least: int = 0, most: int = 2**63 - 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        power = most.bit_length()
        _refuse(value, name, f"a whole number of at least {least}, below 2^{power}")
    return value


def _different_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON; of two entries of one name, Python would keep the second without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for i, (name, _) in enumerate(pairs) if name in dict(pairs[:i]))
        raise ValueError(f"the name {twice[:30]!r} is there twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _refuse(value: object, name: str, wanted: str) -> NoReturn:
    try:
        # An integer of more digits than Python writes is a ValueError.
        given = repr(value)
    except RecursionError:
        given = "something of too many levels"
    except ValueError:
        given = "a number of thousands of digits"
    raise Misshapen(f"{name} must be {wanted}, not {given if len(given) <= 40 else given[:37] + '...'}")
