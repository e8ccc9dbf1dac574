"""Trees as functions: values, derivatives, substitution, printing, other array namespaces."""

from __future__ import annotations

import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest
from scipy import special

from hermite.errors import InputError
from hermite.language import expressions as ex
from hermite.language.parsing import parse
from hermite.language.printing import to_latex

RNG = np.random.default_rng(7)
Z = RNG.standard_normal((400, 3))

VALUES = {
    "z1 + z1*z2 + z1*z2*z3": Z[:, 0] * (1 + Z[:, 1] * (1 + Z[:, 2])),
    "-z1^2/3": -(Z[:, 0] ** 2) / 3,
    "He5(z1)": special.eval_hermitenorm(5, Z[:, 0]),
    "He3(2*z1 - z2)": special.eval_hermitenorm(3, 2 * Z[:, 0] - Z[:, 1]),
    "relu(z1)": np.maximum(Z[:, 0], 0),
    "abs(z1*z2)": abs(Z[:, 0] * Z[:, 1]),
    "sign(z1)*Heaviside(z2)": np.sign(Z[:, 0]) * np.heaviside(Z[:, 1], 0.5),
    "max(z1, z2, 1/2) - min(z1, z3)": np.maximum(np.maximum(Z[:, 0], Z[:, 1]), 0.5)
    - np.minimum(Z[:, 0], Z[:, 2]),
    "exp(-z1^2)*sin(z2) + cos(pi*z3)": np.exp(-(Z[:, 0] ** 2)) * np.sin(Z[:, 1]) + np.cos(np.pi * Z[:, 2]),
    "tanh(z1) + erf(z2)": np.tanh(Z[:, 0]) + special.erf(Z[:, 1]),
    "logistic(3*z1)": special.expit(3 * Z[:, 0]),
    "softplus(z1)": np.logaddexp(0, Z[:, 0]),
    "z1*sqrt(2)/(2*sqrt(2*pi)) + exp(1/2)": Z[:, 0] / (2 * np.sqrt(np.pi)) + np.exp(0.5),
    "7": np.full(len(Z), 7.0),
    "sqrt((z1-z2)^2)": abs(Z[:, 0] - Z[:, 1]),
    "z2^0": np.ones(len(Z)),
}


@pytest.mark.parametrize("text", VALUES)
def test_values_are_those_of_numpy(text: str) -> None:
    tree = parse(text)
    np.testing.assert_allclose(ex.compile_numpy(tree)(Z), VALUES[text], rtol=1e-12, atol=1e-14)
    single = ex.compile_numpy(tree)(Z.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, VALUES[text], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("text", VALUES)
def test_values_in_the_array_api_are_those_of_numpy(text: str) -> None:
    xp = pytest.importorskip("array_api_strict")
    value = ex.compile_array(parse(text), xp)(xp.asarray(Z))
    np.testing.assert_allclose(np.asarray(value), VALUES[text], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("text", VALUES)
def test_values_in_torch_are_those_of_numpy(text: str) -> None:
    torch = pytest.importorskip("torch")
    value = ex.compile_array(parse(text), torch)(torch.asarray(Z.astype(np.float32)))
    assert value.dtype == torch.float32
    np.testing.assert_allclose(value.numpy(), VALUES[text], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (0,)])
def test_any_shape_is_evaluated(shape: tuple[int, ...]) -> None:
    x = RNG.standard_normal(shape)
    function = ex.compile_numpy(parse("relu(x - 7/10)", activation=True))
    value = function(x[..., None])
    assert value.shape == shape
    np.testing.assert_array_equal(value, np.maximum(x - 0.7, 0))


def test_nothing_overflows_on_the_way_to_a_finite_value() -> None:
    x = np.array([[-1e4], [-800.0], [0.0], [800.0], [1e4]])
    np.testing.assert_allclose(ex.compile_numpy(parse("logistic(z1)"))(x), [0, 0, 0.5, 1, 1], atol=1e-300)
    np.testing.assert_allclose(
        ex.compile_numpy(parse("softplus(z1)"))(x), [0, 0, np.log(2), 800, 1e4], atol=1e-300
    )
    np.testing.assert_array_equal(ex.compile_numpy(parse("exp(-z1^2)"))(x), [0, 0, 1, 0, 0])
    assert ex.compile_numpy(parse("logistic(z1)"))(np.array([[-50.0]]))[0] == pytest.approx(
        np.exp(-50), rel=1e-12
    )
    assert np.isnan(ex.compile_numpy(parse("relu(z1)"))(np.array([[np.nan]])))[0]


def test_long_polynomial_equals_term_by_term() -> None:
    powers = RNG.integers(0, 6, (3000, 3))
    numerators = RNG.integers(-9, 10, 3000)
    text = "+".join(f"({c})/7*z1^{a}*z2^{b}*z3^{d}" for c, (a, b, d) in zip(numerators, powers, strict=True))
    expected = sum(
        c / 7 * Z[:, 0] ** a * Z[:, 1] ** b * Z[:, 2] ** d
        for c, (a, b, d) in zip(numerators, powers, strict=True)
    )
    value = ex.compile_numpy(parse(text + "+ tanh(z1) + He3(z2)"))(Z)
    expected = expected + np.tanh(Z[:, 0]) + special.eval_hermitenorm(3, Z[:, 1])
    np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-8 * abs(expected).max())


def test_blocks_do_not_show() -> None:
    z = RNG.standard_normal((200_003, 2))
    np.testing.assert_array_equal(
        ex.compile_numpy(parse("z1*z2 + relu(z1)"))(z), z[:, 0] * z[:, 1] + np.maximum(z[:, 0], 0)
    )


def test_a_constant_beyond_floats_is_refused() -> None:
    with pytest.raises(InputError, match="64-bit float"):
        ex.compile_numpy(parse("1e350*z1"))


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize(
    "text", [*VALUES, "(z1^2 - z2)^3*tanh(z1*z2)", "erf(z1/2)*logistic(z2-z3)", "max(z1^2, z2*z3)"]
)
def test_derivatives_are_those_of_differences(text: str, index: int) -> None:
    tree = parse(text)
    f, step = ex.compile_numpy(tree), 1e-6
    shift = np.zeros(3)
    shift[index] = step
    slope = (f(Z + shift) - f(Z - shift)) / (2 * step)
    value = ex.compile_numpy(ex.differentiate(tree, index))(Z)
    kink = abs(f(Z + shift) - 2 * f(Z) + f(Z - shift)) > 1e-8 * (1 + abs(slope))
    assert kink.mean() < 0.01
    np.testing.assert_allclose(value[~kink], slope[~kink], rtol=2e-5, atol=1e-6 * (1 + abs(slope).max()))


def test_a_wrong_derivative_is_caught() -> None:
    value = ex.compile_numpy(ex.differentiate(parse("tanh(z1)*z2"), 1))(Z)
    assert not np.allclose(value, 1 - np.tanh(Z[:, 0]) ** 2, rtol=1e-2)


def test_substitution_changes_the_variables() -> None:
    tree = parse("z1^2 + sin(z3)")
    assert ex.variables_of(tree) == {0, 2}
    assert ex.substitute(tree, {0: parse("z1+z2"), 2: ex.Number(Fraction(0))}) == parse("(z1+z2)^2")
    assert ex.substitute(parse("z1*z2"), {0: ex.Variable(1), 1: ex.Variable(0)}) == parse("z2*z1")


@pytest.mark.parametrize(
    "text", [*VALUES, "z1-(z2-z3)", "-(1/2)*z1 - 3", "2*(-3/4*z1)^2", "1/pi^2*z1", "He0(z4)"]
)
def test_text_reads_back(text: str) -> None:
    tree = parse(text)
    again = parse(ex.to_text(tree))
    assert ex.to_text(again) == ex.to_text(tree)
    np.testing.assert_allclose(
        ex.compile_numpy(again)(np.tile(Z, (1, 2))),
        ex.compile_numpy(tree)(np.tile(Z, (1, 2))),
        rtol=1e-13,
        atol=1e-14,
    )


def test_text_names_the_variables() -> None:
    assert ex.to_text(parse("b^2 - a", variables=("a", "b")), ("a", "b")) == "b^2 - a"


def test_latex_is_written_as_on_paper() -> None:
    names = ("z1", "z2")
    assert to_latex(parse("z1/2 - z2^2"), names) == r"\frac{1}{2} z_{1} - z_{2}^{2}"
    assert (
        to_latex(parse("He2(z1)/(2*sqrt(2*pi))"), names) == r"\mathrm{He}_{2}(z_{1}) \frac{1}{2 \sqrt{2 \pi}}"
    )
    assert to_latex(parse("-relu(z1)*2^3"), names) == r"-8 \mathrm{relu}(z_{1})"


def test_equal_expressions_have_equal_hashes_and_copies() -> None:
    tree = parse("relu(1+2*" * 200 + "z1" + ")" * 200)
    same = parse("relu(1+2*" * 200 + "z1" + ")" * 200)
    assert tree == same
    assert hash(tree) == hash(same)
    assert tree != parse("z1")
    assert tree != "z1"
    assert pickle.loads(pickle.dumps(tree)) == tree  # noqa: S301
    assert copy.copy(tree) == tree
    with pytest.raises(AttributeError):
        tree.name = "abs"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text",
    [
        "tanh(x)^2 + x",
        "3",
        "exp(-x^2)*erf(x)",
        "max(x, x^2, 1/2)",
        "+".join(f"x^{k}/{k}" for k in range(1, 20)),
    ],
)
def test_expressions_evaluated_together_are_those_evaluated_alone(text: str) -> None:
    tree = parse(text, activation=True)
    slope = ex.differentiate(tree, 0)
    z = np.linspace(-2, 2, 301).reshape(7, 43, 1)
    value, gradient = ex.compile_together(tree, slope)(z)
    np.testing.assert_array_equal(value, ex.compile_numpy(tree)(z))
    np.testing.assert_array_equal(gradient, ex.compile_numpy(slope)(z))
