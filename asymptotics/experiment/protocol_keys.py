"""The training protocols: their names, and the keys of [training] that only some of them have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: The keys of [training] that only some protocols have; elsewhere they must be absent.
PROTOCOLS: dict[str, tuple[str, ...]] = {
    "giant": ("batch_exponent", "remove_orders"),
    "sgd": (
        "batch_exponent",
        "rate_exponent",
        "step",
        "loss",
        "projection",
        "start",
        "time",
        "dynamics",
        "threshold",
    ),
    "reuse": ("weight_decay",),
}


def choices(names: Iterable[str]) -> str:
    """ "a", "b" or "c"."""
    *first, last = (f'"{name}"' for name in names)
    return f"{', '.join(first)} or {last}" if first else last


def protocol_problems(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """Keys of [training] that the protocol does not have, set to something else than their ``defaults``."""
    protocol = values.get("protocol", "giant")
    special = {
        key: [name for name, keys in PROTOCOLS.items() if key in keys]
        for keys in PROTOCOLS.values()
        for key in keys
    }
    return [
        f'training.{key} is a key of protocol = {choices(special[key])}, not of "{protocol}"; leave it out.'
        for key, value in values.items()
        if key in special and key not in PROTOCOLS[protocol] and value != defaults[key]
    ]
