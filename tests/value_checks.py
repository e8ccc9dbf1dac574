"""What a frozen result promises: equal to its copies, hashable, picklable, and no array to be written into."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def arrays_in(value: Any) -> list[np.ndarray]:
    """All arrays inside a value, computed properties that it keeps included."""
    if isinstance(value, np.ndarray):
        return [value]
    if is_dataclass(value):
        own = [getattr(value, part.name) for part in fields(value)]
        return [a for part in (*own, *getattr(value, "__dict__", {}).values()) for a in arrays_in(part)]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [a for part in parts for a in arrays_in(part)]


def behaves_as_a_value(make: Callable[[], Any], *, read_only: bool = True) -> None:
    """Two of a kind, copies, and what comes back from a pickle are one value; its arrays are read-only."""
    found, again = make(), make()
    unpickled = pickle.loads(pickle.dumps(found))  # noqa: S301 (our own bytes)
    copies = [again, copy.copy(found), copy.deepcopy(found), unpickled]
    for other in copies:
        assert found == other
        assert hash(found) == hash(other)
        assert not read_only or not any(array.flags.writeable for array in arrays_in(other))
    assert len({found, *copies}) == 1
    assert found != "something else"
