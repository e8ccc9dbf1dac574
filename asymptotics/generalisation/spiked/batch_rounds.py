"""Auxiliary batches side by side: both errors on each of them, at one point or along a line of points."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.between_knots import blended
from asymptotics.generalisation.spiked.layer_stacks import solve_layers
from asymptotics.generalisation.spiked.matrix_sectors import solve_batches
from asymptotics.generalisation.spiked.matrix_susceptibilities import Guess
from asymptotics.generalisation.spiked.nonlinear_sector import Susceptibilities
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.trained_layer import axes_of, on_units, unit_members
from asymptotics.generalisation.spiked.white_matrices import Batches, side_by_side
from asymptotics.learning.giant.batches import BatchLayer

Array = npt.NDArray[np.float64]

#: Degree of the polynomials in which solutions are guessed along a line.
_PATH = 3


@dataclass(frozen=True)
class BatchErrors:
    """On one batch: errors (test, train) with the whole covariance and at level E."""

    whole: tuple[float, float]
    isotropic: tuple[float, float]


def rounds_of(layers: Sequence[tuple[BatchLayer, Units]]) -> tuple[Batches, ...]:
    """``layers`` with their units, those of as many spikes side by side."""
    shapes: dict[tuple[int, ...], list[tuple[BatchLayer, Units]]] = {}
    for layer, units in layers:
        shapes.setdefault((*units.kappa.shape[1:], units.v.shape[-1]), []).append((layer, units))
    found = []
    for members in shapes.values():
        covariances = [on_units(one, unit_members(one), one.covariance) for one, _ in members]
        own = [units for _, units in members]
        found.append(side_by_side(own, covariances, [axes_of(one) for one, _ in members]))
    return tuple(found)


def batch_errors(
    units: Units, layer: BatchLayer, alpha: float, beta: float, lam: float, d: int | None
) -> BatchErrors:
    """Both errors on one batch, ``units`` as of :func:`batch_units`."""
    (batches,) = rounds_of([(layer, units)])
    (found,) = errors_of_round(batches, (alpha, beta, lam, d), 1e-6)
    return found


class Known(NamedTuple):
    """At a place of a line: by what the batches' points differ from the law's, ``off`` (P, m) in its units; a guess."""

    off: Array
    shift: Array
    bend: Array


class Path:
    """What was found at the knots of a line: between them the solutions are known before they are looked for.

    ``others``: solutions of other equations, by batch and place, for those who solve them.
    """

    def __init__(self) -> None:
        self.others: dict[Hashable, dict[float, Any]] = {}
        self._known: dict[Batches, dict[float, Known]] = {}

    def guess(self, batches: Batches, place: float) -> Known | None:
        """What to expect at a place, if anything is known."""
        known = self._known.get(batches)
        if not known:
            return None
        places = np.array(sorted(known))
        found = []
        for parts in zip(*(known[x] for x in places.tolist()), strict=True):
            values = np.array([part.ravel() for part in parts])
            found.append(blended(places, values, np.array([place]), _PATH).reshape(parts[0].shape))
        return Known(*found)

    def keep(self, batches: Batches, place: float, known: Known) -> None:
        """What was found at a place of the line."""
        self._known.setdefault(batches, {})[place] = known


class OnPath(NamedTuple):
    """A place of a path."""

    path: Path
    place: float


def errors_of_round(
    batches: Batches,
    point: tuple[float, float, float, int | None],
    tol: float,
    start: Susceptibilities | None = None,
    along: OnPath | None = None,
) -> list[BatchErrors]:
    """Both errors on all batches of a round, that of whole covariances to ``tol``; ``start`` of a layer close to them."""
    *ratios, d = point
    known = None if along is None else along.path.guess(batches, along.place)
    off, guess = (None, None) if known is None else (known.off, Guess(known.shift, known.bend))
    own = solve_layers(batches.units, *ratios, d=d, start=start, off=off)
    whole, found = solve_batches(batches, own.points, *ratios, d=d, tol=tol, guess=guess)
    if along is not None:
        along.path.keep(batches, along.place, Known(own.off, *found))
    return [
        BatchErrors((one.test, one.train), isotropic)
        for one, isotropic in zip(whole, zip(own.test.tolist(), own.train.tolist(), strict=True), strict=True)
    ]
