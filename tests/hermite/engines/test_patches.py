"""Functions of one or two directions that are no products of lines: certified sums over cells against other integrals."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import integrate, special

from hermite import Target, expand, hardness, leap
from hermite.engines.constants import Unsupported
from hermite.engines.cubature import moments
from hermite.engines.discs import Sides, values
from hermite.engines.ranges import growth
from hermite.language.parsing import parse


def hermite(k: int, x: np.ndarray) -> np.ndarray:
    return np.asarray(special.eval_hermitenorm(k, x))


def on_a_grid(f: Target, alpha: tuple[int, int], step: float = 0.008, end: float = 7.5) -> float:
    """The trapezoid rule, exponentially exact for what is analytic near the axes."""
    x = np.arange(-end, end, step)
    weight = np.exp(-x * x / 2) / math.sqrt(2 * math.pi) * step
    rows = [weight * hermite(k, x) for k in alpha]
    total = 0.0
    for own, w in zip(x, rows[0], strict=True):
        total += w * float(rows[1] @ f(np.column_stack([np.full_like(x, own), x])))
    return total


@pytest.mark.parametrize(
    ("text", "alphas"),
    [
        ("tanh(z1 + He3(z2))", [(1, 0), (0, 1), (1, 2)]),
        ("erf(z1*z2)*logistic(z1 - 2*z2^2)", [(0, 0), (1, 1)]),
        ("exp(-z1^2*z2^2)", [(2, 2)]),
        ("softplus(z1*z2)*sin(z1 + z2^2)", [(1, 0), (0, 2)]),
    ],
)
def test_coefficients_of_smooth_composites_of_two_directions_are_those_of_a_fine_grid(text, alphas) -> None:
    e = expand(text, 4)
    assert e.exactness == "certified"
    for alpha in alphas:
        # The grid itself is good to 1e-9 here: steep parts lie where the density is small.
        assert abs(e.value(alpha) - on_a_grid(Target(text), alpha)) < 2e-9 + e.error(alpha)


@pytest.mark.parametrize(
    "text", ["cos(He(5,z1))", "sin(z1^6)", "sign(cos(z1^3))", "abs(sin(z1^2))", "cos(He7(z1))"]
)
def test_coefficients_of_fast_waves_are_those_of_quadrature(text: str) -> None:
    e = expand(text, 4)
    f = Target(text)
    x = np.linspace(-7, 7, 400_001)
    y = f(x[:, None]) * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    for k in (0, 2, 4):
        # Simpson's rule on 4e5 points misses jumps by half a step: 2e-5 of the largest weight.
        expected = float(integrate.simpson(y * hermite(k, x), x=x))
        assert abs(e.value((k,)) - expected) < e.error((k,)) + 2e-4
    assert e.is_zero((1,)) is not False


def test_jumps_and_kinks_have_the_iterated_integral_within_their_error() -> None:
    """P(z1² + 4 z2² < 1) and E|z1² − z2| by an integral over z1 of the closed one over z2."""
    weight = lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi)  # noqa: E731
    inside = lambda x: special.erf(math.sqrt((1 - x * x) / 8))  # noqa: E731
    folded = lambda m: math.sqrt(2 / math.pi) * math.exp(-m * m / 2) + m * special.erf(m / math.sqrt(2))  # noqa: E731
    ellipse, fold = expand("Heaviside(1-z1^2-4*z2^2)", 2), expand("abs(z1^2-z2)", 2)
    for e, exact, worst in [
        (ellipse, integrate.quad(lambda x: inside(x) * weight(x), -1, 1)[0], 5e-3),
        (fold, integrate.quad(lambda x: folded(x * x) * weight(x), -9, 9)[0], 1e-4),
    ]:
        assert abs(e.value((0, 0)) - exact) < e.error((0, 0)) < worst
    assert ellipse.is_zero((1, 1)) is True
    document = ellipse.to_dict()
    assert document["coefficients"]["2,0"]["error"] == ellipse.error((2, 0)) > 0
    assert document["errors"]["total_energy"] > 0


@pytest.mark.parametrize(
    ("text", "index", "dims", "hard"),
    [
        ("tanh(z1+He3(z2))", 1, (0, 1, 2), 0),
        ("erf(z1^2*z2 - z2)", 1, (0, 1), 1),
        ("tanh(z1*z2)", 2, (0,), 2),
        ("z3*tanh(z1*z2)", 3, (0,), 3),
        ("z1^3 + tanh(z1*z2)", 1, (0, 1, 2), 0),
        ("Heaviside(1-z1^2-z2^2)", 2, (0,), 2),
        ("sign(z1^2-z2)", 1, (0, 1), 1),
        ("abs(z1^2+z2^2-2)", 2, (0,), 2),
        ("relu(z1*z2-1)^3 + z4", 1, (0, 1), 2),
        ("cos(He(5,z1))", 2, (0,), 1),
        ("z2*cos(He(5,z1+z3))", 1, (0, 1), 1),
        ("tanh((z1-z2)*(z3+z4)) + z1 - z2", 1, (0, 1, 2), 0),
    ],
)
def test_leaps_of_composites_of_two_directions_are_decided(
    text: str, index: int, dims: tuple[int, ...], hard: int
) -> None:
    report = leap(text)
    assert report.exactness in ("exact", "certified")
    assert (report.leap_index, report.staircase.dims, len(report.hard_directions)) == (index, dims, hard)


def test_hardness_of_the_disc_is_that_of_its_leap() -> None:
    report = hardness("Heaviside(1-z1^2-z2^2)")
    assert (report.leap.leap_index, report.generative_exponent) == (2, 2)


def test_more_than_three_directions_are_undecided_with_that_reason() -> None:
    report = leap("tanh(z1*z2*z3*z4)")
    assert report.exactness == "undecided"
    assert "more than one direction" in report.reason


@pytest.mark.parametrize(
    "text", ["exp(-(z1*z2 + 2)^2)", "exp(-(z1^2 + z2^2 - z1*z2/3)^2)", "exp(-(z1^2 - z2)^2)"]
)
def test_the_exp_of_less_than_zero_is_bounded_and_known(text: str) -> None:
    """Its exponent has no definite quadratic form (E f² was "not proved finite"), or falls to −10⁴ in one cell."""
    e = expand(text, 2)
    for alpha in ((0, 0), (2, 0), (1, 1)):
        if e.is_zero(alpha) is not True:
            assert abs(e.value(alpha) - on_a_grid(Target(text), alpha)) < 2e-9 + e.error(alpha)


def test_products_along_lines_nearly_parallel_have_the_orders_that_are_asked_for() -> None:
    """ρ = 0.92: Mehler's sum does for the first orders and not for the third."""
    text = "abs(z1 + 2/3*z2)*erf(z1 + 3/2*z2)"
    e = expand(text, 3)
    assert abs(e.value((2, 1)) - on_a_grid(Target(text), (2, 1))) < 1e-4
    assert leap(text).exactness == "certified"


def test_gram_matrices_reach_patches() -> None:
    """z1 = x, z2 = (x + √3 y)/2: E tanh(z1 z2) by the trapezoid rule in x and y."""
    e = expand(Target("tanh(z1*z2)", gram=[[1, "1/2"], ["1/2", 1]]), 2)
    turned = Target.from_function(lambda z: np.tanh(z[:, 0] * (z[:, 0] + math.sqrt(3) * z[:, 1]) / 2), 2)
    assert abs(e.value((0, 0)) - on_a_grid(turned, (0, 0))) < 1e-9 + e.error((0, 0))


PARTS = [
    "tanh(z1)", "logistic(z1)", "erf(z1)", "softplus(z1)", "exp(z1)", "sin(z1)", "cos(z1)", "z1^5", "He4(z1)", "He3(z1)*z1",
    "abs(z1-1/3)", "relu(z1+1/7)", "max(z1,1/2,-z1)", "sign(z1)", "Heaviside(z1-1)", "min(z1^2,2-z1)", "tanh(z1^2-3)*z1",
]  # fmt: skip


@pytest.mark.parametrize("text", PARTS)
def test_discs_hold_all_values_of_their_points(text: str) -> None:
    """Real cells, and complex discs about them with the sides that these tell, against the function at points of each."""
    tree = parse(text)
    rng = np.random.default_rng(3)
    centre, rad = rng.normal(0, 2, 300), np.exp(rng.uniform(-6, 0.5, 300))
    sides: Sides = {}
    mid, reach = values(tree, [(centre, rad)], sides, real=True)
    function = Target(text)
    for share in np.linspace(-1, 1, 9):
        assert (np.abs(function((centre + share * rad)[:, None]) - mid) <= reach * (1 + 1e-12)).all()
    mid, reach = values(tree, [(centre, 1.5 * rad)], sides)
    known = np.isfinite(reach)
    for key in sides:
        assert not known[sides[key] == 0].any()
    for share, angle in product((0.5, 1.0), np.linspace(0, 2 * math.pi, 12, endpoint=False)):
        w = centre + 1.5 * share * rad * np.exp(1j * angle)
        image = _complex(text, w, sides)
        assert (np.abs(image - mid)[known] <= reach[known] * (1 + 1e-12)).all()


def _complex(text: str, w: np.ndarray, sides: Sides) -> np.ndarray:
    """The analytic function of the side on which each cell lies."""
    side = next(iter(sides.values()), np.zeros(len(w)))
    second = list(sides.values())[-1] if sides else side
    table = {
        "tanh(z1)": lambda: np.tanh(w),
        "logistic(z1)": lambda: 1 / (1 + np.exp(-w)),
        "erf(z1)": lambda: special.erf(w),
        # The branch that is continuous within |Im w| < π.
        "softplus(z1)": lambda: np.log(1 + np.exp(w)),
        "exp(z1)": lambda: np.exp(w),
        "sin(z1)": lambda: np.sin(w),
        "cos(z1)": lambda: np.cos(w),
        "z1^5": lambda: w**5,
        "He4(z1)": lambda: w**4 - 6 * w**2 + 3,
        "He3(z1)*z1": lambda: (w**3 - 3 * w) * w,
        "abs(z1-1/3)": lambda: side * (w - 1 / 3),
        "relu(z1+1/7)": lambda: np.where(side > 0, w + 1 / 7, 0),
        "max(z1,1/2,-z1)": lambda: np.where(second > 0, np.where(side > 0, w, 0.5), -w),
        "sign(z1)": lambda: side + 0 * w,
        "Heaviside(z1-1)": lambda: (side + 1) / 2 + 0 * w,
        "min(z1^2,2-z1)": lambda: np.where(side > 0, 2 - w, w**2),
        "tanh(z1^2-3)*z1": lambda: np.tanh(w**2 - 3) * w,
    }
    return np.asarray(table[text]())


@pytest.mark.parametrize(
    ("text", "degree"),
    [
        ("tanh(z1)*z2^3", 3),
        ("softplus(z1*z2)", 2),
        ("exp(-z1^4)", 0),
        ("He3(z1)*abs(z2)", 4),
        ("max(z1,z2^2)", 2),
    ],
)
def test_growth_bounds_hold(text: str, degree: int) -> None:
    front, own = growth(parse(text))
    assert own == degree
    z = np.random.default_rng(0).normal(0, 20, (2_000, 2))
    assert (
        np.abs(Target(text, variables=("z1", "z2"))(z)) <= front * (1 + np.linalg.norm(z, axis=1)) ** own
    ).all()


def test_what_grows_beyond_polynomials_is_refused() -> None:
    with pytest.raises(Unsupported, match="not proved to be bounded by a polynomial"):
        growth(parse("exp(z1*z2)"))


def test_errors_of_moments_hold_on_a_jump_along_a_parabola() -> None:
    """E sign(z1² − z2) = 2 E Φ(z1²) − 1, and E[sign(z1² − z2) z2] = −2 E φ(z1²)."""
    found = moments(parse("sign(z1^2-z2)"), 2, 4)
    weight = lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi)  # noqa: E731
    mean = 2 * integrate.quad(lambda x: special.ndtr(x * x) * weight(x), -9, 9)[0] - 1
    slope = -2 * integrate.quad(lambda x: weight(x * x) * weight(x), -9, 9)[0]
    assert abs(found.table[0, 0] - mean) < found.error < 5e-3
    assert abs(found.table[0, 1] - slope) < found.error


@pytest.mark.parametrize(
    ("text", "unit"),
    [("tanh(z1*z2/10^6)", 1e-6), ("sin(1e-9*z1^2)", 1e-9), ("tanh(z1*z2)*exp(-40)", math.exp(-40))],
)
def test_accuracy_is_relative_to_the_size_of_the_function(text: str, unit: float) -> None:
    e = expand(text, 2)
    alpha = (2,) if "z2" not in text else (1, 1)
    exact = {"tanh(z1*z2/10^6)": 1.0, "sin(1e-9*z1^2)": 2.0}.get(text, expand("tanh(z1*z2)", 2).value((1, 1)))
    assert e.value(alpha) / unit == pytest.approx(exact, rel=1e-9)
    assert e.error(alpha) < 1e-9 * unit


def test_steep_functions_along_lines_nearly_parallel_are_decided_within_their_error() -> None:
    text = "tanh(100*z1)*tanh(100*z1+z2)"
    e = expand(text, 2)
    z = np.random.default_rng(1).standard_normal((100_000, 2))
    y = Target(text)(z)
    for alpha in [(0, 0), (2, 0), (0, 2)]:
        sample = y * hermite(alpha[0], z[:, 0]) * hermite(alpha[1], z[:, 1])
        assert abs(e.value(alpha) - sample.mean()) < 4.5 * sample.std() / math.sqrt(len(z)) + e.error(alpha)


@pytest.mark.parametrize(
    "text",
    [
        "exp(-abs(z1^2-1))",
        "exp(-abs(z1^2-1)*3/10)",
        "exp(-abs(z1^2-1))*abs(z1)",
        "exp(-abs(z1^2+z1-1))",
        "z1^2*exp(-abs(2*z1^2-3))",
    ],
)
def test_exponentials_that_grow_on_a_bounded_piece_are_right(text: str) -> None:
    """e^{z²} on |z| < 1 is no difference of two functions of finite mean: it was called exact and was wrong by 20 %."""
    f, e = Target(text), expand(text, 2)
    x = np.linspace(-9, 9, 900_001)
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    y = f(x[:, None])
    for k in range(3):
        expected = float(integrate.simpson(y * density * hermite(k, x), x=x))
        assert abs(e.value((k,)) - expected) < 1e-8
    assert float(e.total_energy) == pytest.approx(float(integrate.simpson(y * y * density, x=x)), rel=1e-8)


def test_a_part_that_vanishes_everywhere_is_no_accident() -> None:
    for text in ("relu(-(logistic(z4-sqrt(2))^4)) + z1", "relu(-(tanh(z1*z2)^2))"):
        assert expand(text).exactness in ("undecided", "exact", "certified")
