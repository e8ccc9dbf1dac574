"""Where a file came from, in the file itself: version, date, seed and the whole experiment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from asymptotics.version import __version__

if TYPE_CHECKING:
    from asymptotics.experiment.grid import Experiment

_EXPERIMENT = "giantstep.experiment"


def remember(experiment: Experiment) -> Experiment:
    """``experiment``, which the files of the running command will name (all of them, if there are several)."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta.setdefault(_EXPERIMENT, []).append(experiment)
    return experiment


def provenance() -> dict[str, object]:
    """Version, ``date`` (UTC, or that of SOURCE_DATE_EPOCH), ``command``; of a file ``seed`` and ``experiment``."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    context = click.get_current_context(silent=True)
    record: dict[str, object] = {
        "giantstep": __version__,
        "date": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": "" if context is None else context.info_name,
    }
    experiments = [] if context is None else context.meta.get(_EXPERIMENT, [])
    if experiments:
        from asymptotics.json_values import plain
        from asymptotics.sweeps.provenance import config_of

        record["seed"] = experiments[0].simulations[0].seed
        configs = [plain(config_of(experiment)) for experiment in experiments]
        record |= {"experiment": configs[0]} if len(configs) == 1 else {"experiments": configs}
    return record


def one_line(record: Mapping[str, object]) -> str:
    """The record as one line of ASCII, for the metadata of figures."""
    return json.dumps(record)


def signed(files: Mapping[str, bytes | str], record: Mapping[str, Any]) -> dict[str, bytes | str]:
    """``files`` with the record in them: comment lines at the head of a CSV, a key ``provenance`` of a JSON document."""
    return {name: _signed(name, content, record) for name, content in files.items()}


def _signed(name: str, content: bytes | str, record: Mapping[str, Any]) -> bytes | str:
    if isinstance(content, bytes):
        return content
    if name.endswith(".csv"):
        lines = [f"# {key}: {v if isinstance(v, str) else json.dumps(v)}" for key, v in record.items()]
        return "\n".join([*lines, content])
    if name.endswith(".json"):
        document = json.loads(content)
        if isinstance(document, dict):
            return json.dumps({"provenance": dict(record)} | document, indent=2, allow_nan=False)
    return content
