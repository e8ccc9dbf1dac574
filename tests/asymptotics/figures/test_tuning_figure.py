"""A tuning as a figure: a map of two settings, a line of one, the least error over a grid."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.figure import Figure

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
