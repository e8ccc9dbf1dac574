"""Products over orthogonal directions, and the series of their heat-smoothed forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import factorial
from typing import Any, Protocol

from hermite.engines.composite import is_composite
from hermite.engines.constants import Unsupported
from hermite.engines.extremes import Extreme
from hermite.engines.forms import Vector
from hermite.engines.series import Index, Series, indices, line_powers, scales, substituted, times
from hermite.engines.univariate import Univariate
from hermite.exact.scalars import Scalar


class Flat(Protocol):
    """A function on a plane or larger space that does not factorise; equal ones are equal and hash alike."""

    @property
    def axes(self) -> tuple[Vector, ...]:
        """Orthogonal directions a_i that span the space."""
        ...

    @property
    def variances(self) -> tuple[Fraction, ...]:
        """Those of t_i = ⟨a_i, z⟩."""
        ...

    def coefficient(self, index: Index) -> Scalar:
        """E[f Π He_{k_i}(t_i/s_i)], k = ``index``."""
        ...


@dataclass(frozen=True)
class Term:
    """coefficient · Π_j u_j(⟨a_j, z⟩) · Π planes, all directions orthogonal (coefficients of the named directions)."""

    coefficient: Scalar
    factors: tuple[tuple[Vector, Univariate], ...]
    planes: tuple[Flat, ...] = ()

    @property
    def directions(self) -> tuple[Vector, ...]:
        return tuple(v for v, _ in self.factors) + tuple(v for plane in self.planes for v in plane.axes)

    def directions_of_order(self, order: int) -> tuple[Vector, ...]:
        """Directions that span all that orders from ``order`` on may see."""
        extremes = [plane for plane in self.planes if isinstance(plane, Extreme)]
        if len(extremes) != 1 or len(self.planes) > 1 or not all(u.is_power for _, u in self.factors):
            return self.directions
        # Order k of a product holds the order k − j of the maximum, j up to the degree of the rest.
        degree = sum(u.power for _, u in self.factors)
        return tuple(v for v, _ in self.factors) + extremes[0].directions_of_order(order - degree)

    def mean(self) -> Scalar:
        """E of the term."""
        value = self.coefficient
        for _, u in self.factors:
            value = value * u.coefficient(0)
        for plane in self.planes:
            value = value * plane.coefficient((0,) * len(plane.axes))
        return value


#: An even order up to which coefficients of composite functions must be within reach.
_TRIED = 4


def try_integrals(terms: Sequence[Term]) -> None:
    """One coefficient of every composite function, so that an integral out of reach shows: it raises ``Unsupported``.

    So does a part whose own mean is infinite: exp(−|z² − 1|) is e^{z² − 1} inside, where it is no function of the whole line.
    """
    for term in terms:
        for _, u in term.factors:
            if not u.is_integrable:
                raise Unsupported("a piece that grows too fast to be a function of the whole line")
            if any(is_composite(name) for name, *_ in u.factors):
                u.coefficient(_TRIED + (u.parity == "odd")).ball()


#: Series along a direction, and those of functions along it: the terms of a sum share most of them.
Lines = dict[Any, Any]


def expanded(term: Term, order: int, r: int, kept: Lines) -> Series:
    """The series of c Π_j H_j(⟨a_j, μ⟩/|a_j|) up to total degree ``order``; ``kept``: what terms share."""
    total: Series = {(0,) * r: term.coefficient}
    for v, u in term.factors:
        if v not in kept:
            kept[v] = line_powers(v, u.variance, order)
        if (v, u) not in kept:
            kept[v, u] = _along_line(u, kept[v])
        total = times(total, kept[v, u], order)
    for plane in term.planes:
        if plane not in kept:
            kept[plane] = substituted(_of_plane(plane, order), plane.axes)
        total = times(total, kept[plane], order)
    return total


def _of_plane(plane: Flat, order: int) -> Series:
    """The series in the coordinates of its axes."""
    sizes = [scales(s, order) for s in plane.variances]
    table: Series = {}
    # The highest orders first: what they rest on serves the others.
    for index in sorted(indices(len(sizes), order), key=sum, reverse=True):
        c = plane.coefficient(index)
        if c.is_zero() is not True:
            for size, k in zip(sizes, index, strict=True):
                c = c * size[k] * Fraction(1, factorial(k)) if k else c
            table[index] = c
    return table


def _along_line(u: Univariate, powers: Sequence[Series]) -> Series:
    """Σ_k c_k(u) ⟨v, μ⟩^k/(|v|^k k!), the zeros left out."""
    table: Series = {}
    for k, power in enumerate(powers):
        c = u.coefficient(k)
        if c.is_zero() is not True:
            table |= {alpha: c * x for alpha, x in power.items()}
    return table
