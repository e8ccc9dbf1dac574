"""Truncated power series in μ, as a dictionary from multi-index to coefficient: products and powers of lines.

Products with rational series and rational changes of variables act on one rational polynomial for each constant in the
coefficients, which FLINT multiplies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from math import factorial

import flint

from hermite.engines.forms import Vector
from hermite.exact.atoms import Place
from hermite.exact.effort import spend
from hermite.exact.scalars import Scalar

Index = tuple[int, ...]
Series = dict[Index, Scalar]
#: Products of rationals that cost as much as one unit of :mod:`hermite.exact.effort`.
_A_UNIT = 20


def indices(n: int, order: int) -> Iterator[Index]:
    """Multi-indices of length ``n`` and sum at most ``order``."""
    if n == 0:
        yield ()
        return
    for first in range(order + 1):
        for rest in indices(n - 1, order - first):
            yield (first, *rest)


def times(a: Series, b: Series, order: int) -> Series:
    """Product of two series up to total degree ``order``."""
    merged: Series = {}
    for alpha, x in a.items():
        for beta, y in b.items():
            if sum(alpha) + sum(beta) <= order:
                key = tuple(i + j for i, j in zip(alpha, beta, strict=True))
                merged[key] = merged[key] + x * y if key in merged else x * y
    return merged


def scales(variance: Fraction, order: int) -> list[Scalar]:
    """variance^(−k/2) for k = 0, 1, …"""
    inverse, out = Scalar.sqrt(1 / variance), [Scalar.of(1)]
    for _ in range(order):
        out.append(out[-1] * inverse)
    return out


def line_powers(v: Vector, variance: Fraction, order: int) -> list[Series]:
    """(⟨v, μ⟩/|v|)^k/k! for k = 0, 1, …"""
    return [
        {alpha: scale * q for alpha, q in _linear_power(v, k)}
        for k, scale in enumerate(scales(variance, order))
    ]


def _linear_power(v: Vector, k: int) -> Iterator[tuple[Index, Fraction]]:
    """⟨v, μ⟩^k/k! = Σ_α Π v_i^{α_i}/α_i!, the non-zero terms."""
    support = [i for i, x in enumerate(v) if x]

    def walk(
        places: list[int], left: int, alpha: list[int], value: Fraction
    ) -> Iterator[tuple[Index, Fraction]]:
        i = places[0]
        if len(places) == 1:
            alpha[i] = left
            yield tuple(alpha), value * v[i] ** left / factorial(left)
            alpha[i] = 0
            return
        for a in range(left + 1):
            alpha[i] = a
            yield from walk(places[1:], left - a, alpha, value * v[i] ** a / factorial(a))
        alpha[i] = 0

    yield from walk(support, k, [0] * len(v), Fraction(1))


@lru_cache(maxsize=64)
def ring(variables: int) -> flint.fmpq_mpoly_ctx:
    """Polynomials over the rationals in so many variables."""
    return flint.fmpq_mpoly_ctx.get([f"t{i + 1}" for i in range(variables)], "lex")


def linear_form(v: Sequence[Fraction]) -> flint.fmpq_mpoly:
    """⟨v, t⟩."""
    terms = {tuple(int(i == j) for j in range(len(v))): _fmpq(x) for i, x in enumerate(v) if x}
    return ring(len(v)).from_dict(terms)


def times_rational(series: Series, factor: flint.fmpq_mpoly, order: int) -> Series:
    """``series`` times the polynomial ``factor`` up to total degree ``order``."""
    out = {}
    for place, polynomial in _by_constants(series, factor.context()).items():
        spend(1 + len(polynomial) * len(factor) // _A_UNIT)
        product = (polynomial * factor).to_dict()
        out[place] = {alpha: c for alpha, c in product.items() if sum(alpha) <= order}
    return _gathered(out)


def substituted(series: Series, lines: Sequence[Sequence[Fraction]]) -> Series:
    """The series in μ of one in t_i = ⟨lines_i, μ⟩."""
    target = ring(len(lines[0]))
    forms = [linear_form(v) for v in lines]
    out = {}
    for place, polynomial in _by_constants(series, ring(len(lines))).items():
        composed = polynomial.compose(*forms, ctx=target)
        spend(1 + len(polynomial) * len(composed) // _A_UNIT)
        out[place] = composed.to_dict()
    return _gathered(out)


def _by_constants(series: Series, context: flint.fmpq_mpoly_ctx) -> dict[Place, flint.fmpq_mpoly]:
    """{constant: its polynomial}."""
    parts: dict[Place, dict[Index, flint.fmpq]] = {}
    for alpha, c in series.items():
        for place, rational in c.terms.items():
            parts.setdefault(place, {})[alpha] = rational
    return {place: context.from_dict(terms) for place, terms in parts.items()}


def _gathered(parts: dict[Place, dict[Index, flint.fmpq]]) -> Series:
    """The series of ``_by_constants``'s parts, without what cancels."""
    terms: dict[Index, dict[Place, flint.fmpq]] = {}
    for place, polynomial in parts.items():
        for alpha, c in polynomial.items():
            terms.setdefault(alpha, {})[place] = c
    return {tuple(map(int, alpha)): Scalar(own) for alpha, own in terms.items()}


def _fmpq(x: Fraction) -> flint.fmpq:
    return flint.fmpq(x.numerator, x.denominator)
