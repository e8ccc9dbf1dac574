"""Refinement stops at a bound of seconds: what was reached is told; where the bound is not hit it changes nothing."""

from __future__ import annotations

import pytest

from asymptotics import Network, Training, overlaps
from asymptotics.expectations import patience
from asymptotics.expectations.patience import Patience, rounded_up
from hermite.errors import ConvergenceError

NETWORK, TRAINING = Network(width=3, initialisation="independent"), Training(steps=2, alpha=4.0, eta=0.5)


def test_a_refinement_that_would_take_too_long_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 103.0, 103.0, 103.0])
    monkeypatch.setattr(patience.time, "process_time", lambda: next(clock))
    here = Patience(seconds=10.0, started=next(clock))
    assert here.allows(2.0)
    assert not here.allows(3.0)
    assert here.allows(7 / 3 - 1e-9)


def test_where_seconds_end_the_answer_says_what_was_reached_or_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """1e-9 needs 2^20 points and more; with no time one doubling is all there is."""
    monkeypatch.setattr(Patience, "allows", lambda self, times: False)
    found = overlaps("z1 + z1*z2", NETWORK, TRAINING, accuracy=1e-9, throw=False)
    assert found.validity == "approximate"
    assert found.solution.residual > 1e-9
    assert found[2].error.quadrature > 1e-9
    with pytest.raises(
        ConvergenceError, match=r"not the accuracy 1e-09, with the nodes and 300 s of their budget"
    ):
        overlaps("z1 + z1*z2", NETWORK, TRAINING, accuracy=1e-9)


def test_what_may_be_asked_for_is_not_below_what_was_reached() -> None:
    for reached in (0.0021, 0.0099, 3e-7, 0.5):
        assert reached <= rounded_up(reached) < 2 * reached
