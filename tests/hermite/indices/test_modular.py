"""Growth of a space proved modulo a prime: what it proves is so, and it proves what grows."""

from __future__ import annotations

from fractions import Fraction

import flint
import pytest

from hermite import Target, leap
from hermite.engines import engine_for
from hermite.exact.rows import integral, rational
from hermite.exact.subspaces import Span
from hermite.indices import closure
from hermite.indices.closure import conditional_span, tensor_span
from hermite.indices.heat import Heat
from hermite.indices.modular import PRIME, residue, spans_modulo


def test_a_rational_has_its_residue_unless_the_prime_divides_its_denominator() -> None:
    assert residue(flint.fmpq(3, 7)) * 7 % PRIME == 3
    assert residue(flint.fmpq(1, PRIME)) is None


def test_rows_become_integral_without_changing_their_direction() -> None:
    assert integral((flint.fmpq(1, 2), flint.fmpq(2, 3))) == (3, 4)


@pytest.mark.parametrize(
    ("text", "k", "dim", "grows"),
    [
        ("z1 + z2 + (z1 - z2)^2*(z1 + z2)^40", 1, 2, False),  # even across the learned direction
        ("z1 + z2 + (z1 - z2)^2*(z1 + z2)^40", 2, 2, True),
        ("z1 + z2 + (z1 - z2)*(z1 + z2)^40", 1, 2, True),
        ("z1 + z2 + (z1 - z2)*He5(z3)", 1, 3, False),
        ("z1 + z2 + (z1 - z2)^2*He5(z3)", 7, 3, True),
    ],
)
def test_what_fills_the_goal_is_proved_and_nothing_else(text: str, k: int, dim: int, grows: bool) -> None:
    f = Target(text)
    engine = engine_for(f)
    learned = Span(f.r, [tuple(rational(int(i < 2)) for i in range(f.r))])
    normals = learned.complement().rows
    assert (
        spans_modulo(engine.heat_series(engine.degree), learned.rows, learned.rows, normals, k, dim) is grows
    )


@pytest.mark.parametrize(
    "text", ["(z1 + 2*z2)^6 + z3*(z1 - z2)^3", "(z1*z2 - z3)^5 + 3*z1 - z2", "((z1-z2)*z3+2*z3-1)^7"]
)
def test_the_quick_proof_and_the_exact_rows_give_one_space(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    f = Target(text)
    engine = engine_for(f)
    table, degree = engine.heat_series(engine.degree), engine.degree
    spans = []
    for long in (0, 10**15):
        monkeypatch.setattr(closure, "_LONG", long)
        heat = Heat(f.r, table, degree)
        goal = tensor_span(heat)
        learned = Span(f.r, [tuple(rational(x) for x in (Fraction(1, 3), Fraction(-2, 7), Fraction(5, 11)))])
        spans.append([conditional_span(heat, learned, k, goal).strings() for k in (1, 2, 3)])
    assert spans[0] == spans[1]


def test_levels_of_a_long_polynomial_are_those_of_its_parts() -> None:
    report = leap("(((z5 - z1))*((z3 + 2*z1 - 5)))^2 + z20 + (z4 - z5) + He(17, z2)")
    assert report.isotropic_leap == 17
    assert report.closure_dims_by_level[0] == report.closure_dims_by_level[15] == report.relevant_dim - 1
