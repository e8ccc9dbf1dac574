"""The reference table of targets (see ``data/README.md``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROWS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "targets.json").read_text())
