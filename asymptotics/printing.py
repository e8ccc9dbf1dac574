"""Results as text for people: tables that rich draws on a terminal and plain columns elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any


def number(value: Any, digits: int = 4) -> str:
    """A number in ``digits`` significant digits, ``-`` for None, anything else as it is."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    return str(value)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Aligned columns; drawn by rich if standard output is a terminal."""
    cells = [[number(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        return _rich_table(header, cells)
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    lines = [header, ["-" * w for w in widths], *cells]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _rich_table(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawing = Table(show_edge=False)
    for name in header:
        drawing.add_column(Text(name), justify="left")
    for row in cells:
        drawing.add_row(*(Text(cell) for cell in row))
    console = Console()
    with console.capture() as capture:
        console.print(drawing)
    return capture.get().rstrip("\n")


def expansion_text(expansion: Mapping[str, Any]) -> str:
    """The coefficients and the energies of ``giantstep expand``."""
    coefficients = [[f"({k})", c["exact"], c["value"]] for k, c in expansion["coefficients"].items()]
    energies = [[k, _exact(e), _value(e)] for k, e in enumerate(expansion["energies"])]
    return "\n".join(
        [
            table(["order of He", "coefficient", "value"], coefficients),
            "",
            table(["k", "energy", "value"], energies),
            "",
            f"total energy E f^2   {_both(expansion['total_energy'])}",
            f"above these orders   {_both(expansion['residual_energy'])}",
        ]
    )


def _exact(entry: Any) -> Any:
    return entry["exact"] if isinstance(entry, Mapping) else entry


def _value(entry: Any) -> Any:
    return entry["value"] if isinstance(entry, Mapping) else entry


def _both(entry: Any) -> str:
    exact, value = number(_exact(entry)), number(_value(entry))
    return exact if exact == value else f"{exact} = {value}"


def subspace(rows: Sequence[Sequence[Any]]) -> str:
    """A subspace by its reduced basis: span{(1, 0)}."""
    return "{0}" if not rows else "span{" + ", ".join(f"({', '.join(map(str, row))})" for row in rows) + "}"


def plateaus_text(result: Mapping[str, Any]) -> str:
    """The stairway table of ``giantstep plateaus``."""
    rows = result["rows"]
    kappas = len(rows[0]["plateaus"])
    header = ["step", "dim", "learned subspace", *(f"kappa={k}" for k in range(kappas))]
    lines = [table(header, [[r["step"], r["dim"], subspace(r["subspace"]), *r["plateaus"]] for r in rows])]
    if any(r.get("plateaus_activation") for r in rows):
        body = [[r["step"], *(r["plateaus_activation"] or [None] * kappas)] for r in rows]
        lines += ["", "with this activation:", table(["step", *header[3:]], body)]
    return "\n".join(lines)
