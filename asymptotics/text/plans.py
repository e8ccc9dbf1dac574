"""A plan as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asymptotics.text.tables import number, sure, table


def plan_text(document: Mapping[str, Any]) -> str:
    """The table of schedules, the winner first, and what one step more would bring."""
    keys = ["steps", "n", "n2", "p", "eta", "lambda"]
    head = [*keys, "test_error", "± theory"]
    body = []
    for row in document["schedules"]:
        size = None if row["error"]["total"] is None else row["error"]["total"] * row["test_error"]
        cells = [number(row[key], 3) if isinstance(row[key], float) else row[key] for key in keys]
        body.append([*cells, sure(row["test_error"], row["error"]), number(size, 2)])
    lines = [
        f"{document['samples']:,} samples in dimension {document['d']:,}, at most {document['width']:,} neurons",
        table(head, body),
    ]
    lines.append(_verdict(document))
    best, more = document["best"], document["one_more"]
    if more is not None:
        change = more["test_error"] / best["test_error"] - 1
        lines.append(f"One giant step more: {100 * change:+.2g} % of the test error.")
    if document["at_boundary"]:
        lines.append("The width is the largest that was allowed: more neurons may do better.")
    lines += [f"{name}: {reason}" for name, reason in document["reasons"].items()]
    return "\n".join(lines)


def _verdict(document: Mapping[str, Any]) -> str:
    best, second = document["best"], document["runner_up"]
    of = f"{best['steps']} giant step" + "s" * (best["steps"] != 1)
    if second is None:
        return f"Best: {of}."
    gap = second["test_error"] - best["test_error"]
    if document["decided"]:
        return f"Best: {of}; the runner-up is {gap:.2g} above it, more than the predictions' errors."
    return f"Best: {of}, but the runner-up differs by {gap:+.2g}, within the predictions' errors: undecided."
