"""One HTML page about one experiment: the target, predictions, simulation, verdict and configuration.

Self-contained: formulas and figures are SVG inside the page, the style sheet is in its head, there is no script and
nothing is fetched. Equal input and equal versions give equal bytes.
"""

from __future__ import annotations

import platform
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asymptotics.comparison.curves import Progress, Row, compared, curve_rows, silent
from asymptotics.comparison.joined import (
    Measured,
    MeasuredOverlaps,
    MeasuredRisk,
    at_largest,
    measure_all,
    refuse_without_theory,
    with_sizes,
)
from asymptotics.comparison.trajectories import Run, predict
from asymptotics.comparison.validation import ValidationReport, examine
from asymptotics.documents.mathematics import expression_latex, formula
from asymptotics.experiment.grid import Experiment, read
from asymptotics.text.printing import measured as with_error
from asymptotics.text.printing import number, vector
from hermite.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hermite.indices.report import LeapReport

_ROWS_SHOWN = 200
"""Rows of a table that the page shows."""


@dataclass(frozen=True)
class Findings:
    """What the page tells: rows of the curve or runs of the overlaps, and the verdict (or why there is none)."""

    experiment: Experiment
    source: str
    rows: tuple[Row, ...] = ()
    runs: tuple[Run, ...] = ()
    validation: ValidationReport | None = None
    reason: str = ""
    measured: tuple[Measured, ...] = ()


def of_file(
    path: str, progress: Progress = silent, *, simulate: bool = True, controls: float | None = None
) -> Findings:
    """What an experiment file predicts and, unless ``simulate`` is false, what its simulation says.

    The simulation is made at d, d/2, d/4 (as ``validate`` does). Raises ``InputError`` for a bad file.
    """
    text = read(path)
    experiment = Experiment.from_toml(text)
    if not simulate:
        return predictions(experiment, text, progress)
    experiment = with_sizes(experiment, 3)
    if not experiment.has_ridge:
        # Errors of a fit are shown without theory too; overlaps have nothing to be drawn over.
        refuse_without_theory(experiment)
    measured = measure_all(experiment, progress)
    return comparison(experiment, text, measured, progress, controls)


def of_store(path: str, progress: Progress = silent, controls: float | None = None) -> Findings:
    """What a store holds of the experiment of its latest run; nothing is simulated."""
    from asymptotics.comparison.measurements import experiment_of, measured_in
    from asymptotics.sweeps.store import Store

    with Store.read(path) as store:
        experiment, text = experiment_of(store)
        measured = measured_in(store, experiment)
    return comparison(experiment, text, measured, progress, controls)


def predictions(experiment: Experiment, source: str, progress: Progress = silent) -> Findings:
    """Theory alone; ``source`` is the text of the experiment file. Raises ``InputError`` where no theory answers."""
    reason = "Nothing was simulated."
    if experiment.has_ridge:
        return Findings(
            experiment, source, rows=tuple(curve_rows(experiment, False, progress)), reason=reason
        )
    runs = tuple(Run(training, predict(experiment, training)) for training in experiment.longest)
    return Findings(experiment, source, runs=runs, reason=reason)


def comparison(
    experiment: Experiment,
    source: str,
    measured: Sequence[Measured],
    progress: Progress = silent,
    controls: float | None = None,
) -> Findings:
    """Theory beside what was ``measured``, with the verdict where there are replicates and a theory."""
    shown = at_largest(measured)
    rows = [
        compared(experiment, m.training, m.ridge, m.simulation, m.risk, progress)
        for m in shown
        if isinstance(m, MeasuredRisk)
    ]
    runs = [
        Run(m.training, predict(experiment, m.training, m.simulation), m.overlaps, m.simulation)
        for m in shown
        if isinstance(m, MeasuredOverlaps)
    ]
    validation, reason = None, ""
    try:
        validation = examine(experiment, measured, progress, controls=controls)
    except InputError as error:
        reason = " ".join(error.problems)
    return Findings(experiment, source, tuple(rows), tuple(runs), validation, reason, tuple(measured))


def report_page(found: Findings) -> str:
    """The page as one text."""
    target = found.experiment.target
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    latex = "f^\\star(z) = " + expression_latex(target.text, target.variables)
    sections = [
        ("What is in the target", _target_section(found.experiment)),
        ("Predictions and simulation", _results_section(found)),
        ("Validation", _validation_section(found)),
        ("Configuration", _configuration_section(found)),
    ]
    body = "\n".join(
        f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>" for title, content in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>giantstep: {escape(target.text[:80])}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{_formula(latex, target.text)}</h1>\n{_headline(found)}\n{body}\n</main>\n</body>\n</html>\n"
    )


def _headline(found: Findings) -> str:
    if found.validation is None:
        return f'<p class="statement">No verdict. {escape(found.reason)}</p>'
    verdict = found.validation.verdict
    return f'<p class="statement {verdict}">Theory and simulation: {escape(found.validation.statement)}</p>'


# The target -----------------------------------------------------------------------------------------------------


def _target_section(experiment: Experiment) -> str:
    from hermite import leap

    network = experiment.network
    exponent = experiment.trainings[0].batch_exponent
    report = leap(
        experiment.target,
        batch_exponent=exponent,
        activation=network.activation if isinstance(network.activation, str) else None,
        readout=network.readout,
        bias=network.bias,
    )
    if report.exactness == "undecided":
        # Nothing is known: empty spaces would read as an answer.
        pairs = [("how this is known", escape(f"undecided: {report.reason}"))]
        return "\n".join([_facts(pairs), _stairway(experiment)])
    pairs = [(escape(name.strip()), answer) for name, answer in _leap_answers(report)]
    pairs += [("warning", escape(warning)) for warning in report.warnings]
    return "\n".join([_facts(pairs), _stairway(experiment)])


def _leap_answers(report: LeapReport) -> Iterable[tuple[str, str]]:
    """(question, answer as HTML): subspaces and scalings as formulas, the rest as text."""
    spaces = {
        "one giant step at the leap learns": report.leap_span,
        "beyond one step": report.beyond_one_step,
    }
    spaces |= {f"  after step {t}": s for t, s in enumerate(report.staircase.subspaces[1:], start=1)}
    for name, answer in report.lines():
        if name.startswith("hard directions"):
            yield name, _subspace(report.hard_directions, report.variables)
        elif name == "relevant space":
            space = _subspace(report.relevant_subspace, report.variables)
            yield name, f"{space} (dimension {report.relevant_dim})"
        elif name in spaces:
            yield name, _subspace(spaces[name], report.variables)
        else:
            yield name, escape(answer)


def _subspace(rows: Sequence[Sequence[str]], names: Sequence[str]) -> str:
    """span{…} as a formula."""
    from hermite.indices.report import pretty

    if not rows:
        return _formula(r"\{0\}", "{0}")
    text = [pretty([list(row)], tuple(names))[5:-1] for row in rows]
    try:
        vectors = ",\\ ".join(expression_latex(vector, names) for vector in text)
        return _formula(rf"\mathrm{{span}}\{{{vectors}\}}", "span{" + ", ".join(text) + "}")
    except InputError:
        return escape("span{" + ", ".join(text) + "}")


def _formula(latex: str, text: str) -> str:
    """The formula, or ``text`` where mathtext cannot set it."""
    try:
        return formula(latex)
    except InputError:
        return f"<code>{escape(text)}</code>"


def _stairway(experiment: Experiment) -> str:
    """The plateaus after each step of the experiment."""
    from asymptotics.stairway.stairs import plateaus

    network = experiment.network
    activation = network.activation if isinstance(network.activation, str) and not network.bias else None
    try:
        stairs = plateaus(experiment.target, activation=activation).to_dict()["rows"]
    except InputError as error:
        return f'<p class="note">No stairway: {escape(" ".join(error.problems))}</p>'
    body = []
    for row in stairs:
        levels = row["plateaus"] if row["plateaus_activation"] is None else row["plateaus_activation"]
        body.append([row["step"], row["dim"], *levels])
    header = ["step", "dimension learned", *(f"n, p = Θ(d^{k})" for k in range(len(body[0]) - 2))]
    caption = (
        "The stairway: excess risk that no second layer gets below, by giant steps and sizes of the fit."
    )
    return _table(header, body, caption)


# Predictions, simulation, verdict -------------------------------------------------------------------------------


def _results_section(found: Findings) -> str:
    from asymptotics.figures.drawing import plot_curve, plot_overlaps

    parts = []
    if found.rows:
        rows = [row for row in found.rows if row["test_error"] is not None or row["simulation"]]
        alt = "Test error of the ridge fit: theory as lines, simulation as points with standard errors"
        parts.append(_figure(lambda figure: plot_curve(rows, figure.add_subplot()), alt))
        parts.append(_curve_table(found.rows))
        notes = dict.fromkeys(
            f"{r['validity']}: {r['validity_note']}" for r in found.rows if r["validity_note"]
        )
        parts += [f'<p class="note">{escape(text)}</p>' for text in notes]
    for run in found.runs:
        alt = "Overlaps of the neurons with the target's directions after each giant step"
        parts.append(
            _figure(
                lambda figure, run=run: plot_overlaps(run.theory, figure.add_subplot(), run.measured),  # type: ignore[misc]
                alt,
            )
        )
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
    return _table(header, body, "The ridge fit of the second layer; theory unless it says simulated.", keys)


def _overlap_table(run: Run) -> str:
    head = f"alpha = {run.training.alpha:g}, eta = {run.training.eta:g}"
    header = ["step", "readout", "weight", "M", "norm2", "risk"] + ["M, simulated"] * (
        run.measured is not None
    )
    body = []
    for i, step in enumerate(run.theory.steps):
        for g in range(min(8, len(step.readout))):
            line: list[Any] = [
                step.step,
                float(step.readout[g]),
                float(step.weight[g]),
                vector(list(step.M[g])),
            ]
            line += [float(step.norm2[g]), step.risk]
            if run.measured is not None:
                line.append(_measured_overlap(run, i, g))
            body.append(line)
    return _table(header, body, f"Overlaps M = ⟨w, w*⟩ of each group of neurons, {head}.")


def _measured_overlap(run: Run, i: int, g: int) -> str | None:
    assert run.measured is not None
    step, own = run.measured.steps[i], run.theory.steps[i]
    if g >= len(step.readout) or abs(float(step.readout[g] - own.readout[g])) > 1e-9:
        return None
    return vector(list(step.M[g]), None if step.M_sem is None else list(step.M_sem[g]))


def _validation_section(found: Findings) -> str:
    from asymptotics.figures.drawing import plot_residuals

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
        f"Negative control: the theory at {c.setting} times {c.factor:g} is "
        + ("refused, as it must be." if c.refused else "not refused: too few replicates to tell.")
        for c in report.controls
    ]
    parts += [f"<p>{escape(line)}</p>" for line in controls]
    alt = "Residuals of every point in standard errors, with the band of two"
    parts.append(_figure(lambda figure: plot_residuals(report.rows, figure.add_subplot()), alt))
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
    parts.append(_table(header, body, "Point by point; refused points in bold.", keys, marks))
    return "\n".join(parts)


def _configuration_section(found: Findings) -> str:
    import numpy
    import scipy

    from asymptotics.version import __version__

    versions = (
        f"giantstep {__version__}, Python {platform.python_version()}, NumPy {numpy.__version__}, "
        f"SciPy {scipy.__version__}, {platform.system()} {platform.machine()}"
    )
    return f"<pre>{escape(found.source.strip())}</pre>\n<p class='note'>{escape(versions)}</p>"


# Pieces of HTML -------------------------------------------------------------------------------------------------


def _facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Questions and answers (HTML both)."""
    rows = "\n".join(f'<tr><th scope="row">{name}</th><td>{answer}</td></tr>' for name, answer in pairs)
    return f'<table class="facts">\n<tbody>\n{rows}\n</tbody>\n</table>'


def _table(
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    caption: str,
    settings: Sequence[str] = (),
    marked: Sequence[bool] = (),
) -> str:
    """A table in a box that scrolls by itself; columns of ``settings`` with one value move into the caption."""
    fixed: Mapping[int, Any] = {
        i: rows[0][i]
        for i, name in enumerate(header)
        if name in settings and rows and all(row[i] == rows[0][i] for row in rows)
    }
    told = ", ".join(f"{header[i]} = {number(value)}" for i, value in fixed.items() if value is not None)
    empty = {i for i in range(len(header)) if all(row[i] is None for row in rows)}
    kept = [i for i in range(len(header)) if i not in fixed and i not in empty]
    head = "".join(f'<th scope="col">{escape(header[i].replace("_", " "))}</th>' for i in kept)
    lines = []
    for j, row in enumerate(rows[:_ROWS_SHOWN]):
        mark = ' class="refused"' if marked and marked[j] else ""
        lines.append(f"<tr{mark}>" + "".join(f"<td>{escape(_cell(row[i]))}</td>" for i in kept) + "</tr>")
    more = f" The first {_ROWS_SHOWN} of {len(rows)} rows." if len(rows) > _ROWS_SHOWN else ""
    text = f"{caption}{' Everywhere ' + told + '.' if told else ''}{more}"
    body = "\n".join(lines)
    return (
        f'<figure>\n<figcaption>{escape(text)}</figcaption>\n<div class="scroll" tabindex="0">\n<table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>\n</figure>"
    )


def _cell(value: Any) -> str:
    """A number in four digits; what is zero but for rounding is shown as 0."""
    return "0" if isinstance(value, float) and abs(value) < 1e-12 else number(value)


def _figure(draw: Callable[[Figure], object], alt: str) -> str:
    """A figure as an SVG image inside the page."""
    from asymptotics.figures.drawing import drawn_svg

    data = b64encode(drawn_svg(draw)).decode()
    return (
        f'<figure>\n<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{data}">\n'
        f"<figcaption>{escape(alt)}.</figcaption>\n</figure>"
    )
