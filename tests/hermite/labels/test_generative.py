"""Generative leap and grand staircase: the reference table, order relations, invariances."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from target_table import ROWS

from hermite import InputError, Target, generative, leap


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["target"])
def test_the_reference_table_is_met(row: dict[str, Any]) -> None:
    g = generative(Target(row["target"]))
    assert g.exponent == row["generative_exponent"]
    assert g.exactness in ("exact", "certified")
    assert g.staircase_proved
    assert g.grand_staircase_dims == (row["grand_staircase_dims"] or [0])
    assert g.trivial_subspace == (row["trivial_subspace"] or [])
    if g.exponent is not None:
        assert g.isotropic_leap is not None
        assert g.exponent <= g.isotropic_leap
        report = leap(Target(row["target"]))
        assert report.information_exponent <= report.leap_coordinates <= report.isotropic_leap


@pytest.mark.parametrize("text", ["z1*z2", "z1^3 - 3*z1", "z1 + He4(z2)", "sign(z1*z2)", "z1^2*exp(-z1^2)"])
def test_noise_and_injective_labels_change_nothing(text: str) -> None:
    plain = generative(Target(text))
    assert generative(Target(text, noise=0.5)).exponent == plain.exponent
    assert generative(Target(f"2*({text}) + 3")).exponent == plain.exponent
    assert generative(Target(f"-({text})")).grand_staircase_dims == plain.grand_staircase_dims


def test_rotations_turn_the_spaces() -> None:
    plain = generative(Target("z1 + He4(z2)"))
    turned = generative(Target("(3*z1 + 4*z2)/5 + He4((4*z1 - 3*z2)/5)"))
    assert turned.exponent == plain.exponent
    assert turned.grand_staircase_dims == plain.grand_staircase_dims
    assert turned.trivial_subspace == [["1", "4/3"]]


_TURNED = {"z1": "((3*z1 + 4*z2)/5)", "z2": "((4*z1 - 3*z2)/5)"}


@pytest.mark.parametrize(
    "text",
    [row["target"] for row in ROWS if row["r"] == 2 and row["relevant_dim"] and "erf" not in row["target"]]
    + ["tanh(z1*z2)", "z1^2*exp(-z1^2)", "sin(z1 + z2^2)", "z1^3 - 3*z1*z2^2"],
)
def test_every_exponent_is_that_of_the_rotated_target(text: str) -> None:
    plain = generative(Target(text))
    turned = generative(Target(re.sub(r"z[12]", lambda name: _TURNED[name.group()], text)))
    assert turned.bounds == plain.bounds
    assert turned.grand_staircase_dims == plain.grand_staircase_dims
    rotation = np.array([[0.6, 0.8], [0.8, -0.6]])
    for rows, others in zip(turned.grand_staircase, plain.grand_staircase, strict=True):
        if len(others) == 1:
            line = np.array([float(Fraction(x)) for x in rows[0]])
            expected = np.array([float(Fraction(x)) for x in others[0]]) @ rotation
            assert abs(np.cross(np.append(line, 0), np.append(expected, 0))).max() < 1e-12


def test_exponents_of_functions_of_a_gaussian_square_are_decided() -> None:
    assert generative(Target("(z1^2*exp(-z1^2))^2 + z1^2*exp(-z1^2)")).exponent == 4
    assert generative(Target("z1^2*exp(-2*z1^2)")).exponent == 2


def test_an_open_question_is_an_interval_with_a_reason() -> None:
    """Four variables inside a sine: no expansion, and too many for the boxes of level sets."""
    g = generative(Target("sin(z1*z2*z3 + z4)"))
    assert (g.exponent, g.bounds, g.exactness) == (None, [1, None], "undecided")
    assert g.reason
    assert not g.staircase_proved


def test_callables_are_refused() -> None:
    with pytest.raises(InputError, match="expression"):
        generative(Target.from_function(lambda x: x[..., 0], 1))


@pytest.mark.parametrize(
    ("text", "order"), [("z1^2*exp(-z1^2)", 4), ("z1^4 - 6*z1^2 + 3", 2), ("cos(z1)", 2)]
)
def test_conditional_moments_agree_with_monte_carlo(text: str, order: int) -> None:
    """Sum over bins of (mean He_k)² size/Var is χ² of the bins below the exponent and far above at it."""
    z = np.random.default_rng(1).standard_normal((1 << 19, 1))
    u = z[np.argsort(Target(text)(z)), 0].reshape(64, -1)
    for k in range(1, order + 1):
        he = np.polynomial.hermite_e.hermeval(u, [0] * k + [1])
        statistic = float(np.sum(he.mean(1) ** 2 / he.var(1) * he.shape[1]))
        score = (statistic - 64) / np.sqrt(2 * 64)
        assert (score > 20) if k == order else (abs(score) < 4.5)


def test_the_fourth_power_of_the_label_shows_what_three_do_not() -> None:
    """f = z1 (1 + z2 + z2 z3): E[f^m (z2 - z3)] is 0 for m <= 3 and -24 for m = 4, so that z2 - z3 is trivial too."""
    x, w = np.polynomial.hermite_e.hermegauss(16)
    w = w / w.sum()
    z1, z2, z3 = np.meshgrid(x, x, x, indexing="ij")
    weights = w[:, None, None] * w[None, :, None] * w[None, None, :]
    f = z1 + z1 * z2 + z1 * z2 * z3
    moments = [float(np.sum(weights * f**m * (z2 - z3))) for m in range(1, 5)]
    assert moments == pytest.approx([0, 0, 0, -24], abs=1e-8)
    z = np.random.default_rng(5).standard_normal((1 << 20, 3))
    labels = np.abs(Target("z1 + z1*z2 + z1*z2*z3")(z))
    seen = np.where(labels < 0.2, z[:, 1] - z[:, 2], 0.0)
    assert abs(seen.mean()) > 20 * seen.std() / 1024
