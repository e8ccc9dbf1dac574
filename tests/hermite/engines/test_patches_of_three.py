"""Functions of three directions that are no products: certified sums over cells against a grid of the whole space."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from hermite import Target, expand, leap
from hermite.engines.cubature import moments
from hermite.language.parsing import parse


def on_a_grid(text: str, alpha: tuple[int, int, int], step: float = 0.125, end: float = 7.0) -> float:
    """The trapezoid rule in three directions: good to 1e-4 for what is smooth on the scale of its step."""
    x = np.arange(-end, end + step / 2, step)
    rows = [
        np.exp(-x * x / 2) / math.sqrt(2 * math.pi) * step * special.eval_hermitenorm(k, x) for k in alpha
    ]
    points = np.stack(np.meshgrid(x, x, x, indexing="ij"), axis=-1).reshape(-1, 3)
    values = Target(text)(points).reshape((len(x),) * 3)
    return float(np.einsum("abc,a,b,c->", values, *rows))


@pytest.mark.parametrize(
    ("text", "alphas"),
    [
        ("tanh(z1*z2 + z3)", [(0, 0, 1), (1, 1, 0), (0, 0, 3)]),
        ("tanh(z1*z2*z3)", [(1, 1, 1)]),
        ("cos(z1 + z2*z3)", [(0, 0, 0), (2, 0, 0), (1, 1, 1)]),
        ("exp(-(z1^2 + z2^2 + z3^2)*z1^2)", [(0, 0, 0), (2, 0, 0), (0, 2, 0)]),
        ("z2*logistic(z1*z3 - z2)", [(0, 0, 0), (0, 1, 0), (1, 1, 1)]),
    ],
)
def test_coefficients_of_composites_of_three_directions_are_those_of_a_grid(text, alphas) -> None:
    e = expand(text, 3)
    assert e.exactness == "certified"
    for alpha in alphas:
        value = on_a_grid(text, alpha)
        assert abs(e.value(alpha) - value) < 1e-4 + e.error(alpha)
        # The stated error says something, and the value is there.
        assert 0 < e.error(alpha) < 0.05
        assert abs(value) > 1e-3


@pytest.mark.parametrize(
    ("text", "index", "isotropic", "dims"),
    [
        ("tanh(z1*z2 + z3)", 1, 2, (0, 1)),
        ("tanh(z1 + z2*z3)", 1, 2, (0, 1)),
        ("tanh(z1*z2*z3)", 3, 3, (0,)),
        ("sin(z1*z2 + z3)", 1, 2, (0, 1)),
        ("max(tanh(z1*z2), tanh(z3))", 1, 2, (0, 1)),
        ("relu(z1*z2 + z3)", 1, 2, (0, 1)),
        ("tanh(z1 + z1*z2*z3)", 1, 2, (0, 1)),
    ],
)
def test_leaps_of_composites_of_three_directions_are_decided(text, index, isotropic, dims) -> None:
    report = leap(text)
    assert (report.exactness, report.relevant_dim, report.information_exponent) == ("certified", 3, index)
    assert (report.isotropic_leap, report.staircase.dims) == (isotropic, dims)


def test_what_only_integrals_know_is_certified_also_where_its_low_orders_vanish() -> None:
    """tanh(z1 z2 z3) has no order below 3, all of which symmetry proves: its third is an integral all the same."""
    assert expand("tanh(z1*z2*z3)", 3).exactness == leap("tanh(z1*z2*z3)").exactness == "certified"


@pytest.mark.parametrize(("text", "sign"), [("tanh(x1*x2)", -1), ("cos(x1*x2)", 1), ("sin(x1^3)*x2^2", None)])
def test_half_an_axis_is_enough_where_its_reflection_is_known(text: str, sign: int | None) -> None:
    tree = parse(text.replace("x", "z"))
    mirrors = {0: -1, 1: 1} if sign is None else {0: sign, 1: sign}
    whole, half = moments(tree, 2, 6), moments(tree, 2, 6, mirrors)
    assert abs(whole.table - half.table).max() <= whole.error + half.error
    assert abs(half.size / whole.size - 1) < 1e-9
    assert half.error < 1e-6 * half.size
