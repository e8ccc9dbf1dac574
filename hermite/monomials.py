"""Small polynomials expanded in pure Python, for questions about the argument of an exp."""

from __future__ import annotations

from fractions import Fraction

from hermite.nodes import (
    Call,
    Expression,
    Hermite,
    Number,
    Pi,
    Power,
    Product,
    Sum,
    Variable,
    children,
    is_constant,
)

#: ((variable, exponent), ...) with rising variables; () is the constant.
Monomial = tuple[tuple[int, int], ...]
Polynomial = dict[Monomial, Fraction]


def approximate(e: Expression) -> Fraction:
    """The midpoint of a 128-bit ball around a constant."""
    from hermite.constants import ball

    mantissa, exponent = ball(e).mid().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def is_exact(e: Expression) -> bool:
    """Whether a node is neither pi nor a function of constants."""
    return not isinstance(e, Pi) and not (isinstance(e, Call) and is_constant(e))


class Expander:
    """Expands sub-expressions within a budget of monomial products; give it children before parents."""

    def __init__(self, budget: int = 100_000) -> None:
        self.budget = budget
        self.done: dict[Expression, Polynomial | None] = {}
        self.inexact: set[Expression] = set()

    def expand(self, e: Expression) -> Polynomial | None:
        """``e`` expanded, irrational constants to 128 bits; None if it is no polynomial or costs too much."""
        below = children(e)
        if not is_exact(e) or any(child in self.inexact for child in below):
            self.inexact.add(e)
        if e not in self.done:
            self.done[e] = self._node(e, [self.done[child] for child in below])
        return self.done[e]

    def _node(self, node: Expression, below: list[Polynomial | None]) -> Polynomial | None:
        if isinstance(node, Number):
            return {(): node.value} if node.value else {}
        if is_constant(node):
            return {(): approximate(node)}
        if isinstance(node, Variable):
            return {((node.index, 1),): Fraction(1)}
        parts = [part for part in below if part is not None]
        if len(parts) < len(below):
            return None
        match node:
            case Sum():
                return self._add(parts)
            case Product():
                return self._multiply(parts)
            case Power():
                return self._multiply(parts * node.exponent)
            case Hermite():
                return self._hermite(parts[0], node.order)
            case _:
                return None

    def _add(self, parts: list[Polynomial]) -> Polynomial | None:
        self.budget -= sum(len(part) for part in parts)
        if self.budget < 0:
            return None
        total: Polynomial = {}
        for part in parts:
            for monomial, c in part.items():
                total[monomial] = total.get(monomial, Fraction(0)) + c
        return {monomial: c for monomial, c in total.items() if c}

    def _multiply(self, factors: list[Polynomial]) -> Polynomial | None:
        result: Polynomial = {(): Fraction(1)}
        for factor in factors:
            self.budget -= len(result) * len(factor)
            if self.budget < 0:
                return None
            product: Polynomial = {}
            for a, x in result.items():
                for b, y in factor.items():
                    monomial = _times(a, b)
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


def _times(a: Monomial, b: Monomial) -> Monomial:
    exponents = dict(a)
    for i, k in b:
        exponents[i] = exponents.get(i, 0) + k
    return tuple(sorted(exponents.items()))
