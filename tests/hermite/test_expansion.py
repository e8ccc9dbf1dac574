"""Hermite coefficients against the reference table, mpmath quadrature at two precisions, ball arithmetic and Parseval."""

from __future__ import annotations

from fractions import Fraction
from math import factorial, prod
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from target_table import ROWS

from hermite import InputError, Target, expand
from hermite.engines.constants import constant_scalar
from hermite.language.parsing import parse


def index(key: str) -> tuple[int, ...]:
    return tuple(int(a) for a in key.split(","))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["target"][:40])
def test_reference_coefficients_are_met(row: dict[str, Any]) -> None:
    """All coefficients up to order 4: the listed ones agree, every other one is proved zero."""
    e = expand(Target(row["target"]), order=4)
    listed = {index(key): value for key, value in row["hermite_coefficients"].items()}
    assert set(e.coefficients()) == {alpha for alpha in listed if sum(alpha) <= 4}
    for alpha in e.coefficients():
        with mpmath.workdps(30):
            expected = mpmath.mpf(sympy.Rational(listed[alpha]).p) / sympy.Rational(listed[alpha]).q
            found = mpmath.mpf(str(sympy.N(e.coefficient(alpha), 30)))
            assert abs(found - expected) < 1e-23 * max(1, abs(expected))


@pytest.mark.parametrize("row", [r for r in ROWS if "hermite_exact" in r], ids=lambda row: row["target"][:40])
def test_reference_closed_forms_are_met(row: dict[str, Any]) -> None:
    e = expand(Target(row["target"]), order=4)
    for key, text in row["hermite_exact"].items():
        assert (
            e.scalar(index(key)) - constant_scalar(parse(text.replace("pi**(3/2)", "(pi*sqrt(pi))")))
        ).is_zero() is True


UNIVARIATE = {
    "relu(z1 - 1/2)": (lambda x: max(x - mpmath.mpf(1) / 2, 0), [0.5]),
    "abs(z1) * sign(z1 + 1)": (lambda x: abs(x) * mpmath.sign(x + 1), [-1, 0]),
    "exp(z1/3 - z1^2/5)": (lambda x: mpmath.exp(x / 3 - x**2 / 5), []),
    "z1 * sin(2*z1 + 1)": (lambda x: x * mpmath.sin(2 * x + 1), []),
    "cos(z1)^2 * exp(z1)": (lambda x: mpmath.cos(x) ** 2 * mpmath.exp(x), []),
    "z1^2 * erf(z1/sqrt(2) + 1/3)": (lambda x: x**2 * mpmath.erf(x / mpmath.sqrt(2) + mpmath.mpf(1) / 3), []),
    "tanh(2*z1 - 1)": (lambda x: mpmath.tanh(2 * x - 1), []),
    "softplus(z1) * relu(z1)": (lambda x: mpmath.log1p(mpmath.exp(x)) * max(x, 0), [0]),
    "logistic(z1)^2": (lambda x: 1 / (1 + mpmath.exp(-x)) ** 2, []),
    "exp(z1/2) * relu(z1 + 1)": (lambda x: mpmath.exp(x / 2) * max(x + 1, 0), [-1]),
    "relu(z1 - 1/3) * tanh(z1)": (
        lambda x: max(x - mpmath.mpf(1) / 3, 0) * mpmath.tanh(x),
        [mpmath.mpf(1) / 3],
    ),
    "relu(z1^2 - 1)": (lambda x: max(x**2 - 1, 0), [-1, 1]),
}


def quadrature(u: Any, kinks: list[float], n: int, digits: int) -> mpmath.mpf:
    """E[u(x) He_n(x)] by mpmath, piece by piece."""
    with mpmath.workdps(digits):
        points = sorted({-14, *kinks, *range(-12, 13, 3), 14})

        def integrand(x: Any) -> Any:
            he = [mpmath.mpf(1), x]
            for k in range(1, n):
                he.append(x * he[k] - k * he[k - 1])
            return u(x) * he[n] * mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)

        return mpmath.quad(integrand, points)


@pytest.mark.parametrize("text", UNIVARIATE)
def test_coefficients_are_those_of_quadrature_at_two_precisions(text: str) -> None:
    u, kinks = UNIVARIATE[text]
    e = expand(Target(text), order=5)
    for n in range(6):
        coarse, fine = quadrature(u, kinks, n, 15), quadrature(u, kinks, n, 25)
        assert abs(coarse - fine) < 1e-11
        with mpmath.workdps(25):
            value = mpmath.mpf(str(sympy.N(e.coefficient((n,)), 25)))
            assert abs(value - fine) < 1e-17


@pytest.mark.parametrize("text", ["relu(z1)", "erf(z1)", "exp(z1/3 - z1^2/5)", "abs(z1) * sign(z1 + 1)"])
def test_closed_forms_lie_in_the_balls_of_the_certified_integral(text: str) -> None:
    from hermite.engines import engine_for
    from hermite.engines.certified import enclosure

    ((_, u),) = engine_for(Target(text)).terms[0].factors
    for n in range(6):
        assert enclosure(u, n, 200).overlaps(u.coefficient(n).ball(200))


TOTALS = {
    "tanh(z1)": 0.3942944903978411,
    "relu(z1)": 0.5,
    "sign(z1*z2)": 1.0,
    "max(z1, z2)": 1.0,
    "sin(z1)*z2": (1 - np.exp(-2)) / 2,
    "relu(z1) + relu(z2)": 1 + 1 / np.pi,
}


@pytest.mark.parametrize("text", TOTALS)
def test_partial_sums_of_energies_rise_to_the_total(text: str) -> None:
    e = expand(Target(text), order=12)
    total = float(e.total_energy)
    assert total == pytest.approx(TOTALS[text], rel=1e-12)
    partial = np.cumsum(e.energies)
    assert np.all(np.diff(partial) >= 0)
    assert partial[0] < partial[-1] <= total * (1 + 1e-12)
    assert float(e.residual_energy) == pytest.approx(total - partial[-1], abs=1e-12)


@st.composite
def terms(draw: st.DrawFn) -> list[tuple[int, tuple[int, int]]]:
    return draw(
        st.lists(
            st.tuples(st.integers(-5, 5), st.tuples(st.integers(0, 4), st.integers(0, 4))),
            min_size=1,
            max_size=6,
        )
    )


@settings(max_examples=30, deadline=None, derandomize=True)
@given(terms())
def test_polynomials_agree_with_gauss_hermite_and_parseval(
    polynomial: list[tuple[int, tuple[int, int]]],
) -> None:
    text = " + ".join(f"({c})*z1^{a}*z2^{b}" for c, (a, b) in polynomial)
    f = Target(text)
    e = expand(f, order=8)
    x, w = np.polynomial.hermite_e.hermegauss(12)
    w = w / w.sum()
    grid = np.stack([g.ravel() for g in np.meshgrid(x, x, indexing="ij")], axis=1)
    weight = np.multiply.outer(w, w).ravel() * f(grid)
    size = float(e.total_energy) ** 0.5 + 1
    for alpha in [(0, 0), (1, 0), (1, 1), (2, 1), (0, 4), (4, 4)]:
        he = prod(np.polynomial.hermite_e.hermeval(grid[:, i], [0] * a + [1]) for i, a in enumerate(alpha))
        expected = float(weight @ he)
        assert e.value(alpha) == pytest.approx(expected, abs=1e-8 * size * prod(map(factorial, alpha)))
    assert e.residual_energy == 0


def test_parseval_holds_with_a_gram_matrix_and_tensors_in_orthonormal_coordinates() -> None:
    f = Target("z1^2*z2 + z1", gram=[["1", "1/2"], ["1/2", "1"]])
    e = expand(f)
    assert e.residual_energy == 0
    for k in range(4):
        assert np.sum(e.tensor(k) ** 2) / factorial(k) == pytest.approx(float(e.energy(k)))
    assert expand(Target("z1*z2", gram=[["1", "1/3"], ["1/3", "1"]])).coefficient((0, 0)) == Fraction(1, 3)


def test_zero_is_proved_or_undecided() -> None:
    cancelled = expand(Target("relu(z1) - z1/2 - He2(z1)/(2*sqrt(2*pi))"), order=4)
    assert [cancelled.is_zero((k,)) for k in range(5)] == [False, True, True, True, False]
    identity = expand(Target("softplus(-z1) - softplus(z1) + z1"), order=3)
    assert all(identity.is_zero((k,)) for k in range(4))
    sampled = expand(Target.from_function(lambda z: z[:, 0] ** 2, 1), order=2)
    assert sampled.is_zero((1,)) is None
    assert sampled.value((2,)) == pytest.approx(2)


def test_an_expansion_answers_in_exact_and_in_floating_numbers() -> None:
    e = expand(Target("z1 + z1*z2"))
    assert e.to_dict()["coefficients"] == {
        "1,0": {"exact": "1", "value": 1.0},
        "1,1": {"exact": "1", "value": 1.0},
    }
    assert e.latex() == "z_{1}  + z_{1} z_{2} "
    assert expand(Target("relu(z1)"), 2).latex().endswith(r"\cdots")
    np.testing.assert_array_equal(e.tensor(2), [[0, 1], [1, 0]])
    with pytest.raises(InputError, match="order must be a whole number"):
        expand(Target("z1"), order=-1)
    with pytest.raises(InputError, match="alpha must hold 2 whole numbers"):
        e.coefficient((1,))
    with pytest.raises(InputError, match="undecided"):
        expand(Target("tanh(z1*z2*z3*z4)")).coefficient((0, 0, 0, 0))


def test_an_integral_that_cannot_be_enclosed_is_undecided_not_an_accident() -> None:
    mixed = expand(Target("exp(-338*(z1-3/4)^2) + tanh(z1)"), order=1)
    assert mixed.total_energy is None
    assert mixed.residual_energy is None
    document = mixed.to_dict()
    assert document["total_energy"] is None
    assert document["residual_energy"] is None
    alone = expand(Target("exp(-338*(z1-3/4)^2)*tanh(z1)"), order=1)
    for told in (alone.coefficient, alone.value, alone.ball, alone.is_zero):
        with pytest.raises(InputError, match="undecided"):
            told((0,))
