"""Truncated power series in μ, as a dictionary from multi-index to coefficient: products and powers of lines."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import factorial

from hermite.engines.forms import Vector
from hermite.exact.scalars import Scalar

Index = tuple[int, ...]
Series = dict[Index, Scalar]


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


def line_powers(v: Vector, variance: Fraction, order: int) -> list[Series]:
    """(⟨v, μ⟩/|v|)^k/k! for k = 0, 1, …"""
    inverse, scale, out = Scalar.sqrt(1 / variance), Scalar.of(1), []
    for k in range(order + 1):
        out.append({alpha: scale * q for alpha, q in _linear_power(v, k)})
        scale = scale * inverse
    return out


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
