"""What people read: whole summaries, tables that fit, one way of writing a subspace, grammar."""

from __future__ import annotations

import importlib
import inspect
import json
import warnings
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner
from script_loading import module_at

from asymptotics import plateaus
from asymptotics.commands.cli import cli, run
from asymptotics.text.prediction_tables import samples_text, tuning_text
from asymptotics.text.tables import folded
from hermite import Target, leap

DOCS = Path(__file__).parents[3] / "docs"


def module_of_docs(name: str) -> ModuleType:
    if not (DOCS / f"{name}.py").exists():
        pytest.skip("the documentation is not here")
    return module_at(DOCS / f"{name}.py")


def test_summaries_of_commands_are_whole_at_80_columns() -> None:
    shown = CliRunner().invoke(cli, ["--help"], terminal_width=80).output
    told = " ".join(shown.split())
    for name, command in cli.commands.items():
        assert " ".join((command.help or "").split("\n\n")[0].split()) in told, name
    assert max(map(len, shown.splitlines())) <= 80


CURVE = """
[target]
expression = "z1 + z1*z2/2"
noise = 0.1
[training]
steps = 1
[ridge]
alpha = [0.5, 1.0, 2.0]
lambda = 0.01
d = 300
"""


def test_tables_of_curves_fit_80_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.toml"
    path.write_text(CURVE)
    assert run(["curve", str(path)]) == 0
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith(("alpha", "0.5", "1 ", "2 ", "---"))]
    assert len(rows) == 5
    assert max(map(len, rows)) <= 80
    assert "everywhere: step = 1" in printed
    assert run(["curve", str(path), "--json"]) == 0
    assert {"step", "beta", "lambda", "eta"} <= set(json.loads(capsys.readouterr().out)["rows"][0])


def test_what_is_the_same_in_every_row_is_said_once() -> None:
    lines = folded(["a", "b", "c"], [[1, 2, None], [1, 3, None]], ["a", "b", "c"])
    assert lines[0] == "everywhere: a = 1"
    assert lines[1].split() == ["b", "-", "2", "3"]
    assert len(folded(["a"], [[1]], ["a"])) == 1


@pytest.mark.parametrize("text", ["z1 + z1*z2", "z1 - z2", "z3 + He2(z1+2*z2)"])
def test_a_subspace_is_written_in_one_way(text: str) -> None:
    last = leap(Target(text)).lines()
    space = dict(last)["relevant space"].split(" (dimension")[0]
    rows = plateaus(text, steps=1)
    assert "span{" in repr(rows)
    if len(rows[-1].subspace) == leap(Target(text)).relevant_dim:
        assert space in repr(rows)


def test_stress_and_code_of_docstrings_are_set_and_stars_of_formulas_stay() -> None:
    prose = module_of_docs("docstrings").prose
    assert prose("the *same* types") == "the *same* types"
    assert prose("w*_m and f* of |x|") == r"w\*\_m and f\* of \|x\|"
    assert prose("E[(f* − f)²] and *not* g*") == r"E[(f\* − f)²] and *not* g\*"
    assert prose("see ``a\nb`` there") == "see ``a b`` there"
    section = ["Parameters", "----------", "a", "    is ``b", "    c`` there", "d", "    e"]
    assert list(module_of_docs("docstrings").converted(section))[2:-1] == [
        "a",
        "   is ``b c`` there",
        "d",
        "   e",
    ]


@pytest.mark.parametrize("package", ["hermite", "asymptotics"])
def test_no_docstring_of_the_documentation_shows_its_backticks(package: str) -> None:
    """Code that is not recognised as such would have its backticks escaped."""
    home = module_of_docs("docstrings")
    module = importlib.import_module(package)
    for name in module.__all__:
        thing = getattr(module, name)
        members = [getattr(thing, own) for own in vars(thing)] if inspect.isclass(thing) else []
        for each in (thing, *members):
            lines = (inspect.getdoc(each) or "").split("\n")
            home.process(None, "", name, each, None, lines)
            assert not [line for line in lines if "\\`" in line], (name, each)
            # Pairs of them are closed in their block.
            assert "\n".join(lines).count("``") % 2 == 0, (name, each)


@pytest.mark.parametrize(
    "latex", [r"\eta\, \tilde a_i c_1", r"\mathbb{E}\|x\|^2", r"\frac{1}{\sqrt p}\sum_i a_i"]
)
def test_formulas_of_the_documentation_need_no_network(latex: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("docutils")
    made = module_of_docs("mathml").mathml(latex, True)
    assert made.startswith("<math")
    assert "script" not in made


def test_the_documentation_loads_no_script_for_formulas() -> None:
    if not (DOCS / "conf.py").exists():
        pytest.skip("the documentation is not here")
    assert 'html_math_renderer = "mathml"' in (DOCS / "conf.py").read_text(encoding="utf-8")


def test_a_setting_without_a_law_is_refused_before_a_run_is_announced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.toml"
    file.write_text(
        '[target]\nexpression = "z1*z2"\n[network]\nwidth = 12\ninitialisation = "independent"\n'
        "[training]\nbatch_exponent = 2\nremove_orders = [0, 1]\n"
        "[simulation]\nd = [1, 30]\nreplicates = 1\ntest_samples = 100\n"
    )
    for text in (file.read_text(), file.read_text().replace("independent", "symmetric")):
        # First without a law, then with one, but with a d that holds no two directions.
        file.write_text(text)
        assert run(["overlaps", str(file), "--simulate"]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert "simulating" not in told.err


def test_a_note_about_a_row_names_the_settings_that_tell_it_from_the_others() -> None:
    row = {
        "step": 1, "alpha_train": 4.0, "alpha": 1.0, "beta": 1.0, "eta": 1.0, "lambda": 0.1, "test_error": 0.5,
        "error": None, "at_boundary": [], "warnings": ["the optimum is flat"],
    }  # fmt: skip
    told = tuning_text([row, row | {"alpha": 2.0}]).splitlines()
    assert told[-2:] == ["step 1, alpha = 1: the optimum is flat.", "step 1, alpha = 2: the optimum is flat."]
    assert tuning_text([row]).endswith("\nstep 1: the optimum is flat.")
    found = row | {"n2": 10, "limit": None, "plateau": 0.1, "reachable": True, "stays": False, "reason": None}
    told = samples_text([found, found | {"lambda": 1.0, "reason": "no", "reachable": False}]).splitlines()
    assert told[-4:] == [
        "step 1, lambda = 0.1: the error rises again for some larger alpha.",
        "step 1, lambda = 0.1: the optimum is flat.",
        "step 1, lambda = 1: no",
        "step 1, lambda = 1: the optimum is flat.",
    ]
    # What is the same of two rows that differ in nothing is said once.
    assert tuning_text([row, row]).count("flat") == 1


@pytest.mark.parametrize(
    "command",
    [
        ["simulate", "--dry-run"], ["overlaps", "--simulate"], ["curve", "--simulate"], ["spectrum", "--simulate"],
        ["validate", "--sizes", "1"],
    ],
)  # fmt: skip
def test_every_command_that_simulates_says_that_threads_are_fewer_than_asked_for(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.toml").write_text(
        '[target]\nexpression = "z1"\n[network]\nwidth = 20\n[training]\nsteps = 0\n[ridge]\naccuracy = 0\n'
        "[simulation]\nd = 20\nreplicates = 3\ntest_samples = 50\nthreads = 1000000\n"
    )
    name, *options = command
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        run([name, "a.toml", *options])
    told = [*capsys.readouterr().err.splitlines(), *(str(found.message) for found in caught)]
    assert sum("simulation.threads = 1000000" in line for line in told) == 1, told


def test_every_command_that_refuses_a_size_but_with_force_has_that_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = [round(1 + 0.001 * i, 3) for i in range(1000)]
    file = tmp_path / "large.toml"
    file.write_text(
        f'[target]\nexpression = "z1"\n[training]\nalpha = {many}\neta = {many}\n'
        f"[ridge]\nalpha = {many}\nlambda = {many}\n[simulation]\nd = 20\nreplicates = 3\n"
    )
    told = []
    for name, command in cli.commands.items():
        if not {"file", "files", "source"} & {p.name for p in command.params} or name in ("init", "cite"):
            continue
        more = ["--test-error", "1"] if name == "samples" else []
        more = ["--x", "eta", "--y", "alpha"] if name == "map" else more
        if run([name, str(file), *more]) == 2 and "--force" in capsys.readouterr().err:
            told.append(name)
            assert "--force" in {option for p in command.params for option in p.opts}, name
    assert {"curve", "report", "simulate", "validate"} <= set(told)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_table_of_a_curve_of_many_grids_fits_its_columns(columns: int) -> None:
    header = [
        "step",
        "alpha_train",
        "eta",
        "alpha",
        "beta",
        "lambda",
        "d",
        "test_error",
        "train_error",
        "test simulated",
    ]
    body = [
        [t, a, e, 2.0 * a, b, lam, 100, "0.1234", "0.05678", "0.1240 ± 0.0005"]
        for t in (0, 1) for a in (0.5, 1.0, 4.0) for e in (0.1, 1.0) for b in (0.5, 1.0) for lam in (0.001, 0.1)
    ]  # fmt: skip
    lines = "\n".join(folded(header, body, header[:7], columns)).splitlines()
    assert max(map(len, lines)) <= columns
    assert sum("0.1240 ± 0.0005" in line for line in lines) == len(body)
    assert lines[0] == "everywhere: d = 100"
