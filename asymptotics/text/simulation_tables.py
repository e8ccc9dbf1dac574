"""Sweeps, their plans and comparisons with theory as text for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asymptotics.text.durations import duration, size
from asymptotics.text.tables import POINT, footnotes, measured, sure, table

#: The columns of a comparison that are the theory's.
_THEORY = ("theory", "theory_limit")


def sweep_text(means: Sequence[Mapping[str, Any]]) -> str:
    """The table of ``giantstep simulate``: means over replicates with their standard errors."""
    keys = ["d", "step", "alpha_train", "eta", "alpha", "beta", "lambda", "replicates"]
    shown = [key for key in keys if any(row[key] is not None for row in means)]
    known = ("test_error", "train_error", "classification_error", "test_loss", "train_loss", "risk")
    results = [key for key in known if any(key in row for row in means)]
    body = [
        [row[key] for key in shown] + [measured(row.get(key), row.get(f"{key}_sem")) for key in results]
        for row in means
    ]
    return table([*shown, *results], body)


def sweep_plan_text(plan: Mapping[str, Any]) -> str:
    """The answer of ``giantstep simulate --dry-run``."""
    lines = [
        f"{plan['units']} units ({plan['rows']} rows): {plan['stored']} stored, {plan['missing']} missing"
    ]
    if plan["missing"]:
        lines.append(
            f"{' to '.join(map(duration, plan['seconds_range']))} with {plan['workers']} "
            f"worker{'s' * (plan['workers'] > 1)} (longest unit about {duration(plan['unit_seconds'])}), "
            f"{size(plan['memory_bytes'])} of memory"
        )
    if plan["needs_force"]:
        lines.append("that many units are run only with --force; what is stored of them was not looked up")
    return "\n".join(lines)


def validation_text(report: Mapping[str, Any]) -> str:
    """The table, the allowance, the controls and the statement of ``giantstep validate``."""
    keys = ["quantity", *POINT, *_THEORY]
    shown = [key for key in keys if any(row.get(key) is not None for row in report["rows"])]
    allowed = report["finite_size"] is not None
    body = []
    for row in report["rows"]:
        line = [
            *(sure(row.get(key), row.get("error")) if key in _THEORY else row.get(key) for key in shown),
            measured(row["simulation"], row["sem"]),
        ]
        if allowed:
            line.append(None if row["allowance"] is None else f"{row['allowance']:+.2g}")
        body.append([*line, f"{row['z']:+.2f}{'  refused' if row['rejected'] else ''}"])
    lines = [table([*shown, "simulation ± s.e.", *(["finite size"] if allowed else []), "z"], body), ""]
    if allowed:
        sizes = sorted({size["d"] for row in report["rows"] for size in row.get("sizes", [])})
        lines.append(
            f"finite size: gaps extrapolated in {report['finite_size']} from d = {', '.join(map(str, sizes))}; "
            "z is that of the rest."
        )
    else:
        lines.append("finite size: one size only, so z makes no allowance for it.")
    lines += [
        f"negative control, {c['setting']} times {c['factor']:g}: "
        f"{c['statement']} "
        f"(rms z {c['rms_z']:.1f}, largest {c['max_abs_z']:.1f})"
        for c in report["controls"]
    ]
    lines += [f"not judged: {sentence}" for sentence in report["left_out"]]
    unsure = [row for row in report["rows"] if row["rejected"] and row.get("validity") != "exact"]
    if unsure:
        # Levels are of the theory after steps.
        closer = '; ridge.level = "En+" may be closer' if any(row.get("step") for row in unsure) else ""
        lines.append(
            "note: the theory at refused points is not exact as d grows (see validity, and validity_note of giantstep "
            f"curve){closer}."
        )
    lines += footnotes(report["rows"])
    return "\n".join([*lines, f"verdict: {report['statement']}"])
