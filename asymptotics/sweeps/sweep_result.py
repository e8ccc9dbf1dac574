"""The table of a sweep: one row a (unit, step, lambda), its means, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from asymptotics.experiment.columns import ordered
from asymptotics.json_values import plain
from asymptotics.simulation.averages import mean_and_error
from asymptotics.sweeps.stored_values import ERRORS
from asymptotics.sweeps.table_formats import frame, parquet
from hermite.frozen import Frozen

if TYPE_CHECKING:
    import pandas as pd

#: The only columns of the table that differ between runs.
VOLATILE = ("seconds", "host", "finished")
#: The columns that make a cell, with the point of it.
_CELL = ("d", "step", "alpha_train", "eta", "alpha", "beta", "lambda", "batch_exponent", "n", "n2", "p")


@dataclass(frozen=True, eq=False, repr=False)
class SweepResult(Frozen):
    """The table of a sweep: one row a (unit, step, lambda), sorted by key, step and lambda.

    ``rows``      the settings of the unit (``key``, ``d``, ``p``, ``n``, ``alpha``, …, ``replicate``), ``step``,
                  ``lambda`` and the results: ``test_error``, ``train_error``, ``excess_risk``, or without a ridge
                  table ``risk`` and ``neurons``. Only ``seconds``, ``host`` and ``finished`` differ between runs.
    ``computed``  units that this call computed; the others were stored
    """

    rows: tuple[Mapping[str, Any], ...]
    computed: int = 0

    def __repr__(self) -> str:
        from asymptotics.text.simulation_tables import sweep_text

        return sweep_text(self.means())

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``giantstep simulate``: ``rows``."""
        return {"rows": plain(self.rows)}

    def to_frame(self) -> pd.DataFrame:
        """The table as a pandas DataFrame."""
        return frame(self.rows)

    def means(self) -> list[dict[str, Any]]:
        """One row a (cell, step, lambda): the settings, ``replicates``, and each error or risk with its ``_sem``.

        Means over replicates with the standard error of the mean (None for one replicate), in the order of the
        settings: d, step, training alpha, eta, ridge alpha, beta, lambda.
        """
        cells: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
        for row in sorted(self.rows, key=lambda row: row["replicate"]):
            cells.setdefault(tuple(row[name] for name in _CELL), []).append(row)
        table = []
        for cell, rows in sorted(cells.items(), key=lambda item: [-1.0 if x is None else x for x in item[0]]):
            entry = dict(zip(_CELL, cell, strict=True)) | {"replicates": len(rows)}
            for name in ERRORS:
                values = [row[name] for row in rows if row.get(name) is not None]
                if values:
                    mean, sem = mean_and_error(np.array(values))
                    entry |= {name: float(mean), f"{name}_sem": None if sem is None else float(sem)}
            table.append(ordered(entry))
        return table

    def files(self) -> dict[str, bytes | str]:
        """{file name: content}: CSV, JSON and, where pyarrow is installed, Parquet."""
        import json
        from importlib.util import find_spec

        table = self.to_frame()
        files: dict[str, bytes | str] = {
            "simulate.csv": table.to_csv(index=False, lineterminator="\n"),
            "simulate.json": json.dumps(self.to_dict(), indent=2, allow_nan=False),
        }
        return files | ({"simulate.parquet": parquet(table)} if find_spec("pyarrow") else {})
