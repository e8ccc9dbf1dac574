"""What is decided of a target is decided of every multiple of it: constants from 1e-300 to 1e300, rational or not."""

from __future__ import annotations

import pytest

from hermite import Target, expand, leap
from hermite.exact.ratios import without_common_factor
from hermite.exact.scalars import Scalar
from hermite.inputs.biased import biased_staircase

CONSTANTS = ("1e-300", "-1e-20", "1/7", "1e20", "1e300", "pi/10^30", "exp(-60)")
TARGETS = (
    "relu(z1-3)+z2",
    "relu(z1-1/2)*relu(z2)",
    "relu(z1-3)*z2+relu(z2-2)",
    "relu(z1)-relu(z2-1)",
    "tanh(z1)*z2+z1^2",
    "sign(z1)*z2+He3(z2)",
    "abs(z1-z2)+z1",
    "max(z1,z2)+z1*z2",
    "Heaviside(z1-2)-z2*z1",
    "erf(z1)*erf(z2)+z3",
    "tanh(z1*z2)+z1",
    "abs(abs(z1)-1)+z2",
    "z1+z1*z2+z1*z2*z3",
    "max(z1+1,z2)*z1",
)


@pytest.mark.parametrize("text", TARGETS)
def test_a_constant_factor_changes_no_index_and_no_verdict(text: str) -> None:
    plain = {key: x for key, x in leap(text).to_dict().items() if key not in ("target", "warnings")}
    orders = expand(text, order=3)
    support = {key for key, c in orders.to_dict()["coefficients"].items() if c["exact"] != "0"}
    biased = biased_staircase(text)
    assert biased.dims is not None
    for constant in CONSTANTS:
        scaled = Target(f"({text})*{constant}")
        found = leap(scaled).to_dict()
        assert {key: found[key] for key in plain} == plain, constant
        terms = expand(scaled, order=3).to_dict()["coefficients"]
        assert {key for key, c in terms.items() if c["exact"] != "0"} == support, constant
        assert biased_staircase(scaled).dims == biased.dims, constant


def test_rows_of_one_direction_are_one_row_whatever_constant_they_came_with() -> None:
    row = (Scalar.of(1) + Scalar.sqrt(2), Scalar.sqrt(3) * 3 - 6)
    factors = [Scalar.of(1) * 10**300, Scalar.sqrt_pi(3) * Scalar.sqrt(5), Scalar.of(7)]
    tiny = factors[0].inverse()
    assert tiny is not None
    for factor in (*factors, tiny):
        assert without_common_factor([x * factor for x in row]) == without_common_factor(row)
