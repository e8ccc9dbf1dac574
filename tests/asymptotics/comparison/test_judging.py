"""The verdict on rows of theory and simulation: what a point's score is made of."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.comparison.finite_size import Spread
from asymptotics.comparison.judging import _Point


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
    return point.scored("1/d", Spread())


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
