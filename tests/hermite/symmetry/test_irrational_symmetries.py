"""Symmetries of rational polynomials whose matrices have square roots."""

from __future__ import annotations

import pytest

from hermite import hardness


@pytest.mark.parametrize(
    "text", ["((z5 - z20) - z2)*(2/3*(z20))", "(z1-z2-z3)*z3", "(2*z1+z2)*z3", "(z1+z2+z3)*(z4+z5)"]
)
def test_products_of_two_lines_are_quadratic_forms_whose_label_shows_at_order_two(text: str) -> None:
    """z ↦ Qz with irrational Q, that exchanges the lines, takes a rational polynomial to one that is written with roots."""
    assert hardness(text).to_dict()["generative_bounds"] == [2, 2]
