"""The reference of the experiment file is made from its rules, and cannot fall behind them."""

from __future__ import annotations

import json
import sys
import tomllib
from importlib import resources
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest

from asymptotics.commands.cli import run
from asymptotics.experiment.file_tables import TABLES
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.reference import (
    MEANINGS,
    full_example,
    json_schema,
    keys,
    markdown_reference,
)
from asymptotics.experiment.schema import shape_of
from hermite.language.parsing import parse
from hermite.language.vocabulary import FUNCTION_NAMES

DOCS = Path(__file__).parents[3] / "docs"


def test_every_key_has_a_meaning_and_a_shape_and_no_meaning_is_left_over() -> None:
    # A key has its line here, or brings it along: one of the two.
    assert {f"{key.table}.{key.name}" for key in keys() if not key.said} == set(MEANINGS)
    assert all(shape_of(rule) for rules in TABLES.values() for rule in rules.values())


def test_the_full_example_is_the_defaults_and_every_comment_a_key_that_is_taken() -> None:
    text = full_example()
    plain = Experiment.from_toml('[target]\nexpression = "z1 + He2(z1)/2"\n[ridge]')
    assert Experiment.from_toml(text) == plain
    named = [
        line.removeprefix("# ").split(" =")[0]
        for line in text.splitlines()
        if " = " in line[:60] and line[0] != " "
    ]
    assert named == [key.name for key in keys()]
    table = ""
    for line in text.splitlines():
        if line.startswith("["):
            table = line.strip("[]")
        if line.startswith("# "):
            name, value = next(iter(tomllib.loads(line.removeprefix("# ")).items()))
            own = [k for k in keys() if (k.table, k.name) == (table, name)]
            protocol = own[0].protocols[0] if own[0].protocols else "giant"
            data = {"target": {"expression": "z1 + z2"}, "training": {"protocol": protocol}}
            data.setdefault(table, {})[name] = value
            Experiment.from_dict(data)


def test_the_shipped_schema_is_the_one_that_the_rules_make() -> None:
    shipped = resources.files("asymptotics.experiment").joinpath("experiment.schema.json").read_text("utf-8")
    made = json.dumps(json_schema(), indent=1) + "\n"
    assert shipped == made, "write experiment.schema.json anew: python -m asymptotics.experiment.reference"


@pytest.mark.parametrize("options", [[], ["--all"]])
def test_init_names_the_schema_in_its_first_line_and_runs(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", *options]) == 0
    text = capsys.readouterr().out
    first, _, rest = text.partition("\n")
    path = url2pathname(urlparse(first.removeprefix("#:schema ")).path)
    schema = json.loads(Path(path).read_text("utf-8"))
    assert set(schema["properties"]) == {"target", "inputs", *TABLES}
    Experiment.from_toml(text)
    validator = pytest.importorskip("jsonschema").Draft7Validator(schema)
    assert not list(validator.iter_errors(tomllib.loads(rest)))


@pytest.mark.parametrize(
    "text",
    [
        'target.expression = "z1"\nridge.alpha = [1, 2.5]\nridge.beta = inf',
        'target = {expression = "z1*z2", gram = [["1", "1/2"], ["1/2", 1]]}\nnetwork.readout = [[1.0, 0.5], [-1.0, 0.5]]',
        'target.expression = "z1"\nsimulation = {memory = "512 MiB", d = [64, 128]}\ntraining.remove_orders = [0, 1]',
        'target.expression = "z1"\nridge.lambda = -1',
        'target.expression = "z1"\nridge.lambda = "x"',
        'target.expression = "z1"\nridge.alhpa = 1',
        'target.expression = "z1"\ntraining.steps = 1.5',
        'target.expression = "z1"\nnetwork.readout = "uniform"',
        'target.expression = "z1"\nridge.alpha = 0',
        "ridge.alpha = 1",
    ],
)
def test_schema_and_reader_agree(text: str) -> None:
    validator = pytest.importorskip("jsonschema").Draft7Validator(json_schema())
    data = tomllib.loads(text)
    try:
        Experiment.from_dict(data)
        good = True
    except ValueError:
        good = False
    assert good == (not list(validator.iter_errors(data)))


def test_pages_hold_every_key_and_every_function() -> None:
    page = markdown_reference()
    assert all(f"| `{key.name}`" in page for key in keys())
    sys.path.insert(0, str(DOCS))
    try:
        import language_page
    finally:
        sys.path.remove(str(DOCS))
    known = {"heaviside": "Heaviside", "sigmoid": "logistic"}
    assert {known.get(name, name) for name in FUNCTION_NAMES} == set(language_page.FUNCTIONS)
    for text, _ in language_page.EXAMPLES:
        parse(text)
        assert f"`{text}`" in language_page.language_page()
