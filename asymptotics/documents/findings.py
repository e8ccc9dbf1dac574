"""What a report tells: predictions, simulation and verdict, from an experiment file or from a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
from asymptotics.comparison.validation import examine
from asymptotics.comparison.verdict import ValidationReport
from asymptotics.experiment.file_tables import read
from asymptotics.experiment.grid import Experiment
from hermite.errors import InputError


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
    path: str,
    progress: Progress = silent,
    *,
    simulate: bool = True,
    controls: float | None = None,
    settings: Sequence[str] = (),
    force: bool = False,
) -> Findings:
    """What an experiment file predicts and, unless ``simulate`` is false, what its simulation says.

    The simulation is made at d, d/2, d/4 (as ``validate`` does); ``settings`` as in
    ``Experiment.from_toml``. Raises ``InputError`` for a bad file, and for one of more points or units than anybody means
    unless ``force`` is true.
    """
    text = read(path)
    experiment = Experiment.from_toml(text, settings)
    text += "".join(f"\n# in place of the above: {one}" for one in settings)
    if not force:
        experiment.check_size(simulate)
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
