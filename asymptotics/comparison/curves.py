"""Learning curves: the theory and, if asked, the simulation of a whole experiment, joined in one tidy table.

One row a point (step, training alpha, eta, ridge alpha, beta, lambda, d). At step 0 nothing was trained, so
the training's alpha and eta are null there and their grids collapse. A theory beside a simulation is taken at
the simulation's d, with the actual ratios n/d, n2/d, p/d, unless [ridge] names a d of its own.
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from asymptotics.error_budget import Validity
from asymptotics.experiment.columns import COORDINATES, coordinates, known
from asymptotics.experiment.grid import Experiment, Unit
from asymptotics.experiment.settings import Ridge, Simulation, Training
from asymptotics.floating import own_floating_state
from asymptotics.results import Risk
from hermite.errors import InputError

Row = dict[str, Any]
Progress = Callable[[str], None]

COLUMNS = (
    *COORDINATES,
    "test_error",
    "train_error",
    "excess_risk",
    "plateau",
    "solver",
    "validity",
    "validity_note",
)
SIMULATED = ("test_error", "test_error_sem", "train_error", "train_error_sem", "replicates", "d")
#: What rows of class labels have besides, in theory and (with standard errors) in simulation.
CLASSES = ("classification_error", "test_loss", "train_loss")


def silent(_message: str) -> None:
    """Progress that nobody reads."""


def paced(progress: Progress, seconds: float = 2.0) -> Progress:
    """``progress`` that speaks once in so many seconds, and not before the first of them are over."""
    last = time.monotonic()

    def tell(message: str) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            progress(message)

    return tell


#: Columns of a map of what training brings, or of the level.
OF_MAPS = ("random_features", "gain", "gain_error", "level")


@own_floating_state
def curve_rows(
    experiment: Experiment,
    simulate: bool = False,
    progress: Progress = silent,
    accuracy: float | None = None,
) -> list[Row]:
    """The rows of ``giantstep curve``; each has a ``simulation`` (null unless ``simulate``).

    ``accuracy``: as in :func:`asymptotics.risk`; default: that of the experiment.

    Raises ``InputError`` where no solver covers a point; beside a simulation the point is then kept with null
    theory and the reason as its ``validity_note``. So are points among others whose error is as large as the number.
    """
    if not simulate:
        found = _predicted_rows(experiment, list(_points(experiment)), paced(progress), accuracy)
        if all(row["validity"] == Validity.NONE for row in found):
            raise InputError(found[0]["validity_note"])
        return found
    rows: dict[tuple[Any, ...], Row] = {}
    units = list(experiment.units())
    for i, unit in enumerate(units):
        progress(f"simulating unit {i + 1} of {len(units)} (d = {unit.simulation.d})")
        for (training, ridge), measured in simulated_risks(experiment, unit).items():
            row = compared(experiment, training, ridge, unit.simulation, measured, progress, accuracy)
            rows.setdefault(_key(row), row)
    return list(rows.values())


def _predicted_rows(
    experiment: Experiment,
    points: Sequence[tuple[Training, Ridge]],
    tell: Progress,
    accuracy: float | None = None,
) -> list[Row]:
    """The rows of ``points`` without a simulation; a training's points are asked for together.

    Online SGD takes steps that depend on d: they are those of the file's [simulation], as in ``overlaps``.
    """
    points = [(training, _at_its_dimension(experiment, training, ridge)) for training, ridge in points]
    places: dict[Training, list[int]] = {}
    for i, (training, _) in enumerate(points):
        places.setdefault(training, []).append(i)
    rows: list[Row] = [{}] * len(points)
    done = 0
    for training, mine in places.items():
        found = theory_along(experiment, training, [points[i][1] for i in mine], accuracy)
        for i in mine:
            done += 1
            tell(f"theory of point {done} of {len(points)} (step {training.steps})")
            rows[i] = row_of(training, points[i][1], next(found))
    return rows


def _at_its_dimension(experiment: Experiment, training: Training, ridge: Ridge) -> Ridge:
    simulation = experiment.simulation_of(training)
    return ridge if simulation is None else beside(ridge, simulation)


def compared(
    experiment: Experiment,
    training: Training,
    ridge: Ridge,
    simulation: Simulation,
    measured: Risk,
    progress: Progress = silent,
    accuracy: float | None = None,
) -> Row:
    """The row of one measured point, with the theory beside it (null where no solver covers it)."""
    try:
        predicted = theory(experiment, training, beside(ridge, simulation), accuracy)
    except InputError as error:
        progress("no theory: " + " ".join(error.problems))
        predicted = no_theory(measured, " ".join(error.problems))
    return row_of(training, ridge, predicted, measured)


def theory(experiment: Experiment, training: Training, ridge: Ridge, accuracy: float | None = None) -> Risk:
    """The predicted errors at one point; infinite or (validity "none") unknown ones with their reason."""
    return next(theory_along(experiment, training, [ridge], accuracy))


def theory_along(
    experiment: Experiment, training: Training, ridges: Sequence[Ridge], accuracy: float | None = None
) -> Iterator[Risk]:
    """``theory`` at every ridge, as they are found."""
    from asymptotics.generalisation.errors import risk_outcomes

    outcomes = risk_outcomes(
        experiment.target, experiment.network, training, ridges, accuracy=accuracy, inputs=experiment.inputs
    )
    return (_told(training, ridge, found) for ridge, found in zip(ridges, outcomes, strict=True))


def theory_on_path(
    experiment: Experiment, points: Sequence[tuple[Training, Ridge]]
) -> Iterator[Risk | InputError]:
    """The theory at every point of a path along which training and ridge may change, or why there is none.

    Nothing is measured; what is expensive starts from its neighbour on the path.
    """
    from asymptotics.generalisation.errors import path_outcomes

    outcomes = path_outcomes(
        experiment.target, experiment.network, points, accuracy=0.0, inputs=experiment.inputs
    )
    for (training, ridge), outcome in zip(points, outcomes, strict=True):
        try:
            yield _told(training, ridge, outcome)
        except InputError as error:
            yield error


def _told(training: Training, ridge: Ridge, found: Risk | InputError) -> Risk:
    """``found``; raises what it refuses, but an infinite test error is a prediction, and none a row of a table."""
    from asymptotics.generalisation.meaning import InfiniteTestError, NoPrediction

    if isinstance(found, Risk):
        return found
    if isinstance(found, NoPrediction):
        return found.untold
    if not isinstance(found, InfiniteTestError):
        raise found
    # The fit goes through every sample.
    return Risk(
        test_error=math.inf,
        train_error=0.0,
        excess_risk=math.inf,
        step=training.steps,
        alpha=ridge.alpha,
        beta=ridge.beta,
        lam=ridge.lam,
        d=ridge.d,
        solver="interpolation threshold",
        validity=Validity.LEADING_ORDER,
        validity_note=" ".join(found.problems),
    )


def beside(ridge: Ridge, simulation: Simulation) -> Ridge:
    """``ridge`` for a theory that stands beside ``simulation``: at its d, unless the ridge has one."""
    return ridge if ridge.d is not None else replace(ridge, d=simulation.d)


def simulated_risks(experiment: Experiment, unit: Unit) -> dict[tuple[Training, Ridge], Risk]:
    """The measured errors of one unit, by (training, ridge): every step and lambda of the experiment."""
    from asymptotics.simulation.runner import simulate

    result = simulate(
        experiment.target,
        experiment.network,
        unit.training,
        unit.ridge,
        unit.simulation,
        steps=unit.steps,
        lambdas=unit.lambdas,
        inputs=experiment.inputs,
    )
    if result.interrupted:
        raise KeyboardInterrupt
    return {
        (replace(unit.training, steps=measured.step), replace(unit.ridge, lam=measured.lam)): measured
        for measured in result.risks
        if measured.lam is not None
    }


def _points(experiment: Experiment) -> Iterator[tuple[Training, Ridge]]:
    """The cells of the experiment, step 0 once for each ridge."""
    seen = set()
    for training, ridge in experiment.cells():
        key = (0 if training.steps == 0 else training, ridge)
        if key not in seen:
            seen.add(key)
            yield training, ridge


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells one point from another."""
    d = row["simulation"]["d"] if row["simulation"] else row["d"]
    return (*(row[k] for k in ("step", "alpha_train", "eta", "alpha", "beta", "lambda")), d)


def no_theory(measured: Risk, reason: str) -> Risk:
    """What stands beside ``measured`` where no theory does."""
    nan = float("nan")
    return replace(
        measured,
        test_error=nan,
        train_error=nan,
        excess_risk=nan,
        classification_error=None,
        test_loss=None,
        train_loss=None,
        plateau=None,
        solver="none",
        validity=Validity.NONE,
        validity_note=reason,
    )


def row_of(training: Training, ridge: Ridge, predicted: Risk, measured: Risk | None = None) -> Row:
    """One row of the table: the shared columns (experiment/columns.py), the theory, and the ``simulation`` beside it."""
    row: Row = coordinates(training, ridge) | {"n": predicted.n if training.steps else None}
    row |= {key: getattr(predicted, key) for key in COLUMNS[len(row) :]}
    row["error"] = predicted.error.to_dict()
    if predicted.by_cluster is not None:
        row["by_cluster"] = list(predicted.by_cluster)
    simulation = None if measured is None else {key: getattr(measured, key) for key in SIMULATED}
    if predicted.has_classes or (measured is not None and measured.has_classes):
        row |= {key: getattr(predicted, key) for key in CLASSES}
        if simulation is not None:
            simulation |= {key: getattr(measured, key) for name in CLASSES for key in (name, f"{name}_sem")}
    return known(row) | {"simulation": None if simulation is None else known(simulation)}


def to_csv(rows: Sequence[Mapping[str, Any]], dense: Sequence[Mapping[str, Any]] = ()) -> str:
    """The table as CSV: the columns of the JSON, those of ``simulation`` prefixed; null is empty.

    ``kind`` is "simulation" where something was measured, with the theory at that point beside it, and "theory" where there
    is theory alone: the points of the file and, after them, the ``dense`` ones of its lines. ``error`` is relative to the
    test error of the theory.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    # Tables of several experiments have a column more, and those of class labels and of clusters a few.
    head = ["experiment"] if rows and "experiment" in rows[0] else []
    classes = CLASSES if any(CLASSES[0] in row for row in rows) else ()
    more = [key for name in classes for key in (name, f"{name}_sem")]
    measured = (*SIMULATED, *more)
    clusters = max((len(row.get("by_cluster") or ()) for row in rows), default=0)
    mapped = [key for key in OF_MAPS if any(key in row for row in rows)]
    told = [*classes, *(f"test_error_cluster_{k + 1}" for k in range(clusters)), *mapped]
    writer.writerow([*head, "kind", *COLUMNS, "error", *told, *(f"simulation_{key}" for key in measured)])
    alone = {_place(row) for row in rows if not row["simulation"]}
    for row in [*rows, *(row for row in dense if _place(row) not in alone)]:
        simulation = row["simulation"] or dict.fromkeys(measured)
        kind = "simulation" if row["simulation"] else "theory"
        theory = [*(row[key] for key in COLUMNS), row["error"]["total"], *(row.get(key) for key in classes)]
        theory += row.get("by_cluster") or [None] * clusters
        theory += [row.get(key) for key in mapped]
        simulated = [simulation.get(key) for key in measured]
        writer.writerow([*(row[key] for key in head), kind, *theory, *simulated])
    return stream.getvalue()


def _place(row: Mapping[str, object]) -> tuple[object, ...]:
    """What a theory is at."""
    keys = ("experiment", "step", "alpha_train", "eta", "alpha", "beta", "lambda", "d")
    return tuple(row.get(key) for key in keys)
