"""Targets: what is accepted, the Gram matrix, and the proof that E f^2 is finite."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest

from hermite.errors import InputError
from hermite.language.parsing import parse
from hermite.target import Target

FINITE = [
    "7",
    "z1^200",
    "exp(z1)",
    "exp(z1^2/5)",
    "exp(24/100*z1^2)",
    "exp(-z1^2)",
    "exp(-z1^4)",
    "exp(z1^2-z1^4)",
    "exp(-(z1^2-1)^2)",
    "exp(-(z1^2+z2^2)^2)",
    "exp(-(z1-z2)^4)",
    "exp(z1*z2-z1^4-z2^4)",
    "exp(z1*z2/3)",
    "exp(He2(z1)/5)",
    "exp(-(z1+z2)^2)",
    "exp(sin(z1))",
    "exp(tanh(z1)^3*z2)",
    "exp(relu(z1))",
    "exp(abs(z1)+abs(z2))*z1",
    "exp(softplus(z1)-z2)",
    "exp(relu(z1)^2/5)",
    "exp(max(z1,z2)^2/5)",
    "exp(abs(z1)*z2/5)",
    "exp(-abs(z1)^3)",
    "exp(-exp(z1))",
    "exp(exp(-z1^2))",
    "exp(exp(-exp(z1)))",
    "exp(z1^2)*exp(-z1^2)",
    "exp(z1^2/9)^2",
    "exp(z1^2/(2*pi))",
    "sin(exp(z1^2))",
    "tanh(exp(z1^4))*z2",
    "relu(exp(z1))*z2^3",
    "logistic(exp(z1^2))*exp(z1)",
    "relu(z1)-z1/2-He2(z1)/(2*sqrt(2*pi))",
    "softplus(tanh(z1*z2*z3))",
]
NOT_PROVED = [
    "exp(z1^2)",
    "exp(z1^2/4)",
    "exp(z1^4)",
    "exp(z1^3)",
    "exp(-z1^3)",
    "exp(exp(z1))",
    "exp(z1*z2)",
    "exp(z1*z2/2)",
    "exp(z1*z2*z3)",
    "exp((z1+z2)^2/8)",
    "exp(z1^2/pi)",
    "exp(z1^2/5)^2",
    "exp(z1^2/5)*exp(z1^2/5)",
    "exp(z1^2/9)+exp(z1^2)",
    "exp(relu(z1)^2)",
    "exp(abs(z1)^3)",
    "exp(-z1^2*z2^2+z2^2)",
    "exp(z1^2*tanh(z1))",
    "exp(max(z1,z1^2))",
    "exp(-min(z1,-z1^2))",
    "relu(exp(z1^2))",
    "He3(exp(z1^2/5))",
    "softplus(exp(exp(z1)))",
    "exp(-sin(z1)*z1^4)",
    "exp(exp(-10^10)*z1^4)",
    "exp((pi-pi)*z1^4)",
]


@pytest.mark.parametrize("text", FINITE)
def test_finite_second_moment_is_proved(text: str) -> None:
    assert Target(text).text == text


@pytest.mark.parametrize("text", NOT_PROVED)
def test_what_is_not_proved_to_have_a_second_moment_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"E f\^2 could not be proved finite") as caught:
        Target(text)
    assert len(caught.value.problems) == 1
    assert str(caught.value).isascii()


def test_second_moments_are_finite_in_the_metric_of_the_gram_matrix() -> None:
    # exp(c u1 u2): the density of u has precision G^-1, and G^-1/2 - 2Q must be positive definite
    Target("exp(z1*z2/3)", gram=[["1", "-1/2"], ["-1/2", "1"]])
    with pytest.raises(InputError, match=r"E f\^2"):
        Target("exp(z1*z2/3)", gram=[["1", "1/2"], ["1/2", "1"]])
    Target("exp(z1^2)", gram=[["1/5"]])
    with pytest.raises(InputError, match=r"E f\^2"):
        Target("exp(z1^2)", gram=[["1/4"]])
    with pytest.raises(InputError, match=r"E f\^2"):
        Target("exp(z1^2/5)", gram=[[2]])


@pytest.mark.parametrize("text", [t for t in FINITE if "z1^200" not in t and "24/100" not in t])
def test_proved_targets_stay_below_the_density(text: str) -> None:
    """f^2 times the Gaussian density tends to 0 along rays: a wrong rule would blow up somewhere."""
    f = Target(text)
    directions = np.random.default_rng(3).standard_normal((200, f.r))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        log_f = np.log(np.abs(f(12.0 * directions)) + 1e-300)
    assert np.all(2 * log_f - 72 < 0)


@pytest.mark.parametrize(
    ("text", "r"), [("7", 1), ("z1", 1), ("z1+z3-z3", 3), ("0*z4", 4), ("z2", 2), ("He0(z3)+z1^0", 3)]
)
def test_r_is_the_highest_index_named(text: str, r: int) -> None:
    f = Target(text)
    assert f.r == r
    assert f.variables == tuple(f"z{i + 1}" for i in range(r))


def test_variables_have_the_names_that_are_given() -> None:
    f = Target("y - x", variables=("x", "y", "unused"))
    assert f.r == 3
    assert f.tree == parse("z2 - z1")
    np.testing.assert_array_equal(f(np.array([[1.0, 3.0, 9.0]])), [2.0])
    with pytest.raises(InputError, match="variables are x, y"):
        Target("z1", variables=("x", "y"))


@pytest.mark.parametrize("noise", [float("nan"), float("inf"), -1, -1e-300, "1", None, True, [1]])
def test_noise_is_finite_and_non_negative(noise: object) -> None:
    with pytest.raises(InputError, match="noise"):
        Target("z1", noise=noise)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("gram", "words"),
    [
        ([[1, 2], [2, 1]], "positive definite"),
        ([[1, 1], [1, 1]], "positive definite"),
        ([[0, 0], [0, 1]], "positive definite"),
        ([[1, "1/2"], ["1/3", 1]], "symmetric"),
        ([[1]], "2 x 2"),
        ([[1, 0], [0]], "2 x 2"),
        (3, "2 x 2"),
        ("12", "2 x 2"),
        ([["1", "a"], ["a", "1"]], "rational"),
        ([["1", "sqrt(2)"], ["sqrt(2)", "3"]], "rational"),
        ([[1, float("nan")], [float("nan"), 1]], "rational"),
        ([[True, 0], [0, 1]], "rational"),
        ([[1, None], [None, 1]], "rational"),
    ],
)
def test_gram_is_refused_in_one_sentence(gram: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Target("z1*z2", gram=gram)
    assert len(caught.value.problems) == 1


def test_gram_is_exact_and_used() -> None:
    f = Target("z1*z2", gram=[[1, 0.1], ["1/10", Fraction(1)]], noise=0.25)
    assert f.gram == ((Fraction(1), Fraction(1, 10)), (Fraction(1, 10), Fraction(1)))
    np.testing.assert_allclose(f.cholesky @ f.cholesky.T, [[1, 0.1], [0.1, 1]])
    x = np.random.default_rng(0).standard_normal((50, 2))
    u = x @ f.cholesky.T
    np.testing.assert_allclose(f(x), u[:, 0] * u[:, 1])
    assert f(x.astype(np.float32)).dtype == np.float32
    assert f.noise == 0.25
    assert Target("z1*z2", gram=np.eye(2)).gram == Target("z1*z2", gram=[[1, 0], [0, 1]]).gram


def test_positive_definiteness_is_exact() -> None:
    third = [["1", "1/3"], ["1/3", "1/9"]]
    with pytest.raises(InputError, match="positive definite"):
        Target("z1*z2", gram=third)
    third[1][1] = "1/9+1e-30"
    assert Target("z1*z2", gram=third).gram is not None


def test_content_decides_equality() -> None:
    f = Target("z1+z1*z2", gram=[[1, 0], [0, 2]], noise=0.5)
    assert f == Target("z1 + z1 * z2", gram=[["1", "0"], ["0", "2.0"]], noise=0.5)
    assert hash(f) == hash(Target("z1 + z1 * z2", gram=[["1", "0"], ["0", "2.0"]], noise=0.5))
    assert f != Target("z1+z1*z2", noise=0.5)
    assert f != Target("z1+z1*z2", gram=[[1, 0], [0, 2]])
    assert pickle.loads(pickle.dumps(f)) == f  # noqa: S301
    named = Target("b*a", variables=("a", "b"))
    assert pickle.loads(pickle.dumps(named)) == named  # noqa: S301
    with pytest.raises(AttributeError):
        f.noise = 3.0  # type: ignore[misc]


def test_a_tree_is_a_target_too() -> None:
    tree = parse("relu(x - 7/10)", activation=True)
    assert Target(tree).tree == tree
    assert Target(tree, variables=("x",)).text == "relu(x - 7/10)"


def first(x: np.ndarray) -> np.ndarray:
    return x[:, 0]


def test_a_function_becomes_a_target() -> None:
    f = Target.from_function(first, 2, noise=0.1)
    assert not f.is_symbolic
    assert f.tree is None
    assert f.r == 2
    x = np.ones((4, 2))
    np.testing.assert_array_equal(f(x), np.ones(4))
    assert pickle.loads(pickle.dumps(f)) == f  # noqa: S301
    for bad in (0, 21, 1.5, True):
        with pytest.raises(InputError, match="r must be"):
            Target.from_function(first, bad)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="g must be"):
        Target.from_function(3, 1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="must map"):
        Target.from_function(lambda z: z, 2)(x)


def test_x_has_one_row_a_point_and_a_target_is_shown_as_text() -> None:
    f = Target("z1 + relu(z2)", noise=0.5)
    with pytest.raises(InputError, match=r"\(N, 2\)"):
        f(np.ones((3, 3)))
    assert repr(f) == "Target('z1 + relu(z2)', noise=0.5)"
    assert f._repr_latex_() == r"$f^*(z) = z_{1} + \mathrm{relu}(z_{2})$"
    assert f.is_symbolic
    assert not f.is_polynomial
    assert Target("z1*He3(z2)").is_polynomial
