"""Fourier–Walsh expansions: the reference table, direct sums over vertices, merged staircases, undecided answers."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from target_table import ROWS

from hermite import InputError, Target
from hermite.inputs.walsh import walsh_expansion
from hermite.language.evaluation import constant_value
from hermite.language.nodes import children


@pytest.mark.parametrize("row", ROWS, ids=[row["target"] for row in ROWS])
def test_the_reference_table_is_met(row: dict[str, object]) -> None:
    found = walsh_expansion(Target(str(row["target"])))
    assert found.exactness == "exact"
    assert found.leap == row["boolean_leap"]


@pytest.mark.parametrize(
    "text",
    [
        "z1 + 2*z1*z2 - z1^2*z3^3",
        "relu(z1 + z2 - 1/3)*sqrt(2) - tanh(z3)*z1",
        "max(z1, z2, tanh(z3)) + logistic(z1 - z2)",
        "exp(z1)*cos(z2 + z3) + abs(z1 - 2*z2) + softplus(z1)",
        "He3(z1 + z2) + erf(z3)/pi + min(z1, z2)^2",
    ],
)
def test_coefficients_are_means_over_the_cube(text: str) -> None:
    f = Target(text)
    cube = np.array(list(product([-1.0, 1.0], repeat=f.r)))
    values = f(cube)
    found = walsh_expansion(f)
    for mask in product([0, 1], repeat=f.r):
        support = tuple(i for i, on in enumerate(mask) if on)
        direct = float(np.mean(values * cube[:, list(support)].prod(axis=1)))
        exact = constant_value(found.coefficients[support]) if support in found.coefficients else 0.0
        assert abs(exact - direct) < 1e-12


@pytest.mark.parametrize(
    ("text", "leap"),
    [
        ("z1 + z1*z2 + z1*z2*z3", 1),
        ("z1*z2*z3 + z1*z2 + z4", 2),
        ("z1 + z2*z3*z4", 3),
        ("z1*z2 + z2*z3", 2),
        ("He4(z1) + z2^2", None),
        ("tanh(z1) + tanh(-z1)", None),
        ("logistic(z1) + logistic(-z1)", None),
        ("sign(z1 + z2 + z3)", 1),
    ],
)
def test_merged_staircases_have_their_leap(text: str, leap: int | None) -> None:
    found = walsh_expansion(Target(text))
    assert (found.leap, found.exactness) == (leap, "exact")


def test_what_is_open_is_undecided_and_bad_input_refused() -> None:
    assert walsh_expansion(Target("sin(pi*z1)")).exactness == "undecided"
    wide = walsh_expansion(Target("+".join(f"tanh(z{i})" for i in range(1, 14))))
    assert wide.leap is None
    assert "12 variables" in wide.reason
    with pytest.raises(InputError, match="gram"):
        walsh_expansion(Target("z1*z2", gram=[["1", "1/2"], ["1/2", "1"]]))
    with pytest.raises(InputError, match="callable"):
        walsh_expansion(Target.from_function(lambda x: x[:, 0], 1))


def test_many_variables_are_expanded_as_a_polynomial() -> None:
    assert walsh_expansion(Target("*".join(f"z{i}" for i in range(1, 21)))).leap == 20


def test_products_of_the_same_constants_are_one_whatever_their_order() -> None:
    """(e^{−1} + e^{z1 − z2})^8 has nine terms at a vertex, not 256."""
    values = walsh_expansion("((exp(-z3^2) + exp(z1 - z2))^2)^4").coefficients
    mean = sum((math.exp(-1) + math.exp(x - y)) ** 8 for x in (1, -1) for y in (1, -1)) / 4
    assert constant_value(values[()]) == pytest.approx(mean, rel=1e-12)
    assert len(children(values[()])) <= 3 * 9
