"""The points of a grid, made when they are asked for: a grid of 10⁹ points is counted, never written out."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, TypeVar, overload

T = TypeVar("T")

#: Points up to which a grid is a plain tuple.
SMALL = 10_000


class Grid(Sequence[T]):
    """The product of ``axes`` (field of ``kind`` → its values), first axis slowest; equal axes are equal grids."""

    def __init__(self, kind: Callable[..., T], axes: Mapping[str, tuple[Any, ...]]) -> None:
        self.kind, self.axes = kind, dict(axes)

    def __len__(self) -> int:
        return math.prod(map(len, self.axes.values()))

    def __iter__(self) -> Iterator[T]:
        for point in product(*self.axes.values()):
            yield self.kind(**dict(zip(self.axes, point, strict=True)))

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        rest = range(len(self))[index]
        point = {}
        for name, values in reversed(self.axes.items()):
            rest, place = divmod(rest, len(values))
            point[name] = values[place]
        return self.kind(**point)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grid) and (self.kind, self.axes) == (other.kind, other.axes)

    def __hash__(self) -> int:
        return hash((self.kind, tuple(self.axes.items())))

    def __repr__(self) -> str:
        return f"Grid({self.kind.__name__}, {self.axes})"


def expand(kind: Callable[..., T], axes: Mapping[str, tuple[Any, ...]]) -> Sequence[T]:
    """The points of a grid: a tuple where that is small."""
    grid = Grid(kind, axes)
    return tuple(grid) if len(grid) <= SMALL else grid


def values(points: Sequence[Any], name: str) -> tuple[Any, ...]:
    """The different values of a field over ``points``."""
    if isinstance(points, Grid):
        return points.axes.get(name) or (getattr(points[0], name),)
    return tuple(dict.fromkeys(getattr(point, name) for point in points))


def collapse(points: Sequence[T], name: str, value: object) -> Sequence[T]:
    """``points`` without repetition once their field ``name`` has one value."""
    if isinstance(points, Grid):
        return Grid(points.kind, points.axes | {name: (value,)})
    return tuple(dict.fromkeys(replace(point, **{name: value}) for point in points))  # type: ignore[type-var]


def narrowed(points: Sequence[T], name: str, allowed: Container[object]) -> Sequence[T]:
    """Those of ``points`` whose field ``name`` is one of the values ``allowed``."""
    if isinstance(points, Grid):
        kept = tuple(value for value in values(points, name) if value in allowed)
        return Grid(points.kind, points.axes | {name: kept})
    return tuple(point for point in points if getattr(point, name) in allowed)
