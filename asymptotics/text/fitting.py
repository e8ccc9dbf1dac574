"""Text that fits its columns: prose folded at blanks, tables with folded cells or in blocks; nothing is ever cut."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from itertools import zip_longest

#: Columns of a table that is folded keep at least so many letters; continued lines have at least twice as many.
_NARROWEST = 8
#: Stands for the blanks around ±, which are no place to fold.
_FIRM = "\N{NO-BREAK SPACE}"

Block = tuple[list[str], list[list[str]]]


def terminal_width() -> int:
    """Columns that text may take: ``COLUMNS``, those of the terminal, elsewhere 80; at least 40."""
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def on_terminal() -> bool:
    """Whether standard output is a terminal, where tables are drawn."""
    return sys.stdout.isatty()


def fitted(text: str, width: int | None = None) -> str:
    """``text`` with no line longer than ``width`` but words that are; folded lines go on below their last column.

    >>> print(fitted("name    a sentence of several words that goes on", 24))
    name    a sentence of
            several words
            that goes on
    """
    width = terminal_width() if width is None else width
    return "\n".join(
        line if len(line) <= width else "\n".join(_folded_line(line, width)) for line in text.split("\n")
    )


def _folded_line(line: str, width: int) -> list[str]:
    """One line, folded at blanks; the part up to its last column stays as it is."""
    own = " " * (len(line) - len(line.lstrip(" ")))
    columns = (found.end() for found in re.finditer(r"\S {2,}(?=\S)", line))
    start = max((place for place in columns if place <= width - 2 * _NARROWEST), default=0)
    head = line[:start] or own
    rest = " " * len(head) + ("" if start else "  ")
    first, *more = _words(line[len(head) :], width - len(head), len(rest) - len(head))
    return [head + first, *(rest + piece for piece in more)]


def _words(text: str, width: int, hanging: int = 0, breaking: bool = False) -> list[str]:
    """``text`` folded at blanks (``breaking``: and in words that are too long); lines after the first are ``hanging`` shorter."""
    firm = text.replace(" ± ", f"{_FIRM}±{_FIRM}")
    lines = textwrap.wrap(
        firm,
        max(1, width),
        subsequent_indent="\x00" * min(hanging, max(0, width - 1)),
        break_long_words=breaking,
        break_on_hyphens=False,
    )
    return [line.lstrip("\x00").replace(_FIRM, " ") for line in lines]


def blocks(header: Sequence[str], cells: Sequence[Sequence[str]], width: int, gap: int) -> list[Block]:
    """The table as it is if it fits, else with folded cells, else in blocks of columns that each begin with the first ones:
    as many as tell the rows apart, or one where these would take half of the width.

    Cells may hold line breaks afterwards; ``gap`` is what stands between two columns.
    """
    columns = [[name, *(row[i] for row in cells)] for i, name in enumerate(header)]
    wide = [max(len(cell) for cell in column) for column in columns]
    least = [
        min(w, width, max(_NARROWEST, _longest_word(column))) for w, column in zip(wide, columns, strict=True)
    ]
    found: list[Block] = []
    left = list(range(len(columns)))
    names = _naming(cells)
    front = list(range(names)) if _total(least[:names], gap) <= width // 2 else [0]
    while left:
        # Greedily: what stands side by side when folded, the columns that name the rows in front of every block.
        taken = [*(i for i in front if i < left[0]), left.pop(0)] if found else [left.pop(0)]
        while left and _total([least[i] for i in [*taken, left[0]]], gap) <= width:
            taken.append(left.pop(0))
        sizes = _sizes([wide[i] for i in taken], [least[i] for i in taken], width, gap)
        rows = [
            [
                "\n".join(_words(columns[i][k], size, breaking=True))
                for i, size in zip(taken, sizes, strict=True)
            ]
            for k in range(len(cells) + 1)
        ]
        found.append((rows[0], rows[1:]))
    return found


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side, two blanks between them; a cell may have several lines."""
    lines = [[cell.split("\n") for cell in row] for row in rows]
    widths = [max(len(line) for row in lines for line in row[i]) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
        for row in lines
        for line in zip_longest(*row, fillvalue="")
    )


def _naming(cells: Sequence[Sequence[str]]) -> int:
    """The least number of first columns in which no two rows agree; 1 where all of them do not suffice."""
    for names in range(1, len(cells[0]) if cells else 1):
        if len({tuple(row[:names]) for row in cells}) == len(cells):
            return names
    return 1


def _total(sizes: Sequence[int], gap: int) -> int:
    return sum(sizes) + gap * (len(sizes) - 1)


def _sizes(wide: list[int], least: list[int], width: int, gap: int) -> list[int]:
    """Widths of columns side by side: the widest that can give, give."""
    sizes = list(wide)
    while _total(sizes, gap) > width:
        able = [i for i in range(len(sizes)) if sizes[i] > least[i]]
        if not able:
            break
        sizes[max(able, key=lambda i: sizes[i])] -= 1
    return sizes


def _longest_word(column: Sequence[str]) -> int:
    return max(len(line) for cell in column for line in (_words(cell, 1) or [""]))
