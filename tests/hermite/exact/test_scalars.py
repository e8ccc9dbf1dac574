"""Exact constants: arithmetic against balls, and a zero test that never guesses."""

from __future__ import annotations

from fractions import Fraction

import flint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermite.exact.scalars import Scalar

rationals = st.fractions(min_value=-9, max_value=9, max_denominator=12)


@st.composite
def scalars(draw: st.DrawFn) -> Scalar:
    total = Scalar.of(0)
    for _ in range(draw(st.integers(1, 3))):
        term = Scalar.of(draw(rationals)) * Scalar.sqrt(draw(st.integers(1, 12)))
        term = term * Scalar.sqrt_pi(draw(st.integers(-2, 2))) * Scalar.exp(draw(rationals) / 9)
        total = total + term
    return total


@settings(max_examples=80, deadline=None, derandomize=True)
@given(scalars(), scalars())
def test_arithmetic_agrees_with_balls(a: Scalar, b: Scalar) -> None:
    assert (a + b).ball().overlaps(a.ball() + b.ball())
    assert (a * b).ball().overlaps(a.ball() * b.ball())
    assert (a - b).ball().overlaps(a.ball() - b.ball())
    assert (a - a).is_zero() is True
    assert ((a + b) * (a - b) - (a * a - b * b)).is_zero() is True


@settings(max_examples=50, deadline=None, derandomize=True)
@given(scalars())
def test_sympy_agrees(a: Scalar) -> None:
    assert float(a.to_sympy()) == pytest.approx(float(a), rel=1e-10, abs=1e-12)


def test_only_a_monomial_has_an_inverse() -> None:
    x = Scalar.sqrt(Fraction(2, 3)) * Scalar.sqrt_pi(-3) * Scalar.exp(Fraction(1, 2))
    assert x * x.inverse() == 1
    assert (x + 1).inverse() is None
    with pytest.raises(ZeroDivisionError):
        Scalar.of(1) / Scalar.of(0)


def test_tiny_is_not_zero_and_undecided_is_said() -> None:
    assert Scalar.of(Fraction(1, 10**300)).is_zero() is False
    assert (Scalar.exp(Fraction(1)) - Scalar.of(Fraction(271828182845904523536, 10**20))).is_zero() is False
    # A constant that no precision in use can tell from zero is not called zero.
    from hermite.exact.atoms import Atom

    hidden = Scalar.atom(Atom("tiny", lambda: flint.arb(0, "1e-700"), lambda: None))
    assert hidden.is_zero() is None
