"""The command: exit codes, what goes to which stream, examples that run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pytest
from matplotlib import image

from asymptotics.commands.cli import cli, run
from asymptotics.commands.terminal import document_text, read_gram
from hermite.errors import ConvergenceError, InputError

BIN = Path(sys.executable).parent
GIANTSTEP = str(BIN / "giantstep")

COMMANDS = sorted(cli.commands)


def shell(line: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"} | settings
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def answer(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run(args)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


EXAMPLE = """
[target]
expression = "z1 + He2(z1)/2"
[training]
steps = [0, 1]
[ridge]
alpha = [1.0, 2.0]
lambda = 0.1
[simulation]
d = 40
width = 40
replicates = 3
test_samples = 1000
"""


@pytest.fixture
def experiment(tmp_path: Path) -> str:
    path = tmp_path / "experiment.toml"
    path.write_text(EXAMPLE)
    return str(path)


def test_a_leap_query_loads_nothing_heavy() -> None:
    code = (
        "import sys; from asymptotics.commands.cli import run; assert run(['leap', 'z1 + z1*z2', '--json']) == 0; "
        "assert not {'numpy', 'scipy', 'sympy', 'matplotlib', 'pandas', 'rich'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_leap_prints_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = answer(["leap", "z1 + z1*z2", "--json"], capsys)
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert (report["leap_index"], report["staircase"]["dims"]) == (1, [0, 1, 2])


@pytest.mark.parametrize("args", [["-z1 + z2"], ["--", "-z1 + z2"], ["--json", "-z1"], ["-z1^2", "--json"]])
def test_an_expression_may_begin_with_a_minus(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(["leap", *args], capsys)
    assert code == 0
    assert "z1" in out


def test_an_option_may_follow_a_negative_value(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = answer(["leap", "z1", "--batch-exponent", "-1"], capsys)
    assert (code, out) == (2, "")
    assert "batch" in err


def test_a_gram_file_gives_the_metric(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "g.json").write_text('[["1", "1/2"], ["1/2", 1.0]]')
    (tmp_path / "g.txt").write_text("1, 1/2\n1/2 1\n\n")
    assert read_gram(str(tmp_path / "g.txt")) == [["1", "1/2"], ["1/2", "1"]]
    answers = [
        json.loads(answer(["leap", "z1 + z2", "--gram", str(tmp_path / name), "--json"], capsys)[1])
        for name in ("g.json", "g.txt")
    ]
    for document, name in zip(answers, ("g.json", "g.txt"), strict=True):
        assert document.pop("provenance")["options"]["gram"] == str(tmp_path / name)
    assert answers[0] == answers[1]
    (tmp_path / "bad.json").write_text("[[1, ")
    (tmp_path / "bytes").write_bytes(b"\xff")
    for name in ("bad.json", "bytes", "missing", "."):
        code, out, err = answer(["leap", "z1", "--gram", str(tmp_path / name)], capsys)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1


def test_expand_prints_json_text_and_latex(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(["expand", "z1*z2 + 1", "--order", "2", "--json"], capsys)
    document = json.loads(out)
    assert code == 0
    assert document["coefficients"]["1,1"] == {"exact": "1", "value": 1.0}
    assert "total energy" in answer(["expand", "z1*z2 + 1"], capsys)[1]
    code, out, _ = answer(["expand", "z1^2 + 1", "--latex"], capsys)
    assert code == 0
    assert "He" in out
    assert answer(["expand", "z1", "--latex", "--json"], capsys)[0] == 2


def test_plateaus_print_json_and_text(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(["plateaus", "z1 + z1*z2", "--json"], capsys)
    rows = json.loads(out)["rows"]
    assert code == 0
    assert [row["dim"] for row in rows] == [0, 1, 2]
    assert rows[0]["plateaus"] == [2.0, 1.0, 0.0]
    assert "κ = 2" in answer(["plateaus", "z1 + z1*z2", "--activation", "relu"], capsys)[1]


@pytest.mark.parametrize("command", ["overlaps", "curve", "validate"])
def test_an_experiment_runs_and_prints_one_document(
    command: str, experiment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = answer([command, experiment, "--json"], capsys)
    assert code in ((0, 1) if command == "validate" else (0,))
    document = json.loads(out)
    assert ("steps" if command == "overlaps" else "rows") in document
    code, out, _ = answer([command, experiment], capsys)
    assert "nan" not in out


def test_a_curve_and_overlaps_write_their_files(
    experiment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("curve", "overlaps"):
        out = tmp_path / command
        code, printed, err = answer([command, experiment, "--simulate", "--out", str(out), "--json"], capsys)
        assert code == 0
        assert sorted(os.listdir(out)) == [f"{command}.{kind}" for kind in ("csv", "json", "pdf", "png")]
        written = json.loads((out / f"{command}.json").read_text())
        assert written["provenance"]["command"] == command
        assert written == json.loads(printed)
        assert "wrote" in err


def test_an_experiment_is_read_from_standard_input(tmp_path: Path) -> None:
    result = shell("giantstep init | giantstep curve - --json", tmp_path)
    assert result.returncode == 0, result.stderr
    assert len(json.loads(result.stdout)["rows"]) == 6


def test_the_exit_code_is_1_when_validation_disagrees(
    experiment: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from asymptotics.comparison import joined as comparisons
    from asymptotics.comparison.curves import theory

    def wrong(e, training, ridge):  # type: ignore[no-untyped-def]
        predicted = theory(e, training, ridge)
        return replace(predicted, test_error=10 + predicted.test_error)

    monkeypatch.setattr(comparisons, "theory", wrong)
    code, out, _ = answer(["validate", experiment, "--json"], capsys)
    assert code == 1
    assert json.loads(out)["verdict"] == "disagrees"


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["leap", "z1 +"], "column"),
        (["leap"], "Missing argument"),
        (["leap", "z1", "z2"], "extra argument"),
        (["leap", "z1", "--jsn"], "--json"),
        (["leap", "experiment.toml"], "the target itself, not a file as 'experiment.toml'"),
        (["hardness", "runs/a b.TOML "], 'such as "z1 + z1*z2"'),
        (["plan", "-e.toml", "--samples", "100", "--d", "10"], "the target itself"),
        (["explore", "e.toml"], "the target itself"),
        (["lepa", "z1"], "No such command"),
        (["expand", "z1", "--order", "two"], "order"),
        (["expand", "exp(z1^2)"], "finite"),
        (["curve", "missing.toml"], "Cannot read"),
        (["curve", "/"], "Cannot read"),
    ],
)
def test_bad_input_is_one_sentence_on_stderr(
    args: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = answer(args, capsys)
    assert (code, out) == (2, "")
    assert part in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["leap", "hardness", "plateaus"])
def test_a_file_of_structured_inputs_in_place_of_an_expression_is_told_what_they_change(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, isotropic = tmp_path / "two.toml", tmp_path / "one.toml"
    isotropic.write_text('[target]\nexpression = "z1"\n')
    path.write_text(f"{isotropic.read_text()}[inputs]\nclusters = [{{mean = {{z1 = 1.0}}}}]\n")
    code, out, err = answer([command, str(path)], capsys)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "mean acts as a linear term" in err
    assert "hardness --inputs biased" in err
    assert "linear term" not in answer([command, str(isotropic)], capsys)[2]


def test_every_problem_of_a_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('[target]\nexpression = "z1"\n[ridge]\nalpha = -1\nlamda = 1\n')
    code, out, err = answer(["curve", str(path)], capsys)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 2
    assert "did you mean 'lambda'?" in err


def test_output_that_cannot_be_written(
    experiment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("")
    code, out, err = answer(["curve", experiment, "--out", str(tmp_path / "taken"), "--json"], capsys)
    assert (code, out) == (2, "")
    assert "in the way" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_and_a_broken_pipe_are_no_tracebacks(tmp_path: Path) -> None:
    result = shell('giantstep leap "z1 + z1*z2" > /dev/full', tmp_path)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    result = shell(
        'set -o pipefail; giantstep leap "z1 + z1*z2" --json | true; echo "${PIPESTATUS[0]}"', tmp_path
    )
    assert result.stdout.strip() in ("0", "141")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "part"),
    [
        (ConvergenceError("no fixed point"), 3, "no fixed point"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (InputError(["one.", "two."]), 2, "two."),
        (OSError(28, "No space left on device", "x"), 2, "No space left"),
        (MemoryError(), 2, "memory"),
        (ZeroDivisionError(), 70, "bug"),
    ],
)
def test_exit_codes_say_what_went_wrong(
    error: BaseException,
    code: int,
    part: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setitem(cli.commands, "init", click.Command("init", callback=fail))
    monkeypatch.setattr("asymptotics.commands.cli.silence_stdout", lambda: None)
    found, out, err = answer(["init"], capsys)
    assert (found, out) == (code, "")
    assert part in err


def test_an_interrupt_ends_the_command_with_130(tmp_path: Path) -> None:
    (tmp_path / "long.toml").write_text(EXAMPLE.replace("replicates = 3", "replicates = 100000"))
    process = subprocess.Popen(
        [GIANTSTEP, "curve", "long.toml", "--simulate", "--out", "out"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "simulating" in process.stderr.readline()
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "interrupted" in err
    assert not (tmp_path / "out").exists()


def test_a_bare_command_shows_help_and_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["--version"], capsys) == (0, "giantstep 0.1.0\n", "")
    code, out, _ = answer([], capsys)
    assert code == 0
    assert all(name in out for name in COMMANDS)


def test_a_terminal_that_cannot_show_greek(tmp_path: Path) -> None:
    result = shell(
        'giantstep leap "z1 + z1*z2"', tmp_path, PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONUTF8="0"
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("demo", "explore")])
def test_the_examples_of_the_help_run(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer([name, "--help"], capsys)
    assert code == 0
    examples = out.split("Example:")[1].replace("\\\n", " ")
    lines = re.findall(r"^ +(giantstep .*)$", examples, flags=re.MULTILINE)
    assert lines
    for line in lines:
        result = shell(line, tmp_path)
        assert result.returncode == 0, (line, result.stderr)


def test_json_has_one_word_for_infinity_and_null_for_no_number() -> None:
    text = document_text({"a": [1.0, float("nan"), (float("inf"), -float("inf"))]})
    assert json.loads(text) == {"a": [1.0, None, ["inf", "-inf"]]}


def test_a_leap_query_knows_its_student(capsys: pytest.CaptureFixture[str]) -> None:
    query = ["leap", "z1 + z1*z2 + z1*z2*z3", "--activation", "relu", "--json"]
    code, out, _ = answer([*query, "--readout", "rademacher"], capsys)
    assert code == 0
    assert json.loads(out)["student_staircase"]["dims"] == [0, 1, 2]
    code, out, _ = answer([*query, "--bias", "1"], capsys)
    assert json.loads(out)["student_staircase"]["dims"] == [0, 1, 2, 3]
    code, out, err = answer(["leap", "z1", "--bias", "1"], capsys)
    assert (code, out) == (2, "")
    assert "activation" in err


# ---- the surroundings ------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["leap z1", "expand z1 --json", "--version", "init"])
def test_a_closed_output_is_one_sentence_before_any_work(command: str, tmp_path: Path) -> None:
    result = shell(f"giantstep {command} >&-", tmp_path)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "standard output is closed" in result.stderr


@pytest.mark.parametrize("command", ["overlaps -", "curve - --json", "validate -", "leap z1+z2 --gram -"])
def test_a_closed_input_is_one_sentence(command: str, tmp_path: Path) -> None:
    result = shell(f"giantstep {command} <&-", tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "standard input is closed" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("stream", ["2>/dev/full", "2>&-", ">/dev/full 2>/dev/full", "</dev/null 2>&-"])
def test_a_refusal_keeps_its_exit_code_where_nobody_can_be_told(stream: str, tmp_path: Path) -> None:
    for command in ('leap "bad("', "curve missing.toml", "nonsense"):
        assert shell(f"giantstep {command} {stream}", tmp_path).returncode == 2
    assert shell(f"giantstep leap z1 > out {stream.replace('>/dev/full 2', '2')}", tmp_path).returncode == 0
    assert "leap" in (tmp_path / "out").read_text()


def test_a_closed_stream_never_becomes_the_file_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text(EXAMPLE.replace("steps = [0, 1]", "steps = 0"))
    result = shell("giantstep simulate e.toml --json 2>&- <&- > rows.json", tmp_path)
    assert result.returncode == 0
    assert len(json.loads((tmp_path / "rows.json").read_text())["rows"]) == 6
    assert shell("giantstep simulate e.toml --json", tmp_path).returncode == 0


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.05])
def test_a_second_interrupt_at_once_is_the_same_wish(pause: float, tmp_path: Path) -> None:
    (tmp_path / "long.toml").write_text(EXAMPLE.replace("replicates = 3", "replicates = 3000"))
    with subprocess.Popen(
        [GIANTSTEP, "simulate", "long.toml"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert "to compute" in process.stderr.readline()
        time.sleep(0.3)
        for _ in range(4):
            process.send_signal(signal.SIGINT)
            time.sleep(pause)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "the same command resumes" in err
    assert "Traceback" not in err


SHADOWS = ("signal", "random", "queue", "types", "numpy", "threading", "socket", "string", "select")


@pytest.mark.parametrize("options", ["--workers 2", "--scheduler local"])
def test_files_in_the_working_folder_never_shadow_the_modules_of_a_worker(
    options: str, tmp_path: Path
) -> None:
    if "scheduler" in options:
        pytest.importorskip("distributed")
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the user')")
    (tmp_path / "e.toml").write_text(EXAMPLE)
    result = shell(f"giantstep simulate e.toml --json {options}", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "a file of the user" not in result.stderr
    assert len(json.loads(result.stdout)["rows"]) == 2 * 2 * 3


@pytest.mark.parametrize(
    ("rc", "settings"),
    [
        ("text.usetex: True\n", {"PATH": str(BIN)}),
        ("", {"MPLBACKEND": "nonsense"}),
        ("font.family: no such font\nfigure.figsize: 1000, 1000\nsavefig.format: nonsense\n", {}),
        ("axes.formatter.use_mathtext: True\ntext.parse_math: False\nsavefig.bbox: standard\n", {}),
    ],
)
def test_settings_of_the_user_cost_no_figure(
    rc: str, settings: dict[str, str], experiment: str, tmp_path: Path
) -> None:
    (tmp_path / "matplotlibrc").write_text(rc)
    environment = os.environ | settings
    result = subprocess.run(
        [GIANTSTEP, "curve", experiment, "--out", "out"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    plain = tmp_path / "plain"
    plain.mkdir()
    assert shell(f"giantstep curve {experiment} --out out", plain).returncode == 0
    # The style fixes all that a figure depends on: not a pixel differs.
    # The files carry their date: the pictures are equal, pixel by pixel.
    own, expected = (image.imread(folder / "out" / "curve.png") for folder in (tmp_path, plain))
    np.testing.assert_array_equal(own, expected)


def test_a_figure_that_fails_is_one_sentence_and_costs_no_data(
    experiment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    def fail(*_args: object, **_settings: object) -> None:
        raise RuntimeError("no fonts\nat all")

    monkeypatch.setattr(Figure, "savefig", fail)
    wanted = {
        "curve": ["curve.csv", "curve.json"],
        "overlaps": ["overlaps.csv", "overlaps.json"],
        "validate": ["validation.csv", "validation.json", "validation.txt"],
        "tune": ["tune.csv", "tune.json"],
        "spectrum": ["spectrum.csv", "spectrum.json"],
    }
    for command, files in wanted.items():
        code, _, err = answer([command, experiment, "--out", str(tmp_path / command)], capsys)
        assert code in (0, 1)
        assert "the figures could not be drawn (no fonts at all); the data are complete" in err
        assert sorted(os.listdir(tmp_path / command)) == files


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("curve", "--out"),
        ("overlaps", "--out"),
        ("spectrum", "--out"),
        ("tune", "--out"),
        ("simulate", "--out"),
        ("validate", "--out"),
        ("report", "-o"),
        ("reproduce", "--out"),
        ("demo", "--out"),
    ],
)
def test_where_results_cannot_go_is_said_before_any_work(
    command: str,
    option: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # No experiment is read, no figure of the paper begun: what follows the check is not there.
    monkeypatch.setattr("asymptotics.experiment.grid.read", lambda _path: pytest.fail("work before refusal"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    source = {"demo": [], "reproduce": ["gradient"]}.get(command, ["e.toml"])
    for place, part in (("", "empty"), ("no/such/folder", "no folder"), ("file/below", "")):
        code, out, err = answer([command, *source, option, place], capsys)
        assert (code, out) == (2, ""), err
        assert part in err
        assert err.count("\n") == 1
    assert os.listdir(tmp_path) == ["file"]


# ---- points at infinity ----------------------------------------------------------------------

INFINITE = """
[target]
expression = "z1 + He2(z1)/2"
[training]
steps = [0, 1]
[ridge]
alpha = {alpha}
beta = {beta}
lambda = {lam}
[simulation]
d = 20
replicates = 2
test_samples = 100
"""


@pytest.mark.parametrize(
    ("alpha", "beta"),
    [("1.0", "[0.5, 1, inf]"), ("[0.5, 2.0]", "[1, inf]"), ("1.0", "inf"), ("1.0", "[inf, 2]")],
)
def test_a_curve_with_kernel_ridge_is_written_and_drawn(
    alpha: str, beta: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "e.toml").write_text(INFINITE.format(alpha=alpha, beta=beta, lam=0.1))
    code, out, err = answer(
        ["curve", str(tmp_path / "e.toml"), "--out", str(tmp_path / "o"), "--json"], capsys
    )
    assert code == 0
    assert "could not be drawn" not in err
    assert len(os.listdir(tmp_path / "o")) == 4
    assert any(float(row["beta"]) == float("inf") for row in json.loads(out)["rows"])


@pytest.mark.parametrize("command", ["curve --simulate", "validate", "report", "simulate"])
def test_kernel_ridge_beside_a_simulation_is_refused_before_the_first_unit(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "asymptotics.simulation.runner.Job.run", lambda *_: pytest.fail("simulated before refusal")
    )
    (tmp_path / "e.toml").write_text(INFINITE.format(alpha=1.0, beta="[1, inf]", lam=0.1))
    name, *options = command.split()
    code, out, err = answer([name, str(tmp_path / "e.toml"), *options], capsys)
    assert (code, out) == (2, "")
    assert "ridge.beta must be finite beside a simulation" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("alphas", ["[0.25, 0.5, 1.0]", "0.5", "[0.5, 2.0]"])
def test_an_interpolating_point_without_a_penalty_is_infinite_and_costs_no_other(
    alphas: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # With symmetric initialisation half of the neurons are distinct: alpha = beta/2 interpolates.
    file = tmp_path / "e.toml"
    file.write_text(INFINITE.format(alpha=alphas, beta=1.0, lam=0.0).replace("[0, 1]", "0"))
    code, out, err = answer(["curve", str(file), "--out", str(tmp_path / "o"), "--json"], capsys)
    assert code == 0, err
    assert "could not be drawn" not in err
    rows = json.loads(out)["rows"]
    for row in rows:
        at = row["alpha"] == 0.5
        assert (row["test_error"] == "inf") == at
        assert ("infinite at interpolation" in row["validity_note"]) == at


# ---- the cold start --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    ["curve e.toml", "overlaps e.toml", "samples e.toml --test-error 1", "simulate e.toml --dry-run"],
)
def test_no_command_imports_what_it_does_not_print_with(command: str, tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text('[target]\nexpression = "z1 + He2(z1)/2"\n[ridge]\nlambda = 0.1\n')
    code = (
        "import sys; from asymptotics.commands.cli import run; assert run(sys.argv[1:]) == 0; "
        "print({'sympy', 'pandas', 'matplotlib', 'rich', 'torch', 'distributed'} & set(sys.modules), file=sys.stderr)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, *command.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stderr.splitlines()[-1] == "set()"


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["--version"],
        ["--help"],
        ["init"],
        ["leap", "z1 + z1*z2"],
        ["expand", "z1*z2"],
        ["plateaus", "z1 + z1*z2"],
    ],
)
def test_a_command_that_computes_little_starts_as_fast_as_its_libraries(command: list[str]) -> None:
    def seconds(code: str, *args: str) -> float:
        """CPU time of a process, the least of three."""
        times = []
        for _ in range(3):
            before = os.times()
            subprocess.run([sys.executable, "-c", code, *args], check=True, capture_output=True)
            after = os.times()
            times.append(
                after.children_user + after.children_system - before.children_user - before.children_system
            )
        return min(times)

    libraries = seconds("import numpy, scipy.linalg")
    ours = seconds(
        "import sys; from asymptotics.commands.cli import run; sys.exit(run(sys.argv[1:]))", *command
    )
    assert ours <= 1.2 * libraries
