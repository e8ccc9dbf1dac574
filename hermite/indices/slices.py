"""Spaces within coordinates in which a target is a polynomial: a finite table knows all that low orders add to them.

Let f be of degree D in the coordinates S, with coefficients that are any functions of the others, and U ⊂ span(S).
T_k^U is a k-th derivative of h off U, taken on U, where the other coordinates vanish: only c_α with at most k powers of the
others enter it, and those have total degree at most D + k. For instance f = z_1 + relu(z_2) z_3 is linear in (z_1, z_3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermite.exact.rows import vanishes
from hermite.exact.subspaces import Span, full
from hermite.indices.closure import conditional_span
from hermite.indices.heat import Heat
from hermite.language import nodes as ex

if TYPE_CHECKING:
    from hermite.target import Target


def added(f: Target, engine: Any, space: Span, level: int, most: int) -> Span | None:
    """U + all that orders 1..``level`` add to U = ``space``, exactly; None where no table up to order ``most`` holds it.

    Raises ``Undecided`` where a coefficient cannot be told from zero.
    """
    if f.gram is not None or f.tree is None or not space.dim:
        return None
    inside = frozenset(i for i in range(f.r) if any(not vanishes(row[i]) for row in space.rows))
    degree = degree_in(f.tree, inside)
    if degree is None or degree + level > most:
        return None
    terms = {
        alpha: c
        for alpha, c in engine.heat_series(degree + level).items()
        if sum(a for i, a in enumerate(alpha) if i not in inside) <= level
    }
    table = Heat(f.r, terms, degree + level)
    found = space.copy()
    for k in range(1, level + 1):
        found = found + conditional_span(table, space, k, full(f.r))
    return found


def degree_in(e: ex.Expression, variables: frozenset[int]) -> int | None:
    """A bound on the degree of ``e`` as a polynomial in ``variables``, the others held fixed; None: it is none as it is written.

    >>> from hermite.target import Target
    >>> tree = Target("z1^2 + relu(z2)*z3").tree
    >>> degree_in(tree, frozenset({0, 2})), degree_in(tree, frozenset({1}))
    (2, None)
    """
    degrees: dict[ex.Expression, int | None] = {}
    for node in ex.postorder(e):
        below = [degrees[child] for child in ex.children(node)]
        degrees[node] = _degree(node, below, variables)
    return degrees[e]


def _degree(node: ex.Expression, below: list[int | None], variables: frozenset[int]) -> int | None:
    if not variables & ex.variables_of(node):
        return 0
    known = [degree for degree in below if degree is not None]
    if len(known) < len(below):
        return None
    match node:
        case ex.Variable():
            return 1
        case ex.Sum():
            return max(known)
        case ex.Product():
            return sum(known)
        case ex.Power() if node.exponent >= 0:
            return known[0] * node.exponent
        case ex.Hermite():
            return known[0] * node.order
        case _:
            return None
