"""Theory against simulation: a z-score a point, one verdict.

For a point with prediction m (at the simulation's d), mean x̄ over R replicates and standard error s,

    z = (x̄ − m) / sqrt(s² + e²),   e the theory's own stated error (0 if none),

has Student's t distribution with R − 1 degrees of freedom if the theory is right, which gives the point's
p-value.

*Verdict.* Points share data: the steps and lambdas of one unit of work are measured on the same trajectory,
and test and train errors on the same fit. So the verdict is Holm's procedure (Holm 1979), which bounds the
chance to refuse a true theory by ``LEVEL`` whatever the correlations. ``p_value`` is that of Σ z² against a
chi-square law with one degree of freedom a point, z turned into normal scores first; it treats the points as
independent, so correlated points make it too small or too large: it is a description, not the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asymptotics.curves import Progress, beside, silent, simulated_risks, theory
from asymptotics.experiment import Experiment
from asymptotics.results import Risk, StepOverlaps, plain
from asymptotics.trajectories import predict, runs
from hermite.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.01
"""Family-wise chance that a true theory is said to disagree."""

Row = dict[str, Any]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ValidationReport:
    """``verdict`` ("agrees" or "disagrees"), how many ``points``, their z-scores in short, and ``rows``.

    A row: ``quantity``, the point's coordinates, ``theory`` (at the simulation's d), ``theory_limit``
    (d → infinity, null if it has none), ``simulation``, ``sem``, ``replicates``, ``z``,
    ``p_value``, ``rejected`` (by Holm).
    """

    verdict: str
    points: int
    rms_z: float
    max_abs_z: float
    p_value: float
    rows: tuple[Row, ...]

    @property
    def agrees(self) -> bool:
        """Whether no point is rejected."""
        return self.verdict == "agrees"

    def to_dict(self) -> dict[str, Any]:
        """The report as the command's JSON."""
        keys = ("verdict", "points", "rms_z", "max_abs_z", "p_value", "rows")
        result: dict[str, Any] = plain({key: getattr(self, key) for key in keys})
        return result

    def to_frame(self) -> pd.DataFrame:
        """One row a point."""
        import pandas as pd

        return pd.DataFrame(list(self.rows))

    def plot(self, ax: Any = None) -> Any:
        """z-scores point by point; returns the Axes."""
        from asymptotics.figures import plot_residuals

        return plot_residuals(self.rows, ax=ax)

    def __repr__(self) -> str:
        return (
            f"ValidationReport({self.verdict}: {self.points} points, rms z {self.rms_z:.2f}, "
            f"max |z| {self.max_abs_z:.2f}, p-value {self.p_value:.2g})"
        )


def validate(experiment: Experiment, progress: Progress = silent) -> ValidationReport:
    """Simulate every point of ``experiment`` and judge the theory there.

    Compares the ridge fit's test and train errors, and, if the file has no [ridge] table, the overlaps
    instead. Raises ``InputError`` with fewer than 3 replicates, or where no theory covers a point.
    """
    if any(s.replicates < 3 for s in experiment.simulations):
        few = min(s.replicates for s in experiment.simulations)
        raise InputError(
            f"simulation.replicates must be at least 3 to validate (a standard error), not {few}."
        )
    rows = list(
        _error_rows(experiment, progress) if experiment.has_ridge else _overlap_rows(experiment, progress)
    )
    return judge(rows)


def judge(rows: Sequence[Mapping[str, Any]]) -> ValidationReport:
    """The verdict on rows that have ``theory``, ``simulation``, ``sem``, ``replicates`` (and
    ``theory_error``).
    """
    if not rows:
        raise InputError("There is no point to validate: no theory and simulation share one.")
    from scipy import stats

    z = np.array([_z(row) for row in rows])
    freedom = np.array([row["replicates"] - 1 for row in rows])
    p = np.asarray(2 * stats.t.sf(np.abs(z), freedom))
    rejected = holm(p, LEVEL)
    # Normal scores: a t with few degrees of freedom has heavier tails than the chi-square law allows for.
    scores = stats.norm.isf(np.maximum(p, 1e-300) / 2)
    judged = [
        dict(row) | {"z": float(z[i]), "p_value": float(p[i]), "rejected": bool(rejected[i])}
        for i, row in enumerate(rows)
    ]
    return ValidationReport(
        verdict="disagrees" if rejected.any() else "agrees",
        points=len(rows),
        rms_z=float(np.sqrt(np.mean(z**2))),
        max_abs_z=float(np.abs(z).max()),
        p_value=float(stats.chi2.sf(float(np.sum(scores**2)), len(rows))),
        rows=tuple(judged),
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


def _z(row: Mapping[str, Any]) -> float:
    gap = row["simulation"] - row["theory"]
    scale = math.hypot(row["sem"], row.get("theory_error") or 0.0)
    if not math.isfinite(gap):
        raise InputError(f"{row['quantity']} has no finite theory and simulation to compare.")
    # A quantity that is fixed by construction varies by rounding only.
    rounding = 1e-6 * max(1.0, abs(row["theory"]))
    return float(gap / max(scale, rounding))


def _error_rows(experiment: Experiment, progress: Progress) -> Iterable[Row]:
    """Test and train error of every point of the sweep."""
    units = list(experiment.units())
    seen = set()
    for i, unit in enumerate(units):
        progress(f"simulating unit {i + 1} of {len(units)} (d = {unit.simulation.d})")
        for (training, ridge), measured in simulated_risks(experiment, unit).items():
            point = {
                "step": training.steps,
                "alpha_train": training.alpha if training.steps else None,
                "eta": training.eta if training.steps else None,
                "alpha": ridge.alpha,
                "beta": ridge.beta,
                "lambda": ridge.lam,
                "d": unit.simulation.d,
            }
            if tuple(point.values()) in seen:
                continue
            seen.add(tuple(point.values()))
            predicted = theory(experiment, training, beside(ridge, unit.simulation))
            limit = _or_none(lambda: theory(experiment, training, replace(ridge, d=None)))  # noqa: B023
            for quantity in ("test_error", "train_error"):
                yield {"quantity": quantity} | point | _pair(quantity, predicted, limit, measured)


def _pair(quantity: str, predicted: Risk, limit: Risk | None, measured: Risk) -> Row:
    return {
        "theory": getattr(predicted, quantity),
        "theory_limit": None if limit is None else getattr(limit, quantity),
        "simulation": getattr(measured, quantity),
        "sem": getattr(measured, f"{quantity}_sem"),
        "replicates": measured.replicates,
        "validity": predicted.validity,
    }


def _overlap_rows(experiment: Experiment, progress: Progress) -> Iterable[Row]:
    """Risk, norms and overlaps of every entry after each step ≥ 1 of every run."""
    for run in runs(experiment, simulate=True, progress=progress):
        assert run.measured is not None
        limit = _or_none(lambda: predict(experiment, run.training))  # noqa: B023
        for i in range(1, len(run.theory.steps)):
            point = {
                "step": i,
                "alpha_train": run.training.alpha,
                "eta": run.training.eta,
                "d": run.measured.d,
            }
            many = experiment.network.width == "infinite"
            limits = {} if limit is None else _quantities(limit.steps[i], many)
            means = _quantities(run.measured.steps[i], many)
            errors = _quantities(_standard_errors(run.measured.steps[i]), many)
            for quantity, value in _quantities(run.theory.steps[i], many).items():
                if quantity not in means:
                    continue
                comparison = {
                    "theory": value,
                    "theory_limit": limits.get(quantity),
                    "simulation": means[quantity],
                    "sem": errors[quantity],
                    "replicates": run.measured.replicates,
                    "validity": run.theory.validity,
                }
                yield {"quantity": quantity} | point | comparison


def _quantities(step: StepOverlaps, many: bool) -> dict[str, float]:
    """``risk``, ``norm2[…]`` and ``M_m[…]`` for every direction m, from 1.

    […] is the neuron, from 1, at fixed width, and the readout for many neurons, where entries of one readout (nodes
    of the bias) are averaged. Readouts on quadrature nodes have no counterpart in a simulation.
    """
    named = {"risk": float(step.risk)}
    keys = [f"ã={a:.6g}" for a in step.readout] if many else [f"{g + 1}" for g in range(len(step.readout))]
    for key in dict.fromkeys(keys):
        member = np.array([k == key for k in keys])
        share = np.where(member, step.weight, 0.0) / np.sum(step.weight[member])
        named[f"norm2[{key}]"] = float(share @ step.norm2)
        named |= {f"M_{m + 1}[{key}]": float(share @ step.M[:, m]) for m in range(step.M.shape[1])}
    return named


def _standard_errors(step: StepOverlaps) -> StepOverlaps:
    """The same entries with standard errors in the place of means."""
    assert step.risk_sem is not None
    assert step.norm2_sem is not None
    assert step.M_sem is not None
    return replace(step, risk=step.risk_sem, norm2=step.norm2_sem, M=step.M_sem)


def _or_none(compute: Any) -> Any:
    """The d → infinity value, or None where there is none (a Gaussian readout, the finite regime)."""
    try:
        return compute()
    except InputError:
        return None
