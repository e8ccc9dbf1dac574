"""Pages made from sources: the gallery's files draw what they say, and every refusal has its advice."""

from __future__ import annotations

from pathlib import Path

import pytest
from script_loading import module_at

from asymptotics import Experiment

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
    assert len(found) > 200
    assert page.count("\n- ") == len(found)
    kinds = {refusals.kind_of(sentence) for sentence in found}
    assert kinds == {title for title, _, _ in refusals.KINDS}


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
