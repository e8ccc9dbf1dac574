"""Where an output came from, in the output itself: version, date, command, seed and the whole experiment."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from asymptotics.version import __version__

if TYPE_CHECKING:
    from asymptotics.experiment.grid import Experiment

_EXPERIMENT, _DATE = "giantstep.experiment", "giantstep.date"

#: Parameters of commands that say where or how a result is shown, not what it is.
_OF_SHOWING = ("as_json", "latex", "out", "output", "in_browser")


def remember(experiment: Experiment) -> Experiment:
    """``experiment``, which every output of the running command will name (all of them, if there are several)."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta.setdefault(_EXPERIMENT, []).append(experiment)
    return experiment


def provenance(experiments: Iterable[Experiment] | None = None) -> dict[str, object]:
    """Version, ``date``, ``command`` and ``options``; of experiments also ``seed`` and ``experiment``, or ``experiments``.

    The date (UTC, or that of SOURCE_DATE_EPOCH) is one for all outputs of a command; ``options`` are the arguments
    and options that were given to it, but ``--set`` and ``--seed``, which stand in the experiment.
    ``experiments`` are those of the result in place of the ones remembered.
    """
    context = click.get_current_context(silent=True)
    record: dict[str, object] = {
        "giantstep": __version__,
        "date": _date() if context is None else context.meta.setdefault(_DATE, _date()),
        "command": "" if context is None else context.info_name,
        "options": {} if context is None else _given(context),
    }
    if experiments is None:
        experiments = [] if context is None else context.meta.get(_EXPERIMENT, [])
    named = list(experiments)
    if named:
        from asymptotics.sweeps.provenance import whole_config_of

        record["seed"] = named[0].simulations[0].seed
        configs = [whole_config_of(experiment) for experiment in named]
        record |= {"experiment": configs[0]} if len(configs) == 1 else {"experiments": configs}
    return record


def _date() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _given(context: click.Context) -> dict[str, object]:
    """What was given to the command, by the names that the command line has for it."""
    from asymptotics.json_values import plain

    given = {}
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if name in context.params and name not in _OF_SHOWING and source is not _DEFAULT:
            long = max(parameter.opts, key=len).lstrip("-") if parameter.opts else name
            given[long] = plain(context.params[name])
    return given


_DEFAULT = click.core.ParameterSource.DEFAULT


def document(result: Mapping[str, object], record: Mapping[str, object]) -> dict[str, object]:
    """``result`` with the record before it: the one shape of JSON on standard output and in files."""
    return {"provenance": dict(record)} | dict(result)


def one_line(record: Mapping[str, object]) -> str:
    """The record as one line of ASCII, for the metadata of figures."""
    return json.dumps(record)


def comments(record: Mapping[str, object], sign: str = "#") -> str:
    """The record as lines that readers skip, a key a line: ``#`` of CSV, ``%`` of LaTeX and BibTeX."""
    return "\n".join(
        f"{sign} {key}: {v if isinstance(v, str) else json.dumps(v)}" for key, v in record.items()
    )


def signed(files: Mapping[str, bytes | str], record: Mapping[str, object]) -> dict[str, bytes | str]:
    """``files`` with the record in them.

    Comment lines at the head of a CSV and at the end of a text, a key ``provenance`` of a JSON document, ``<meta
    name="giantstep">`` of a page, the metadata of Parquet. Figures are signed as they are drawn.
    """
    return {name: _signed(name, content, record) for name, content in files.items()}


def _signed(name: str, content: bytes | str, record: Mapping[str, object]) -> bytes | str:
    if isinstance(content, bytes):
        if not name.endswith(".parquet"):
            return content
        from asymptotics.sweeps.table_formats import parquet_with

        return parquet_with(content, {"giantstep": one_line(record)})
    if name.endswith(".csv"):
        return f"{comments(record)}\n{content}"
    if name.endswith(".txt"):
        return f"{content}\n{comments(record)}\n"
    if name.endswith(".html"):
        meta = f'<meta name="giantstep" content="{html.escape(one_line(record))}">'
        return content.replace("<head>", f"<head>\n{meta}", 1)
    if name.endswith(".json"):
        found = json.loads(content)
        if isinstance(found, dict):
            return json.dumps(document(found, record), indent=2, allow_nan=False)
    return content
