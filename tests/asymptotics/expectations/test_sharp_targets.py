"""Rules of steep, narrow, oscillating and shifted targets: their means lie within the error that they state."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from numpy.polynomial.hermite_e import hermeval
from scipy.integrate import quad
from scipy.special import ndtr
from sharp_functions import Sharp, SharpPair, sharp_functions, sharp_pairs

from asymptotics import Network, Training, overlaps
from asymptotics.expectations.known_moments import known_moments
from asymptotics.expectations.panels import resolve
from asymptotics.expectations.sharpness import layers_of
from asymptotics.expectations.target_rule import default_accuracy, rule_of, target_rule
from hermite import Target
from hermite.errors import ConvergenceError

_HE17 = (0.0,) * 17 + (1.0,)


def mean(g, points: tuple[float, ...]) -> float:
    """E g(z) by adaptive quadrature, cut at ``points``."""
    edges = sorted({-9.0, 9.0, *np.arange(-8.5, 9.0, 0.5).tolist(), *(p for p in points if abs(p) < 9)})
    density = lambda z: float(g(z)) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)  # noqa: E731
    return math.fsum(
        quad(density, a, b, epsabs=1e-13, epsrel=1e-10, limit=200)[0] for a, b in pairwise(edges)
    )


def check_one(sharp: Sharp) -> None:
    text, points = sharp
    f = Target(text)
    rule = rule_of(f)
    assert rule.error <= default_accuracy(1)
    x, w, values = rule.nodes[:, 0], rule.weights, f(rule.nodes)
    energy = float(w @ values**2)
    one = lambda z: f(np.array([[z]]))[0]  # noqa: E731
    allowed = max(rule.error, 1e-11)
    assert abs(energy - mean(lambda z: one(z) ** 2, points)) <= allowed * energy
    assert abs(w @ values - mean(one, points)) <= allowed * math.sqrt(energy)
    assert abs(w @ (values * x) - mean(lambda z: z * one(z), points)) <= allowed * math.sqrt(energy)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(sharp_functions())
def test_means_of_sharp_targets_lie_within_their_error(sharp: Sharp) -> None:
    check_one(sharp)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(sharp_functions())
def test_means_of_many_sharp_targets_lie_within_their_error(sharp: Sharp) -> None:
    check_one(sharp)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(sharp_functions("z1"), sharp_functions("z2"))
def test_products_of_sharp_targets_are_products_of_means(first: Sharp, second: Sharp) -> None:
    f = Target(f"({first[0]})*({second[0]})")
    rule = rule_of(f)
    assert rule.error <= default_accuracy(2)
    one, two = Target(first[0]), Target(second[0], variables=("z2",))
    parts = [(rule_of(g), g) for g in (one, two)]
    means = [float(q.weights @ g(q.nodes)) for q, g in parts]
    energies = [float(q.weights @ g(q.nodes) ** 2) for q, g in parts]
    values, size = f(rule.nodes), math.sqrt(math.prod(energies))
    assert abs(rule.weights @ values - math.prod(means)) <= max(rule.error, 1e-10) * size
    assert abs(rule.weights @ values**2 - size**2) <= max(rule.error, 1e-10) * size**2


def _panels(points: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights (of dx) on [-8.5, 8.5]: twelve Gauss nodes on panels of a tenth, and four between two ``points``."""
    nodes, weights = np.polynomial.legendre.leggauss(12)
    inner = [a + (b - a) * t for a, b in pairwise(points) for t in (0.0, 0.25, 0.5, 0.75)]
    cuts = [p for p in (*inner, *points[-1:]) if abs(p) < 8.4]
    edges = np.unique([*np.linspace(-8.5, 8.5, 171), *cuts])
    width = np.diff(edges)[:, None]
    return (edges[:-1, None] + width * (nodes + 1) / 2).ravel(), (width * weights / 2).ravel()


def bivariate(first: Sharp, second: Sharp, cosine: float, power: int) -> float:
    """E[F(u)^power G(v)^power] for standard normals of correlation ``cosine``, |cosine| ≤ 0.96, by plain sums."""
    one, two = Target(first[0]), Target(second[0])
    rest = math.sqrt(1 - cosine**2)
    u, wu = _panels(first[1])
    v, wv = _panels(second[1])
    found = 0.0
    values = two(v[:, None]) ** power * wv
    for part in np.array_split(np.arange(len(u)), 8):
        density = np.exp(-0.5 * ((v[None] - cosine * u[part, None]) / rest) ** 2) / (
            rest * math.sqrt(2 * math.pi)
        )
        outer = wu[part] * np.exp(-0.5 * u[part] ** 2) / math.sqrt(2 * math.pi)
        found += float((outer * one(u[part, None]) ** power) @ (density @ values))
    return found


def alone(sharp: Sharp, power: int) -> float:
    """E F(u)^power by the same sums."""
    u, w = _panels(sharp[1])
    return float(w @ (Target(sharp[0])(u[:, None]) ** power * np.exp(-0.5 * u**2))) / math.sqrt(2 * math.pi)


def excess(pair: SharpPair) -> float:
    """The largest deviation of E f and E f² in units of the stated error."""
    text, first, second, product, cosine = pair
    f = Target(text, variables=("z1", "z2"))
    rule = rule_of(f)
    values = f(rule.nodes)
    found = float(rule.weights @ values), float(rule.weights @ values**2)
    if product:
        expected = bivariate(first, second, cosine, 1), bivariate(first, second, cosine, 2)
    else:
        cross = bivariate(first, second, cosine, 1)
        expected = (
            alone(first, 1) + alone(second, 1),
            alone(first, 2) + alone(second, 2) + 2 * cross,
        )
    allowed = max(rule.error, 1e-10)
    size = math.sqrt(expected[1])
    return max(abs(found[0] - expected[0]) / size, abs(found[1] - expected[1]) / size**2) / allowed


@settings(max_examples=10, deadline=None, derandomize=True)
@given(sharp_pairs())
def test_means_of_sharp_targets_of_two_directions_lie_within_their_error(pair: SharpPair) -> None:
    assert excess(pair) <= 1


@pytest.mark.slow
def test_the_stated_error_of_two_directions_covers_in_99_of_100() -> None:
    found: list[float] = []

    @settings(max_examples=300, deadline=None, database=None, phases=[Phase.generate])
    @given(sharp_pairs())
    def draw(pair: SharpPair) -> None:
        found.append(excess(pair))

    draw()
    assert sum(x > 1 for x in found) <= 0.01 * len(found), sorted(found)[-10:]


@pytest.mark.parametrize(
    ("text", "first", "energy"),
    [
        ("tanh(10*z1)", 0.3973157, 0.9205369),
        ("logistic(50*(z1-1))", 0.1209853, 0.1539749),
        ("exp(-50*(z1-1)^2)", 0.0300255, 0.0428879),
        ("z1*exp(-20*z1^2)", 0.0019046, 1 / 729),
        ("exp(-2000*(z1-1)^2)", 0.0047938, 0.0067812),
        ("tanh(200*(z1+1/3))/3", 0.12579326, 0.11069180),
    ],
)  # fmt: skip
def test_half_the_slope_and_the_energy_of_sharp_targets_are_right(
    text: str, first: float, energy: float
) -> None:
    f = Target(text)
    for refine in (0.4, 0.6, 1.0):
        x, w = target_rule(f, refine)
        assert (w * f(x)) @ x[:, 0] / 2 == pytest.approx(first, abs=6e-8)
        assert w @ f(x) ** 2 == pytest.approx(energy, abs=6e-8)


def test_oblique_layers_are_split_row_by_row() -> None:
    # E tanh(20(z1 + z2)) tanh(20 z1) by its bivariate form: one axis along z1, the other conditional on it.
    f = Target("tanh(20*(z1+z2)) + tanh(20*z1)")
    rule = rule_of(f)
    assert rule.error < default_accuracy(2)
    one = lambda s, z: math.tanh(20 * s * z)  # noqa: E731
    squares = mean(lambda z: one(math.sqrt(2), z) ** 2, (0.0, 0.1, -0.1)) + mean(
        lambda z: one(1, z) ** 2, (0.0,)
    )

    def conditional(z: float) -> float:
        return one(1, z) * mean(lambda y: one(1, z + y), tuple(-z + t / 20 for t in (-9, -3, -1, 0, 1, 3, 9)))

    nodes, weights = np.polynomial.legendre.leggauss(24)
    edges = np.array([0, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 4, 8.5])
    cross = sum(
        (b - a) * u * conditional(z) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        for a, b in pairwise(edges)
        for z, u in zip(a + (b - a) * (nodes + 1) / 2, weights / 2, strict=True)
    )
    assert rule.weights @ f(rule.nodes) ** 2 == pytest.approx(squares + 4 * cross, rel=1e-9)


def test_a_rule_that_misses_its_target_says_so() -> None:
    rule = rule_of(Target("Heaviside(1 - z1^2 - z2^2)"))
    error = abs(rule.weights @ Target("Heaviside(1 - z1^2 - z2^2)")(rule.nodes) - (1 - math.exp(-0.5)))
    assert error < rule.error
    with pytest.raises(ConvergenceError, match="ask for less accuracy"):
        rule.checked(1e-9)


def test_jumps_of_callables_are_bisected() -> None:
    for place in (0.3, math.pi / 7, -1.234567):
        f = Target.from_function(lambda x, c=place: np.sign(x[:, 0] - c), 1)
        x, w = target_rule(f)
        assert w @ f(x) == pytest.approx(-math.erf(place / math.sqrt(2)), abs=1e-9)
        assert rule_of(f).error < 1e-8


@pytest.mark.parametrize(
    ("text", "first", "energy"),
    [
        ("exp(z1/2) + z1*z2", 0.5 * math.exp(1 / 8), math.exp(1 / 2) + 1),
        ("exp(z1 + z2)", math.e, math.exp(4)),
        ("sin(2*z1)*z2 + z1", 1.0, (1 - math.exp(-8)) / 2 + 1),
        ("relu(z1)*z2^2", 0.5, 1.5),
        ("abs(z1)*exp(z2/2)", 0.0, math.exp(1 / 2)),
        ("cos(3*z1)", 0.0, (1 + math.exp(-18)) / 2),
    ],
)  # fmt: skip
def test_plain_targets_need_no_scan(text: str, first: float, energy: float) -> None:
    f = Target(text)
    for refine in (0.4, 0.6, 1.0):
        rule = rule_of(f, refine)
        assert rule.method == "tensor of plain rules"
        values = f(rule.nodes)
        allowed = max(rule.error, 1e-13)
        assert rule.error <= default_accuracy(f.r) / 30
        assert abs(rule.weights @ values**2 - energy) <= 1.01 * allowed * energy
        assert abs((rule.weights * values) @ rule.nodes[:, 0] - first) <= allowed * math.sqrt(energy)


def test_narrow_functions_of_functions_are_not_plain() -> None:
    for text in ("exp(-2000*(z1^2 - 13/10)^2) + z1", "tanh(1/(2)*z1 + 40*z1^3)", "tanh(50*sin(z1))"):
        assert rule_of(Target(text)).method != "tensor of plain rules"


@pytest.mark.parametrize("unit", [1e-8, 1e8])
@pytest.mark.parametrize("local", [False, True])
def test_panels_do_not_depend_on_the_unit_of_the_function(unit: float, local: bool) -> None:
    def sharp(x: np.ndarray) -> np.ndarray:
        return (np.tanh(40 * (x - 0.3)) + np.sin(9 * x))[:, None]

    one = resolve(sharp, -3.0, 3.0, local=local)
    other = resolve(lambda x: unit * sharp(x), -3.0, 3.0, local=local)
    assert len(other.edges) == len(one.edges)
    assert other.unresolved == pytest.approx(one.unresolved, rel=1e-3)


def test_a_bump_is_where_its_exponent_is_largest() -> None:
    """exp(3 z − 2 z²) = const · exp(−2 (z − 3/4)²): a Gaussian of width 1/2 there; along any direction."""
    (bump,) = layers_of(Target("exp(3*z1 - 2*z1^2)"))
    assert (bump.place, bump.width) == pytest.approx((0.75, 0.5))
    (turned,) = (
        layer
        for layer in layers_of(Target("exp(3*(3*z1 + 4*z2)/5 - 2*((3*z1 + 4*z2)/5)^2)"))
        if layer.width < 1
    )
    assert np.abs(turned.normal) == pytest.approx([0.6, 0.8])
    assert turned.place is not None
    assert abs(turned.place) == pytest.approx(0.75)


def test_what_no_rule_of_its_axes_resolves_is_given_up_after_counted_values() -> None:
    """sin(He17(z1)) min(z1, z2) took 39 million values, and the smallest rule "near the best" was one to be refused."""
    values = 0

    def rough(z: np.ndarray) -> np.ndarray:
        nonlocal values
        values += len(z)
        return np.asarray(np.sin(hermeval(z[:, 0], _HE17)) * np.minimum(z[:, 0], z[:, 1]))

    f = Target.from_function(rough, 2)
    rule = rule_of(f).checked(0.05)
    assert values < 15e6
    # E min(x, y)² over y ~ N(0, 1) is x² (1 − Φ(x)) + Φ(x) − x φ(x).
    x = np.linspace(-8.0, 8.0, 4_000_001)
    density = np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)
    inner = x**2 * ndtr(-x) + ndtr(x) - x * density
    energy = float(np.sum(np.sin(hermeval(x, _HE17)) ** 2 * inner * density) * (x[1] - x[0]))
    assert rule.weights @ f(rule.nodes) ** 2 == pytest.approx(energy, rel=rule.error)


@pytest.mark.parametrize(
    "text",
    [
        "exp(-(4.97*(z2-1.04))^2)+(0.36*z1-1.38*z2)*exp(-(2.21*(-0.99*z1-0.61*z2+0.38))^2)",
        "cos(2.23*(1.67*z1+0.52*z2))*tanh(2.06*z2)+z2*exp(-(6.05*(0.6*z1+0.8*z2+1.99))^2)",
        "erf(25*(-0.42*z1+0.56*z2-1.11))+z1*exp(-(2.21*(z2-1.38))^2)",
        "z2*exp(-(12.46*(-1.84*z1+1.21*z2+1.23))^2)+exp(-(21.8*(1.45*z1+1.19*z2+0.75))^2)",
    ],
)
def test_risks_of_oblique_layers_state_the_error_of_the_coarse_rule_that_they_are_made_with(
    text: str,
) -> None:
    known = known_moments(Target(text))
    assert known is not None
    assert known[2] is not None
    start = overlaps(Target(text), Network(), Training(steps=1))[0]
    assert start.risk_error.total is not None
    assert abs(start.risk / known[2] - 1) <= start.risk_error.total + 1e-12


@pytest.mark.parametrize("pair", [(0.4, 0.6), (0.6, 0.85), (0.85, 1.2), (0.5, 0.6), (0.7, 1.0)])
def test_refinements_that_are_compared_are_different_rules_for_rows_too(pair: tuple[float, float]) -> None:
    f = Target("erf(25*(-0.42*z1+0.56*z2-1.11))+z1*exp(-(2.21*(z2-1.38))^2)")
    coarse, fine = (rule_of(f, refine) for refine in pair)
    assert coarse.method == fine.method == "rows split at layers"
    assert len(coarse.weights) < len(fine.weights)
