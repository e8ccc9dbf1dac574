"""Functions of one to three directions that are neither sums nor products of functions along lines, by certified cubature.

tanh(z1 + He3(z2)), sign(z1² − z2), cos(He5(z1)), exp(−z1²z2²), …: f = Σ Π over groups of factors that share no direction. What
has a closed form is taken from it; of every other group the Hermite coefficients are certified sums
(:mod:`hermite.engines.cubature`). Reflections and the exchange of the two axes under which a patch is ± itself, proved by
rewriting, say which of them vanish and which are equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import factorial, prod
from typing import TYPE_CHECKING, TypeVar

import flint

from hermite.engines.canonical import canonical
from hermite.engines.composite import is_composite
from hermite.engines.constants import Unsupported
from hermite.engines.extremes import extreme
from hermite.engines.forms import Form, Vector, add, primitive
from hermite.engines.orthogonal import orthogonal_terms
from hermite.engines.patch_symmetries import mirrors, representative
from hermite.engines.quadratic import Metric, inner, orthogonal_to
from hermite.engines.radial_patches import RadialPatch, radial
from hermite.engines.series import Index
from hermite.engines.terms import Term, try_integrals
from hermite.exact.atoms import Atom
from hermite.exact.effort import Exhausted, Memo
from hermite.exact.scalars import Scalar
from hermite.exact.telling import shortened
from hermite.exact.undecided import Undecided
from hermite.language import building
from hermite.language import nodes as ex
from hermite.language.normal_form import normal_form, rational_factor
from hermite.language.printing import to_text

if TYPE_CHECKING:
    import sympy

    from hermite.engines.cubature import Moments

S = TypeVar("S")

#: Most products into which an expression is written; orders that are summed together.
_MOST_PRODUCTS, _BLOCK = 500, 4
#: Error of the moments, relative to the root mean square, beyond which they say nothing, by the number of directions.
_WORST = {1: 0.02, 2: 0.02, 3: 0.1}
#: Most directions of a patch.
_MOST_AXES = 3
#: Most directions of a function of their distance from the origin.
_MOST_RADIAL = 10
#: Lines of a maximum from which signs at different levels have no closed form; lines beyond which there are too many signs.
_FEW_LINES, _MANY_LINES = 4, 5


@dataclass(frozen=True)
class Patch:
    """F(x_1, x_2), x_i = ⟨a_i, z⟩/s_i; ``tree`` in normal form, ``axes`` a_i orthogonal."""

    axes: tuple[Vector, ...]
    variances: tuple[Fraction, ...]
    tree: ex.Expression

    def coefficient(self, index: Index) -> Scalar:
        """E[F Π He_{k_i}(x_i)], k = ``index``."""
        place, sign = representative(self.tree, index)
        if not sign:
            return Scalar.of(0)
        tree = self.tree
        name = f"E[{to_text(tree)} He{', He'.join(map(str, place))}]"

        def enclose() -> flint.arb:
            found = table(tree, len(place), sum(place))
            size = prod(map(factorial, place))
            return flint.arb(float(found.table[place]), found.error) * flint.arb(size).sqrt()

        def symbol() -> sympy.Expr:
            import sympy

            return sympy.Float(enclose().str(16, radius=False))

        return Scalar.atom(Atom(name, enclose, symbol)) * sign


#: Moments that are known.
_MOMENTS: Memo[Moments] = Memo(64)


def table(tree: ex.Expression, m: int, order: int) -> Moments:
    """The moments of ``tree`` to ``order`` at least; raises :class:`Unsupported` where they would say nothing."""
    from hermite.engines.cubature import moments

    order = max(_BLOCK, -(-order // _BLOCK) * _BLOCK)
    found = _MOMENTS.get(("patch", tree, order), lambda: moments(tree, m, order, mirrors(tree)))
    if not found.error <= _WORST[m] * found.size:
        raise Unsupported(
            f"the coefficients of {shortened(to_text(tree))} up to order {order} are known to {found.error / found.size:.1g} "
            "of its size only, by the work that one question is allowed"
        )
    return found


def pieces(tree: ex.Expression, r: int, gram: Metric | None) -> tuple[Form, tuple[Term, ...]]:
    """(what has a closed form, the other products with a patch in each), their sum being ``tree``.

    Raises :class:`Unsupported` for a product that holds a function of more directions than a patch may have.
    """
    easy: list[Form] = []
    hard: list[Term] = []
    for factors in products(tree):
        try:
            if any(crowded(factor, r, gram) for factor in factors):
                raise Unsupported("a maximum of many lines")
            form = canonical(building.multiply(factors), r)
            try_integrals(orthogonal_terms(form, r, gram))
            easy.append(form)
        except Exhausted:
            raise
        except (Undecided, ArithmeticError) as why:
            hard += _with_patches(factors, r, gram, str(why))
    return add(*easy), tuple(hard)


def products(tree: ex.Expression) -> list[tuple[ex.Expression, ...]]:
    """``tree`` as a sum of products: sums are multiplied out as long as they are few terms."""
    done: dict[ex.Expression, list[tuple[ex.Expression, ...]]] = {}
    for node in ex.postorder(tree):
        own: list[tuple[ex.Expression, ...]] = [(node,)]
        below = [done[child] for child in ex.children(node)]
        match node:
            case ex.Sum():
                own = [factors for part in below for factors in part]
            case ex.Product() if prod(map(len, below)) <= _MOST_PRODUCTS:
                own = [tuple(f for part in parts for f in part) for parts in product(*below)]
            case ex.Power() if len(below[0]) == 1:
                own = [tuple(building.power(f, node.exponent) for f in below[0][0])]
            case ex.Power() if node.exponent >= 0 and len(below[0]) ** node.exponent <= _MOST_PRODUCTS:
                own = [
                    tuple(f for part in parts for f in part)
                    for parts in product(below[0], repeat=node.exponent)
                ]
        done[node] = own if len(own) <= _MOST_PRODUCTS else [(node,)]
    return done[tree]


def _with_patches(factors: Sequence[ex.Expression], r: int, gram: Metric | None, why: str) -> Iterator[Term]:
    """A product as one patch for every group of factors that have directions in common, or a closed form for the group."""
    total = [Term(Scalar.of(1), ())]
    for group, directions in _groups(factors, r, gram):
        tree = building.multiply(group)
        try:
            if crowded(tree, r, gram):
                raise Unsupported("a maximum of many lines")
            form = canonical(tree, r)
            own = orthogonal_terms(form, r, gram)
            try_integrals(own)
        except Exhausted:
            raise
        except (Undecided, ArithmeticError) as reason:
            own = (_patch(tree, directions, r, gram, str(reason) or why),)
        total = [
            Term(a.coefficient * b.coefficient, a.factors + b.factors, a.planes + b.planes)
            for a in total
            for b in own
        ]
    yield from total


def _groups(
    factors: Sequence[ex.Expression], r: int, gram: Metric | None
) -> list[tuple[list[ex.Expression], list[Vector]]]:
    groups: list[tuple[list[ex.Expression], list[Vector]]] = []
    for factor in factors:
        own = directions_of(factor, r)
        near = [g for g in groups if any(inner(v, a, gram) for v in own for a in g[1])]
        if not own and groups:
            # Constants go with what is there.
            groups[0][0].append(factor)
            continue
        merged = ([f for g in near for f in g[0]] + [factor], [v for g in near for v in g[1]] + own)
        groups = [g for g in groups if g not in near] + [merged]
    return groups


def _patch(tree: ex.Expression, directions: Sequence[Vector], r: int, gram: Metric | None, why: str) -> Term:
    front, rest_of = rational_factor(tree)
    found = extreme(rest_of, slopes_of(rest_of, r), gram)
    if found is not None:
        return Term(Scalar.of(front), (), (found,))
    axes: list[Vector] = []
    for v in directions:
        rest = orthogonal_to(v, axes, gram)
        if rest is not None:
            axes.append(rest)
    variances = [inner(a, a, gram) for a in axes]
    own = _in_axes(tree, axes, variances, r, gram)
    if 2 <= len(axes) <= _MOST_RADIAL:
        along = radial(own, variances)
        if along is not None:
            try:
                return _radial_term(along, axes, variances)
            except Exhausted:
                raise
            except (Undecided, ArithmeticError) as doubt:
                why = str(doubt) if len(axes) > _MOST_AXES else why
    if len(axes) > _MOST_AXES:
        raise Unsupported(f"{why}; sums over cells take three directions, not {len(axes)}")
    roots = [building.call("sqrt", (ex.Number(v),)) for v in variances]
    scaled = {i: building.multiply((root, ex.Variable(i))) for i, root in enumerate(roots)}
    c, own = rational_factor(normal_form(building.substitute(own, scaled)))
    patch = Patch(tuple(axes), tuple(variances), own)
    try:
        table(own, len(axes), _BLOCK)
    except Exhausted:
        raise
    except Undecided as doubt:
        raise Unsupported(f"{why}; {doubt}") from None
    return Term(Scalar.of(c), (), (patch,))


def _in_axes(
    tree: ex.Expression, axes: Sequence[Vector], variances: Sequence[Fraction], r: int, gram: Metric | None
) -> ex.Expression:
    """``tree`` in the coordinates t_k = ⟨a_k, z⟩: z_i = Σ_k ⟨e_i, a_k⟩ t_k/v_k, and what it does not depend on."""
    images = {}
    for i in ex.variables_of(tree):
        unit = tuple(Fraction(int(i == j)) for j in range(r))
        images[i] = building.add(
            building.multiply((ex.Number(inner(unit, a, gram) / v), ex.Variable(k)))
            for k, (a, v) in enumerate(zip(axes, variances, strict=True))
        )
    return building.substitute(tree, images)


def _radial_term(along: ex.Expression, axes: Sequence[Vector], variances: Sequence[Fraction]) -> Term:
    """A function of Σ t_k²/v_k, given along t_1; raises where the integrals along a line are out of reach."""
    root = building.call("sqrt", (ex.Number(variances[0]),))
    c, own = rational_factor(
        normal_form(building.substitute(along, {0: building.multiply((root, ex.Variable(0)))}))
    )
    if len(axes) <= _MOST_AXES and any(
        is_composite(g.name) for key in canonical(own, 1) for g, _ in key.ridges
    ):
        raise Unsupported("a function of the distance without a closed form: cells of the plane are as good")
    ball = RadialPatch(tuple(axes), tuple(variances), own)
    for k in (0, 2, 4):
        ball.coefficient((k,) + (0,) * (len(axes) - 1)).ball()
    return Term(Scalar.of(c), (), (ball,))


def directions_of(tree: ex.Expression, r: int) -> list[Vector]:
    """Primitive directions that span all along which ``tree`` varies: the gradients of its largest linear sub-expressions.

    Where such a gradient is irrational, the variables that it names.
    """
    slopes = slopes_of(tree, r)
    return sorted({primitive(slope)[0] for slope in outermost(tree, slopes) if any(slope)})


def outermost(tree: ex.Expression, slopes: Mapping[ex.Expression, S | None]) -> list[S]:
    """The ``slopes`` of the largest sub-expressions that have one."""
    found: list[S] = []
    left, seen = [tree], set()
    while left:
        node = left.pop()
        if node in seen:
            continue
        seen.add(node)
        slope = slopes[node]
        if slope is None:
            left += ex.children(node)
        else:
            found.append(slope)
    return found


def slopes_of(tree: ex.Expression, r: int) -> dict[ex.Expression, Vector | None]:
    """The rational gradient of every affine sub-expression; None of the others."""
    slopes: dict[ex.Expression, Vector | None] = {}
    for node in ex.postorder(tree):
        slopes[node] = _slope(node, slopes, r)
    return slopes


def crowded(e: ex.Expression, r: int, gram: Metric | None) -> bool:
    """Whether ``e`` is a maximum of so many lines that its cells are many, or that have no closed form."""
    own = rational_factor(e)[1]
    if not any(isinstance(x, ex.Call) and x.name in ("max", "min") for x in (own, *ex.children(own))):
        return False
    found = extreme(own, slopes_of(own, r), gram)
    if found is None or len(found.axes) < _FEW_LINES:
        return False
    levels = {*found.offsets, *(() if found.floor is None else (found.floor,))}
    return len(levels) > 1 or len(found.axes) > _MANY_LINES


def _slope(e: ex.Expression, known: dict[ex.Expression, Vector | None], r: int) -> Vector | None:
    """The rational gradient of an affine expression, or None."""
    if ex.is_constant(e):
        return (Fraction(0),) * r
    if isinstance(e, ex.Variable):
        return tuple(Fraction(int(i == e.index)) for i in range(r))
    below = [known[child] for child in ex.children(e)]
    if isinstance(e, ex.Sum) and None not in below:
        return tuple(sum(column, Fraction(0)) for column in zip(*(row for row in below if row), strict=True))
    if isinstance(e, ex.Product):
        c, rest = rational_factor(e)
        row = known.get(rest)
        return None if row is None else tuple(c * x for x in row)
    return None


__all__ = ["Patch", "crowded", "directions_of", "pieces", "products", "table"]
