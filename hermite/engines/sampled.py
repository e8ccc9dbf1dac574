"""Callables: Hermite coefficients by quadrature, each with its own error; nothing about them is proved.

One direction: adaptive panels (:mod:`hermite.engines.adaptive`). More: two tensor Gauss–Hermite rules where they agree with each
other and with an independent sample (smooth functions); else two directions by adaptive lines of lines, and three and more by
sixteen independent scrambles of a Sobol sequence with their standard error. An error is meant to cover: the difference of two
rules, or four standard errors. All is computed in a unit of f, a power of two near the size of its values, so that no square of
them leaves the range of floats.
"""

from __future__ import annotations

import math
from functools import cached_property
from itertools import combinations_with_replacement
from math import comb, factorial, prod, sqrt
from typing import TYPE_CHECKING

from hermite.callables import point_text
from hermite.errors import InputError
from hermite.exact.exactness import Exactness
from hermite.exact.magnitudes import held, of_float

if TYPE_CHECKING:
    import flint
    import numpy as np
    from numpy.typing import NDArray

    from hermite.target import Target

#: Nodes an axis of the two Gauss–Hermite rules, by number of variables.
_NODES = {2: (64, 51), 3: (32, 25), 4: (14, 11), 5: (9, 8), 6: (7, 6), 7: (6, 5)}
_SCRAMBLES = 16
#: log2 of the points of one scramble in up to three and in more directions.
_SOBOL = {2: 15, 3: 16, 4: 15, 5: 15}
#: Relative agreement of the Gauss–Hermite rules that is asked for.
_AGREE = 1e-9
#: The part of the Gaussian that rounding hides; how much wider than it the points are at which values are looked for.
_BEYOND, _SPREAD = 1e-16, 2.5
#: E f² that is known to this only does not converge.
_LOST = 0.2

#: Largest order and number of coefficients of a callable.
_LARGEST = 100
_COEFFICIENTS = 5000

Index = tuple[int, ...]
Table = dict[Index, tuple[float, float]]


class SampledEngine:
    """Numerical coefficients c_α = E[f Π He_{α_i}] of a callable, and what each may be off by."""

    degree = None
    decided = True
    exactness = Exactness.NUMERICAL

    def __init__(self, target: Target) -> None:
        self.target, self.r = target, target.r
        self.reason = "a callable is known by its values only"
        self._tables: dict[int, tuple[Table, tuple[float, float], str]] = {}

    def check(self, order: int) -> None:
        """Raises ``InputError`` for an order above 100 or more than 5,000 coefficients."""
        if order > _LARGEST or comb(order + self.r, self.r) > _COEFFICIENTS:
            raise InputError(
                f"the order for a function of {self.r} variables is too high: {order} (at most {_LARGEST}, and "
                f"{_COEFFICIENTS:,} coefficients)"
            )

    def table(self, order: int) -> Table:
        """{α: (c_α, error)} for |α| ≤ ``order``."""
        unit = self.unit
        return {alpha: (c * unit, off * unit) for alpha, (c, off) in self._found(order)[0].items()}

    def table_in_unit(self, order: int) -> Table:
        """The table of f/``unit``."""
        return self._found(order)[0]

    def energy_in_unit(self, order: int = 4) -> tuple[float, float]:
        """E f² and its error in units of ``unit``²."""
        return self._found(order)[1]

    def method(self, order: int) -> str:
        """How the coefficients were found: "quadrature" or "sampling"."""
        return self._found(order)[2]

    def heat_series(self, order: int) -> dict[Index, float]:
        """{α: c_α/α!} as floats up to total degree ``order``."""
        return {alpha: c / prod(map(factorial, alpha)) for alpha, (c, _) in self.table(order).items()}

    def error(self, alpha: Index, order: int) -> float:
        """What c_α may be off by."""
        return self.table(order)[alpha][1]

    def total_energy(self) -> float | flint.fmpq:
        """E f², numerically; the number itself where no float holds it."""
        energy, unit = self.energy_in_unit()[0], self.unit
        value = energy * unit * unit
        return value if held(value) or not energy else of_float(energy) * of_float(unit) ** 2

    @cached_property
    def unit(self) -> float:
        """The power of two in which f is counted."""
        return self._drawn[2]

    @cached_property
    def sample(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Points (S, N, r) of independent scrambles, values (S, N) of f/``unit``; f is checked here, before all else."""
        points, values, _ = self._drawn
        return points, values

    @cached_property
    def _drawn(self) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        import numpy as np

        points, far = np.array([self._scramble(seed) for seed in range(_SCRAMBLES)]), self.checked
        values = np.array([self._finite(x) for x in points])
        unit = power_near(values) or far or 1.0
        values /= unit
        for part in (points, values):
            # The engine is kept: what is read twice must not be written into.
            part.flags.writeable = False
        return points, values, unit

    @property
    def size(self) -> int:
        """Bytes of the sample, if it was drawn already."""
        drawn = vars(self).get("_drawn", ())
        return sum(part.nbytes for part in drawn[:2])

    def _scramble(self, seed: int) -> NDArray[np.float64]:
        """Points (N, r) of one scrambled Sobol sequence."""
        import numpy as np
        from scipy.special import ndtri
        from scipy.stats import qmc

        level = _SOBOL.get(self.r, 14) if self.r > 1 else 12
        uniform = qmc.Sobol(self.r, seed=seed).random_base2(level)
        return np.asarray(ndtri(np.clip(uniform, 2.0**-40, 1 - 2.0**-40)))

    @cached_property
    def checked(self) -> float:
        """The power of two near the largest value far out; raises :class:`InputError` for what is no function of Gaussian points.

        One scramble, a part of it again, and points all over the ball in which the Gaussian matters.
        """
        import numpy as np

        points = self._scramble(0)
        first = self._finite(points)
        if not np.array_equal(self._finite(points[:1024]), first[:1024]):
            raise InputError(
                f"g must be deterministic: {self.target.text} gave different values at the same points"
            )
        return power_near(self._finite(self._far_points()))

    def check_values(self) -> None:
        """Raises :class:`InputError` for what is no function of Gaussian points, and in one direction where E f² is infinite."""
        if self.r == 1:
            self._found(1)
        else:
            _ = self.checked

    @cached_property
    def _reach(self) -> float:
        """The radius beyond which ``_BEYOND`` of the Gaussian lies."""
        from scipy.special import chdtri

        return sqrt(float(chdtri(self.r, _BEYOND)))

    def _far_points(self) -> NDArray[np.float64]:
        """Points (N, r) all over the ball in which the Gaussian matters, most of them where no draw falls."""
        import numpy as np
        from scipy.special import ndtri
        from scipy.stats import qmc

        if self.r == 1:
            return np.linspace(-self._reach, self._reach, 4096)[:, None]
        uniform = qmc.Sobol(self.r, seed=_SCRAMBLES).random_base2(14)
        x = _SPREAD * ndtri(np.clip(uniform, 2.0**-40, 1 - 2.0**-40))
        return np.asarray(x[np.linalg.norm(x, axis=1) <= self._reach])

    def _finite(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """f at (N, r): real and finite, else ``InputError``."""
        import numpy as np

        with np.errstate(all="ignore"):
            values = self.target(x)
        bad = ~np.isfinite(values)
        if bad.any():
            nearest = np.argmin(np.linalg.norm(x[bad], axis=1))
            raise self._not_finite(values[bad][nearest], x[bad][nearest])
        return values

    def _not_finite(self, value: float, point: NDArray[np.float64]) -> InputError:
        return InputError(
            f"g must be finite almost everywhere: {self.target.text} is {value} at {point_text(point)}"
        )

    def values(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """f/``unit`` at (N, r): real and finite, else ``InputError``."""
        return self._finite(x) / self.unit

    def _loose(self, x: NDArray[np.float64], *, regions: bool = True) -> NDArray[np.float64]:
        """f/``unit`` at the nodes of a rule, which may hit a pole or leave the range of floats.

        What is NaN where next to nothing of the Gaussian lies (∞/∞ far out) counts as 0; with ``regions``, NaN at two nodes that
        follow one another is no pole, but a part of space where f has no values: ``InputError``.
        """
        import numpy as np

        with np.errstate(all="ignore"):
            values = self.target(x) / self.unit
        missing = np.isnan(values)
        if missing.any():
            far = np.linalg.norm(x, axis=1) > self._reach
            values = np.where(missing & far, 0.0, values)
            missing &= ~far
            pair = np.flatnonzero(missing[1:] & missing[:-1])
            if regions and len(pair):
                raise self._not_finite(math.nan, x[pair[0]])
        return values

    def _found(self, order: int) -> tuple[Table, tuple[float, float], str]:
        import numpy as np

        top = max([order, *(k for k in self._tables)])
        if top not in self._tables:
            with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
                self._tables = {top: self._compute(top)}
        table, energy, method = self._tables[top]
        if order == top:
            return table, energy, method
        return {a: c for a, c in table.items() if sum(a) <= order}, energy, method

    def _compute(self, order: int) -> tuple[Table, tuple[float, float], str]:
        import numpy as np

        from hermite.engines.adaptive import endless_on_lines, lies_at_the_ends, line_moments, plane_moments

        values = self.sample[1]
        if self.r == 1:
            total, error = line_moments(lambda x: self._loose(x[:, None]), order)
            table: Table = {
                (k,): (float(total[k]) * sqrt(factorial(k)), float(error[k]) * sqrt(factorial(k)))
                for k in range(order + 1)
            }
            return self._checked(table, (float(total[-1]), float(error[-1])))
        self.check(order)
        indices = multi_indices(self.r, order)
        sampled, energy = self._sobol(indices, order)
        smooth = self._gauss(indices, order, sampled, energy)
        if smooth is not None:
            return self._checked(*smooth)
        if self.r == 2:
            size = sqrt(float(np.mean(values**2))) or 1.0
            if (
                lies_at_the_ends(self._loose)
                or endless_on_lines(self._loose)
                or endless_on_lines(lambda z: self._loose(z[:, ::-1]))
            ):
                raise self._endless()
            one = plane_moments(self._loose, order, size)
            if not one.energy_error <= _LOST * one.energy:
                raise self._endless()
            # Lines the other way, elsewhere: what both miss by their nodes is not the same.
            other = plane_moments(lambda z: self._loose(z[:, ::-1]), order, size, 0.1337)
            table = {}
            for a in indices:
                s, k, m = sqrt(prod(map(factorial, a))), (a[0], a[1]), (a[1], a[0])
                first, second = one.means[k], other.means[m]
                gap = 2 * abs(first - second) + one.errors[k] + other.errors[m]
                table[a] = (s * (first + second) / 2, s * gap)
            square = (one.energy + other.energy) / 2
            off = 2 * abs(one.energy - other.energy) + one.energy_error + other.energy_error
            if all(abs(c - sampled[a][0]) <= 2 * sampled[a][1] + e for a, (c, e) in table.items()):
                return self._checked(table, (square, off))
        if not energy[1] <= energy[0]:
            # Points scatter more than rules miss: where one scramble alone holds most of it, E f² may be infinite.
            raise InputError(
                f"E f² of {self.target.text} is {energy[0] * self.unit**2:.3g} ± {energy[1] * self.unit**2:.1g} by "
                f"{values.size:,} points: it must be finite, and better known"
            )
        return sampled, energy, "sampling"

    def _checked(self, table: Table, energy: tuple[float, float]) -> tuple[Table, tuple[float, float], str]:
        square, off = energy
        if not math.isfinite(square) or not off <= _LOST * max(square, 1e-300):
            raise self._endless()
        return table, energy, "quadrature"

    def _endless(self) -> InputError:
        return InputError(
            f"the numerical integral E f² of {self.target.text} does not converge: it must be finite"
        )

    def _sobol(self, indices: list[Index], order: int) -> tuple[Table, tuple[float, float]]:
        """Means over the scrambles and four standard errors."""
        import numpy as np

        from hermite.engines.adaptive import hermite_rows

        rows, squares = [], []
        for x, f in zip(*self.sample, strict=True):
            h = hermite_rows(x, order)
            rows.append(
                [float(np.mean(f * prod(h[:, i, a] for i, a in enumerate(alpha) if a))) for alpha in indices]
            )
            squares.append(float(np.mean(f * f)))
        mean, scatter = np.mean(rows, axis=0), 4 * np.std(rows, axis=0, ddof=1) / sqrt(_SCRAMBLES)
        table = {
            a: (float(m) * sqrt(prod(map(factorial, a))), float(s) * sqrt(prod(map(factorial, a))))
            for a, m, s in zip(indices, mean, scatter, strict=True)
        }
        return table, (float(np.mean(squares)), 4 * float(np.std(squares, ddof=1)) / sqrt(_SCRAMBLES))

    def _gauss(
        self, indices: list[Index], order: int, sampled: Table, energy: tuple[float, float]
    ) -> tuple[Table, tuple[float, float]] | None:
        """Two tensor rules, or None unless they agree with each other and with the sample."""
        import numpy as np

        from hermite.engines.adaptive import hermite_rows

        if self.r not in _NODES:
            return None
        found, squares = [], []
        for count in _NODES[self.r]:
            x, w = np.polynomial.hermite_e.hermegauss(count)
            w = w / w.sum()
            grid = np.stack([g.ravel() for g in np.meshgrid(*[x] * self.r, indexing="ij")], axis=1)
            values = self._loose(grid, regions=False).reshape((count,) * self.r)
            moments = values
            for _ in range(self.r):
                moments = np.tensordot(moments, hermite_rows(x, order) * w[:, None], axes=(0, 0))
            square = values**2
            for _ in range(self.r):
                square = np.tensordot(w, square, axes=(0, 0))
            found.append(np.array([moments[a] for a in indices]))
            squares.append(float(square))
        size = sqrt(max(squares[0], 1e-300))
        off = np.abs(found[0] - found[1])
        if not (np.all(off <= _AGREE * size) and abs(squares[0] - squares[1]) <= _AGREE * size**2):
            return None
        scale = [sqrt(prod(map(factorial, a))) for a in indices]
        table = {
            a: (float(c) * s, (float(d) + 1e-14 * size) * s)
            for a, c, d, s in zip(indices, found[0], off, scale, strict=True)
        }
        agrees = all(
            abs(c - sampled[a][0]) <= 2.5 * sampled[a][1] + e + _AGREE * size for a, (c, e) in table.items()
        )
        if not agrees or abs(squares[0] - energy[0]) > 2.5 * energy[1] + _AGREE * size**2:
            return None
        return table, (squares[0], abs(squares[0] - squares[1]) + 1e-14 * size**2)


def power_near(values: NDArray[np.float64]) -> float:
    """The power of two next below the largest of ``values``; 0 where all are 0."""
    import numpy as np

    largest = float(np.max(np.abs(values), initial=0.0))
    return math.ldexp(1.0, math.frexp(largest)[1] - 1) if largest else 0.0


def multi_indices(r: int, order: int) -> list[Index]:
    """All α of r entries with |α| ≤ ``order``."""
    return [
        tuple(chosen.count(i) for i in range(r))
        for k in range(order + 1)
        for chosen in combinations_with_replacement(range(r), k)
    ]
