"""What a student cannot climb: parity, vanishing coefficients, few readout values."""

from __future__ import annotations

from typing import Any

import pytest

from hermite import InputError, Target, leap

STAIR2, STAIR3 = "z1 + z1*z2", "z1 + z1*z2 + z1*z2*z3"


def warnings(text: str, **student: Any) -> str:
    return " | ".join(leap(Target(text), **student).warnings)


def test_relu_stops_at_the_third_stair() -> None:
    text = warnings(STAIR3, activation="relu")
    assert "linear plus even" in text
    assert "order 3 cannot be fitted" in text
    assert "climbs 2 of the 3" in text


def test_odd_activations_stop_at_the_first_stair() -> None:
    for name in ("tanh", "erf", "sin"):
        text = warnings(STAIR2, activation=name)
        assert "odd" in text
        assert "climbs 1 of the 2" in text


def test_a_shift_or_a_bias_lifts_the_parity() -> None:
    assert warnings(STAIR3, activation="relu(x - 7/10)") == ""
    assert warnings(STAIR3, activation="relu", bias=0.5) == ""
    assert warnings(STAIR2, activation="tanh(x + 1/2)") == ""


def test_a_vanishing_coefficient_at_the_leap_is_told_of() -> None:
    assert "relu has c_3 = 0" in warnings("z1*z2*z3", activation="relu")
    assert "c_1 = 0" in warnings("z1", activation="x^2 - 1")


def test_readout_values_bound_the_dimension() -> None:
    assert "2 distinct readout values" in warnings(STAIR3, activation="relu(x - 1)", readout="rademacher")
    laws = [[1.0, 0.25], [2.0, 0.25], [-1.0, 0.25], [-2.0, 0.25]]
    assert warnings(STAIR3, activation="relu(x - 1)", readout=laws) == ""


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ({"activation": 3}, "activation must be"),
        ({"activation": "relu", "bias": -1}, "bias must be"),
        ({"activation": "nonsense"}, "nonsense"),
        ({"activation": "relu(x - 1)", "readout": "cauchy"}, "readout must be"),
    ],
)
def test_bad_students_are_refused(student: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        leap(Target(STAIR2), **student)
