"""The report in a real browser: it renders, says nothing on the console, fits 360 px and prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from webdriver import Browser, chromium

from asymptotics.documents.findings import of_file
from asymptotics.documents.report_page import report_page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="needs chromium and chromedriver"),
]

EXPERIMENT = """
[target]
expression = "z1 + z1*z2/2 + relu(z3 - 1/2)*z1 - exp(-z2^2)/3 + max(z1, z3)*sign(z2)"
[training]
steps = [0, 1]
[ridge]
alpha = [0.5, 1.0, 2.0, 4.0]
lambda = [0.1, 1.0]
[simulation]
d = 48
replicates = 3
test_samples = 1000
"""
OVERLAPS = """
[target]
expression = "z1 + z1*z2"
[training]
steps = 2
[simulation]
d = 48
width = 40
replicates = 3
test_samples = 1000
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


@pytest.fixture(scope="module", params=["errors", "overlaps"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    source = folder / "experiment.toml"
    source.write_text(EXPERIMENT if request.param == "errors" else OVERLAPS)
    path = folder / "report.html"
    path.write_text(report_page(of_file(str(source), controls=1.5)), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [1200, 360])
def test_it_renders_without_errors(browser: Browser, page: Path, width: int) -> None:
    browser.console()
    browser.visit(page, width)
    assert browser.console() == []
    assert browser.run("document.images.length") == 2
    assert browser.run("Array.from(document.images).every(i => i.complete && i.naturalWidth > 0)")
    fetched = browser.run("performance.getEntriesByType('resource').map(e => e.name)")
    assert all(name.startswith("data:") for name in fetched)
    assert browser.screenshot().startswith(b"\x89PNG")


@pytest.mark.parametrize("width", [1200, 360])
def test_it_fits_its_screen(browser: Browser, page: Path, width: int) -> None:
    browser.visit(page, width)
    assert browser.run("innerWidth") == width
    assert browser.run("document.documentElement.scrollWidth") <= width
    # What sticks out does so inside a box that scrolls by itself.
    beyond = browser.run(
        "Array.from(document.querySelectorAll('h1, h2, p, img, .term, .facts, figcaption'))"
        f".filter(e => e.getBoundingClientRect().right > {width} + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    assert beyond == []
    assert browser.run("parseFloat(getComputedStyle(document.body).fontSize)") >= 14
    assert browser.run("Array.from(document.querySelectorAll('.math svg')).every(e => e.clientHeight >= 10)")


def test_formulas_have_an_area(browser: Browser, page: Path) -> None:
    browser.visit(page)
    boxes = browser.run("Array.from(document.querySelectorAll('.math path')).map(p => p.getBBox().width)")
    assert boxes
    assert min(boxes) > 0


def test_it_prints(browser: Browser, page: Path) -> None:
    browser.visit(page)
    pdf = browser.print()
    assert pdf.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 1 <= pages <= 8
    # On paper nothing scrolls: every box is as wide as what is in it.
    browser.devtools("Emulation.setEmulatedMedia", media="print")
    browser.visit(page, 720)
    cut = browser.run(
        "Array.from(document.querySelectorAll('.scroll')).filter(e => e.scrollWidth > e.clientWidth + 1).length"
    )
    browser.devtools("Emulation.setEmulatedMedia", media="")
    assert cut == 0
