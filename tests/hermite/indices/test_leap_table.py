"""Every row of the reference table in every field that ``leap`` reports, and the traps of basis and level."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from target_table import ROWS

from hermite import InputError, LeapReport, Target, leap

FIELDS = (
    "relevant_dim",
    "information_exponent",
    "leap_index",
    "per_coordinate_leap",
    "leap_coordinates",
    "isotropic_leap",
    "closure_dims_by_level",
)
#: (3/4) √(16/(3π)) …: the one irrational direction of the table, in the symbols that the report prints.
IRRATIONAL = {"4*sqrt(3)/(3*sqrt(pi))": 4 * 3**0.5 / (3 * np.pi**0.5)}


def number(text: str) -> float:
    if text in IRRATIONAL:
        return IRRATIONAL[text]
    top, _, bottom = text.partition("/")
    return float(top) / float(bottom or 1)


def same_space(a: list[list[str]], b: list[list[str]]) -> bool:
    if len(a) != len(b):
        return False
    if not a:
        return True
    # Both are in reduced row-echelon form: equal spaces have equal rows.
    x, y = (np.array([[number(v) for v in row] for row in rows]) for rows in (a, b))
    return bool(np.abs(x - y).max() < 1e-9)


def differences(row: dict[str, Any], level: int) -> list[str]:
    """Fields in which the report of a row differs from the table."""
    report = leap(Target(row["target"]), batch_exponent=level).to_dict()
    bad = [name for name in FIELDS if report[name] != row[name]]
    if report["flag_dims"] != row["onestep_flag_dims"]:
        bad.append("flag_dims")
    bad += [n for n in ("relevant_subspace", "leap_span") if not same_space(report[n], row[n])]
    stairs, expected = report["staircase"], row[f"staircase_d{level}"]
    bad += [f"staircase {n}" for n in ("dims", "leading_dims") if stairs[n] != expected[n]]
    spaces = zip(stairs["subspaces"], expected["subspaces"], strict=True)
    if not all(same_space(a, b) for a, b in spaces):
        bad.append("staircase subspaces")
    if report["exactness"] not in ("exact", "certified"):
        bad.append("exactness")
    return bad


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["target"][:40])
def test_every_row_of_the_table_is_met(row: dict[str, Any], level: int) -> None:
    assert differences(row, level) == []


def test_a_wrong_table_is_noticed() -> None:
    row = next(r for r in ROWS if r["target"] == "z1+z2+z1*z2")
    wrong = row | {"isotropic_leap": 1, "leap_span": [["1", "-1"]]}
    assert differences(wrong, 1) == ["isotropic_leap", "leap_span"]


def dims(text: str, level: float = 1, **options: Any) -> tuple[int, ...]:
    return leap(Target(text, **options), batch_exponent=level).staircase.dims


@pytest.mark.parametrize(
    ("text", "level", "expected"),
    [
        ("2*z1 + z1*z2 + He2(z1)*z3", 1, (0, 1, 3)),  # two directions in one step
        ("z1 + 2*z2 + z1*z2", 1, (0, 1, 2)),  # not symmetric: climbs on
        ("4*z1 + z1^2 + z2", 1, (0, 1, 2)),  # slow but not stuck
        ("z1 + z2^2 - 1", 1, (0, 1)),  # stuck
        ("z1 + He4(z2)", 3, (0, 1)),  # n = d³ is not three steps of n = d
        ("z1 + z1*He4(z2)", 3, (0, 1)),
        ("z1 + z1*He4(z2)", 4, (0, 1, 2)),  # the product has order 5: not before z1 is known
        ("z1*z2", 1.9, (0,)),
        ("(z1 + z1^2 + z2 - z2^2)/2", 1, (0, 1, 2)),
    ],
)
def test_traps_are_not_stepped_into(text: str, level: float, expected: tuple[int, ...]) -> None:
    assert dims(text, level) == expected


def test_a_rotated_stall_has_rotated_hard_directions() -> None:
    report = leap(Target("z1 + z2 + z1*z2"))
    assert report.hard_directions == [["1", "-1"]]
    assert report.staircase.complete is False
    np.testing.assert_allclose(np.abs(report.staircase.bases[1]), [[0.5**0.5, 0.5**0.5]])


class TestGram:
    """Directions that are not orthonormal: complements in their metric."""

    def test_correlated_product_keeps_leap_two(self) -> None:
        assert leap(Target("z1*z2", gram=[["1", "1/2"], ["1/2", "1"]])).leap_index == 2

    def test_correlated_triple_product_has_leap_one(self) -> None:
        gram = [["1", "1/2", "0"], ["1/2", "1", "0"], ["0", "0", "1"]]
        report = leap(Target("z1*z2*z3", gram=gram))
        assert (report.leap_index, report.leap_span) == (1, [["0", "0", "1"]])

    def test_a_skew_target_agrees_with_the_same_in_orthonormal_coordinates(self) -> None:
        # u1 = z1, u2 = (3 z1 + 4 z2)/5: gram [[1, 3/5], [3/5, 1]].
        skew = leap(Target("z1 + z2^2*z1", gram=[["1", "3/5"], ["3/5", "1"]]))
        plain = leap(Target("z1 + ((3*z1 + 4*z2)/5)^2*z1"))
        for name in ("relevant_dim", "leap_index", "flag_dims", "isotropic_leap", "closure_dims_by_level"):
            assert getattr(skew, name) == getattr(plain, name)
        assert skew.staircase.dims == plain.staircase.dims
        for a, b in zip(skew.staircase.bases, plain.staircase.bases, strict=True):
            np.testing.assert_allclose(a.T @ a, b.T @ b, atol=1e-12)


def test_undecided_is_an_answer() -> None:
    report = leap(Target("tanh(z1*z2*z3*z4*z5*z6*z7*z8)"))
    assert report.exactness == "undecided"
    assert report.leap_index is None
    assert report.staircase.complete is None
    assert "tanh" in report.reason


def test_callable_is_numerical_and_says_so() -> None:
    f = Target.from_function(lambda z: z[:, 0] + z[:, 0] * z[:, 1] + z[:, 0] * z[:, 1] * z[:, 2], 3)
    exact = leap(Target("z1 + z1*z2 + z1*z2*z3"))
    report = leap(f)
    assert report.exactness == "numerical"
    assert report.staircase.dims == exact.staircase.dims
    assert report.relevant_subspace == exact.relevant_subspace


@pytest.mark.parametrize("bad", [-1, float("nan"), "one", True, 1e9])
def test_a_bad_batch_exponent_is_refused(bad: Any) -> None:
    with pytest.raises(InputError, match="batch_exponent must be a number from 0 to 200"):
        leap(Target("z1"), batch_exponent=bad)


def test_report_prints_and_exports() -> None:
    report: LeapReport = leap(Target("1e-12*z1 + He3(z2)"))
    assert "order 3 is larger" in report.warnings[0]
    assert "leap index" in repr(report)
    assert "<table>" in report._repr_html_()
    assert json.loads(json.dumps(report.to_dict()))["staircase"]["dims"] == [0, 1]
