"""The experiments behind the figures of arXiv:2305.18270 and of what came after, theory and simulation together.

Each at a reduced size that is stated with it (all in under ten minutes on two cores), or with ``full`` at a size
near that of the paper. A figure is a ``Reproduction``: run it, get a drawing and the numbers behind it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from asymptotics.comparison.curves import Progress, Row, curve_rows, silent, to_csv
from asymptotics.comparison.trajectories import Run, measure, predict, runs
from asymptotics.comparison.trajectories import to_csv as overlaps_csv
from asymptotics.documents.protocol_reproduction import (
    batch_size_rows,
    draw_reused,
    reused_rows,
    table,
)
from asymptotics.experiment.grid import Experiment
from asymptotics.figures.line_labels import title_above
from asymptotics.figures.style_sheet import COLUMN, PAGE
from asymptotics.simulation.averages import mean_and_error
from hermite.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """What a reproduction found: how to draw it, at which size (inches), the numbers as CSV, and what was run."""

    draw: Callable[[Figure], object]
    size: tuple[float, float]
    csv: str
    experiments: tuple[Experiment, ...]


@dataclass(frozen=True)
class Reproduction:
    """A figure of the paper: its ``claim``, the sizes of the reduced and the full run, and ``run(full, progress)``."""

    name: str
    claim: str
    reduced: str
    full: str
    run: Callable[[bool, Progress], Drawing]


def reproductions() -> tuple[Reproduction, ...]:
    """All of them, in the order of the paper's claims."""
    return (
        Reproduction(
            "overlaps",
            "Several steps of n = Θ(d) climb a staircase (z1 + z1 z2), and nothing without one (z1 + He2(z2)).",
            "d = p = 400, n = 4 d, 6 replicates",
            "d = p = 4000, n = 4 d, 10 replicates",
            _overlaps,
        ),
        Reproduction(
            "gradient",
            "The gradient of each step points at what is linearly connected to the directions learned before it.",
            "d = p = 400, n = 4 d, 6 runs",
            "d = p = 4000, n = 4 d, 10 runs",
            _gradient,
        ),
        Reproduction(
            "specialisation",
            "One step of n = Θ(d²) learns several directions at once when the lower orders are removed.",
            "d = 100, p = 200, n = 2 d², 4 replicates",
            "d = 400, p = 1000, n = 2 d², 10 replicates",
            _specialisation,
        ),
        Reproduction(
            "test-error",
            "Random features fit degree κ from n = Θ(d^κ) on; one giant step brings z1 z2 within reach of n = Θ(d).",
            "d = 40, p = 1600 = d², n from d^0.5 to d^2, 3 replicates",
            "d = 80, p = 6400 = d², n from d^0.5 to d^2, 10 replicates",
            _test_error,
        ),
        Reproduction(
            "stairway",
            "Each step of a staircase brings the test error down to the next plateau.",
            "d = 256, p = 4 d, n = 8 d, n2 = 20 d, 4 replicates",
            "d = 1024, p = 4 d, n = 8 d, n2 = 20 d, 10 replicates",
            _stairway,
        ),
        Reproduction(
            "batch-size",
            "Online SGD: samples do not depend on the batch until the step size is of order one; then steps stay.",
            "He2(z1), one neuron, d = 400, 24 runs a batch size",
            "He2(z1), one neuron, d = 10000, 100 runs a batch size",
            _batch_size,
        ),
        Reproduction(
            "reused-batch",
            "Steps on one batch follow a recursion with memory, not that of fresh batches (tanh(He1(z1) + He3(z2))).",
            "d = 800, n = 3 d, 8 runs, beside 32 public runs at d = 5000",
            "d = 5000, n = 3 d, 10 runs, beside 32 public runs at d = 5000",
            _reused_batch,
        ),
    )


def chosen(names: Sequence[str]) -> list[Reproduction]:
    """The reproductions of these names, or all for "all"; raises ``InputError`` for a name that is none."""
    known = {one.name: one for one in reproductions()}
    problems = [
        f"There is no figure {name!r}; there are {', '.join(known)}, all."
        for name in names
        if name not in (*known, "all")
    ]
    if problems:
        raise InputError(problems)
    return [one for one in known.values() if "all" in names or one.name in names]


def files(one: Reproduction, full: bool = False, progress: Progress = silent) -> dict[str, bytes | str]:
    """Run ``one``: {file name: content} of its PDF, PNG and CSV."""
    drawing = one.run(full, progress)
    return {**images(one.name, drawing), f"{one.name}.csv": drawing.csv}


def images(name: str, drawing: Drawing) -> dict[str, bytes]:
    """{file name: content} of the PDF and PNG of a figure."""
    from asymptotics.figures.style_sheet import save

    return {f"{name}.{kind}": data for kind, data in save(drawing.draw, drawing.size).items()}


def _experiment(**tables: Mapping[str, Any]) -> Experiment:
    return Experiment.from_dict(tables)


def _batch_size(full: bool, progress: Progress) -> Drawing:
    from asymptotics.figures.batch_size_figure import SIZE, plot_batch_size

    rows, experiments = batch_size_rows(full, progress)
    return Drawing(lambda figure: plot_batch_size(rows, figure), SIZE, table(rows), experiments)


def _reused_batch(full: bool, progress: Progress) -> Drawing:
    rows, experiment = reused_rows(full, progress)
    return Drawing(*draw_reused(rows), table(rows), (experiment,))


# Overlaps over the steps ----------------------------------------------------------------------------------------

STAIRCASE, NO_STAIRCASE = "z1 + z1*z2", "z1 + He2(z2)"


def _steps_of(text: str, full: bool, **simulation: object) -> Experiment:
    """Three steps on ``text``, at the sizes of both figures of overlaps."""
    d, replicates = (4000, 10) if full else (400, 6)
    sizes = {"d": d, "width": d, "replicates": replicates, "test_samples": 2000}
    return _experiment(
        target={"expression": text},
        training={"steps": 3, "alpha": 4.0, "eta": 1.0},
        simulation=sizes | simulation,
    )


def _overlaps(full: bool, progress: Progress) -> Drawing:
    from asymptotics.figures.neuron_clouds import plot_cloud
    from asymptotics.figures.overlap_figure import plot_overlaps

    experiments = tuple(_steps_of(text, full) for text in (STAIRCASE, NO_STAIRCASE))
    found = [runs(experiment, simulate=True, progress=progress)[0] for experiment in experiments]

    def draw(figure: Figure) -> None:
        rows = figure.subplots(2, 4, width_ratios=(1.9, 1, 1, 1))
        for text, run, panels in zip((STAIRCASE, NO_STAIRCASE), found, rows, strict=True):
            plot_overlaps(run.theory, panels[0], run.measured)
            title_above(panels[0], f"$f^\\star = {_latex(text)}$")
            for step, ax in enumerate(panels[1:], start=1):
                plot_cloud(step, run.theory, ax, run.measured)
                if step > 1:
                    ax.set_ylabel("")

    return Drawing(draw, (PAGE[0], 4.4), overlaps_csv([run.to_dict() for run in found]), experiments)


def _latex(text: str) -> str:
    from asymptotics.documents.mathematics import expression_latex

    return expression_latex(text, ["z1", "z2"])


def _gradient(full: bool, progress: Progress) -> Drawing:
    from asymptotics.figures.overlap_figure import plot_overlaps

    experiments = tuple(_steps_of(text, full) for text in (STAIRCASE, NO_STAIRCASE))
    found = [_gradients(experiment, progress) for experiment in experiments]

    def draw(figure: Figure) -> None:
        for text, run, ax in zip((STAIRCASE, NO_STAIRCASE), found, figure.subplots(1, 2), strict=True):
            plot_overlaps(run.theory, ax, run.measured)
            title_above(ax, f"$f^\\star = {_latex(text)}$")
            ax.set_xlabel("giant step")
            ax.set_ylabel(r"overlap of the step, $\Delta M / \eta$")

    return Drawing(draw, (PAGE[0], 2.6), overlaps_csv([run.to_dict() for run in found]), experiments)


def _gradients(experiment: Experiment, progress: Progress) -> Run:
    """(M_t − M_{t−1})/η for t = 1..T, from theory and from single runs (an error of its own needs them apart)."""
    import numpy as np

    training, simulation = experiment.longest[0], experiment.simulations[0]
    theory = predict(experiment, training, simulation)
    measured = []
    for seed in range(simulation.replicates):
        progress(f"run {seed + 1} of {simulation.replicates} (d = {simulation.d})")
        one = measure(experiment, training, replace(simulation, replicates=1, seed=seed))
        measured.append(np.diff([step.M for step in one.steps], axis=0) / training.eta)
    mean, sem = mean_and_error(np.array(measured))
    predicted = np.diff([step.M for step in theory.steps], axis=0) / training.eta
    steps = list(range(training.steps))
    ours = tuple(replace(theory.steps[t + 1], M=predicted[t]) for t in steps)
    theirs = tuple(
        replace(theory.steps[t + 1], M=mean[t], M_sem=None if sem is None else sem[t]) for t in steps
    )
    return Run(
        training,
        replace(theory, steps=ours),
        replace(theory, steps=theirs, replicates=simulation.replicates, d=simulation.d, p=simulation.width),
        simulation,
    )


# Specialisation -------------------------------------------------------------------------------------------------

SPECIAL = "z1 + He2(z1)/2 - He2(z2)/2"


def _specialisation(full: bool, progress: Progress) -> Drawing:
    from asymptotics.figures.neuron_clouds import plot_cloud

    d, width, replicates = (400, 1000, 10) if full else (100, 200, 4)
    settings = ((1, (), 4.0), (2, (0, 1), 2.0))
    experiments = tuple(
        _experiment(
            target={"expression": SPECIAL},
            training={
                "steps": 1,
                "alpha": alpha,
                "eta": 2.0,
                "batch_exponent": exponent,
                "remove_orders": list(removed),
            },
            simulation={"d": d, "width": width, "replicates": replicates, "test_samples": 2000},
        )
        for exponent, removed, alpha in settings
    )
    found = [runs(experiment, simulate=True, progress=progress)[0] for experiment in experiments]

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        for ax, run, title in zip(
            (left, right), found, ("$n = 4\\,d$", "$n = 2\\,d^2$, orders 0 and 1 removed"), strict=True
        ):
            plot_cloud(1, run.theory, ax, run.measured)
            ax.set_title(f"after one step of {title}")
        figure.suptitle(f"$f^\\star = {_latex(SPECIAL)}$", fontsize="medium")
        figure.supxlabel(
            "orange: predicted groups, two standard deviations; grey: simulated neurons", fontsize="small"
        )

    return Drawing(draw, (PAGE[0], 3.6), overlaps_csv([run.to_dict() for run in found]), experiments)


# Test error over log_d n ----------------------------------------------------------------------------------------


def _test_error(full: bool, progress: Progress) -> Drawing:
    from asymptotics.figures.curve_figure import plot_rows

    d, replicates = (80, 10) if full else (40, 3)
    exponents = [0.5 + 0.25 * k for k in range(7)]
    rows: list[Row] = []
    experiments: list[Experiment] = []
    for exponent in exponents:
        alpha = round(d**exponent) / d
        experiment = _experiment(
            target={"expression": STAIRCASE},
            # The step takes as many samples as the fit.
            training={"steps": [0, 1], "alpha": alpha, "eta": 2.0},
            ridge={"alpha": alpha, "beta": float(d), "lambda": 0.01, "regime": "finite"},
            simulation={"d": d, "replicates": replicates, "test_samples": 20000},
        )
        experiments.append(experiment)
        progress(f"n = {round(alpha * d)}")
        # With fewer than d samples a step learns noise: there the simulation stands alone, beside the plateaus.
        found = curve_rows(experiment, True)
        rows += [_without_theory(row) if row["step"] and exponent < 1 else row for row in found]
        if exponent >= _REMOVED_FROM:
            experiments.append(_low_orders_removed(d, alpha, replicates))
            rows += curve_rows(experiments[-1], True)
    shown = [row | {"log_n": math.log(row["n2"], d), "line": _line(row)} for row in rows]

    def draw(figure: Figure) -> None:
        ax = figure.add_subplot()
        plot_rows(ax, shown, "log_n", by="line")
        levels = _levels(STAIRCASE)
        most = max(level for _, level in levels)
        for label, level in levels:
            if level < _NOTHING_LEFT * most:
                # No line of a logarithmic axis.
                continue
            ax.axhline(level, color="0.5", linestyle=":", linewidth=0.8, zorder=0)
            ax.annotate(label, (0.5, level), fontsize="x-small", color="0.35", va="bottom")
        ax.set_xlabel(r"samples of the step and of the fit, $\log_d n$")
        # From the error of noise to that of a fit: two decades. The legend stands where a title would.
        lines = [row["test_error"] for row in shown if row["test_error"] is not None]
        ax.set_yscale("log")
        ax.set_ylim(0.5 * min(lines), None)
        ax.annotate(
            f"$f^\\star = {_latex(STAIRCASE)}$, $d = {d}$, $p = d^2$",
            (0.03, 0.05),
            xycoords="axes fraction",
            fontsize="small",
        )

    return Drawing(draw, COLUMN, to_csv(rows), tuple(experiments))


#: A plateau of less than this share of the highest is 0.
_NOTHING_LEFT = 1e-6
#: From this exponent on a fit has samples enough to remove its own linear part.
_REMOVED_FROM = 1.5


def _low_orders_removed(d: int, alpha: float, replicates: int) -> Experiment:
    """The same step and fit with orders 0 and 1 of the labels removed, as a step of n = alpha/d d² samples.

    The fit removes the low orders on fresh samples of its own; the published runs fit on the batch of the step.
    """
    return _experiment(
        target={"expression": STAIRCASE},
        training={"steps": 1, "alpha": alpha / d, "eta": 2.0, "batch_exponent": 2, "remove_orders": [0, 1]},
        ridge={"alpha": alpha, "beta": float(d), "lambda": 0.01, "d": d},
        simulation={"d": d, "replicates": replicates, "test_samples": 20000},
    )


def _line(row: Row) -> str:
    if row["step"] == 0:
        return "at initialisation"
    return "after one step" + (", orders 0 and 1 removed" if row["batch_exponent"] == 2 else "")


def _without_theory(row: Row) -> Row:
    note = "simulation only: the exponent of n varies"
    return row | {"test_error": None, "train_error": None, "excess_risk": None, "validity_note": note}


def _levels(text: str) -> list[tuple[str, float]]:
    """Plateaus at initialisation and after a step, with their names."""
    from asymptotics.stairway.stairs import plateaus
    from hermite import Target

    table = plateaus(Target(text), steps=1, kappa=1, activation="relu").to_dict()["rows"]
    found = {}
    for row in table:
        for kappa, level in enumerate(row["plateaus_activation"] or row["plateaus"]):
            if kappa:
                found[level] = f"plateau, $t = {row['step']}$, $\\kappa = {kappa}$"
    return [(label, level) for level, label in found.items()]


# Down the stairway ----------------------------------------------------------------------------------------------

LONG_STAIRCASE = "z1 + z1*z2 + z1*z2*z3"


def _stairway(full: bool, progress: Progress) -> Drawing:
    from asymptotics.figures.curve_figure import plot_rows

    d, replicates = (1024, 10) if full else (256, 4)
    experiment = _experiment(
        target={"expression": LONG_STAIRCASE},
        # A plain relu does not see the third order (and with two readout values does not climb it).
        network={"activation": "relu(x - 7/10)"},
        training={"steps": [0, 1, 2, 3, 4], "alpha": 8.0, "eta": 2.0},
        ridge={"alpha": 20.0, "beta": 4.0, "lambda": 0.1},
        simulation={"d": d, "replicates": replicates, "test_samples": 20000},
    )
    rows = curve_rows(experiment, True, progress)

    def draw(figure: Figure) -> None:
        from asymptotics.documents.mathematics import expression_latex

        ax = figure.add_subplot()
        plot_rows(ax, rows, "step", names={None: "ridge fit"})
        steps = [row["step"] for row in rows if row["plateau"] is not None]
        levels = [row["plateau"] for row in rows if row["plateau"] is not None]
        ax.step(steps, levels, where="mid", color="0.5", linestyle=":", marker="")
        # Beside the last stair, where neither the line nor the stairs are.
        ax.annotate(
            r"plateau, $\kappa = 1$",
            (steps[1] + 0.57, levels[1] / 2),
            fontsize="small",
            color="0.35",
            va="center",
        )
        ax.set_xticks([row["step"] for row in rows])
        ax.set_xlabel(r"giant steps $t$")
        title_above(ax, f"$f^\\star = {expression_latex(LONG_STAIRCASE, ['z1', 'z2', 'z3'])}$, $d = {d}$")

    return Drawing(draw, COLUMN, to_csv(rows), (experiment,))
