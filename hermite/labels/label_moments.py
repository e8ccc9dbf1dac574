"""Labels made of a target's value: powers Y, Y², …, run jointly through the closure, and finite sets of values.

Any finite family of labels T(Y) proves that a space grows, and so bounds the generative leap from above
(arXiv:2403.05529, arXiv:2506.05500). A label with m values is spanned by 1, Y, …, Y^(m−1): then the family is complete.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from hermite.engines import engine_for
from hermite.engines.engine import Engine
from hermite.errors import InputError
from hermite.exact.subspaces import Span
from hermite.exact.undecided import Undecided
from hermite.indices.closure import conditional_span, tensor_span
from hermite.indices.heat import Heat

if TYPE_CHECKING:
    from hermite.language.nodes import Expression
    from hermite.target import Target

#: Largest set of values that is followed through an expression.
MAX_VALUES = 8
#: Bounds on the work of one label.
MAX_DEGREE, MAX_TERMS, LABEL_ORDER = 60, 3_000, 6


def label_heat(f: Target, m: int) -> tuple[Heat, Engine] | None:
    """h of the label Y^m and its engine; None where it has no finite variance, is undecided or too large."""
    from hermite.language.building import power
    from hermite.target import Target

    assert f.tree is not None
    if m > 1 and f.is_polynomial:
        own = engine_for(f)
        assert own.degree is not None
        if own.degree * m > MAX_DEGREE or len(own.heat_series(own.degree)) ** m > MAX_TERMS:
            return None
    try:
        engine = engine_for(f if m == 1 else Target(power(f.tree, m), f.variables, f.gram))
    except InputError:
        return None
    if engine.degree is not None:
        return Heat(f.r, engine.heat_series(engine.degree), engine.degree, gram=f.gram), engine
    if not engine.decided:
        return None
    try:
        return Heat(f.r, engine.heat_series(LABEL_ORDER), LABEL_ORDER, truncated=True, gram=f.gram), engine
    except Undecided:
        return None


def joint_step(heats: list[Heat], learned: Span, level: int, goal: Span) -> Span:
    """U + what the orders 1..``level`` of all labels add to it."""
    grown = learned
    for heat in heats:
        for k in range(1, min(level, heat.order) + 1):
            new = conditional_span(heat, learned, k, goal) if learned.dim else tensor_span(heat, k, goal.dim)
            # Most orders of a polynomial of high degree add nothing.
            grown = grown + new if new.dim > learned.dim else grown
            if grown.dim == goal.dim:
                return grown
    return grown


def joint_steps(heats: list[Heat], level: int, goal: Span) -> list[Span]:
    """U_0 = {0} ⊂ U_1 ⊂ …, until nothing is added or ``goal`` is reached."""
    spaces = [Span(goal.n)]
    while spaces[-1].dim < goal.dim:
        grown = joint_step(heats, spaces[-1], level, goal)
        if grown.dim == spaces[-1].dim:
            break
        spaces.append(grown)
    return spaces


def finite_values(e: Expression) -> frozenset[Fraction] | None:
    """A finite set of rationals that contains every value of ``e`` (up to a null set), or None."""
    from hermite.language.nodes import Call, Number, Power, Product, Sum, children, postorder

    found: dict[Expression, frozenset[Fraction] | None] = {}
    for node in postorder(e):
        below = [found[c] for c in children(node)]
        values: frozenset[Fraction] | None = None
        if isinstance(node, Number):
            values = frozenset((node.value,))
        elif isinstance(node, Call) and node.name in ("sign", "heaviside"):
            # A zero set of positive measure would need a constant piece: all three values are kept.
            values = frozenset(_steps(node.name, below[0]))
        elif isinstance(node, (Sum, Product)) and all(below):
            sets = [b for b in below if b]
            if prod(len(b) for b in sets) <= 10_000:
                combine = sum if isinstance(node, Sum) else prod
                values = frozenset(Fraction(combine(choice)) for choice in product(*sets))
        elif isinstance(node, Power) and below[0] and node.exponent > 0:
            values = frozenset(x**node.exponent for x in below[0])
        found[node] = values if values and len(values) <= MAX_VALUES else None
    return found[e]


def _steps(name: str, inside: frozenset[Fraction] | None) -> set[Fraction]:
    sign = {Fraction((x > 0) - (x < 0)) for x in inside} if inside else {Fraction(k) for k in (-1, 0, 1)}
    return sign if name == "sign" else {(s + 1) / 2 for s in sign}
