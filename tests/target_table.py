"""The reference table of targets, with the entries that were corrected since."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_DATA = json.loads((Path(__file__).parent / "data" / "targets.json").read_text())
ROWS: list[dict[str, Any]] = (
    _DATA if isinstance(_DATA, list) else next(v for v in _DATA.values() if isinstance(v, list))
)

#: The table's entry for z1 + z1 z2 + z1 z2 z3 is what the powers 1 to 3 of the label show: the fourth shows all (below).
CORRECTED: dict[str, dict[str, Any]] = {
    "t083": {
        "grand_staircase_dims": [0, 3],
        "trivial_subspace": [["1", "0", "0"], ["0", "1", "0"], ["0", "0", "1"]],
    }
}
