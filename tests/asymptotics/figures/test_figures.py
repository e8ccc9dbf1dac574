"""Figures: the right numbers in the right Axes, labels with symbols, equal bytes for equal input."""

from __future__ import annotations

import itertools
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from asymptotics.figures.curve_figure import plot_curve
from asymptotics.figures.overlap_figure import plot_overlaps
from asymptotics.figures.residual_figure import plot_residuals
from asymptotics.figures.style_sheet import STYLE, save, style
from asymptotics.results import Overlaps, StepOverlaps


def row(alpha: float, step: int = 0, simulated: bool = True, **settings: Any) -> dict[str, Any]:
    point = {
        "step": step,
        "alpha": alpha,
        "beta": 1.0,
        "lambda": 0.1,
        "alpha_train": 4.0,
        "eta": 1.0,
        "d": 50,
    }
    error = 1.0 / alpha + step
    simulation = {
        "test_error": error + 0.01,
        "test_error_sem": 0.02,
        "train_error": 0.1,
        "train_error_sem": 0.0,
    }
    errors = {"test_error": error, "train_error": error / 2, "plateau": None}
    return point | errors | {"simulation": simulation if simulated else None} | settings


def overlaps(shift: float = 0.0, sem: bool = False) -> Overlaps:
    steps = tuple(
        StepOverlaps(
            step=t,
            readout=np.array([1.0, -1.0]),
            weight=np.array([0.5, 0.5]),
            M=t * np.array([[1.0, 0.5], [-1.0, 0.5]]) + shift,
            Q=np.eye(2),
            norm2=np.ones(2),
            risk=1.0,
            M_sem=np.full((2, 2), 0.1) if sem else None,
        )
        for t in range(3)
    )
    return Overlaps("many neurons", steps)


def axes() -> Any:
    return Figure().add_subplot()


def test_a_curve_has_one_line_a_setting_and_points_with_their_bars() -> None:
    ax = axes()
    rows = [row(a, t) for t in (0, 1) for a in (4.0, 1.0, 2.0)]
    assert plot_curve(rows, ax) is ax
    lines = [line for line in ax.get_lines() if line.get_linestyle() != "None" and len(line.get_xdata()) == 3]
    assert len(lines) == 2
    assert lines[0].get_xdata().tolist() == [1.0, 2.0, 4.0]
    assert lines[0].get_ydata().tolist() == [1.0, 0.5, 0.25]
    assert len(ax.containers) == 2
    assert r"\alpha" in ax.get_xlabel()
    assert r"\mathbb{E}" in ax.get_ylabel()
    assert "± s.e." in ax.get_legend().get_title().get_text()
    looks = {(line.get_color(), line.get_linestyle()) for line in lines}
    assert len(looks) == 2
    assert len({linestyle for _, linestyle in looks}) == 2


def test_a_curve_is_drawn_without_simulation_or_without_theory() -> None:
    ax = plot_curve([row(a, simulated=False) for a in (1.0, 2.0)], axes())
    assert not ax.containers
    assert "±" not in ax.get_legend().get_title().get_text()
    ax = plot_curve([row(a, test_error=None) for a in (1.0, 2.0)], axes())
    assert len(ax.containers) == 1


def test_plateaus_are_drawn_where_no_prediction_is_below_them() -> None:
    rows = [row(a, t, plateau=0.6 - 0.2 * t) for t in (0, 1) for a in (1.0, 2.0, 4.0)]
    ax = plot_curve(rows, axes())
    levels = {
        line.get_ydata()[0]: tuple(line.get_xdata()) for line in ax.get_lines() if line.get_linestyle() == ":"
    }
    # Errors 1/α + t: at t = 0 the level 0.6 is passed after α = 1.
    assert levels == {0.6: (1.0, 1.0), 0.6 - 0.2: (1.0, 4.0)}
    assert "plateau" in ax.get_legend().get_title().get_text()


def test_plateaus_are_not_drawn_along_a_setting_that_does_not_lead_to_them() -> None:
    rows = [row(1.0, eta=eta, plateau=0.6) for eta in (0.5, 1.0, 2.0)]
    ax = plot_curve(rows, axes())
    assert not [line for line in ax.get_lines() if line.get_linestyle() == ":"]
    assert "plateau" not in ax.get_legend().get_title().get_text()


def test_the_axis_is_what_varies_most() -> None:
    ax = plot_curve([row(1.0, t, simulated=False) for t in (0, 1, 2)], axes())
    assert "$t$" in ax.get_xlabel()


def test_step_zero_has_no_training_and_still_a_line() -> None:
    rows = [row(a, 0, alpha_train=None, eta=None) for a in (1.0, 2.0)] + [row(a, 1) for a in (1.0, 2.0)]
    ax = plot_curve(rows, axes())
    assert len(ax.containers) == 2


def test_overlaps_are_drawn_over_the_steps() -> None:
    ax = plot_overlaps(overlaps(), axes(), simulation=overlaps(0.05, sem=True))
    assert len(ax.containers) == 4
    theory = [
        line for line in ax.get_lines() if line.get_marker() in ("", "None") and len(line.get_xdata()) == 3
    ]
    assert any(line.get_ydata().tolist() == [0.0, 1.0, 2.0] for line in theory)


def test_residuals_are_drawn_by_quantity() -> None:
    rows = [{"quantity": q, "z": z} for q, z in (("test_error", 0.5), ("train_error", -1), ("test_error", 2))]
    ax = plot_residuals(rows, axes())
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["test error", "train error"]


def test_a_legend_of_residuals_covers_no_point() -> None:
    rows = [{"quantity": "test_error", "z": z} for z in (2.9, -3.0, 3.0)]
    with style():
        ax = plot_residuals(rows, Figure().add_subplot())
        ax.figure.draw_without_rendering()
        assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1 - 1


def test_files_are_deterministic_and_leave_global_settings_alone() -> None:
    before = dict(matplotlib.rcParams)
    rows = [row(a) for a in (1.0, 2.0)]
    first, second = (save(lambda figure: plot_curve(rows, figure.add_subplot())) for _ in range(2))
    assert first["png"][:8] == b"\x89PNG\r\n\x1a\n"
    assert first["pdf"][:5] == b"%PDF-"
    assert first == second
    assert dict(matplotlib.rcParams) == before


def test_the_style_keeps_text_as_text_and_tells_groups_apart_in_grey() -> None:
    with style():
        assert matplotlib.rcParams["pdf.fonttype"] == 42
        cycle = list(matplotlib.rcParams["axes.prop_cycle"])
    assert (
        len({str(c["linestyle"]) for c in cycle})
        == len({c["marker"] for c in cycle})
        == len({c["color"] for c in cycle})
        == len(cycle)
    )
    # Dotted are the plateaus: no line of the theory is taken for one.
    assert ":" not in [c["linestyle"] for c in cycle]
    assert STYLE.exists()


def test_a_result_plots_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    ax = axes()
    assert overlaps().plot(ax) is ax


def test_lines_are_labelled_where_they_end_and_labels_do_not_overlap() -> None:
    rows = [row(a, t, test_error=1.0 + 1e-3 * t) for t in (0, 1, 2) for a in (1, 2, 3, 4)]
    ax = plot_curve(rows, axes())
    labels = [text for text in ax.texts if text.get_text().startswith("$t$")]
    assert [text.get_text() for text in labels] == [f"$t$ = {t}" for t in (0, 1, 2)]
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in labels]
    assert all(low.y1 <= high.y0 + 1 for low, high in itertools.pairwise(boxes))
    colours = {line.get_label(): line.get_color() for line in ax.get_lines()}
    assert all(text.get_color() == colours[text.get_text()] for text in labels)


def test_many_lines_share_a_legend() -> None:
    ax = plot_curve([row(a, t) for t in range(8) for a in range(1, 10)], axes())
    assert not ax.texts
    assert len(ax.get_legend().get_texts()) == 8


def test_bars_are_named_with_their_number_of_runs() -> None:
    rows = [row(a, t) for t in (0, 1) for a in (1.0, 2.0)]
    for one in rows:
        one["simulation"]["replicates"] = 7
    assert "± s.e. (7 runs)" in plot_curve(rows, axes()).get_legend().get_title().get_text()


def test_neighbouring_colours_differ_in_grey() -> None:
    from matplotlib.colors import to_rgb

    with style():
        colours = [c["color"] for c in matplotlib.rcParams["axes.prop_cycle"]]
    lightness = [float(np.dot(to_rgb(c), (0.2126, 0.7152, 0.0722))) for c in colours]
    assert all(abs(a - b) > 0.08 for a, b in itertools.pairwise(lightness))


def test_pdf_fonts_are_embedded_as_truetype() -> None:
    pdf = save(lambda figure: plot_curve([row(a) for a in (1.0, 2.0)], figure.add_subplot()))["pdf"]
    assert b"/Type3" not in pdf
    assert b"FontFile2" in pdf


def test_residuals_mark_what_is_refused_and_what_finite_size_explains() -> None:
    rows = [
        {"quantity": f"M_1[ã={a}]", "z": z, "z_raw": z + 1, "allowance": 0.1, "rejected": z > 3}
        for a, z in ((1, 0.5), (-1, 5.0))
    ]
    ax = plot_residuals(rows, axes())
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["M 1"]
    filled = [line for line in ax.get_lines() if line.get_markerfacecolor() not in ("white", "none")]
    assert any(list(line.get_ydata()) == [5.0] for line in filled)
    assert len(ax.collections) == 1
