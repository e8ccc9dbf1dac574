"""What the points of a curve share: moments of features and target, kept by the curve that computed them.

A curve, a search or a table makes its own ``SetUps`` and drops it at its end; single calls of ``risk`` share one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import is_dataclass
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

#: Bytes of arrays that one curve keeps.
LIMIT = 128_000_000


class SetUps:
    """Values by key, the least recently used dropped beyond ``limit`` bytes; the newest stays whatever its size.

    Arrays inside are made read-only: every point of the curve sees the same ones.

    >>> kept = SetUps()
    >>> kept.get("moments", lambda: np.zeros(3)).flags.writeable
    False
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of ``key``, made if it is not there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                kept: T = self._values[key]
                return kept
        value = make()
        with self._lock:
            self._values[key] = value
            # A value may have grown since it was put here: properties that are computed once.
            sizes = {k: _protected(v) for k, v in self._values.items()}
            while len(sizes) > 1 and sum(sizes.values()) > self.limit:
                oldest, _ = self._values.popitem(last=False)
                del sizes[oldest]
        return value

    @property
    def size(self) -> int:
        """Bytes of the arrays that are kept."""
        with self._lock:
            return sum(map(_protected, self._values.values()))

    def __len__(self) -> int:
        return len(self._values)


def _protected(value: Any) -> int:
    """Make the arrays inside ``value`` read-only; their bytes."""
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
        return value.nbytes
    if isinstance(value, (list, tuple)):
        return sum(map(_protected, value))
    return sum(map(_protected, vars(value).values())) if is_dataclass(value) else 0
