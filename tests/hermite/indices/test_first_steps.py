"""The first spaces of the staircase without the rest of the report."""

import pytest

from hermite import Target, leap
from hermite.indices.first_steps import first_steps

DECIDED = (
    "tanh(z1) + z2*z3/2",
    "relu(z1) + z2*z3 + z1*z2",
    "cos(z1)*z2 + z1/2",
    "z1 + z1*z2 + z1*z2*z3",
    "sin(z1)*z2",
    "abs(z1) + z2^2",
    "erf(z1) + z1*z2/2 + z1*z2*z3",
    "tanh(z1 + z2)*z3 + z1",
)


@pytest.mark.parametrize("text", DECIDED)
def test_first_steps_are_those_of_the_whole_report(text: str) -> None:
    f = Target(text)
    whole = leap(f).staircase.subspaces
    assert whole is not None
    for steps in (1, 2, 3):
        found = first_steps(f, steps)
        assert found is not None
        assert tuple(space.strings() for space in found) == whole[: steps + 1]


def test_the_first_step_is_known_where_the_report_is_undecided() -> None:
    # The first step is irrational: that nothing comes after it is open at every order that is looked at.
    f = Target("exp(-z1^2/2)*z2 + z3 + z1*z4*cos(z2)")
    assert leap(f).exactness == "undecided"
    found = first_steps(f, 1)
    assert found is not None
    assert [space.strings() for space in found] == [[], [["0", "1", "sqrt(2)", "0"]]]
    assert first_steps(f, 2) is None


def test_no_step_is_proved_of_what_no_engine_decides() -> None:
    assert first_steps(Target("tanh(z1*z2*z3*z4*z5*z6*z7*z8)"), 1) is None
