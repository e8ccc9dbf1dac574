"""Names of files say which cell they show, and no two are equal."""

from __future__ import annotations

from asymptotics.text.cell_names import cell_names


def test_one_cell_needs_no_name() -> None:
    assert cell_names([{"eta": 1.0}]) == [""]


def test_what_differs_is_named_and_null_is_no_difference() -> None:
    cells = [
        {"step": 0, "eta": None, "alpha": 1.0},
        {"step": 1, "eta": 0.5, "alpha": 1.0},
        {"step": 1, "eta": 2.0, "alpha": 1.0},
    ]
    assert cell_names(cells) == ["-step0", "-step1-eta0.5", "-step1-eta2"]
    assert cell_names(cells[:2]) == ["-step0", "-step1"]


def test_cells_that_look_alike_are_numbered() -> None:
    assert cell_names([{"eta": 1.0}, {"eta": 1.0 + 1e-9}]) == ["-1", "-2"]
