"""The verdict on rows of theory and simulation: what a point's score is made of."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from asymptotics.comparison.finite_size import extrapolate
from asymptotics.comparison.judging import _Point, holm, judge
from asymptotics.comparison.verdict import LEVEL


def rows(*sizes: int) -> list[dict[str, object]]:
    return [
        {
            "quantity": "test_error", "d": d, "theory": 1.0, "simulation": 1.0 + 3.0 / d, "sem": 0.02,
            "replicates": 10,
        }
        for d in sizes
    ]  # fmt: skip


def scored(sizes: tuple[int, ...], scale: float = 1.0) -> dict[str, object]:
    point = _Point(rows(*sizes))
    point.measure_in(scale)
    return point.scored("1/d")


def test_shares_are_what_each_size_contributes_to_z() -> None:
    """z = Σ share_k g_k/s_k: at one size the share is 1."""
    assert scored((100,))["shares"] == pytest.approx([1.0])
    for scale in (1.0, 4.0):
        found = scored((100, 200, 400), scale)
        parts = [0.03, 0.015, 0.0075]
        assert np.asarray(found["shares"]) @ np.array(parts) / 0.02 == pytest.approx(found["z"], abs=1e-9)


def test_the_order_of_the_rows_changes_nothing() -> None:
    one, other = scored((100, 200, 400)), scored((400, 100, 200))
    assert one["d"] == other["d"] == 400
    for key in ("z", "z_raw", "allowance", "freedom", "sizes"):
        assert one[key] == other[key]


def test_what_is_fixed_by_construction_varies_by_rounding_at_every_size() -> None:
    """No standard error: the error is 1e-6 of the theory, as often as the sizes enter the extrapolation."""
    given = [row | {"sem": 0.0, "theory": 5.0, "simulation": 5.0 + 1e-4} for row in rows(100, 200, 400)]
    point = _Point(given)
    weights = extrapolate((100, 200, 400), point.gaps, point.sems, [10] * 3, 1.0).weights
    assert np.abs(weights).sum() > 1.01
    assert point.scored("1/d")["z"] == pytest.approx(1e-4 / (5e-6 * np.abs(weights).sum()), rel=1e-6)
    alone = _Point(given[-1:])
    assert alone.scored("1/d")["z"] == pytest.approx(1e-4 / 5e-6, rel=1e-6)
    known = _Point([given[-1] | {"rounding": 1e-5}])
    assert known.scored("1/d")["z"] == pytest.approx(10.0, rel=1e-6)


def test_without_the_extrapolation_the_largest_size_alone_is_scored() -> None:
    given = [row | {"sem": 0.01 * k} for k, row in enumerate(rows(100, 200, 400), start=1)]
    found = _Point(given).scored("1/d")
    assert found["z_raw"] == pytest.approx((3.0 / 400) / 0.03)
    assert found["allowance"] is not None
    assert _Point(given[-1:]).scored("1/d")["allowance"] is None


def test_numbers_that_are_all_zero_agree() -> None:
    report = judge([row | {"theory": 0.0, "simulation": 0.0, "sem": 0.0} for row in rows(100)])
    assert report.agrees
    assert report.rms_z == report.max_abs_z == 0.0


def test_the_error_of_the_theory_is_added_in_quadrature() -> None:
    plain, wide = rows(100), [row | {"theory_error": 0.03} for row in rows(100)]
    assert _Point(plain).scored("1/d")["z"] == pytest.approx(0.03 / 0.02)
    for scale in (1.0, 8.0):
        point = _Point(wide)
        point.measure_in(scale)
        found = point.scored("1/d")
        assert found["z"] == found["z_raw"] == pytest.approx(0.03 / np.hypot(0.02, 0.03))
        assert found["shares"] == pytest.approx([0.02 / np.hypot(0.02, 0.03)])


def test_holm_steps_down_and_stops_at_the_first_that_passes() -> None:
    assert holm(np.array([0.04, 0.001, 0.012, 0.9]), 0.05).tolist() == [False, True, True, False]
    assert holm(np.array([0.02, 0.02]), 0.03).tolist() == [False, False]
    assert holm(np.array([0.015, 0.02]), 0.03).tolist() == [True, True]


def test_the_p_value_of_a_point_is_that_of_both_tails_of_t() -> None:
    for replicates in (3, 10, 200):
        for level in (0.3, 0.01):
            z = float(t.isf(level / 2, replicates - 1))
            for gap in (z, -z):
                row = rows(100)[0] | {"simulation": 1.0 + 0.02 * gap, "replicates": replicates}
                assert judge([row]).rows[0]["p_value"] == pytest.approx(level, rel=1e-6)


@pytest.mark.parametrize(("known", "level"), [(False, LEVEL), (True, LEVEL / 2)])
def test_two_tests_of_one_theory_share_the_level(known: bool, level: float) -> None:
    """With replicates the points are tested together, too: each of the two gets half of the level."""
    count = 12
    runs = np.random.default_rng(3).standard_normal(count)
    runs = 0.02 * np.sqrt(count) * (runs - runs.mean()) / runs.std(ddof=1)
    for factor, agrees in ((0.97, False), (1.03, True)):
        gap = 0.02 * float(t.isf(factor * level / 2, count - 1))
        row = rows(100)[0] | {"simulation": 1.0 + gap, "replicates": count}
        report = judge([row | ({"runs": 1.0 + gap + runs} if known else {})])
        assert report.agrees == agrees
        assert report.rows[0]["rejected"] != agrees
