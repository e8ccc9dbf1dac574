"""The paper's test error over log_d n: at initialisation, after one step, and after one with the low orders removed.

The step takes as many samples as the fit. Lines of theory are dense, and each starts where its theory does: after one step from
n = d on, below which a step learns noise; with orders 0 and 1 removed from the n (about 13 d) on from which its stated error is
less than the number: it is about large batches. To their left the simulation stands alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asymptotics.comparison.curves import (
    Progress,
    Row,
    beside,
    no_theory,
    row_of,
    simulated_risks,
    theory_on_path,
)
from asymptotics.error_budget import Validity
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.settings import Ridge, Training
from asymptotics.results import Risk
from hermite.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STAIRCASE = "z1 + z1*z2"
#: Exponents log_d n of the simulations.
_EXPONENTS = tuple(0.5 + 0.25 * k for k in range(7))
#: From this exponent on a step learns more than noise, and a fit has samples enough to remove its own linear part.
_LEARNS_FROM, _REMOVED_FROM = 1.0, 1.5
#: A plateau of less than this share of the highest is 0.
_NOTHING_LEFT = 1e-6


@dataclass(frozen=True)
class _Line:
    """One line: after so many ``steps``, low orders ``removed`` or not, with theory at exponents of ``least`` and more.

    ``points``: how many between two simulations.
    """

    name: str
    steps: int
    removed: bool
    least: float
    points: int


_LINES = (
    _Line("at initialisation", 0, False, _EXPONENTS[0], 4),
    _Line("after one step", 1, False, _LEARNS_FROM, 4),
    _Line("after one step, orders 0 and 1 removed", 1, True, _REMOVED_FROM, 16),
)


def error_rows(full: bool, progress: Progress) -> tuple[list[Row], list[Row], tuple[Experiment, ...]]:
    """Rows with a simulation, dense ones of theory alone, and what was run; each row with its ``line`` and ``log_n``."""
    d, replicates = (80, 10) if full else (40, 3)
    rows: list[Row] = []
    dense: list[Row] = []
    experiments: list[Experiment] = []
    simulated: dict[tuple[float, bool], dict[tuple[Training, Ridge], Risk]] = {}
    for line in _LINES:
        progress(f"theory {line.name}")
        found = dict(_theory(line, d, replicates))
        dense += [
            _placed(row_of(training, ridge, outcome), line)
            for training, ridge, outcome in found.values()
            if isinstance(outcome, Risk) and outcome.validity != Validity.NONE
        ]
        for exponent in _EXPONENTS:
            if line.removed and exponent < _REMOVED_FROM:
                continue
            if (exponent, line.removed) not in simulated:
                experiment = _experiment(d, exponent, replicates, line.removed)
                experiments.append(experiment)
                progress(f"simulating n = {round(d**exponent)}")
                simulated[exponent, line.removed] = {
                    key: one
                    for unit in experiment.units()
                    for key, one in simulated_risks(experiment, unit).items()
                }
            for (training, ridge), measured in simulated[exponent, line.removed].items():
                if training.steps == line.steps:
                    outcome = found[exponent][2] if exponent in found else _ALONE
                    said = (
                        outcome
                        if isinstance(outcome, Risk)
                        else no_theory(measured, " ".join(outcome.problems))
                    )
                    rows.append(_placed(row_of(training, ridge, said, measured), line))
    return rows, dense, tuple(experiments)


_ALONE = InputError("simulation only: the exponent of n varies")


def _theory(
    line: _Line, d: int, replicates: int
) -> Iterator[tuple[float, tuple[Training, Ridge, Risk | InputError]]]:
    """(exponent, (training, ridge, theory)) along the line, from many samples down to where there is no number."""
    step = (_EXPONENTS[1] - _EXPONENTS[0]) / line.points
    count = round((_EXPONENTS[-1] - line.least) / step)
    exponents = [_EXPONENTS[-1] - step * k for k in range(count + 1)]
    points = []
    for exponent in exponents:
        experiment = _experiment(d, exponent, replicates, line.removed)
        points += [
            (training, beside(ridge, experiment.simulations[0]))
            for training, ridge in experiment.cells()
            if training.steps == line.steps
        ]
    found = theory_on_path(experiment, points)
    for exponent, point, outcome in zip(exponents, points, found, strict=True):
        yield exponent, (*point, outcome)
        if isinstance(outcome, InputError) or outcome.validity == Validity.NONE:
            return


def _experiment(d: int, exponent: float, replicates: int, removed: bool) -> Experiment:
    """The step and the fit at n = d^exponent; with orders 0 and 1 removed as a step of n = alpha d² samples.

    The fit removes the low orders on fresh samples of its own; the published runs fit on the batch of the step.
    """
    alpha = round(d**exponent) / d
    training: dict[str, Any] = {"steps": [0, 1], "alpha": alpha, "eta": 2.0}
    ridge: dict[str, Any] = {"alpha": alpha, "beta": float(d), "lambda": 0.01}
    if removed:
        training |= {"steps": 1, "alpha": alpha / d, "batch_exponent": 2, "remove_orders": [0, 1]}
        ridge |= {"d": d}
    else:
        ridge |= {"regime": "finite"}
    simulation = {"d": d, "replicates": replicates, "test_samples": 20000}
    return Experiment.from_dict(
        {"target": {"expression": STAIRCASE}, "training": training, "ridge": ridge, "simulation": simulation}
    )


def _placed(row: Row, line: _Line) -> Row:
    """Where a row lies in the figure: a fit takes n2 = d^log_n samples."""
    return row | {"log_n": math.log(row["n2"], row["d"]), "line": line.name}


def plot_error(rows: list[Row], dense: list[Row], figure: Figure) -> None:
    """Test errors over log_d n, theory as lines, simulation as points, and the plateaus."""
    from asymptotics.documents.mathematics import expression_latex
    from asymptotics.figures.curve_figure import plot_rows

    ax = figure.add_subplot()
    plot_rows(ax, rows, "log_n", by="line", dense=dense)
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
    shown = [row["test_error"] for row in [*rows, *dense] if row["test_error"] is not None]
    shown += [row["simulation"]["test_error"] for row in rows]
    ax.set_yscale("log")
    ax.set_ylim(0.5 * min(shown), None)
    least = min((row["n2"] / row["d"] for row in dense if row["batch_exponent"] == 2), default=math.nan)
    ax.annotate(
        f"$f^\\star = {expression_latex(STAIRCASE, ['z1', 'z2'])}$, $d = {rows[0]['d']}$, $p = d^2$\n"
        f"(theory of removed orders: $n \\geq {least:.3g}\\,d$)",
        (0.03, 0.05),
        xycoords="axes fraction",
        fontsize="small",
    )


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
