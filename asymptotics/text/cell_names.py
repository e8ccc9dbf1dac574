"""Names of files that say which cell of a grid they show."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence


def cell_names(cells: Sequence[Mapping[str, object]]) -> list[str]:
    """A suffix for each cell, of the settings in which they differ; empty for one cell alone.

    >>> cell_names([{"alpha": 1.0, "eta": 0.5}, {"alpha": 2.0, "eta": 0.5}])
    ['-alpha1', '-alpha2']
    """
    if len(cells) < 2:
        return [""] * len(cells)
    # What is null somewhere (step 0 has no eta) differs only if it does elsewhere.
    differing = [
        key for key in cells[0] if len({_plain(cell[key]) for cell in cells if cell.get(key) is not None}) > 1
    ]
    names = [
        "".join(f"-{key}{_plain(cell[key])}" for key in differing if cell.get(key) is not None)
        for cell in cells
    ]
    # What cannot be told apart so (settings equal in six digits) is numbered.
    return [name if names.count(name) == 1 else f"{name}-{i + 1}" for i, name in enumerate(names)]


def _plain(value: object) -> str:
    """A value as part of a file name."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^\w.+-]", "", text)
