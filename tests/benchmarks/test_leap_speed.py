"""How long a leap query takes; run with `make benchmark` (nothing here asserts a time)."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from typing import Any

from hermite import Target, leap


def dense_polynomial(r: int = 6, degree: int = 10) -> str:
    """All monomials of degree at most ``degree`` in r variables: 8,008 of them for (6, 10)."""
    rng = random.Random(0)
    powers = (e for e in itertools.product(range(degree + 1), repeat=r) if sum(e) <= degree)
    return " + ".join(
        f"({rng.randint(1, 9)})" + "".join(f"*z{i + 1}^{k}" for i, k in enumerate(e) if k) for e in powers
    )


def test_a_dense_polynomial_of_8008_monomials_is_timed(benchmark: Any) -> None:
    text = dense_polynomial()
    report = benchmark.pedantic(lambda: leap(Target(text)), rounds=3, iterations=1)
    assert report.staircase.dims == (0, 1, 6)


def test_a_product_of_ten_variables_is_timed(benchmark: Any) -> None:
    text = "*".join(f"z{i}" for i in range(1, 11))
    report = benchmark(lambda: leap(Target(text)))
    assert report.leap_index == 10


def test_the_cold_start_of_a_leap_query_is_timed(benchmark: Any) -> None:
    command = [
        sys.executable,
        "-c",
        "from asymptotics.commands.cli import main; main()",
        "leap",
        "z1 + z1*z2",
    ]
    out = benchmark.pedantic(
        lambda: subprocess.run(command, capture_output=True, check=True), rounds=3, iterations=1
    )
    assert b"leap index" in out.stdout
