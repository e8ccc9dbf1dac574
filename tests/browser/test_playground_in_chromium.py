"""The page to play with in a real browser: typed into, slid, by keyboard alone, narrow, and without a network."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from webdriver import Browser, chromium

from asymptotics.playground.state import State

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="needs chromium and chromedriver"),
]
GIANTSTEP = str(Path(sys.executable).parent / "giantstep")

#: Panel draws into shadow roots: every element, those within too.
ALL = (
    "(() => {const found = []; const walk = node => {if (node.nodeType === 1) found.push(node); "
    "if (node.shadowRoot) walk(node.shadowRoot); node.childNodes.forEach(walk)}; walk(document); return found})()"
)
FOCUSED = (
    "(() => {let e = document.activeElement; while (e && e.shadowRoot && e.shadowRoot.activeElement) "
    "e = e.shadowRoot.activeElement; return e})()"
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    pytest.importorskip("panel")
    process = subprocess.Popen(
        [GIANTSTEP, "explore", "z1 + z1*z2", "--port", "0", "--limit", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


def until(ask: Callable[[], Any], seconds: float = 90.0) -> Any:
    """The first answer that is true."""
    stop = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < stop, "nothing came"
        time.sleep(0.2)
    return found


def texts(browser: Browser, selector: str) -> list[str]:
    found: list[str] = browser.run(f"{ALL}.filter(e => e.matches('{selector}')).map(e => e.textContent)")
    return found


def done(browser: Browser) -> bool:
    return any(text.startswith("Done in") for text in texts(browser, "#status"))


def told(browser: Browser) -> str:
    """The file that the page shows."""
    found: list[str] = browser.run(f"{ALL}.filter(e => e.tagName === 'TEXTAREA').map(e => e.value)")
    return found[0] if found else ""


def number(browser: Browser, name: str) -> float:
    (value,) = browser.run(f"{ALL}.filter(e => e.matches('data.{name}')).map(e => e.value)")
    return float(value)


def opened(browser: Browser, address: str, width: int = 1200) -> None:
    browser.visit(address, width)
    until(lambda: done(browser) or texts(browser, "#status.refused"))


def test_it_is_typed_into_slid_and_read_and_agrees_with_the_command_line(
    browser: Browser, server: str, tmp_path: Path
) -> None:
    browser.console()
    browser.requests()
    opened(browser, server)
    browser.run(f"{ALL}.find(e => e.tagName === 'INPUT').select()")
    browser.run(f"{ALL}.find(e => e.tagName === 'INPUT').focus()")
    for letter in "z1 + He2(z1)/2":
        browser.press(letter)
    until(lambda: "He2(z1)/2" in told(browser) and done(browser))
    # The handle of eta: one value to the right.
    browser.run(f"{ALL}.filter(e => e.matches('.noUi-handle'))[2].focus()")
    browser.press("ArrowRight")
    until(lambda: "eta = 1.5" in told(browser) and done(browser))
    (tmp_path / "page.toml").write_text(told(browser), encoding="utf-8")
    command = [GIANTSTEP, "curve", str(tmp_path / "page.toml"), "--json"]
    rows = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["rows"]
    (own,) = (row for row in rows if row["step"] == 1 and row["alpha"] == 2.0)
    assert own["eta"] == 1.5
    assert number(browser, "test_error") == own["test_error"]
    assert number(browser, "train_error") == own["train_error"]
    # What is left of the page stands in its address, and leads back to it.
    query = browser.run("location.search")
    assert "training.eta=1.5" in query
    opened(browser, server + query)
    assert number(browser, "test_error") == own["test_error"]
    assert [entry for entry in browser.console() if entry["level"] not in ("INFO", "DEBUG")] == []
    fetched = {url for url in browser.requests() if re.match(r"(https?|wss?|ftp):", url)}
    assert fetched
    assert all(re.match(r"(http|ws)://127\.0\.0\.1:", url) for url in fetched), fetched


def test_an_error_stands_beside_its_control(browser: Browser, server: str) -> None:
    opened(browser, server)
    browser.run(f"{ALL}.find(e => e.tagName === 'INPUT').focus()")
    browser.press("End")
    for letter in " + z9^":
        browser.press(letter)
    (said,) = until(lambda: [text for text in texts(browser, ".problem") if text])
    assert "column" in said
    field, problem = browser.run(
        f"(all => [all.find(e => e.tagName === 'INPUT'), all.find(e => e.matches('.problem') && e.textContent)]"
        f".map(e => {{const box = e.getBoundingClientRect(); return [box.top, box.bottom]}}))({ALL})"
    )
    assert 0 <= problem[0] - field[1] < 30


def test_a_hostile_link_is_refused_on_the_page_and_runs_nothing(browser: Browser, server: str) -> None:
    script = quote("<img src=x onerror=\"document.title='taken'\">")
    opened(browser, f"{server}?ridge.alpha=1e99&network.activation={script}&{script}=1")
    said = " ".join(texts(browser, ".refusal, .problem"))
    assert "network.activation must be a name" in said
    assert "ridge.alpha in the link must be a number" in said
    assert "does not know" in said
    assert browser.run("document.title") != "taken"
    assert browser.run(f"{ALL}.filter(e => e.tagName === 'IMG' && !e.src.startsWith('data:')).length") == 0


def test_it_fits_a_narrow_screen(browser: Browser, server: str) -> None:
    opened(browser, f"{server}?training.steps=2", 360)
    assert browser.run("innerWidth") == 360
    assert browser.run("document.documentElement.scrollWidth") <= 360
    beyond = browser.run(
        f"{ALL}.filter(e => e.matches('h2, p, img, input, select, textarea, button, .term, figcaption, .noUi-base'))"
        ".filter(e => e.getBoundingClientRect().right > 361).map(e => e.outerHTML.slice(0, 80))"
    )
    assert beyond == []


def test_every_control_is_reached_by_tab_in_order_with_a_visible_focus(browser: Browser, server: str) -> None:
    opened(browser, server)
    seen = []
    for _ in range(17):
        browser.press("Tab")
        seen.append(browser.run(f"[{FOCUSED}.tagName, getComputedStyle({FOCUSED}).outlineStyle]"))
    kinds = ["INPUT", *["SELECT"] * 3, *["DIV"] * 7, "SELECT", *["BUTTON"] * 3, "TEXTAREA", "BUTTON"]
    assert [kind for kind, _ in seen] == kinds
    assert all(outline not in ("none", "") for _, outline in seen), seen
    # A choice by its first letter, and a slider to its end.
    for _ in range(14):
        browser.press("Tab", shift=True)
    browser.press("g")
    until(lambda: 'readout = "gaussian"' in told(browser))
    assert State().readout == "rademacher"


def test_handles_of_sliders_have_names_and_say_real_values(browser: Browser, server: str) -> None:
    """Not the place among the values, and also after a key was pressed; a link may add a value of its own."""
    opened(browser, server + "?ridge.alpha=2.5")
    names = ("label", "valuenow", "valuetext", "valuemin", "valuemax")
    said = (
        f"{ALL}.filter(e => e.matches('.noUi-handle')).map(e => "
        f"{list(names)}.map(name => e.getAttribute('aria-' + name)))"
    )
    until(lambda: all(handle[0] for handle in browser.run(said)))
    found = {handle[0]: handle[1:] for handle in browser.run(said)}
    assert found["Giant steps"] == ["1", "1", "0", "4"]
    assert found["alpha of the fit, n2/d"] == ["2.5", "2.5", "0.25", "32"]
    assert found["lambda"] == ["0.01", "0.01", "0.0001", "10"]
    assert len(found) == 7
    for _ in range(6):
        browser.press("Tab")
    browser.press("ArrowRight")
    until(lambda: "alpha = 6" in told(browser))
    after = {handle[0]: handle[1:3] for handle in browser.run(said)}
    assert after["alpha of a step, n/d"] == ["6", "6"]


#: What a notebook shows is the layout alone, without the frame of the served page; twice, as cells may.
TWICE = """
import sys
import panel as pn
from asymptotics.playground.calculator import Calculator
from asymptotics.playground.page import Page, beginning
from asymptotics.playground.serving import ADDRESS, free_port

def layout():
    pages = [Page(beginning(f), (), Calculator(60)) for f in ("z1", "z1 + z1*z2")]
    for page in pages:
        pn.state.onload(page.begin)
    return pn.Column(*(page.layout for page in pages))

port = free_port(0)
server = pn.io.server.get_server(layout, port=port, address=ADDRESS)
server.start()
print(f"http://{ADDRESS}:{port}/", flush=True)
server.io_loop.start()
"""


def test_sliders_have_names_also_where_the_layout_stands_alone_as_in_a_notebook(browser: Browser) -> None:
    pytest.importorskip("panel")
    command = [sys.executable, "-c", TWICE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            browser.visit(process.stdout.readline().strip())
            until(lambda: len([t for t in texts(browser, "#status") if t.startswith("Done in")]) == 2)
            asked = f"{ALL}.filter(e => e.matches('.noUi-handle')).map(e => e.getAttribute('aria-label'))"
            found = until(lambda: (names := browser.run(asked)) and all(names) and names)
            assert len(found) == 14
            assert found[:7] == found[7:]
            assert found[2] == "eta"
        finally:
            process.terminate()


def test_the_page_is_for_this_machine_alone(server: str) -> None:
    assert server.startswith("http://127.0.0.1:")
