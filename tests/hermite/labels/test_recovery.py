"""Weak-recovery thresholds: closed forms, the reference table, the estimator on known cases."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from target_table import ROWS

from hermite import InputError, Target, generative, recovery_threshold
from hermite.labels.recovery_closed_forms import PRODUCT_OF_TWO, closed_form, has_two_values
from hermite.labels.second_moments import weak_recovery_alpha

#: 1/(1 + E a²) for z1 z2, a = |y| K_1(|y|)/K_0(|y|) − 1.
PRODUCT = 0.5937511


@pytest.mark.parametrize("row", [row for row in ROWS if row["r"] <= 3], ids=lambda row: row["target"])
def test_the_reference_table_is_met(row: dict[str, object]) -> None:
    found = recovery_threshold(Target(str(row["target"])))
    expected = row["alpha_c"]
    if expected is None:
        assert found.alpha_c is None
        assert found.reason
    elif expected == "infinity":
        assert found.alpha_c == math.inf
        assert found.hard_subspace
    else:
        assert isinstance(expected, float)
        assert found.alpha_c is not None
        assert found.error is not None
        assert abs(found.alpha_c - expected) <= found.error + 0.02 * expected


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("z1^2", "1/2"),
        ("z1^4 + z1^2", "1/2"),
        ("z1^6 - 3*z1^4 + 3*z1^2", "1/2"),  # (z² − 1)³ + 1: the slope vanishes without a change of sign
        ("(z1 + 2*z2)^4", "1/2"),
        ("abs(z1 - z2)^3", "1/2"),
        ("exp(-z1^2)", "1/2"),
        ("z1^2 + z2^2", "1"),
        ("tanh(z1^2 + z2^2 + z3^2)", "3/2"),
        ("sign(z1*z2)", "pi^2/4"),
        ("2*heaviside(z1*z2) + 5", "pi^2/4"),
        ("sign(z1^2 - z2^2)", "Var f/|C_2|^2"),
        ("sign(z1*z2)*sign(z3^2 - 1)", "pi^2/(4*(1 - 2*erf(sqrt(2)/2))^2)"),
        ("z1*z2", "1/(1 + E[a(Y)^2]), a(y) = |y| K_1(|y|)/K_0(|y|) - 1"),
        ("z1*z2 + z2*z3", "1/(1 + E[a(Y)^2]), a(y) = |y| K_1(|y|)/K_0(|y|) - 1"),
        ("(z1^2 - z2^2)^3", "1/(1 + E[a(Y)^2]), a(y) = |y| K_1(|y|)/K_0(|y|) - 1"),
    ],
)
def test_closed_forms_agree_with_the_estimator(text: str, exact: str) -> None:
    found = recovery_threshold(Target(text))
    assert (found.exact, found.error) == (exact, 0.0)
    assert found.alpha_c is not None
    alpha, error = weak_recovery_alpha(Target(text), 1 << 19, 3)
    assert abs(alpha - found.alpha_c) <= error
    assert error < 0.02 * found.alpha_c


@pytest.mark.parametrize(
    "text",
    ["He4(z1)", "z1^2 + 2*z2^2", "z1*z2 + z3*z4", "abs(z1 + 1)", "z1^3", "sign(z1) + sign(z2)", "(z1*z2)^2"],
)
def test_what_has_no_closed_form_here(text: str) -> None:
    assert closed_form(Target(text)) is None


def test_labels_of_two_values_are_recognised() -> None:
    for text, two in (
        ("sign(z1^2*z2 - z2)", True),
        ("sign(z1)*sign(z1 - 1)", True),
        ("sign(z1) + sign(z2)", False),
    ):
        assert has_two_values(Target(text)) is two


def test_a_product_of_two_has_its_threshold() -> None:
    """The value that another implementation printed to seven digits, and the integral over Bessel functions."""
    assert pytest.approx(PRODUCT, abs=1e-7) == PRODUCT_OF_TWO
    density = lambda y: 2 / mpmath.pi * mpmath.besselk(0, y)  # noqa: E731
    score = lambda y: y * mpmath.besselk(1, y) / mpmath.besselk(0, y) - 1  # noqa: E731
    square = mpmath.quad(lambda y: density(y) * score(y) ** 2, [0, 1e-6, 1e-3, 0.1, 1, 5, 20, 60])
    assert float(1 / (1 + square)) == pytest.approx(PRODUCT_OF_TWO, rel=1e-14)


def test_the_estimator_sees_a_wrong_value() -> None:
    for text, alpha in (("z1*z2", PRODUCT), ("z1^2 + z2^2", 1.0)):
        found, error = weak_recovery_alpha(Target(text), 1 << 20, 1)
        assert abs(found - alpha) <= error
        assert abs(found - 1.02 * alpha) > error


@pytest.mark.parametrize("text", ["He4(z1)", "z1^2*exp(-2*z1^2)", "relu(z1^2 - 1)"])
def test_one_direction_is_that_of_quadrature_over_level_sets(text: str) -> None:
    """E[G²] = ∫ dy (Σ (x² − 1) φ/|f'|)²/Σ φ/|f'| over the preimages x of y: branch by branch on a fine grid."""
    f = Target(text)
    x = np.linspace(0, 8.5, 3_000_001)
    y = f(x[:, None])
    mass = 2 * np.exp(-x * x / 2) / math.sqrt(2 * math.pi) * (x[1] - x[0])
    # Bins of the label so narrow that the mean over a bin is the conditional mean, but for its edges.
    order = np.argsort(y, kind="stable")
    place = np.minimum((np.cumsum(mass[order]) * 20_000).astype(int), 19_999)
    if text.startswith("relu"):
        place[y[order] == 0] = 0
    total = np.bincount(place, mass[order], 20_000)
    moment = np.bincount(place, mass[order] * (x[order] ** 2 - 1), 20_000)
    seen = total > 0
    expected = 1 / float(np.sum(moment[seen] ** 2 / total[seen]))
    found = recovery_threshold(f)
    assert found.alpha_c is not None
    assert found.error is not None
    assert abs(found.alpha_c - expected) <= found.error + 1e-3 * expected


def test_noise_raises_the_threshold() -> None:
    noisy = recovery_threshold(Target("z1^2", noise=1.0))
    assert noisy.alpha_c is not None
    assert noisy.error is not None
    assert noisy.alpha_c - noisy.error > 0.5


def test_a_hidden_direction_does_not_make_the_others_hard() -> None:
    """z1 is hidden from second moments; of z2, z3, z4 the product of signs says nothing, but the size of the label does."""
    found = recovery_threshold(Target("z1^2*exp(-z1^2)*sign(z2*z3*z4)*exp(z2^2/5)"))
    assert found.alpha_c != math.inf
    assert found.hard_subspace == [["1", "0", "0", "0"]]
    assert recovery_threshold(Target("z1^2*exp(-z1^2)")).alpha_c == math.inf
    other = recovery_threshold(Target("z1^2*exp(-z1^2)*He4(z2)"))
    assert other.alpha_c is not None
    assert other.alpha_c < math.inf
    assert (other.easy_subspace, other.hard_subspace) == ([["0", "1"]], [["1", "0"]])


@pytest.mark.parametrize(
    ("text", "dim"),
    [("z1*z2*z3 + z1", 3), ("abs(z1)*sign(z2)", 2), ("exp(-(z1^2 + z2^2)/2)*z1", 2), ("z1 + He4(z2)", 2)],
)
def test_easy_directions_agree_with_monte_carlo(text: str, dim: int) -> None:
    """Directions along which the mean of z or of z zᵀ − 1 in some bin of the label is significant."""
    f = Target(text)
    assert len(generative(f).easy_subspace) == dim
    z = np.random.default_rng(0).standard_normal((1 << 19, f.r))
    u = z[np.argsort(f(z))].reshape(64, -1, f.r)
    size = math.sqrt(u.shape[1])
    first = np.abs(u.mean(1)).max(0) * size
    second = np.abs(np.einsum("bni,bni->bi", u, u) / u.shape[1] - 1).max(0) * size / math.sqrt(2)
    assert int((np.maximum(first, second) > 6).sum()) == dim


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("text", "alpha"), [("z1*z2", PRODUCT), ("z1^2 + z2^2 + z3^2", 1.5), ("He2(z1)*He2(z2)", 1.32671)]
)
def test_the_error_bar_covers(text: str, alpha: float, seed: int) -> None:
    """1.32671: the law of the product of two independent He_2 by a convolution of logarithms."""
    found, error = weak_recovery_alpha(Target(text), 1 << 18, seed)
    assert abs(found - alpha) <= error
    assert error < 0.05 * alpha


def test_a_threshold_that_is_not_resolved_is_no_number() -> None:
    """cos(6z): E[z² − 1 | Y] is of order e^{-18}, far below the noise; it is easy all the same."""
    found = recovery_threshold(Target("cos(6*z1)"))
    assert (found.alpha_c, found.error) == (None, None)
    assert "not resolved" in found.reason
    assert found.easy_subspace == [["1"]]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("text", "alpha"), [("He6(z1)", 0.67112), ("He4(z1)", 0.6449)])
def test_the_error_bar_covers_steep_and_flat_branches(text: str, alpha: float, seed: int) -> None:
    """The values: roots of He_k(x) = y branch by branch, and a quadrature over y."""
    found, error = weak_recovery_alpha(Target(text), 1 << 20, seed)
    assert abs(found - alpha) <= error
    assert error < 0.05 * alpha


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(InputError, match="samples"):
        recovery_threshold(Target("He4(z1)"), samples=1 << 12)
