"""Who is the x axis, a line and a panel; small multiples; no two lines alike; no legend over data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from matplotlib.figure import Figure

from asymptotics import Experiment
from asymptotics.experiment.figure_keys import FigureSettings
from asymptotics.figures.curve_figure import curve_page, plot_curve, styles
from asymptotics.figures.layout import KEYS, Layout, settled
from asymptotics.figures.style_sheet import style
from hermite.errors import InputError


def values(**counts: int) -> dict[str, Sequence[int]]:
    return {key: range(1, counts.get(key, 1) + 1) for key in KEYS}


def rows(**axes: Sequence[Any]) -> list[dict[str, Any]]:
    """One row a point of the product; step 0 has no training."""
    base = {"step": 1, "alpha": 1.0, "beta": 1.0, "lambda": 0.1, "alpha_train": 4.0, "eta": 1.0, "d": None}
    found = {}
    for point in itertools.product(*axes.values()):
        row: dict[str, Any] = base | dict(zip(axes, point, strict=True))
        if row["step"] == 0:
            row |= {"eta": None, "alpha_train": None}
        error = 0.5 + 1 / row["alpha"] + row["lambda"]
        row |= {
            "test_error": error,
            "train_error": error / 2,
            "excess_risk": error,
            "plateau": None,
            "simulation": None,
        }
        found[tuple(row.values())] = row
    return list(found.values())


def test_the_x_axis_is_what_varies_most_and_the_rest_are_lines() -> None:
    chosen = settled(values(eta=4, beta=2), Layout())
    assert (chosen.x, chosen.lines, chosen.panels) == ("eta", ("beta",), ())


@pytest.mark.parametrize(
    ("counts", "lines", "panels"),
    [
        ({"alpha": 9, "eta": 3, "step": 2}, ("eta", "step"), ()),
        ({"alpha": 9, "eta": 4, "step": 2}, ("eta",), ("step",)),
        ({"alpha": 9, "eta": 8}, ("eta",), ()),
        ({"alpha": 12, "eta": 9}, (), ("eta",)),
        ({"alpha": 50, "eta": 6, "beta": 6, "step": 2}, ("beta",), ("eta", "step")),
        ({"alpha": 50, "eta": 40}, ("eta",), ()),
    ],
)
def test_above_six_lines_there_are_the_fewest_panels_that_leave_six(
    counts: dict[str, int], lines: tuple[str, ...], panels: tuple[str, ...]
) -> None:
    chosen = settled(values(**counts), Layout())
    assert (set(chosen.lines or ()), set(chosen.panels or ())) == (set(lines), set(panels))


def test_what_is_asked_for_is_done_and_the_rest_finds_a_place() -> None:
    chosen = settled(values(alpha=5, eta=2, beta=3), Layout(x="beta", panels=("alpha",)))
    assert (chosen.x, chosen.lines, chosen.panels) == ("beta", ("eta",), ("alpha",))
    chosen = settled(values(alpha=5, eta=2, beta=3), Layout(lines=("alpha",)))
    assert (chosen.x, chosen.lines, chosen.panels) == ("beta", ("alpha",), ("eta",))


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (Layout(x="beta"), "ridge.beta has one value"),
        (Layout(x="alpha", lines=("alpha",)), "ridge.alpha is asked for twice"),
        (Layout(lines=("eta",), panels=("eta",)), "training.eta is asked for twice"),
        (Layout(lines=(), panels=()), "training.eta vary and are neither"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(layout: Layout, words: str) -> None:
    with pytest.raises(InputError, match=words):
        settled(values(alpha=3, eta=2), layout)


def test_no_two_of_many_lines_look_alike() -> None:
    with style():
        found = styles(rows(eta=range(1, 41), alpha=(1.0, 2.0)), Layout(lines=("eta",)))
    assert len({(str(look["color"]), look["linestyle"]) for look in found.values()}) == 40


def test_small_multiples_have_common_axes_one_look_a_line_and_step_zero_everywhere() -> None:
    figure = Figure()
    table = rows(step=(0, 1), eta=(0.5, 1.0, 2.0, 4.0), alpha=(1.0, 2.0, 4.0, 8.0, 16.0))
    curve_page(table, figure, layout=Layout(panels=("eta",)))
    panels = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title() for ax in panels] == [rf"$\eta$ = {v:g}" for v in (0.5, 1.0, 2.0, 4.0)]
    for ax in panels:
        lines = [line for line in ax.get_lines() if len(line.get_xdata()) == 5]
        assert len(lines) == 2
        assert ax.get_ylim() == panels[0].get_ylim()
    assert len({line.get_color() for ax in panels for line in ax.get_lines()}) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["$t$ = 0", "$t$ = 1"]


@pytest.mark.parametrize("count", [1, 3, 8])
def test_a_legend_covers_no_data(count: int) -> None:
    with style():
        figure = Figure()
        ax = plot_curve(rows(eta=range(1, count + 1), alpha=range(1, 10)), figure.add_subplot())
        figure.draw_without_rendering()
        box = ax.get_legend().get_window_extent()
        assert box.y0 >= ax.get_window_extent().y1 - 1


def test_what_does_not_depend_on_the_axis_is_a_level() -> None:
    ax = plot_curve(
        rows(step=(0, 1), eta=(0.5, 1.0, 2.0)),
        Figure().add_subplot(),
        layout=Layout(x="eta", lines=("step",)),
    )
    assert [list(line.get_xdata()) for line in ax.get_lines() if len(line.get_xdata()) == 2] == [[0, 1]]


@pytest.mark.parametrize(("log", "scales"), [("none", ("linear", "linear")), ("xy", ("log", "log"))])
def test_scales_are_those_asked_for(log: str, scales: tuple[str, str]) -> None:
    ax = plot_curve(rows(alpha=(1.0, 2.0, 64.0)), Figure().add_subplot(), layout=Layout(log=log))
    assert (ax.get_xscale(), ax.get_yscale()) == scales


def test_errors_of_many_sizes_are_on_a_logarithmic_axis_by_default() -> None:
    table = rows(alpha=(1.0, 2.0), **{"lambda": (0.1, 1000.0)})
    assert plot_curve(table, Figure().add_subplot()).get_yscale() == "log"


def test_the_file_says_how_it_is_drawn_in_its_own_keys() -> None:
    text = (
        'target.expression = "z1"\n[figure]\nx = "training.eta"\npanels = "ridge.alpha"\nlog = "y"\n'
        'lines = ["training.steps"]\nquantity = "train_error"\nplateaus = false'
    )
    made = Experiment.from_toml(text)
    assert made.figure.layout == Layout("eta", ("step",), ("alpha",), "y", "train_error", False)
    assert made == Experiment.from_toml('target.expression = "z1"')


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"x": "ridge.alhpa"}, "did you mean 'ridge.alpha'"),
        ({"lines": ["alpha"]}, "figure.lines must be"),
        ({"log": "z"}, "figure.log must be"),
        ({"plateaus": 1}, "true or false"),
        ({"quantity": "error"}, "figure.quantity must be"),
        ({"panels": 3}, "figure.panels must be"),
    ],
)
def test_a_figure_with_wrong_keys_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        FigureSettings(**settings)


def test_a_title_stands_above_the_legend_that_stands_above_the_axes() -> None:
    from matplotlib.figure import Figure

    from asymptotics.figures.line_labels import title_above
    from asymptotics.figures.style_sheet import style

    with style():
        for lines in (1, 3):
            figure = Figure()
            ax = figure.add_subplot()
            ax.plot([0, 1], [0, 1], label="theory")
            ax.legend(title="\n".join(["a line"] * lines), loc="lower left", bbox_to_anchor=(0.0, 1.0))
            title_above(ax, "A title")
            figure.canvas.draw()
            legend = ax.get_legend()
            assert legend is not None
            assert ax.title.get_window_extent().y0 > legend.get_window_extent().y1
        bare = Figure().add_subplot()
        title_above(bare, "A title")
        assert bare.get_title() == "A title"
