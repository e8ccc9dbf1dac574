"""Rows of constants up to a common factor, and quotients of constants in a canonical form.

The monomials of a :class:`~hermite.exact.scalars.Scalar` are those of a polynomial ring over Q, one generator an atom and one
for the common root of the powers of e. Common factors are greatest common divisors there; a quotient is canonical once
its denominator is free of square roots, has no factor in common with the numerator, and is primitive over Z.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from math import gcd, lcm

import flint

from hermite.exact.atoms import Atom, Place, is_root, radicand
from hermite.exact.effort import spend
from hermite.exact.scalars import Scalar

#: Most monomials of a row, and of a quotient, on which divisors are looked for.
MAX_TERMS = 600
#: Units of work of one quotient, whatever its length: rings and their polynomials.
_A_QUOTIENT = 100
#: Largest exponent of a generator: FLINT's greatest common divisors of larger ones do not divide.
_MAX_EXPONENT = 2**40


class Ring:
    """Q[atoms, e^g] for the atoms of some constants and the greatest common divisor g of their exponents of e."""

    def __init__(self, constants: Sequence[Scalar]) -> None:
        places = [place for c in constants for place in c.terms]
        self.atoms: list[Atom] = sorted({atom for _, key in places for atom, _ in key})
        powers = [Fraction(q) for q, _ in places]
        below = lcm(1, *(q.denominator for q in powers))
        #: g: huge exponents, as of exp(-10^40), are small multiples of it.
        self.step = Fraction(gcd(*(int(q * below) for q in powers)) or 1, below)
        self.column = {atom: i for i, atom in enumerate(self.atoms)}
        self.context = flint.fmpq_mpoly_ctx.get([f"a{i}" for i in range(len(self.atoms) + 1)], "lex")
        exponents = [self._exponents(place) for place in places]
        #: What all exponents are shifted by: a common monomial.
        self.shift = [min([0, *column]) for column in zip(*exponents, strict=True)] if exponents else []
        largest = max(
            (k - low for row in exponents for k, low in zip(row, self.shift, strict=True)), default=0
        )
        #: Whether all exponents are within reach of greatest common divisors.
        self.fits = largest <= _MAX_EXPONENT

    def _exponents(self, place: Place) -> list[int]:
        q, key = place
        out = [0] * (len(self.atoms) + 1)
        out[-1] = int(q / self.step)
        for atom, k in key:
            out[self.column[atom]] = k
        return out

    def polynomial(self, c: Scalar) -> flint.fmpq_mpoly:
        """``c`` times the common monomial of the ring."""
        return self.context.from_dict(
            {
                tuple(k - low for k, low in zip(self._exponents(place), self.shift, strict=True)): x
                for place, x in c.terms.items()
            }
        )

    def scalar(self, polynomial: flint.fmpq_mpoly) -> Scalar:
        terms: dict[Place, flint.fmpq] = {}
        for exponents, x in polynomial.to_dict().items():
            *own, e = (int(k) for k in exponents)
            q = e * self.step
            key = tuple((atom, k) for atom, k in zip(self.atoms, own, strict=True) if k)
            terms[(q.numerator if q.denominator == 1 else q, key)] = x
        return Scalar(terms)

    def roots(self) -> list[tuple[int, int]]:
        """(column, p) of the generators √p."""
        return [(i, radicand(atom)) for i, atom in enumerate(self.atoms) if is_root(atom)]


def without_common_factor(row: Sequence[Scalar]) -> tuple[Scalar, ...]:
    """``row`` over the greatest common divisor of its entries, the rational coefficients coprime integers.

    Rows of one direction then are of one size, whatever constant they came with.
    """
    if sum(len(x.terms) for x in row) > MAX_TERMS:
        return tuple(row)
    ring = Ring(row)
    if not ring.fits:
        return tuple(row)
    polynomials = [ring.polynomial(x) for x in row]
    common = reduce(lambda a, b: _gcd(a, b), polynomials)
    if common.is_zero():
        return tuple(row)
    reduced = [p / common for p in polynomials]
    unit = _size([c for p in reduced for c in p.to_dict().values()])
    return tuple(ring.scalar(p / unit) for p in reduced)


def quotient(x: Scalar, y: Scalar) -> tuple[Scalar, Scalar] | None:
    """(numerator, denominator) of x/y in canonical form; None where that takes too many terms."""
    if len(x.terms) + len(y.terms) > MAX_TERMS:
        return None
    spend(_A_QUOTIENT)
    x, y = without_common_factor((x, y))
    for p in sorted({radicand(atom) for _, key in y.terms for atom, _ in key if is_root(atom)}):
        conjugate = y.conjugate(p)
        if len(y.terms) * max(len(x.terms), len(y.terms)) > MAX_TERMS:
            return None
        x, y = x * conjugate, y * conjugate
    ring = Ring((x, y))
    if not ring.fits:
        return None
    top, bottom = ring.polynomial(x), ring.polynomial(y)
    common = reduce(lambda a, b: _gcd(a, b), _parts(ring, top), bottom)
    top, bottom = top / common, bottom / common
    unit = _content(bottom)
    return ring.scalar(top / unit), ring.scalar(bottom / unit)


def quotients(row: Sequence[Scalar], lead: Scalar) -> tuple[Scalar, ...] | None:
    """The entries of ``row`` over ``lead`` where all of them are sums of monomials again, else None."""
    out = []
    for x in row:
        pair = quotient(x, lead)
        inverse = None if pair is None else pair[1].inverse()
        if pair is None or inverse is None:
            return None
        out.append(pair[0] * inverse)
    return tuple(out)


def _gcd(a: flint.fmpq_mpoly, b: flint.fmpq_mpoly) -> flint.fmpq_mpoly:
    """The greatest common divisor, its work counted by terms and by length of the coefficients."""
    if a and b:
        words = max(int(x.leading_coefficient().height_bits()) // 64 for x in (a, b))
        spend(10 + len(a) * len(b) * (1 + 4 * words) // 4)
    return a.gcd(b)


def _parts(ring: Ring, p: flint.fmpq_mpoly) -> list[flint.fmpq_mpoly]:
    """The coefficients of a polynomial in front of its monomials in square roots."""
    columns = [i for i, _ in ring.roots()]
    parts: dict[tuple[int, ...], dict[tuple[int, ...], flint.fmpq]] = {}
    for exponents, x in p.to_dict().items():
        place = tuple(int(exponents[i]) for i in columns)
        rest = tuple(0 if i in columns else int(k) for i, k in enumerate(exponents))
        parts.setdefault(place, {})[rest] = x
    return [ring.context.from_dict(part) for part in parts.values()]


def _content(p: flint.fmpq_mpoly) -> flint.fmpq:
    """The rational c for which p/c is primitive over Z with a positive first coefficient."""
    size = _size(list(p.to_dict().values()))
    return size if p.leading_coefficient() > 0 else -size


def _size(values: Sequence[flint.fmpq]) -> flint.fmpq:
    """The positive rational c for which the values over c are coprime integers."""
    return flint.fmpq(gcd(*(int(c.p) for c in values)), lcm(*(int(c.q) for c in values)))
