"""Bounded functions of a composite argument: closed forms, quadrature, Monte Carlo, parity, what is refused."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import special
from scipy.integrate import quad

from hermite import (
    Target,
    basis_free_staircase,
    biased_staircase,
    expand,
    generative,
    hardness,
    leap,
)
from hermite.engines.composite import bound, mirrored_name, parity


def hermite(k: int, x: np.ndarray | float) -> np.ndarray:
    return np.polynomial.hermite_e.hermeval(x, [0] * k + [1])


def test_composites_with_a_closed_form_have_it() -> None:
    """E e^{i z²} = (1 − 2i)^{-1/2}, its derivative in the variance, and ∫ e^{−x⁴ − x²/2} by a Bessel function."""
    wave = (1 - 2j) ** -0.5
    slope = (
        2j * (1 - 2j) ** -1.5
    )  # E[e^{iz²} He_2] = d/ds (1 − 2is)^{-1/2} · 2 at s = 1, as He_2 is twice the heat flow
    for text, value, second in (
        ("cos(z1^2)", wave.real, slope.real),
        ("sin(z1^2)", wave.imag, slope.imag),
    ):
        e = expand(Target(text), 2)
        assert e.value((0,)) == pytest.approx(value, abs=1e-15)
        assert e.value((2,)) == pytest.approx(second, abs=1e-14)
    quartic = 0.5 * math.sqrt(0.5) * math.exp(1 / 32) * special.kv(0.25, 1 / 32) / math.sqrt(2 * math.pi)
    assert expand(Target("exp(-z1^4)"), 0).value((0,)) == pytest.approx(quartic, abs=1e-14)


@pytest.mark.parametrize(
    "text",
    [
        "tanh(z1^3)",
        "exp(sin(z1))",
        "tanh(relu(z1)^2)",
        "logistic(z1^3 - z1)",
        "cos(sin(2*z1) + 1)",
        "erf(z1^3)*exp(-z1^2)*z1",
    ],
)
def test_composites_are_those_of_quadrature(text: str) -> None:
    f = Target(text)
    e = expand(f, 5)
    assert e.exactness == "certified"
    for k in range(6):
        expected, error = quad(
            lambda x, k=k: float(f(np.array([[x]]))[0]) * hermite(k, x) * math.exp(-x * x / 2) / math.sqrt(2 * math.pi),
            -10, 10, limit=1000, points=[0], epsabs=1e-12,
        )  # fmt: skip
        assert abs(e.value((k,)) - expected) < 1e-10 + error
        assert e.ball((k,)).rad() < 1e-14


@pytest.mark.parametrize(
    "text", ["z1 + tanh(z1^3)*z2", "sin((z1 + z2)^2)*(z1 - z2)", "cos(z1^2)*sign(z2) + z2"]
)
def test_products_with_other_directions_agree_with_monte_carlo(text: str) -> None:
    f = Target(text)
    e = expand(f, 3)
    z = np.random.default_rng(0).standard_normal((1 << 20, 2))
    y = f(z)
    for alpha in [(i, j) for i in range(4) for j in range(4 - i)]:
        own = y * hermite(alpha[0], z[:, 0]) * hermite(alpha[1], z[:, 1])
        assert abs(own.mean() - e.value(alpha)) < 4.5 * own.std() / 1024 + 1e-15


@pytest.mark.parametrize(
    ("text", "exponent", "dims"),
    [
        ("tanh(z1^3)", 1, (0, 1)),
        ("sin(z1^2)", 2, (0,)),
        ("cos(z1^3)", 2, (0,)),
        ("tanh((z1 + z2)^3)", 1, (0, 1)),
        ("z1 + tanh(z1^3)*z2", 1, (0, 1, 2)),
        ("tanh(z1^3) + tanh((-z1)^3)", None, (0,)),
        ("sin(z1^2) + sin(z2^2)", 2, (0,)),
    ],
)
def test_indices_of_composites_are_proved(text: str, exponent: int | None, dims: tuple[int, ...]) -> None:
    report = leap(Target(text))
    assert report.exactness in ("exact", "certified")
    assert (report.information_exponent, report.staircase.dims) == (exponent, dims)


def test_a_zero_that_no_rule_proves_is_undecided() -> None:
    """E[T(z² e^{−z²}) He_2] = 0 for every T: known to the search for generative exponents, not to the expansion."""
    f = Target("tanh(z1^2*exp(-z1^2))")
    assert expand(f, 2).is_zero((2,)) is None
    assert leap(f).exactness == "undecided"
    assert generative(f).exponent == 4


@pytest.mark.parametrize("scale", [12, 22, 40])
def test_tiny_composites_are_as_accurate_as_large_ones(scale: int) -> None:
    """sin(ε z²) = ε z² to ε³: an absolute precision of the integrals lost what is below it."""
    e = expand(Target(f"sin(1e-{scale}*z1^2)"), 2)
    assert e.value((2,)) == pytest.approx(2 * 10.0**-scale, rel=1e-12)
    assert float(e.to_dict()["coefficients"]["2"]["exact"]) == pytest.approx(2 * 10.0**-scale, rel=1e-12)
    assert leap(Target(f"sin(1e-{scale}*z1^2)")).leap_index == 2


@pytest.mark.parametrize(
    ("name", "sign"),
    [("tanh(z1^3)", -1), ("cos(z1 + z1^3)", 1), ("sin(z1^2)", 1), ("tanh(z1^2 + z1)", 0), ("erf", -1)],
)
def test_parity_is_proved_by_rewriting(name: str, sign: int) -> None:
    assert parity(name) == sign
    mirror, factor = mirrored_name(name)
    if sign == 0:
        x = np.linspace(-2, 2, 9)[:, None]
        assert factor * Target(mirror)(x) == pytest.approx(Target(name)(-x))


def test_bounds_of_composites_are_their_largest_values() -> None:
    assert bound("exp(-z1^4 + z1^2)") == pytest.approx(math.exp(0.25), rel=1e-6)
    assert bound("exp(sin(z1))") == pytest.approx(math.e, rel=1e-6)
    assert bound("tanh(z1^3)") == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("softplus(z1^2*z2*z3)", "not bounded"),
        ("tanh(z1*z2*z3*z4)", "more than one direction"),
        ("sin(sqrt(2)*z1*z2*z3*z4)", "more than one direction"),
    ],
)
def test_what_is_undecided_has_its_reason(text: str, why: str) -> None:
    e = expand(Target(text), 2)
    assert e.exactness == "undecided"
    assert why in e.reason


@pytest.mark.parametrize(
    "text",
    [
        "relu(z1^3 - 3*z1 + 1)",
        "sign(z1^3 - z1 - 1)",
        "abs(z1^5 - z1 - 1)",
        "max(z1^3, z1 + 1)",
        "sign(He4(z1))",
    ],
)
def test_signs_of_polynomials_with_irrational_roots_are_exact(text: str) -> None:
    """Piece by piece between the roots that NumPy finds."""
    f = Target(text)
    e = expand(f, 4)
    assert e.exactness == "exact"
    polynomials = {
        "relu": [1, 0, -3, 1],
        "sign(z1^3": [1, 0, -1, -1],
        "abs": [1, 0, 0, 0, -1, -1],
        "max": [1, 0, -1, -1],
    }
    row = next((row for start, row in polynomials.items() if text.startswith(start)), [1, 0, -6, 0, 3])
    ends = [-10.0, *sorted(root.real for root in np.roots(row) if abs(root.imag) < 1e-9), 10.0]
    for k in range(5):
        expected = sum(
            quad(
                lambda x, k=k: float(f(np.array([[x]]))[0]) * hermite(k, x) * math.exp(-x * x / 2) / math.sqrt(2 * math.pi),
                a, b, epsabs=1e-13,
            )[0]
            for a, b in pairwise(ends)
        )  # fmt: skip
        assert e.value((k,)) == pytest.approx(expected, abs=1e-10)
    assert float(e.coefficient((1,))) == pytest.approx(e.value((1,)))


def test_roots_of_an_even_polynomial_are_opposite() -> None:
    report = leap(Target("sign(He4(z1))"))
    assert (report.information_exponent, report.exactness) == (2, "exact")


def test_an_integral_out_of_reach_is_undecided_in_one_sentence() -> None:
    """sin(z^30) oscillates too fast for the integrals, and for the sums over cells."""
    f = Target("sin(z1^30)")
    report = leap(f)
    assert (report.exactness, report.information_exponent) == ("undecided", None)
    assert "could not be enclosed" in report.reason
    assert expand(f, 2).exactness == "undecided"
    assert generative(f).exponent == 2


@pytest.mark.parametrize(
    "text",
    [
        "sign(z1 - sin(1)^2 - cos(1)^2)*sign(z1 - 1)",  # two thresholds that are equal, which nobody proves here
        "(sin(1)^2 + cos(1)^2 - 1)*z1 + z2^2",
        "tanh((sin(1)^2 + cos(1)^2 - 1)*z1) + z2",
    ],
)
def test_what_nobody_proves_is_undecided_everywhere(text: str) -> None:
    f = Target(text)
    report = hardness(f, d=100)
    assert report.leap.exactness == "undecided"
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert biased_staircase(f).dims is None
    assert basis_free_staircase(f, 3).holds is None


def test_a_label_inside_without_a_variance_is_left_where_it_is() -> None:
    assert generative(Target("tanh(z1*exp(z1^2))")).exponent == 1
