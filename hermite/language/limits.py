"""How much work an expression can cost, bounded before any of it is done.

The bounds look at the tree alone: a degree and a number of monomials after expansion. Every function call
that holds a variable counts as one more variable of the degree of its argument (at least 1).
"""

from __future__ import annotations

from math import comb

from hermite.language import nodes as ex

MAX_DEGREE = 200
MAX_VARIABLES = 20
MAX_TERMS = 20_000
MAX_NESTING = 200
#: Numbers and variables as written in a text.
MAX_OPERANDS = 150_000
#: Function calls as written.
MAX_CALLS = 10_000
MAX_BYTES = 1_000_000


class TooMuch(ValueError):
    """The expression would cost more than the limits allow."""


def degree_bound(e: ex.Expression) -> int:
    """Upper bound on the degree of ``e`` after expansion; raises :class:`TooMuch` above 200."""
    return _measure(e)[0]


def term_bound(e: ex.Expression) -> int:
    """Upper bound on the number of terms of ``e`` after expansion; raises :class:`TooMuch` above 20,000."""
    return _measure(e)[1]


def check_work(e: ex.Expression) -> None:
    """Raise :class:`TooMuch` if ``e`` is above degree 200 or 20,000 terms after expansion."""
    _measure(e)


def _measure(e: ex.Expression) -> tuple[int, int]:
    """(degree, terms) of ``e``, both upper bounds."""
    size: dict[ex.Expression, tuple[int, int, int]] = {}
    for node in ex.postorder(e):
        size[node] = _size(node, size)
    return size[e][:2]


def _size(node: ex.Expression, size: dict[ex.Expression, tuple[int, int, int]]) -> tuple[int, int, int]:
    """(degree, terms, function calls) of one node; powers of constants cost nothing."""
    if ex.is_constant(node):
        return 0, 1, 0
    match node:
        case ex.Sum():
            parts = [size[t] for t in node.terms]
            degree, terms = max(p[0] for p in parts), sum(p[1] for p in parts)
            calls = sum(p[2] for p in parts)
        case ex.Product():
            degree, terms, calls = 0, 1, 0
            for factor in node.factors:
                part = size[factor]
                degree, terms, calls = degree + part[0], min(terms * part[1], 10**9), calls + part[2]
        case ex.Power():
            base = size[node.base]
            degree = base[0] * node.exponent
            _check_degree(degree)
            terms, calls = comb(base[1] + node.exponent - 1, node.exponent), base[2]
        case ex.Hermite():
            base = size[node.argument]
            degree = base[0] * node.order
            _check_degree(degree)
            dense = comb(base[1] + node.order, node.order)
            terms, calls = (node.order // 2 + 1 if base[1] == 1 else dense), base[2]
        case ex.Call():
            degree = max(1, *(size[a][0] for a in node.arguments))
            terms, calls = 1, 1
        case _:
            return 1, 1, 0
    _check_degree(degree)
    terms = min(terms, comb(len(ex.variables_of(node)) + calls + degree, degree))
    if terms > MAX_TERMS:
        raise TooMuch(f"more than {MAX_TERMS} terms after expansion")
    return degree, terms, calls


def _check_degree(degree: int) -> None:
    if degree > MAX_DEGREE:
        raise TooMuch(
            f"degree {degree if degree < 10**9 else 'above 10^9'}; the largest allowed is {MAX_DEGREE}"
        )
