"""Theory against simulation: a z-score a point, an allowance for finite size, one verdict.

A point is simulated at one or more sizes d_1 < … < d_K, R replicates each. With the gap g = simulation − theory
(at that d) and its standard error s, the fall of the gaps with d (finite_size.py) gives what a finite size explains
and the rest a, and

    z = a / sqrt(s_a² + e²),   s_a the error of a,   e the theory's own stated error (0 if none),

has Student's t distribution if the theory is right, which gives the point's p-value. With one size a is the gap
itself and there is no allowance, which the statement says.

*Verdict.* Points share data: the steps and lambdas of one unit of work are measured on the same trajectory,
and test and train errors on the same fit. So the verdict is Holm's procedure (Holm 1979), which bounds the
chance to refuse a true theory by ``LEVEL`` whatever the correlations. ``p_value`` is that of Σ z² against a
chi-square law with one degree of freedom a point, z turned into normal scores first; it treats the points as
independent, so correlated points make it too small or too large: it is a description, not the verdict.

*Negative controls.* The same measurements beside theories at wrong settings (alpha or eta times a stated
factor), which must be refused. Where one is not, the experiment cannot tell, and agreement means little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asymptotics.comparison.curves import Progress, silent
from asymptotics.comparison.finite_size import RATES, Spread, choose_rate, extrapolate, spread_of_slopes
from asymptotics.comparison.joined import (
    Altered,
    Measured,
    Row,
    joined,
    measure_all,
    refuse_without_theory,
    with_sizes,
)
from asymptotics.experiment.grid import Experiment
from asymptotics.frozen import Frozen
from asymptotics.json_values import plain
from hermite.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.01
"""Family-wise chance that a true theory is said to disagree."""
CONTROL_FACTOR = 1.5
"""How far off the settings of the negative controls are."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Control(Frozen):
    """The verdict on a theory whose ``setting`` was multiplied by ``factor``: it must be ``refused``."""

    setting: str
    factor: float
    refused: bool
    rms_z: float
    max_abs_z: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return dict(vars(self))


@dataclass(frozen=True, eq=False)
class ValidationReport(Frozen):
    """``verdict`` ("agrees" or "disagrees"), how many ``points``, their z-scores in short, and ``rows``.

    A row: ``quantity``, the point's coordinates, ``theory`` (at the largest simulated ``d``), ``theory_limit``
    (d → infinity, null if it has none), ``simulation``, ``sem``, ``replicates``, ``allowance`` (the part of
    the gap that a finite size explains; null with one size), ``z``, ``z_raw`` (without the allowance),
    ``p_value``, ``rejected`` (by Holm), ``sizes`` (the same at every d). ``finite_size``: the rate of the
    extrapolation, or null.
    """

    verdict: str
    points: int
    rms_z: float
    max_abs_z: float
    p_value: float
    rows: tuple[Row, ...]
    finite_size: str | None = None
    controls: tuple[Control, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether no point is rejected."""
        return self.verdict == "agrees"

    @property
    def conclusive(self) -> bool:
        """Whether every negative control was refused (true without controls)."""
        return all(control.refused for control in self.controls)

    @property
    def statement(self) -> str:
        """The verdict in one sentence, such as "agrees: 40 points, rms z 1.05, largest 2.6, p = 0.4"."""
        numbers = f"{self.points} points, rms z {self.rms_z:.2f}, largest {self.max_abs_z:.1f}, p = {self.p_value:.2g}"
        if self.agrees:
            return f"agrees: {numbers}"
        refused = sorted((row for row in self.rows if row["rejected"]), key=lambda row: -abs(row["z"]))
        worst = "; ".join(f"{place(row)} (z = {row['z']:+.1f})" for row in refused[:3])
        more = f" and {len(refused) - 3} more" if len(refused) > 3 else ""
        return f"disagrees at {worst}{more}: {numbers}"

    def to_dict(self) -> dict[str, Any]:
        """The report as the command's JSON."""
        keys = (
            "verdict",
            "statement",
            "points",
            "rms_z",
            "max_abs_z",
            "p_value",
            "finite_size",
            "conclusive",
        )
        document = {key: getattr(self, key) for key in keys}
        document["controls"] = [control.to_dict() for control in self.controls]
        result: dict[str, Any] = plain(document | {"rows": self.rows})
        return result

    def to_frame(self) -> pd.DataFrame:
        """One row a point."""
        import pandas as pd

        return pd.DataFrame([{k: v for k, v in row.items() if k != "sizes"} for row in self.rows])

    def plot(self, ax: Any = None) -> Any:
        """z-scores point by point; returns the Axes."""
        from asymptotics.figures.residual_figure import plot_residuals

        return plot_residuals(self.rows, ax=ax)

    def __repr__(self) -> str:
        return f"ValidationReport({self.statement})"


def place(row: Mapping[str, Any]) -> str:
    """Where a row stands, in words: its quantity and coordinates."""
    names = ("step", "alpha_train", "eta", "alpha", "beta", "lambda", "d")
    where = ", ".join(f"{name} = {row[name]:g}" for name in names if row.get(name) is not None)
    return f"{row['quantity']} at {where}" if where else str(row["quantity"])


def validate(
    experiment: Experiment,
    progress: Progress = silent,
    *,
    sizes: int = 3,
    rate: str = "auto",
    controls: float | None = None,
) -> ValidationReport:
    """Simulate every point of ``experiment`` and judge the theory there.

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

    Raises ``InputError`` with fewer than 3 replicates, or where no theory covers a point.
    """
    _check(experiment, sizes, rate, controls)
    experiment = with_sizes(experiment, sizes)
    refuse_without_theory(experiment)
    return examine(experiment, measure_all(experiment, progress), progress, rate=rate, controls=controls)


def examine(
    experiment: Experiment,
    measured: Sequence[Measured],
    progress: Progress = silent,
    *,
    rate: str = "auto",
    controls: float | None = None,
) -> ValidationReport:
    """``validate`` of what was measured already."""
    report = judge(joined(experiment, measured), rate)
    if controls is None:
        return report
    # The rate is that of the right theory: a wrong one must not choose the line that excuses it.
    rate = report.finite_size or rate
    found = []
    for altered in alterations(experiment, controls):
        progress(f"negative control: {altered.table}.{altered.key} times {altered.factor:g}")
        wrong = judge(joined(experiment, measured, altered, limits=False), rate)
        found.append(
            Control(
                f"{altered.table}.{altered.key}",
                altered.factor,
                not wrong.agrees,
                wrong.rms_z,
                wrong.max_abs_z,
            )
        )
    return replace(report, controls=tuple(found))


def _check(experiment: Experiment, sizes: int, rate: str, controls: float | None) -> None:
    problems = []
    few = min(s.replicates for s in experiment.simulations)
    if few < 3:
        problems.append(_too_few(few))
    if not 1 <= sizes <= 5:
        problems.append(f"sizes must be 1 to 5, not {sizes}.")
    if rate not in ("auto", *RATES):
        problems.append(f"rate must be auto, {' or '.join(RATES)}, not {rate!r}.")
    if controls is not None and not (math.isfinite(controls) and controls > 0 and controls != 1):
        problems.append(f"controls must be a positive factor other than 1, not {controls:g}.")
    if problems:
        raise InputError(problems)


def _too_few(replicates: int) -> str:
    return f"simulation.replicates must be at least 3 to validate (a standard error), not {replicates}."


def alterations(experiment: Experiment, factor: float) -> list[Altered]:
    """The wrong theories that ``experiment`` should tell from the right one."""
    trained = max(experiment.steps) > 0
    keys = [("training", "alpha"), ("training", "eta")] if trained else []
    keys += [("ridge", "alpha")] if experiment.has_ridge else []
    return [Altered(table, key, factor) for table, key in keys]


def judge(rows: Sequence[Mapping[str, Any]], rate: str = "auto") -> ValidationReport:
    """The verdict on rows that have ``theory``, ``simulation``, ``sem``, ``replicates`` (and
    ``theory_error``).

    Rows that differ in ``d`` alone are sizes of one point.
    """
    if not rows:
        raise InputError("There is no point to validate: no theory and simulation share one.")
    from scipy import stats

    points = [_Point(group) for group in _by_point(rows)]
    name = choose_rate([point.measured for point in points], rate)
    several = any(len(point.sizes) > 1 for point in points)
    families = {point.family: None for point in points}
    spreads = {
        family: spread_of_slopes([p.measured for p in points if p.family == family], RATES[name])
        for family in families
    }
    scored = [point.scored(name, spreads[point.family]) for point in points]
    z = np.array([row["z"] for row in scored])
    freedom = np.array([row.pop("freedom") for row in scored])
    p = np.asarray(2 * stats.t.sf(np.abs(z), freedom))
    rejected = holm(p, LEVEL)
    # Normal scores: a t with few degrees of freedom has heavier tails than the chi-square law allows for.
    scores = stats.norm.isf(np.maximum(p, 1e-300) / 2)
    judged = [row | {"p_value": float(p[i]), "rejected": bool(rejected[i])} for i, row in enumerate(scored)]
    return ValidationReport(
        verdict="disagrees" if rejected.any() else "agrees",
        points=len(judged),
        rms_z=float(np.sqrt(np.mean(z**2))),
        max_abs_z=float(np.abs(z).max()),
        p_value=float(stats.chi2.sf(float(np.sum(scores**2)), len(judged))),
        rows=tuple(judged),
        finite_size=name if several else None,
    )


def holm(p: Array, level: float) -> npt.NDArray[np.bool_]:
    """Which of the hypotheses with p-values ``p`` Holm's step-down procedure rejects at family-wise
    ``level``.
    """
    order = np.argsort(p, kind="stable")
    passed = p[order] <= level / (len(p) - np.arange(len(p)))
    rejected = np.zeros(len(p), dtype=bool)
    rejected[order] = np.logical_and.accumulate(passed)
    return rejected


_NUMBERS = ("theory", "theory_limit", "theory_error", "simulation", "sem", "replicates", "validity")


def _by_point(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Rows that differ in d alone (and in what was found there), together; a row without d stands alone."""
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for i, row in enumerate(rows):
        key = tuple((k, v) for k, v in row.items() if k not in _NUMBERS and k != "d")
        groups.setdefault(key if row.get("d") is not None else i, []).append(row)
    return list(groups.values())


class _Point:
    """One point at all of its sizes, smallest first."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows = sorted(rows, key=lambda row: row.get("d") or 0)
        self.sizes = [row.get("d") or 1 for row in self.rows]
        self.gaps = np.array([row["simulation"] - row["theory"] for row in self.rows], dtype=np.float64)
        self.sems = np.array([row["sem"] for row in self.rows], dtype=np.float64)
        if not np.isfinite(self.gaps).all():
            raise InputError(f"{rows[0]['quantity']} has no finite theory and simulation to compare.")
        few = min(row["replicates"] for row in self.rows)
        if few < 3:
            raise InputError(_too_few(few))

    @property
    def family(self) -> str:
        """The quantity without the neuron: what shares the size of its finite-size terms."""
        return str(self.rows[0]["quantity"]).partition("[")[0]

    @property
    def measured(self) -> tuple[list[int], Array, Array]:
        """Sizes, gaps and standard errors."""
        return self.sizes, self.gaps, self.sems

    def scored(self, rate: str, spread: Spread) -> Row:
        """The row of the largest size with z, z_raw, allowance and degrees of freedom."""
        last = self.rows[-1]
        replicates = [row["replicates"] for row in self.rows]
        rest = extrapolate(*self.measured, replicates, RATES[rate], spread)
        own = last.get("theory_error") or 0.0
        # A quantity that is fixed by construction varies by rounding only.
        rounding = 1e-6 * max(1.0, abs(last["theory"])) * float(np.abs(rest.weights).sum())
        row = dict(last) | {
            "allowance": None if len(self.rows) == 1 else float(self.gaps[-1]) - rest.value,
            "z": rest.value / max(math.hypot(rest.error, own), rounding),
            "z_raw": float(self.gaps[-1]) / max(math.hypot(float(self.sems[-1]), own), rounding),
            "freedom": rest.freedom,
        }
        if len(self.rows) > 1:
            keys = ("d", "theory", "simulation", "sem", "replicates")
            row["sizes"] = [{key: size[key] for key in keys} for size in self.rows]
        return row
