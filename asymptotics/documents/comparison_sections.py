"""The parts of a report that set theory beside simulation: curves, overlaps, the verdict point by point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from html import escape
from typing import TYPE_CHECKING

from asymptotics.comparison.curves import Row
from asymptotics.comparison.joined import Measured
from asymptotics.comparison.trajectories import Run
from asymptotics.documents.findings import Findings
from asymptotics.documents.html_pieces import figure_of, table
from asymptotics.text.tables import measured as with_error
from asymptotics.text.tables import vector

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def results_section(found: Findings) -> str:
    from asymptotics.figures.curve_figure import curve_page

    parts = []
    if found.rows:
        rows = [row for row in found.rows if row["test_error"] is not None or row["simulation"]]
        alt = "Test error of the ridge fit: theory as lines, simulation as points with standard errors"
        parts.append(figure_of(lambda figure: curve_page(rows, figure), alt))
        parts.append(_curve_table(found.rows))
        notes = dict.fromkeys(
            f"{r['validity']}: {r['validity_note']}" for r in found.rows if r["validity_note"]
        )
        parts += [f'<p class="note">{escape(text)}</p>' for text in notes]
    for run in found.runs:
        alt = "Overlaps of the neurons with the target's directions after each giant step"
        parts.append(figure_of(partial(_draw_overlaps, run), alt))
        parts.append(_overlap_table(run))
        if run.theory.validity_note:
            parts.append(
                f'<p class="note">{escape(f"{run.theory.validity}: {run.theory.validity_note}")}</p>'
            )
    if found.measured:
        parts.append(f'<p class="note">{escape(_how(found.measured))}</p>')
    return "\n".join(parts)


def _how(measured: Sequence[Measured]) -> str:
    """How the simulation was made, in one sentence."""
    s = measured[-1].simulation
    sizes = sorted({m.simulation.d for m in measured})
    return (
        f"Simulation: {s.method}, {s.replicates} replicates at d = {', '.join(map(str, sizes))} (the largest is shown), "
        f"seed {s.seed}, {s.dtype}; ± is the standard error of the mean over replicates."
    )


def _curve_table(rows: Sequence[Row]) -> str:
    simulated = any(row["simulation"] for row in rows)
    keys = ["step", "alpha_train", "eta", "alpha", "beta", "lambda", "d"]
    header = [*keys, "test error", "train error", "plateau"]
    header += ["test, simulated", "train, simulated"] * simulated
    body = []
    for row in rows:
        line = [row[key] for key in keys] + [row["test_error"], row["train_error"], row["plateau"]]
        if simulated:
            s = row["simulation"] or {}
            line += [with_error(s.get(k), s.get(f"{k}_sem")) for k in ("test_error", "train_error")]
        body.append(line)
    return table(header, body, "The ridge fit of the second layer; theory unless it says simulated.", keys)


def _overlap_table(run: Run) -> str:
    head = f"alpha = {run.training.alpha:g}, eta = {run.training.eta:g}"
    header = ["step", "readout", "weight", "M", "norm2", "risk"] + ["M, simulated"] * (
        run.measured is not None
    )
    body = []
    for i, step in enumerate(run.theory.steps):
        for g in range(min(8, len(step.readout))):
            line: list[object] = [
                step.step,
                float(step.readout[g]),
                float(step.weight[g]),
                vector(list(step.M[g])),
            ]
            line += [float(step.norm2[g]), step.risk]
            if run.measured is not None:
                line.append(_measured_overlap(run, i, g))
            body.append(line)
    return table(header, body, f"Overlaps M = ⟨w, w*⟩ of each group of neurons, {head}.")


def _draw_overlaps(run: Run, figure: Figure) -> None:
    from asymptotics.figures.overlap_figure import overlap_page

    overlap_page(run.theory, figure, run.measured)


def _measured_overlap(run: Run, i: int, g: int) -> str | None:
    assert run.measured is not None
    step, own = run.measured.steps[i], run.theory.steps[i]
    if g >= len(step.readout) or not math.isclose(step.readout[g], own.readout[g], rel_tol=1e-9):
        return None
    return vector(list(step.M[g]), None if step.M_sem is None else list(step.M_sem[g]))


def validation_section(found: Findings) -> str:
    from asymptotics.figures.residual_figure import plot_residuals

    report = found.validation
    if report is None:
        return f"<p>No verdict: {escape(found.reason)}</p>"
    allowance = (
        f"Gaps are extrapolated in {report.finite_size} from several d; z is that of what remains."
        if report.finite_size
        else "One size only: z makes no allowance for finite size."
    )
    parts = [f"<p>{escape(report.statement)}. {escape(allowance)}</p>"]
    controls = [
        f"Negative control: the theory at {c.setting} times {c.factor:g} is " + f"{c.statement}."
        for c in report.controls
    ]
    parts += [f"<p>{escape(line)}</p>" for line in controls]
    alt = "Residuals of every point in standard errors, with the band of two"
    parts.append(figure_of(lambda figure: plot_residuals(report.rows, figure.add_subplot()), alt))
    keys = ["step", "alpha_train", "eta", "alpha", "beta", "lambda", "d"]
    body = [
        [
            row["quantity"],
            *(row.get(key) for key in keys),
            row["theory"],
            with_error(row["simulation"], row["sem"]),
            row["allowance"],
            f"{row['z']:+.2f}",
            f"{row['p_value']:.2g}",
        ]
        for row in report.rows
    ]
    header = ["quantity", *keys, "theory", "simulation", "finite size", "z", "p"]
    marks = [row["rejected"] for row in report.rows]
    parts.append(table(header, body, "Point by point; refused points in bold.", keys, marks))
    return "\n".join(parts)
