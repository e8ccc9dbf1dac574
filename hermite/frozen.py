"""Frozen data with arrays in it that behaves as values do: equal, hashable, picklable, not to be written into.

A dataclass's own ``==`` fails on arrays ("truth value is ambiguous") and its hash on dictionaries. A ``Frozen`` compares
contents, and keeps them from being changed: arrays are read-only copies, lists tuples, dictionaries ``FrozenDict``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeGuard

if TYPE_CHECKING:
    import numpy as np


class FrozenDict(dict[str, object]):
    """A dictionary that is not changed after it was made.

    >>> FrozenDict(a=1)["a"]
    1
    """

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("part of a frozen result: make a copy with dict(...) to change it")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(content(self))

    def __reduce__(self) -> tuple[object, ...]:
        return sealed, (dict(self),)


class FrozenList(list[object]):
    """A list that is not changed after it was made: equal to a list, and to be hashed.

    >>> FrozenList([1, 2]) == [1, 2]
    True
    """

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("part of a frozen result: make a copy with list(...) to change it")

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = extend = insert = pop = remove = clear = sort = reverse = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(content(self))

    def __reduce__(self) -> tuple[object, ...]:
        return FrozenList, (list(self),)


def _is_array(value: object) -> TypeGuard[np.ndarray[Any, Any]]:
    """Whether ``value`` is an array; NumPy is not imported for the question: without it there is none."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def sealed(value: object, listed: type[Any] = tuple) -> Any:
    """``value`` that nobody can write into: read-only arrays (copied unless they are so already), ``FrozenDict``.

    Lists become ``listed``.
    """
    if _is_array(value):
        if value.flags.writeable or value.base is not None:
            value = value.copy()
            value.flags.writeable = False
        return value
    if isinstance(value, FrozenList):
        return value
    if isinstance(value, list):
        return listed(sealed(entry, listed) for entry in value)
    if type(value) is tuple:
        return tuple(sealed(entry, listed) for entry in value)
    if isinstance(value, dict) and not isinstance(value, FrozenDict):
        return FrozenDict({key: sealed(entry, listed) for key, entry in value.items()})
    return value


def content(value: object) -> Hashable:
    """What makes two values equal, hashable: arrays by shape and bytes (0.0 is −0.0, NaN is NaN), the rest by parts."""
    if _is_array(value):
        return (
            "array",
            value.shape,
            value.dtype.str,
            (value + 0 if value.dtype.kind in "fc" else value).tobytes(),
        )
    if isinstance(value, Frozen):
        parts = fields(value)  # type: ignore[arg-type]  # every subclass is a dataclass
        return (type(value), *(content(getattr(value, part.name)) for part in parts))
    if isinstance(value, dict):
        return frozenset((key, content(entry)) for key, entry in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(content(entry) for entry in value)
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    itself: Hashable = value
    return itself


#: The fields of a dataclass: asked for whenever one is made.
_NAMES: dict[type[Any], tuple[str, ...]] = {}


class Frozen:
    """Base of a result: derive with ``@dataclass(frozen=True, eq=False)``."""

    #: What lists in it become.
    _listed: ClassVar[type[Any]] = tuple

    def __post_init__(self) -> None:
        names = _NAMES.get(type(self))
        if names is None:
            assert is_dataclass(self)
            names = _NAMES[type(self)] = tuple(part.name for part in fields(self))
        for name in names:
            object.__setattr__(self, name, sealed(getattr(self, name), self._listed))

    def __setstate__(self, state: dict[str, object]) -> None:
        # Unpickled and deep-copied arrays are writeable.
        for name, value in state.items():
            object.__setattr__(self, name, sealed(value, self._listed))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return content(self) == content(other)

    def __hash__(self) -> int:
        return hash(content(self))


class FrozenReport(Frozen):
    """A result whose vectors read as lists, as they do in JSON."""

    _listed = FrozenList
