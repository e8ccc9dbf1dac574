"""Numbers and tables as text: the digits that an error leaves sure; columns, drawn by rich on a terminal and plain elsewhere."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from asymptotics.text.fitting import aligned, blocks, on_terminal, terminal_width

#: The columns that say where a row of a table stands.
POINT = ("step", "alpha_train", "eta", "alpha", "beta", "lambda", "d")


def number(value: object, digits: int = 4) -> str:
    """A number in ``digits`` significant digits, ``-`` for None, anything else as it is."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    return str(value)


#: Digits of a number at least and at most, whatever its error.
_FEWEST, _MOST = 2, 4
#: Total errors above this are told below a table.
_TOLD = 0.01


def sure(value: float | None, error: Mapping[str, Any] | None) -> str:
    """``value`` in the digits that its relative ``error`` leaves sure: the unit of the last is above the error.

    Parts that are not estimated count as nothing; two digits are always shown, four at most. Of a number that is as small as its
    error only a bound is known.

    >>> sure(0.35073, {"total": 0.008}), sure(0.35073, {"total": 1e-9}), sure(0.35073, None), sure(0.0004, {"total": 5.0})
    ('0.35', '0.3507', '0.3507', '< 0.0024')
    """
    relative = size_of(error)
    if value is None or not value or not 0 < relative < math.inf:
        return number(value)
    if relative >= 1.0 and value > 0:
        return f"< {number(value * (1.0 + relative), _FEWEST)}"
    unit = math.ceil(math.log10(relative * abs(value)) - 1e-9)
    return number(value, min(_MOST, max(_FEWEST, 1 + math.floor(math.log10(abs(value))) - unit)))


def size_of(error: Mapping[str, Any] | None) -> float:
    """The total of an error budget, or of those of its parts that are estimated."""
    if not error:
        return 0.0
    total = error.get("total")
    parts = (error.get(name) or 0.0 for name in ("quadrature", "solver", "theory"))
    return math.fsum(parts) if total is None else float(total)


def footnotes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is said below a table whose numbers carry errors above 1 %: the largest, and what it is made of."""
    # Of numbers as small as their error a bound is told.
    told = (row for row in rows if row.get("validity") != "none" and size_of(row.get("error")) < 1.0)
    worst = max((row.get("error") or {} for row in told), key=size_of, default={})
    total = size_of(worst)
    if not total > _TOLD:
        return []
    names = {"theory": "what the theory leaves out", "quadrature": "integrals", "solver": "solver"}
    parts = [
        f"{names[name]} {100 * worst[name]:.2g} %" for name in names if (worst.get(name) or 0) > total / 100
    ]
    at_least = "" if worst.get("total") is not None else "at least "
    return [f"errors: up to {at_least}{100 * total:.2g} % of the number ({', '.join(parts)})"]


def table(header: Sequence[str], rows: Sequence[Sequence[object]], width: int | None = None) -> str:
    """Aligned columns no wider than ``width`` (default: ``terminal_width``); drawn by rich if standard output is a terminal.

    Where they do not fit, cells are folded, and what does not stand side by side then follows in blocks of its own.
    """
    cells = [[number(cell) for cell in row] for row in rows]
    drawn = _rich_table if on_terminal() else _plain_table
    parts = blocks(header, cells, terminal_width() if width is None else width, _gap())
    return "\n\n".join(drawn(*part) for part in parts)


def _gap() -> int:
    """What stands between two columns: a line, or blanks."""
    return 3 if on_terminal() else 2


def _plain_table(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """A line of dashes stands below the header."""
    widths = [
        max(len(line) for row in (header, *cells) for line in row[i].split("\n")) for i in range(len(header))
    ]
    return aligned([header, ["-" * w for w in widths], *cells])


def _rich_table(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawing = Table(show_edge=False)
    for name in header:
        drawing.add_column(Text(name), justify="left", no_wrap=True)
    for row in cells:
        drawing.add_row(*(Text(cell) for cell in row))
    # What is printed fits by now; rich would cut what it thinks does not.
    console = Console(width=10_000)
    with console.capture() as capture:
        console.print(drawing)
    return "\n".join(line.rstrip() for line in capture.get().rstrip("\n").split("\n"))


def folded(
    header: Sequence[str], body: Sequence[Sequence[object]], settings: Sequence[str], width: int | None = None
) -> list[str]:
    """A table no wider than ``width`` (that of the terminal, elsewhere 80), if its columns can be told otherwise.

    ``settings`` that are the same in every row stand above it, empty columns are left out; where it is too wide, settings
    become headings of a table each, those with the fewest values first.

    >>> print("\\n".join(folded(["d", "eta", "error"], [[9, 1, 0.5], [9, 2, 0.25]], ["d", "eta"], 8)))
    everywhere: d = 9
    eta = 1
    error
    -----
    0.5
    eta = 2
    error
    -----
    0.25
    """
    width = terminal_width() if width is None else width
    gap = _gap()
    empty = {i for i in range(len(header)) if all(row[i] is None for row in body)}
    fixed = {
        i
        for i, name in enumerate(header)
        if name in settings and i not in empty and len(body) > 1 and all(row[i] == body[0][i] for row in body)
    }
    kept = [i for i in range(len(header)) if i not in fixed | empty]
    told = _settings(header, body[0], sorted(fixed)) if body else ""
    lines = [f"everywhere: {told}"] if told else []
    sizes = {i: max(len(number(cell)) for cell in (header[i], *(row[i] for row in body))) for i in kept}
    counts = {i: len({number(row[i]) for row in body}) for i in kept if header[i] in settings}
    above: list[int] = []
    while counts and sum(sizes[i] for i in kept) + gap * (len(kept) - 1) > width:
        least = min(counts, key=lambda i: (counts[i], i))
        counts.pop(least)
        kept.remove(least)
        above = sorted([*above, least])
    groups: dict[str, list[Sequence[object]]] = {}
    for row in body:
        groups.setdefault(_settings(header, row, above), []).append(row)
    for heading, rows in groups.items() or {"": []}.items():
        lines += [heading] if heading else []
        lines.append(table([header[i] for i in kept], [[row[i] for i in kept] for row in rows], width))
    return lines


def _settings(header: Sequence[str], row: Sequence[object], places: Sequence[int]) -> str:
    return ", ".join(f"{header[i]} = {number(row[i])}" for i in places)


def measured(value: float | None, sem: float | None) -> str:
    """A mean ± its standard error."""
    if value is None:
        return "-"
    return number(value) if sem is None else f"{value:.4g} ± {sem:.1g}"


def vector(values: Sequence[float], errors: Sequence[float] | None = None, unsure: float = 0.0) -> str:
    """A short row of numbers, with standard errors if there are any, else in the decimals that ``unsure`` leaves (one at least).

    >>> vector([0.75, -1e-17]), vector([0.75, -1e-17], unsure=0.004)
    ('(0.7500, 0.0000)', '(0.75, 0.00)')
    """
    places = 4 if not 0 < unsure < math.inf else min(4, max(1, -math.ceil(math.log10(unsure) - 1e-9)))
    pairs = zip(values, errors or itertools.repeat(None, len(values)), strict=True)
    # "z": what rounds to 0 has no sign.
    return "(" + ", ".join(f"{v:z.{places}f}" if e is None else f"{v:z.4f} ± {e:.1g}" for v, e in pairs) + ")"
