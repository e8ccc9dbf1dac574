"""Callables: Hermite coefficients by quadrature, marked "numerical"; nothing about them is proved.

Up to three variables a tensor Gauss–Hermite rule, compared with a coarser one; beyond that a scrambled Sobol sequence in
independent scrambles. ``error`` bounds what the two estimates of a coefficient differ by.
"""

from __future__ import annotations

from functools import cached_property
from itertools import product
from math import factorial, prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hermite.target import Target

#: Nodes an axis of the fine and the coarse rule, by number of variables.
_NODES = {1: (200, 140), 2: (64, 48), 3: (32, 24)}
_SOBOL = 14


class SampledEngine:
    """Numerical coefficients c_α = E[f(Rᵀy) Π He_{α_i}(y_i)], in rotated coordinates y = R z if a frame is given."""

    degree = None
    decided = True
    exactness = "numerical"

    def __init__(self, target: Target, frame: NDArray[np.float64] | None = None) -> None:
        self.target, self.r, self.frame = target, target.r, frame
        self.reason = "a callable is known by its values only"

    @cached_property
    def _rules(self) -> list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
        """(points y, weights, values of f) of the rules that are compared."""
        import numpy as np

        rules = []
        if self.r in _NODES:
            for count in _NODES[self.r]:
                x, w = np.polynomial.hermite_e.hermegauss(count)
                grid = np.stack([g.ravel() for g in np.meshgrid(*[x] * self.r, indexing="ij")], axis=1)
                weights = np.array([1.0])
                for _ in range(self.r):
                    weights = np.multiply.outer(weights, w / w.sum()).ravel()
                rules.append((grid, weights))
        else:
            from scipy.special import ndtri
            from scipy.stats import qmc

            for seed in (0, 1):
                points = ndtri(qmc.Sobol(self.r, seed=seed).random_base2(_SOBOL))
                rules.append((points, np.full(len(points), 1.0 / len(points))))
        frame = np.eye(self.r) if self.frame is None else self.frame
        return [(y, w, np.asarray(self.target(y @ frame), dtype=float)) for y, w in rules]

    def table(self, order: int) -> dict[tuple[int, ...], tuple[float, float]]:
        """{α: (c_α, difference of the two rules)} for |α| ≤ ``order``."""
        import numpy as np

        out: dict[tuple[int, ...], tuple[float, float]] = {}
        columns = []
        for y, w, values in self._rules:
            powers = [np.ones_like(y), y]
            for k in range(1, order):
                powers.append(y * powers[k] - k * powers[k - 1])
            columns.append((np.stack(powers), w * values))
        for alpha in product(range(order + 1), repeat=self.r):
            if sum(alpha) > order:
                continue
            pair = [
                float(np.sum(wf * np.prod([powers[a][:, i] for i, a in enumerate(alpha)], axis=0)))
                for powers, wf in columns
            ]
            out[alpha] = (pair[0], abs(pair[0] - pair[1]))
        return out

    def heat_series(self, order: int) -> dict[tuple[int, ...], Any]:
        """{α: c_α/α!} as floats up to total degree ``order``."""
        return {alpha: c / prod(map(factorial, alpha)) for alpha, (c, _) in self.table(order).items()}

    def total_energy(self) -> float:
        """E f², numerically."""
        import numpy as np

        _, w, values = self._rules[0]
        return float(np.sum(w * values**2))
