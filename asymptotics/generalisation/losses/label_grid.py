r"""Class labels given what the fit sees of the target: P(y = 1 | κ, τ) at nodes of τ, s = Γ κ + S τ, S = (1 − Γ Γᵀ)^{1/2}.

One direction: nodes with panels where the probability turns. Two: along Γ panels, across it Gauss–Hermite nodes, and in the
place of P its projection to the polynomials that these nodes see (:mod:`asymptotics.expectations.label_rows`): averages with
functions of τ that are smooth there are those of P, however sharp P is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.frames import sharp_layers
from asymptotics.expectations.label_rows import as_key, class_moments, label_rows, legendre_values
from asymptotics.expectations.quadrature import hermite_rule, hermite_values, legendre
from asymptotics.expectations.row_rule import row_rule
from asymptotics.generalisation.losses.sharp_places import Field, cuts_of, narrowest
from asymptotics.generalisation.spiked.feature_moments import SHARPEST
from asymptotics.generalisation.spiked.target_moments import root_of_rest, spike_breaks, spike_slope
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Directions of the target that are covered.
MOST_DIRECTIONS = 2
#: Along the first axis of two: panels, their reach, and the polynomials of one. Across: Hermite degrees.
_PANEL, _PANEL_OF_ONE, _REACH, _KEPT, _DEGREES = 1.0, 0.25, 7.5, 6, 13
#: Degrees of a panel that are dropped for the error; twice as many of Hermite's.
_DROPPED = 2
#: Nodes of less weight count for nothing.
_RARE = 1e-9
#: A mean direction E[m s] of less than this is none.
_NOWHERE = 1e-6


@dataclass(frozen=True)
class LabelGrid:
    """``positive`` P(y = 1 | κ, τ) (K, J), ``tau`` (K or 1, J, r), ``share`` their weights (K or 1, J).

    ``coarser``: P to fewer degrees, whose errors differ by what the degrees leave out; None where nodes resolve P.
    ``error``: of averages of P with smooth functions, absolute. ``jumps`` (K, D): places of τ, for a target of one direction,
    where P turns within ``jump_widths`` (D,).
    """

    positive: Array
    tau: Array
    share: Array
    error: float = 0.0
    coarser: Array | None = None
    jumps: Array = field(default_factory=lambda: np.zeros((1, 0)))
    jump_widths: Array = field(default_factory=lambda: np.zeros(0))


def label_grid(
    f: Target, kappa: Array, overlap: Array, local: Field | None = None, *, finer: bool = False
) -> LabelGrid:
    """The grid of the class labels of ``f`` at the places ``kappa`` (K, k) for ``overlap`` Γ (r, k).

    ``local``: the field that the labels are averaged with, where it turns sharply; ``finer``: more nodes.
    Raises ``InputError`` for targets of more than two directions.
    """
    mean = f.class_mean
    if mean.r > MOST_DIRECTIONS:
        raise InputError(
            f"The theory of class labels and their losses covers targets of at most {MOST_DIRECTIONS} directions, not "
            f"{mean.r}: simulate instead."
        )
    if mean.r == 1:
        root, centre = root_of_rest(overlap), kappa @ overlap.T
        width = float(root[0, 0])
        cuts = None if local is None else cuts_of(local)
        tau, share = row_rule(mean, centre[:, 0], width, cuts, finer=finer)
        s = centre[:, 0, None] + width * tau
        values = np.asarray(mean(s.reshape(-1, 1)), float).reshape(s.shape)
        return LabelGrid((1 + values) / 2, tau[..., None], share, 0.0, None, *_jumps(mean, centre, width))
    frame, g = _frame(f, overlap)
    rows = label_rows(f, as_key(frame), _DEGREES)
    width = math.sqrt(max(0.0, 1.0 - g**2))
    centres = g * kappa[:, 0] if g else np.zeros(1)
    panel = _PANEL if g else _PANEL_OF_ONE
    if local is not None:
        panel = min(panel, max(_PANEL_OF_ONE, 2 * narrowest(local, frame[0])))
    panels = np.linspace(-_REACH, _REACH, round(2 * _REACH / (panel / 1.3 if finer else panel)) + 1)
    found = np.array([rows.on_panels(float(x), width, panels, _KEPT) for x in centres])
    u, w = legendre(_KEPT)
    first = (panels[:-1, None] + np.diff(panels)[:, None] * u).ravel()
    weights = (np.diff(panels)[:, None] * w).ravel() * np.exp(-0.5 * first**2)
    second, share = hermite_rule(_DEGREES)
    tau = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2) @ frame
    weights = np.outer(weights / weights.sum(), share).ravel()
    seen = weights > _RARE

    def positive(kept: int, degrees: int) -> Array:
        values = np.einsum(
            "kplj,lu,jb->kpub",
            found[:, :, :kept, :degrees],
            legendre_values(u, kept),
            hermite_values(second, degrees - 1),
            optimize=True,
        )
        return np.asarray((1 + values.reshape(len(found), -1)[:, seen]) / 2)

    share = weights[seen] / weights[seen].sum()
    error = class_moments(f)[3] + rows.error
    grid = LabelGrid(positive(_KEPT, _DEGREES), tau[None, seen], share[None], error)
    return replace(grid, coarser=positive(_KEPT - _DROPPED, _DEGREES - 2 * _DROPPED))


def _jumps(mean: Target, centre: Array, width: float) -> tuple[Array, Array]:
    """Where along τ the label of one direction turns sharply, and within what."""
    layers = [x for x in sharp_layers(mean) if x.place is not None]
    if not layers or width < _NOWHERE:
        return np.zeros((len(centre), 0)), np.zeros(0)
    places = np.array([x.place * float(x.normal[0]) for x in layers if x.place is not None])
    return (places - centre) / width, np.array([x.width for x in layers]) / width


def turning(f: Target, overlap: Array) -> tuple[float, list[float]]:
    """How sharply averages of the labels turn with κ, and where panels of κ end, for ``overlap`` Γ (r, 1)."""
    mean = f.class_mean
    if f.r == 1:
        return spike_slope(mean, overlap), spike_breaks(mean, overlap)
    # A step that is blurred to the width w: a trapezoid rule of step 1.2 w misses 1e-6 of it.
    g = min(1.0, float(np.linalg.norm(overlap)))
    return min(SHARPEST, 0.5 * g / max(math.sqrt(1.0 - g**2), 1e-9)), []


def _frame(f: Target, overlap: Array) -> tuple[Array, float]:
    """Orthonormal rows, the first along Γ (2, 1), before a step along E[m s]; and |Γ|."""
    g = float(np.linalg.norm(overlap))
    along = overlap[:, 0] if g else class_moments(f)[1]
    size = float(np.linalg.norm(along))
    if size < _NOWHERE:
        return np.eye(2), g
    first = along / size
    return np.array([first, [-first[1], first[0]]]), g
