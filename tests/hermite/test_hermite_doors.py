"""What users hand in and take away: text, SymPy objects, wrong types; pickles, copies and strict JSON of results."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import sympy

from hermite import InputError, Target, expand, hardness, leap
from hermite.exact.effort import Exhausted, Memo, allowance, spend, spent
from hermite.exact.scalars import Scalar
from hermite.inputs.biased import biased_staircase
from hermite.inputs.walsh import walsh_expansion
from hermite.labels.generative_leap import generative

_z1, _z2 = sympy.symbols("z1 z2")
_QUERIES: tuple[Callable[..., Any], ...] = (
    leap, expand, hardness, generative, biased_staircase, walsh_expansion,
)  # fmt: skip


@pytest.mark.parametrize("query", _QUERIES)
def test_text_is_a_target_and_other_things_are_refused_in_one_sentence(query: Callable[..., Any]) -> None:
    query("z1*z2")
    for wrong in (None, 5, ["z1"], b"z1", lambda z: z, Target):
        with pytest.raises(InputError, match="must be a Target or text"):
            query(wrong)


@pytest.mark.parametrize("wrong", [5, 2.5, True, b"x", None.__class__])
def test_variables_that_are_no_names_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match="variables must be"):
        Target("x", variables=wrong)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (_z1 + _z1 * _z2, "z1 + z1*z2"),
        (sympy.Max(_z1, 0) * sympy.Abs(_z2), "abs(z2)*max(0, z1)"),
        (sympy.E * _z1**2 / sympy.sqrt(2), "exp(1)*z1^2*sqrt(2)/2"),
        (sympy.exp(-(_z1**2) / 2) + sympy.Rational(1, 3), "exp(-z1^2/2) + 1/3"),
        (sympy.tanh(sympy.Min(_z1, sympy.pi)), "tanh(min(pi, z1))"),
    ],
)
def test_sympy_expressions_are_read_as_text(given: Any, text: str) -> None:
    a, b = expand(Target(given), 4), expand(Target(text), 4)
    assert a.series.keys() == b.series.keys()
    assert all(Scalar.of(a.series[k] - b.series[k]).is_zero() for k in a.series)


@pytest.mark.parametrize(
    "given", [sympy.Symbol("y"), _z1 > 0, sympy.Function("g")(_z1), sympy.Matrix([1]), 1 / _z1, sympy.zoo]
)
def test_sympy_beyond_the_language_is_refused_in_one_sentence(given: Any) -> None:
    with pytest.raises(InputError):
        Target(given)


def test_sympy_is_never_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("evaluated")

    for name in ("sympify", "lambdify", "parse_expr"):
        monkeypatch.setattr(sympy, name, forbidden)
    assert Target(_z1 * _z2).r == 2


@pytest.mark.parametrize("half", [sympy.Rational(1, 2), sympy.Float(0.5), Decimal("0.5"), "1/2", 0.5])
def test_entries_of_a_gram_matrix_come_in_every_exact_type(half: Any) -> None:
    one = sympy.Integer(1)
    assert Target("z1*z2", gram=[[one, half], [half, one]]) == Target("z1*z2", gram=[[1, "1/2"], ["1/2", 1]])


def test_a_sympy_matrix_is_a_gram_matrix_if_it_is_rational() -> None:
    half = sympy.Rational(1, 2)
    target = Target("z1*z2", gram=sympy.Matrix([[1, half], [half, 1]]))
    assert target == Target("z1*z2", gram=[[1, "1/2"], ["1/2", 1]])
    with pytest.raises(InputError, match="must be a rational number"):
        Target("z1*z2", gram=sympy.Matrix([[1, sympy.sqrt(2) / 2], [sympy.sqrt(2) / 2, 1]]))


@pytest.mark.parametrize(
    "text", ["z1 + z1*z2", "tanh(z1)*z2", "sin(z1^2)", "relu(z1) + z2", "tanh(z1*z2*z1)"]
)
def test_expansions_are_pickled_and_copied(text: str) -> None:
    own = expand(text, 3)
    for other in (pickle.loads(pickle.dumps(own)), copy.deepcopy(own), copy.copy(own)):  # noqa: S301
        assert other.to_dict() == own.to_dict()


def test_reports_with_a_gram_matrix_are_pickled() -> None:
    report = leap(Target("z1 + z1*z2", gram=[[1, "1/2"], ["1/2", 1]]))
    again = pickle.loads(pickle.dumps(report))  # noqa: S301
    assert again.to_dict() == report.to_dict()
    assert [basis.tolist() for basis in again.staircase.bases] == [
        basis.tolist() for basis in report.staircase.bases
    ]


@pytest.mark.parametrize(
    "text", ["1e300*z1*z2", "(1e200*z1)^2", "1e-300*z1", "exp(20*z1)", "sign(z1*z2*z3)", "3"]
)
def test_documents_are_strict_json(text: str) -> None:
    for query in (leap, expand, hardness):
        json.dumps(query(text).to_dict(), allow_nan=False)


@pytest.mark.parametrize("radicand", [2**127 - 1, (2**89 - 1) * (2**107 - 1) * 12, 10**300 + 39, 10**399])
def test_roots_of_long_radicands_are_numbers_without_being_factored(radicand: int) -> None:
    root = Scalar.sqrt(radicand)
    assert (root * root - radicand).is_zero() is True
    assert root.sign() == 1


def test_work_beyond_the_allowance_is_refused_and_an_inner_one_counts_on_its_own() -> None:
    with allowance(10):
        spend(8)
        with allowance(5):
            spend(5)
        with pytest.raises(Exhausted), allowance(100, fresh=False):
            spend(3)
    spend(10**9)


@pytest.mark.parametrize("text", ["sin(z2^40)", "min(z1,(He10(7 - z1))^2)", "tanh(He5(z1))*sin(z1^3)"])
def test_an_answer_does_not_depend_on_what_was_asked_before(text: str) -> None:
    first = leap(text).to_dict()
    expand(text)
    generative(text)
    assert leap(text).to_dict() == first


def test_what_is_kept_costs_the_same_whenever_it_is_asked_for() -> None:
    """Each part once a question, whether it was worked out there, before, or inside something else."""
    inner, outer = Memo[int](10), Memo[int](10)

    def small() -> int:
        spend(3)
        return 1

    def large() -> int:
        spend(5)
        return inner.get("small", small) + inner.get("small", small)

    costs = []
    for ask in ("large", "large", "both", "small", "both"):
        with allowance(100):
            if ask in ("small", "both"):
                inner.get("small", small)
            if ask in ("large", "both"):
                assert outer.get("large", large) == 2
            costs.append(spent())
    assert costs == [8, 8, 8, 3, 8]


def test_biases_seeds_and_names_of_numpy_are_read_or_refused_in_one_sentence() -> None:
    assert leap("z1^2", activation="tanh", bias=np.float32(0.5)) == leap("z1^2", activation="tanh", bias=0.5)  # type: ignore[arg-type]
    assert biased_staircase("z1*z2", seed=np.int64(3)) == biased_staircase("z1*z2", seed=3)  # type: ignore[arg-type]
    for wrong in (np.zeros((2, 2)), "1", 1j, None, -1, float("nan"), True):
        with pytest.raises(InputError, match="bias must be a finite number of at least 0"):
            leap("z1", bias=wrong)  # type: ignore[arg-type]
    assert Target("z1", variables=np.array("z1")).variables == ("z1",)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="ASCII names"):
        Target("z1", variables=np.array(3))  # type: ignore[arg-type]
