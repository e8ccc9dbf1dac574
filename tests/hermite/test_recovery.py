"""Weak-recovery thresholds: closed forms, the reference table, the estimator on known cases."""

from __future__ import annotations

import math

import pytest
from test_generative import ROWS

from hermite import Target, recovery_threshold
from hermite.recovery import _estimate

#: 1/(1 + E a²) for z1 z2, a = |y| K_1(|y|)/K_0(|y|) − 1.
PRODUCT = 0.5937511


@pytest.mark.parametrize("row", [row for row in ROWS if row["r"] <= 3], ids=lambda row: row["target"])
def test_reference_table(row: dict[str, object]) -> None:
    found = recovery_threshold(Target(str(row["target"])))
    expected = row["alpha_c"]
    if expected is None:
        assert found.alpha_c is None
        assert found.reason
    elif expected == "infinity":
        assert found.alpha_c == math.inf
        assert found.hard_subspace
    else:
        assert isinstance(expected, float)
        assert found.alpha_c is not None
        assert found.error is not None
        assert abs(found.alpha_c - expected) <= found.error + 0.02 * expected


@pytest.mark.parametrize(
    ("text", "exact"),
    [("z1^2", "1/2"), ("z1^4 + z1^2", "1/2"), ("z1^2 + z2^2", "2/2"), ("sign(z1*z2)", "pi^2/4")],
)
def test_closed_forms_against_the_estimator(text: str, exact: str) -> None:
    found = recovery_threshold(Target(text))
    assert found.exact == exact
    assert found.alpha_c is not None
    alpha, error = _estimate(Target(text), 1 << 19, 3)
    assert abs(alpha - found.alpha_c) <= error


def test_product_of_two_and_a_wrong_value() -> None:
    found = recovery_threshold(Target("z1*z2"))
    assert found.alpha_c is not None
    assert found.error is not None
    assert abs(found.alpha_c - PRODUCT) <= found.error
    assert abs(found.alpha_c - 1.05 * PRODUCT) > found.error


def test_noise_raises_the_threshold() -> None:
    noisy = recovery_threshold(Target("z1^2", noise=1.0))
    assert noisy.alpha_c is not None
    assert noisy.error is not None
    assert noisy.alpha_c - noisy.error > 0.5
