"""Theory against simulation: a z-score a point, an allowance for finite size, one verdict.

A point is simulated at one or more sizes d_1 < … < d_K, R replicates each. With the gap g = simulation − theory
(at that d) and its standard error s, the fall of the gaps with d (finite_size.py) gives what a finite size explains
and the rest a, and

    z = a / sqrt(s_a² + e²),   s_a the error of a,   e the theory's own stated error (0 if none),

has Student's t distribution if the theory is right, which gives the point's p-value. With one size a is the gap
itself and there is no allowance, which the statement says.

*Verdict.* Points share data: the steps and lambdas of one unit of work are measured on the same trajectory, and
test and train errors on the same fit. The correlations are estimated from the replicates, and ``p_value`` is that of
Σ z² (z turned into normal scores) under the law that they give it (joint_test.py): uniform for a right theory. A theory
is refused where this p-value, or by Holm's procedure (Holm 1979) that of a point, is below ``LEVEL``/2, so that a right
one is refused at most with probability ``LEVEL``. Measurements that come as means alone have unknown correlations: the
verdict is then Holm's at ``LEVEL``, which holds whatever they are.

*Negative controls.* The same measurements beside theories at wrong settings (alpha or eta times a stated
factor), which must be refused. Where one is not, the experiment cannot tell, and agreement means little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from asymptotics.comparison.citations import bibtex
from asymptotics.comparison.curves import Progress, silent
from asymptotics.comparison.finite_size import RATES
from asymptotics.comparison.joined import (
    Altered,
    Measured,
    joined,
    measure_all,
    refuse_without_theory,
    with_sizes,
)
from asymptotics.comparison.judging import judge, too_few
from asymptotics.comparison.verdict import Control, ValidationReport
from asymptotics.experiment.grid import Experiment
from asymptotics.floating import own_floating_state
from hermite.errors import InputError

CONTROL_FACTOR = 1.5
"""How far off the settings of the negative controls are."""


@own_floating_state
def validate(
    experiment: Experiment,
    progress: Progress = silent,
    *,
    sizes: int = 3,
    rate: str = "auto",
    controls: float | None = None,
    data: object = None,
) -> ValidationReport:
    """Simulate every point of ``experiment``, or take your measurements of it, and judge the theory there.

    Compares the ridge fit's test and train errors, and, if the file has no [ridge] table, the overlaps
    instead.

    Parameters
    ----------
    sizes
        Simulate at d, d/2, d/4, …, so many sizes in all (fewer where they would be below 24), to estimate the
        allowance for finite size. A file with several ``simulation.d`` is taken at these.
    rate
        The gap is extrapolated in "1/d" or "1/sqrt(d)"; "auto" takes what fits three sizes or more better.
    controls
        Also judge theories whose alpha or eta are off by this factor (not 1); they must be refused.

    data
        Your own measurements in place of a simulation: a pandas DataFrame, or a CSV file (own_data.py has the columns).

    Points without a finite prediction are not judged, and said to be so. Raises ``InputError`` with fewer than 3 replicates,
    or where no theory covers any point.
    """
    if data is not None:
        from asymptotics.comparison.own_data import measured_by_user

        return examine(experiment, measured_by_user(experiment, data), progress, rate=rate, controls=controls)
    _check(experiment, sizes, rate, controls)
    experiment = with_sizes(experiment, int(sizes))
    refuse_without_theory(experiment)
    return examine(experiment, measure_all(experiment, progress), progress, rate=rate, controls=controls)


@own_floating_state
def examine(
    experiment: Experiment,
    measured: Sequence[Measured],
    progress: Progress = silent,
    *,
    rate: str = "auto",
    controls: float | None = None,
) -> ValidationReport:
    """``validate`` of what was measured already."""
    left_out: list[str] = []
    rows = joined(experiment, measured, left_out=left_out)
    for sentence in left_out:
        progress(f"not judged: {sentence}")
    report = replace(judge(rows, rate), citations=bibtex(experiment), left_out=tuple(left_out))
    if controls is None:
        return report
    # The rate is that of the right theory: a wrong one must not choose the line that excuses it.
    rate = report.finite_size or rate
    found = []
    for altered in alterations(experiment, controls):
        progress(f"negative control: {altered.table}.{altered.key} times {altered.factor:g}")
        beside = joined(experiment, measured, altered, limits=False)
        if not beside:
            # It predicts no finite error anywhere, and finite ones were measured.
            found.append(Control(f"{altered.table}.{altered.key}", altered.factor, True, math.inf, math.inf))
            continue
        wrong = judge(beside, rate)
        enough = None if not wrong.agrees else enough_replicates(rows, beside, rate)
        setting = f"{altered.table}.{altered.key}"
        found.append(Control(setting, altered.factor, not wrong.agrees, wrong.rms_z, wrong.max_abs_z, enough))
    return replace(report, controls=tuple(found))


#: Replicates that are thought of, and how much larger than expected the standard errors may turn out.
_MOST_REPLICATES, _MARGIN = 1e6, 4 / 3


def enough_replicates(
    right: Sequence[Mapping[str, Any]], wrong: Sequence[Mapping[str, Any]], rate: str = "auto"
) -> int | None:
    """Replicates at which the theory of the rows ``wrong`` would be refused if that of ``right`` were true.

    The measurements stand where the right theory has them, with the standard errors of the simulation times
    √(R/R'), and a margin of a third for their own chance; the smallest R' on a grid of ratio 5/4 that refuses. None where
    even a million would not.
    """
    told = {_point(one): one["theory"] for one in right}
    rows = [dict(other) | {"simulation": told[_point(other)]} for other in wrong if _point(other) in told]
    count = float(max(row["replicates"] for row in rows))
    while count < _MOST_REPLICATES:
        count *= 1.25
        scaled = [
            row
            | {
                "replicates": math.ceil(count),
                "sem": _MARGIN * row["sem"] * math.sqrt(row["replicates"] / count),
            }
            for row in rows
        ]
        if not judge(scaled, rate).agrees:
            return math.ceil(count)
    return None


#: Columns of a row that say what was found at its point.
_FOUND = (
    "theory",
    "theory_limit",
    "simulation",
    "sem",
    "replicates",
    "validity",
    "error",
    "unit",
    "runs",
    "rounding",
)


def _point(row: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The point of a row: its quantity and coordinates."""
    return tuple((key, value) for key, value in row.items() if key not in _FOUND)


def _check(experiment: Experiment, sizes: int, rate: str, controls: float | None) -> None:
    problems = []
    few = min(s.replicates for s in experiment.simulations)
    if few < 3:
        problems.append(too_few(few))
    if not 1 <= sizes <= 5:
        problems.append(f"sizes must be 1 to 5, not {sizes}.")
    if rate not in ("auto", *RATES):
        problems.append(f"rate must be auto, {' or '.join(RATES)}, not {rate!r}.")
    if controls is not None and not (math.isfinite(controls) and controls > 0 and controls != 1):
        problems.append(f"controls must be a positive factor other than 1, not {controls:g}.")
    if problems:
        raise InputError(problems)


def alterations(experiment: Experiment, factor: float) -> list[Altered]:
    """The wrong theories that ``experiment`` should tell from the right one."""
    trained = max(experiment.steps) > 0
    keys = [("training", "alpha"), ("training", "eta")] if trained else []
    keys += [("ridge", "alpha")] if experiment.has_ridge else []
    return [Altered(table, key, factor) for table, key in keys]
