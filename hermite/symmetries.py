"""Orthogonal symmetries of a target: what no label of it can correlate with.

If f∘g = f for an orthogonal g that fixes U pointwise, then E[z_⊥ | f, z_U] is fixed by g, whatever is done to the label.
Only signed permutations of the variables are tried (all of them up to three variables, else generators), so that the
fixed space is an upper bound of what first moments can show.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, permutations, product
from typing import TYPE_CHECKING, Any

from hermite.subspaces import Row, Span, rational

if TYPE_CHECKING:
    from hermite.target import Target

#: g with (g z)_i = sign_i z_{place_i}.
SignedPermutation = tuple[tuple[int, int], ...]


def candidates(r: int) -> Iterator[SignedPermutation]:
    """Signed permutations of r variables: all for r ≤ 3, else −1, flips of one or two, signed transpositions."""
    if r <= 3:
        for places in permutations(range(r)):
            for signs in product((1, -1), repeat=r):
                yield tuple(zip(places, signs, strict=True))
        return
    unit = [(i, 1) for i in range(r)]
    yield tuple((i, -1) for i in range(r))
    for i in range(r):
        yield (*unit[:i], (i, -1), *unit[i + 1 :])
    for i, j in combinations(range(r), 2):
        for (p, q), (s, t) in product(((i, j), (j, i)), product((1, -1), repeat=2)):
            g = list(unit)
            g[i], g[j] = (p, s), (q, t)
            yield tuple(g)


def apply(g: SignedPermutation, row: Row) -> Row:
    """g of a coordinate vector."""
    return tuple(row[place] * sign for place, sign in g)


def symmetries(f: Target) -> list[SignedPermutation]:
    """The candidates that are proved to leave ``f`` invariant; with a Gram matrix only −1 is tried."""
    minus = tuple((i, -1) for i in range(f.r))
    tried = candidates(f.r) if f.gram is None else iter((minus,))
    return [g for g in tried if _invariant(f, g)]


def is_even(f: Target) -> bool:
    """Whether f(−z) = f(z) is proved."""
    return _invariant(f, tuple((i, -1) for i in range(f.r)))


def _invariant(f: Target, g: SignedPermutation) -> bool:
    from hermite.building import substitute
    from hermite.engines.canonical import canonical
    from hermite.engines.constants import Unsupported
    from hermite.engines.polynomial import PolynomialEngine
    from hermite.nodes import Expression, Number, Product, Variable

    assert f.tree is not None
    if f.is_polynomial:
        terms = {tuple(int(a) for a in k): c for k, c in PolynomialEngine(f).polynomial.to_dict().items()}
        moved: dict[tuple[int, ...], Any] = {}
        for alpha, c in terms.items():
            beta, sign = [0] * f.r, 1
            for (place, s), a in zip(g, alpha, strict=True):
                beta[place] += a
                sign *= s if a % 2 else 1
            moved[tuple(beta)] = c * sign
        return moved == terms
    swaps: dict[int, Expression] = {}
    for i, (place, sign) in enumerate(g):
        variable = Variable(place)
        swaps[i] = variable if sign == 1 else Product((Number(Fraction(-1)), variable))
    try:
        return canonical(substitute(f.tree, swaps), f.r) == canonical(f.tree, f.r)
    except Unsupported:
        return False


def fixed_space(group: list[SignedPermutation], learned: Span) -> Span:
    """The vectors fixed by every g in ``group`` that fixes ``learned`` pointwise.

    The complement is taken in the coordinate metric; with a Gram matrix only −1 occurs, and nothing depends on it.
    """
    n = learned.n
    moved = Span(n)
    for g in group:
        if any(apply(g, row) != tuple(row) for row in learned.rows):
            continue
        for i in range(n):
            unit = tuple(rational(int(i == j)) for j in range(n))
            moved.add(tuple(a - b for a, b in zip(apply(g, unit), unit, strict=True)))
    return moved.complement()
