"""Constants that are not rational, by name and by balls, and monomials in them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import isqrt
from types import ModuleType
from typing import TYPE_CHECKING

import flint

if TYPE_CHECKING:
    import sympy

#: Radicands up to this length are factored in full, longer ones by the first primes only: what is left stays one root.
_FACTORED_BITS, _TRIAL_PRIMES = 110, 2_000


class Atom(str):
    """A constant that is not rational: its name, by which it is compared and hashed millions of times.

    ``enclose`` returns a ball (``flint.arb``) at the working precision; ``symbol`` a SymPy object.
    """

    __slots__ = ("enclose", "symbol")
    enclose: Callable[[], flint.arb]
    symbol: Callable[[], sympy.Expr]

    def __new__(cls, name: str, enclose: Callable[[], flint.arb], symbol: Callable[[], sympy.Expr]) -> Atom:
        self = super().__new__(cls, name)
        self.enclose, self.symbol = enclose, symbol
        return self

    @property
    def name(self) -> str:
        return str.__str__(self)


#: ((atom, exponent), …), sorted by name.
Key = tuple[tuple[Atom, int], ...]
#: (exponent q of e^q, other atoms): what a rational coefficient multiplies.
Place = tuple[int | Fraction, Key]

_ONE = flint.fmpq(1)
UNIT: Place = (0, ())


def _sympy() -> ModuleType:
    import sympy

    module: ModuleType = sympy
    return module


SQRT_PI = Atom("sqrt(pi)", lambda: flint.arb.pi().sqrt(), lambda: _sympy().sqrt(_sympy().pi))


@lru_cache(maxsize=1024)
def root_atom(p: int) -> Atom:
    # FLINT writes and reads integers of any length, Python refuses beyond 4300 digits.
    return Atom(f"sqrt({flint.fmpz(p)})", lambda: flint.arb(p).sqrt(), lambda: _sympy().sqrt(p))


@lru_cache(maxsize=4096)
def exp_atom(p: int, q: int) -> Atom:
    top = flint.fmpz(p)
    text = f"exp({top})" if q == 1 else f"exp({top}/{flint.fmpz(q)})"
    return Atom(
        text, lambda: flint.arb(flint.fmpq(p, q)).exp(), lambda: _sympy().exp(_sympy().Rational(p, q))
    )


#: Exponents longer than this are left to the library, where they may be.
_MANY_BITS = 64


def ball_power(x: flint.arb, k: int) -> flint.arb:
    """x^k of a ball for an integer k: the library's own is not finite where ``x`` contains 0."""
    if k < 0:
        return 1 / ball_power(x, -k)
    if k.bit_length() > _MANY_BITS and not x.contains(0):
        return x**k
    result = x * 0 + 1
    while k:
        result = result * x if k % 2 else result
        x, k = x * x, k // 2
    return result


@lru_cache(maxsize=4096)
def root_factors(n: int) -> tuple[tuple[int, int], ...]:
    """Coprime (m, k) with n = Π m^k: primes, but for a part without small factors that is too long to be factored."""
    if n.bit_length() <= _FACTORED_BITS:
        return tuple((int(p), int(k)) for p, k in flint.fmpz(n).factor())
    found: dict[int, int] = {}
    for p, k in flint.fmpz(n).factor(trial_limit=_TRIAL_PRIMES):
        m = int(p)
        root = isqrt(m)
        if m.bit_length() > _FACTORED_BITS and root * root == m:
            m, k = root, 2 * int(k)
        if m.bit_length() > _FACTORED_BITS:
            found[m] = found.get(m, 0) + int(k)
            continue
        for q, j in flint.fmpz(m).factor():
            found[int(q)] = found.get(int(q), 0) + int(j) * int(k)
    return tuple(sorted(found.items()))


def is_root(atom: Atom) -> bool:
    """Whether an atom is the square root of a prime."""
    return atom.name.startswith("sqrt(") and atom.name[5:-1].isdigit()


def radicand(atom: Atom) -> int:
    """p of √p."""
    return int(flint.fmpz(atom.name[5:-1]))


@lru_cache(maxsize=1 << 14)
def merge(a: Key, b: Key) -> tuple[Key, flint.fmpq]:
    """Product of two monomials: exponents add, and √p·√p leaves the rational p."""
    if not a or not b:
        return a or b, _ONE
    powers = dict(a)
    for atom, k in b:
        powers[atom] = powers.get(atom, 0) + k
    factor = _ONE
    for atom, k in list(powers.items()):
        if is_root(atom) and k == 2:
            factor *= radicand(atom)
            k = 0
        if k == 0:
            del powers[atom]
    return tuple(sorted(powers.items())), factor


def order(item: tuple[Place, flint.fmpq]) -> tuple[int | Fraction, list[tuple[str, int]]]:
    (q, key), _ = item
    return (q, [(atom.name, k) for atom, k in key])


def term_text(q: int | Fraction, key: Key, c: flint.fmpq) -> str:
    factors = [atom.name if k == 1 else f"{atom.name}^{k}" for atom, k in key if k > 0]
    below = [atom.name if k == -1 else f"{atom.name}^{-k}" for atom, k in key if k < 0]
    if q:
        factors.append(exp_atom(q.numerator, q.denominator).name)
    top, bottom = abs(c.p), c.q
    if top != 1 or not factors:
        factors.insert(0, str(top))
    if bottom != 1:
        below.insert(0, str(bottom))
    text = "*".join(factors)
    if below:
        text += f"/{below[0]}" if len(below) == 1 else f"/({'*'.join(below)})"
    return f"-{text}" if c < 0 else text
