"""What is measured along a curve of many points: at a few of them, for all of them or none, and at one level."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asymptotics import Network, Ridge, Training, risk
from asymptotics.caches import SetUps
from asymptotics.generalisation.between_knots import between_knots
from asymptotics.generalisation.ridge_theories import measured_lines
from asymptotics.generalisation.ridge_theories.left_out import expected_correction
from asymptotics.generalisation.ridge_theories.measured_lines import Line, Measured, lines_of
from asymptotics.generalisation.ridge_theories.trained_levels import layer_of
from asymptotics.generalisation.spiked.corrections import Correction
from asymptotics.generalisation.theory import Setting
from hermite import Target

F, NETWORK, TRAINING = Target("z1"), Network("tanh"), Training(1, 1.0, 2.0)
LAMBDAS = np.geomspace(1e-4, 1.0, 100)


def at(tolerance: float) -> Callable[[Any], Any]:
    return lambda value: np.full(np.shape(value), tolerance)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4])
@pytest.mark.parametrize(
    ("function", "share"),
    [
        (np.exp, 0.1),
        (lambda x: np.tanh(20 * (x - 0.3)), 0.5),
        (lambda x: 1 / (1 + 100 * (x - 0.4) ** 2), 0.5),
        (lambda x: np.sin(12 * x), 0.5),
    ],
    ids=["smooth", "a step", "a peak", "waves"],
)
def test_interpolation_between_knots_errs_by_less_than_it_says(
    function: Callable[[Any], Any], share: float, tolerance: float
) -> None:
    places = np.sort(np.random.default_rng(3).uniform(0, 1, 400))
    line = between_knots(lambda i: np.array([function(places[i]), 1.0]), places, at(tolerance))
    for x, value, error in zip(places, line.values, line.errors, strict=True):
        assert value is not None
        assert abs(value[0] - function(x)) <= error * tolerance + 1e-13
        assert error <= 1
    assert len(line.knots) <= share * len(places)


def test_where_nothing_is_found_the_line_goes_place_by_place() -> None:
    places = np.linspace(0, 1, 60)
    line = between_knots(lambda i: None if places[i] < 0.2 else np.array([places[i]]), places, at(1e-6))
    assert [value is None for value in line.values] == [bool(x < 0.2) for x in places]
    assert len(line.knots) < len(places)


def settings(kept: SetUps, **more: Any) -> list[Setting]:
    ridge = Ridge(1.0, 4.0, d=more.pop("d", None))
    return [
        Setting(F, NETWORK, TRAINING, replace(ridge, lam=float(lam)), set_ups=kept, **more) for lam in LAMBDAS
    ]


def fake(
    setting: Setting, _errors: Any, _least: int = 0, _along: Any = None, *, given: bool = False
) -> Measured:
    """As smooth as what is measured, without its price."""
    fake.calls.add(setting.ridge)  # type: ignore[attr-defined]
    x = math.log(setting.ridge.lam)
    bulk = Correction(0.05 + 0.04 * math.tanh(x / 2 + 2), 0.3 / (1 + x * x), 0.002, 0.01, 12)
    return Measured(bulk, Correction(-0.02 * math.exp(-((x + 3) ** 2) / 9), -0.02), "here")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> set[Ridge]:
    calls: set[Ridge] = set()
    fake.calls = calls  # type: ignore[attr-defined]
    monkeypatch.setattr(measured_lines, "corrections_of", fake)
    return calls


def test_a_hundred_points_are_measured_at_a_few_of_them(measured: set[Ridge]) -> None:
    points = settings(SetUps())
    line = Line(points)
    for one in points:
        found, true = line.measured(one), fake(one, None)
        off = max(
            abs((1 + found.bulk.test) / (1 + true.bulk.test) - 1),
            abs((1 + found.norm.test) / (1 + true.norm.test) - 1),
        )
        assert off <= found.between + 1e-12
        assert found.between <= 0.002
        assert ("interpolated" in found.note) == (found.between > 0)
    assert sum("interpolated" in line.measured(one).note for one in points) > 50


def test_a_short_line_is_measured_at_every_point(measured: set[Ridge]) -> None:
    points = settings(SetUps())[::10]
    line = Line(points)
    assert [line.measured(one).note for one in points] == ["here"] * len(points)
    assert measured == {one.ridge for one in points}


def test_the_lines_of_a_grid_go_along_its_longest_side() -> None:
    first = settings(SetUps())[::5]
    grid = [replace(one, ridge=replace(one.ridge, alpha=a)) for a in (1.0, 2.0, 3.0) for one in first]
    lines = lines_of(grid)
    assert len(lines) == len(grid)
    assert sorted(len(line.settings) for line in set(lines.values())) == [len(first)] * 3
    assert all(len(line.settings) == 1 for line in lines_of(first[:10]).values())


def test_many_points_of_a_curve_are_measured_all_or_none_and_at_one_level(measured: set[Ridge]) -> None:
    """Corrections of more than 1 % are expected where beta > alpha, here: there would be a jump where the two meet."""
    alpha, training = np.geomspace(0.5, 8.0, 30), Training(1, 4.0, 1.0)
    points = [Setting(F, NETWORK, training, Ridge(float(a), 2.0, 0.1)) for a in alpha]
    expected = [expected_correction(one, layer_of(one)) > measured_lines.DEFAULT_ACCURACY for one in points]
    assert expected[0]
    assert not expected[-1]
    found = risk(F, NETWORK, training, Ridge(1.0, 2.0, 0.1), alpha=alpha)
    assert len({one.solver for one in found.risks}) == 1
    assert all("auxiliary batches" in one.validity_note or "here" in one.validity_note for one in found.risks)
