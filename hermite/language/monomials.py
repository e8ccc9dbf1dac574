"""Small polynomials expanded in pure Python, for questions about the argument of an exp."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from hermite.errors import InputError
from hermite.language import nodes as ex
from hermite.language.constants import MAX_DIGITS, ball

#: ((variable, exponent), ...) with rising variables; () is the constant.
Monomial = tuple[tuple[int, int], ...]
Polynomial = dict[Monomial, Fraction]

#: Binary exponents between which an irrational constant is used as it is.
_SMALLEST, _LARGEST = 2000, 1400


def approximate(e: ex.Expression) -> Fraction:
    """The midpoint of a 128-bit ball around a constant, moved away from zero to 2^-2000 if it is nearer.

    Raises :class:`InputError` for a constant above 10^400 (sums and products of constants may reach it).
    """
    value = ball(e)
    if value.is_zero():
        return Fraction(0)
    mantissa, exponent = value.mid().man_exp()
    top = int(exponent) + int(mantissa).bit_length()
    if top > _LARGEST:
        raise InputError(f"expression holds a constant that is not below 10^{MAX_DIGITS}")
    if mantissa == 0 or top < -_SMALLEST:
        return Fraction(-1 if mantissa < 0 else 1, 2**_SMALLEST)
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def is_exact(e: ex.Expression) -> bool:
    """Whether a node is neither pi nor a function of constants."""
    return not isinstance(e, ex.Pi) and not (isinstance(e, ex.Call) and ex.is_constant(e))


class Expander:
    """Expands sub-expressions within a budget; give it children before parents.

    The budget counts products of coefficients, long ones by the square of their length (the cost of a gcd).
    ``signs``: the variables are ±1, so that x² = 1 and exponents count modulo 2.
    """

    def __init__(self, budget: int = 100_000, *, signs: bool = False) -> None:
        self.budget, self.signs = budget, signs
        self.done: dict[ex.Expression, Polynomial | None] = {}
        self.inexact: set[ex.Expression] = set()

    def expand(self, e: ex.Expression) -> Polynomial | None:
        """``e`` expanded, irrational constants to 128 bits; None if it is no polynomial or costs too much."""
        below = ex.children(e)
        if not is_exact(e) or any(child in self.inexact for child in below):
            self.inexact.add(e)
        if e not in self.done:
            self.done[e] = self._node(e, [self.done[child] for child in below])
        return self.done[e]

    def _node(self, node: ex.Expression, below: list[Polynomial | None]) -> Polynomial | None:
        if isinstance(node, ex.Number):
            return {(): node.value} if node.value else {}
        if ex.is_constant(node):
            return {(): approximate(node)}
        if isinstance(node, ex.Variable):
            return {((node.index, 1),): Fraction(1)}
        parts = [part for part in below if part is not None]
        if len(parts) < len(below):
            return None
        match node:
            case ex.Sum():
                return self._add(parts)
            case ex.Product():
                return self._multiply(parts)
            case ex.Power():
                return self._multiply(parts * node.exponent)
            case ex.Hermite():
                return self._hermite(parts[0], node.order)
            case _:
                return None

    def _afford(self, operations: int, bits: int) -> bool:
        """Spend the cost of some operations on rationals of a length; False once the budget is gone."""
        self.budget -= operations * (1 + (bits // 512) ** 2)
        return self.budget >= 0

    def _add(self, parts: list[Polynomial]) -> Polynomial | None:
        if not self._afford(sum(len(part) for part in parts), sum(_bits(part) for part in parts)):
            return None
        total: Polynomial = {}
        for part in parts:
            for monomial, c in part.items():
                total[monomial] = total.get(monomial, Fraction(0)) + c
        return {monomial: c for monomial, c in total.items() if c}

    def _multiply(self, factors: list[Polynomial]) -> Polynomial | None:
        result: Polynomial = {(): Fraction(1)}
        for factor in factors:
            if not self._afford(len(result) * len(factor), _bits(result) + _bits(factor)):
                return None
            product: Polynomial = {}
            for a, x in result.items():
                for b, y in factor.items():
                    monomial = _times(a, b, self.signs)
                    product[monomial] = product.get(monomial, Fraction(0)) + x * y
            result = {monomial: c for monomial, c in product.items() if c}
        return result

    def _hermite(self, u: Polynomial, order: int) -> Polynomial | None:
        low: Polynomial = {}
        high: Polynomial = {(): Fraction(1)}
        for k in range(order):
            product = self._multiply([u, high])
            following = None if product is None else self._add([product, {m: -k * c for m, c in low.items()}])
            if following is None:
                return None
            low, high = high, following
        return high


def _bits(p: Polynomial) -> int:
    """Length of the longest coefficient."""
    return max((c.numerator.bit_length() + c.denominator.bit_length() for c in p.values()), default=0)


@lru_cache(maxsize=1 << 14)
def _times(a: Monomial, b: Monomial, signs: bool) -> Monomial:
    exponents = dict(a)
    for i, k in b:
        exponents[i] = exponents.get(i, 0) + k
    if signs:
        exponents = {i: 1 for i, k in exponents.items() if k % 2}
    return tuple(sorted(exponents.items()))
