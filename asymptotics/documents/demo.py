"""A small full run on z1 + z1*z2: exact indices, the stairway, theory and simulation, one figure.

It takes well under two minutes on two cores. The figure of the README is made here. The target is a staircase of
two directions: the first giant step learns z1 alone, the second begins to learn z2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from asymptotics.comparison.curves import Row, curve_rows
from asymptotics.comparison.trajectories import Run, runs
from asymptotics.experiment.grid import Experiment
from asymptotics.text.tables import number, table
from hermite import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Say = Callable[[str], None]

TEXT = "z1 + z1*z2"

OVERLAPS = """
[target]
expression = "z1 + z1*z2"

[training]
steps = 3
alpha = 4.0
eta = 1.0

[simulation]
d = 400
width = 400
replicates = 8
test_samples = 20000
"""

CURVE = """
[target]
expression = "z1 + z1*z2"
noise = 0.1

[training]
steps = 0

[ridge]
alpha = [0.5, 1.0, 2.0, 4.0, 8.0]
beta = 1.5
lambda = [0.1, 1.0]

[simulation]
d = 200
replicates = 10
test_samples = 20000
"""


def experiments() -> tuple[Experiment, Experiment]:
    """What the demonstration runs: overlaps, and a curve."""
    return Experiment.from_toml(OVERLAPS), Experiment.from_toml(CURVE)


def run_demo(say: Say, note: Say) -> tuple[Run, list[Row]]:
    """Run the demonstration, saying results through ``say``; returns what its figure shows."""
    from asymptotics.stairway.stairs import plateaus
    from hermite import leap

    target = Target(TEXT)
    of_overlaps, of_curve = experiments()
    say(f"1. What is in {TEXT}: directions, leap index, staircase\n")
    say(repr(leap(target, activation="relu")))
    say("\n2. The stairway: no second layer gets below these errors\n")
    say(repr(plateaus(target)))
    say("\n3. Overlaps after three giant steps of n = 4 d samples: theory and simulation\n")
    run = runs(of_overlaps, simulate=True, progress=note)[0]
    say(overlap_table(run))
    say("\n4. Test error of the ridge fit at initialisation: theory and simulation\n")
    rows = curve_rows(of_curve, simulate=True, progress=note)
    say(error_table(rows))
    return run, rows


def images(run: Run, rows: list[Row]) -> dict[str, bytes]:
    """The figure as PNG and PDF, by file name."""
    from asymptotics.comparison.theory_lines import dense_rows
    from asymptotics.figures.style_sheet import PAGE, save

    # Lines of the theory between the points, too.
    dense = dense_rows(experiments()[1], "alpha", rows)
    drawn = save(lambda figure: draw(figure, run, rows, dense), size=PAGE)
    return {f"demo.{kind}": content for kind, content in drawn.items()}


def overlap_table(run: Run) -> str:
    """M of every group after the last step, predicted and measured, with z-scores."""
    assert run.measured is not None
    theory, measured = run.theory.steps[-1], run.measured.steps[-1]
    assert measured.M_sem is not None
    body = []
    for g in range(len(theory.readout)):
        for m in range(theory.M.shape[1]):
            mean, sem = float(measured.M[g, m]), float(measured.M_sem[g, m])
            body.append([theory.readout[g], f"z{m + 1}", *_compared(float(theory.M[g, m]), mean, sem)])
    return table(["readout", "direction", "theory", "simulation ± s.e.", "z"], body)


def error_table(rows: list[Row]) -> str:
    """Test errors at every alpha, predicted and measured, with z-scores."""
    body = []
    for row in rows:
        found = row["simulation"]
        compared = _compared(row["test_error"], found["test_error"], found["test_error_sem"])
        body.append([row["alpha"], row["lambda"], row["n2"], row["p"], *compared])
    return table(["alpha", "lambda", "n2", "p", "theory", "simulation ± s.e.", "z"], body)


def _compared(theory: float, mean: float, sem: float) -> list[Any]:
    return [f"{theory:.4f}", f"{mean:.4f} ± {number(sem, 2)}", f"{(mean - theory) / sem:+.1f}"]


def draw(figure: Figure, run: Run, rows: list[Row], dense: list[Row]) -> None:
    """Overlaps on the left, the learning curve on the right."""
    from asymptotics.figures.curve_figure import plot_curve
    from asymptotics.figures.line_labels import title_above
    from asymptotics.figures.overlap_figure import plot_overlaps

    left, right = figure.subplots(1, 2)
    plot_overlaps(run.theory, left, simulation=run.measured)
    title_above(left, r"$f^\star = z_1 + z_1 z_2$: $z_2$ is learned once $z_1$ is")
    plot_curve(rows, right, dense=dense)
    title_above(right, "ridge fit of the readout at initialisation")
