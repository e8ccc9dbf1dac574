"""The sign of an expression, and functions of piecewise arguments, as sums over the cells on which signs are constant.

With signs s_1, s_2, … along one direction, at rising breakpoints, inside u, g(u) = Σ_j (s_j − s_{j+1})/2 · g(u on piece j).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cmp_to_key, lru_cache
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

import flint

from hermite.engines.composite import is_composite
from hermite.engines.constants import Unsupported, as_fraction, scalar_sqrt, sign_of
from hermite.engines.forms import (
    Form,
    Monomial,
    Ridge,
    add,
    constant_form,
    linear,
    multiply,
    ridge_form,
    scaled,
)
from hermite.exact.atoms import Atom
from hermite.exact.roots import complex_roots
from hermite.exact.scalars import Scalar

if TYPE_CHECKING:
    import sympy

#: Most cells on which a function of a piecewise argument is taken.
MAX_CELLS = 256
#: Degree up to which a root is an exact object of SymPy.
_SYMBOLIC = 6


def by_cells(u: Form, r: int, function: Callable[[Form], Form], budget: int = MAX_CELLS) -> Form:
    """function(u) where ``function`` handles arguments without signs; the cells along one direction are intervals."""
    signs = {g for key in u for g, _ in key.ridges if g.name == "sign"}
    if not signs:
        return function(u)
    direction = min(g.direction for g in signs)
    along = sorted((g for g in signs if g.direction == direction), key=cmp_to_key(_order))
    if len(along) + 1 > budget:
        raise Unsupported(f"a function of an argument with more than {MAX_CELLS} pieces")
    half = Fraction(1, 2)
    edges = [constant_form(1, r), *(ridge_form(g, r) for g in along), constant_form(-1, r)]
    pieces = []
    for j, (left, right) in enumerate(pairwise(edges)):
        inside = scaled(add(left, scaled(right, Scalar.of(-1))), Scalar.of(half))
        values = {g: 1 if i < j else -1 for i, g in enumerate(along)}
        rest = by_cells(_fixed(u, values), r, function, budget // (len(along) + 1))
        pieces.append(multiply(inside, rest))
    return add(*pieces)


def _order(g: Ridge, h: Ridge) -> int:
    """Order of the breakpoints −θ of sign(t + θ)."""
    return sign_of(h.offset - g.offset)


def _fixed(u: Form, values: dict[Ridge, int]) -> Form:
    """``u`` where the given signs have the given values."""
    parts: list[Form] = []
    for key, c in u.items():
        sign = prod(values[g] for g, _ in key.ridges if g in values)
        ridges = tuple(item for item in key.ridges if item[0] not in values)
        parts.append({Monomial(key.powers, ridges, key.tilt, key.quadratic): c * sign})
    return add(*parts)


def sign_form(u: Form, r: int) -> Form:
    """sign(u) as a sum of products of signs of linear forms."""
    return _sign_of_one(u, r) if len(u) <= 1 else by_cells(u, r, lambda v: _smooth_sign(v, r))


def _smooth_sign(u: Form, r: int) -> Form:
    """sign(u) for u without signs."""
    if len(u) <= 1:
        return _sign_of_one(u, r)
    try:
        direction, scale, offset = linear(u, r)
    except Unsupported:
        return _sign_of_polynomial(u, r)
    return ridge_form(Ridge("sign", direction, Scalar.of(1), offset / scale), r, sign_of(scale))


def _sign_of_one(u: Form, r: int) -> Form:
    """sign(u) for u of one term or none."""
    if not u:
        return {}
    ((key, c),) = u.items()
    return _sign_of_product(key, sign_of(c), r)


def _sign_of_product(key: Monomial, c: int, r: int) -> Form:
    """sign(c · key): odd factors have the sign of their arguments, exp and log 2cosh are positive."""
    result = constant_form(c, r)
    for i, a in enumerate(key.powers):
        if a % 2:
            axis = tuple(Fraction(int(i == j)) for j in range(r))
            result = multiply(result, ridge_form(Ridge("sign", axis, Scalar.of(1), Scalar.of(0)), r))
    for g, k in key.ridges:
        if k % 2 == 0 or g.name == "logcosh":
            continue
        if g.name in ("sin", "cos") or g.scale.inverse() is None:
            raise Unsupported(f"the sign of {g.name}, which changes infinitely often")
        if is_composite(g.name):
            raise Unsupported("the sign of a function of a composite argument")
        result = multiply(result, ridge_form(Ridge("sign", g.direction, Scalar.of(1), g.offset / g.scale), r))
    return result


def _sign_of_polynomial(u: Form, r: int) -> Form:
    """The product of the signs of the factors over Q."""
    if any(key.ridges or key.tilt or key.quadratic for key in u) or not all(
        c.is_rational for c in u.values()
    ):
        raise Unsupported("the sign of a composite expression")
    context = flint.fmpq_mpoly_ctx.get([f"z{i + 1}" for i in range(r)], "lex")
    constant, factors = context.from_dict({key.powers: _rational(c) for key, c in u.items()}).factor()
    result = constant_form(1 if constant > 0 else -1, r)
    for factor, k in factors:
        if k % 2 == 0:
            continue
        if factor.total_degree() == 1:
            terms = {
                Monomial(tuple(int(a) for a in key)): Scalar.of(c) for key, c in factor.to_dict().items()
            }
            result = multiply(result, _smooth_sign(terms, r))
        else:
            result = multiply(result, _sign_of_irreducible(factor, r))
    return result


def _rational(c: Scalar) -> flint.fmpq:
    value = as_fraction(c)
    return flint.fmpq(value.numerator, value.denominator)


def _sign_of_irreducible(factor: flint.fmpq_mpoly, r: int) -> Form:
    """Sign of an irreducible polynomial that is definite, or in one variable."""
    terms = {tuple(int(a) for a in key): c for key, c in factor.to_dict().items()}
    if all(a % 2 == 0 for key in terms for a in key) and len({c > 0 for c in terms.values()}) == 1:
        return constant_form(1 if next(iter(terms.values())) > 0 else -1, r)
    used = [i for i in range(r) if any(key[i] for key in terms)]
    if len(used) != 1:
        raise Unsupported("the sign of a polynomial that does not split into linear factors")
    place = used[0]
    row = [flint.fmpq(0)] * (int(factor.total_degree()) + 1)
    for key, c in terms.items():
        row[key[place]] = c
    result = constant_form(1 if row[-1] > 0 else -1, r)
    axis = tuple(Fraction(int(place == j)) for j in range(r))
    for root in real_roots(row):
        result = multiply(result, ridge_form(Ridge("sign", axis, Scalar.of(1), -root), r))
    return result


def real_roots(row: list[flint.fmpq]) -> list[Scalar]:
    """The real roots of an irreducible polynomial Σ row_k x^k over Q: by square roots, else constants known by their balls."""
    polynomial = flint.fmpq_poly(row).numer()
    count = len(_real_balls(polynomial))
    if count and len(row) == 3:
        size = scalar_sqrt(Scalar.of(row[1] * row[1] - 4 * row[0] * row[2]))
        if size is not None:
            return [(size * branch - Scalar.of(row[1])) / Scalar.of(2 * row[2]) for branch in (1, -1)]

    def atom(j: int) -> Scalar:
        def symbol() -> sympy.Expr:
            import sympy

            if polynomial.degree() > _SYMBOLIC:
                # SymPy would take seconds to isolate and to compare such roots.
                return sympy.Float(_real_balls(polynomial)[j].str(50, radius=False), 50)
            x = sympy.Symbol("x")
            return sympy.CRootOf(sympy.Poly([int(c) for c in reversed(polynomial.coeffs())], x), j)

        return Scalar.atom(Atom(f"root{j + 1}[{polynomial}]", lambda: _real_balls(polynomial)[j], symbol))

    if any(row[k] != 0 for k in range(1, len(row), 2)):
        return [atom(j) for j in range(count)]
    # Of an even polynomial the roots are ±, and must be known to be.
    above = [atom(j) for j in range(count // 2, count)]
    return [*above, *(-root for root in above)]


def _real_balls(polynomial: flint.fmpz_poly) -> tuple[flint.arb, ...]:
    """Disjoint balls around the real roots, rising, at the working precision."""
    return _balls_at(tuple(int(c) for c in polynomial.coeffs()), int(flint.ctx.prec))


@lru_cache(maxsize=1024)
def _balls_at(coefficients: tuple[int, ...], bits: int) -> tuple[flint.arb, ...]:
    with flint.ctx.workprec(bits):
        roots = complex_roots(flint.fmpz_poly(list(coefficients)))
    return tuple(sorted((root.real for root, _ in roots if root.imag == 0), key=lambda x: float(x.mid())))
