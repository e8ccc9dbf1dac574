"""Bounded analytic functions of a composite argument along one direction: tanh(x³), sin(x²), exp(−x⁴), cos(sin x), …

Such a function is kept as a ridge whose name is its own text in x = ⟨v, z⟩, in normal form, so that equal functions have
equal names, and a function and its mirror image know each other. Its Hermite coefficients are certified integrals; its
parity is proved by rewriting; that it is bounded, by ball arithmetic over the whole line.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import prod

import flint

from hermite.engines.constants import Unsupported, as_fraction
from hermite.engines.forms import Form, Ridge, Vector, direction_rows, primitive, ridge_form
from hermite.exact.roots import complex_roots
from hermite.exact.scalars import Scalar
from hermite.exact.subspaces import Span
from hermite.exact.undecided import Undecided
from hermite.language import nodes as ex
from hermite.language.building import add, call, multiply, negate, power, substitute
from hermite.language.normal_form import normal_form, rational_factor
from hermite.language.printing import to_text

_X = ex.Variable(0)
_ODD, _EVEN = frozenset({"tanh", "erf", "sin"}), frozenset({"cos", "logcosh"})


def composite(name: str, u: Form, r: int) -> Form:
    """name(u) as a ridge along the one direction on which ``u`` depends; raises :class:`Unsupported`."""
    if name == "logcosh":
        raise Unsupported("softplus of a composite argument: it is not bounded")
    try:
        row = Span(r, direction_rows(u, r)).over_rationals()
    except Undecided as doubt:
        raise Unsupported(f"{name} of a composite argument: {doubt}") from None
    if row is None or row.dim != 1:
        raise Unsupported(f"{name} of a composite argument: it varies along more than one direction")
    direction, _ = primitive(tuple(Fraction(int(x.p), int(x.q)) for x in row.rows[0]))
    c, tree = rational_factor(normal_form(call(name, (_along(u, direction),))))
    if bound(to_text(tree)) is None:
        raise Unsupported(f"{name} of a composite argument: it is not proved to be bounded")
    return ridge_form(Ridge(to_text(tree), direction, Scalar.of(1), Scalar.of(0)), r, c)


def _along(u: Form, v: Vector) -> ex.Expression:
    """u(z) with z = v x/|v|²: then ⟨v, z⟩ = x."""
    size = sum((a * a for a in v), start=Fraction(0))
    point = [a / size for a in v]
    terms: list[ex.Expression] = []
    for key, c in u.items():
        front = prod((x**a for x, a in zip(point, key.powers, strict=True)), start=_rational(c))
        factors: list[ex.Expression] = [ex.Number(front), power(_X, sum(key.powers))]
        place = next(i for i, a in enumerate(v) if a)
        for g, k in key.ridges:
            slope = _rational(g.scale) * g.direction[place] / v[place]
            factors.append(power(_named(g.name, _line(slope, 1, _rational(g.offset))), k))
        tilt = sum((_rational(b) * point[i] for i, b in key.tilt), start=Fraction(0))
        bend = sum((_rational(q) * point[i] * point[j] for (i, j), q in key.quadratic), start=Fraction(0))
        if tilt or bend:
            factors.append(call("exp", (add((_line(tilt, 1), _line(bend, 2))),)))
        terms.append(multiply(factors))
    return add(terms)


def _line(slope: Fraction, k: int, offset: Fraction = Fraction(0)) -> ex.Expression:
    """slope · x^k + offset."""
    return add((multiply((ex.Number(slope), power(_X, k))), ex.Number(offset)))


def _rational(c: Scalar) -> Fraction:
    if not c.is_rational:
        raise Unsupported("a composite argument with irrational coefficients")
    return as_fraction(c)


def _named(name: str, argument: ex.Expression) -> ex.Expression:
    """A ridge as an expression."""
    if name == "logcosh":
        # log(2 cosh(w/2)) = softplus(w) − w/2.
        return add((call("softplus", (argument,)), multiply((ex.Number(Fraction(-1, 2)), argument))))
    if is_composite(name):
        return substitute(tree_of(name), {0: argument})
    return call(name, (argument,))


def is_composite(name: str) -> bool:
    """Whether the name of a ridge is the text of an expression in x."""
    return "(" in name


@lru_cache(maxsize=1024)
def tree_of(name: str) -> ex.Expression:
    """The expression in x that a composite ridge is named after."""
    from hermite.language.parsing import parse

    return parse(name, variables=("z1",))


@lru_cache(maxsize=1024)
def mirrored_name(name: str) -> tuple[str, int]:
    """(name', σ) with g(−w) = σ g'(w)."""
    if not is_composite(name):
        return name, -1 if name in _ODD else 1
    c, tree = rational_factor(normal_form(substitute(tree_of(name), {0: negate(_X)})))
    if abs(c) != 1:
        raise Unsupported(f"the mirror image of {name} has no normal form")
    return to_text(tree), int(c)


def parity(name: str) -> int:
    """1 for an even function, −1 for an odd one, 0 where neither is proved; ``name`` is in normal form."""
    mirror, sign = mirrored_name(name)
    return sign if mirror == name else 0


@lru_cache(maxsize=1024)
def bound(name: str) -> float | None:
    """An upper bound of |g| on the whole line, or None."""
    from hermite.language.enclosure import enclosure

    tree = tree_of(name)
    value = enclosure(tree)([flint.arb(0, float("inf"))])
    if not value.is_finite() and isinstance(tree, ex.Call) and tree.name == "exp":
        top = _largest(tree.arguments[0])
        value = value if top is None else top.exp()
    return float(abs(value).upper()) * (1 + 1e-9) if value.is_finite() else None


def _largest(e: ex.Expression) -> flint.arb | None:
    """A ball around the maximum of a polynomial that tends to −∞ on both sides: its value at a critical point; else None."""
    from hermite.engines.polynomial import PolynomialEngine
    from hermite.language.nodes import is_polynomial
    from hermite.target import Target

    if not is_polynomial(e):
        return None
    terms = {int(k[0]): c for k, c in PolynomialEngine(Target(e, ("z1",))).polynomial.to_dict().items()}
    top = max(terms)
    if top == 0 or top % 2 or terms[top] > 0:
        return None
    p = flint.fmpq_poly([terms.get(k, 0) for k in range(top + 1)])
    best = None
    for root, _ in complex_roots(p.derivative()):
        if root.imag.contains(0):
            value = sum((c * root.real**k for k, c in terms.items() if k), start=flint.arb(terms.get(0, 0)))
            best = value if best is None else best.max(value)
    return best


def complex_value(name: str, x: flint.acb, analytic: bool) -> flint.acb:
    """g over a complex ball: not finite where g is not proved analytic, as ``acb.integral`` asks for."""
    values: dict[ex.Expression, flint.acb] = {}
    for node in ex.postorder(tree_of(name)):
        values[node] = _complex(node, [values[c] for c in ex.children(node)], x, analytic)
    return values[node]


def _complex(e: ex.Expression, below: list[flint.acb], x: flint.acb, analytic: bool) -> flint.acb:
    match e:
        case ex.Number():
            return flint.acb(flint.fmpq(e.value.numerator, e.value.denominator))
        case ex.Pi():
            return flint.acb.pi()
        case ex.Variable():
            return x
        case ex.Sum():
            return sum(below[1:], start=below[0])
        case ex.Product():
            return prod(below[1:], start=below[0])
        case ex.Power():
            return below[0] ** e.exponent
        case ex.Call() if e.name == "softplus":
            return below[0] / 2 + (2 * (below[0] / 2).cosh()).log(analytic=analytic)
        case ex.Call() if e.name == "logistic":
            return ((below[0] / 2).tanh() + 1) / 2
        case ex.Call() if e.name in ("tanh", "erf", "sin", "cos", "exp"):
            value: flint.acb = getattr(below[0], e.name)()
            return value
    raise Unsupported(f"{to_text(e)} inside a composite argument")
