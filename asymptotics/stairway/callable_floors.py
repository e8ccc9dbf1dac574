r"""Plateaus of Python functions: known by values only, so that every number has an error and growth is judged by it.

Nothing learned, or what is out of an activation's reach: E f² less finitely many coefficients, each with its own error
(:mod:`hermite.engines.sampled`). A learned U: two copies z, z' that share z_U and are independent outside give

    E_x[ E[f h_β(z_⊥) | z_U = x]² ] = E[f(z) f(z') h_β(z_⊥) h_β(z'_⊥)],

without bias, with a standard error over scrambles; a quadrature rule takes its place where it agrees and claims less.
"""

from __future__ import annotations

from math import factorial, inf, prod, sqrt

import numpy as np
import numpy.typing as npt

from asymptotics.stairway.numerical_floors import NumericalFloors
from asymptotics.stairway.visibility import Visible
from hermite.engines import sampled_engine
from hermite.engines.adaptive import hermite_rows
from hermite.engines.sampled import multi_indices
from hermite.errors import InputError
from hermite.exact.exactness import Exactness
from hermite.exact.magnitudes import held
from hermite.indices.numerical import Numbers, complement, strings
from hermite.target import Target

Array = npt.NDArray[np.float64]

_SCRAMBLES = 16
_POINTS = 13
#: Directions up to which a quadrature rule is tried.
_GRID = 3


class CallableFloors:
    """The stairway of a callable; subspaces are orthonormal rows (k, r).

    ``exactness`` turns "undecided" once a step found coefficients that their errors do not tell from zero.
    """

    degree: int | None = None

    def __init__(self, f: Target) -> None:
        self.unit = sampled_engine(f).unit
        self.f = f if self.unit == 1.0 else Target.from_function(_InUnit(f, self.unit), f.r)
        self.exactness = Exactness.NUMERICAL
        self.error = 0.0
        self.numbers = Numbers(self.f, 6 if f.r <= 3 else 4, 1)
        energy = self.numbers.size * self.numbers.size * self.unit * self.unit
        if self.numbers.size and not held(energy):
            raise InputError(
                f"E f² of {f.text!r} is of size {self.unit:.0e}^2, which no float holds: scale the function."
            )

    def start(self) -> Array:
        """U_0 = {0}."""
        return np.zeros((0, self.f.r))

    def dim(self, learned: Array) -> int:
        """Its dimension."""
        return len(learned)

    def strings(self, learned: Array) -> list[list[str]]:
        """Row-reduced echelon form, with the digits that are sure."""
        return strings(learned, self.numbers.off)

    def next(self, learned: Array, visible: Visible) -> Array:
        """U + what order 1 outside U shows, among the degrees that are visible."""
        if len(learned) == self.f.r:
            return learned
        grown, decided = self.numbers.grown(learned, range(1, 2), visible)
        if len(grown) == len(learned) and not decided:
            self.exactness = Exactness.UNDECIDED
        return grown

    def floors(self, learned: Array, kappa: int, visible: Visible) -> list[float]:
        """For κ = 0..``kappa``; never negative."""
        values, errors = np.zeros(kappa + 1), np.zeros(kappa + 1)
        parities = (None,) if visible.everything else (0, 1)
        for parity in parities:
            limit = inf if parity is None else (visible.odd if parity else visible.even)
            part = _part(self.f, parity)
            if len(learned) == 0 or limit < inf:
                own, off = _finite(part, learned, kappa, limit)
            elif len(learned) == self.f.r:
                own, off = np.zeros(kappa + 1), np.zeros(kappa + 1)
            else:
                own, off = _conditional(part, learned, kappa)
            values, errors = values + own, errors + off
        least, square = 1e-13 * self.numbers.size**2, self.unit * self.unit
        self.error = max(self.error, float(errors.max()) * square)
        return [float(v) * square if v > least else 0.0 for v in values]


def _part(f: Target, parity: int | None) -> Target:
    """The even or the odd part of f, or f."""
    if parity is None:
        return f
    sign = -1.0 if parity else 1.0
    return Target.from_function(_Parity(f, sign), f.r)


class _InUnit:
    """f/unit; equal by content, so that its coefficients are found once."""

    def __init__(self, f: Target, unit: float) -> None:
        self.f, self.unit = f, unit
        self.__name__ = f.text

    def __call__(self, z: Array) -> Array:
        return np.asarray(self.f(z) / self.unit)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _InUnit) and (self.f, self.unit) == (other.f, other.unit)

    def __hash__(self) -> int:
        return hash((self.f, self.unit))


class _Parity:
    """(f(z) ± f(−z))/2; equal by content, so that its coefficients are found once."""

    def __init__(self, f: Target, sign: float) -> None:
        self.f, self.sign = f, sign
        self.__name__ = f.text

    def __call__(self, z: Array) -> Array:
        here, mirrored = self.f(z), self.sign * self.f(-z)
        total = np.asarray(here + mirrored, float) / 2
        # What cancels but for rounding is nothing: no rule would ever resolve it.
        total[np.abs(total) <= 1e-14 * (np.abs(here) + np.abs(mirrored))] = 0.0
        return total

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Parity) and (self.f, self.sign) == (other.f, other.sign)

    def __hash__(self) -> int:
        return hash((self.f, self.sign))


def _finite(f: Target, learned: Array, kappa: int, limit: float) -> tuple[Array, Array]:
    """E f² less the coefficients with |α_⊥| ≤ κ and |α| ≤ ``limit`` (≤ κ where nothing is learned), and the errors."""
    top = kappa if not len(learned) else int(limit)
    top = min(top, int(limit)) if limit < inf else top
    engine = sampled_engine(f)
    total, off = engine.energy_in_unit(max(top, 4))
    values, errors = np.full(kappa + 1, total), np.full(kappa + 1, off)
    if top < 0:
        return values * engine.unit**2, errors * engine.unit**2
    numbers = Numbers(f, max(top, 4), 1)
    frame = np.concatenate([learned, complement(learned, f.r)])
    for degree in range(top + 1):
        for alpha, c, e in numbers.turned(frame, degree):
            outside, weight = sum(alpha[len(learned) :]), prod(map(factorial, alpha))
            values[outside:] -= c * c / weight
            errors[outside:] += (2 * abs(c) + e) * e / weight
    return values * engine.unit**2, errors * engine.unit**2


def _by_table(f: Target, learned: Array, kappa: int) -> tuple[Array, Array, float]:
    """(E f² less all known coefficients with |α_⊥| ≤ κ, errors, the energy of the orders that are not known)."""
    order = 6 if f.r <= 3 else 4
    finite, doubt = _finite(f, learned, kappa, order)
    everything, off = _finite(f, np.eye(f.r), 0, order)
    return finite, doubt, max(float(everything[0]), 0.0) + float(off[0])


def _conditional(f: Target, learned: Array, kappa: int) -> tuple[Array, Array]:
    """floor(U, κ) from pairs that share z_U, or by quadrature where that agrees within the errors and claims less."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    k, r = len(learned), f.r
    outer = complement(learned, r)
    betas = multi_indices(r - k, kappa)
    level = np.array([sum(beta) for beta in betas])
    runs = []
    for seed in range(_SCRAMBLES):
        uniform = qmc.Sobol(k + 2 * (r - k), seed=seed).random_base2(_POINTS)
        z = ndtri(np.clip(uniform, 2.0**-40, 1 - 2.0**-40))
        shared, y, other = z[:, :k] @ learned, z[:, k:r], z[:, r:]
        product = f(shared + y @ outer) * f(shared + other @ outer)
        h, g = hermite_rows(y, max(kappa, 1)), hermite_rows(other, max(kappa, 1))
        moments = [
            np.mean(product * prod((h[:, i, b] * g[:, i, b] for i, b in enumerate(beta) if b), start=1.0))
            for beta in betas
        ]
        runs.append(
            [
                sum(float(m) for m, d in zip(moments, level, strict=True) if d <= order)
                for order in range(kappa + 1)
            ]
        )
    engine = sampled_engine(f)
    total, off = (part * engine.unit**2 for part in engine.energy_in_unit())
    values = total - np.mean(runs, axis=0)
    errors = off + 4 * np.std(runs, axis=0, ddof=1) / sqrt(_SCRAMBLES)
    # All of a polynomial is in finitely many coefficients; what the others hold is the error.
    finite, doubt, rest = _by_table(f, learned, kappa)
    better = rest + doubt < errors
    values = np.where(better, np.maximum(finite - rest / 2, 0.0), values)
    errors = np.where(better, rest + doubt, errors)
    if r <= _GRID and not better.all():
        rule = NumericalFloors(f)
        own = np.array(rule.floors(learned, kappa, Visible()))
        # Two rules over the same kink are off in the same sense: their difference is a part of the error only.
        off = 5 * rule.error
        if off < float(errors.max()) and bool(np.all(np.abs(own - values) <= 1.5 * errors + off)):
            return own, np.full(kappa + 1, off)
    return values, errors
