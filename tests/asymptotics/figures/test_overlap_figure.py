"""Overlaps on a page: the spread where neurons differ, no sign on a zero, no rounding drawn as a result."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from asymptotics import Network, Training, overlaps
from asymptotics.comparison.trajectories import Run
from asymptotics.figures import plot_overlaps
from asymptotics.figures.overlap_figure import overlap_page, readouts_shown
from asymptotics.results import Overlaps, StepOverlaps
from asymptotics.text.overlap_tables import overlaps_text
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


def test_a_gaussian_readout_is_shown_by_its_quantiles_and_a_few_values_as_they_are() -> None:
    found = overlaps(Target("z1"), Network(readout="gaussian", activation="tanh"), Training(steps=1))
    shown = readouts_shown(found.steps[0])
    assert [one.quantile for one in shown] == [0.95, 0.75, 0.5, 0.25, 0.05]
    # The nodes of a rule have the quantiles of the law to a few hundredths.
    assert [one.value for one in shown] == pytest.approx([1.645, 0.674, 0.0, -0.674, -1.645], abs=0.06)
    assert shown[2].value == 0.0
    ax = Figure().add_subplot()
    plot_overlaps(found, ax)
    ends = [float(line.get_ydata()[-1]) for line in ax.get_lines() if len(line.get_xdata()) == 2]
    # After one step on z1 the overlap is proportional to the readout.
    assert np.array(ends) / ends[0] == pytest.approx([one.value / shown[0].value for one in shown], abs=1e-9)
    assert "(95 %)" in ax.get_legend_handles_labels()[1][0]
    few = overlaps(
        Target("z1"), Network(readout=[[2.0, 0.1], [1.0, 0.4], [-1.0, 0.4], [-2.0, 0.1]]), Training()
    )
    assert [(one.value, one.quantile) for one in readouts_shown(few.steps[0])] == [
        (value, None) for value in (2.0, 1.0, -1.0, -2.0)
    ]


def test_more_than_six_lines_are_a_panel_a_direction_and_none_alike() -> None:
    found = overlaps(Target("z1 + z1*z2"), Network(readout="gaussian", activation="tanh"), Training(steps=1))
    figure = Figure()
    overlap_page(found, figure)
    assert [ax.get_title() for ax in figure.axes] == [r"$w^\star_{1}$", r"$w^\star_{2}$"]
    for ax in figure.axes:
        lines = [line for line in ax.get_lines() if len(line.get_xdata()) == 2]
        assert len({(str(line.get_color()), line.get_linestyle()) for line in lines}) == len(lines) == 5


def test_measured_neurons_stand_at_the_quantiles_of_the_prediction() -> None:
    """Readouts of a simulated network are others than the nodes of the theory: both are read off between neighbours."""
    readout = np.linspace(-2.0, 2.0, 9)
    step = [
        StepOverlaps(
            t,
            readout,
            np.full(9, 1 / 9),
            t * readout[:, None],
            np.eye(9),
            np.ones(9),
            1.0,
            M_sem=np.full((9, 1), 0.1),
        )
        for t in range(2)
    ]
    simulated = Overlaps("simulation", tuple(step), replicates=4)
    found = overlaps(Target("z1"), Network(readout="gaussian", activation="tanh"), Training(steps=1))
    ax = Figure().add_subplot()
    plot_overlaps(found, ax, simulated)
    shown = [one.value for one in readouts_shown(found.steps[0])]
    points = [float(container.lines[0].get_ydata()[-1]) for container in ax.containers]
    assert points == pytest.approx(shown, abs=1e-9)
