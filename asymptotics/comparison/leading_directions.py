"""The leading direction that training has learned: where on the target's directions most of the neurons' overlap lies.

Over the neurons (weights p_g of groups g), P = Σ_g p_g (m_g m_gᵀ + Cov_g) is the second moment of their components on
orthonormal coordinates of the target's space. Its first eigenvector is the leading direction, the root of its eigenvalue
the root mean square of ⟨w, v⟩, dimensionless like w (|w| = 1 at the start).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from asymptotics.comparison.curves import Progress, paced, silent
from asymptotics.comparison.trajectories import predict
from asymptotics.experiment.columns import coordinates
from asymptotics.experiment.grid import Experiment
from hermite.errors import InputError

if TYPE_CHECKING:
    from asymptotics.results import StepOverlaps
    from hermite.target import Target

NOTHING = "none"

#: Components below this part of the largest are not named; eigenvalues within so much of the first are equal to it.
_NAMED, _EQUAL = 0.5, 1e-6


@dataclass(frozen=True)
class LeadingDirection:
    """``name`` ("z1", "z1 - z2", "span{z1, z2}" of equal ones, "none"), unit ``vector`` on the target's directions, ``overlap``.

    ``overlap`` is the root mean square of ⟨w, v⟩ over the neurons; ``error`` its error where the overlaps state one.
    ``vector`` is None for "none" and for a span, in which no direction leads.
    """

    name: str
    vector: tuple[float, ...] | None
    overlap: float
    error: float | None


def leading_direction(f: Target, step: StepOverlaps) -> LeadingDirection:
    """The leading direction of one step's overlaps; "none" where nothing stands out of their own error."""
    # Directions of unit length, then orthonormal ones.
    root = f.cholesky if step.lengths is None else np.asarray(step.lengths)[:, None] * f.cholesky
    M = np.linalg.solve(root, np.asarray(step.M, dtype=np.float64).T).T
    second = np.einsum("g,gi,gj->ij", step.weight, M, M)
    if step.M_cov is not None:
        inverse = np.linalg.inv(root)
        second += inverse @ np.einsum("g,gij->ij", step.weight, step.M_cov) @ inverse.T
    values, vectors = np.linalg.eigh(second)
    size = float(np.sqrt(max(values[-1], 0.0)))
    largest = float(np.sqrt(np.max(step.norm2)))
    relative = step.error.total
    error = None if relative is None else relative * largest
    if size <= max(error or 0.0, 1e-9 * largest):
        return LeadingDirection(NOTHING, None, size, error)
    margin = max(2 * (error or 0.0) / size, _EQUAL)
    equal = vectors[:, values >= values[-1] * (1 - margin)]
    # v = Σ a_m w*_m for the directions as given.
    given = np.linalg.solve(root.T, equal)
    if equal.shape[1] > 1:
        involved = np.flatnonzero(
            np.linalg.norm(given, axis=1) >= _NAMED * np.linalg.norm(given, axis=1).max()
        )
        return LeadingDirection(f"span{{{', '.join(f.variables[m] for m in involved)}}}", None, size, error)
    vector = given[:, 0] * np.sign(given[np.argmax(np.abs(given[:, 0])), 0])
    return LeadingDirection(_name(f.variables, vector), tuple(map(float, vector)), size, error)


def _name(variables: Sequence[str], vector: Any) -> str:
    """The sum of the variables whose component is at least half the largest, with signs."""
    parts = []
    for variable, component in zip(variables, vector, strict=True):
        if abs(component) >= _NAMED * np.abs(vector).max():
            sign = "-" if component < 0 else "+"
            parts.append(f"{sign} {variable}")
    text = " ".join(parts)
    return text.removeprefix("+ ") if text.startswith("+") else text.replace("- ", "-", 1)


def direction_rows(experiment: Experiment, progress: Progress = silent) -> list[dict[str, Any]]:
    """One row a cell: its settings, ``direction``, ``direction_vector``, ``direction_overlap`` and the error of that.

    Nothing is fitted: cells that differ in the ridge fit alone have one answer. Raises ``InputError`` where no law covers
    it, and for times in place of steps.
    """
    tell, found = paced(progress), {}
    longest = experiment.longest
    if longest[0].time:
        raise InputError("training.time has no place in a map; give training.steps.")
    for i, training in enumerate(longest):
        tell(f"overlaps of training {i + 1} of {len(longest)}")
        steps = predict(experiment, training, experiment.simulation_of(training)).steps
        for t in experiment.steps:
            found[t, training.alpha, training.eta] = leading_direction(experiment.target, steps[t])
    rows = []
    for training, ridge in experiment.cells():
        one = found[training.steps, training.alpha, training.eta]
        rows.append(
            coordinates(training, ridge)
            | {
                "direction": one.name,
                "direction_vector": one.vector,
                "direction_overlap": one.overlap,
                "direction_error": one.error,
            }
        )
    return rows


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as CSV; the vector in columns of its own, ``direction_1`` …; null is empty."""
    import csv
    import io

    r = max(len(row["direction_vector"] or ()) for row in rows)
    names = [key for key in rows[0] if key != "direction_vector"]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*names, *(f"direction_{m + 1}" for m in range(r))])
    for row in rows:
        writer.writerow([*(row[key] for key in names), *(row["direction_vector"] or [None] * r)])
    return stream.getvalue()
