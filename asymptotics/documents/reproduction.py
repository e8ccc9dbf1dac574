"""The experiments behind the figures of arXiv:2305.18270 and of what came after, theory and simulation together.

Each at a reduced size that is stated with it (all in under ten minutes on two cores), or with ``full`` at a size
near that of the paper. A figure is a ``Reproduction``: run it, get a drawing and the numbers behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from asymptotics.comparison.curves import Progress, curve_rows, silent, to_csv
from asymptotics.comparison.trajectories import Run, measure, predict, runs
from asymptotics.comparison.trajectories import to_csv as overlaps_csv
from asymptotics.documents.error_over_samples import STAIRCASE, error_rows, plot_error
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
            "d = 40, p = 1600 = d², n from d^0.5 to d^2, 3 replicates; theory of removed orders from n = 13 d on",
            "d = 80, p = 6400 = d², n from d^0.5 to d^2, 10 replicates; theory of removed orders from n = 13 d on",
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

NO_STAIRCASE = "z1 + He2(z2)"


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


# Test errors ---------------------------------------------------------------------------------------------

LONG_STAIRCASE = "z1 + z1*z2 + z1*z2*z3"


def _test_error(full: bool, progress: Progress) -> Drawing:
    rows, dense, experiments = error_rows(full, progress)
    return Drawing(lambda figure: plot_error(rows, dense, figure), COLUMN, to_csv(rows, dense), experiments)


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
