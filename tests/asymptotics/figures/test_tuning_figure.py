"""A tuning as a figure: a map of two settings, a line of one, the least error over a grid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from asymptotics.figures.map_figure import plot_map
from asymptotics.figures.tuning_figure import plot_tuning, tuning_page


def optimum(over: tuple[str, ...], **settings: Any) -> dict[str, Any]:
    """E = 1 + log10(eta)² + log10(lambda)², tried on a grid and at one refined penalty."""
    points = [(10.0**a, 10.0**b) for a in (-1, 0, 1) for b in (-2, -1, 0, 1, 2)] + [(1.0, 1.01)]
    curve = [
        {"eta": eta, "lambda": lam, "test_error": 1 + math.log10(eta) ** 2 + math.log10(lam) ** 2}
        for eta, lam in points
        if len(over) == 2 or eta == 1.0
    ]
    return {"over": list(over), "eta": 1.0, "lambda": 1.0, "test_error": 1.0, "curve": curve} | settings


def test_two_settings_are_a_map_with_a_star_at_the_optimum() -> None:
    ax = plot_tuning(optimum(("lam", "eta")), Figure().add_subplot())
    mesh = ax.collections[0]
    # The refined penalty, which belongs to one eta, is no column of the map.
    assert mesh.get_array().shape == (5, 3)
    star = next(line for line in ax.get_lines() if line.get_marker() == "*")
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (1.0, 1.0)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_one_setting_is_a_line_and_its_optimum_has_a_look_of_its_own() -> None:
    ax = plot_tuning(optimum(("lam",)), Figure().add_subplot())
    line, star = (next(one for one in ax.get_lines() if one.get_marker() == m) for m in (".", "*"))
    assert len(line.get_xdata()) == 6
    assert star.get_color() != line.get_color()
    assert star.get_markersize() > 2 * line.get_markersize()


def test_a_grid_is_one_figure_of_the_least_error() -> None:
    rows = [
        optimum(("lam",), step=t, alpha=a, beta=1.0, alpha_train=4.0, d=None, test_error=1 / a + t)
        for t in (0, 1)
        for a in (1.0, 2.0, 4.0)
    ]
    figure = Figure()
    tuning_page(rows, figure)
    (ax,) = figure.axes
    assert "alpha" in ax.get_xlabel()
    assert ax.get_ylabel().startswith("least test error over")
    assert [list(line.get_ydata()) for line in ax.get_lines() if len(line.get_xdata()) == 3] == [
        [1.0, 0.5, 0.25],
        [2.0, 1.5, 1.25],
    ]


def test_the_least_error_names_all_that_any_row_was_tuned_over() -> None:
    """Without giant steps there is no eta to tune; the rows after steps have one."""
    rows = [
        optimum(over, step=t, alpha=a, beta=1.0, alpha_train=4.0, d=None, test_error=1 / a + t)
        for t, over in ((0, ("lam",)), (1, ("lam", "eta")))
        for a in (1.0, 2.0)
    ]
    figure = Figure()
    tuning_page(rows, figure)
    label = figure.axes[0].get_ylabel()
    assert "eta" in label
    assert "lambda" in label


def test_labels_of_contours_keep_apart_and_a_star_at_the_border_is_whole() -> None:
    """Contours that run together leave through a corner, where the optimum lies too."""
    rows = [
        {"eta": 10.0**a, "lambda": 10.0**b, "test_error": 1 / (1 + 10.0 ** (4 * (b - a)) + 0.01 * a)}
        for a in range(-2, 3)
        for b in range(-6, 5)
    ]
    ax = plot_map(rows, "eta", "lambda", ax=Figure(figsize=(4.2, 3.0)).add_subplot(), best=(100.0, 1e4))
    to_axes = ax.transScale + ax.transLimits
    labels = [to_axes.transform(text.get_position()) for text in ax.texts]
    labels += [to_axes.transform((100.0, 1e4))]
    apart = [float(np.linalg.norm(a - b)) for i, a in enumerate(labels) for b in labels[:i]]
    assert len(labels) >= 3
    assert min(apart) > 0.1
    star = next(line for line in ax.get_lines() if line.get_marker() == "*")
    assert not star.get_clip_on()
    assert ax.get_xlim()[1] > 100.0
    assert ax.get_ylim()[0] < 1e-6
