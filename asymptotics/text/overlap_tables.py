"""Overlaps and escapes as text for people: entries that look alike share a row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from asymptotics.text.tables import footnotes, measured, number, size_of, sure, table, vector

#: Rows of a step that are shown.
_ROWS = 8


def overlaps_text(document: Mapping[str, Any]) -> str:
    """The table of ``giantstep overlaps``: at most eight rows a step, entries that look alike in one."""
    simulated = document["steps"][0]["simulation"] is not None
    spread = any(spread_of(entry) for step in document["steps"] for entry in step["neurons"])
    header = ["step", "readout", "weight", "M", *["sd of M"] * spread, "norm2", "risk"]
    header += ["M simulated", "risk simulated"] * simulated
    reused = any("train_error" in step for step in document["steps"])
    online = any("samples" in step for step in document["steps"])
    header += (
        ["train_error"] * reused + ["train simulated"] * (reused and simulated) + ["samples", "s"] * online
    )
    rows: list[list[Any]] = []
    hidden = False
    for step in document["steps"]:
        own_rows: list[list[Any]] = []
        # The error of the weights is relative to the largest of their entries.
        largest = max(max(entry["norm2"], *map(abs, entry["M"])) for entry in step["neurons"])
        unsure = size_of(step.get("error")) * largest
        for g, entry in enumerate(step["neurons"]):
            own = {"total": unsure / entry["norm2"]} if entry["norm2"] else None
            row = [
                step["step"],
                entry["readout"],
                entry["weight"],
                vector(entry["M"], unsure=unsure),
                *[spread_of(entry) or vector([0.0] * len(entry["M"]))] * spread,
                sure(entry["norm2"], own),
                sure(step["risk"], step.get("risk_error")),
            ]
            if simulated:
                found = step["simulation"]
                entry = partner(entry, g, found["neurons"])
                row += [vector(entry["M"], entry.get("M_sem")) if entry else None]
                row += [measured(found["risk"], found["risk_sem"])]
            if reused:
                row.append(step.get("train_error"))
            if reused and simulated:
                found = step["simulation"]
                row.append(measured(found.get("train_error"), found.get("train_error_sem")))
            if online:
                row += [step.get("samples"), step.get("time")]
            own_rows.append(row)
        joined = _joined(own_rows, header.index("weight"))
        hidden = hidden or len(joined) > _ROWS
        rows += joined[:_ROWS]
    several = any("-" in row[-1] or "," in row[-1] for row in rows)
    name = "neurons" if document["regime"] == "fixed width" else "entries"
    header = [header[0], *[name] * several, *header[1:]]
    rows = [[row[0], *[row[-1]] * several, *row[1:-1]] for row in rows]
    head = f"alpha = {document['alpha']:g}, eta = {document['eta']:g}, regime: {document['regime']}"
    lines = [head, table(header, rows)]
    budgets = [step.get(name) for step in document["steps"] for name in ("error", "risk_error")]
    lines += footnotes([{"error": budget} for budget in budgets])
    if spread:
        who = "runs" if document["regime"] == "online SGD" else "neurons of an entry"
        lines.append(f"sd of M: {who} differ in their overlaps by so much; M is their mean")
    if several:
        lines.append(f"{name} of a row look alike; weight is that of all of them")
    if hidden:
        lines.append("(the first eight rows of each step; --json prints all)")
    if document["validity_note"]:
        lines.append(f"{document['validity']}: {document['validity_note']}")
    return "\n".join(lines)


def _joined(rows: Sequence[Sequence[Any]], weight: int) -> list[list[Any]]:
    """Rows that differ in their place alone as one, its places in a last column; weights add up."""
    alike: dict[tuple[str, ...], list[int]] = {}
    for place, row in enumerate(rows):
        alike.setdefault(tuple(number(cell) for cell in row), []).append(place)
    out = []
    for places in alike.values():
        row = list(rows[places[0]])
        row[weight] = math.fsum(rows[place][weight] for place in places)
        out.append([*row, _ranges(places)])
    return out


def _ranges(places: Sequence[int]) -> str:
    """Rising places from 0 as text that counts from 1.

    >>> _ranges([0, 1, 2, 5, 7, 8])
    '1-3, 6, 8-9'
    """
    runs: list[list[int]] = []
    for place in places:
        if runs and runs[-1][1] == place - 1:
            runs[-1][1] = place
        else:
            runs.append([place, place])
    return ", ".join(str(a + 1) if a == b else f"{a + 1}-{b + 1}" for a, b in runs)


def partner(entry: Mapping[str, Any], g: int, neurons: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The measured counterpart of entry ``g``: of the same place and readout; empty if the groups differ.

    They differ where the law stands on quadrature nodes (a Gaussian readout, random biases).
    """
    same = g < len(neurons) and math.isclose(neurons[g]["readout"], entry["readout"], rel_tol=1e-9)
    return neurons[g] if same else {}


def spread_of(entry: Mapping[str, Any]) -> str | None:
    """Standard deviations of the overlaps within an entry, where these have a law of their own."""
    covariance = entry.get("M_cov")
    # Variances are compared with the largest possible overlap: rounding is no spread.
    if covariance is None or not any(row[m] > 1e-18 * entry["norm2"] for m, row in enumerate(covariance)):
        return None
    return vector([math.sqrt(max(0.0, row[m])) for m, row in enumerate(covariance)])


def escape_text(document: Mapping[str, Any]) -> str:
    """The answer of ``giantstep escape``: the clocks, the law and the simulated times beside it."""
    law, simulated = document["escape"], document["simulation"]
    per, error = document["clocks"], law.get("error")
    lines = [
        f"leap {law['leap']}, n_b = {document['n_b']}, e = {number(document['step'])}, nu = {number(document['nu'])}, "
        f"d = {document['d']}"
    ]
    if per is not None:
        lines.append(f"{law['law']}; {document['regime']}")
        lines.append(
            f"in the mean: s = {sure(per['s'], error)}, {sure(per['samples'], error)} samples, {sure(per['steps'], error)} steps"
        )
    else:
        lines.append(f"no law: {law['interaction']}")
    levels = list(law["quantiles"] or simulated["quantiles"])
    told = law["quantiles"] or {}
    rows = (
        [["law", *(sure(told[level], _of_mean(error, law, told[level])) for level in levels)]] if told else []
    )
    if simulated is not None:
        rows.append(["simulated", *(simulated["quantiles"][level] for level in levels)])
    lines.append(table(["quantile of s", *levels], rows))
    if simulated is not None:
        lines.append(
            f"simulated: {simulated['escaped']} of {simulated['replicates']} runs left their start within "
            f"{simulated['last_step']} steps, mean s {measured(simulated['mean'], simulated['mean_sem'])}"
        )
    return "\n".join([*lines, *footnotes([{"error": error}])])


def _of_mean(
    error: Mapping[str, Any] | None, law: Mapping[str, Any], quantile: float
) -> dict[str, Any] | None:
    """An error that is relative to the mean, for a quantile."""
    return {"total": size_of(error) * law["mean"] / quantile} if error and quantile else None
