"""Extrapolation in the dimension: exact on lines, calibrated errors, the right rate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from asymptotics.comparison.finite_size import (
    RATES,
    extrapolate,
    fit_weights,
    lack_of_fit,
    possible_rates,
    sizes_below,
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
    assert possible_rates([(sizes, gaps, np.full(3, 1e-3))]) == (name,)


def test_two_sizes_cannot_tell_and_the_rate_can_be_given() -> None:
    point = ((50, 100), np.array([0.1, 0.05]), np.array([0.01, 0.01]))
    assert possible_rates([point]) == ("1/sqrt(d)", "1/d")
    assert possible_rates([point], "1/d") == ("1/d",)
    with pytest.raises(InputError, match="rate must be"):
        possible_rates([point], "1/d^2")


def test_sizes_are_halves_that_are_not_too_small() -> None:
    assert sizes_below(512, 1) == (512,)
    assert sizes_below(512, 2) == (256, 512)
    assert sizes_below(512, 3, least=200) == (256, 512)
    assert sizes_below(10, 3) == (10,)


GAPS, SEMS = np.array([0.3, 0.12, 0.07]), np.array([0.02, 0.03, 0.01])


def test_the_error_of_an_intercept_is_that_of_its_sizes_in_quadrature() -> None:
    found = extrapolate(SIZES, GAPS, SEMS, (10, 10, 20), 1.0)
    w = found.weights
    parts = (w * SEMS) ** 2
    assert w.sum() == pytest.approx(1.0, rel=1e-12)
    assert found.value == pytest.approx(w @ GAPS, rel=1e-12)
    assert found.error == pytest.approx(np.sqrt(parts.sum()), rel=1e-12)
    assert found.freedom == pytest.approx(
        parts.sum() ** 2 / np.sum(parts**2 / np.array([9, 9, 19])), rel=1e-12
    )


def test_any_number_of_sizes_from_three_up_tells_the_rate() -> None:
    sizes = (50, 100, 200, 400)
    d = np.array(sizes, float)
    sems = np.full(4, 1e-4)
    assert possible_rates([(sizes, 2.0 / d, sems)]) == ("1/d",)
    assert possible_rates([(sizes, 2.0 / np.sqrt(d), sems)]) == ("1/sqrt(d)",)
    assert len(possible_rates([(sizes[:2], 2.0 / d[:2], sems[:2])])) == 2


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
