"""Products of signs of any number of correlated directions: Monte Carlo with its error, closed limits, equal forms."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermeval

from hermite import Target, expand, leap
from hermite.engines.analytic import AnalyticEngine
from hermite.engines.cones import Cone, mean_of_four, mean_of_signs
from hermite.engines.polar import Plane
from hermite.engines.series import linear_form, substituted, times_rational
from hermite.exact.scalars import Scalar

ONES = (Fraction(1),) * 4


def vectors(*rows: tuple[int, ...]) -> tuple[tuple[Fraction, ...], ...]:
    return tuple(tuple(Fraction(x) for x in row) for row in rows)


@pytest.mark.parametrize(
    "text",
    [
        "sign(min(z1,z2,z3))",
        "Heaviside(z1)*Heaviside(z1+z2)*Heaviside(z1+z3)",
        "relu(z1)*relu(z1+z2)*relu(z3-z1)",
        "max(z1,z2+z1/2,z3-z2,z4+z1)",
        "z1^2*sign(z1+z2)*sign(z2+z3)*sign(z1+z2+z3)*tanh(z4)",
        "Heaviside(z1)*Heaviside(z1+z2)*Heaviside(z1+z3)*Heaviside(z1+z2+2*z3)",
    ],
)
def test_coefficients_of_correlated_signs_agree_with_monte_carlo(text: str) -> None:
    f = Target(text)
    e = expand(f, order=3)
    z = np.random.default_rng(5).standard_normal((200_000, f.r))
    y, scores = np.asarray(f(z)), []
    for alpha in product(range(4), repeat=f.r):
        if sum(alpha) <= 3:
            values = y * np.prod([hermeval(z[:, i], np.eye(4)[a]) for i, a in enumerate(alpha)], axis=0)
            error = values.std() / math.sqrt(len(z))
            if error > 0:
                scores.append((values.mean() - e.value(alpha)) / error)
    assert max(map(abs, scores)) < 4.5
    assert np.sqrt(np.mean(np.square(scores))) < 1.6


def test_orthants_of_three_and_four_directions_have_their_probability() -> None:
    """P(three correlated positive) = 1/8 + Σ arcsin ρ/(4π); four of correlation 1/2: 1/5 (the largest of five)."""
    mean = float(expand(Target("Heaviside(z1)*Heaviside(z1+z2)*Heaviside(z1+z3)"), order=0).scalar((0, 0, 0)))
    angles = 2 * math.asin(1 / math.sqrt(2)) + math.asin(1 / 2)
    assert mean == pytest.approx(1 / 8 + angles / (4 * math.pi), rel=1e-14)
    largest = "*".join(f"Heaviside(z1-z{i})" for i in range(2, 6))
    value = expand(Target(largest), order=0).scalar((0,) * 5)
    assert value.ball().contains(Fraction(1, 5).numerator / 5) or float(value) == pytest.approx(
        0.2, rel=1e-14
    )


def test_four_signs_have_their_limits() -> None:
    axes = vectors((1, 0, 0, 0), (1, 1, 0, 0), (0, 0, 1, 0), (0, 0, 2, 1))
    # Two independent pairs: the product of two means (2/π) arcsin ρ.
    right = (2 / math.pi) ** 2 * math.asin(1 / math.sqrt(2)) * math.asin(2 / math.sqrt(5))
    assert float(mean_of_four(axes, ONES)) == pytest.approx(right, rel=1e-14)
    # A sign independent of the others; a reflection that changes the product.
    assert (
        mean_of_signs(vectors((1, 0, 0, 0), (1, 1, 0, 0), (1, 2, 3, 0), (0, 0, 0, 1)), ONES).is_zero() is True
    )
    flipped = vectors((1, 1, 0, 0), (1, -1, 0, 0), (1, 1, 1, 0), (1, 1, -1, 0))
    assert abs(mean_of_four(flipped, ONES).ball()) < 1e-30
    # Orders and reflections of the directions name one constant.
    d = vectors((1, 0, 0, 0), (1, 1, 0, 0), (1, 0, 1, 0), (1, 1, 2, -1))
    mirror = (tuple(-x for x in d[2]), d[0], d[3], d[1])
    assert (mean_of_four(d, ONES) + mean_of_four(mirror, ONES)).is_zero() is True


EQUAL = [
    ("sign(min(z1,z2,z3))", "2*Heaviside(z1)*Heaviside(z2)*Heaviside(z3)-1"),
    ("sign(max(z1,z1+z2,z3))", "1-2*Heaviside(-z1)*Heaviside(-z1-z2)*Heaviside(-z3)"),
    (
        "Heaviside(min(z1,max(z2,z3)))",
        "Heaviside(z1)*(Heaviside(z2)+Heaviside(z3)-Heaviside(z2)*Heaviside(z3))",
    ),
    ("sign(min(relu(z1),z2))", "Heaviside(z1)*Heaviside(z2)-Heaviside(-z2)"),
    ("sign(max(z1,z2,0))", "1-Heaviside(-z1)*Heaviside(-z2)"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_signs_of_extremes_are_those_of_products(one: str, other: str) -> None:
    a, b = leap(Target(one)), leap(Target(other, variables=Target(one).variables))
    assert a.exactness == b.exactness == "exact"
    assert (a.staircase.dims, a.closure_dims_by_level) == (b.staircase.dims, b.closure_dims_by_level)
    difference = expand(Target(f"({one})-({other})"), order=4)
    assert all(difference.is_zero(alpha) for alpha in difference.series)


def test_pairs_of_correlations_cover_all_signs() -> None:
    """E s_a s_b = (2/π) arcsin ρ for every pair of a set."""
    d = vectors((1, 0, 0, 0), (1, 1, 0, 0), (-1, 2, 1, 0))
    for a, b in combinations(d, 2):
        inner = sum(float(x * y) for x, y in zip(a, b, strict=True))
        sizes = math.sqrt(sum(float(x * x) for x in a) * sum(float(x * x) for x in b))
        assert float(mean_of_signs((a, b), ONES)) == pytest.approx(
            2 / math.pi * math.asin(inner / sizes), rel=1e-14
        )


@pytest.mark.parametrize("powers", [(0, 0), (1, 0), (2, 3), (0, 4)])
def test_a_cone_of_two_axes_is_a_plane(powers: tuple[int, int]) -> None:
    """Taylor series and Stein's identity against antiderivatives in polar coordinates."""
    signs, variances = vectors((1, 0), (1, 1), (2, -1)), (Fraction(2), Fraction(3, 5))
    axes = vectors((1, 0), (0, 1))
    cone, plane = (kind(axes, powers, signs, variances) for kind in (Cone, Plane))
    for index in product(range(6), repeat=2):
        if sum(index) <= 5:
            a, b = cone.coefficient(index), plane.coefficient(index)
            assert float(a) == pytest.approx(float(b), rel=1e-12, abs=1e-12)


def test_a_cone_answers_alike_in_any_order() -> None:
    """Its Taylor series grows with what is asked; what it says does not depend on that."""
    signs = vectors((1, 0, 0), (1, 1, 0), (1, 1, 2))
    rising, falling = (
        Cone(vectors((1, 0, 0), (0, 1, 0), (0, 0, 1)), (1, 0, 2), signs, ONES[:3]) for _ in "ab"
    )
    indices = [k for k in product(range(4), repeat=3) if sum(k) <= 4]
    first = {k: rising.coefficient(k) for k in indices}
    assert {k: falling.coefficient(k) for k in reversed(indices)} == first


def test_series_are_multiplied_and_substituted_term_by_term() -> None:
    """Against the same sums, constant by constant."""
    root, pi = Scalar.sqrt(2), Scalar.sqrt_pi(2)
    series = {(0, 1): root + 1, (2, 1): pi * Fraction(1, 3), (1, 0): root * pi}
    a, b, c = vectors((1, -1, 0), (0, 2, 5), (0, 3, 1))
    found = substituted(series, (a, b))
    x = (Fraction(2), Fraction(-1, 3), Fraction(7))
    t = [sum((p * q for p, q in zip(v, x, strict=True)), Fraction(0)) for v in (a, b)]
    right = sum((own * (t[0] ** i * t[1] ** j) for (i, j), own in series.items()), Scalar.of(0))
    power = lambda alpha: math.prod((p**k for p, k in zip(x, alpha, strict=True)), start=Fraction(1))  # noqa: E731
    assert sum((own * power(alpha) for alpha, own in found.items()), Scalar.of(0)) == right
    times = times_rational(found, linear_form(c), 3)
    along = sum((p * q for p, q in zip(c, x, strict=True)), Fraction(0))
    low = sum((own * power(alpha) for alpha, own in found.items() if sum(alpha) <= 2), Scalar.of(0))
    assert sum((own * power(alpha) for alpha, own in times.items()), Scalar.of(0)) == low * along


def test_the_energy_of_a_target_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many expansions of it ask."""
    calls = []
    squared = AnalyticEngine._squared
    monkeypatch.setattr(AnalyticEngine, "_squared", lambda self, form: calls.append(1) or squared(self, form))
    f = Target("max(z1, z2, z3) + z1*sign(z3)/7")
    values = {expand(f, order=k).total_energy for k in range(4)}
    assert len(values) == len(calls) == 1
