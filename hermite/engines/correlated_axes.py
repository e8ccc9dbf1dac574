"""Axes along which a product of functions of correlated lines is summed, and what is known of the lines in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import flint

from hermite.engines.composite import is_composite
from hermite.engines.constants import Unsupported
from hermite.engines.forms import Vector
from hermite.engines.univariate import Univariate

#: Part of a direction's variance that must lie outside the axes before it for it to become one.
_SHARE = Fraction(3, 20)


@dataclass(frozen=True)
class Lines:
    """Π_l u_l(x_l), x ~ N(0, covariance), perhaps singular."""

    functions: tuple[Univariate, ...]
    covariance: tuple[tuple[Fraction, ...], ...]

    # Fractions are slow to hash, and sums are looked up often.
    @cached_property
    def _hash(self) -> int:
        return hash((self.functions, self.covariance))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True)
class Setting:
    """Axes y of unit variance: x_l = Σ_i mixing_li y_i; ``own`` the axis of a line along one, or None."""

    lines: Lines
    basis: tuple[int, ...]
    mixing: tuple[tuple[flint.arb, ...], ...]
    own: tuple[int | None, ...]
    correlation: flint.arb_mat
    precision: flint.arb_mat

    @property
    def m(self) -> int:
        return len(self.basis)


def independent(covariance: Sequence[Sequence[Fraction]]) -> tuple[int, ...]:
    """The first lines that span all others."""
    chosen: list[int] = []
    for k in range(len(covariance)):
        own = [*chosen, k]
        if flint.fmpq_mat([[_fmpq(covariance[i][j]) for j in own] for i in own]).det() != 0:
            chosen = own
    return tuple(chosen)


def coordinates(covariance: Sequence[Sequence[Fraction]], basis: Sequence[int]) -> list[Vector]:
    """Every line in the basis: x_l = Σ_j c_lj x_{basis j}."""
    square = flint.fmpq_mat([[_fmpq(covariance[i][j]) for j in basis] for i in basis])
    right = flint.fmpq_mat([[_fmpq(row[j]) for row in covariance] for j in basis])
    solved = square.solve(right)
    return [tuple(_fraction(solved[j, line]) for j in range(len(basis))) for line in range(len(covariance))]


def setting_of(lines: Lines, basis: tuple[int, ...]) -> Setting:
    c = lines.covariance
    inside = coordinates(c, basis)
    axes = _axes(lines, basis, inside)
    square = [[c[i][j] for j in basis] for i in basis]

    def paired(a: Vector, b: Vector) -> Fraction:
        return sum(
            (x * square[i][j] * y for i, x in enumerate(a) for j, y in enumerate(b) if x and y), Fraction(0)
        )

    sizes = [_ball(paired(a, a)).sqrt() for a in axes]
    correlation = flint.arb_mat(
        [
            [_ball(paired(a, b)) / (s * t) for b, t in zip(axes, sizes, strict=True)]
            for a, s in zip(axes, sizes, strict=True)
        ]
    )
    # x = Σ_i n_i-coordinates: the inverse of the rows of the axes turns basis coordinates into axis coordinates.
    turn = flint.fmpq_mat([[_fmpq(x) for x in a] for a in axes]).inv()
    mixing, own = [], []
    for v in inside:
        row = [
            sum((_fmpq(x) * turn[j, i] for j, x in enumerate(v)), start=flint.fmpq(0))
            for i in range(len(axes))
        ]
        used = [i for i, x in enumerate(row) if x != 0]
        own.append(used[0] if len(used) == 1 else None)
        mixing.append(tuple(flint.arb(x) * s for x, s in zip(row, sizes, strict=True)))
    return Setting(lines, basis, tuple(mixing), tuple(own), correlation, correlation.inv())


def _axes(lines: Lines, basis: tuple[int, ...], inside: Sequence[Vector]) -> list[Vector]:
    """Directions in the basis: lines with kinks or of functions without a table, then steep ones if far from those before."""
    c = lines.covariance
    square = [[c[i][j] for j in basis] for i in basis]

    def paired(a: Vector, b: Vector) -> Fraction:
        return sum((x * square[i][j] * y for i, x in enumerate(a) for j, y in enumerate(b)), Fraction(0))

    forced = [bool(u.thresholds) or any(is_composite(f[0]) for f in u.factors) for u in lines.functions]
    steep = [
        max((abs(float(f[1])) for f in u.factors), default=0.0) * math.sqrt(c[at][at])
        for at, u in enumerate(lines.functions)
    ]
    axes: list[Vector] = []
    orthogonal: list[Vector] = []
    for at in sorted(range(len(inside)), key=lambda at: (not forced[at], -steep[at], at)):
        rest = inside[at]
        for a in orthogonal:
            share = paired(rest, a) / paired(a, a)
            rest = tuple(x - share * y for x, y in zip(rest, a, strict=True))
        if not any(rest):
            if forced[at]:
                raise Unsupported("a product of piecewise functions along more directions than dimensions")
            continue
        orthogonal.append(rest)
        far = paired(rest, rest) > _SHARE * c[at][at]
        axes.append(inside[at] if forced[at] or far else rest)
    return axes


def _ball(x: Fraction) -> flint.arb:
    return flint.arb(_fmpq(x))


def _fmpq(x: Fraction) -> flint.fmpq:
    return flint.fmpq(x.numerator, x.denominator)


def _fraction(x: flint.fmpq) -> Fraction:
    return Fraction(int(x.p), int(x.q))
