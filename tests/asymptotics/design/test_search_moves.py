"""The searches of design: where they may go, and when there is nothing to search."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from asymptotics.design.inversion import _Curve
from asymptotics.design.planning import _moved
from hermite.errors import InputError


@pytest.mark.parametrize("by", [0.3, -0.3])
@pytest.mark.parametrize("k", range(4))
def test_a_move_there_and_back_is_none(k: int, by: float) -> None:
    place, width = (0.5, 0.1, -2.0, 4.0), math.log(200)
    there = _moved(place, k, by, width)
    assert there[k] == pytest.approx(place[k] + by)
    assert _moved(there, k, -by, width) == pytest.approx(place)


@pytest.mark.parametrize("k", range(4))
def test_moves_end_at_the_borders(k: int) -> None:
    place, width = (0.5, 0.1, -2.0, 4.0), math.log(200)
    low, high = (_moved(place, k, by, width)[k] for by in (-1e3, 1e3))
    assert low < place[k] < high
    assert (_moved(place, k, -2e3, width)[k], _moved(place, k, 2e3, width)[k]) == (low, high)


@pytest.mark.parametrize(
    ("least", "why", "refused"),
    [
        (math.inf, InputError("no number."), True),
        (0.3, InputError("no number."), False),
        (math.inf, None, False),
    ],
)
def test_a_curve_is_refused_only_where_no_point_of_it_has_a_number(
    least: float, why: InputError | None, refused: bool
) -> None:
    curve = SimpleNamespace(least=least, _predictions=SimpleNamespace(none=why))
    if not refused:
        _Curve.refuse_unless_predicted(curve)  # type: ignore[arg-type]
        return
    with pytest.raises(InputError, match="no number"):
        _Curve.refuse_unless_predicted(curve)  # type: ignore[arg-type]
