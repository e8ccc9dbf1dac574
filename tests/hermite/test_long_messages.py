"""Messages are read by people: whatever was given, a sentence has a bounded length, and so has a number."""

from __future__ import annotations

import pytest

from asymptotics import plateaus
from asymptotics.experiment.grid import Experiment
from hermite import Target, expand, leap
from hermite.errors import ConvergenceError, InputError, bounded_sentence


@pytest.mark.parametrize(
    "text",
    [
        "exp(1e300*z1)-sqrt(z1^4)", "exp(10^150*z1)", "exp(1e300*z1)*relu(z1)", "1e300*exp(1e200*z1)+z2",
    ],
)  # fmt: skip
def test_numbers_whose_exponents_are_long_are_told_as_powers_of_ten(text: str) -> None:
    with pytest.raises(InputError) as caught:
        plateaus(text)
    assert len(str(caught.value)) < 400
    beyond = expand(Target(text), 1).to_dict()["beyond_floats"]
    assert beyond
    assert all(len(told) < 40 for told in beyond.values())
    assert any("10^(" in told for told in beyond.values())
    assert all(len(warning) < 400 for warning in leap(Target(text)).to_dict()["warnings"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Target("+".join(["exp(z1^2)"] * 3000)),
        lambda: Target("z1*(" * 100 + "unknown" + ")" * 100),
        lambda: Target("z1 + " + "x" * 5000),
        lambda: Target("1/(" + "+".join(["z1"] * 3000) + ")"),
        lambda: Target("z1", noise="x" * 10_000),  # type: ignore[arg-type]
        lambda: Experiment.from_dict({"target": {"expression": "z1"}, "training": {"alpha": ["a"] * 5000}}),
        lambda: Experiment.from_dict({"target": {"expression": "z1"}, "x" * 5000: {}}),
        lambda: Experiment.from_dict({"target": {"expression": "z1"}, "ridge": {"lambda": 10**4000}}),
        lambda: Experiment.from_dict({"target": {"expression": ["z1"] * 9000}}),
    ],
)
def test_what_is_refused_is_abbreviated(make: object) -> None:
    with pytest.raises(InputError) as caught:
        make()  # type: ignore[operator]
    assert all(10 < len(problem) <= 1000 for problem in caught.value.problems)


def test_the_beginning_and_the_end_of_a_long_sentence_stay() -> None:
    path = "/a/folder/" + "x" * 100
    for text in ("short", f"Cannot read {path!r}: it is not there.", " ".join(["word"] * 150)):
        assert bounded_sentence(text) == text
    long = bounded_sentence("alpha must be a number, not '" + "9" * 10**6 + "'.")
    assert long.startswith("alpha must be a number, not '999")
    assert long.endswith("9'.")
    assert len(str(ConvergenceError("y" * 10**5))) <= 1000
    assert len(str(InputError(["z " * 10**5]))) <= 1000


def test_the_title_of_a_report_is_bounded() -> None:
    text = " + ".join(f"z1^{k}" for k in range(1, 150))
    assert max(map(len, repr(leap(Target(text))).splitlines())) < 500
