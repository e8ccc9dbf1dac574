"""One text for one function, as far as reordering and expanding see: what names a target in a store.

Polynomials with rational coefficients are written in Hermite polynomials, where this takes few terms; of everything else the
normal form is (like terms collected, terms and factors sorted, signs settled by parity). Short terms come first.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb, factorial

from hermite.language import nodes as ex
from hermite.language.building import add, multiply, rebuild
from hermite.language.constants import TooLarge
from hermite.language.monomials import Expander, Polynomial
from hermite.language.normal_form import normal_form, rational_factor
from hermite.language.printing import to_text

#: Products of coefficients that a polynomial may cost, its degree, and the terms that its name may have.
_BUDGET, _DEGREE, _TERMS = 20_000, 40, 60


def canonical_form(e: ex.Expression) -> ex.Expression:
    """An expression of the same function, which forms that are equal after reordering or expanding share.

    >>> from hermite.language.parsing import parse
    >>> from hermite.language.printing import to_text
    >>> [to_text(canonical_form(parse(text))) for text in ("z2*z1 + z1", "z1*(1 + z2)", "(z1^2 - 1)/2 + tanh(-z2)")]
    ['z1 + z1*z2', 'z1 + z1*z2', '1/2*He2(z1) - tanh(z2)']
    """
    try:
        return _canonical(normal_form(e))
    except TooLarge:
        # A coefficient beyond the digits of the language: as it was written.
        return e


def _canonical(whole: ex.Expression) -> ex.Expression:
    expander = Expander(_BUDGET)
    done: dict[ex.Expression, ex.Expression] = {}
    known: dict[ex.Expression, Polynomial | None] = {}
    for node in ex.postorder(whole):
        found = expander.expand(node)
        known[node] = None if node in expander.inexact else found
        below = tuple(done[child] for child in ex.children(node))
        polynomial = _in_hermite(known[node])
        done[node] = _sorted(node, below, known) if polynomial is None else polynomial
    return done[whole]


def _sorted(
    e: ex.Expression, below: tuple[ex.Expression, ...], known: dict[ex.Expression, Polynomial | None]
) -> ex.Expression:
    """The node ``e``, no polynomial of few terms, over canonical forms."""
    match e:
        case ex.Sum():
            return _sum(e, below, known)
        case ex.Product():
            made = multiply(below)
            return (
                ex.Product(tuple(sorted(made.factors, key=_rank))) if isinstance(made, ex.Product) else made
            )
        case ex.Call() if e.name in ("max", "min"):
            return ex.Call(e.name, tuple(sorted(below, key=_rank)))
    return rebuild(e, below)


def _sum(
    e: ex.Sum, below: tuple[ex.Expression, ...], known: dict[ex.Expression, Polynomial | None]
) -> ex.Expression:
    """Terms sorted, those that are polynomials taken together."""
    polynomials: Polynomial = {}
    terms = []
    for term, form in zip(e.terms, below, strict=True):
        part = known[term]
        if part is None:
            terms.append(form)
            continue
        for monomial, c in part.items():
            polynomials[monomial] = polynomials.get(monomial, Fraction(0)) + c
    together = _in_hermite({monomial: c for monomial, c in polynomials.items() if c})
    if together is None:
        return _in_order(add(below))
    return _in_order(add([*terms, together]))


def _in_hermite(p: Polynomial | None) -> ex.Expression | None:
    """A polynomial as a sum of products of Hermite polynomials; None if it is none, or one of many terms."""
    if p is None or len(p) > _TERMS or any(k > _DEGREE for monomial in p for _, k in monomial):
        return None
    total: dict[tuple[tuple[int, int], ...], Fraction] = {}
    for monomial, c in p.items():
        parts: dict[tuple[tuple[int, int], ...], Fraction] = {(): c}
        for variable, k in monomial:
            parts = {
                (*orders, (variable, k - 2 * j)) if k > 2 * j else orders: value * _connection(k, j)
                for orders, value in parts.items()
                for j in range(k // 2 + 1)
            }
            if len(parts) > 4 * _TERMS:
                return None
        for orders, value in parts.items():
            total[orders] = total.get(orders, Fraction(0)) + value
    kept = {orders: c for orders, c in total.items() if c}
    if len(kept) > _TERMS:
        return None
    return _in_order(add(_hermite_term(c, orders) for orders, c in kept.items()))


def _connection(k: int, j: int) -> int:
    """The coefficient of He_{k−2j} in x^k: k! / (2^j j! (k − 2j)!).

    >>> [_connection(4, j) for j in range(3)]
    [1, 6, 3]
    """
    return comb(k, 2 * j) * (factorial(2 * j) // (factorial(j) << j))


def _hermite_term(c: Fraction, orders: tuple[tuple[int, int], ...]) -> ex.Expression:
    factors = (ex.Variable(i) if k == 1 else ex.Hermite(k, ex.Variable(i)) for i, k in orders)
    return multiply([ex.Number(c), *sorted(factors, key=_rank)])


def _in_order(e: ex.Expression) -> ex.Expression:
    """A sum with short terms first, whatever their coefficients, and constants last."""
    if not isinstance(e, ex.Sum):
        return e
    return ex.Sum(
        tuple(sorted(e.terms, key=lambda term: (ex.is_constant(term), _rank(rational_factor(term)[1]))))
    )


def _rank(e: ex.Expression) -> tuple[bool, int, str]:
    """Numbers first, where a product has them; then short texts."""
    text = to_text(e)
    return not isinstance(e, ex.Number), len(text), text
