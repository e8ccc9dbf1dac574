"""The p-value of all points together: uniform for a right theory whatever the correlations, small for a wrong one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from asymptotics.comparison.joint_test import Correlated, effective_number, tail_of_squares
from asymptotics.comparison.judging import judge
from asymptotics.comparison.validation import enough_replicates


def row(runs: np.ndarray, theory: float, unit: int) -> dict[str, Any]:
    """What a point of ``unit`` says whose replicates gave ``runs``."""
    return {
        "alpha": unit,
        "theory": theory,
        "simulation": runs.mean(),
        "sem": runs.std(ddof=1) / np.sqrt(len(runs)),
        "replicates": len(runs),
        "unit": unit,
        "runs": runs,
    }


def experiment(
    rng: np.random.Generator, units: int, points: int, replicates: int, correlation: float, off: float = 0.0
) -> list[dict[str, Any]]:
    """Rows of ``units`` · ``points`` points at a standard error of about 1 %, the theory ``off`` by this share.

    Points of a unit are equally correlated; the theory is between 1e-4 and 1e4.
    """
    rows = []
    for unit in range(units):
        shared = rng.standard_normal((replicates, 1))
        own = rng.standard_normal((replicates, points))
        noise = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
        truth = 10.0 ** rng.uniform(-4, 4, points)
        values = truth * (1 + 0.01 * np.sqrt(replicates) * noise)
        for i in range(points):
            own_row = row(values[:, i], truth[i] * (1 + off), unit)
            rows.append({"quantity": f"point {i}"} | own_row)
    return rows


@pytest.mark.parametrize(
    ("units", "points", "replicates", "correlation"),
    [(4, 12, 10, 0.0), (4, 12, 10, 0.5), (4, 12, 6, 0.9), (1, 38, 10, 0.95), (3, 4, 20, 0.999)],
)
def test_p_values_are_uniform_under_a_right_theory(
    units: int, points: int, replicates: int, correlation: float
) -> None:
    rng = np.random.default_rng(11)
    found = [judge(experiment(rng, units, points, replicates, correlation)) for _ in range(200)]
    assert kstest([report.p_value for report in found], "uniform").pvalue > 0.01
    assert np.mean([not report.agrees for report in found]) <= 0.01 + 3 * np.sqrt(0.01 / 200)


def at_several_sizes(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    correlation: float,
    slope: float = 0.0,
    rate: float = 1.0,
    off: float = 0.0,
) -> list[dict[str, Any]]:
    """(units, points, replicates) at d = 50, 100, 200; finite-size terms of ``slope`` standard errors at 200, one a point."""
    units, points, replicates = shape
    rows = []
    for unit in range(units):
        truth, slopes = 10.0 ** rng.uniform(-1, 1, points), slope * rng.standard_normal(points)
        for d in (50, 100, 200):
            noise = np.sqrt(correlation) * rng.standard_normal((replicates, 1))
            noise = noise + np.sqrt(1 - correlation) * rng.standard_normal((replicates, points))
            term = slopes * (200 / d) ** rate
            values = truth * (1 + 0.01 * (term + np.sqrt(200 / d) * np.sqrt(replicates) * noise))
            for i in range(points):
                own_row = row(values[:, i], truth[i] * (1 + off), unit)
                rows.append({"quantity": "test_error", "point": i, "d": d} | own_row)
    return rows


@pytest.mark.parametrize(
    ("shape", "correlation", "slope", "rate"),
    [
        ((2, 6, 10), 0.5, 0.0, "auto"),
        ((1, 12, 8), 0.9, 0.0, "auto"),
        ((2, 6, 10), 0.5, 1.0, "1/d"),
        ((1, 12, 8), 0.9, 20.0, "1/d"),
        ((6, 2, 6), 0.0, 5.0, "1/sqrt(d)"),
    ],
)
def test_p_values_of_several_sizes_are_uniform_under_a_right_theory(
    shape: tuple[int, int, int], correlation: float, slope: float, rate: str
) -> None:
    """Whatever the finite-size terms of the points, of which each has its own; five cases at 1 % together."""
    rng = np.random.default_rng(21)
    power = {"auto": 1.0, "1/d": 1.0, "1/sqrt(d)": 0.5}[rate]
    found = [judge(at_several_sizes(rng, shape, correlation, slope, power), rate) for _ in range(200)]
    assert kstest([report.p_value for report in found], "uniform").pvalue > 0.01 / 5
    assert np.mean([not report.agrees for report in found]) <= 0.01 + 3 * np.sqrt(0.01 / 200)


@pytest.mark.parametrize("power", [0.5, 1.0])
@pytest.mark.parametrize("slope", [1.0, 5.0])
def test_a_right_theory_of_an_unknown_rate_is_hardly_ever_refused(slope: float, power: float) -> None:
    rng = np.random.default_rng(22)
    found = [judge(at_several_sizes(rng, (4, 6, 10), 0.5, slope, power)) for _ in range(100)]
    assert np.mean([not report.agrees for report in found]) <= 0.01 + 3 * np.sqrt(0.01 / 100)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_a_wrong_theory_at_several_sizes_is_refused(correlation: float) -> None:
    """5 % off at standard errors of 1 %: lines cost up to 2.8 of them."""
    rng = np.random.default_rng(23)
    found = [judge(at_several_sizes(rng, (6, 8, 8), correlation, off=0.05)) for _ in range(50)]
    assert np.mean([not report.agrees for report in found]) > 0.9


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_a_theory_three_per_cent_off_at_a_standard_error_of_one_is_refused(correlation: float) -> None:
    rng = np.random.default_rng(12)
    found = [judge(experiment(rng, 6, 8, 8, correlation, off=0.03)) for _ in range(100)]
    assert np.mean([not report.agrees for report in found]) > 0.97


def test_correlated_points_taken_as_independent_look_too_easy() -> None:
    """What the joint test cures: without the replicates the p-values crowd at both ends."""
    rng = np.random.default_rng(13)
    made = [experiment(rng, 1, 16, 10, 0.95) for _ in range(200)]
    means = [[{k: v for k, v in row.items() if k not in ("unit", "runs")} for row in rows] for rows in made]
    assert kstest([judge(rows).p_value for rows in means], "uniform").pvalue < 1e-6
    report = judge(made[0])
    assert 1 <= report.effective_points < 3  # type: ignore[operator]
    assert "worth" in report.statement
    assert judge(means[0]).effective_points is None


@pytest.mark.parametrize("unit", [1e-150, 1e-30, 1e-4, 1e4, 1e150])
def test_a_verdict_does_not_depend_on_the_unit_of_the_labels(unit: float) -> None:
    for off in (0.0, 0.03):
        rows = experiment(np.random.default_rng(14), 4, 6, 8, 0.5, off)
        scaled = [
            row | {key: unit**2 * row[key] for key in ("theory", "simulation", "sem", "runs")} for row in rows
        ]
        plain, small = judge(rows), judge(scaled)
        assert small.verdict == plain.verdict == ("disagrees" if off else "agrees")
        np.testing.assert_allclose([r["z"] for r in small.rows], [r["z"] for r in plain.rows], rtol=1e-9)
        assert small.p_value == pytest.approx(plain.p_value, rel=1e-6)


def test_the_replicates_said_to_be_enough_are_enough_and_a_third_of_them_are_not() -> None:
    right = experiment(np.random.default_rng(15), 3, 4, 4, 0.9)
    wrong = [row | {"theory": 1.01 * row["theory"]} for row in right]
    enough = enough_replicates(right, wrong)
    assert enough is not None
    assert enough > 4

    def refused(replicates: int) -> float:
        share = []
        for seed in range(60):
            rows = experiment(np.random.default_rng(seed), 3, 4, replicates, 0.9, off=0.01)
            # The standard error is 1 % at four replicates.
            shrink = np.sqrt(4 / replicates)
            for row in rows:
                truth = row["theory"] / 1.01
                row["runs"] = truth + shrink * (row["runs"] - truth)
                row["simulation"], row["sem"] = row["runs"].mean(), shrink * row["sem"]
            share.append(not judge(rows).agrees)
        return float(np.mean(share))

    assert refused(enough) > 0.6
    assert refused(enough // 3) < 0.5
    assert enough_replicates(right, right) is None


def test_the_tail_is_that_of_the_sum_of_squares() -> None:
    rng = np.random.default_rng(16)
    for weights in ([6.5] + [0.5] * 11, [3.0, 2.0, 1.0], [1.0, 0.01], [2.0] * 5):
        total = rng.chisquare(1, (200_000, len(weights))) @ np.array(weights)
        for level in (0.02, 0.3, 0.5, 0.8, 0.99):
            assert tail_of_squares(float(np.quantile(total, level)), weights) == pytest.approx(
                1 - level, rel=0.05, abs=0.02
            )
    assert tail_of_squares(400.0, [1.0] * 3 + [1e-12]) == pytest.approx(chi2.sf(400.0, 3), rel=1e-6)


def test_eigenvalues_are_those_of_the_correlations_that_many_replicates_show() -> None:
    """Equal correlations ρ of P points: 1 + (P − 1) ρ once, and 1 − ρ; shrinking leaves them as they are."""
    rng = np.random.default_rng(14)
    for rho in (0.2, 0.5, 0.9):
        shared, own = rng.standard_normal((4000, 1)), rng.standard_normal((4000, 4))
        unit = Correlated((np.sqrt(rho) * shared + np.sqrt(1 - rho) * own,), np.ones((1, 4)))
        expected = np.array([1 - rho] * 3 + [1 + 3 * rho])
        np.testing.assert_allclose(unit.eigenvalues(), expected, atol=0.08)


def test_correlations_of_few_replicates_at_one_size_and_many_at_another_stay_below_one() -> None:
    """What is taken off for chance at the size of few replicates is not added again as a correlation above 1."""
    rng = np.random.default_rng(15)
    few, many = (np.tile(rng.standard_normal((count, 1)), 3) for count in (4, 400))
    unit = Correlated((few, many), np.array([[0.3] * 3, [np.sqrt(1 - 0.3**2)] * 3]))
    np.testing.assert_allclose(unit.eigenvalues(), [0.0, 0.0, 3.0], atol=1e-9)


@pytest.mark.parametrize("unit", [1e-30, 1e-8, 1e8, 1e30])
def test_the_tail_of_squares_does_not_depend_on_the_unit_of_the_weights(unit: float) -> None:
    weights = np.array([0.1, 0.7, 2.0])
    for total in (0.01, 1.0, 2.7999, 2.8, 9.0, 60.0):
        assert tail_of_squares(unit * total, unit * weights) == pytest.approx(
            tail_of_squares(total, weights), rel=1e-9
        )


def test_known_correlations_have_known_effective_numbers() -> None:
    values = np.random.default_rng(17).standard_normal((4000, 1))
    same = Correlated((np.repeat(values, 5, axis=1),), np.ones((1, 5)))
    assert effective_number(same.eigenvalues()) == pytest.approx(1.0, rel=1e-6)
    apart = Correlated((np.random.default_rng(18).standard_normal((4000, 5)),), np.ones((1, 5)))
    assert effective_number(apart.eigenvalues()) == pytest.approx(5.0, rel=0.01)
    assert Correlated((np.ones((4, 3)),), np.ones((1, 3))).eigenvalues() == pytest.approx([1, 1, 1])
