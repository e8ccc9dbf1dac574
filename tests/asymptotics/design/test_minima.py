"""Minima on a logarithmic scale: known functions, edges, places without a value, plateaus, and how much is asked."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from asymptotics.design.minima import least_of, nearby_least, vertex

BOUNDS = (1e-4, 1e4)


class Counted:
    """A function of log x that is infinite outside ``walls``, and what it was asked."""

    def __init__(
        self, function: Callable[[float], float], walls: tuple[float, float] = (0.0, math.inf)
    ) -> None:
        self.function, self.walls = function, walls
        self.asked: list[float] = []

    def __call__(self, x: float) -> float:
        assert math.isfinite(x)
        assert BOUNDS[0] * (1 - 1e-12) <= x <= BOUNDS[1] * (1 + 1e-12)
        self.asked.append(x)
        low, high = self.walls
        return self.function(math.log(x)) if low <= x <= high else math.inf


def bowl(at: float, power: float = 2.0) -> Callable[[float], float]:
    return lambda u: 1 + abs(u - math.log(at)) ** power


def skew(at: float) -> Callable[[float], float]:
    """e^v − v: steep to the right, flat to the left."""
    return lambda u: math.exp(u - math.log(at)) - (u - math.log(at))


def test_the_vertex_is_that_of_the_parabola_and_downhill_where_it_has_none() -> None:
    points = [(x, 3 * (x - 0.7) ** 2 + 2) for x in (-1.0, 0.5, 2.0)]
    assert vertex(points) == pytest.approx(0.7, rel=1e-12)
    # No farther than one more step on either side.
    far = [(x, (x - 90) ** 2) for x in (0.0, 1.0, 2.0)]
    assert vertex(far) == 3.0
    assert vertex([(0.0, 0.0), (1.0, 1.0), (2.0, 1.5)]) == -1.0
    assert vertex([(0.0, 1.5), (1.0, 1.0), (2.0, 0.0)]) == 3.0


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("make", [bowl, skew])
def test_a_minimum_inside_is_met_wherever_it_lies(make, few) -> None:
    for at in np.exp(np.random.default_rng(4).uniform(-7, 7, 12)):
        function = Counted(make(float(at)))
        found, edge = least_of(function, BOUNDS, 1 if few else 3, 0.1 if few else 1e-3, few=few)
        assert not edge
        # Parabolas end within the accuracy of a place that was asked: of a skew function that is two or three times as far.
        assert abs(math.log(found / at)) < (0.3 if few else 3e-3)
        assert len(function.asked) <= (16 if few else 45)


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("end", [0, 1])
def test_a_minimum_at_an_edge_is_said_to_be_there(end, few) -> None:
    slope = Counted((lambda u: u) if end == 0 else (lambda u: -u))
    found, edge = least_of(slope, BOUNDS, 1, 0.1, few=few)
    assert edge is True
    assert math.log(found) == pytest.approx(math.log(BOUNDS[end]), abs=0.3)


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("wall", [0.5, 1.01, 1.5, 3.0, 9.0, 9.9, 20.0])
def test_a_minimum_beside_places_without_a_value_is_followed_up_to_them(wall, few) -> None:
    """The bowl's own minimum, 1, lies beyond the wall or just before it: from either side."""
    for walls in ((wall, math.inf), (0.0, 1 / wall)):
        function = Counted(bowl(1.0), walls)
        found, edge = least_of(function, BOUNDS, 1, 0.1, few=few)
        assert edge is False
        least = max(1.0, wall)
        assert least * (1 - 1e-12) <= max(found, 1 / found) < least * 1.2 or wall < 1
        assert function(found) < 1.02 or abs(abs(math.log(found)) - math.log(least)) < 0.2


def test_holes_in_a_function_are_no_numbers_for_a_parabola() -> None:
    """Without a value at a third of all places, at random; what is found is no worse than what was asked, and finite."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        at = float(np.exp(rng.uniform(-5, 5)))
        holes = rng.uniform(-9.3, 9.3, 12)

        def full_of_holes(u: float, at: float = at, holes: np.ndarray = holes) -> float:
            return math.inf if np.min(np.abs(u - holes)) < 0.25 else bowl(at)(u)

        for few in (False, True):
            function = Counted(full_of_holes)
            found, _ = least_of(function, BOUNDS, 1, 0.1, few=few)
            assert function(found) == min(map(function, list(function.asked)))
        near = nearby_least(Counted(full_of_holes), at * 2, BOUNDS, 0.1)
        assert near is None or math.isfinite(full_of_holes(math.log(near)))


def test_where_nothing_has_a_value_the_lower_bound_is_returned_after_one_grid() -> None:
    function = Counted(bowl(1.0), (2.0, 1.0))
    assert least_of(function, BOUNDS, 1, 0.1, few=True) == (pytest.approx(1e-4), False)
    assert len(function.asked) == 9
    assert nearby_least(function, 1.0, BOUNDS, 0.1) is None


@pytest.mark.parametrize("few", [False, True])
def test_a_plateau_is_left_as_soon_as_it_is_known(few) -> None:
    function = Counted(lambda u: 2.0)
    least_of(function, BOUNDS, 1, 0.1, few=few)
    assert len(function.asked) < 25
    near = Counted(lambda u: 2.0)
    nearby_least(near, 1.0, BOUNDS, 0.1)
    assert len(near.asked) < 20


def test_values_of_any_unit_have_the_same_minimum() -> None:
    for few in (False, True):
        found = [
            least_of(Counted(lambda u, c=c: c * skew(7.0)(u)), BOUNDS, 1, 0.01, few=few)[0]
            for c in (1.0, 2.0**-900, 2.0**900)
        ]
        assert found[0] == found[1] == found[2]


def test_hopeless_places_are_not_asked() -> None:
    function = Counted(bowl(10.0))
    found, edge = least_of(function, BOUNDS, 1, 0.1, 5, 1.25, few=True)
    assert not edge
    assert found == pytest.approx(10.0, rel=0.1)
    assert min(function.asked) > 0.09


def test_a_walk_finds_a_minimum_near_and_gives_up_at_an_end() -> None:
    for start in (0.1, 1.0, 30.0):
        function = Counted(skew(3.0))
        found = nearby_least(function, start, BOUNDS, 0.1)
        assert found is not None
        assert abs(math.log(found / 3.0)) < 0.3
        assert len(function.asked) < 16
        # No place is asked twice.
        logs = np.sort(np.log(function.asked[:-1]))
        assert np.min(np.diff(logs)) > 1e-9
    assert nearby_least(Counted(lambda u: -u), 1e3, BOUNDS, 0.1) is None
    assert nearby_least(Counted(lambda u: u), 1e-3, BOUNDS, 0.1) is None
    # Too far for a walk.
    assert nearby_least(Counted(bowl(1e-3)), 1e3, BOUNDS, 0.1) is None
