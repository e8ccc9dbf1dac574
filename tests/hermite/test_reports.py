"""Reports are values: equal, hashable, picklable, deep-copyable, and nobody writes into them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from value_checks import behaves_as_a_value

from hermite import (
    Target,
    basis_free_staircase,
    biased_staircase,
    expand,
    generative,
    hardness,
    leap,
    recovery_threshold,
    reuse_staircase,
    walsh_expansion,
)
from hermite.frozen import FrozenList

F = Target("z1 + z1*z2")
REPORTS: dict[str, Callable[[], Any]] = {
    "leap": lambda: leap(Target("z1 + z1*z2*z3")),
    "leap of a student": lambda: leap(F, activation="relu", readout="rademacher"),
    "leap of a certified target": lambda: leap(Target("relu(z1) + z1*z2")),
    "leap, undecided": lambda: leap(Target("sign(sin(z1*z2*z3))")),
    "leap of a constant": lambda: leap(Target("3", variables=("z1",))),
    "expansion": lambda: expand(Target("z1 + relu(z2)"), order=3),
    "hardness": lambda: hardness(Target("He3(z1)"), d=1000),
    "hardness of Boolean inputs": lambda: hardness(F, inputs="rademacher"),
    "generative": lambda: generative(Target("sign(z1*z2)")),
    "recovery": lambda: recovery_threshold(Target("sign(z1*z2)")),
    "basis-free": lambda: basis_free_staircase(F, activation_degree=2),
    "reuse": lambda: reuse_staircase(F),
    "biased": lambda: biased_staircase(F),
    "Walsh": lambda: walsh_expansion(F),
    "target": lambda: Target("z1 + z2", gram=[["1", "1/2"], ["1/2", "1"]]),
}


@pytest.mark.parametrize("name", REPORTS)
def test_reports_are_values(name: str) -> None:
    behaves_as_a_value(REPORTS[name], read_only=name != "target")


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "target"])
def test_reports_are_plain_data_for_json(name: str) -> None:
    document = REPORTS[name]().to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    # Enums are their words, as nothing else than strings.
    assert type(document.get("exactness", "")) is str


def test_reports_of_different_targets_are_not_equal() -> None:
    assert leap(F) != leap(Target("z1 + z1*z2*z3"))
    assert expand(F, order=2) != expand(F, order=3)
    assert expand(F, order=2) != expand(Target("z1"), order=2)


def test_vectors_of_a_report_are_lists_that_nobody_changes() -> None:
    found = leap(F).relevant_subspace
    assert found == [["1", "0"], ["0", "1"]]
    assert json.loads(json.dumps(found)) == found
    changes: list[Callable[[list[Any]], Any]] = [
        lambda x: x.append(1),
        lambda x: x[0].__setitem__(0, "2"),
        lambda x: x.sort(),
        lambda x: x.__iadd__([1]),
        lambda x: x.clear(),
    ]
    for change in changes:
        with pytest.raises(TypeError, match="frozen"):
            change(found)
    mine = list(found)
    mine.append(["7", "7"])
    assert len(found) == 2
    assert hash(FrozenList([1, FrozenList([2])])) == hash(FrozenList([1, FrozenList([2])]))
