"""A user's own measurements as points that the theory is judged at.

A table has columns as ours have: ``step``, ``alpha_train``, ``eta``, ``alpha``, ``beta``, ``lambda``, ``d``; one that is
missing has the file's value (which must be one, not a grid; a d that the file does not give must be a column, for the default
was hardly measured), and counts do as well as ratios: ``n`` for alpha_train, ``n2`` for alpha, ``p`` for beta. What was
measured is ``test_error``, ``train_error`` or both (columns with the prefix ``simulation_``, as in the CSV of
``giantstep curve --simulate``, win over the theory's of the same name), and either

* one row a point, with standard errors ``test_error_sem``, ``train_error_sem`` and, where they were estimated, from how
  many ``replicates`` (absent: the standard errors count as known), or
* one row a run, at least 3 of each point: means and standard errors are taken here.

Rows whose ``kind`` is "theory", as that CSV has them, are passed over.

How points are correlated is not known of such a table: the verdict is Holm's, which holds whatever they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asymptotics.comparison.joined import Measured, MeasuredRisk
from asymptotics.error_budget import Validity
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.points import values
from asymptotics.experiment.settings import Ridge, Simulation, Training
from asymptotics.learning.class_labels import irreducible
from asymptotics.results import Risk
from hermite.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

QUANTITIES = ("test_error", "train_error")
#: Replicates of a standard error that counts as known.
KNOWN = 1_000_000
#: column → (table of the experiment, field, the count that stands for it)
_SETTINGS = {
    "step": ("trainings", "steps", None),
    "batch_exponent": ("trainings", "batch_exponent", None),
    "alpha_train": ("trainings", "alpha", "n"),
    "eta": ("trainings", "eta", None),
    "alpha": ("ridges", "alpha", "n2"),
    "beta": ("ridges", "beta", "p"),
    "lambda": ("ridges", "lam", None),
    "d": ("simulations", "d", None),
}


def measured_by_user(experiment: Experiment, data: Any) -> list[Measured]:
    """The points of ``data``, a DataFrame or the path of a CSV file (lines that begin with # are skipped).

    Raises ``InputError`` for what cannot be read, columns that are missing, and rows that no standard error can come from.
    """
    frame = _numbers(_read(data) if isinstance(data, (str, Path)) else _frame(data))
    present = [q for q in QUANTITIES if q in frame.columns]
    if not present:
        raise InputError(
            "The data need a column test_error or train_error (or simulation_test_error, ...); they have "
            f"{', '.join(map(str, frame.columns)) or 'none'}."
        )
    place = _coordinates(experiment, frame)
    errors = [q for q in present if f"{q}_sem" in frame.columns]
    if errors and errors != present:
        raise InputError(
            f"The data have {errors[0]}_sem but not {'_sem, '.join(set(present) - set(errors))}_sem."
        )
    frame = frame.assign(**place)
    keys = list(_SETTINGS)
    # At step 0 nothing was trained: these are null there and do not tell points apart.
    frame.loc[frame["step"] == 0, ["alpha_train", "eta"]] = math.nan
    found: list[Measured] = []
    for _, rows in frame.groupby(keys, dropna=False, sort=False):
        found.append(_point(experiment, rows, present, bool(errors)))
    return found


def _read(path: str | Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path, comment="#", skipinitialspace=True)
    except OSError as error:
        raise InputError(f"Cannot read the data {str(path)!r}: {error.strerror or error}.") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(
            f"The data {str(path)!r} are no CSV table: {' '.join(str(error).split())}."
        ) from None


def _frame(data: object) -> pd.DataFrame:
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    raise InputError(f"data must be a pandas DataFrame or the path of a CSV file, not {type(data).__name__}.")


def _numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that count, as numbers, ``simulation_`` taken off; names of columns without the blanks around them."""
    import pandas as pd

    frame = frame.reset_index(drop=True).rename(columns=lambda name: str(name).strip())
    if "kind" in frame.columns:
        # Of a table of giantstep's own: what was measured, not the lines of the theory.
        frame = frame[frame["kind"] != "theory"].reset_index(drop=True)
    prefixed = [name for name in frame.columns if name.startswith("simulation_")]
    if prefixed:
        # The columns of the same name are the theory's.
        stems = {name: name.removeprefix("simulation_") for name in prefixed}
        theory = [q for q in frame.columns if q in stems.values() or q in QUANTITIES]
        frame = frame.drop(columns=theory).rename(columns=stems)
    if frame.columns.has_duplicates:
        raise InputError(f"The data have a column twice: {frame.columns[frame.columns.duplicated()][0]}.")
    if not len(frame):
        raise InputError("The data have no row.")
    wanted = {*_SETTINGS, "n", "n2", "p", "replicates", *QUANTITIES, *(f"{q}_sem" for q in QUANTITIES)}
    out = {}
    for name in frame.columns:
        if name not in wanted:
            continue
        column = pd.to_numeric(frame[name], errors="coerce").astype(float)
        bad = column.isna() & frame[name].notna()
        if bad.any():
            row = int(np.argmax(bad.to_numpy()))
            raise InputError(f"{name} must be numbers, not {frame[name][row]!r} (row {row + 1} of the data).")
        out[name] = column
    return pd.DataFrame(out)


def _coordinates(experiment: Experiment, frame: pd.DataFrame) -> dict[str, Any]:
    """A column for every setting: of the data, from their counts, or the one value of the file."""
    _refuse_unknown_dimension(experiment, frame)
    found: dict[str, Any] = {}
    missing = []
    for name, (table, field, count) in reversed(_SETTINGS.items()):
        known = values(getattr(experiment, table), field)
        if name in frame.columns:
            found[name] = frame[name]
        elif count is not None and count in frame.columns:
            # d and the batch exponent come last in the table of settings, so they are known by now.
            power = found["d"] if count != "n" else found["d"] ** _exponent(experiment, frame)
            found[name] = frame[count] / power
        elif len(known) == 1:
            found[name] = known[0]
        else:
            missing.append(name if count is None else f"{name} (or {count})")
    if missing:
        raise InputError(
            f"The data need a column {', '.join(reversed(missing))}: the experiment has several values of it."
        )
    return found


def _refuse_unknown_dimension(experiment: Experiment, frame: pd.DataFrame) -> None:
    """Neither the data nor the experiment says d: sizes n/d, and what is left out at finite d, would be those of another."""
    default = values(experiment.simulations, "d") == (Simulation().d,)
    if "d" not in frame.columns and default and not experiment.has_d:
        raise InputError(
            "The data need a column d, or the experiment simulation.d: neither says at which dimension was measured."
        )


def _exponent(experiment: Experiment, frame: pd.DataFrame) -> Any:
    if "batch_exponent" in frame.columns:
        return frame["batch_exponent"]
    return values(experiment.trainings, "batch_exponent")[0]


def _point(experiment: Experiment, rows: pd.DataFrame, present: list[str], given: bool) -> MeasuredRisk:
    """One point of the table, its settings checked as those of a file are."""
    first = rows.iloc[0]
    where = ", ".join(f"{k} = {first[k]:g}" for k in _SETTINGS if not math.isnan(first[k]))
    if given and len(rows) > 1:
        raise InputError(f"The data have {len(rows)} rows with standard errors at {where}; one is meant.")
    numbers = {q: _summary(rows, q, given, where) for q in present}
    count = (
        int(first["replicates"]) if "replicates" in rows and not math.isnan(first["replicates"]) else KNOWN
    )
    training, ridge, simulation = _settings(experiment, first, count if given else len(rows))
    missing = (math.nan, None)
    test, train = (numbers.get(q, missing) for q in QUANTITIES)
    risk = Risk(
        test_error=test[0],
        train_error=train[0],
        excess_risk=test[0] - irreducible(experiment.target),
        step=training.steps,
        alpha=ridge.alpha,
        beta=ridge.beta,
        lam=ridge.lam,
        d=simulation.d,
        solver="your data",
        validity=Validity.SIMULATION,
        test_error_sem=test[1],
        train_error_sem=train[1],
        replicates=simulation.replicates,
    )
    return MeasuredRisk(training, ridge, simulation, risk)


def _summary(rows: pd.DataFrame, quantity: str, given: bool, where: str) -> tuple[float, float]:
    """(mean, standard error) of one quantity of one point."""
    numbers = rows[quantity]
    if not numbers.map(math.isfinite).all():
        raise InputError(f"{quantity} must be finite in every row of the data; it is not at {where}.")
    if given:
        sem = float(rows[f"{quantity}_sem"].to_numpy()[0])
        if not (math.isfinite(sem) and sem > 0):
            raise InputError(f"{quantity}_sem must be greater than 0, not {sem:g} (at {where}).")
        return float(numbers.iloc[0]), sem
    if len(rows) < 3:
        raise InputError(
            f"The data need at least 3 runs of a point, or a column {quantity}_sem; there are {len(rows)} at {where}."
        )
    return float(numbers.mean()), float(numbers.std(ddof=1) / math.sqrt(len(rows)))


def _settings(
    experiment: Experiment, row: Mapping[str, Any] | Any, replicates: int
) -> tuple[Training, Ridge, Simulation]:
    """The point as settings; raises ``InputError`` with the rule that a number of the data breaks."""
    counts = {}
    for name in ("step", "d"):
        if not float(row[name]).is_integer():
            raise InputError(f"{name} must be a whole number in every row of the data, not {row[name]:g}.")
        counts[name] = int(row[name])
    training = replace(
        experiment.trainings[0], steps=counts["step"], batch_exponent=float(row["batch_exponent"])
    )
    if counts["step"]:
        training = replace(training, alpha=float(row["alpha_train"]), eta=float(row["eta"]))
    ridge = replace(
        experiment.ridges[0], alpha=float(row["alpha"]), beta=float(row["beta"]), lam=float(row["lambda"])
    )
    simulation = replace(experiment.simulations[0], d=counts["d"], replicates=replicates)
    if counts["d"] < experiment.target.r:
        raise InputError(
            f"d must be at least {experiment.target.r} in every row of the data, not {counts['d']}."
        )
    return training, ridge, simulation
