"""What is kept beside results so that they can be traced: the experiment, the machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.input_laws import as_table


def config_of(experiment: Experiment) -> dict[str, object]:
    """The experiment as ``Experiment.from_dict`` takes it, up to the order of its cells: a grid is a list."""
    f = experiment.target
    target: dict[str, object] = {"expression": f.text, "noise": f.noise}
    if f.has_classes:
        target["labels"] = f.labels
    if f.gram is not None:
        target["gram"] = [[str(entry) for entry in row] for row in f.gram]
    return {
        "target": target,
        **as_table(experiment.inputs),
        "network": _table([experiment.network]),
        "training": _as_in_files(_table(experiment.trainings)),
        **({"ridge": _table(experiment.ridges)} if experiment.has_ridge else {}),
        "simulation": _table(experiment.simulations),
    }


def whole_config_of(experiment: Experiment) -> dict[str, object]:
    """``config_of`` in the values of JSON, with how it is drawn, and a d of the simulation only where one was given."""
    from asymptotics.experiment.figure_keys import FigureSettings
    from asymptotics.json_values import plain

    tables = config_of(experiment)
    if not experiment.has_d:
        simulation = _table(experiment.simulations)
        tables["simulation"] = {key: value for key, value in simulation.items() if key != "d"}
    drawn = {
        field.name: value
        for field in fields(FigureSettings)
        if (value := getattr(experiment.figure, field.name)) != field.default
    }
    found: dict[str, object] = plain(tables | ({"figure": drawn} if drawn else {}))
    return found


def _table(settings: Iterable[Any]) -> dict[str, Any]:
    rows = list(settings)
    table: dict[str, Any] = {}
    for field in fields(rows[0]):
        values = [_plain(value) for value in dict.fromkeys(getattr(row, field.name) for row in rows)]
        if values != [None]:
            table["lambda" if field.name == "lam" else field.name] = values[0] if len(values) == 1 else values
    return table


def _as_in_files(table: dict[str, Any]) -> dict[str, Any]:
    """A given start by the names that a file has for it; steps or times, which exclude each other."""
    if table.get("time"):
        table.pop("steps")
    if isinstance(table.get("start"), list):
        overlap, gram = table["start"]
        table["start"] = {"overlap": overlap} | ({} if gram is None else {"gram": gram})
    return table


def _plain(value: object) -> object:
    """A setting as JSON has it; a function by its name."""
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def machine() -> dict[str, Any]:
    """Host, system, processors, and the versions that decide how numbers round."""
    import os
    import platform

    import numpy as np
    from threadpoolctl import threadpool_info

    blas = [
        {key: str(entry.get(key)) for key in ("internal_api", "version", "architecture")}
        for entry in threadpool_info()
        if entry.get("user_api") == "blas"
    ]
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": blas,
        "process": os.getpid(),
    }
