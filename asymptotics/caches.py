"""What is computed once: values by key, bounded by the bytes of their arrays, which nobody can write into.

A curve, a search or a table makes its own ``SetUps`` and drops it at its end; single calls of ``risk`` share one.
``remembered`` keeps the values of a function in the same way: what a target or a rule is known by, wherever it is asked.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import is_dataclass
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
T = TypeVar("T")

#: Bytes of arrays that one curve keeps.
LIMIT = 128_000_000
#: Entries that a remembered function keeps, and bytes of their arrays.
_ENTRIES = 256
_BYTES = 64_000_000
#: New values, at least, after which all that are kept are looked at again (half of their number: each is looked at a few times);
#: below half of the limit that does not hurry.
_LOOK = 64
#: Types of what most fields are, and what holds no arrays.
_SCALARS = frozenset((float, int, str, bool, type(None), np.float64))


class SetUps:
    """Values by key, the least recently used dropped beyond ``limit`` bytes or ``most`` entries.

    The newest stays whatever its size.

    Arrays inside are made read-only: every point of the curve sees the same ones.

    >>> kept = SetUps()
    >>> kept.get("moments", lambda: np.zeros(3)).flags.writeable
    False
    """

    def __init__(self, limit: int = LIMIT, most: int | None = None) -> None:
        self.limit, self.most = limit, most
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}
        self._total = 0
        self._unseen = 0
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
            size = _protected(value)
            self._total += size - self._sizes.get(key, 0)
            self._values[key], self._sizes[key] = value, size
            self._unseen += 1
            if self._unseen >= max(_LOOK, len(self._values) // 2) or self._total > self.limit / 2:
                # A value may have grown since it was put here: properties that are computed once.
                self._sizes = {k: _protected(v) for k, v in self._values.items()}
                self._total, self._unseen = sum(self._sizes.values()), 0
            while len(self._sizes) > 1 and (
                self._total > self.limit or (self.most is not None and len(self._sizes) > self.most)
            ):
                oldest, _ = self._values.popitem(last=False)
                self._total -= self._sizes.pop(oldest)
        return value

    @property
    def size(self) -> int:
        """Bytes of the arrays that are kept."""
        with self._lock:
            return sum(map(_protected, self._values.values()))

    def __len__(self) -> int:
        return len(self._values)


def remembered(function: Callable[P, T]) -> Callable[P, T]:
    """``function`` of hashable arguments that remembers its values, as ``lru_cache`` does, but bounded by bytes.

    Two callers share one value: its arrays are read-only. A default that is given is the default.

    >>> @remembered
    ... def unit(size: int, scale: float = 1.0): return scale * np.eye(size)
    >>> unit(2) is unit(2, 1.0) is unit(size=2, scale=1.0), unit(2).flags.writeable
    (True, False)
    """
    kept = SetUps(_BYTES, _ENTRIES)
    defaults = {name: one.default for name, one in signature(function).parameters.items()}
    names = tuple(defaults)

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> T:
        rest = tuple((kwargs or defaults).get(name, defaults[name]) for name in names[len(args) :])
        return kept.get(args + rest, lambda: function(*args, **kwargs))

    return inside


def _protected(value: object) -> int:
    """Make the arrays inside ``value`` read-only; their bytes."""
    size, inside = 0, [value]
    while inside:
        one = inside.pop()
        kind = type(one)
        if kind in _SCALARS:
            continue
        if isinstance(one, np.ndarray):
            one.flags.writeable = False
            size += one.nbytes
        elif isinstance(one, (list, tuple)):
            inside.extend(one)
        elif is_dataclass(kind):
            inside.extend(vars(one).values())
    return size
