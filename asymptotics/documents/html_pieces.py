"""Pieces of a page: tables, facts, figures and formulas as HTML that fetches nothing."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from asymptotics.documents.mathematics import formula
from asymptotics.text.tables import number
from hermite.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_ROWS_SHOWN = 200
"""Rows of a table that the page shows."""


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Questions and answers (HTML both)."""
    rows = "\n".join(f'<tr><th scope="row">{name}</th><td>{answer}</td></tr>' for name, answer in pairs)
    return f'<table class="facts">\n<tbody>\n{rows}\n</tbody>\n</table>'


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    caption: str,
    settings: Sequence[str] = (),
    marked: Sequence[bool] = (),
) -> str:
    """A table in a box that scrolls by itself; columns of ``settings`` with one value move into the caption."""
    fixed: Mapping[int, Any] = {
        i: rows[0][i]
        for i, name in enumerate(header)
        if name in settings and rows and all(row[i] == rows[0][i] for row in rows)
    }
    told = ", ".join(f"{header[i]} = {number(value)}" for i, value in fixed.items() if value is not None)
    empty = {i for i in range(len(header)) if all(row[i] is None for row in rows)}
    kept = [i for i in range(len(header)) if i not in fixed and i not in empty]
    head = "".join(f'<th scope="col">{escape(header[i].replace("_", " "))}</th>' for i in kept)
    more = f" The first {_ROWS_SHOWN} of {len(rows)} rows." if len(rows) > _ROWS_SHOWN else ""
    text = f"{caption}{' Everywhere ' + told + '.' if told else ''}{more}"
    body = _rows(rows, kept, {i for i in kept if header[i] in settings}, marked)
    return (
        f'<figure>\n<figcaption>{escape(text)}</figcaption>\n<div class="scroll" tabindex="0">\n<table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>\n</figure>"
    )


def _rows(
    rows: Sequence[Sequence[object]], kept: Sequence[int], settings: Container[int], marked: Sequence[bool]
) -> str:
    """The first rows of the columns ``kept``; those of ``settings`` are given, the others are measured."""
    measured = [row[i] for row in rows for i in kept if i not in settings]
    size = max((abs(v) for v in measured if isinstance(v, float) and math.isfinite(v)), default=0.0)
    lines = []
    for j, row in enumerate(rows[:_ROWS_SHOWN]):
        mark = ' class="refused"' if marked and marked[j] else ""
        cells = (escape(_cell(row[i], 0.0 if i in settings else size)) for i in kept)
        lines.append(f"<tr{mark}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return "\n".join(lines)


def _cell(value: object, size: float) -> str:
    """A number in four digits; what is rounding beside the ``size`` of the table's numbers is shown as 0."""
    return "0" if isinstance(value, float) and abs(value) < 1e-12 * size else number(value)


def figure_of(draw: Callable[[Figure], object], alt: str) -> str:
    """A figure as an SVG image inside the page."""
    from asymptotics.figures.style_sheet import drawn_svg

    data = b64encode(drawn_svg(draw)).decode()
    return (
        f'<figure>\n<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{data}">\n'
        f"<figcaption>{escape(alt)}.</figcaption>\n</figure>"
    )


def formula_or_text(latex: str, text: str) -> str:
    """The formula, or ``text`` where mathtext cannot set it."""
    try:
        return formula(latex)
    except InputError:
        return f"<code>{escape(text)}</code>"
