"""Level E of many layers side by side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asymptotics.fixed_point import Solution, Status, solve_many
from asymptotics.generalisation.spiked.linear_sector import Means, moments_of, refuse_singular
from asymptotics.generalisation.spiked.nonlinear_sector import Susceptibilities, System, susceptibilities
from asymptotics.generalisation.spiked.ridge_equations import Units, layer_of_stack

Array = npt.NDArray[np.float64]


class LayerErrors(NamedTuple):
    """Test and train errors (P,) of P layers side by side, and the points (P, m) that their susceptibilities are.

    ``off``: by how much they differ from the start, in units of its entries (:meth:`System.sizes`).
    """

    test: Array
    train: Array
    points: Array
    off: Array


def solve_layers(
    units: Units,
    alpha: float,
    beta: float,
    lam: float,
    *,
    d: int | None = None,
    start: Susceptibilities | None = None,
    off: Array | None = None,
) -> LayerErrors:
    """:func:`solve_units` of all layers of ``stacked`` units; ``start``: of a layer that is close to them, ``off`` by about this.

    Raises as that does.
    """
    om, el = (1.0, lam) if beta <= alpha else (lam, 1.0)
    system = System(units, alpha, 1.0 / beta, om)
    near = system.start(el if lam > 0 else 1.0) if start is None else system.point_of(start)
    size = system.sizes(near)
    points = np.tile(near, (len(units.weights), 1))
    alone = np.ones(len(points), bool)
    if lam > 0:
        if off is not None:
            expected = near + off * size
            good = system.are_admissible(expected, np.arange(len(points)))
            points = np.where(good[:, None], expected, points)
        found = solve_many(
            lambda x, which: system.among(which).map_at(el)(x),
            points,
            system.are_admissible,
            system.blocks,
            tol=_LAYERS,
        )
        points[:] = [one.value for one in found]
        alone[:] = [not one.converged for one in found]
    for i in np.flatnonzero(alone).tolist():
        one = layer_of_stack(units, i)
        refuse_singular(one, alpha, beta, lam)
        points[i] = susceptibilities(one, alpha, beta, lam).solution.value
    iv, inverse = system.iv(points), system.unpack(points)[1]
    solution = Solution(Status.CONVERGED, _LAYERS, 0, "anderson", points)
    sus = Susceptibilities(om, iv, inverse, *system.responses(iv, inverse), solution)
    moments = moments_of(units, sus, alpha, beta, [Means(d)])
    return LayerErrors(moments.test[:, 0], moments.train[:, 0], points, (points - near) / size)


#: What the susceptibilities of many layers are solved to.
_LAYERS = 1e-11
