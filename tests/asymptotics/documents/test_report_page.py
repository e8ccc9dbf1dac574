"""The HTML page: well formed, complete, self-contained, safe against its input, equal bytes for equal input."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from asymptotics import Experiment
from asymptotics.commands.cli import run
from asymptotics.documents.findings import Findings, comparison, of_file, predictions
from asymptotics.documents.mathematics import expression_latex, formula, terms
from asymptotics.documents.report_page import report_page
from hermite.errors import InputError

CURVE = """
# a <comment> & more
[target]
expression = "z1 + z1*z2/2"
[training]
steps = [0, 1]
[ridge]
alpha = [1.0, 2.0]
lambda = 0.1
[simulation]
d = 48
replicates = 3
test_samples = 1000
"""
OVERLAPS = (
    CURVE.split("[ridge]")[0] + "[simulation]\nd = 48\nwidth = 20\nreplicates = 3\ntest_samples = 1000\n"
)
VOID = {"meta", "link", "img", "br"}


class Outline(HTMLParser):
    """Tags opened and closed in order; raises where they do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("report")
    made = {"curve": CURVE, "overlaps": OVERLAPS}
    for name, text in made.items():
        (folder / f"{name}.toml").write_text(text)
    return {name: folder / f"{name}.toml" for name in made}


@pytest.fixture(scope="module")
def found(files: dict[str, Path]) -> dict[str, Findings]:
    return {name: of_file(str(path), controls=1.5) for name, path in files.items()}


@pytest.mark.parametrize("kind", ["curve", "overlaps"])
def test_the_page_is_well_formed_and_complete(kind: str, found: dict[str, Findings]) -> None:
    page = Outline(report_page(found[kind]))
    assert [a["lang"] for a in page.all("html")] == ["en"]
    for title in ("What is in the target", "Predictions and simulation", "Validation", "Configuration"):
        assert title in page.text
    for part in (
        "leap index",
        "stairway",
        "agrees",
        "Negative control",
        "replicates",
        "# a <comment> & more",
    ):
        assert part in page.text
    assert len(page.all("img")) == 2
    assert all(image["alt"] for image in page.all("img"))
    assert r"f^\star(z) = z_{1} + \frac{1}{2} z_{1} z_{2}" in {a.get("aria-label") for a in page.all("span")}


def test_the_page_needs_no_network(found: dict[str, Findings]) -> None:
    text = report_page(found["curve"])
    page = Outline(text)
    assert not page.all("script")
    for _, attributes in page.seen:
        for key in ("src", "href", "xlink:href"):
            assert (attributes.get(key) or "data:").startswith("data:")
    assert not re.search(r"@import|url\(", text)
    for image in page.all("img"):
        svg = base64.b64decode(str(image["src"]).split("base64,")[1])
        root = ElementTree.fromstring(svg)
        links = [value for node in root.iter() for key, value in node.items() if key.endswith("href")]
        assert all(link.startswith("#") for link in links)


def test_equal_input_gives_equal_bytes(found: dict[str, Findings]) -> None:
    assert report_page(found["overlaps"]) == report_page(found["overlaps"])


def test_input_cannot_write_into_the_page(found: dict[str, Findings]) -> None:
    nasty = replace(found["curve"], source="<script>alert(1)</script>", reason="<b>", validation=None)
    page = Outline(report_page(nasty))
    assert not page.all("script")
    assert not page.all("b")
    assert "<script>" in page.text


def test_predictions_alone_make_a_page() -> None:
    for text in (CURVE, OVERLAPS):
        page = Outline(report_page(predictions(Experiment.from_toml(text), text)))
        assert "Nothing was simulated" in page.text
        assert len(page.all("img")) == 1


def test_too_few_replicates_give_a_page_without_a_verdict(files: dict[str, Path]) -> None:
    from asymptotics.comparison.joined import measure_all

    text = CURVE.replace("replicates = 3", "replicates = 1")
    experiment = Experiment.from_toml(text)
    found = comparison(experiment, text, measure_all(experiment))
    assert found.validation is None
    assert "No verdict" in Outline(report_page(found)).text


def test_the_command_writes_the_page(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made" / "page.html"
    assert run(["report", str(files["curve"]), "-o", str(out), "--no-simulation"]) == 0
    assert capsys.readouterr().out == ""
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert run(["report", str(tmp_path / "none.toml"), "-o", str(out)]) == 2


@pytest.mark.parametrize(
    "text",
    [
        "z1 - 1/2*z2",
        "max(z1, z2)*abs(z3)",
        "sqrt(2)*He3(z1)",
        "exp(-z1^2) + tanh(z2)",
        "softplus(z1)/pi - 3",
        "-z1^2",
    ],
)
def test_every_expression_can_be_set(text: str) -> None:
    latex = expression_latex(text, ["z1", "z2", "z3"])
    assert "".join(terms(latex)).replace(" ", "") == latex.replace(" ", "")
    drawn = formula(latex)
    for piece in re.findall(r"<svg.*?</svg>", drawn):
        root: Any = ElementTree.fromstring(piece)
        assert root[0].get("d").startswith("M")


def test_unknown_commands_are_refused() -> None:
    with pytest.raises(InputError, match="Cannot set"):
        formula(r"\notacommand{x}")


def test_an_undecided_target_gets_no_empty_answers() -> None:
    text = '[target]\nexpression = "sign(sin(z1*z2*z3))"\n[training]\nsteps = 0\n[ridge]\nlambda = 0.1\n'
    page = Outline(report_page(predictions(Experiment.from_toml(text), text)))
    assert "undecided:" in page.text
    assert "the leap is 2 at least" in page.text
    assert "relevant space" not in page.text
    assert "hard directions" not in page.text


@pytest.mark.parametrize(
    ("expression", "activation", "learned"),
    [
        ("z1 + z1*z2", "tanh", 1),
        ("z1 + z1*z2", "relu", 2),
        ("z1 + z1*z2 + z1*z2*z3", "relu", 2),
        ("z1 + z1*z2 + z1*z2*z3", "erf(x)", 1),
        ("z1 + He2(z2)", "tanh", 1),
    ],
)
def test_the_stairway_of_a_report_is_that_of_its_student(
    expression: str, activation: str, learned: int
) -> None:
    """The text above says how far the student climbs; the table must not climb higher."""
    text = CURVE.replace("z1 + z1*z2/2", expression) + f'[network]\nactivation = "{activation}"\n'
    page = report_page(predictions(Experiment.from_toml(text), text))
    stairway = page[page.index("The stairway") :].partition("</table>")[0]
    dims = [int(row[1]) for row in re.findall(r"<tr><td>(\d+)</td><td>(\d+)</td>", stairway)]
    assert dims[-1] == learned
    told = re.search(r"this student climbs</th><td>dimensions ([\d → ]+)", page)
    assert told is None or int(told[1].split("→")[-1]) == learned
