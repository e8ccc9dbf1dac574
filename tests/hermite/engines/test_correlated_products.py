"""Products of functions along correlated lines: certified sums against other quadratures, closed forms and symmetries."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import flint
import numpy as np
import pytest
from scipy.special import erf

from hermite import Target, expand, leap
from hermite.engines.correlated_axes import Lines
from hermite.engines.correlated_moments import taylor
from hermite.engines.correlated_products import arranged
from hermite.engines.function_tables import EXP_ERROR, falling, values
from hermite.engines.panels import panels, rule
from hermite.engines.univariate import Univariate
from hermite.exact.scalars import Scalar

ONE, ZERO = Scalar.of(1), Scalar.of(0)
FINE = np.linspace(-11, 11, 1401)


def line(
    variance: int, *factors: tuple[str, Fraction | int, Fraction | int], kink: Fraction | int | None = None
) -> Univariate:
    own = tuple((name, Scalar.of(c), Scalar.of(e), 1) for name, c, e in factors)
    kinks = () if kink is None else (Scalar.of(kink),)
    return Univariate(0, kinks, own, ZERO, ZERO, Fraction(variance))


def square(*rows: tuple[int, ...]) -> tuple[tuple[Fraction, ...], ...]:
    return tuple(tuple(Fraction(x) for x in row) for row in rows)


def moments(f: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> list[float]:
    """E f, E f x, E f y, E f x y, E f (x² − 1) by the trapezoid rule in floats, which converges geometrically."""
    x, y = np.meshgrid(FINE, FINE, indexing="ij")
    weight = np.exp(-(x**2 + y**2) / 2) / (2 * np.pi) * (FINE[1] - FINE[0]) ** 2
    value = f(x, y) * weight
    return [float(np.sum(value * p)) for p in (1.0, x, y, x * y, x**2 - 1)]


SMOOTH: list[tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = [
    ("tanh(z1)*tanh(z1+z2)*tanh(z2)", lambda x, y: np.tanh(x) * np.tanh(x + y) * np.tanh(y)),
    (
        "z1*tanh(z1)*tanh(z1+z2)*tanh(z1-z2/2)",
        lambda x, y: x * np.tanh(x) * np.tanh(x + y) * np.tanh(x - y / 2),
    ),
    (
        "tanh(z1-1/2)*tanh(z1+z2)^2*tanh(2*z2+1/3)*cos(z1)",
        lambda x, y: np.tanh(x - 0.5) * np.tanh(x + y) ** 2 * np.tanh(2 * y + 1 / 3) * np.cos(x),
    ),
    ("tanh(z1-1/2)*tanh(6*z1+z2)", lambda x, y: np.tanh(x - 0.5) * np.tanh(6 * x + y)),
    ("tanh(z1+1/3)*tanh(3*z1-z2/2-1)", lambda x, y: np.tanh(x + 1 / 3) * np.tanh(3 * x - y / 2 - 1)),
    (
        "softplus(z1)*erf(z1+z2)*logistic(z2-z1)",
        lambda x, y: np.logaddexp(0, x) * erf(x + y) / (1 + np.exp(x - y)),
    ),
    ("tanh(z1^3)*tanh(z1+z2)*z2^2", lambda x, y: np.tanh(x**3) * np.tanh(x + y) * y**2),
]


@pytest.mark.parametrize(("text", "f"), SMOOTH)
def test_products_of_smooth_functions_in_a_plane_have_their_moments(
    text: str, f: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> None:
    expansion = expand(text, order=2)
    assert expansion.exactness == "certified"
    found = [float(expansion.coefficient(alpha)) for alpha in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0))]
    np.testing.assert_allclose(found, moments(f), atol=2e-10)


def pieces(first: float, count: int = 24, reach: float = 9.0) -> tuple[np.ndarray, np.ndarray]:
    """Gauss–Legendre nodes on unit panels that break at ``first``, with the Gaussian weight."""
    edges = np.unique(np.concatenate([np.arange(-reach, reach + 1), [first]]))
    x, w = np.polynomial.legendre.leggauss(count)
    half, middle = np.diff(edges)[:, None] / 2, (edges[1:] + edges[:-1])[:, None] / 2
    nodes = (middle + half * x).ravel()
    return nodes, (half * w).ravel() * np.exp(-(nodes**2) / 2) / math.sqrt(2 * math.pi)


def test_kinks_along_two_lines_of_a_plane_and_a_smooth_function_along_a_third() -> None:
    """relu(z1 − 1) relu(z1 + z2) tanh(z2): an iterated integral that starts where both ramps do."""
    x, wx = pieces(1.0)
    total = {(0, 0): 0.0, (1, 0): 0.0, (0, 1): 0.0, (1, 1): 0.0}
    for a, w in zip(x, wx, strict=True):
        if a > 1:
            y, wy = pieces(-a)
            value = w * wy * (a - 1) * np.maximum(a + y, 0) * np.tanh(y)
            for i, j in total:
                total[i, j] += float(np.sum(value * a**i * y**j))
    expansion = expand("relu(z1-1)*relu(z1+z2)*tanh(z2)", order=2)
    for index, value in total.items():
        assert float(expansion.coefficient(index)) == pytest.approx(value, abs=1e-9)


def test_three_lines_in_space_have_the_mean_of_an_iterated_integral() -> None:
    """E tanh(x) tanh(x + y) erf(y + z − 1): the mean over z is erf((y − 1)/√3)."""
    x, y = np.meshgrid(FINE, FINE, indexing="ij")
    weight = np.exp(-(x**2 + y**2) / 2) / (2 * np.pi) * (FINE[1] - FINE[0]) ** 2
    right = float(np.sum(weight * np.tanh(x) * np.tanh(x + y) * erf((y - 1) / math.sqrt(3))))
    expansion = expand("tanh(z1)*tanh(z1+z2)*erf(z2+z3-1)", order=0)
    assert float(expansion.coefficient((0, 0, 0))) == pytest.approx(right, abs=1e-8)


def test_shifted_signs_in_space_have_the_mean_of_an_iterated_integral() -> None:
    """sign(z1 − 1/2) sign(z1 + z2) sign(z3 + z2), first over z3, then over z1 given z2."""
    x, wx = pieces(0.5, reach=10)
    total = 0.0
    for a, w in zip(x, wx, strict=True):
        y, wy = pieces(-a)
        total += w * math.copysign(1, a - 0.5) * float(np.sum(wy * np.sign(a + y) * erf(y / math.sqrt(2))))
    assert float(expand("sign(z1-1/2)*sign(z1+z2)*sign(z3+z2)", order=0).coefficient((0, 0, 0))) == (
        pytest.approx(total, abs=1e-9)
    )


def test_two_methods_have_balls_around_one_number() -> None:
    """tanh(t1) tanh(t1 + t2): Mehler's sum, and panels."""
    lines = Lines((line(1, ("tanh", 1, 0)), line(2, ("tanh", 1, 0))), square((1, 1), (1, 2)))
    own = taylor(lines, 4)
    pair = expand("tanh(z1)*tanh(z1+z2)", order=4)
    # H(τ) = h(z1 = τ1, z2 = τ2 − τ1).
    for beta in ((0, 0), (0, 2), (0, 4)):
        with flint.ctx.workprec(128):
            other = pair.scalar(beta).ball(128)
        assert own[beta].rad() < 1e-9
        assert own[beta].overlaps(other)


@pytest.mark.parametrize("kink", [0, Fraction(1, 3), -2])
@pytest.mark.parametrize("tilt", [1, 4, 40])
def test_two_signs_have_the_orthant_probability(kink: Fraction | int, tilt: int) -> None:
    """E sign(x) sign(tilt x + y) = (2/π) arcsin ρ, and its derivative by a shift of x, 2 φ E sign(tilt·(−kink) + y)."""
    functions = (line(1, kink=kink), line(tilt**2 + 1, kink=0))
    found = taylor(Lines(functions, square((1, tilt), (tilt, tilt**2 + 1))), 1)
    if kink == 0:
        rho = tilt / math.sqrt(tilt**2 + 1)
        assert float(found[0, 0].mid()) == pytest.approx(2 / math.pi * math.asin(rho), abs=1e-10)
        assert found[0, 0].rad() < 1e-8
    density = 2 * math.exp(-(float(kink) ** 2) / 2) / math.sqrt(2 * math.pi)
    right = density * math.erf(-tilt * float(kink) / math.sqrt(2))
    assert found[1, 0].contains(flint.arb(right, 1e-13)) or abs(float(found[1, 0].mid()) - right) < 1e-9
    assert found[1, 0].overlaps(flint.arb(right, 1e-12))


def test_coefficients_that_a_symmetry_of_the_lines_makes_zero_or_equal_are() -> None:
    expansion = expand("tanh(z1)*tanh(z1+z2)*tanh(z2)", order=3)
    assert expansion.scalar((1, 2)) == expansion.scalar((2, 1))
    assert expansion.scalar((1, 1)) == 0
    assert expand("tanh(z1-1)*tanh(z1+z2/2)*tanh(z2+1)", order=2).scalar((1, 1)) != 0
    # Exchanged by a reflection that is no permutation of the variables; three lines of one plane in space.
    hexagon = expand("tanh(z1-z2)*tanh(z2-z3)*tanh(z3-z1)", order=4)
    assert all(
        hexagon.scalar(alpha) == 0 for alpha in ((0, 0, 0), (1, 0, 0), (1, 1, 0), (2, 0, 0), (1, 1, 1))
    )
    assert hexagon.scalar((2, 1, 0)) == -hexagon.scalar((1, 2, 0)) != 0
    assert hexagon.scalar((2, 1, 0)) == hexagon.scalar((0, 2, 1))


def test_the_arrangement_of_a_product_does_not_depend_on_the_order_or_signs_of_its_lines() -> None:
    one, other = line(1, ("tanh", 1, 1)), line(2, ("erf", 1, 0))
    first = arranged([one, other], square((1, 1), (1, 2)))
    mirrored, _ = one.mirrored()
    second = arranged([other, mirrored], square((2, -1), (-1, 1)))
    assert first.lines == second.lines


@pytest.mark.parametrize(
    ("text", "index", "dims"),
    [
        ("tanh(z1)*tanh(z1+z2)*tanh(z2)", 1, (0, 1)),
        ("tanh(z1)*tanh(z1+z2)*tanh(z1-z2/2)", 1, (0, 1, 2)),
        ("erf(z1)*erf(z1+z2)*erf(z2)", 1, (0, 1)),
        ("tanh(z1)*tanh(z1+z2)*erf(z2-z1)*tanh(z1+3*z2)", 2, (0,)),
        ("sin(z1)*tanh(z1+z2)*erf(z2-z1)*tanh(z2/3)", 2, (0,)),
        ("tanh(z1)*erf(4*z1+z2)", 2, (0,)),
        ("tanh(z3)*tanh(z1)*tanh(z1+z2)*tanh(2*z1-z2)", 2, (0,)),
        ("tanh(z1)*tanh(100*z1+z2)", 2, (0,)),
        ("tanh(z1)*tanh(z1+z2)*tanh(z1+z3)", 1, (0, 1, 2)),
        ("tanh(z1)*tanh(z1+z2)*tanh(z2+z3)", 1, (0, 1, 3)),
        ("erf(z1)*tanh(30*z1+z2)*tanh(z2)", 1, (0, 1, 2)),
        ("softplus(z1)*tanh(z1+z2)*tanh(z1-z2)", 1, (0, 1)),
        ("sign(z1-1/2)*sign(z1+z2)*sign(z3+z2)", 1, (0, 1, 3)),
        ("relu(z1-1)*relu(z1+z2)*tanh(z2)", 1, (0, 1, 2)),
        ("softplus((3*z2-z1)/2-1)*softplus(2*z2-z1)", 1, (0, 1, 2)),
    ],
)
def test_products_of_functions_along_directions_that_are_not_orthogonal_are_decided(
    text: str, index: int, dims: tuple[int, ...]
) -> None:
    report = leap(text)
    assert report.exactness == "certified"
    assert (report.leap_index, report.staircase.dims) == (index, dims)


def test_total_energies_are_those_of_monte_carlo() -> None:
    z = np.random.default_rng(5).standard_normal((200_000, 3))
    for text in ("tanh(z1)*tanh(z1+z2)*tanh(z2+z3)", "relu(z1-1)*tanh(z1+z2)*sign(z3+z2)"):
        values = np.asarray(Target(text)(z)) ** 2
        off = values.mean() - float(expand(text, order=0).total_scalar)
        assert abs(off) < 4.5 * values.std() / math.sqrt(len(z))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sign(z1)*sign(z1+z2/10^9)*tanh(z2)", "of its size only"),
        ("tanh(z1)*tanh(z1+z2)*tanh(z2+z3)*tanh(z3+z4)", "more than three directions"),
    ],
)
def test_what_is_out_of_reach_of_the_sums_is_undecided_with_that_reason(text: str, reason: str) -> None:
    report = leap(text)
    assert report.exactness == "undecided"
    assert reason in report.reason


def test_tables_are_as_good_as_they_say() -> None:
    w = np.concatenate(
        [np.random.default_rng(1).normal(0, 8, 20_000), [0.0, -0.0, 19.999, 20.001, 6.499, -45.0]]
    )
    exact = {
        "tanh": np.tanh,
        "erf": erf,
        "sin": np.sin,
        "cos": np.cos,
        "logcosh": lambda w: np.logaddexp(w / 2, -w / 2),
    }
    for name, f in exact.items():
        assert np.abs(values(name, w) - f(w)).max() < 2e-14
    x = np.abs(w)
    assert np.abs(falling(x) / np.exp(-x) - 1).max() < EXP_ERROR + 2e-15
    assert falling(np.array([64.5]))[0] == 0


def test_panels_bound_what_they_miss() -> None:
    """1/(1 + 25 x²), poles at ±i/5, on ellipses that stay off them."""

    def bound(centre: float, a: float, b: float) -> float:
        if b < 0.19:
            return 1 / (1 - 25 * b * b)
        near = max(abs(centre) - a, 0.0)
        return 1 / (25 * near * (near + 0.0)) if near > 0.5 else math.inf

    plan, error = panels([-1.0, 0.0, 1.0], bound, 1e-9)
    total = sum(
        float(w) * p.half / (1 + 25 * (p.centre + p.half * float(x)) ** 2)
        for p in plan
        for x, w in rule(p.points)
    )
    assert error < 1e-8
    assert abs(total - 2 / 5 * math.atan(5)) <= error
