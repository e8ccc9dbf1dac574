"""Products with the exponential of any polynomial of degree 2: the same product under another Gaussian.

f(u) = e^{⟨b,u⟩ + uᵀQu} F(u), u ~ N(0, G), K = G⁻¹: with K' = K − 2Q, G' = K'⁻¹, m = G'b and A = G'K

    h(μ) = E f(u + μ) = √(det K/det K') e^{⟨b,m⟩/2} · e^{⟨m,Kμ⟩ + μᵀ(KG'K − K)μ/2} · E' F(y + m + Aμ),     y ~ N(0, G').

So the exponential needs no axes in common with F. Q is rational; b may hold any constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import factorial, prod
from typing import Any

import flint

from hermite.engines.constants import Unsupported, as_fraction, scalar_exp
from hermite.engines.forms import Form, Monomial, Ridge, Vector, add, constant_form, multiply, power
from hermite.engines.quadratic import Metric, inner
from hermite.engines.series import Index, Series, ring, substituted, times, times_rational
from hermite.engines.terms import Lines, Term, expanded
from hermite.exact.scalars import Scalar


@dataclass(frozen=True)
class Gaussian:
    """e^{⟨b,u⟩ + uᵀQu} beside N(0, G); raises :class:`Unsupported` unless Q is rational and K − 2Q positive definite."""

    tilt: tuple[tuple[int, Scalar], ...]
    quadratic: tuple[tuple[tuple[int, int], Scalar], ...]
    r: int
    gram: Metric | None

    @cached_property
    def _precisions(self) -> tuple[flint.fmpq_mat, flint.fmpq_mat]:
        """K and K'."""
        r, gram = self.r, self.gram
        g = [[Fraction(int(i == j)) for j in range(r)] for i in range(r)] if gram is None else gram
        before = flint.fmpq_mat([[_fmpq(x) for x in row] for row in g]).inv()
        after = [[before[i, j] for j in range(r)] for i in range(r)]
        for (i, j), c in self.quadratic:
            if not c.is_rational:
                raise Unsupported(
                    "an exp of a square with an irrational coefficient beside a function along another direction"
                )
            after[i][j] -= _fmpq(as_fraction(c))
            after[j][i] -= _fmpq(as_fraction(c))
        found = flint.fmpq_mat(after)
        minors = (flint.fmpq_mat([row[:k] for row in after[:k]]).det() for k in range(1, r + 1))
        if not all(minor > 0 for minor in minors):
            raise Unsupported("an expectation is not proved finite")
        return before, found

    @cached_property
    def metric(self) -> Metric:
        """G'."""
        return _rows(self._precisions[1].inv())

    @cached_property
    def mean(self) -> tuple[Scalar, ...]:
        """m = G'b."""
        b = dict(self.tilt)
        return tuple(Scalar.total(b[j] * x for j, x in enumerate(row) if x and j in b) for row in self.metric)

    @property
    def turn(self) -> list[list[Fraction]]:
        """A = G'K."""
        before, after = self._precisions
        return _rows(after.inv() * before)

    def front(self) -> Scalar:
        """√(det K/det K') e^{⟨b,m⟩/2}."""
        before, after = self._precisions
        share = before.det() / after.det()
        exponent = Scalar.total(c * self.mean[i] for i, c in self.tilt)
        return Scalar.sqrt(_fraction(share)) * scalar_exp(exponent * Fraction(1, 2))

    def weight(self, order: int) -> tuple[Series, Any]:
        """(e^{⟨m,Kμ⟩} to ``order``, e^{μᵀ(KG'K − K)μ/2} as a rational polynomial)."""
        before, after = self._precisions
        form: Series = {}
        for j in range(self.r):
            c = Scalar.total(
                self.mean[i] * _fraction(before[i, j]) for i in range(self.r) if before[i, j] != 0
            )
            if c != 0:
                form[tuple(int(i == j) for i in range(self.r))] = c
        one: Series = {(0,) * self.r: Scalar.of(1)}
        linear, step = dict(one), one
        for k in range(1, order + 1 if form else 0):
            step = {place: c * Fraction(1, k) for place, c in times(step, form, order).items()}
            linear |= step
        context = ring(self.r)
        bend = before * after.inv() * before - before
        square = context.from_dict(
            {
                tuple(int(i == k) + int(j == k) for k in range(self.r)): bend[i, j] * (1 if i == j else 2) / 2
                for i in range(self.r)
                for j in range(i, self.r)
                if bend[i, j] != 0
            }
        )
        total = term = context.constant(1)
        for k in range(1, order // 2 + 1):
            term = term * square * flint.fmpq(1, k)
            total += term
        return linear, total

    def moved(self, powers: Sequence[int], ridges: Sequence[tuple[Ridge, int]]) -> Form:
        """F(· + m)."""
        form = constant_form(1, self.r)
        for i, p in enumerate(powers):
            place = Monomial(tuple(int(i == j) for j in range(self.r)))
            if p:
                form = multiply(
                    form, power(add({place: Scalar.of(1)}, constant_form(self.mean[i], self.r)), p, self.r)
                )
        own = []
        for g, k in ridges:
            shift = Scalar.total(self.mean[i] * x for i, x in enumerate(g.direction) if x)
            own.append((Ridge(g.name, g.direction, g.scale, g.offset + g.scale * shift), k))
        return multiply(
            form,
            {Monomial((0,) * self.r, tuple(sorted(own, key=lambda item: item[0].sort_key))): Scalar.of(1)},
        )


@dataclass(frozen=True)
class Tilted:
    """e^{⟨b,u⟩ + uᵀQu} F(u) along orthogonal ``axes``; ``inside``: F(· + m) as a sum of products under N(0, G')."""

    axes: tuple[Vector, ...]
    variances: tuple[Fraction, ...]
    gaussian: Gaussian
    inside: tuple[Term, ...]

    def coefficient(self, index: Index) -> Scalar:
        """E[f Π He_{k_i}(t_i/s_i)], k = ``index``: Π s_i^{k_i} ∂^k h(0)."""
        value = self._series(sum(index)).get(index)
        if value is None:
            return Scalar.of(0)
        for k, v in zip(index, self.variances, strict=True):
            value = value * Scalar.sqrt(v) ** k
        return value * prod(map(factorial, index))

    def _series(self, order: int) -> Series:
        """h along the axes, up to an order."""
        if not self._known or self._known[0][0] < order:
            lines: Lines = {}
            r = self.gaussian.r
            parts: dict[Index, list[Scalar]] = {}
            for term in self.inside:
                for place, c in expanded(term, order, r, lines).items():
                    parts.setdefault(place, []).append(c)
            total = substituted({k: Scalar.total(own) for k, own in parts.items()}, self.gaussian.turn)
            linear, square = self.gaussian.weight(order)
            total = times(times_rational(total, square, order), linear, order)
            # t_i moves with μ = Σ τ_i G a_i/s_i².
            rows = []
            for j in range(r):
                unit = tuple(Fraction(int(i == j)) for i in range(r))
                rows.append(
                    [
                        inner(unit, a, self.gaussian.gram) / v
                        for a, v in zip(self.axes, self.variances, strict=True)
                    ]
                )
            front = self.gaussian.front()
            self._known[:] = [(order, {k: c * front for k, c in substituted(total, rows).items()})]
        return self._known[0][1]

    @cached_property
    def _known(self) -> list[tuple[int, Series]]:
        return []


def _rows(matrix: flint.fmpq_mat) -> list[list[Fraction]]:
    return [[_fraction(matrix[i, j]) for j in range(matrix.ncols())] for i in range(matrix.nrows())]


def _fmpq(x: Fraction) -> flint.fmpq:
    return flint.fmpq(x.numerator, x.denominator)


def _fraction(x: flint.fmpq) -> Fraction:
    return Fraction(int(x.p), int(x.q))
