"""Proof that E f^2 is finite, by rules on the expression.

Only exp can grow faster than a polynomial. Every sub-expression e gets bounds in quadratic forms q of the
variables u, with errors o(|u|^2):

    e <= max q over ``upper``,    -e <= max q over ``lower``,    |e| <= exp(max q over ``growth``),

and E f^2 is finite if 2 q(u) < u^T G^{-1} u / 2 for every q of the growth of f, G = E u u^T: an exact test of
positive definiteness. What the rules cannot bound (None) is refused, never assumed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import lcm, prod

from hermite.errors import InputError
from hermite.language import nodes as ex
from hermite.language.gram import Matrix, congruent, is_positive_definite
from hermite.language.monomials import Expander, Monomial, Polynomial, approximate, is_exact

#: A linear or quadratic form: ((monomial, coefficient), ...), sorted.
Form = tuple[tuple[Monomial, Fraction], ...]
Forms = frozenset[Form]

_NOTHING: Forms = frozenset({()})
_MOST_FORMS = 64
#: Stands for "as large as you like": -z^4 <= -M z^2 + constant for every M.
_LARGE = Fraction(10**6)
#: Irrational constants are used to 128 bits; strict inequalities must hold with this margin.
_MARGIN = Fraction(1, 10**25)
#: Bits of the common denominators of G and q beyond which G Q G is not computed (and nothing proved).
_LONGEST_DENOMINATOR = 4000

_BOUNDED = frozenset({"sign", "heaviside", "sin", "cos", "tanh", "erf", "logistic"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is known of a sub-expression; None means that no bound is proved.

    ``order``: |e| = O(|u|^order). ``above``, ``below``: linear forms with e <= max of them + o(|u|), and the
    same for -e (only where order <= 1). ``sign``: 1 if e >= 0, -1 if e <= 0 for sure, else 0. ``capped``:
    whether e is bounded above by a constant.
    """

    order: int | None
    upper: Forms | None
    lower: Forms | None
    growth: Forms | None
    above: Forms | None = None
    below: Forms | None = None
    sign: int = 0
    capped: bool = False


def check_finite_variance(e: ex.Expression, r: int, gram: Matrix | None) -> None:
    """Raise :class:`InputError` unless E f^2 is proved finite for u ~ N(0, gram) in r variables."""
    nodes = ex.postorder(e)
    if not any(
        isinstance(node, ex.Call) and node.name == "exp" and not ex.is_constant(node) for node in nodes
    ):
        return
    bounds: dict[ex.Expression, Bounds] = {}
    expander = Expander()
    inside = _inside_exp(nodes)
    for node in nodes:
        if node in inside:
            expander.expand(node)
        bounds[node] = _sharpen(node, _bounds(node, bounds), expander if node in inside else None)
    growth = bounds[e].growth
    if growth is None:
        raise InputError("E f^2 could not be proved finite: an exp in the expression may grow too fast")
    margin = Fraction(0) if all(is_exact(node) for node in nodes) else _MARGIN
    for form in growth:
        if form and not _decays(form, r, gram, margin):
            raise InputError(
                "E f^2 could not be proved finite: an exp in the expression outgrows the Gaussian density "
                "(exp(c*z1^2) needs c < 1/4)"
            )


def _inside_exp(nodes: list[ex.Expression]) -> set[ex.Expression]:
    """The sub-expressions that stand somewhere in the argument of an exp."""
    inside: set[ex.Expression] = set()
    for node in reversed(nodes):
        if node in inside or (isinstance(node, ex.Call) and node.name == "exp"):
            inside.update(ex.children(node))
    return inside


def _decays(form: Form, r: int, gram: Matrix | None, margin: Fraction) -> bool:
    """Whether u^T G^{-1} u / 2 - 2 q(u) is positive definite; with G given, G/2 - 2 G Q G is tested instead."""
    q = [[Fraction(0)] * r for _ in range(r)]
    for monomial, coefficient in form:
        indices = [i for i, exponent in monomial for _ in range(exponent)]
        if len(indices) == 2:
            i, j = indices
            q[i][j] += coefficient / 2
            q[j][i] += coefficient / 2
    left = (
        gram if gram is not None else tuple(tuple(Fraction(int(i == j)) for j in range(r)) for i in range(r))
    )
    if gram is not None:
        denominators = [
            lcm(*(x.denominator for row in matrix for x in row)).bit_length() for matrix in (gram, q)
        ]
        if sum(denominators) > _LONGEST_DENOMINATOR:
            return False
    twice = q if gram is None else congruent(gram, q)
    a = [[x / 2 - 2 * y for x, y in zip(*rows, strict=True)] for rows in zip(left, twice, strict=True)]
    if margin:
        scale = margin * (1 + max(abs(x) for row in a for x in row))
        for i in range(len(a)):
            a[i][i] -= scale
    return is_positive_definite(a)


def _bounds(e: ex.Expression, known: dict[ex.Expression, Bounds]) -> Bounds:
    """The bounds of one node from those of its children."""
    if ex.is_constant(e):
        return _constant(e)
    match e:
        case ex.Variable():
            up, down = _form({((e.index, 1),): Fraction(1)}), _form({((e.index, 1),): Fraction(-1)})
            return Bounds(1, _NOTHING, _NOTHING, _NOTHING, frozenset({up}), frozenset({down}))
        case ex.Sum():
            return _sum([known[t] for t in e.terms])
        case ex.Product():
            return _product([known[f] for f in e.factors], e.factors)
        case ex.Power():
            return _power(known[e.base], e.exponent)
        case ex.Hermite():
            u = known[e.argument]
            growth = None if u.growth is None else _union([_scale(u.growth, Fraction(e.order)), _NOTHING])
            order = None if u.order is None else u.order * e.order
            flat = _NOTHING if order is not None and order <= 1 else None
            return Bounds(order, flat, flat, growth)
        case ex.Call():
            return _call(e, [known[a] for a in e.arguments])
        case _:
            raise TypeError(f"not an expression node: {type(e).__name__}")


def _sharpen(e: ex.Expression, b: Bounds, expander: Expander | None) -> Bounds:
    """Add what the sign, the polynomial growth and an explicit expansion give."""
    upper, lower, growth, capped = b.upper, b.lower, b.growth, b.capped
    if (
        expander is not None
        and isinstance(e, (ex.Sum, ex.Product, ex.Power, ex.Hermite))
        and not ex.is_constant(e)
    ):
        polynomial = expander.done[e]
        if polynomial is not None and (b.order is None or b.order > 1):
            exact = e not in expander.inexact
            upper = _smaller(_upper_of_polynomial(polynomial, exact), _NOTHING if b.capped else upper)
            mirrored = {m: -c for m, c in polynomial.items()}
            lower = _smaller(_upper_of_polynomial(mirrored, exact), _NOTHING if b.sign > 0 else lower)
    if b.order is not None and b.order <= 1:
        upper, lower = upper or _NOTHING, lower or _NOTHING
    if b.sign > 0:
        lower = _NOTHING if lower is None else lower
    if b.sign < 0:
        upper = _NOTHING if upper is None else upper
    if b.order is not None and growth is None:
        growth = _NOTHING
    capped = capped or b.sign < 0 or b.order == 0
    return Bounds(b.order, upper, lower, growth, b.above, b.below, b.sign, capped)


def _constant(e: ex.Expression) -> Bounds:
    value = e.value if isinstance(e, ex.Number) else approximate(e)
    sign = 0 if abs(value) <= _MARGIN and value else (value > 0) - (value < 0)
    return Bounds(0, _NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING, sign, True)


def _sum(parts: list[Bounds]) -> Bounds:
    signs = {p.sign for p in parts}
    return Bounds(
        order=_max_order(parts),
        upper=_add_all(p.upper for p in parts),
        lower=_add_all(p.lower for p in parts),
        growth=_union([p.growth for p in parts]),
        above=_add_all(p.above for p in parts),
        below=_add_all(p.below for p in parts),
        sign=signs.pop() if len(signs) == 1 else 0,
        capped=all(p.capped for p in parts),
    )


def _max_order(parts: list[Bounds]) -> int | None:
    orders = [p.order for p in parts]
    return None if None in orders else max(order for order in orders if order is not None)


def _product(parts: list[Bounds], factors: tuple[ex.Expression, ...]) -> Bounds:
    """Products: a constant times the rest, or two factors that grow linearly, 2|ab| <= a^2 + b^2."""
    orders = [p.order for p in parts]
    order = None if None in orders else sum(order for order in orders if order is not None)
    growth = _add_all(p.growth for p in parts)
    sign = prod(p.sign for p in parts)
    if ex.is_constant(factors[0]) and len(parts) > 1 and parts[0].sign:
        c = factors[0].value if isinstance(factors[0], ex.Number) else approximate(factors[0])
        u = parts[1] if len(parts) == 2 else _product(parts[1:], factors[1:])
        up, low, above, below = (_scale_some(forms, abs(c)) for forms in (u.upper, u.lower, u.above, u.below))
        if c < 0:
            up, low, above, below = low, up, below, above
        capped = u.capped if c > 0 else u.sign > 0 or u.order == 0
        return Bounds(order, up, low, growth, above, below, sign, capped)
    upper = None
    if len(parts) == 2 and all(p.order == 1 for p in parts):
        upper = _add_all(_scale_some(_square(p), Fraction(1, 2)) for p in parts)
    return Bounds(order, upper, upper, growth, sign=sign, capped=order == 0 or sign < 0)


def _power(u: Bounds, n: int) -> Bounds:
    if n == 0:
        return _bounded(1)
    even = n % 2 == 0
    growth = None if u.growth is None else _scale(u.growth, Fraction(n))
    upper = _square(u) if n == 2 and u.order is not None and u.order <= 1 else None
    order = None if u.order is None else u.order * n
    return Bounds(order, upper, _NOTHING if even else None, growth, sign=1 if even else u.sign)


def _bounded(sign: int = 0) -> Bounds:
    return Bounds(0, _NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING, sign, True)


def _call(e: ex.Call, u: list[Bounds]) -> Bounds:
    """A named function; relu, abs, softplus, max and min are bounded by their arguments."""
    name, x = e.name, u[0]
    if name in _BOUNDED:
        return _bounded(1 if name in ("heaviside", "logistic") else 0)
    if name == "exp":
        order = 0 if x.capped else None
        flat = _NOTHING if x.capped else None
        return Bounds(order, flat, _NOTHING, x.upper, flat, _NOTHING, 1, x.capped)
    order, growth = _max_order(u), _union([*(p.growth for p in u), _NOTHING])
    if name in ("max", "min"):
        most = (_union([p.upper for p in u]), _union([p.above for p in u]), all(p.capped for p in u))
        signs = {p.sign for p in u}
        sign = signs.pop() if len(signs) == 1 else 0
        if name == "max":
            return Bounds(order, most[0], x.lower, growth, most[1], x.below, sign, most[2])
        down = (_union([p.lower for p in u]), _union([p.below for p in u]))
        return Bounds(order, x.upper, down[0], growth, x.above, down[1], sign, any(p.capped for p in u))
    if name == "abs":
        upper, above = _union([x.upper, x.lower]), _union([x.above, x.below])
        return Bounds(order, upper, _NOTHING, growth, above, _NOTHING, 1, x.order == 0)
    upper, above = _union([x.upper, _NOTHING]), _union([x.above, _NOTHING])
    return Bounds(order, upper, _NOTHING, growth, above, _NOTHING, 1, x.capped)


def _upper_of_polynomial(p: Polynomial, exact: bool) -> Forms | None:
    """A quadratic form q with p <= q + o(|u|^2), or None.

    A variable whose highest pure power is even, at least 4 and negative dominates: its power D swallows every
    monomial with sum_i a_i/D_i < 1 (Young's inequality) and leaves -M u_i^2 with M as large as one likes.
    """
    if not exact and any(abs(c) <= _MARGIN for c in p.values()):
        return None
    leading: dict[int, tuple[int, Fraction]] = {}
    for monomial, c in p.items():
        if len(monomial) == 1:
            (index, exponent) = monomial[0]
            leading[index] = max(leading.get(index, (0, c)), (exponent, c), key=lambda pair: pair[0])
    strong = {i: d for i, (d, c) in leading.items() if d >= 4 and d % 2 == 0 and c < 0}
    form: dict[Monomial, Fraction] = {((i, 2),): -_LARGE for i in strong}
    for monomial, c in p.items():
        dominated = all(i in strong for i, _ in monomial)
        if dominated and sum((Fraction(a, strong[i]) for i, a in monomial), Fraction(0)) < 1:
            continue
        if c < 0 and all(a % 2 == 0 for _, a in monomial) and sum(a for _, a in monomial) > 2:
            continue
        degree = sum(a for _, a in monomial)
        if degree > 2:
            return None
        if degree == 2:
            form[monomial] = c
    return frozenset({_form(form)})


def _smaller(forms: Forms | None, others: Forms | None) -> Forms | None:
    """One of two bounds of the same: that whose forms rise less, as far as floats see; the first where they rise alike."""
    if forms is None or others is None:
        return others if forms is None else forms
    rise, other = (max(map(_steepest, own), default=0.0) for own in (forms, others))
    return others if other < rise - 1e-9 * (abs(rise) + abs(other)) else forms


def _steepest(form: Form) -> float:
    """About the largest q(u)/|u|² of a quadratic form; 0 where it is negative in every direction that it names."""
    if all(len(monomial) == 1 for monomial, _ in form):
        return max([0.0, *(_float(c) for ((_, k),), c in form if k == 2)])
    import numpy as np

    places = {i: k for k, i in enumerate(sorted({i for monomial, _ in form for i, _ in monomial}))}
    q = np.zeros((len(places), len(places)))
    for monomial, c in form:
        indices = [places[i] for i, exponent in monomial for _ in range(exponent)]
        if len(indices) == 2:
            q[indices[0], indices[1]] += _float(c) / 2
            q[indices[1], indices[0]] += _float(c) / 2
    return max(float(np.linalg.eigvalsh(q).max(initial=0.0)), 0.0)


def _float(c: Fraction) -> float:
    """A float near c, within ±1e150."""
    return float(max(min(c, Fraction(10) ** 150), -(Fraction(10) ** 150)))


def _form(items: dict[Monomial, Fraction]) -> Form:
    return tuple(sorted((m, c) for m, c in items.items() if c))


def _scale(forms: Forms, c: Fraction) -> Forms:
    return frozenset(tuple((m, c * x) for m, x in form) if c else () for form in forms)


def _scale_some(forms: Forms | None, c: Fraction) -> Forms | None:
    return None if forms is None else _scale(forms, c)


def _union(parts: Iterable[Forms | None]) -> Forms | None:
    """max of maxima; None if a part has no bound or there are too many forms."""
    result: set[Form] = set()
    for part in parts:
        if part is None:
            return None
        result |= part
        if len(result) > _MOST_FORMS:
            return None
    return frozenset(result)


def _add_all(parts: Iterable[Forms | None]) -> Forms | None:
    """max of the sums of one form from each part."""
    total: Forms | None = _NOTHING
    for part in parts:
        if part is None or total is None or len(part) * len(total) > _MOST_FORMS**2:
            return None
        if part == _NOTHING:
            continue
        total = frozenset(_plus(a, b) for a in total for b in part)
        if len(total) > _MOST_FORMS:
            return None
    return total


def _plus(a: Form, b: Form) -> Form:
    items = dict(a)
    for monomial, c in b:
        items[monomial] = items.get(monomial, Fraction(0)) + c
    return _form(items)


def _square(u: Bounds) -> Forms | None:
    """Forms with u^2 <= max of them, from linear forms with |u| <= max of those."""
    forms = _union([u.above, u.below])
    if forms is None:
        return None
    return frozenset(_square_form(form) for form in forms)


def _square_form(form: Form) -> Form:
    items: dict[Monomial, Fraction] = {}
    for ((i, _),), a in form:
        for ((j, _),), b in form:
            monomial: Monomial = ((i, 2),) if i == j else tuple(sorted(((i, 1), (j, 1))))
            items[monomial] = items.get(monomial, Fraction(0)) + a * b
    return _form(items)
