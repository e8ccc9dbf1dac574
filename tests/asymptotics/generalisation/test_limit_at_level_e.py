"""As d → ∞ the default is the limit at level E where little is left out, and corrected where more than 1 % is."""

from __future__ import annotations

import pytest

from asymptotics import Network, Ridge, Training, risk
from hermite import Target

INDEPENDENT = Network(initialisation="independent")
RIDGE = Ridge(2.0, 1.0, 0.1)


@pytest.mark.parametrize(("steps", "expected"), [(1, 0.9912), (2, 0.9147)])
def test_a_fast_wave_has_its_limit_by_default(steps: int, expected: float) -> None:
    """By adaptive quadrature; a correction of less than 1 % was measured, and is in the error."""
    found = risk(Target("sin(8*z1) + z1", noise=0.05), INDEPENDENT, Training(steps, 4.0, 1.0), RIDGE)
    assert found.test_error == pytest.approx(expected, abs=6e-5)
    assert "auxiliary batches" in found.validity_note
    assert "neither is included" in found.validity_note
    assert 0.004 < found.error.theory < 0.04
    asked = risk(
        Target("sin(8*z1) + z1", noise=0.05), INDEPENDENT, Training(steps, 4.0, 1.0), RIDGE, accuracy=0.01
    )
    assert 0 < abs(asked.test_error / found.test_error - 1) < found.error.theory
