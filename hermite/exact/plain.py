"""What results look like in JSON: one sanitizer for every ``.to_dict()`` and every file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any


def plain(value: object) -> Any:
    """``value`` as strict JSON has it: arrays are lists, NumPy scalars numbers, enums their values, NaN is null.

    Infinity, for which JSON has no number, is the word "inf", which ``float`` reads back.

    >>> plain({"beta": float("inf"), "values": (1.0, float("nan"))})
    {'beta': 'inf', 'values': [1.0, None]}
    """
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    # NumPy's float64 is a float too: what is written is Python's.
    if isinstance(value, float):
        # + 0.0: a zero has no sign.
        return float(value) + 0.0 if math.isfinite(value) else _word(value)
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    # Arrays and NumPy's scalars, without importing NumPy for documents that have none.
    return plain(value.tolist()) if hasattr(value, "tolist") else value


def plain_table(document: Mapping[str, object]) -> dict[str, Any]:
    """``plain`` of what has names."""
    return {key: plain(entry) for key, entry in document.items()}


def plain_fields(result: Any) -> dict[str, Any]:
    """The fields of a dataclass as plain data, by their names."""
    return {part.name: plain(getattr(result, part.name)) for part in fields(result)}


def _word(value: float) -> str | None:
    return None if math.isnan(value) else "inf" if value > 0 else "-inf"
