"""The paper's figures: each claim holds in the numbers behind its figure, in theory and in simulation."""

from __future__ import annotations

import csv
import io

import pytest

from asymptotics.commands.cli import run
from asymptotics.documents.protocol_reproduction import reused_rows
from asymptotics.documents.reproduction import Drawing, chosen, files, reproductions
from hermite.errors import InputError

Table = list[dict[str, str]]


def table(text: str) -> Table:
    return list(csv.DictReader(io.StringIO(text)))


def numbers(drawing: Drawing) -> Table:
    return table(drawing.csv)


def reproduce(name: str) -> Table:
    (one,) = chosen([name])
    return numbers(one.run(False, lambda _message: None))


def value(row: dict[str, str], key: str) -> float:
    return float(row[key])


def test_names_are_told_and_unknown_ones_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert [one.name for one in chosen(["all"])] == [one.name for one in reproductions()]
    assert [one.name for one in chosen(["stairway", "overlaps"])] == ["overlaps", "stairway"]
    with pytest.raises(InputError, match="stairway"):
        chosen(["stairs"])
    assert run(["reproduce"]) == 0
    assert "reduced: d = " in capsys.readouterr().out


def test_a_staircase_is_climbed_and_a_missing_one_is_not() -> None:
    rows = reproduce("overlaps")
    assert len(rows) == 2 * 4 * 2
    with_stairs, without = rows[:8], rows[8:]
    for row in rows:
        for m in ("M_1", "M_2"):
            gap = value(row, f"simulation_{m}") - value(row, m)
            assert abs(gap) < 6 * value(row, f"simulation_{m}_sem") + 1e-6
    last = [row for row in with_stairs if row["step"] == "3"]
    assert all(value(row, "simulation_M_2") > 0.3 for row in last)
    assert all(abs(value(row, "M_2")) < 1e-9 and abs(value(row, "simulation_M_2")) < 0.05 for row in without)


def test_the_gradient_points_at_what_is_connected() -> None:
    rows = reproduce("gradient")
    assert [row["step"] for row in rows] == ["1", "1", "2", "2", "3", "3"] * 2
    for row in rows:
        for m in ("M_1", "M_2"):
            gap = value(row, f"simulation_{m}") - value(row, m)
            assert abs(gap) < 6 * value(row, f"simulation_{m}_sem") + 1e-6
    second = [abs(value(row, "simulation_M_2")) for row in rows]
    # The staircase: nothing at first, then z2; without one never.
    assert max(second[:2]) < 0.05
    assert min(second[2:6]) > 0.1
    assert max(second[6:]) < 0.08


def test_several_directions_are_learned_at_once_from_two_orders_up() -> None:
    (one,) = chosen(["specialisation"])
    made = files(one)
    assert sorted(made) == ["specialisation.csv", "specialisation.pdf", "specialisation.png"]
    pdf = made["specialisation.pdf"]
    assert isinstance(pdf, bytes)
    assert pdf.startswith(b"%PDF")
    rows = [row for row in table(str(made["specialisation.csv"])) if row["step"] == "1"]
    linear, quadratic = (
        [row for row in rows if float(row["batch_exponent"]) == exponent] for exponent in (1, 2)
    )
    assert all(abs(value(row, "simulation_M_1")) > 0.5 for row in linear)
    # One direction for n = Θ(d): the means of both groups are the law; for n = Θ(d²) they vanish by symmetry.
    assert all(abs(value(row, "simulation_M_1")) < 0.3 for row in quadratic)
    assert all(value(row, "simulation_norm2") > 1.5 for row in quadratic)


@pytest.mark.slow
def test_one_step_brings_the_second_order_within_reach() -> None:
    every = reproduce("test-error")
    rows = [row for row in every if row["kind"] == "simulation"]
    line = [row for row in every if row["kind"] == "theory" and value(row, "batch_exponent") == 2]
    # A line, from 13 samples a dimension on: every point with its error, falling.
    line.sort(key=lambda row: value(row, "n2"))
    assert len(line) >= 18
    assert 12 < value(line[0], "n2") / value(line[0], "d") < 14
    assert all(0 < value(row, "error") < 1 for row in line)
    told = [value(row, "test_error") for row in line]
    assert told == sorted(told, reverse=True)
    start = [row for row in rows if row["step"] == "0"]
    after = [row for row in rows if row["step"] == "1" and value(row, "batch_exponent") == 1]
    removed = [row for row in rows if value(row, "batch_exponent") == 2]
    assert value(start[-1], "simulation_test_error") > 4 * value(after[-1], "simulation_test_error")
    assert value(start[0], "n2") < value(start[-1], "n2")
    gaps = [
        (value(r, "simulation_test_error") - value(r, "test_error")) / value(r, "simulation_test_error_sem")
        for r in start
    ]
    assert max(map(abs, gaps)) < 12  # Student's t with two degrees of freedom
    # With the low orders removed: no theory for the smallest batch, and its own error for the others.
    assert removed[0]["test_error"] == ""
    for row in removed[1:]:
        gap = abs(value(row, "simulation_test_error") - value(row, "test_error"))
        assert gap < value(row, "error") * value(row, "test_error") + 6 * value(
            row, "simulation_test_error_sem"
        )


@pytest.mark.slow
def test_the_error_goes_down_the_stairway() -> None:
    rows = reproduce("stairway")
    errors = [value(row, "simulation_test_error") for row in rows]
    predicted = [value(row, "test_error") for row in rows]
    assert errors == sorted(errors, reverse=True)
    assert predicted == sorted(predicted, reverse=True)
    assert all(abs(p / e - 1) < 0.1 for p, e in zip(predicted, errors, strict=True))
    assert [value(row, "plateau") for row in rows] == pytest.approx([2, 1, 0, 0, 0], abs=1e-9)


def test_the_public_runs_follow_the_recursion_with_memory_and_not_that_of_fresh_batches() -> None:
    rows, _experiment = reused_rows(False, lambda _message: None)
    for row in rows:
        assert abs(row["theory"] - row["public_runs"]) < 1.5e-3
        assert abs(row["theory"] - row["simulation"]) < 4 * row["simulation_sem"]
    assert abs(rows[-1]["fresh_batches"] - rows[-1]["public_runs"]) > 0.05
