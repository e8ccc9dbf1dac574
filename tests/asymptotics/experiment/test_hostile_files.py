"""Every key of an experiment file with values that nobody means: an experiment, or one sentence a problem."""

from __future__ import annotations

import datetime
import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from asymptotics.commands.cli import run
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.reference import keys
from hermite.errors import InputError

NAMES = [(key.table, key.name) for key in keys()]
HOSTILE: list[Any] = [
    "", "x", "z1", "auto", "inf", "\x00", "9" * 5000, "../../x", "exp(x^2)", "1 GB", "relu(x)",
    -1, 0, 1, 3, 1.5, -0.0, 1e308, -1e308, 1e-308, 5e-324, float("inf"), float("-inf"), float("nan"),
    True, False, [], [[]], {}, {"a": 1}, 10**400, 2**63, -(2**63) - 1, [1, "a"], [1, [2]], [True], [float("nan")],
    [0.5, 0.5], [1, 2, 3], datetime.date(1979, 5, 27), [["1", "2"], ["2", "1"]], [["1", "1/2"], ["1/2", "1"]],
    [[1, 2, 3]], [[1e300, 0.5], [-1e300, 0.5]], [{"a": 1}], [{"weight": 1e999}], {"blocks": [[1]]}, {"blocks": [["a", 1]]},
    {"law": "power", "exponent": "x"}, {"file": "/"}, {"file": 3}, {"overlap": [[1]]}, {"overlap": "x", "gram": {}},
    None, object(), (1, 2), b"x",
]  # fmt: skip


def tried(table: dict[str, Any]) -> None:
    """An experiment of which everything can be asked that is asked before work, or an ``InputError`` of short sentences."""
    try:
        found = Experiment.from_dict(table)
        found.check_size(simulated=True)
        _ = found.unit_count, list(itertools.islice(found.cells(), 3))
        repr(found)
    except InputError as error:
        bad = [problem for problem in error.problems if not 10 < len(problem) <= 1000 or "\n" in problem]
        if bad or not error.problems:
            pytest.fail(f"no sentences: {bad}")


@pytest.mark.parametrize("place", NAMES, ids=".".join)
def test_every_key_with_every_hostile_value_is_taken_or_refused_in_sentences(place: tuple[str, str]) -> None:
    table, name = place
    for value in HOSTILE:
        tried({"target": {"expression": "z1 + z2"}} | {table: {"expression": "z1 + z2", name: value}} if table == "target"
              else {"target": {"expression": "z1 + z2"}, table: {name: value}})  # fmt: skip


def test_several_hostile_values_at_once_are_taken_or_refused_in_sentences() -> None:
    rng = random.Random(0)
    for _ in range(1500):
        table: dict[str, Any] = {"target": {"expression": "z1 + z2"}}
        for place, name in rng.sample(NAMES, rng.choice((2, 3, 5))):
            table.setdefault(place, {})[name] = rng.choice(HOSTILE)
        tried(table)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("cite", "[inputs]\nfractions = 5e-324"),
        ("map", "[figure]\nlines = [{a = 1}]"),
        ("curve", "[figure]\npanels = [[1, 2, 3]]"),
        ("validate", '[inputs]\nfractions = "relu(x)"'),
        ("curve", '[inputs]\nspectrum = {blocks = [["a", 1]]}'),
        ("curve", '[inputs]\nclusters = [{}]\nteacher = [["a"]]'),
        ("curve", "[network]\nbias = 1e308\n[training]\nsteps = 0"),
        ("curve", '[network]\nactivation = "1e-150*tanh(x)"\n[ridge]\nlambda = 1e-301\naccuracy = 0'),
    ],
)
def test_what_once_crashed_a_command_is_answered_or_refused(
    command: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.toml").write_text(f'[target]\nexpression = "z1"\n{text}\n')
    code = run([command, str(tmp_path / "a.toml")])
    told = capsys.readouterr()
    assert code in (0, 2, 3), told.err
    assert code == 0 or (told.out == "" and told.err.startswith("giantstep: "))


def test_the_spectrum_of_a_reused_batch_is_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.toml").write_text(
        '[target]\nexpression = "z1"\n[training]\nprotocol = "reuse"\nsteps = 1\n[simulation]\nd = 20\n'
    )
    assert run(["spectrum", str(tmp_path / "a.toml")]) == 0
    assert "edge of the bulk" in capsys.readouterr().out
