"""Activations by name are PyTorch's functions, and expressions of the language wherever it can write them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from asymptotics.expectations.activations import get_activation
from asymptotics.expectations.named_activations import activations
from hermite import Target, leap
from hermite.errors import InputError
from hermite.language.named import NAMED

X = np.linspace(-7, 7, 141) + 1e-3
SIGMOID, SOFTPLUS = special.expit(X), np.logaddexp(0, X)
#: The definitions of torch.nn, written by hand with SciPy.
VALUES = {
    "identity": X,
    "gelu": X * special.ndtr(X),
    "gelu_tanh": 0.5 * X * (1 + np.tanh(np.sqrt(2 / np.pi) * (X + 0.044715 * X**3))),
    "silu": X * SIGMOID,
    "swish": X * SIGMOID,
    "swish(x, 3/2)": X * special.expit(1.5 * X),
    "mish": X * np.tanh(SOFTPLUS),
    "leaky_relu": np.where(X > 0, X, 0.01 * X),
    "leaky_relu(slope=0.2)": np.where(X > 0, X, 0.2 * X),
    "leaky_relu(x - 1/2, 1/5)": np.where(X > 0.5, X - 0.5, 0.2 * (X - 0.5)),
    "prelu": np.where(X > 0, X, 0.25 * X),
    "squared_relu": np.maximum(X, 0) ** 2,
    "relu6": np.clip(X, 0, 6),
    "elu": np.where(X > 0, X, np.expm1(X)),
    "elu(x, alpha = 2)": np.where(X > 0, X, 2 * np.expm1(X)),
    "celu(x, 2)": np.where(X > 0, X, 2 * np.expm1(X / 2)),
    "celu": np.where(X > 0, X, np.expm1(X)),
    "selu": 1.0507009873554805 * np.where(X > 0, X, 1.6732632423543772 * np.expm1(X)),
    "hardtanh": np.clip(X, -1, 1),
    "hardtanh(x, -2, 1/2)": np.clip(X, -2, 0.5),
    "hardsigmoid": np.clip(X / 6 + 0.5, 0, 1),
    "hardswish": X * np.clip(X / 6 + 0.5, 0, 1),
    "softshrink": np.sign(X) * np.maximum(abs(X) - 0.5, 0),
    "hardshrink": np.where(abs(X) > 0.5, X, 0),
    "tanhshrink": X - np.tanh(X),
    "logsigmoid": np.log(SIGMOID),
    "arctan": np.arctan(X),
    "softsign": X / (1 + abs(X)),
}


@pytest.mark.parametrize("text", VALUES)
def test_a_name_is_the_function_that_people_mean_and_its_derivative(text: str) -> None:
    sigma = get_activation(text)
    np.testing.assert_allclose(sigma(X), VALUES[text], rtol=1e-12, atol=1e-12)
    h = 1e-6
    smooth = np.min(abs(X[:, None] - np.array([*sigma.kinks, 1e9])), axis=1) > 1e-4
    slope = (sigma(X + h) - sigma(X - h)) / (2 * h)
    np.testing.assert_allclose(sigma.derivative(X)[smooth], slope[smooth], atol=1e-7)


def test_every_name_is_checked() -> None:
    assert {text.split("(")[0] for text in VALUES} == set(NAMED)


def test_a_target_is_written_with_them_too() -> None:
    # gelu(z) = z/2 + an even part: its leap is 1, of z1*gelu(z2): c_(1,0) = E gelu ≠ 0.
    assert leap(Target("z1*gelu(z2)")).leap_index == 1
    assert Target("elu(z1, 2)").tree == Target("relu(z1) + 2*(exp(min(z1, 0)) - 1)").tree


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("elu(beta=2)", "no parameter"),
        ("gelu(slope=1)", "no parameters"),
        ("gelu(x, 1)", "takes gelu\\(x\\)"),
        ("hardtanh(x, 1, 1)", "low < high"),
        ("celu(x, 0)", "greater than 0"),
        ("softshrink(x, -1/2)", "at least 0"),
        ("leaky_relu(x, pi)", "rational constants"),
        ("leaky_relu(x, x)", "rational constants"),
        ("gleu", "did you mean gelu"),
        ("SiLU", "did you mean silu"),
        ("softsign(2*x)", "by its bare name"),
        ("leaky_relu(" * 60 + "x" + ")" * 60, "once written out"),
        ("swish(" * 12 + "x" + ")" * 12, "too large"),
    ],
)
def test_what_a_name_does_not_take_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        get_activation(text)


def test_the_table_shows_proved_zeros_and_the_orders_that_are_missed() -> None:
    rows = {row.name: row for row in activations()}
    assert rows["gelu"].coefficients[0] == pytest.approx(1 / (2 * np.sqrt(np.pi)), rel=1e-12)
    assert rows["gelu"].coefficients[3] == 0.0
    assert rows["gelu"].misses == "odd orders from 3 on"
    assert rows["mish"].misses is None
    assert rows["softsign"].misses == rows["hardtanh"].misses == "even orders"
    assert rows["He2"].misses == "odd orders, orders above 2"
    # c_1(arctan) = E 1/(1 + x²) = √(π/2) e^(1/2) erfc(1/√2).
    exact = np.sqrt(np.pi / 2) * np.exp(0.5) * special.erfc(np.sqrt(0.5))
    assert rows["arctan"].coefficients == pytest.approx(
        (0, exact, 0, rows["arctan"].coefficients[3]), rel=1e-12
    )
    x, w = np.polynomial.hermite_e.hermegauss(180)
    for row in rows.values():
        sigma = get_activation(row.name)
        smooth = not sigma.kinks and row.name != "softsign"
        for k, c in enumerate(row.coefficients):
            he = np.polynomial.hermite_e.hermeval(x, np.eye(4)[k])
            assert c == pytest.approx(w @ (sigma(x) * he) / w.sum(), abs=1e-7 if smooth else 0.1), row.name


@pytest.mark.parametrize("name", ["arctan", "softsign", "hardtanh", "softshrink"])
def test_an_odd_activation_by_name_warns_of_even_orders(name: str) -> None:
    warnings = leap(Target("He2(z1) + z1*z2"), activation=name).warnings
    assert any("c_2 = 0" in text for text in warnings)
    assert any("is odd" in text for text in warnings)


def test_a_coefficient_that_almost_cancels_is_the_exact_one() -> None:
    """selu's two constants make its mean 0 to their own 32 digits; doubles would leave 6e-17."""
    (selu,) = (row for row in activations() if row.name == "selu")
    assert abs(selu.coefficients[0]) < 1e-31
    (relu6,) = (row for row in activations() if row.name == "relu6")
    # E relu6 He3 = (He_1(0) φ(0) − He_1(6) φ(6)) = −6 φ(6).
    assert relu6.coefficients[3] == pytest.approx(-6 * np.exp(-18) / np.sqrt(2 * np.pi), rel=1e-13)
