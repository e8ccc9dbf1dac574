"""Equations that were not solved name what makes them hard, and advise no more than that."""

from __future__ import annotations

from typing import Any

import pytest

from asymptotics import Network, Ridge, Training, risk
from asymptotics.fixed_point import Solution, Status
from asymptotics.generalisation import errors
from asymptotics.generalisation.spiked import nonlinear_sector
from asymptotics.generalisation.spiked.nonlinear_sector import cause_of
from hermite import Target
from hermite.errors import ConvergenceError


@pytest.mark.parametrize(
    ("size", "alpha", "beta", "words", "others"),
    [
        (1e6, 0.4, 0.5, "blown the features up", "interpolation"),
        (1e6, 0.5, 0.5, "smaller training.eta", "interpolation"),
        (1.0, 0.5, 0.5, "interpolation", "eta"),
        (1.0, 1.1, 1.0, "near the 1 distinct neurons", "eta"),
        (1.0, 4.0, 1.0, "larger lambda", "interpolation"),
        (1.0, 0.3, float("inf"), "larger lambda", "interpolation"),
    ],
)
def test_the_cause_is_that_of_the_setting(
    size: float, alpha: float, beta: float, words: str, others: str
) -> None:
    said = cause_of(size, alpha, beta, 1e-3)
    assert words in said
    assert others not in said


@pytest.mark.parametrize("status", list(Status))
def test_no_status_speaks_of_settings_that_the_solver_does_not_know(status: Status) -> None:
    assert "alpha" not in status.value
    assert "tol," not in status.value


def test_a_fit_far_from_interpolation_is_not_sent_away_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def stalled(*_: Any, **__: Any) -> Solution:
        system = _[0]
        return Solution(Status.STALLED, 1e-3, 7, "newton", system.start(1.0))

    monkeypatch.setattr(nonlinear_sector, "_fixed_point", stalled)
    monkeypatch.setattr(errors, "SHARED", errors.SetUps())
    setting = (
        Target("z1 + He2(z1)/2"),
        Network(initialisation="independent"),
        Training(1),
        Ridge(4.0, 1.0, 0.1),
    )
    with pytest.raises(
        ConvergenceError, match=r"not solved \(residual 1.0e-03 after 7 evaluations\): take a larger lambda"
    ):
        risk(*setting, accuracy=0)
