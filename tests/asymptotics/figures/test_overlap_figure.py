"""Overlaps on a page: the spread where neurons differ, no sign on a zero, no rounding drawn as a result."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from asymptotics import Network, Training, overlaps
from asymptotics.comparison.trajectories import Run
from asymptotics.figures import plot_overlaps
from asymptotics.results import Overlaps, StepOverlaps
from asymptotics.text.printing import overlaps_text
from asymptotics.text.tables import vector
from hermite import Target

LEAP_TWO = Training(alpha=2.0, batch_exponent=2)


@pytest.mark.parametrize("text", ["z1*z2", "He2(z1)", "He2(z1) - He2(z2)"])
@pytest.mark.parametrize("width", ["infinite", 4])
def test_neurons_that_learn_different_things_are_shown_by_their_spread(text: str, width: str | int) -> None:
    found = overlaps(Target(text), Network(width=width), LEAP_TWO)
    table = overlaps_text(Run(LEAP_TWO, found).to_dict())
    deviation = np.sqrt(np.diagonal(found[1].M_cov, axis1=1, axis2=2))  # type: ignore[arg-type]
    assert "sd of M" in table
    assert vector(list(deviation[0])) in table
    assert deviation.max() > 0.1
    ax = Figure().add_subplot()
    plot_overlaps(found, ax)
    assert ax.collections
    assert "bands" in ax.get_legend().get_title().get_text()


def test_where_all_neurons_of_an_entry_are_alike_there_is_no_spread() -> None:
    found = overlaps(Target("z1"), Network(), Training())
    assert "sd of M" not in overlaps_text(Run(Training(), found).to_dict())
    ax = Figure().add_subplot()
    plot_overlaps(found, ax)
    assert not ax.collections


@pytest.mark.parametrize("noise", [-1e-17, 3e-14, -0.0])
def test_rounding_is_neither_printed_nor_drawn(noise: float) -> None:
    steps = [
        StepOverlaps(
            t, np.array([1.0]), np.ones(1), np.array([[t * 0.5, t * noise]]), np.eye(1), np.ones(1), 1.0
        )
        for t in range(3)
    ]
    found = Overlaps(regime="many neurons", steps=tuple(steps))
    assert "-0.0000" not in overlaps_text(Run(Training(), found).to_dict())
    assert "-0.0" not in str(found.to_dict()).replace("e-", "")
    ax = Figure().add_subplot()
    plot_overlaps(found, ax)
    drawn = [line for line in ax.get_lines() if len(line.get_xdata()) == 3]
    assert [list(line.get_ydata()) for line in drawn] == [[0.0, 0.5, 1.0], [0.0, 0.0, 0.0]]
