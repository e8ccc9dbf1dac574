"""Results in a notebook are tables that hold their own numbers, escaped."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from asymptotics import Network, Ridge, Training, optimise, overlaps, risk, samples_needed, spectrum
from asymptotics.notebook import html_of, html_table

TARGET = "z1 + He2(z1)/2"


def cells(html: str) -> list[str]:
    """Text of every cell; fails unless the HTML is well-formed."""
    return ["".join(cell.itertext()) for cell in ElementTree.fromstring(html).iter("td")]


def test_errors_and_overlaps_have_a_page() -> None:
    one = risk(TARGET, ridge=Ridge(lam=0.1))
    assert f"{one.test_error:.6g}" in cells(one._repr_html_())
    found = overlaps(TARGET, Network(), Training(steps=1))
    table = cells(found._repr_html_())
    assert f"{found[1].risk:.6g}" in table
    assert any(f"{found[1].M[0][0]:.6g}" in cell for cell in table)


def test_designs_have_a_page() -> None:
    optimum = optimise(TARGET, ridge=Ridge(), over=("lam",))
    assert f"{optimum.lam:.6g}" in cells(optimum._repr_html_())
    needed = samples_needed(TARGET, ridge=Ridge(lam=0.1), test_error=1.5)
    assert f"{needed.alpha:.6g}" in cells(needed._repr_html_())


def test_a_spectrum_has_a_page() -> None:
    found = spectrum(TARGET, Network(initialisation="independent"), Training(steps=1), Ridge(d=100))
    assert f"{found.edge:.6g}" in cells(found._repr_html_())


@pytest.mark.parametrize("text", ["a < b & c", '<script>alert("x")</script>', "k ≤ l"])
def test_text_is_escaped_and_nothing_is_a_row_of_its_own(text: str) -> None:
    assert cells(html_of("t", {"a": text, "b": None, "c": []}, ("a", "b", "c"))) == ["a", text]
    assert cells(html_table("t", ("x",), [(True,), (0.1,), ([1.0, None],)])) == ["yes", "0.1", "[1, ]"]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.5, -2.6e-17], "[0.5, 0]"),
        ([1e-9, 2.6e-26, float("nan")], "[1e-09, 0, nan]"),
        ([123456789.0, 1.0, -2e-3], "[1.23457e+08, 1, -0.002]"),
        ([0.0, 0.0], "[0, 0]"),
        ([1e308, 1e-300], "[1e+308, 0]"),
    ],
)
def test_rounding_is_no_number_of_a_row(values: list[float], text: str) -> None:
    assert cells(html_table("t", ("x",), [(values,)])) == [text]
