"""What is remembered: one value for equal arguments, read-only, bounded by bytes and by number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from asymptotics.caches import SetUps, remembered
from asymptotics.expectations.frames import kink_frame, sharp_places
from asymptotics.expectations.target_rule import target_rule
from asymptotics.generalisation.spiked.target_moments import label_moments, moments_at_start
from asymptotics.learning.giant.low_orders import low_orders
from hermite import Target


def test_what_is_remembered_is_shared_and_read_only() -> None:
    f = Target("relu(z1)")
    for make in (label_moments, moments_at_start, low_orders, target_rule, kink_frame, sharp_places):
        first, again = make(f), make(Target("relu(z1)"))
        assert first is again or make is target_rule
    shared = [
        label_moments(f),
        low_orders(f).linear,
        moments_at_start(f)[1],
        *target_rule(f),
        kink_frame(f).axes,
    ]
    for array in shared:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0


def test_memory_is_bounded_by_bytes_and_the_newest_value_stays() -> None:
    kept = SetUps(limit=1000)
    for key in range(5):
        kept.get(key, lambda: np.zeros(50))
    assert kept.size <= 1000
    assert len(kept) == 2
    kept.get("large", lambda: np.zeros(1000))
    assert len(kept) == 1


def test_values_that_grow_after_they_were_kept_count_towards_the_bound() -> None:
    @dataclass
    class Growing:
        rows: list[np.ndarray]

    kept = SetUps(limit=100_000)
    first = kept.get("grows", lambda: Growing([]))
    first.rows.append(np.zeros(20_000))
    for key in range(80):
        kept.get(key, lambda: np.zeros(1))
    assert kept.size <= 100_000
    assert kept.get("grows", lambda: Growing([])) is not first


def test_small_values_are_bounded_by_number_and_the_one_used_last_stays() -> None:
    kept = SetUps(most=3)
    for key in (0, 1, 2, 0, 3):
        kept.get(key, lambda key=key: [key])
    assert len(kept) == 3
    assert kept.get(0, lambda: ["made again"]) == [0]
    assert kept.get(1, lambda: ["made again"]) == ["made again"]


def test_arguments_by_name_are_arguments() -> None:
    calls: list[int] = []

    @remembered
    def power(x: int, n: int = 2) -> int:
        calls.append(n)
        return int(x**n)

    assert [power(3), power(3), power(3, n=3), power(3, n=3)] == [9, 9, 27, 27]
    assert calls == [2, 3]


def test_what_fails_is_not_remembered() -> None:
    calls: list[int] = []

    @remembered
    def fails(x: int) -> int:
        calls.append(x)
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            fails(1)
    assert calls == [1, 1]


def test_an_argument_at_its_default_is_the_default() -> None:
    """Two callers of one question, one of whom says what the other leaves out, share one value."""
    calls: list[tuple[int, float]] = []

    @remembered
    def value(size: int, scale: float = 1.0) -> tuple[int, float]:
        calls.append((size, scale))
        return size, scale

    assert value(2) is value(2, 1.0) is value(size=2) is value(2, scale=1.0)
    assert value(2, 2.0) == (2, 2.0)
    assert calls == [(2, 1.0), (2, 2.0)]
