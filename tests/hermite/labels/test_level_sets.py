"""Level sets as labels: balls against closed forms, quadrature and Monte Carlo; what they decide; injective transforms."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import flint
import numpy as np
import pytest
from scipy import integrate, stats

from hermite import Target, generative
from hermite.exact.subspaces import Span, full
from hermite.labels.label_transforms import plainest_label
from hermite.labels.level_sets import certified_rank, level_set, level_set_moments, thresholds
from hermite.language.enclosure import enclosure, hermite_value
from hermite.symmetry.frames import frame, hides_order_two, single_index


def contains(ball: object, value: float, slack: float = 1e-12) -> bool:
    return bool((ball + flint.arb(0, slack)).contains(flint.arb(value)))  # type: ignore[operator]


@pytest.mark.parametrize(
    "text",
    [
        "tanh(z1*z2)^3 - relu(z1)",
        "He5(z1)*z2^2",
        "softplus(z1 - z2)*cos(3*z1)",
        "max(z1, z2, 1/2)*abs(z1)",
        "logistic(z1)^2*sign(z2)",
        "erf(z1)/3 + exp(-z1^2)*z2",
        "min(z1, z2)^3*heaviside(z1)",
        "sqrt(2)*He4(z1*z2) - pi*z1^2/3",
        "sin(z1)^4 - z2^3/(1 + 1/2)",
    ],
)
def test_a_ball_contains_every_value_over_its_box(text: str) -> None:
    f = Target(text)
    value, rng = enclosure(f.tree), np.random.default_rng(0)
    for width in (0.0, 0.01, 0.3, 1.0):
        for _ in range(60):
            middle = rng.uniform(-3, 3, 2)
            box = value([flint.arb(float(m), width) for m in middle])
            seen = f(middle + width * rng.uniform(-1, 1, (10, 2)))
            assert all(contains(box, float(y), 1e-9 * (1 + abs(float(y)))) for y in seen)


@pytest.mark.parametrize("text", ["relu(z1)*abs(z2)", "z1^2 + abs(z2)", "tanh(z1)^2*z2"])
@pytest.mark.parametrize("power", [-30, -12, 12, 30])
def test_thresholds_scale_with_the_target(text: str, power: int) -> None:
    unit = f"10^{power}" if power > 0 else f"1/10^{-power}"
    ordinary, scaled = thresholds(Target(text)), thresholds(Target(f"{unit}*({text})"))
    assert len(scaled) == len(ordinary) > 1
    found = [float(c / Fraction(10) ** power) for c in scaled]
    np.testing.assert_allclose(found, list(map(float, ordinary)), rtol=1e-4)


@pytest.mark.parametrize("k", range(1, 7))
@pytest.mark.parametrize("c", [Fraction(0), Fraction(7, 10), Fraction(-3, 2)])
def test_half_lines_have_their_closed_form(k: int, c: Fraction) -> None:
    """E[1{z > c} He_k] = He_{k−1}(c) φ(c); a value off by 1e-6 is not in the ball."""
    ball = level_set_moments(Target("z1^3 + z1"), c**3 + c, [(k,)])[k,]
    expected = np.polynomial.hermite_e.hermeval(float(c), [0] * (k - 1) + [1]) * stats.norm.pdf(float(c))
    assert contains(ball, expected)
    assert not contains(ball, expected + 2e-6, 0)


@pytest.mark.parametrize(
    "text", ["z1^2*exp(-z1^2)", "sin(3*z1)", "abs(z1^2 - 1) + z1/5", "relu(z1) - tanh(2*z1)"]
)
def test_one_direction_is_that_of_quadrature(text: str) -> None:
    """Roots of f = c by a sign scan and Brent's method, then ∫ He_k φ between them: nothing in common with the boxes."""
    from scipy.optimize import brentq

    f = Target(text)
    for c in thresholds(f)[:3]:
        x = np.linspace(-9, 9, 40_001) + 1e-7
        gap = lambda t, c=c: float(f(np.array([[t]]))[0] - float(c))  # noqa: E731
        values = f(x[:, None]) - float(c)
        changes = np.flatnonzero(np.sign(values[1:]) != np.sign(values[:-1]))
        ends = [-9.0, *(brentq(gap, x[i], x[i + 1], xtol=1e-14) for i in changes), 9.0]
        balls = level_set_moments(f, c, [(k,) for k in range(7)])
        for k in range(7):
            total = sum(
                integrate.quad(
                    lambda t, k=k: np.polynomial.hermite_e.hermeval(t, [0] * k + [1]) * stats.norm.pdf(t), a, b,
                    epsabs=1e-13,
                )[0]
                for a, b in itertools.pairwise(ends)
                if gap((a + b) / 2) > 0
            )  # fmt: skip
            assert contains(balls[k,], total, 1e-9)


@pytest.mark.parametrize("text", ["tanh(z1*z2)", "sin(z1 + z2^2)", "max(z1, z2, z3)", "tanh(z1*z2) + z3^3"])
def test_several_directions_agree_with_monte_carlo(text: str) -> None:
    f = Target(text)
    z = np.random.default_rng(2).standard_normal((1 << 20, f.r))
    y = f(z)
    orders = [alpha for alpha in np.ndindex(*(3,) * f.r) if 0 < sum(alpha) <= 2]
    for c in thresholds(f)[1:3]:
        for alpha, ball in level_set_moments(f, c, orders).items():
            own = np.prod(
                [np.polynomial.hermite_e.hermeval(z[:, i], [0] * a + [1]) for i, a in enumerate(alpha)],
                axis=0,
            )
            seen = np.where(y > float(c), own, 0.0)
            assert contains(ball, float(seen.mean()), 4.5 * float(seen.std()) / 1024)


def test_boxes_are_on_the_side_that_they_claim() -> None:
    f = Target("z1*z2 + z1")
    inside, unknown = level_set(f, Fraction(1, 3))
    rng = np.random.default_rng(0)
    for box in inside[::7]:
        points = np.array([[rng.uniform(a, b) for a, b in box] for _ in range(5)])
        assert (f(points) > 1 / 3).all()
    z = rng.uniform(-8, 8, (20_000, 2))
    covered = np.zeros(len(z), bool)
    for box in (*inside, *unknown):
        covered |= np.all([(z[:, i] >= a) & (z[:, i] <= b) for i, (a, b) in enumerate(box)], axis=0)
    assert (f(z[~covered]) < 1 / 3).all()


def test_the_rank_of_balls_is_certified() -> None:
    one, blurred = flint.arb(1), flint.arb(1, 2)
    assert certified_rank([[one, one], [one, -one]]) == 2
    assert certified_rank([[one, one], [one, one]]) == 1
    assert certified_rank([[one, one], [one, blurred]]) == 1
    assert certified_rank([[flint.arb(0, 1)]]) == 0
    assert certified_rank([]) == 0


@pytest.mark.parametrize(
    ("text", "exponent", "dims"),
    [
        ("z1^2*exp(-z1^2)", 4, [0]),
        ("3*z1^4*exp(-2*z1^2)", 4, [0]),
        ("tanh(z1^2*exp(-z1^2))", 4, [0]),
        ("cos(z1^2*exp(-z1^2))", 4, [0]),
        ("abs(z1)*exp(-z1^2/2)", 4, [0]),
        ("(z1+z2)^2*exp(-(z1+z2)^2/2)", 4, [0]),
        ("z1^2*exp(-z1^2) + z2", 4, [0, 1]),
        ("z1^2*exp(-z1^2)*z2", 4, [0, 1]),
        ("z1^2*exp(-2*z1^2)", 2, [0]),
        ("cos(z1^3)", 2, [0]),
        ("sin(z1^3 - 3*z1)", 1, [0, 1]),
        ("sin(z1 + z2^2)", 2, [0, 1]),
        ("sign(z1*z2 + z3)", 2, [0, 1]),
        ("exp(z1)*tanh(z1*z2)", 1, [0, 2]),
        ("sin(z1*z2)", 2, [0]),
        ("max(z1, z2, z3)", 2, [0, 1]),
        ("z1^3 - 3*z1*z2^2", 2, [0]),
    ],
)
def test_level_sets_and_symmetry_decide_exponents(text: str, exponent: int, dims: list[int]) -> None:
    found = generative(Target(text))
    assert (found.exponent, found.grand_staircase_dims, found.staircase_proved) == (exponent, dims, True)
    assert found.exactness in ("exact", "certified")


@pytest.mark.parametrize("text", ["cos(z1^3)", "sin(z1 + z2^2)", "sign(z1*z2 + z3)", "exp(z1)*tanh(z1*z2)"])
def test_first_moments_given_the_label_agree_with_monte_carlo(text: str) -> None:
    """Σ over bins of (mean z)² size is χ²: the dimension of span E[z | Y] is that of the significant eigenvalues."""
    f = Target(text)
    z = np.random.default_rng(4).standard_normal((1 << 20, f.r))
    rng = np.random.default_rng(5)
    u = z[np.lexsort((rng.random(len(z)), f(z)))].reshape(64, -1, f.r)
    means = u.mean(1) * math.sqrt(u.shape[1])
    spectrum = np.linalg.eigvalsh(means.T @ means)
    significant = int((spectrum > 64 + 8 * math.sqrt(2 * 64)).sum())
    assert significant == len(generative(f).trivial_subspace)


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("2*exp(tanh((z1*z2)^3)) - 1", "z1*z2"),
        ("logistic(-softplus(tanh(z1^2)))", "z1^2"),
        ("sqrt(2)*z1 + pi", "z1"),
        ("(z1*z2)^2", "(z1*z2)^2"),
        ("0*z1 + z2", "0*z1 + z2"),
        ("z1 + z2", "z1 + z2"),
    ],
)
def test_injective_transforms_are_taken_off_the_label(text: str, inner: str) -> None:
    assert plainest_label(Target(text)).tree == Target(inner).tree


@pytest.mark.parametrize(
    "base", ["z1*z2", "He4(z1)", "z1 + He4(z2)", "z1^2*exp(-z1^2)", "sign(z1*z2*z3)", "abs(z1)"]
)
@pytest.mark.parametrize(
    "shape", ["exp(tanh({})/3)", "tanh({})", "({})^3 + {}", "2*({}) - 5", "softplus({})^5"]
)
def test_an_injective_transform_changes_nothing(base: str, shape: str) -> None:
    plain, moved = generative(Target(base)), generative(Target(shape.format(f"({base})", f"({base})")))
    assert (moved.exponent, moved.grand_staircase, moved.trivial_subspace) == (
        plain.exponent,
        plain.grand_staircase,
        plain.trivial_subspace,
    )


def test_directions_that_are_neither_axes_nor_rational_multiples() -> None:
    for text in ("heaviside(z1 - z2) + exp(-(z2 - z3)^2)", "logistic(z1 + z2) + softplus(sqrt(2)*z1)"):
        assert generative(Target(text)).exponent == 1


def test_what_is_not_injective_may_change_everything() -> None:
    assert generative(Target("z1^3 + z1")).exponent == 1
    assert generative(Target("(z1^3 + z1)^2")).exponent == 2
    assert generative(Target("abs(z1)")).exponent == 2


def test_an_independent_direction_that_is_noise_changes_nothing() -> None:
    """Y = f(z) + z_k is f with Gaussian noise that the student may learn: the rest keeps its exponent given z_k."""
    for text, exponent in (("z1*z2", 2), ("He4(z1)", 2), ("z1^2*exp(-z1^2)", 4), ("z1^3", 1)):
        assert generative(Target(f"{text} + z3")).exponent == exponent


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        ("relu(z1 + 2*z2)*(2*z1 + 4*z2 - 1)^2", [["1", "2"]]),
        ("tanh((z1 + z2)*(z1 - z2)^2)", [["1", "0"], ["0", "1"]]),
        ("sin(z2 + z3*z2)", [["0", "1", "0"], ["0", "0", "1"]]),
    ],
)
def test_a_target_is_seen_along_its_own_axes(text: str, axes: list[list[str]]) -> None:
    f = Target(text)
    found = frame(f)
    assert found is not None
    assert Span(f.r, found.axes).strings() == axes
    z = np.random.default_rng(0).standard_normal((50, f.r))
    v = np.array([[float(Fraction(int(x.p), int(x.q))) for x in row] for row in found.axes])
    assert found.u(z @ (v / np.linalg.norm(v, axis=1)[:, None]).T) == pytest.approx(f(z))
    assert found.lift(full(len(v))).strings() == axes


def test_coordinates_are_left_alone_and_oblique_directions_have_no_frame() -> None:
    assert frame(Target("tanh(z1*z2)")) is None
    assert frame(Target("tanh(z1*(z1 + z2))")) is None
    assert single_index(Target("tanh((z1 + z2)^3)")) is not None
    assert single_index(Target("tanh((z1 + z2)^3*(z1 - z2))")) is None


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("z1^2*exp(-z1^2)", True),
        ("z1^2*exp(-z1^2 - z2^2)", True),
        ("tanh(z1^2*exp(-z1^2)*z2) + z2", True),
        ("abs(z1)*exp(-z1^2/2)", True),
        ("abs(z1)^3*exp(-3*z1^2/2)*z2", True),
        ("z1*exp(-z1^2/2)", False),
        ("abs(z1)*exp(-z1^2)", False),
        ("z1^4*exp(-z1^2)", False),
        ("z1^2*exp(-z1^2) + z1", False),
        ("z1^2*exp(-z1^2)*relu(z1)", False),
        ("z2", False),
    ],
)
def test_a_hidden_second_order_is_proved(text: str, hidden: bool) -> None:
    assert hides_order_two(Target(text), 0) is hidden


@pytest.mark.parametrize("k", [24, 61, 200])
def test_a_ball_of_a_hermite_polynomial_of_high_order_holds_its_values(k: int) -> None:
    for middle, radius in ((0.0, 8.0), (3.0, 1.0), (-5.25, 2.0**-10), (7.5, 0.5), (1.0, 0.0)):
        whole = hermite_value(k, flint.arb(middle, radius))
        with flint.ctx.workprec(400):
            for t in (-1.0, -0.5, 0.0, 0.25, 1.0):
                assert whole.contains(hermite_value(k, flint.arb(middle + t * radius)))


def test_a_ball_of_a_hermite_polynomial_of_high_order_does_not_blow_up() -> None:
    bound = flint.arb(math.factorial(200)).sqrt() * flint.arb(16).exp()
    # Radii of balls have 30 bits.
    assert hermite_value(200, flint.arb(0, 8)).abs_upper() <= bound * (1 + flint.arb(2) ** -20)


def test_boxes_of_few_sides_ask_for_few_values_of_high_order(monkeypatch: pytest.MonkeyPatch) -> None:
    from hermite.language import enclosure as balls

    asked: list[flint.arb] = []
    plain = balls.hermite_value
    monkeypatch.setattr(balls, "hermite_value", lambda k, x: asked.append(x) or plain(k, x))
    inside, unknown = level_set(Target("He(120,z1)+He(120,z2)"), Fraction(1))
    assert len(inside) + len(unknown) > 2_000
    assert len(asked) < 1_000
