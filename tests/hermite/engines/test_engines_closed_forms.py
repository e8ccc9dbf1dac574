"""Nested kinks, waves, Gaussians and correlated signs: against quadrature, classical formulas and proved identities."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import acos, asin, pi, prod, sqrt

import mpmath
import numpy as np
import pytest
import sympy

from hermite import Target, expand, leap
from hermite.engines import engine_for
from hermite.engines.polar import arctan_root

NESTED = {
    "min(max(z1, -1), 1)": (lambda x: min(max(x, -1), 1), [-1, 1]),
    "relu(relu(z1) - 1/2)": (lambda x: max(max(x, 0) - 0.5, 0), [0, 0.5]),
    "abs(abs(z1) - 1)^3": (lambda x: abs(abs(x) - 1) ** 3, [-1, 0, 1]),
    "relu(z1^2 - 2)": (lambda x: max(x**2 - 2, 0), [-mpmath.sqrt(2), mpmath.sqrt(2)]),
    "max(z1, 2*z1 - 1, -z1)": (lambda x: max(x, 2 * x - 1, -x), [0, 1]),
    "tanh(abs(z1) - 1)": (lambda x: mpmath.tanh(abs(x) - 1), [0]),
    "exp(-abs(z1 - 1))": (lambda x: mpmath.exp(-abs(x - 1)), [1]),
    "relu(tanh(z1 - 1))": (lambda x: max(mpmath.tanh(x - 1), 0), [1]),
    "cos(relu(z1))": (lambda x: mpmath.cos(max(x, 0)), [0]),
}


@pytest.mark.parametrize("text", NESTED)
def test_nested_kinks_are_those_of_quadrature(text: str) -> None:
    u, kinks = NESTED[text]
    e = expand(Target(text), order=4)
    points = sorted({-12, *kinks, *range(-9, 10, 3), 12})
    for n in range(5):
        value = mpmath.quad(
            lambda x, n=n: (
                u(x) * mpmath.hermite(n, x / mpmath.sqrt(2)) * mpmath.mpf(2) ** (-n / 2) * mpmath.npdf(x)
            ),
            points,
        )
        assert e.value((n,)) == pytest.approx(float(value), abs=1e-11)


SMOOTH = [
    "cos(z1)*cos(z1 + z2)",
    "sin(z1)*sin(z2)*sin(z1 + z2)*z2",
    "exp(z1*z2/10)",
    "exp(-z1^2/4 - z1*z2/8 - z2^2/4)*z1*cos(z1 - z2 + 1)",
    "exp(z1/2)*sin(2*z1 - z2)",
    "tanh(z1)*cos(z1/2 + z2)",
    "erf(z1 + z2/2)*z1*z2",
]


@pytest.mark.parametrize("gram", [None, [["1", "1/2"], ["1/2", "1"]]], ids=["orthonormal", "gram"])
@pytest.mark.parametrize("text", SMOOTH)
def test_smooth_products_along_any_directions_are_right(text: str, gram: list[list[str]] | None) -> None:
    f = Target(text, gram=gram)
    e = expand(f, order=3)
    x, w = np.polynomial.hermite_e.hermegauss(120)
    w = w / w.sum()
    z = np.stack([g.ravel() for g in np.meshgrid(x, x, indexing="ij")], axis=1)
    values = np.multiply.outer(w, w).ravel() * f(z)
    assert float(e.total_energy) == pytest.approx(float(values @ f(z)), abs=1e-8)
    for k in range(4):
        tensor = e.tensor(k)
        for place in product(range(2), repeat=k):
            powers = [place.count(i) for i in range(2)]
            he = prod(np.polynomial.hermite_e.hermeval(z[:, i], [0] * a + [1]) for i, a in enumerate(powers))
            assert tensor[place] == pytest.approx(float(values @ he), abs=1e-8)


@pytest.mark.parametrize("rho", [sympy.Rational(1, 2), sympy.Rational(-1, 3), sympy.Rational(3, 5)])
def test_correlated_signs_and_relus_have_their_closed_means(rho: sympy.Rational) -> None:
    """E sign sign = (2/π) arcsin ρ; E relu relu = (√(1 − ρ²) + ρ (π − arccos ρ))/2π."""
    gram = [["1", str(rho)], [str(rho), "1"]]
    r = float(rho)
    assert expand(Target("sign(z1)*sign(z2)", gram=gram), 0).value((0, 0)) == pytest.approx(2 / pi * asin(r))
    expected = (sqrt(1 - r * r) + r * (pi - acos(r))) / (2 * pi)
    e = expand(Target("relu(z1)*relu(z2)", gram=gram), 2)
    assert e.value((0, 0)) == pytest.approx(expected, rel=1e-14)
    # E[∂_1 ∂_2 f] is the derivative with respect to ρ (Price's theorem): the probability that both are positive.
    assert e.value((1, 1)) == pytest.approx(0.25 + asin(r) / (2 * pi), rel=1e-14)
    assert e.exactness == "exact"


def test_angles_that_are_rational_multiples_of_pi_cancel() -> None:
    f = Target("sign(z1)*sign(z2)", gram=[["1", "1/2"], ["1/2", "1"]])
    assert expand(f, 0).coefficient((0, 0)) == sympy.Rational(1, 3)
    assert (
        arctan_root(Fraction(2)) + arctan_root(Fraction(1, 2)) - arctan_root(Fraction(1)) * 2
    ).is_zero() is True
    three = expand(Target("max(z1, z2, z3)"), 2)
    assert three.coefficient((0, 0, 0)) == 3 / (2 * sympy.sqrt(sympy.pi))
    assert three.coefficient((0, 1, 0)) == sympy.Rational(1, 3)


def test_many_pieces_along_one_line_are_right() -> None:
    """Cells along one direction are intervals: tangents of a parabola, and a deep fold, stay cheap and exact."""
    tangents = expand(Target("max(" + ", ".join(f"{i}*z1 - {i * i}/4" for i in range(-6, 7)) + ")"), 2)
    assert tangents.exactness == "exact"
    assert tangents.is_zero((1,)) is True
    folded = expand(Target("abs(abs(abs(abs(z1) - 4) - 2) - 1)"), 3)
    assert (folded.exactness, folded.is_zero((1,)), folded.is_zero((2,))) == ("exact", True, False)
    assert "pieces" in expand(Target("tanh(max(" + ", ".join(f"z{i}" for i in range(1, 13)) + "))")).reason


IDENTITIES = [
    "cos(z1)*cos(z1 + z2) - cos(2*z1 + z2)/2 - cos(z2)/2",
    "cos(z1)^2 + sin(z1)^2 - 1",
    "relu(relu(z1) - 1) - relu(z1 - 1)",
    "max(z1, z2, z3) - max(z3, max(z2, z1))",
    "abs(abs(z1) - abs(z2)) - max(abs(z1 + z2), abs(z1 - z2)) + 2*min(abs(z1), abs(z2))",
    "tanh(abs(z1)) - abs(tanh(z1))",
    "erf(-z1 - 1) + erf(z1 + 1)",
    "exp(-(z1 + z2)^2/9)*exp(-(z1 - z2)^2/9) - exp(-2*z1^2/9)*exp(-2*z2^2/9)",
    "sign(z1^2 - 2) - sign(z1 - sqrt(2))*sign(z1 + sqrt(2))",
]


@pytest.mark.parametrize("text", IDENTITIES)
def test_identities_are_proved_zero(text: str) -> None:
    e = expand(Target(text), order=3)
    assert all(e.is_zero(alpha) is True for alpha in product(range(2), repeat=e.target.r) if sum(alpha) <= 3)


@pytest.mark.parametrize(
    "text", ["relu(abs(z1) - 1)", "tanh(relu(abs(z1) - 1/3))", "relu(1 - abs(z1))*logistic(z1)"]
)
def test_parity_survives_rewriting(text: str) -> None:
    """Odd coefficients of an even function cancel formally although no single term is even."""
    e = expand(Target(text), order=5)
    if "logistic" not in text:
        assert all(e.is_zero((k,)) is True for k in (1, 3, 5))
    assert e.is_zero((0,)) is False


def test_closure_is_proved_where_terms_split() -> None:
    for text, dims in [
        ("max(z1, z2, z3)", (0, 1)),
        ("z1 + relu(z2^2 - 1)", (0, 1)),
        ("max(z1, z2) + max(z3, z4)", (0, 1)),
        ("min(max(z1, -1), 1) + z1*z2", (0, 1, 2)),
    ]:
        report = leap(Target(text))
        assert (report.staircase.dims, report.staircase.complete is None, report.exactness) == (
            dims,
            False,
            "exact",
        )
    assert engine_for(Target("(z1 + z2)*tanh(z3)")).direction_span().dim == 2


@pytest.mark.parametrize(
    "text",
    [
        "tanh(z1*z2*z3*z4)",
        "relu(z1 - 1)*relu(z1 + z2)*relu(z1 + z3)*relu(z3 + z4)",
        "tanh(z1)*tanh(z1 + z2)*tanh(z1 - 2*z3)*tanh(z2 + z4)",
        "sign(sin(z1*z2*z3))",
    ],
)
def test_refusals_give_a_reason(text: str) -> None:
    e = expand(Target(text))
    assert e.exactness == "undecided"
    assert e.reason
    assert e.to_dict()["energies"] == []


def test_softplus_has_the_coefficients_of_quadrature() -> None:
    """By its derivative, also beside a power."""
    x, w = np.polynomial.hermite_e.hermegauss(150)
    w = w / np.sqrt(2 * np.pi)
    for text, power in (("softplus(3/2*z1-1/3)", 0), ("z1^2*softplus(3/2*z1-1/3)", 2)):
        values = x**power * np.logaddexp(0, 1.5 * x - 1 / 3)
        own = expand(text, order=4)
        for k in range(5):
            right = float(np.sum(w * values * np.polynomial.hermite_e.hermeval(x, np.eye(5)[k])))
            assert own.value((k,)) == pytest.approx(right, abs=1e-9)
