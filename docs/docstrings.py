"""The project's docstrings as reStructuredText.

They are written to be read in a terminal: prose, ``code`` in double backticks, formulas in letters and signs (w*_m, |ã|),
indented tables, numpy's sections and doctest examples. Here prose is escaped, what is indented or aligned stays as it
is, and sections get headings.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import groupby

_CODE = re.compile(r"(``[^`]+``|(?<![\w*|`])\*[^\s*|](?:[^*|]*[^\s*|])?\*(?![\w*]))")
_ROLE = re.compile(r":(?:class|func|meth|mod):`~?([^`]+)`")
_SECTION = re.compile(r"^-{3,}$")


def process(_app: object, _what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Sphinx's hook: replaces ``lines`` in place."""
    lines[:] = list(converted([_ROLE.sub(r"``\1``", line) for line in lines]))


def converted(lines: list[str]) -> Iterator[str]:
    """``lines`` block by block (a block ends at a blank line)."""
    for block in blocks(lines):
        if block[0].lstrip().startswith(">>>"):
            yield from block
        elif len(block) > 1 and _SECTION.match(block[1]):
            yield f".. rubric:: {prose(block[0])}"
            yield ""
            yield from entries(block[2:])
        elif all(line.startswith(" ") for line in block) or any(is_table(line) for line in block):
            yield from literal(block)
        else:
            yield from prose("\n".join(block)).split("\n")
        yield ""


def blocks(lines: list[str]) -> Iterator[list[str]]:
    """Runs of lines without blank ones between."""
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []


def is_table(line: str) -> bool:
    """A name, two blanks or more, and what it is: a line of a table by alignment; or a line of its continuation."""
    return bool(re.match(r"^(\S.*?\S|\S)( {2,})\S", line)) or line.startswith("    ")


def literal(block: list[str]) -> Iterator[str]:
    """The block as it stands."""
    yield ".. code-block:: none"
    yield ""
    # Nothing is marked up in there: the backticks would show.
    yield from (f"   {line.replace('``', '')}" for line in block)


def entries(block: list[str]) -> Iterator[str]:
    """A section of numpy's kind: names at the left, their descriptions indented; code may run on to the next line."""
    for described, lines in groupby(block, key=lambda line: line.startswith(" ")):
        if described:
            yield from (f"   {line}" for line in prose("\n".join(map(str.strip, lines))).split("\n"))
        else:
            yield from map(prose, lines)


def prose(line: str) -> str:
    """``line`` (or lines) with what means something to reStructuredText escaped, but for ``code`` and *stress*.

    A star after a letter is one of the signs w*, f*; code that runs on to the next line is put on one.
    """
    parts = _CODE.split(line)
    escaped = [
        " ".join(part.split()) if i % 2 else re.sub(r"([*_|`\\])", r"\\\1", part)
        for i, part in enumerate(parts)
    ]
    return "".join(escaped)


def public_page() -> str:
    """Markdown of the page of public names: every name of ``__all__`` of both packages, where it is defined."""
    titles = {"hermite": "What is in a target", "asymptotics": "What the theory predicts, and simulations"}
    lines = [
        "# Interface",
        "",
        "Errors are never halved; error bars are standard errors of the mean over replicates.",
    ]
    for package, title in titles.items():
        module = import_module(package)
        lines += ["", f"## {package}: {title}", "", "```{eval-rst}"]
        for name in module.__all__:
            kind = "class" if inspect.isclass(getattr(module, name)) else "function"
            lines.append(f".. auto{kind}:: {module._HOME[name]}.{name}")
            if kind == "class":
                lines.append("   :members:")
        lines.append("```")
    return "\n".join([*lines, ""])
