"""Results as text for people: what each command prints of its document."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from asymptotics.text.durations import duration, size
from asymptotics.text.tables import folded, footnotes, measured, number, size_of, sure, table, vector

#: The columns that say where a row of a table stands.
_THEORY = ("theory", "theory_limit")
_POINT = ("step", "alpha_train", "eta", "alpha", "beta", "lambda", "d")


#: Rows of a step that are shown.
_ROWS = 8
#: An error relative to its number that shows in four digits.
_SEEN = 5e-5


def expansion_text(expansion: Mapping[str, Any]) -> str:
    """The coefficients and the energies of ``giantstep expand``."""
    if expansion["exactness"] == "undecided":
        return f"undecided: {expansion['reason']}"
    from hermite.exact.telling import shortened

    beyond, errors = expansion["beyond_floats"], expansion["errors"]

    def told(path: str, value: float | None, error: float) -> object:
        """The number with its error, where that is seen in the digits shown."""
        shown = beyond.get(path, value)
        return f"{number(shown)} ± {error:.1g}" if error > _SEEN * abs(value or 0.0) else shown

    coefficients = [
        [
            f"({k})",
            shortened(c["exact"], 60) if c["exact"] else None,
            told(f"coefficients.{k}", c["value"], c.get("error", 0.0)),
        ]
        for k, c in expansion["coefficients"].items()
    ]
    energies = [
        [k, told(f"energies.{k}", energy, errors.get(f"energies.{k}", 0.0))]
        for k, energy in enumerate(expansion["energies"])
    ]
    total, rest = (
        number(told(key, expansion[key], errors.get(key, 0.0))) for key in ("total_energy", "residual_energy")
    )
    parts = [
        table(["order of He", "coefficient", "value"], coefficients),
        table(["k", "energy"], energies),
        f"total energy E f^2  {total}\nabove order {expansion['order']:<8}{rest}",
        f"how this is known: {expansion['exactness']}",
    ]
    return "\n\n".join(parts)


def activations_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table of ``giantstep activations``, then what each name stands for."""
    keys = [f"c_{k}" for k in range(4)]
    header = ["name", *keys, "parity", "cannot learn without biases"]
    body = [[row["name"], *(row[k] for k in keys), row["parity"], row["misses"]] for row in rows]
    written = [
        f"{row['name']}(x{''.join(f', {k} = {v}' for k, v in row['parameters'].items())}) = {row['expression']}"
        for row in rows
        if row["expression"] != f"{row['name']}(x)"
    ]
    return "\n\n".join([table(header, body), "\n".join(written)])


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


def curve_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table of ``giantstep curve``."""
    errors = ["test_error", "train_error"]
    errors += ["classification_error", "test_loss"] if rows and "test_loss" in rows[0] else []
    keys = [*_POINT, *errors, "solver"]
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
    return [
        said[0]
        + (
            f" ({len(set(said)) - 1} more rows with numbers of their own: --json)"
            if len(set(said)) > 1
            else ""
        )
        for said in found.values()
    ]


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
    keys = ["quantity", *_POINT, *_THEORY]
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
