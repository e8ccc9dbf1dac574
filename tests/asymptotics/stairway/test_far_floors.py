"""Plateaus of targets where no quadrature point lies, beside huge constants, and in any unit."""

from __future__ import annotations

import tracemalloc
import warnings

import mpmath
import pytest

from asymptotics.stairway.stairs import plateaus
from hermite import GiantstepError, InputError


@pytest.mark.parametrize("a", [5, 14, 20])
def test_floors_in_the_tail_are_the_energies_left(a: int) -> None:
    """E f² − Σ_{k ≤ κ} c_k²/k! of 10^40 relu(z − a) at 80 digits."""
    with mpmath.workdps(80):
        density = mpmath.exp(-(mpmath.mpf(a) ** 2) / 2) / mpmath.sqrt(2 * mpmath.pi)
        above = mpmath.erfc(a / mpmath.sqrt(2)) / 2
        left = [(1 + a * a) * above - a * density - (density - a * above) ** 2]
        left.append(left[0] - above**2)
        left.append(left[1] - density**2 / 2)
        right = [float(x * mpmath.mpf(10) ** 80) for x in left]
    table = plateaus(f"1e40*relu(z1-{a})", kappa=2)
    assert table[0].plateaus == pytest.approx(right, rel=1e-14)
    assert [row.dim for row in table] == [0, 1]


def test_a_huge_constant_leaves_the_floor_alone() -> None:
    assert plateaus("z1+min(z2,1e18)", kappa=0)[0].plateaus[0] == pytest.approx(2, rel=1e-14)


@pytest.mark.parametrize("unit", ["1e-60", "1e50"])
def test_the_stairway_is_that_of_any_unit(unit: str) -> None:
    text = "relu(z1)*z2+z1"
    one, other = plateaus(text, kappa=1), plateaus(f"{unit}*({text})", kappa=1)
    assert [row.subspace for row in one] == [row.subspace for row in other]
    for a, b in zip(one, other, strict=True):
        assert b.plateaus == pytest.approx([x * float(unit) ** 2 for x in a.plateaus], rel=1e-9, abs=0)


@pytest.mark.parametrize(
    "text",
    [
        "logistic(z1*(z1-1e155))",
        "tanh(1e300*(z1-2)*(z1+1e5))",
        "exp(-(1e170*z1-z2)^2)",
        "relu(1e200*(z1+z2))*1e-200",
    ],
)
def test_arguments_whose_squares_are_no_floats_warn_of_nothing(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            rows = plateaus(text, kappa=1).rows
        except GiantstepError:
            return
    assert all(0 <= floor <= 1 for row in rows for floor in row.plateaus)


@pytest.mark.parametrize(
    "text",
    [
        "z1*z2 - min(z4 + z3/3, z1)",
        "cos(min(z4 + 2*z2 - 5, z1 + z3/3))*z5",
    ],
)
def test_rules_of_more_than_a_gigabyte_are_refused_before_they_are_made(text: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="points, more than"):
            plateaus(text, kappa=1)
        assert tracemalloc.get_traced_memory()[1] < 5e8
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("relu(z1-8)+z2", 1.8075e-17),
        ("1e-8*abs(z1)+z2", 3.6338e-17),
        ("1e-30*relu(z1)+z2", 1.1267e-62),
        ("relu(z1-30)+z2", 1.0844e-200),
    ],
)
def test_a_floor_that_rounding_cannot_tell_from_zero_has_an_error(text: str, left: float) -> None:
    """One step learns z2 alone, up to a multiple of z1 far below what floats tell; ``left`` of κ = 2 at the start stays."""
    table = plateaus(text, kappa=2)
    assert table[0].plateaus[2] <= left * 1.001
    assert abs(table[1].plateaus[2] - table[0].plateaus[2]) <= table.error
    assert 0 < table.error <= 1e-13 * table[0].plateaus[0]


def test_a_floor_that_is_proved_to_be_zero_has_none() -> None:
    assert plateaus("relu(z1)", kappa=1).error == 0
