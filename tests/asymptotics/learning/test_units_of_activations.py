"""The unit of an activation is no scale of its own: f → c f, Δ → c² Δ, ã → c ã and eta → eta/c² is the activation's too."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics import Network, Training, overlaps
from asymptotics.learning.giant.exponents import warnings_at_exponent_one
from asymptotics.stairway.visibility import visible_degrees
from hermite import Target


@pytest.mark.parametrize("unit", [1e-16, 1e-13, 1e12])
@pytest.mark.parametrize("target", ["z1+z1*z2", "He2(z1)+z2"])
def test_the_first_step_is_linear_in_the_unit_of_the_activation(unit: float, target: str) -> None:
    """w += eta ã (1/n) Σ y σ' z: σ in units of c with eta/c is the same step (the network's output starts at 0)."""
    one = overlaps(target, Network(activation="tanh(x) + x^3"), Training(eta=1.0))[1]
    other = overlaps(target, Network(activation=f"{unit!r}*(tanh(x) + x^3)"), Training(eta=1 / unit))[1]
    assert pytest.approx(one.M, rel=1e-9, abs=1e-12) == other.M
    assert np.abs(one.M).max() > 0.1


@pytest.mark.parametrize("unit", ["1e-15", "1e9"])
@pytest.mark.parametrize(("activation", "blind"), [("tanh(x)", False), ("abs(x)", True), ("He2(x)", True)])
def test_a_small_activation_is_not_called_blind(unit: str, activation: str, blind: bool) -> None:
    said = warnings_at_exponent_one(Target("z1"), Network(activation=f"{unit}*({activation})"))
    assert any("c_1 = 0" in text for text in said) is blind


@pytest.mark.parametrize("unit", [1e-20, 1.0, 1e20])
def test_what_an_activation_sees_is_that_of_any_unit(unit: float) -> None:
    seen = visible_degrees(lambda x: unit * np.maximum(x, 0))
    assert (seen.even, seen.odd) == (np.inf, 1)
    assert visible_degrees(lambda x: unit * np.tanh(x)).even == -1
