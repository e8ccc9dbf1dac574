"""Numbers far out in the tails and beside huge constants: as right as any others, or said to be unknown."""

from __future__ import annotations

import math

import flint
import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermite import Target, expand, leap
from hermite.exact.atoms import Atom
from hermite.exact.scalars import Scalar


def value(text: str, *alpha: int) -> float:
    return expand(Target(text), order=max(sum(alpha), 1)).value(alpha)


def energy(text: str) -> float:
    return float(expand(Target(text), order=1).total_scalar)


def moments_of_relu(a: mpmath.mpf, scale: mpmath.mpf, bias: mpmath.mpf) -> dict[str, mpmath.mpf]:
    """c_0, c_1, c_2 and E f² of scale·relu(x − a) + bias, at 60 digits (Stein's lemma)."""
    density = mpmath.exp(-a * a / 2) / mpmath.sqrt(2 * mpmath.pi)
    above = mpmath.erfc(a / mpmath.sqrt(2)) / 2
    mean, square = density - a * above, (1 + a * a) * above - a * density
    return {
        "0": scale * mean + bias,
        "1": scale * above,
        "2": scale * density,
        "energy": scale**2 * square + 2 * scale * bias * mean + bias**2,
    }


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(-30, 36), st.integers(-60, 150), st.sampled_from([0, 1, -3]), st.booleans())
def test_tails_and_huge_constants_agree_with_sixty_digits(
    a: int, power: int, bias: int, everywhere: bool
) -> None:
    with mpmath.workdps(60 + 700):
        # Written with a maximum, or as a sum that cancels nearly everywhere.
        text = f"10^{max(power, 0)}*10^-{max(-power, 0)}" if power < 0 else f"10^{power}"
        scale = mpmath.mpf(10) ** power
        size = f"1/10^{-power}" if power < 0 else text
        inside = f"(max(z1,{a})-{a})" if everywhere else f"relu(z1-({a}))"
        e = expand(Target(f"{size}*{inside.replace('--', '+')} + {bias}"), order=2)
        truth = moments_of_relu(mpmath.mpf(a), scale, mpmath.mpf(bias))
        own = {k: e.value((int(k),)) for k in ("0", "1", "2")} | {"energy": float(e.total_scalar)}
        for key, right in truth.items():
            assert own[key] == pytest.approx(float(right), rel=1e-14, abs=1e-300), (key, text)


@pytest.mark.parametrize(
    ("text", "alpha", "right"),
    [
        ("relu(z1-13)", (0,), 4.651403759196791e-40),
        ("1e38*relu(z1-13)", (0,), 0.04651403759196791),
        ("1e38*relu(z1-13)", (1,), 0.6117164399549879),
        ("min(z1,1e20-z2)", (1, 0), 1.0),
        ("Heaviside(z1-37)", (0,), 5.725571222524577e-300),
        ("exp(-100*z1)*Heaviside(z1-20)", (0,), None),
        ("sign(pi-3.14159265358979323846264338327950288419716939937510)", (0,), 1.0),
        ("max(pi, 3.14159265358979323846264338327950288419716939937510) - pi + z1", (1,), 1.0),
    ],
)
def test_values_far_out_are_right(text: str, alpha: tuple[int, ...], right: float | None) -> None:
    if right is None:
        with mpmath.workdps(80):
            right = float(mpmath.exp(5000) * mpmath.erfc(120 / mpmath.sqrt(2)) / 2)
    assert value(text, *alpha) == pytest.approx(right, rel=1e-14)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("relu(z1-13)", 7.033951259405128e-41),
        ("relu(z1-14)", 7.757023642182136e-47),
        ("min(z1,1e20-z2)", 1.0),
        ("z1+min(z2,1e18)", 2.0),
        ("1e40*Heaviside(z1-14)", 7.7935368191928e35),
        ("z4+z5-sqrt(1/7) + z1+min(z3,10^50)", 4 + 1 / 7),
        ("max(z1,-1e30) + max(z2,-1e40)*z3", 2.0),
    ],
)
def test_total_energies_far_out_are_right(text: str, right: float) -> None:
    e = expand(Target(text), order=1)
    assert float(e.total_scalar) == pytest.approx(right, rel=1e-14)
    document = e.to_dict()
    rest = document["residual_energy"]
    assert not document["beyond_floats"]["residual_energy"].startswith("-") if rest is None else rest >= 0


def test_a_constant_known_too_coarsely_is_no_number() -> None:
    coarse = Scalar.atom(Atom("coarse", lambda: flint.arb(1, 1e-9), lambda: None))
    assert float(coarse) == pytest.approx(1, rel=1e-8)
    assert math.isnan(float(coarse - 1))
    assert (coarse - 1).sign() is None
    assert float(Scalar.of(0)) == 0


def test_a_leading_coefficient_below_any_float_is_compared_all_the_same() -> None:
    report = leap(Target("Heaviside(z1-400)-exp(-z1^2)"))
    assert report.leap_index == 1
    assert "e-34744" in report.warnings[0]
    assert leap(Target("min(z1+z2/3+5,z1)*z1*z2")).staircase.dims == (0, 1, 2)


@pytest.mark.parametrize(
    "text",
    [
        "cos(-3/2)*z1-cos(3/2)*z1",
        "sin(1+pi)*z1+sin(1)*z1",
        "cos(1/7-pi/3)*z1-cos(pi/3-1/7)*z1",
        "sin(pi/6)*z1-z1/2",
        "exp(1+pi)*exp(-pi)*z1-exp(1)*z1",
        "erf(-7/2)*z1+erf(7/2)*z1",
        "logistic(-1/3)*z1+logistic(1/3)*z1-z1",
        "softplus(2)*z1-softplus(-2)*z1-2*z1",
        "(max(pi,3)-pi)*z1",
    ],
)
def test_equal_constants_cancel(text: str) -> None:
    report = leap(Target(text))
    assert (report.exactness, report.relevant_dim) == ("exact", 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sin(z1^2+2*pi)", "sin(z1^2)"),
        ("cos(z1-pi/2)", "sin(z1)"),
        ("sin(z1+z2+3*pi)*z2", "-sin(z1+z2)*z2"),
        ("cos(z1^3+5*pi/2)", "-sin(z1^3)"),
    ],
)
def test_whole_turns_leave_waves(one: str, other: str) -> None:
    a, b = leap(Target(one)), leap(Target(other))
    assert a.exactness == b.exactness != "undecided"
    assert (a.staircase.dims, a.leap_index) == (b.staircase.dims, b.leap_index)
    difference = expand(Target(f"{one}-({other})"), order=4)
    assert all(difference.is_zero(alpha) for alpha in difference.series)


def test_powers_of_waves_collect_their_frequencies() -> None:
    """E cos(2z/3)^9 = 2^-8 Σ_j C(9, j) e^{−(2(9−2j)/3)²/2}, j ≤ 4, and E f² likewise: no 2^18 products."""
    e = expand(Target("cos(2*z1/3)^9"))
    mean = sum(math.comb(9, j) * math.exp(-((2 * (9 - 2 * j) / 3) ** 2) / 2) for j in range(5)) / 2**8
    square = sum(math.comb(18, j) * math.exp(-((2 * (18 - 2 * j) / 3) ** 2) / 2) for j in range(19)) / 2**18
    assert e.value((0,)) == pytest.approx(mean, rel=1e-14)
    assert float(e.total_scalar) == pytest.approx(square, rel=1e-14)


def test_a_coefficient_that_may_be_zero_is_shown_as_its_ball() -> None:
    e = expand(Target("sin(z1^2)*cos(z1^2)-sin(2*z1^2)/2"), order=2)
    shown = e.to_dict()["coefficients"]["2"]
    assert shown["value"] is None
    assert shown["exact"].startswith("[+/- ")
