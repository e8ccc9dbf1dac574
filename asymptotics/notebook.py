"""Results as small HTML tables, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import floor, isfinite, log10


def shown(value: object) -> str:
    """A number in six digits, a list in brackets (rounding beside its largest number is 0), nothing for None; escaped."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        largest = max((abs(x) for x in value if isinstance(x, float) and isfinite(x)), default=0.0)
        if largest > 0:
            places = 13 - floor(log10(largest))
            # Adding 0 takes the sign off a zero.
            value = [round(x, places) + 0.0 if isinstance(x, float) else x for x in value]
        return "[" + ", ".join(map(shown, value)) + "]"
    return escape(str(value))


def html_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """One table with a caption."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{shown(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    caption = f"<caption>{escape(title)}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_of(title: str, document: Mapping[str, object], keys: Sequence[str]) -> str:
    """Names and values of ``keys`` where ``document`` has something to say."""
    rows = [(key.replace("_", " "), document[key]) for key in keys if document.get(key) not in (None, "", [])]
    return html_table(title, ("", "value"), rows)
