"""--latex: a booktabs table of what the text says, formulas as formulas."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asymptotics.commands.cli import run
from asymptotics.documents.latex_tables import curve_latex, prose

CURVE = (
    'target = {expression = "z1 + He2(z1)/2", noise = 0.1}\nridge = {alpha = [0.5, 4.0], lambda = 1e-5}\n'
    "training = {steps = 0}\n"
)


def cells(text: str) -> list[list[str]]:
    """Rows of a tabular, between its rules."""
    return [line[: -len(r" \\")].split(" & ") for line in text.splitlines() if line.endswith(r"\\")]


@pytest.fixture
def commands(tmp_path: Path) -> dict[str, list[str]]:
    (tmp_path / "e.toml").write_text(CURVE)
    return {
        "leap": ["leap", "z1 + z1*z2 - sqrt(2)*z3"],
        "plateaus": ["plateaus", "relu(z1) + z1*z2"],
        "hardness": ["hardness", "He3(z1) + z2", "--d", "100"],
        "curve": ["curve", str(tmp_path / "e.toml")],
    }


@pytest.mark.parametrize("name", ["leap", "plateaus", "hardness", "curve"])
def test_a_table_is_balanced_ascii_and_of_one_width(
    name: str, commands: dict[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*commands[name], "--latex"]) == 0
    text = capsys.readouterr().out
    assert text.isascii()
    assert text.startswith(r"% \usepackage{booktabs")
    bare = text.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert len(re.findall(r"(?<!\\)\$", text)) % 2 == 0
    columns = re.search(r"\\begin\{tabular\}\{(\w+)\}", text)
    assert columns is not None
    assert {len(row) for row in cells(text)} == {len(columns[1])}


def test_exact_plateaus_are_formulas(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plateaus", "z1 + z1*z2", "--latex"]) == 0
    rows = cells(capsys.readouterr().out)
    assert rows[1] == ["0", r"$\{0\}$", "$2$", "$1$", "$0$"]
    assert rows[2][1] == r"$\operatorname{span}\{z_{1}\}$"


def test_powers_of_d_are_whole_where_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """The exponent of smoothed SGD is k/2: 1, 3/2, ..."""
    assert run(["hardness", "He3(z1)", "--latex"]) == 0
    powers = [row[1] for row in cells(capsys.readouterr().out)[1:]]
    assert powers == ["$d^{3}$", "--", "--", "$d^{2}$", "$d^{1.5}$", "$d^{1}$", "$d^{1}$", "$d^{1}$"]


def test_what_one_activation_reaches_is_a_row_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plateaus", "z1*z2", "--activation", "relu", "--latex"]) == 0
    rows = cells(capsys.readouterr().out)
    assert rows[1][1:] == [r"$\{0\}$", "$1$", "$1$", "$0$"]
    assert rows[2][0] == ""
    assert rows[2][1].endswith("with relu")
    assert rows[2][2:] == ["$1$", "$1$", "$0$"]


def test_subspaces_powers_and_signs_are_formulas() -> None:
    names = ("z1", "z2")
    assert prose("span{z1 - z2}", names) == r"$\operatorname{span}\{z_{1} - z_{2}\}$"
    assert prose("n = Θ(d^2) & more_of_it, 5 %") == r"n = $\Theta$($d^{2}$) \& more\_of\_it, 5 \%"


def test_a_curve_has_its_settings_and_the_digits_that_are_sure() -> None:
    row = {
        "step": 0,
        "alpha_train": None,
        "eta": None,
        "alpha": 2.0,
        "beta": 1.0,
        "lambda": 1e-5,
        "d": None,
        "test_error": 0.35073,
        "train_error": 1.2e-6,
        "error": {"total": 0.008},
        "simulation": {"test_error": 0.36, "test_error_sem": 0.01},
    }
    (head, *body) = cells(curve_latex([row, row | {"lambda": 0.1, "simulation": None}]))
    assert head == [r"$\lambda$", "test error", "train error", "simulated test error"]
    assert body == [
        [r"$1 \cdot 10^{-5}$", "$0.35$", r"$1.2 \cdot 10^{-6}$", r"$0.36 \pm 0.01$"],
        ["$0.1$", "$0.35$", r"$1.2 \cdot 10^{-6}$", "--"],
    ]


def test_json_and_latex_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["leap", "z1"], ["plateaus", "z1"], ["hardness", "z1"], ["curve", "none.toml"]):
        assert run([*command, "--latex", "--json"]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "exclude each other" in captured.err
