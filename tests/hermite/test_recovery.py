"""Weak-recovery thresholds: closed forms, the reference table, and what has none."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from hermite import Target
from hermite.recovery import monte_carlo, recovery_threshold

ROWS = json.loads((Path(__file__).parents[1] / "data" / "targets.json").read_text())
NUMBERS = [r for r in ROWS if isinstance(r["alpha_c"], float) and r["r"] <= 3]


@pytest.mark.parametrize(
    ("target", "alpha"),
    [("z1^2", 0.5), ("3*z1^2 - 7", 0.5), ("z1^2 + z2^2 + z3^2", 1.5), ("sign(z1*z2)", math.pi**2 / 4)],
)
def test_closed_forms(target, alpha) -> None:
    found = recovery_threshold(Target(target))
    assert found.exact
    assert found.alpha_c == pytest.approx(alpha, rel=1e-12)
    # Monte Carlo is independent of them: within 4 standard errors, and 1 % for a largest eigenvalue that is degenerate.
    value, error = monte_carlo(Target(target))
    assert abs(value - alpha) < 4 * error + 0.01 * alpha


@pytest.mark.parametrize("row", NUMBERS, ids=lambda r: r["target"])
def test_reference_numbers(row) -> None:
    """The table has two to three digits, about 2 %: that, and 4 standard errors."""
    found = recovery_threshold(Target(row["target"]))
    assert found.alpha_c is not None
    assert found.error is not None
    assert abs(found.alpha_c - row["alpha_c"]) < 4 * found.error + 0.025 * row["alpha_c"]


def test_product_of_two_has_a_quadrature_value() -> None:
    """1/(1 + E a²), a(y) = |y| K₁(|y|)/K₀(|y|) − 1: 0.5937511."""
    found = recovery_threshold(Target("z1*z2"))
    assert found.alpha_c is not None
    assert found.error is not None
    assert abs(found.alpha_c - 0.5937511) < 4 * found.error + 0.005


@pytest.mark.parametrize("target", [r["target"] for r in ROWS if r["alpha_c"] == "infinity"])
def test_hard_targets(target) -> None:
    assert recovery_threshold(Target(target)).alpha_c == math.inf


@pytest.mark.parametrize("target", ["z1", "He3(z1)", "z1 + z2 + z1*z2", "7"])
def test_not_meaningful(target) -> None:
    found = recovery_threshold(Target(target))
    assert found.alpha_c is None
    assert found.reason
