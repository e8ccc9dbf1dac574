"""The judge: z-scores of rows of theory and simulation, one p-value for all of them, the verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.comparison.finite_size import RATES, extrapolate, possible_rates
from asymptotics.comparison.joint_test import Correlated, effective_number, tail_of_squares
from asymptotics.comparison.verdict import LEVEL, Row, ValidationReport
from hermite.errors import InputError

Array = npt.NDArray[np.float64]


def judge(rows: Sequence[Mapping[str, object]], rate: str = "auto") -> ValidationReport:
    """The verdict on rows that have ``theory``, ``simulation``, ``sem``, ``replicates`` (and ``theory_error``).

    Rows that differ in ``d`` alone are sizes of one point. Rows with ``unit`` and ``runs`` (the values of the replicates)
    tell how points are correlated; without them the verdict is Holm's alone and ``p_value`` that of independent points.
    Only ratios count: rows in other units of the target have the same verdict. Raises ``InputError`` for rows that have
    no finite numbers or fewer than 3 replicates.
    """
    if not rows:
        raise InputError("There is no point to validate: no theory and simulation share one.")
    points = [_Point(group) for group in _by_point(rows)]
    families = {point.family: None for point in points}
    for family in families:
        members = [point for point in points if point.family == family]
        unit = max(point.size for point in members) or 1.0
        for point in members:
            point.measure_in(unit)
    first, *others = possible_rates([point.measured for point in points], rate)
    report = _judged(points, first)
    for name in others:
        if report.agrees:
            break
        # What another rate of the finite-size terms explains does not speak against the theory.
        report = min(report, _judged(points, name), key=lambda found: found.verdict)
    return report


def _judged(points: Sequence[_Point], name: str) -> ValidationReport:
    """The verdict with finite-size terms of one rate."""
    from scipy import stats

    several = any(len(point.sizes) > 1 for point in points)
    scored = [point.scored(name) for point in points]
    z = np.array([row["z"] for row in scored])
    freedom = np.array([row.pop("freedom") for row in scored])
    shares = [row.pop("shares") for row in scored]
    p = np.asarray(2 * stats.t.sf(np.abs(z), freedom))
    weights = _weights_of_points(points, shares)
    level = LEVEL if weights is None else LEVEL / 2
    rejected = holm(p, level)
    # Normal scores: a t with few degrees of freedom has heavier tails than the chi-square law allows for.
    scores = stats.norm.isf(np.maximum(p, np.finfo(np.float64).tiny) / 2)
    together = tail_of_squares(float(np.sum(scores**2)), np.ones(len(p)) if weights is None else weights)
    disagrees = rejected.any() or (weights is not None and together <= level)
    judged = [row | {"p_value": float(p[i]), "rejected": bool(rejected[i])} for i, row in enumerate(scored)]
    return ValidationReport(
        verdict="disagrees" if disagrees else "agrees",
        points=len(judged),
        rms_z=float(np.sqrt(np.mean(z**2))),
        max_abs_z=float(np.abs(z).max()),
        p_value=together,
        rows=tuple(judged),
        finite_size=name if several else None,
        effective_points=None if weights is None else effective_number(weights),
    )


def _weights_of_points(points: Sequence[_Point], shares: Sequence[Array]) -> Array | None:
    """Weights of the law of Σ z² (see joint_test.py); None where the replicates of a point are not known."""
    units: dict[Any, list[int]] = {}
    for i, point in enumerate(points):
        if point.runs is None:
            return None
        units.setdefault((point.unit, tuple(point.sizes), tuple(map(len, point.runs))), []).append(i)
    found = []
    for members in units.values():
        each = [points[i].runs or () for i in members]
        runs = tuple(np.stack(columns, axis=1) for columns in zip(*each, strict=True))
        found.append(Correlated(runs, np.stack([shares[i] for i in members], axis=1)).eigenvalues())
    return np.concatenate(found)


def holm(p: Array, level: float) -> npt.NDArray[np.bool_]:
    """Which of the hypotheses with p-values ``p`` Holm's step-down procedure rejects at family-wise ``level``."""
    order = np.argsort(p, kind="stable")
    passed = p[order] <= level / (len(p) - np.arange(len(p)))
    rejected = np.zeros(len(p), dtype=bool)
    rejected[order] = np.logical_and.accumulate(passed)
    return rejected


_HIDDEN = ("unit", "runs", "rounding")
#: Beside the settings of a row.
_NUMBERS = (
    *("theory", "theory_limit", "theory_error", "error", "simulation", "sem", "replicates", "validity"),
    *_HIDDEN,
)


def _by_point(rows: Sequence[Mapping[str, object]]) -> list[list[Mapping[str, object]]]:
    """Rows that differ in d alone (and in what was found there), together; a row without d stands alone."""
    groups: dict[object, list[Mapping[str, object]]] = {}
    for i, row in enumerate(rows):
        key = tuple((k, v) for k, v in row.items() if k not in _NUMBERS and k != "d")
        groups.setdefault(key if row.get("d") is not None else i, []).append(row)
    return list(groups.values())


def too_few(replicates: int) -> str:
    """The refusal of fewer than three replicates."""
    return f"simulation.replicates must be at least 3 to validate (a standard error), not {replicates}."


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
            raise InputError(too_few(few))

        known = all(row.get("runs") is not None and len(row["runs"]) > 1 for row in self.rows)
        self.unit = self.rows[-1].get("unit")
        self.runs = tuple(np.asarray(row["runs"]) for row in self.rows) if known else None
        self.scale = 1.0

    @property
    def family(self) -> str:
        """The quantity without the neuron: what shares the size of its finite-size terms."""
        return str(self.rows[0]["quantity"]).partition("[")[0]

    @property
    def size(self) -> float:
        """The largest number of the point."""
        return max(max(abs(float(row["theory"])), abs(float(row["simulation"]))) for row in self.rows)

    def measure_in(self, scale: float) -> None:
        """Count gaps and errors in units of ``scale``: their squares neither overflow nor vanish."""
        self.scale = scale
        self.gaps, self.sems = self.gaps / scale, self.sems / scale

    @property
    def measured(self) -> tuple[list[int], Array, Array]:
        """Sizes, gaps and standard errors."""
        return self.sizes, self.gaps, self.sems

    def scored(self, rate: str) -> Row:
        """The row of the largest size with z, z_raw, allowance, degrees of freedom and the shares of its sizes in z."""
        last = self.rows[-1]
        replicates = [row["replicates"] for row in self.rows]
        rest = extrapolate(*self.measured, replicates, RATES[rate])
        own = (last.get("theory_error") or 0.0) / self.scale
        # A quantity that is fixed by construction varies by rounding only.
        rounding = last.get("rounding", 1e-6 * abs(last["theory"])) / self.scale
        rounding *= float(np.abs(rest.weights).sum())
        error = max(math.hypot(rest.error, own), rounding)
        row = {key: value for key, value in last.items() if key not in _HIDDEN} | {
            "allowance": None if len(self.rows) == 1 else (float(self.gaps[-1]) - rest.value) * self.scale,
            "z": _ratio(rest.value, error),
            "z_raw": _ratio(float(self.gaps[-1]), max(math.hypot(float(self.sems[-1]), own), rounding)),
            "freedom": rest.freedom,
            "shares": rest.weights * self.sems / error if error > 0 else np.zeros(len(self.sems)),
        }
        if len(self.rows) > 1:
            keys = ("d", "theory", "simulation", "sem", "replicates")
            row["sizes"] = [{key: size[key] for key in keys} for size in self.rows]
        return row


def _ratio(gap: float, error: float) -> float:
    """gap / error; 0 for no gap, infinite where a gap has no error at all."""
    if error > 0:
        return gap / error
    return math.copysign(math.inf, gap) if gap else 0.0
