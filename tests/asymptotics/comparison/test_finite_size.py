"""Extrapolation in the dimension: exact on lines, calibrated errors, the right rate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from asymptotics.comparison.finite_size import (
    RATES,
    Spread,
    _weights,
    choose_rate,
    extrapolate,
    fit_weights,
    lack_of_fit,
    sizes_below,
    spread_of_slopes,
)
from hermite.errors import InputError

SIZES = (50, 100, 200)


@pytest.mark.parametrize("rate", RATES.values())
@pytest.mark.parametrize("sizes", [(100, 200), SIZES, (30, 70, 90, 400)])
def test_a_line_is_recovered(sizes: tuple[int, ...], rate: float) -> None:
    gaps = 0.3 - 5.0 * np.array(sizes, dtype=float) ** -rate
    found = extrapolate(sizes, gaps, np.ones(len(sizes)), [9] * len(sizes), rate)
    assert found.value == pytest.approx(0.3)
    assert lack_of_fit(sizes, gaps, np.ones(len(sizes)), rate) == pytest.approx(0, abs=1e-20)


def test_weights_sum_to_one_and_remove_the_rate() -> None:
    for rate in RATES.values():
        intercept, slope = fit_weights(SIZES, rate)
        x = np.array(SIZES, dtype=float) ** -rate
        assert intercept.sum() == pytest.approx(1)
        assert intercept @ x == pytest.approx(0, abs=1e-12)
        assert slope.sum() == pytest.approx(0, abs=1e-12)
        assert slope @ x == pytest.approx(1)


def test_two_sizes_extrapolate_as_by_hand() -> None:
    found = extrapolate((100, 200), np.array([0.4, 0.3]), np.array([0.03, 0.01]), [5, 5], 1.0)
    assert found.value == pytest.approx(2 * 0.3 - 0.4)
    assert found.error == pytest.approx(np.hypot(0.02, 0.03))


def test_one_size_is_left_as_it_is() -> None:
    found = extrapolate((100,), np.array([0.4]), np.array([0.1]), [7], 1.0)
    assert found.value == 0.4
    assert found.error == pytest.approx(0.1)
    assert found.freedom == pytest.approx(6)


def test_the_intercept_has_the_stated_law() -> None:
    """4,000 experiments with a finite-size term: p-values of a = 0 are uniform; ignoring the term they are not."""
    rng = np.random.default_rng(3)
    replicates, sems_true = 6, 1 / np.sqrt(np.array(SIZES))
    bias = 30 / np.array(SIZES)
    p, naive = [], []
    for _ in range(4000):
        draws = bias + sems_true * np.sqrt(replicates) * rng.standard_normal((replicates, 3))
        gaps, sems = draws.mean(axis=0), draws.std(axis=0, ddof=1) / np.sqrt(replicates)
        found = extrapolate(SIZES, gaps, sems, [replicates] * 3, 1.0)
        p.append(2 * stats.t.sf(abs(found.value / found.error), found.freedom))
        naive.append(2 * stats.t.sf(abs(gaps[-1] / sems[-1]), replicates - 1))
    for level in (0.01, 0.05, 0.3):
        assert abs(np.mean(np.array(p) < level) - level) < 4 * np.sqrt(level / 4000) + 0.003
    assert np.mean(np.array(naive) < 0.05) > 0.2


@pytest.mark.parametrize("name", RATES)
def test_three_sizes_tell_the_rate(name: str) -> None:
    sizes = (25, 100, 400)
    gaps = 2.0 * np.array(sizes, dtype=float) ** -RATES[name]
    assert choose_rate([(sizes, gaps, np.full(3, 1e-3))]) == name


def test_two_sizes_cannot_tell_and_the_rate_can_be_given() -> None:
    point = ((50, 100), np.array([0.1, 0.05]), np.array([0.01, 0.01]))
    assert choose_rate([point]) == "1/sqrt(d)"
    assert choose_rate([point], "1/d") == "1/d"
    with pytest.raises(InputError, match="rate must be"):
        choose_rate([point], "1/d^2")


def test_sizes_are_halves_that_are_not_too_small() -> None:
    assert sizes_below(512, 1) == (512,)
    assert sizes_below(512, 2) == (256, 512)
    assert sizes_below(512, 3, least=200) == (256, 512)
    assert sizes_below(10, 3) == (10,)


def test_the_spread_of_slopes_interpolates_between_none_and_the_line() -> None:
    gaps, sems = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.14, 0.1])
    line = extrapolate(SIZES, gaps, sems, [9] * 3, 1.0)
    free = extrapolate(SIZES, gaps, sems, [9] * 3, 1.0, Spread(1e12, 5.0))
    none = extrapolate(SIZES, gaps, sems, [9] * 3, 1.0, Spread(0.0, 5.0))
    assert free.value == pytest.approx(line.value, rel=1e-6)
    assert none.value == pytest.approx(float(np.array(SIZES) @ gaps / sum(SIZES)))
    assert none.error < line.error


def test_the_spread_of_slopes_is_estimated_and_blind_to_constant_gaps() -> None:
    rng = np.random.default_rng(5)
    d = np.array(SIZES, dtype=float)
    tau, sems = 4.0, 0.1 / np.sqrt(d)
    points = [
        (SIZES, tau * rng.standard_normal() / d + sems * rng.standard_normal(3), sems) for _ in range(400)
    ]
    assert spread_of_slopes(points, 1.0).variance == pytest.approx(tau**2, rel=0.3)
    shifted = [(s, g + 7.0, e) for s, g, e in points]
    assert spread_of_slopes(shifted, 1.0).variance == pytest.approx(spread_of_slopes(points, 1.0).variance)
    assert spread_of_slopes([((100,), np.ones(1), np.ones(1))], 1.0) == Spread()


@pytest.mark.parametrize("rate", [0.5, 1.0])
@pytest.mark.parametrize("variance", [0.0, 0.3, 40.0])
def test_the_weights_of_sizes_are_those_of_generalised_least_squares(rate: float, variance: float) -> None:
    """Against the dense covariance noise/d + variance x xᵀ of the gaps, x = d^(-rate)."""
    sizes = [100, 200, 400]
    d = np.array(sizes, float)
    x = d**-rate
    inverse = np.linalg.inv(np.diag(2.5 / d) + variance * np.outer(x, x))
    expected = inverse.sum(axis=0) / inverse.sum()
    np.testing.assert_allclose(_weights(sizes, rate, Spread(variance, noise=2.5)), expected, rtol=1e-9)
    assert _weights([100], rate, Spread(variance, noise=2.5)).tolist() == [1.0]


GAPS, SEMS = np.array([0.3, 0.12, 0.07]), np.array([0.02, 0.03, 0.01])


@pytest.mark.parametrize("rate", [0.5, 1.0])
def test_the_spread_of_slopes_is_the_excess_of_their_squares_two_deviations_up(rate: float) -> None:
    """τ² = (Σ v b² − m + 2 √(2 m))/Σ v over m points, v = 1/s_b²; the noise is the mean of s² d."""
    points = [(SIZES, GAPS, SEMS), (SIZES[:2], GAPS[:2], SEMS[:2]), ((400,), GAPS[:1], SEMS[:1])]
    slopes = [fit_weights(sizes, rate)[1] for sizes, _, _ in points[:2]]
    b = np.array([slope @ gaps for slope, (_, gaps, _) in zip(slopes, points, strict=False)])
    v = np.array(
        [1 / np.sum((slope * sems) ** 2) for slope, (_, _, sems) in zip(slopes, points, strict=False)]
    )
    found = spread_of_slopes(points, rate)
    assert found.variance == pytest.approx((v @ b**2 - 2 + 2 * np.sqrt(4)) / v.sum(), rel=1e-12)
    assert found.freedom == 2.0
    levels = [np.mean(sems**2 * np.array(sizes)) for sizes, _, sems in points[:2]]
    assert found.noise == pytest.approx(np.mean(levels), rel=1e-12)


def test_points_that_do_not_vary_say_nothing_of_the_spread() -> None:
    still = (SIZES, GAPS, np.zeros(3))
    assert spread_of_slopes([(SIZES, GAPS, SEMS), still], 1.0) == spread_of_slopes([(SIZES, GAPS, SEMS)], 1.0)
    assert spread_of_slopes([still], 1.0) == Spread()


def test_the_error_of_an_intercept_is_noise_and_spread_in_quadrature() -> None:
    spread = Spread(variance=30.0, freedom=5.0, noise=0.04)
    found = extrapolate(SIZES, GAPS, SEMS, (10, 10, 20), 1.0, spread)
    w, x = found.weights, 1 / np.array(SIZES)
    assert w.sum() == pytest.approx(1.0, rel=1e-12)
    parts = np.array([*(w * SEMS) ** 2, 30.0 * (w @ x) ** 2])
    assert found.value == pytest.approx(w @ GAPS, rel=1e-12)
    assert found.error == pytest.approx(np.sqrt(parts.sum()), rel=1e-12)
    assert found.freedom == pytest.approx(
        parts.sum() ** 2 / np.sum(parts**2 / np.array([9, 9, 19, 5])), rel=1e-12
    )
    # Generalised least squares: no other weights of sum 1 have a smaller variance under S + τ² x xᵀ, S = noise/d.
    covariance = np.diag(0.04 * x) + 30.0 * np.outer(x, x)
    best = np.linalg.solve(covariance, np.ones(3))
    np.testing.assert_allclose(w, best / best.sum(), rtol=1e-9)


def test_any_number_of_sizes_from_three_up_tells_the_rate() -> None:
    sizes = (50, 100, 200, 400)
    d = np.array(sizes, float)
    sems = np.full(4, 1e-4)
    assert choose_rate([(sizes, 2.0 / d, sems)]) == "1/d"
    assert choose_rate([(sizes, 2.0 / np.sqrt(d), sems)]) == "1/sqrt(d)"
    assert choose_rate([(sizes[:2], 2.0 / d[:2], sems[:2])]) == "1/sqrt(d)"


def test_a_size_without_spread_says_nothing_of_the_rate() -> None:
    assert lack_of_fit(SIZES, GAPS, np.array([0.0, 0.03, 0.01]), 1.0) == pytest.approx(
        np.sum(
            [
                ((gap - line) / sem) ** 2
                for gap, line, sem in zip(GAPS[1:], line_at(SIZES, GAPS, 1.0)[1:], SEMS[1:], strict=True)
            ]
        ),
        rel=1e-12,
    )


def line_at(sizes: tuple[int, ...], gaps: np.ndarray, rate: float) -> np.ndarray:
    """The least-squares line through g against d^-rate, size d weighed by d, at the sizes."""
    x = np.array(sizes, float) ** -rate
    return np.polyval(np.polyfit(x, gaps, 1, w=np.sqrt(sizes)), x)
