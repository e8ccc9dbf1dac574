"""Curves, maps, optima, sample sizes and spectra as text for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from asymptotics.text.tables import POINT, folded, footnotes, measured, number, sure, table


def curve_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table of ``giantstep curve``."""
    errors = ["test_error", "train_error"]
    errors += ["classification_error", "test_loss"] if rows and "test_loss" in rows[0] else []
    keys = [*POINT, *errors, "solver"]
    simulated = any(row["simulation"] for row in rows)
    body = []
    for row in rows:
        line = [sure(row[key], row.get("error")) if key in errors else row[key] for key in keys]
        if simulated:
            s = row["simulation"] or dict.fromkeys([*errors, *(f"{key}_sem" for key in errors)])
            line += [measured(s[key], s[f"{key}_sem"]) for key in errors]
        body.append(line)
    header = [*keys, *([f"{key.removesuffix('_error')} simulated" for key in errors] if simulated else [])]
    lines = folded(header, body, (*keys[:7], "solver"))
    return "\n".join([*lines, *footnotes(rows), *_once(rows)])


def map_text(
    rows: Sequence[Mapping[str, Any]],
    keys: tuple[str, str],
    columns: tuple[str, str],
    title: str,
    cell: Callable[[Mapping[str, Any]], str],
    errors: bool,
) -> str:
    """The table of ``giantstep map``: the ``cell`` of each row over two ``columns`` (``keys`` of the file), called ``title``.

    ``errors``: what the rows say of theirs stands below.
    """
    xs, ys = (sorted({row[column] for row in rows}) for column in columns)
    cells = {(row[columns[0]], row[columns[1]]): cell(row) for row in rows}
    body = [[f"{v:g}", *(cells[u, v] for u in xs)] for v in ys]
    lines = [f"{title} over {keys[0]} (to the right) and {keys[1]} (down)"]
    lines.append(table([keys[1], *(f"{u:g}" for u in xs)], body))
    return "\n".join([*lines, *(footnotes(rows) if errors else ()), *_once(rows)])


def _once(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """What is said of validity, once a table: notes that differ in their numbers only are told by the first of them."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.get("validity_note"):
            said = f"{row['validity']}: {row['validity_note']}"
            kind = re.sub(r"(level \S+|(the first|both|neither) (is|are) included|no correction)", "", said)
            found.setdefault(re.sub(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", "#", kind), []).append(said)
    return [said[0] + _more(len(set(said)) - 1) for said in found.values()]


def _more(others: int) -> str:
    if not others:
        return ""
    counted = (
        "one more row with numbers of its" if others == 1 else f"{others} more rows with numbers of their"
    )
    return f" ({counted} own: --json)"


def tuning_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table of ``giantstep tune``; a star marks a setting that ended at the edge of its range."""
    keys = ["step", "alpha_train", "alpha", "beta"]
    results = ["test_error", *(key for key in ("test_loss", "classification_error") if key in rows[0])]
    body = []
    for row in rows:
        edge = {name: "*" if name in row["at_boundary"] else "" for name in ("lam", "eta")}
        eta = None if row["eta"] is None else number(row["eta"]) + edge["eta"]
        body.append(
            [
                *(row[key] for key in keys),
                eta,
                number(row["lambda"]) + edge["lam"],
                *(sure(row[key], row.get("error")) for key in results),
            ]
        )
    lines = [table([*keys, "eta", "lambda", *results], body)]
    lines += footnotes(rows)
    if any(row["at_boundary"] for row in rows):
        lines.append("* at the edge of the range that was searched: the optimum may lie beyond")
    return "\n".join([*lines, *_notes(rows, keys, lambda row: [f"{said}." for said in row["warnings"]])])


def samples_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table of ``giantstep samples``, and why what is not reached is not."""
    keys = ["step", "alpha_train", "eta", "beta", "lambda", "alpha", "n2", "limit", "plateau"]
    shown = [key for key in keys if any(row[key] is not None for row in rows) or key == "alpha"]
    # The error is that of alpha, or of the limit where it is not reached.
    unsure = {row["reachable"]: ("alpha", "n2") if row["reachable"] else ("limit",) for row in rows}
    body = [
        [sure(row[key], row.get("error")) if key in unsure[row["reachable"]] else row[key] for key in shown]
        for row in rows
    ]
    lines = [table(shown, body), *footnotes(rows)]
    places = keys[:5]

    def said(row: Mapping[str, Any]) -> list[str]:
        found = [row["reason"]] if row["reason"] else []
        later = row["reachable"] and not row["stays"]
        found += ["the error rises again for some larger alpha."] * later
        return found + [f"{one}." for one in row["warnings"]]

    return "\n".join([*lines, *_notes(rows, places, said)])


def _notes(
    rows: Sequence[Mapping[str, Any]], keys: Sequence[str], said: Callable[[Mapping[str, Any]], Iterable[str]]
) -> list[str]:
    """What is said of rows, each with its step and the other settings that tell it from the rest, and once each."""
    several = [key for key in keys if key == "step" or len({number(row[key]) for row in rows}) > 1]
    found = [
        f"step {row['step']}"
        + "".join(
            f", {key} = {number(row[key])}" for key in several if key != "step" and row[key] is not None
        )
        + f": {one}"
        for row in rows
        for one in said(row)
    ]
    return list(dict.fromkeys(found))


def spectrum_text(document: Mapping[str, Any]) -> str:
    """The table of ``giantstep spectrum``: edge and spikes, with the simulated values beside them."""
    simulated = document["simulated"] or []
    spread = document.get("spread")
    rows: list[list[Any]] = []
    for k, place in enumerate(document["spikes"]):
        carries = document["carries"][k]
        rows.append(
            [
                f"spike {k + 1}",
                sure(place, document.get("error")),
                *([] if spread is None else [spread[k]]),
                carries,
                simulated[k] if k < len(simulated) else None,
            ]
        )
    k = len(rows)
    edge = sure(document["edge"], document.get("error"))
    between = [] if spread is None else [None]
    rows.append(["edge of the bulk", edge, *between, None, simulated[k] if k < len(simulated) else None])
    heads = ["", "theory", *([] if spread is None else ["spread"]), "carries", "simulated"]
    lines = [
        f"singular values of {document['n2']} x {document['p']} features at d = {document['d']}, "
        f"after {document['step']} giant step{'s' * (document['step'] != 1)}",
        table(heads, rows),
        *footnotes([document]),
        "spikes as d grows, for steps of this power of n2 (each window of powers lifts one more out of the bulk): "
        + ("beyond the last window" if document["window_count"] is None else str(document["window_count"])),
        f"{document['validity']}: {document['validity_note']}",
    ]
    return "\n".join(lines)
