"""What is proved of the first order where no engine decides the expansion.

If f is monotone in u_i and does change with it, h(μ) = E f(u + μ) rises or falls strictly along e_i: E ∂_i f ≠ 0, so that
the leap is 1 whatever the rest is. Monotone is read off the tree (signs of derivatives by the chain rule), change is proved
by two boxes over which interval arithmetic gives disjoint values. With a symmetry that fixes no vector, C_1 = 0.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from hermite.exact.effort import allowance
from hermite.exact.subspaces import Span
from hermite.exact.undecided import Undecided
from hermite.language.nodes import Call, Expression, Hermite, Number, Power, Product, Sum, Variable, postorder

if TYPE_CHECKING:
    from hermite.target import Target

#: Functions that never fall.
_RISING = {"relu", "sign", "heaviside", "exp", "tanh", "erf", "logistic", "softplus"}
#: Centres of the boxes in the coordinate that moves and in the others (away from the usual kinks), and their radius.
_PLACES = (-3.1, -1.3, -0.4, 0.3, 1.2, 3.3)
_OTHERS = ((0.05, -0.07, 0.11), (1.1, -0.9, 0.6), (-1.2, 1.3, -0.8))
_RADIUS = 2.0**-12
#: Units of work that symmetries may cost where the expansion is not decided.
_SYMMETRY = 300_000


def first_order_signs(f: Target) -> dict[int, int]:
    """{i: sign of E ∂_i f} of the variables for which it is proved not to vanish.

    >>> from hermite import Target
    >>> first_order_signs(Target("tanh(z1 + z2^2 - z3)"))
    {0: 1, 2: -1}
    """
    assert f.tree is not None
    signs = {i: monotone(f.tree, i) for i in range(f.r)}
    return {i: sign for i, sign in signs.items() if sign and _changes(f.tree, i, f.r)}


def no_first_order(f: Target) -> bool:
    """Whether C_1 = 0 is proved: a symmetry of f fixes no vector."""
    from hermite.symmetry.symmetries import fixes_only

    try:
        with allowance(_SYMMETRY):
            return f.gram is None and fixes_only(f, Span(f.r))
    except Undecided:
        return False


def monotone(e: Expression, i: int) -> int | None:
    """1 or −1 if ``e`` is proved never to fall or never to rise in variable ``i``, 0 if it is free of it, else None."""
    slopes: dict[Expression, int | None] = {}
    for node in postorder(e):
        slopes[node] = _slope(node, slopes, i) if node._mask >> i & 1 else 0
    return slopes[e]


def _slope(node: Expression, slopes: dict[Expression, int | None], i: int) -> int | None:
    match node:
        case Variable():
            return 1
        case Sum():
            return _common([slopes[term] for term in node.terms])
        case Product():
            moving = [factor for factor in node.factors if factor._mask >> i & 1]
            others = [_sign(factor) for factor in node.factors if not factor._mask >> i & 1]
            return _times([slopes[moving[0]], *others]) if len(moving) == 1 else None
        case Power() if node.exponent > 0:
            if node.exponent % 2:
                return slopes[node.base]
            return _times([slopes[node.base], _sign(node.base)])
        case Hermite() if node.order == 1:
            return slopes[node.argument]
        case Call() if node.name in _RISING:
            return slopes[node.arguments[0]]
        case Call() if node.name in ("max", "min"):
            return _common([slopes[argument] for argument in node.arguments])
        case Call() if node.name == "abs":
            return _times([slopes[node.arguments[0]], _sign(node.arguments[0])])
    return None


def _common(signs: list[int | None]) -> int | None:
    """The sign of a sum of quantities of these signs."""
    found = set(signs) - {0}
    return (found.pop() if found else 0) if len(found) <= 1 else None


def _times(signs: list[int | None]) -> int | None:
    total = 1
    for sign in signs:
        if sign is None:
            return None
        total *= sign
    return total


def _sign(e: Expression) -> int | None:
    """1 if ``e`` ≥ 0 everywhere, −1 if ≤ 0, by its form; None if that does not say."""
    from hermite.language.constants import sign_of
    from hermite.language.nodes import is_constant

    if isinstance(e, Number) or is_constant(e):
        return sign_of(e)
    match e:
        case Sum():
            return _common([_sign(term) for term in e.terms])
        case Product():
            return _times([_sign(factor) for factor in e.factors])
        case Power() if e.exponent % 2 == 0:
            return 1
        case Power():
            return _sign(e.base)
        case Call() if e.name in ("relu", "abs", "exp", "heaviside", "logistic", "softplus"):
            return 1
        case Call() if e.name in ("sign", "tanh", "erf"):
            return _sign(e.arguments[0])
    return None


def _changes(e: Expression, i: int, r: int) -> bool:
    """Whether ``e`` is proved to differ between two boxes that differ in coordinate ``i`` alone."""
    import flint

    from hermite.language.enclosure import enclosure

    value = enclosure(e)
    for others in _OTHERS:
        found = []
        for place in _PLACES:
            box = [flint.arb(others[j % 3] + 0.01 * (j // 3), _RADIUS) for j in range(r)]
            box[i] = flint.arb(place, _RADIUS)
            found.append(value(box))
        if any(a.is_finite() and b.is_finite() and not a.overlaps(b) for a, b in combinations(found, 2)):
            return True
    return False
