"""What theory and simulation both return: overlaps step by step, and the error of the ridge fit.

Theory and simulation fill the *same* types, so that a comparison is a join of two tables of one shape.
Standard errors are those of the mean over replicates; theory leaves them ``None``. Letters: docs/conventions.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asymptotics.error_budget import UNKNOWN, ErrorBudget, Validity
from asymptotics.fixed_point import Solution
from asymptotics.json_values import plain_table
from hermite.frozen import Frozen

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StepOverlaps(Frozen):
    """The state of the first layer after ``step`` giant steps, neuron by neuron or group by group.

    With G entries (neurons at fixed width; groups of equal readout for many neurons) and r directions:

    ``readout`` (G,)    ã of the entry
    ``weight``  (G,)    fraction of the neurons that it stands for (sums to 1)
    ``M``       (G, r)  mean of ⟨w_i, w*_m⟩ over the entry's neurons, w*_m the directions as given (Target's ``gram``)
    ``Q``       (G, G)  mean of ⟨w_i, w_j⟩ over *different* neurons of the two entries; at fixed width ⟨w_i, w_j⟩
    ``norm2``   (G,)    mean of ‖w_i‖²
    ``risk``            E[(f* − f)²] of the network as trained so far, without label noise
    ``error``, ``risk_error``  budgets of M, Q and norm2 (relative to the largest of them), and of the risk
    ``M_cov``   (G, r, r) covariance of M_i over the neurons of an entry, where it has a law (leap ≥ 2); else None
    ``lengths`` (r,)    ‖w*_m‖; None for unit vectors
    ``train_error``     E[(y − f)²] on the training batch, where it is reused (label noise included); else None
    ``samples``, ``time`` N = t n_b and s = N/d^max(leap − 1, 1), for online SGD; else None
    ``states``          nodes of the law of orthonormal (M, Q) over runs: weights (N,), M (N, G, r), Q (N, G, G); else None
    ``runs``            the values of single replicates (simulation only): ``risk`` (R,), ``norm2`` (R, G), ``M`` (R, G, r), and
                        ``train_error`` (R,) where a batch is reused
    """

    step: int
    readout: Array
    weight: Array
    M: Array
    Q: Array
    norm2: Array
    risk: float
    M_cov: Array | None = None
    quantiles: dict[str, Any] | None = None
    M_sem: Array | None = None
    Q_sem: Array | None = None
    norm2_sem: Array | None = None
    risk_sem: float | None = None
    lengths: Array | None = None
    train_error: float | None = None
    train_error_sem: float | None = None
    samples: int | None = None
    time: float | None = None
    states: tuple[Array, Array, Array] | None = field(default=None, repr=False)
    runs: dict[str, Array] | None = field(default=None, repr=False)
    error: ErrorBudget = UNKNOWN
    risk_error: ErrorBudget = UNKNOWN

    @property
    def cosines(self) -> Array:
        """Cosine of each entry's mean overlap with each direction: M_im / (‖w_i‖ ‖w*_m‖), shape (G, r)."""
        cosines: Array = self.M / np.sqrt(self.norm2)[:, None]
        return cosines if self.lengths is None else cosines / self.lengths

    def to_dict(self) -> dict[str, Any]:
        """The step as JSON: ``step, risk, neurons [{readout, weight, M, norm2}]``."""
        neurons: list[dict[str, Any]] = []
        for g in range(len(self.readout)):
            row: dict[str, Any] = {
                "readout": self.readout[g],
                "weight": self.weight[g],
                "M": self.M[g],
                "norm2": self.norm2[g],
            }
            if self.M_sem is not None:
                row["M_sem"] = self.M_sem[g]
            if self.norm2_sem is not None:
                row["norm2_sem"] = self.norm2_sem[g]
            if self.M_cov is not None:
                row["M_cov"] = self.M_cov[g]
            if self.quantiles is not None:
                row["quantiles"] = {k: v[g] for k, v in self.quantiles.items()}
            neurons.append(row)
        out: dict[str, Any] = {"step": self.step, "risk": self.risk, "neurons": neurons}
        for name in ("train_error", "train_error_sem", "samples", "time"):
            if getattr(self, name) is not None:
                out[name] = getattr(self, name)
        if self.risk_sem is not None:
            out["risk_sem"] = self.risk_sem
        out["error"] = self.error.to_dict()
        out["risk_error"] = self.risk_error.to_dict()
        return plain_table(out)


@dataclass(frozen=True, eq=False)
class Overlaps(Frozen):
    """Overlaps at steps 0..T, from theory or from simulation (then ``replicates``, ``d`` and ``p`` are set).

    ``solution``: the steps taken, and the error of their integrals (its ``residual``) against the accuracy asked for; None
    for a simulation, a closed form, and where that error is not known.
    ``samples`` (simulation only): per step an array (replicates, p, r) of the cosines of single neurons, for clouds.
    ``online``: ``n_b``, ``step`` e, ``nu`` e d/n_b, and the ``kind`` of flow that this is near, of online SGD; else None.
    ``two_time``: ⟨w_i^t, w_j^s⟩ (T + 1, T + 1, p, p) on a reused batch at fixed width; else None.
    """

    regime: str
    steps: tuple[StepOverlaps, ...]
    validity: str = "exact"
    validity_note: str = ""
    warnings: tuple[str, ...] = ()
    replicates: int | None = None
    d: int | None = None
    p: int | None = None
    n: int | None = None
    solution: Solution | None = None
    samples: tuple[Array, ...] | None = field(default=None, repr=False)
    two_time: Array | None = field(default=None, repr=False)
    online: dict[str, Any] | None = field(default=None, repr=False)

    def __getitem__(self, step: int) -> StepOverlaps:
        return self.steps[step]

    def _repr_html_(self) -> str:
        from asymptotics.notebook import html_table

        rows = [
            (step["step"], entry["readout"], entry["weight"], entry["M"], entry["norm2"], step["risk"])
            for step in self.to_dict()["steps"]
            for entry in step["neurons"][:8]
        ]
        header = ("step", "readout", "weight", "M", "norm2", "risk")
        return html_table(f"Overlaps: {self.regime}", header, rows)

    def to_dict(self) -> dict[str, Any]:
        """The table as the JSON of ``giantstep overlaps``."""
        return {
            "regime": self.regime,
            "validity": self.validity,
            "validity_note": self.validity_note,
            "warnings": list(self.warnings),
            "replicates": self.replicates,
            "d": self.d,
            "p": self.p,
            "n": self.n,
            **(plain_table(self.online) if self.online is not None else {}),
            "steps": [s.to_dict() for s in self.steps],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a step and entry: step, readout, weight, M_1..M_r, norm2, risk (and standard errors)."""
        import pandas as pd

        rows: list[dict[str, object]] = []
        for s in self.steps:
            for g in range(len(s.readout)):
                row: dict[str, object] = {"step": s.step, "readout": s.readout[g], "weight": s.weight[g]}
                for m in range(s.M.shape[1]):
                    row[f"M_{m + 1}"] = s.M[g, m]
                    if s.M_sem is not None:
                        row[f"M_{m + 1}_sem"] = s.M_sem[g, m]
                row["norm2"] = s.norm2[g]
                if s.norm2_sem is not None:
                    row["norm2_sem"] = s.norm2_sem[g]
                row["risk"] = s.risk
                if s.risk_sem is not None:
                    row["risk_sem"] = s.risk_sem
                rows.append(row)
        return pd.DataFrame(rows)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Overlaps M against the step, one line a direction and entry; returns the Axes."""
        from asymptotics.figures.overlap_figure import plot_overlaps

        return plot_overlaps(self, ax=ax)


#: What is told of class labels only.
OF_CLASSES = (
    "classification_error",
    "test_loss",
    "train_loss",
    "classification_error_sem",
    "test_loss_sem",
    "train_loss_sem",
)


@dataclass(frozen=True, eq=False)
class Risk(Frozen):
    """Errors of the ridge fit of the second layer at one point (step, alpha, beta, lambda).

    ``test_error`` = E[(y − f)²] (label noise included), ``excess_risk`` = test_error − Δ,
    ``train_error`` = (1/n2) Σ (y − f)² without the penalty. Never halved. ``error`` is that of the test error.
    ``runs`` (simulation only): the errors of every replicate. ``solution`` (theory only): how the equations were solved.
    Class labels have a ``classification_error`` P(sign f ≠ y), ``test_loss`` and ``train_loss`` of the fit's own loss (halved for
    the square one); structured inputs a test error ``by_cluster``.
    """

    test_error: float
    train_error: float
    excess_risk: float
    step: int = 0
    alpha: float | None = None
    beta: float | None = None
    lam: float | None = None
    n: int | None = None
    n2: int | None = None
    p: int | None = None
    d: int | None = None
    plateau: float | None = None
    solver: str = ""
    validity: Validity = Validity.EXACT
    validity_note: str = ""
    error: ErrorBudget = UNKNOWN
    test_error_sem: float | None = None
    train_error_sem: float | None = None
    replicates: int | None = None
    order_parameters: dict[str, object] | None = field(default=None, repr=False)
    solution: Solution | None = field(default=None, repr=False)
    runs: dict[str, Array] | None = field(default=None, repr=False)
    classification_error: float | None = None
    test_loss: float | None = None
    train_loss: float | None = None
    classification_error_sem: float | None = None
    test_loss_sem: float | None = None
    train_loss_sem: float | None = None
    by_cluster: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "validity", Validity(self.validity))
        super().__post_init__()

    @property
    def has_classes(self) -> bool:
        """Whether labels are classes."""
        return self.classification_error is not None

    def _repr_html_(self) -> str:
        from asymptotics.notebook import html_of

        keys = (
            "test_error",
            "test_error_sem",
            "train_error",
            "train_error_sem",
            *(() if self.classification_error is None else OF_CLASSES),
            "excess_risk",
            "plateau",
            "step",
            "alpha",
            "beta",
            "lambda",
            "n",
            "n2",
            "p",
            "d",
            "replicates",
            "solver",
            "validity",
            "validity_note",
        )
        return html_of("Errors of the ridge fit", self.to_dict(), keys)

    def to_dict(self) -> dict[str, Any]:
        """The fields of a row of ``giantstep curve``, as plain numbers."""
        classes = () if self.has_classes else OF_CLASSES
        clusters = () if self.by_cluster is not None else ("by_cluster",)
        left_out = ("order_parameters", "solution", "runs", *classes, *clusters)
        keys = [f.name for f in fields(self) if f.name not in left_out]
        out = {("lambda" if k == "lam" else k): getattr(self, k) for k in keys}
        out["error"] = self.error.to_dict()
        return plain_table(out)
