"""Tensors, dense polynomials and Boolean rows against a reference in the same run: a ratio, whatever the machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from test_leap_speed import dense_polynomial

from hermite import Target, expand, hardness, leap, walsh_expansion
from hermite.language.parsing import parse


def seconds(work: Callable[[], Any]) -> float:
    """CPU seconds of the fastest of three runs."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def report_ratio(benchmark: Any, work: Callable[[], Any], reference: Callable[[], Any], mark: float) -> None:
    """Time ``work`` in units of ``reference``; the mark is a bound on the ratio."""
    benchmark.pedantic(work, rounds=3, iterations=1)
    ratio = seconds(work) / seconds(reference)
    benchmark.extra_info.update(ratio=round(ratio, 3), mark=mark)
    assert ratio <= mark


def test_a_tensor_of_order_18_costs_as_much_as_sorting_its_entries(benchmark: Any) -> None:
    e = expand(Target("max(z1,z2)"), 18)
    entries = np.random.default_rng(0).random(2**18)
    assert e.series
    report_ratio(benchmark, lambda: e.tensor(18), lambda: np.sort(entries), 30)


def test_a_dense_polynomial_costs_a_few_times_its_parsing(benchmark: Any) -> None:
    """Parsed and reported in at most four times what the parser alone takes."""
    text = dense_polynomial()
    report_ratio(benchmark, lambda: leap(Target(text)), lambda: parse(text), 4)


def test_a_parity_of_twenty_bits_costs_as_much_as_its_walsh_expansion(benchmark: Any) -> None:
    f = Target("*".join(f"z{i}" for i in range(1, 21)))
    report_ratio(
        benchmark, lambda: hardness(f, inputs="rademacher"), lambda: walsh_expansion(f), 200
    )  # Monte Carlo of the label takes 100,000 times it
