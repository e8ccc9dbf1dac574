"""Exact numbers as text and formulas: none takes longer to write than to know."""

from __future__ import annotations

from fractions import Fraction

import pytest

from hermite.exact.scalars import Scalar
from hermite.exact.telling import latex_over


@pytest.mark.parametrize(
    ("exponent", "divisor", "text"),
    [
        # e^(10^12) = 10^(10^12 · 0.4342944819032518…)
        (Fraction(10**12), 1, r"\cdot 10^{434294481903}"),
        (Fraction(-(10**12)), 2, r"\cdot 10^{-434294481904}"),
    ],
)
def test_a_number_of_a_billion_digits_is_written_by_its_exponent(
    exponent: Fraction, divisor: int, text: str
) -> None:
    assert latex_over(Scalar.exp(exponent), divisor).endswith(text)


def test_other_numbers_are_written_as_they_are() -> None:
    assert latex_over(Scalar.sqrt(2), 2) == r"\frac{\sqrt{2}}{2}"
    assert latex_over(Scalar.exp(Fraction(1, 2)), 1) == r"e^{\frac{1}{2}}"
