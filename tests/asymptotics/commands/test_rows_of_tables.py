"""Tables of many rows and narrow pages: rows that are alike stand once, and every block names its rows."""

from __future__ import annotations

import pytest

from asymptotics import Network, Training, overlaps
from asymptotics.comparison.trajectories import Run
from asymptotics.text.fitting import blocks
from asymptotics.text.overlap_tables import overlaps_text


def text_of(width: int | str, **settings: object) -> str:
    training = Training(alpha=4.0, **settings)  # type: ignore[arg-type]
    return overlaps_text(Run(training, overlaps("z1 + z1*z2", Network(width=width), training)).to_dict())


def test_neurons_that_are_alike_stand_in_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = text_of(40).splitlines()
    rows = [line.split()[:4] for line in lines[3:7]]
    assert rows == [
        ["0", "1-20", "1", "0.5"], ["0", "21-40", "-1", "0.5"], ["1", "1-20", "1", "0.5"], ["1", "21-40", "-1", "0.5"],
    ]  # fmt: skip
    assert "first eight" not in "\n".join(lines)


def test_a_table_of_different_entries_has_no_column_for_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert "entries" not in text_of("infinite")


def test_each_block_of_a_narrow_table_tells_its_rows_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "44")
    text = text_of(8, steps=2)
    heads = [line.split()[:2] for line in text.splitlines() if line.startswith("step")]
    assert heads == [["step", "neurons"]] * 2


@pytest.mark.parametrize(
    ("cells", "front"),
    [
        ([["1", "a", "x"], ["1", "b", "x"], ["2", "a", "y"]], ["step", "kind"]),
        ([["1", "a", "x"], ["2", "a", "x"]], ["step"]),
        ([["1", "a", "x"], ["1", "a", "x"]], ["step"]),  # no columns tell them apart
        ([["1", "a" * 12, "x"], ["1", "b" * 12, "x"]], ["step"]),  # names that would take the page
    ],
)
def test_the_columns_that_tell_rows_apart_stand_in_front_of_each_block(
    cells: list[list[str]], front: list[str]
) -> None:
    header = ["step", "kind", *(f"number{i}" for i in range(6))]
    found = blocks(header, [[*row, *"12345"] for row in cells], 30, 2)
    assert len(found) > 1
    for names, _ in found[1:]:
        assert names[: len(front)] == front
        assert "kind" in front or "kind" not in names
