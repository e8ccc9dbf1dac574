"""The verdict of a validation and what it rests on: points, z-scores, negative controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from asymptotics.json_values import plain_table
from hermite.frozen import Frozen

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LEVEL = 0.01
"""Chance that a true theory is said to disagree."""

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Control(Frozen):
    """The verdict on a theory whose ``setting`` was multiplied by ``factor``: it must be ``refused``.

    ``enough``: where it was not, replicates at which it would be if the right theory is right; None if more replicates
    do not help (the two theories are closer than what a finite size explains).
    """

    setting: str
    factor: float
    refused: bool
    rms_z: float
    max_abs_z: float
    enough: int | None = None

    @property
    def statement(self) -> str:
        """What came of it, in half a sentence."""
        if self.refused:
            return "refused, as it must be"
        if self.enough is None:
            return "NOT refused: more replicates would not tell it from the right theory at these sizes"
        return f"NOT refused: too few replicates to tell, about {self.enough} would be enough"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"statement": self.statement}


@dataclass(frozen=True, eq=False)
class ValidationReport(Frozen):
    """``verdict`` ("agrees" or "disagrees"), how many ``points``, their z-scores in short, and ``rows``.

    A row: ``quantity``, the point's coordinates, ``theory`` (at the largest simulated ``d``), ``theory_limit``
    (d → infinity, null if it has none), ``simulation``, ``sem``, ``replicates``, ``allowance`` (the part of
    the gap that a finite size explains; null with one size), ``z``, ``z_raw`` (without the allowance),
    ``p_value``, ``rejected`` (by Holm), ``sizes`` (the same at every d). ``finite_size``: the rate of the
    extrapolation, or null. ``effective_points``: how many independent points say as much; null where the correlations of
    the points are not known (measurements given as means), and ``p_value`` takes them as independent. ``citations``: BibTeX of
    the papers whose theory was judged. ``left_out``: points that were measured and have no finite prediction, and why.
    """

    verdict: str
    points: int
    rms_z: float
    max_abs_z: float
    p_value: float
    rows: tuple[Row, ...]
    finite_size: str | None = None
    controls: tuple[Control, ...] = ()
    effective_points: float | None = None
    citations: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether neither a point nor all points together are rejected."""
        return self.verdict == "agrees"

    @property
    def conclusive(self) -> bool:
        """Whether every negative control was refused (true without controls)."""
        return all(control.refused for control in self.controls)

    @property
    def statement(self) -> str:
        """The verdict in one sentence, such as "agrees: 40 points, rms z 1.05, largest 2.6, p = 0.4"."""
        worth = (
            "" if self.effective_points is None else f" (worth {self.effective_points:.2g} independent ones)"
        )
        numbers = f"{self.points} points{worth}, rms z {self.rms_z:.2f}, largest {self.max_abs_z:.1f}, p = {self.p_value:.2g}"
        if self.agrees:
            return f"agrees: {numbers}"
        refused = sorted((row for row in self.rows if row["rejected"]), key=lambda row: -abs(row["z"]))
        if not refused:
            return f"disagrees in all points together: {numbers}"
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
            "effective_points",
            "finite_size",
            "conclusive",
        )
        document = {key: getattr(self, key) for key in keys}
        document["controls"] = [control.to_dict() for control in self.controls]
        return plain_table(document | {"left_out": self.left_out, "rows": self.rows})

    def to_frame(self) -> pd.DataFrame:
        """One row a point."""
        import pandas as pd

        return pd.DataFrame([{k: v for k, v in row.items() if k != "sizes"} for row in self.rows])

    def plot(self, ax: Axes | None = None) -> Axes:
        """z-scores point by point; returns the Axes."""
        from asymptotics.figures.residual_figure import plot_residuals

        return plot_residuals(self.rows, ax=ax)

    def __repr__(self) -> str:
        return f"ValidationReport({self.statement})"


def place(row: Mapping[str, object]) -> str:
    """Where a row stands, in words: its quantity and coordinates."""
    names = ("step", "alpha_train", "eta", "alpha", "beta", "lambda", "d")
    where = ", ".join(f"{name} = {row[name]:g}" for name in names if row.get(name) is not None)
    return f"{row['quantity']} at {where}" if where else str(row["quantity"])
