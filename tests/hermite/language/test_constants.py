"""Balls around constants."""

from __future__ import annotations

import pytest

from hermite.language.constants import ball
from hermite.language.nodes import Call, Pi, Power


@pytest.mark.parametrize("power", [2, 3, 40])
def test_a_power_of_a_ball_around_zero_is_finite(power: int) -> None:
    value = ball(Power(Call("sin", (Pi(),)), power))
    assert value.is_finite()
    assert value.contains(0)
    assert value.abs_upper() < 2**-100
