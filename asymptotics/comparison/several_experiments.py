"""Several experiments in one table: their rows, told apart by what differs between the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asymptotics.comparison.theory_lines import grids_of
from asymptotics.experiment.grid import Experiment
from asymptotics.figures.layout import EXPERIMENT, KEYS, Layout, settled
from asymptotics.sweeps.provenance import config_of
from hermite.errors import InputError

#: Settings that are columns of the table, and tell rows apart there.
_COLUMNS = frozenset(KEYS.values())
#: Letters of a label in a figure.
_LONGEST = 80
#: Matrices and lists of clusters: told by how many there are.
_CLUSTERS = ("inputs.clusters", "inputs.fractions", "inputs.teacher")


def labels(experiments: Sequence[Experiment], names: Sequence[str], simulated: bool = False) -> list[str]:
    """For each experiment what it has that another has not, beyond the columns of the table; empty where that is nothing.

    ``names``: those of the files, which stand where two would be told apart by nothing else, or by more than a figure can
    hold. Raises ``InputError`` for equal
    experiments.
    """
    configs = [_flat(config_of(one)) for one in experiments]
    if not simulated:
        # What only a simulation heeds makes no difference to a theory.
        configs = [{k: v for k, v in config.items() if not k.startswith("simulation.")} for config in configs]
    for i, config in enumerate(configs):
        for j in range(i):
            if configs[j] == config:
                raise InputError(
                    f"{names[j]} and {names[i]} are the same experiment; give files that differ."
                )
    keys = dict.fromkeys(key for config in configs for key in config)
    differing = [key for key in keys if len({repr(config.get(key)) for config in configs}) > 1]
    told = dict.fromkeys("inputs" if key in _CLUSTERS else key for key in differing if key not in _COLUMNS)
    found = [
        ", ".join(_inputs(config) if key == "inputs" else _told(key, config.get(key)) for key in told)
        for config in configs
    ]
    if not told:
        return found
    if len(set(names)) == len(names) and max(map(len, found)) > _LONGEST:
        return (
            [Path(name).name for name in names]
            if len({Path(n).name for n in names}) == len(names)
            else [*names]
        )
    # Files that differ from a third alone may have one label.
    return [
        label if found.count(label) == 1 else f"{label} ({name})"
        for label, name in zip(found, names, strict=True)
    ]


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{table}.{key}": value for table, keys in config.items() for key, value in keys.items()}


def _told(key: str, value: Any) -> str:
    if key == "target.expression":
        return str(value)
    text = f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)
    return f"{key.partition('.')[2].replace('_', ' ')} = {text}"


def _inputs(config: Mapping[str, Any]) -> str:
    """Of structured inputs how many clusters and blocks they have; several of as many are told apart by their files."""
    clusters, blocks = (len(config.get(key) or ()) for key in _CLUSTERS[:2])
    if not clusters:
        return "other inputs" if any(key.startswith("inputs.") for key in config) else "isotropic inputs"
    one, many = f"{clusters} cluster{'s' * (clusters > 1)}", f"{blocks} block{'s' * (blocks > 1)}"
    return f"inputs of {one}" if blocks == 1 else f"inputs of {one} and {many}"


def named(rows: Sequence[Mapping[str, Any]], label: str) -> list[dict[str, Any]]:
    """``rows`` with the name of their experiment."""
    return [{EXPERIMENT: label or None, **row} for row in rows]


def layout_of_several(
    experiments: Sequence[Experiment], names: Sequence[str], simulated: bool = False
) -> Layout:
    """How the curves of ``experiments`` are drawn together: as the first file's [figure] asks, experiments as lines or panels."""
    found: dict[str, list[Any]] = {key: [] for key in KEYS}
    for one in experiments:
        for key, values in grids_of(one, simulated).items():
            found[key] += values
    grids = {key: sorted({v for v in values if v is not None}) for key, values in found.items()}
    return settled(
        {**grids, EXPERIMENT: sorted({name for name in names if name})}, experiments[0].figure.layout
    )
