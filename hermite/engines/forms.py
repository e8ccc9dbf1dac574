"""Sums of products of ridge functions: Σ coefficient · z^a Π g(c⟨v, z⟩ + e)^k exp(⟨b, z⟩ + Σ q_ij z_i z_j).

Like products are collected. Two signs along one direction become single ones,
sign(t − b) sign(t − b') = 1 − sign(t − b) + sign(t − b') for b < b', so that equal piecewise polynomials look equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from math import gcd, lcm
from typing import TypeVar

from hermite.engines.constants import Unsupported, as_fraction, sign_of
from hermite.exact.effort import spend
from hermite.exact.scalars import Exact, Scalar

Vector = tuple[Fraction, ...]
#: Largest number of products that rewriting may reach.
MAX_PRODUCTS = 20_000
K = TypeVar("K", int, tuple[int, int])


@dataclass(frozen=True)
class Ridge:
    """``name``(scale · t + offset) with t = ⟨direction, z⟩; ``direction`` is primitive, its first entry positive."""

    name: str
    direction: Vector
    scale: Scalar
    offset: Scalar

    @cached_property
    def sort_key(self) -> tuple[object, ...]:
        """The order in which ridges are written; made once, as products ask for it often."""
        return (self.name, self.direction, str(self.scale), str(self.offset))

    @cached_property
    def _hash(self) -> int:
        return hash((self.name, self.direction, self.scale, self.offset))

    def __hash__(self) -> int:
        # A hash of fractions takes a modular inverse each: once a ridge, not once a look-up.
        return self._hash


@dataclass(frozen=True)
class Monomial:
    """z^powers · Π ridges^k · exp(⟨tilt, z⟩ + Σ q_ij z_i z_j), the last sum over i ≤ j."""

    powers: tuple[int, ...]
    ridges: tuple[tuple[Ridge, int], ...] = ()
    tilt: tuple[tuple[int, Scalar], ...] = ()
    quadratic: tuple[tuple[tuple[int, int], Scalar], ...] = ()

    def varies_beyond(self, order: int) -> bool:
        """Whether it may have Hermite coefficients of ``order`` or more: all but polynomials of lower degree."""
        return bool(self.ridges or self.tilt or self.quadratic) or sum(self.powers) >= order


Form = dict[Monomial, Scalar]


def constant_form(value: Exact | int | Fraction, r: int) -> Form:
    c = Scalar.of(value)
    return {} if c.is_zero() is True else {Monomial((0,) * r): c}


def ridge_form(ridge: Ridge, r: int, coefficient: Exact | int | Fraction = 1) -> Form:
    return {Monomial((0,) * r, ((ridge, 1),)): Scalar.of(coefficient)}


def add(*forms: Form) -> Form:
    total: Form = {}
    for form in forms:
        for key, c in form.items():
            total[key] = total[key] + c if key in total else c
    return {key: c for key, c in total.items() if c.is_zero() is not True}


def scaled(form: Form, c: Scalar) -> Form:
    return {key: c * x for key, x in form.items()}


def multiply(a: Form, b: Form) -> Form:
    if len(a) * len(b) > 5 * MAX_PRODUCTS:
        raise Unsupported(f"the product expands to more than {MAX_PRODUCTS} terms")
    spend(10 * len(a) * len(b))
    total: Form = {}
    for x, c in a.items():
        for y, d in b.items():
            value = c * d
            for key, e in single_signs(_times(x, y)).items():
                total[key] = total[key] + value * e if key in total else value * e
    if len(total) > MAX_PRODUCTS:
        raise Unsupported(f"the product expands to more than {MAX_PRODUCTS} terms")
    return {key: c for key, c in total.items() if c.is_zero() is not True}


def power(form: Form, k: int, r: int) -> Form:
    result = constant_form(1, r)
    for _ in range(k):
        result = multiply(result, form)
    return result


def _times(a: Monomial, b: Monomial) -> Monomial:
    """Exponents add; sign² = 1 almost surely."""
    ridges = dict(a.ridges)
    for ridge, k in b.ridges:
        ridges[ridge] = ridges.get(ridge, 0) + k
    ridges = {g: (k % 2 if g.name == "sign" else k) for g, k in ridges.items()}
    return Monomial(
        tuple(i + j for i, j in zip(a.powers, b.powers, strict=True)),
        tuple(sorted(((g, k) for g, k in ridges.items() if k), key=lambda item: item[0].sort_key)),
        _add_sparse(a.tilt, b.tilt),
        _add_sparse(a.quadratic, b.quadratic),
    )


def _add_sparse(
    a: tuple[tuple[K, Scalar], ...], b: tuple[tuple[K, Scalar], ...]
) -> tuple[tuple[K, Scalar], ...]:
    if not a or not b:
        return a or b
    total = dict(a)
    for key, c in b:
        total[key] = total[key] + c if key in total else c
    return tuple(
        sorted(((key, c) for key, c in total.items() if c.is_zero() is not True), key=lambda x: x[0])
    )


def single_signs(key: Monomial) -> Form:
    """``key`` with at most one sign along each direction; thresholds that cannot be ordered stay as they are."""
    signs = [g for g, _ in key.ridges if g.name == "sign"]
    for g, h in combinations(signs, 2):
        if g.direction != h.direction:
            continue
        try:
            first, last = (g, h) if sign_of(g.offset - h.offset) > 0 else (h, g)
        except Unsupported:
            continue
        rest = tuple(item for item in key.ridges if item[0] not in (g, h))
        base = Monomial(key.powers, rest, key.tilt, key.quadratic)
        whole = add(
            {base: Scalar.of(1)},
            {_times(base, Monomial((0,) * len(key.powers), ((first, 1),))): Scalar.of(-1)},
            {_times(base, Monomial((0,) * len(key.powers), ((last, 1),))): Scalar.of(1)},
        )
        return add(*(scaled(single_signs(part), c) for part, c in whole.items()))
    return {key: Scalar.of(1)}


def linear(form: Form, r: int) -> tuple[Vector, Scalar, Scalar]:
    """(direction, scale, offset) of a form scale·⟨direction, z⟩ + offset; raises :class:`Unsupported` if it is not."""
    slopes = [Scalar.of(0)] * r
    offset = Scalar.of(0)
    for key, c in form.items():
        if key.ridges or key.tilt or key.quadratic or sum(key.powers) > 1:
            raise Unsupported("an argument is not linear in the variables")
        if sum(key.powers) == 0:
            offset = c
        else:
            slopes[key.powers.index(1)] = c
    first = next((c for c in slopes if c.is_zero() is not True), None)
    if first is None:
        raise Unsupported("an argument does not depend on the variables")
    inverse = first.inverse()
    ratios = [c * inverse for c in slopes] if inverse is not None else [c for c in slopes if c is not first]
    if inverse is None or not all(c.is_rational for c in ratios):
        raise Unsupported("a direction has coordinates that are not in rational proportion")
    direction, content = primitive(tuple(as_fraction(c) for c in ratios))
    return direction, first * content, offset


def primitive(vector: Vector) -> tuple[Vector, Fraction]:
    """(v, c) with vector = c v, v of coprime integers with a positive first entry."""
    denominator = lcm(*(x.denominator for x in vector))
    integers = [int(x * denominator) for x in vector]
    content = Fraction(gcd(*integers), denominator)
    if next(x for x in vector if x) < 0:
        content = -content
    return tuple(x / content for x in vector), content


def direction_rows(form: Form, r: int) -> Iterator[list[Scalar]]:
    """Rows that span every direction along which f can vary: with f = Σ P·R, those of each R and of ∇P."""
    groups: dict[Monomial, dict[tuple[int, ...], Scalar]] = {}
    for key, c in form.items():
        groups.setdefault(replace(key, powers=()), {})[key.powers] = c
    zero = Scalar.of(0)
    for factor, polynomial in groups.items():
        tilt, quadratic = dict(factor.tilt), dict(factor.quadratic)
        for ridge, _ in factor.ridges:
            yield [Scalar.of(x) for x in ridge.direction]
        if tilt:
            yield [tilt.get(i, zero) for i in range(r)]
        for i in range(r):
            row = [quadratic.get((min(i, j), max(i, j)), zero) for j in range(r)]
            yield [2 * x if i == j else x for j, x in enumerate(row)]
        gradient: dict[tuple[int, ...], list[Scalar]] = {}
        for powers, c in polynomial.items():
            for i, a in enumerate(powers):
                if a:
                    below = (*powers[:i], a - 1, *powers[i + 1 :])
                    gradient.setdefault(below, [zero] * r)[i] = c * a
        yield from gradient.values()
