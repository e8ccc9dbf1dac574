"""Pages made from sources: the gallery's files draw what they say, and every refusal has its advice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from script_loading import module_at

from asymptotics import Experiment
from asymptotics.commands.cli import run

DOCS = Path(__file__).parents[1] / "docs"
pictures = module_at(DOCS / "pictures.py")
refusals = module_at(DOCS / "refusals.py")


@pytest.mark.parametrize("file", pictures.GALLERY, ids=lambda file: file.stem)
def test_a_file_of_the_gallery_is_an_experiment_with_a_title_and_a_command(file: Path) -> None:
    title, arguments = pictures.command_of(file)
    assert title[0].isupper()
    assert arguments[1] == file.name
    Experiment.load(file)
    assert f"pictures/{file.stem}.png" in pictures.gallery_page()


@pytest.mark.parametrize("name", ["descent"])
def test_the_gallery_is_drawn_by_its_commands(name: str) -> None:
    assert pictures.drawn(DOCS / "gallery" / f"{name}.toml")[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_first_page_shows_the_pictures_that_are_made() -> None:
    page = (DOCS / "first-page.md").read_text(encoding="utf-8")
    assert all(f"(pictures/{name}.png)" in page for name in pictures.FIRST_PAGE)
    assert pictures.leap_picture()[:4] == b"\x89PNG"


def test_every_refusal_is_on_the_page_under_advice_and_every_advice_has_one() -> None:
    page = refusals.troubleshooting_page()
    found = list(dict.fromkeys(refusals.sentences()))
    assert len(found) > 400
    assert page.count("\n- ") == len(found)
    kinds = {refusals.kind_of(sentence) for sentence in found}
    assert kinds == {title for title, _, _ in refusals.KINDS}


def test_a_refusal_without_advice_is_found() -> None:
    with pytest.raises(LookupError, match="No advice"):
        refusals.kind_of("Quux!")


PROVOKED = [
    ["leap", "z1 +"],
    ["leap", "1/z1"],
    ["leap", "exp(z1^2)"],
    ["leap", "z1^100000"],
    ["leap", "z1", "--bias", "1"],
    ["leap", "z1", "--gram", "missing.txt"],
    ["hardness", "z1", "--inputs", "rademacher", "--latex", "--json"],
    ["expand", "z1", "--order", "10000"],
    ["curve", "missing.toml"],
    ["curve", "FILE", "--set", "ridge.alpha=-1"],
    ["curve", "FILE", "--set", "ridge.alhpa=1"],
    ["curve", "FILE", "--set", "nonsense"],
    ["curve", "FILE", "--set", "network.readout=[[1, 0.4]]"],
    ["curve", "FILE", "--set", "network.width=3"],
    ["curve", "FILE", "--set", "training.protocol=sgd", "--set", "training.steps=1"],
    ["curve", "FILE", "--set", "training.steps=20000"],
    ["curve", "FILE", "--set", "network.readout=gaussian", "--set", "training.steps=1"],
    ["curve", "FILE", "--set", "ridge.lambda=0", "--set", "network.activation=x"],
    ["curve", "FILE", "--x", "ridge.beta"],
    ["overlaps", "FILE", "--set", "training.batch_exponent=3", "--set", "training.steps=1"],
    ["overlaps", "FILE", "--set", "training.eta=1e200", "--set", "training.steps=2"],
    ["escape", "FILE"],
    ["map", "FILE", "--x", "ridge.alpha", "--y", "ridge.alpha"],
    ["map", "FILE", "--x", "ridge.alpha", "--y", "ridge.beta"],
    ["plan", "z1", "--samples", "10", "--d", "100"],
    ["samples", "FILE", "--test-error", "-1"],
    ["tune", "FILE", "--over", "alpha"],
    ["validate", "FILE", "--data", "missing.csv"],
    ["simulate", "FILE", "--set", "ridge.beta=inf"],
    ["report", "missing.sqlite"],
    ["reproduce", "nothing"],
    ["explore", "z1 +"],
]


@pytest.mark.parametrize("arguments", PROVOKED, ids=" ".join)
def test_what_the_command_line_refuses_is_on_the_page(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word for word, but for what is filled in; refusals are not only where errors are raised."""
    monkeypatch.chdir(tmp_path)
    Path("FILE").write_text('target.expression = "z1 + z1*z2"\ntraining.steps = 0\nridge = {}\n')
    assert run(arguments) in (2, 3)
    for line in capsys.readouterr().err.splitlines():
        said = line.removeprefix("giantstep: ")
        # What click itself refuses is not ours.
        assert any(pattern.search(said) for pattern in PATTERNS), said


PATTERNS = [
    re.compile(".*".join(map(re.escape, sentence.split("…"))))
    for sentence in dict.fromkeys(refusals.sentences())
    if len(re.findall(r"[a-z]{3,}", sentence)) > 1
]


@pytest.mark.parametrize(
    ("sentence", "title"),
    [
        (
            "training.eta = 1e9 is too large: the overlaps overflow; use a smaller eta",
            "The rate is too large",
        ),
        ("lambda = 0 with a linear activation: the features are degenerate", "The fit has no finite error"),
        ("Cannot read the experiment file 'x': No such file", "Files and folders"),
        ("ridge.alpha must be a finite number greater than 0, not -1.", "A value out of its range"),
        (
            "The experiment has 200,000 points: they are computed only with --force.",
            "More than anybody means",
        ),
    ],
)
def test_a_sentence_is_found_under_its_kind(sentence: str, title: str) -> None:
    assert refusals.kind_of(sentence) == title
