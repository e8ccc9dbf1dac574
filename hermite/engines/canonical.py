"""A target as a sum of products of ridge functions along orthogonal directions.

Rewriting leaves few kinds of factors: |u| = u sign(u), relu(u) = (u + |u|)/2, max(a,b) = (a + b + |a − b|)/2,
Heaviside = (1 + sign)/2, logistic(u) = (1 + tanh(u/2))/2, softplus(u) = u/2 + log(2 cosh(u/2)); the sign of a product is
the product of signs, the exp of a sum a product. In each product the directions must be orthogonal (in the Gram metric);
the polynomial factor is rewritten in an orthogonal basis that contains them. Anything else: :class:`Unsupported`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint

from hermite.constants import ball
from hermite.nodes import (
    Call,
    Expression,
    Hermite,
    Number,
    Pi,
    Power,
    Product,
    Sum,
    Variable,
    children,
    is_constant,
    postorder,
)
from hermite.printing import to_text
from hermite.scalars import Atom, Scalar

Vector = tuple[Fraction, ...]
#: Largest number of products that rewriting may reach.
MAX_PRODUCTS = 20_000


class Unsupported(Exception):
    """No engine can decide this target; the text says why."""


@dataclass(frozen=True)
class Ridge:
    """``name``(scale · t + offset) with t = ⟨direction, z⟩; ``direction`` is primitive, its first entry positive."""

    name: str
    direction: Vector
    scale: Scalar
    offset: Scalar

    def sort_key(self) -> tuple[Any, ...]:
        return (self.name, self.direction, str(self.scale), str(self.offset))


#: A product: exponents of the variables, ridge factors with powers, linear exponent (tilt), quadratic exponent.
@dataclass(frozen=True)
class Monomial:
    """z^powers · Π ridges^k · exp(⟨tilt, z⟩ + Σ_j b_j t_j²), t_j = ⟨direction_j, z⟩."""

    powers: tuple[int, ...]
    ridges: tuple[tuple[Ridge, int], ...] = ()
    tilt: tuple[tuple[int, Scalar], ...] = ()
    quadratic: tuple[tuple[Vector, Scalar], ...] = ()


Form = dict[Monomial, Scalar]


def canonical(tree: Expression, r: int) -> Form:
    """``tree`` as Σ coefficient · monomial, like products collected; raises :class:`Unsupported`."""
    done: dict[Expression, Form] = {}
    for node in postorder(tree):
        done[node] = _node(node, [done[c] for c in children(node)], r)
    return done[tree]


def constant_scalar(e: Expression) -> Scalar:
    """An expression without variables as a Scalar; what has no closed form becomes an opaque constant."""
    match e:
        case Number():
            return Scalar.of(e.value)
        case Pi():
            return Scalar.sqrt_pi(2)
        case Sum():
            return sum((constant_scalar(t) for t in e.terms), Scalar.of(0))
        case Product():
            result = Scalar.of(1)
            for factor in e.factors:
                result = result * constant_scalar(factor)
            return result
        case Power() if e.exponent >= 0:
            return constant_scalar(e.base) ** e.exponent
        case Power():
            inverse = (constant_scalar(e.base) ** -e.exponent).inverse()
            return _opaque(e) if inverse is None else inverse
        case Call(name="sqrt"):
            inside = constant_scalar(e.arguments[0])
            root = scalar_sqrt(inside)
            return _opaque(e) if root is None else root
        case Call(name="exp") if isinstance(e.arguments[0], Number):
            return Scalar.exp(e.arguments[0].value)
        case _:
            return _opaque(e)


def scalar_sqrt(x: Scalar) -> Scalar | None:
    """√x where x = q π^k with rational q ≥ 0 and integer k; else None."""
    if x.is_rational:
        return Scalar.sqrt(as_fraction(x))
    for k in (-2, -1, 1, 2):
        rest = x * Scalar.sqrt_pi(-2 * k)
        if rest.is_rational:
            return Scalar.sqrt(as_fraction(rest)) * Scalar.sqrt_pi(k)
    return None


def as_fraction(x: Scalar) -> Fraction:
    """A rational Scalar as a Fraction."""
    value = sum(x._terms.values(), flint.fmpq(0))
    return Fraction(int(value.p), int(value.q))


def _opaque(e: Expression) -> Scalar:
    def symbol() -> Any:
        import sympy

        return sympy.Symbol(to_text(e), real=True)

    return Scalar.atom(Atom(to_text(e), lambda: ball(e, flint.ctx.prec), symbol))


def sign_of(x: Scalar) -> int:
    """Sign of a constant, proved; raises :class:`Unsupported` where it is undecided."""
    if x.is_zero():
        return 0
    if x.is_zero() is None:
        raise Unsupported(f"the sign of {x} is undecided")
    return 1 if x.ball(512) > 0 or x.ball(2048) > 0 else -1


def _node(e: Expression, below: list[Form], r: int) -> Form:
    zero = (0,) * r
    if is_constant(e):
        return {Monomial(zero): constant_scalar(e)}
    match e:
        case Variable():
            return {Monomial((*zero[: e.index], 1, *zero[e.index + 1 :])): Scalar.of(1)}
        case Sum():
            return add(*below)
        case Product():
            result = below[0]
            for factor in below[1:]:
                result = multiply(result, factor)
            return result
        case Power():
            return power(below[0], e.exponent, r)
        case Hermite():
            low, high = constant_form(1, r), below[0]
            if e.order == 0:
                return low
            for k in range(1, e.order):
                low, high = high, add(multiply(below[0], high), scaled(low, Scalar.of(-k)))
            return high
        case Call():
            return _call(e, below, r)
    raise Unsupported(f"{to_text(e)} has no closed form")


def constant_form(value: Any, r: int) -> Form:
    return {Monomial((0,) * r): Scalar.of(value)}


def add(*forms: Form) -> Form:
    total: Form = {}
    for form in forms:
        for key, c in form.items():
            total[key] = total[key] + c if key in total else c
    return {key: c for key, c in total.items() if c.is_zero() is not True}


def scaled(form: Form, c: Scalar) -> Form:
    return {key: c * x for key, x in form.items()}


def multiply(a: Form, b: Form) -> Form:
    if len(a) * len(b) > 50 * MAX_PRODUCTS:
        raise Unsupported(f"the product expands to more than {MAX_PRODUCTS} terms")
    total: Form = {}
    for x, c in a.items():
        for y, d in b.items():
            key = _times(x, y)
            value = c * d
            total[key] = total[key] + value if key in total else value
    if len(total) > MAX_PRODUCTS:
        raise Unsupported(f"the product expands to more than {MAX_PRODUCTS} terms")
    return {key: c for key, c in total.items() if c.is_zero() is not True}


def power(form: Form, k: int, r: int) -> Form:
    result = constant_form(1, r)
    for _ in range(k):
        result = multiply(result, form)
    return result


def _times(a: Monomial, b: Monomial) -> Monomial:
    """Exponents add; sign² = 1 almost surely."""
    ridges = dict(a.ridges)
    for ridge, k in b.ridges:
        ridges[ridge] = ridges.get(ridge, 0) + k
    ridges = {g: (k % 2 if g.name == "sign" else k) for g, k in ridges.items()}
    return Monomial(
        tuple(i + j for i, j in zip(a.powers, b.powers, strict=True)),
        tuple(sorted(((g, k) for g, k in ridges.items() if k), key=lambda item: item[0].sort_key())),
        _add_sparse(a.tilt, b.tilt),
        _add_sparse(a.quadratic, b.quadratic),
    )


def _add_sparse(a: Any, b: Any) -> Any:
    if not a or not b:
        return a or b
    total = dict(a)
    for key, c in b:
        total[key] = total[key] + c if key in total else c
    return tuple(
        sorted(((key, c) for key, c in total.items() if c.is_zero() is not True), key=lambda x: x[0])
    )


def linear(form: Form, r: int) -> tuple[Vector, Scalar, Scalar]:
    """(direction, scale, offset) of a form scale·⟨direction, z⟩ + offset; raises :class:`Unsupported` if it is not."""
    slopes = [Scalar.of(0)] * r
    offset = Scalar.of(0)
    for key, c in form.items():
        if key.ridges or key.tilt or key.quadratic or sum(key.powers) > 1:
            raise Unsupported("an argument is not linear in the variables")
        if sum(key.powers) == 0:
            offset = c
        else:
            slopes[key.powers.index(1)] = c
    first = next((c for c in slopes if c.is_zero() is not True), None)
    if first is None:
        raise Unsupported("an argument does not depend on the variables")
    inverse = first.inverse()
    ratios = [c * inverse for c in slopes] if inverse is not None else [c for c in slopes if c is not first]
    if inverse is None or not all(c.is_rational for c in ratios):
        raise Unsupported("a direction has coordinates that are not in rational proportion")
    direction, content = primitive(tuple(as_fraction(c) for c in ratios))
    return direction, first * content, offset


def primitive(vector: Vector) -> tuple[Vector, Fraction]:
    """(v, c) with vector = c v, v of coprime integers with a positive first entry."""
    from math import gcd, lcm

    denominator = lcm(*(x.denominator for x in vector))
    integers = [int(x * denominator) for x in vector]
    content = Fraction(gcd(*integers), denominator)
    if next(x for x in vector if x) < 0:
        content = -content
    return tuple(x / content for x in vector), content


_ODD = {"tanh", "erf", "sin"}
_EVEN = {"logcosh", "cos"}


def _call(e: Call, below: list[Form], r: int) -> Form:
    half = Scalar.of(Fraction(1, 2))
    name, u = e.name, below[0]
    match name:
        case "sign":
            return sign_form(u, r)
        case "abs":
            return multiply(u, sign_form(u, r))
        case "heaviside":
            return add(constant_form(Fraction(1, 2), r), scaled(sign_form(u, r), half))
        case "relu":
            return scaled(add(u, multiply(u, sign_form(u, r))), half)
        case "max" | "min":
            best = u
            for other in below[1:]:
                gap = add(best, scaled(other, Scalar.of(-1)))
                size = multiply(gap, sign_form(gap, r)) if gap else gap
                sign = half if name == "max" else -half
                best = add(scaled(best, half), scaled(other, half), scaled(size, sign))
            return best
        case "logistic":
            return add(constant_form(Fraction(1, 2), r), scaled(ridge("tanh", scaled(u, half), r), half))
        case "softplus":
            return add(scaled(u, half), ridge("logcosh", u, r))
        case "exp":
            return exponential(u, r)
        case "sin" | "cos" | "tanh" | "erf":
            return ridge(name, u, r)
    raise Unsupported(f"{to_text(e)} has no closed form")


def ridge(name: str, argument: Form, r: int) -> Form:
    """name(argument) as one ridge factor, its scale made positive by parity."""
    try:
        direction, scale, offset = linear(argument, r)
    except Unsupported as why:
        raise Unsupported(f"{name} of a composite argument: {why}") from None
    c = Scalar.of(1)
    if sign_of(scale) < 0:
        scale, offset = -scale, -offset
        c = Scalar.of(-1) if name in _ODD else c
    factor = Ridge(name, direction, scale, offset)
    return {Monomial((0,) * r, ((factor, 1),)): c}


def sign_form(u: Form, r: int) -> Form:
    """sign(u) as a product of signs of linear forms, if u splits into factors of known sign."""
    if not u:
        return {}
    try:
        direction, scale, offset = linear(u, r)
    except Unsupported:
        return _sign_of_product(u, r)
    threshold = offset * _inverse(scale)
    factor = Ridge("sign", direction, Scalar.of(1), threshold)
    return {Monomial((0,) * r, ((factor, 1),)): Scalar.of(sign_of(scale))}


def _inverse(x: Scalar) -> Scalar:
    inverse = x.inverse()
    if inverse is None:
        raise Unsupported(f"1/({x}) has no closed form")
    return inverse


def _sign_of_product(u: Form, r: int) -> Form:
    if len(u) == 1:
        key, c = next(iter(u.items()))
        if not key.ridges or all(g.name == "sign" for g, _ in key.ridges):
            result: Form = {Monomial((0,) * r, key.ridges): Scalar.of(sign_of(c))}
            for i, a in enumerate(key.powers):
                if a % 2:
                    axis = tuple(Fraction(int(i == j)) for j in range(r))
                    factor = Ridge("sign", axis, Scalar.of(1), Scalar.of(0))
                    result = multiply(result, {Monomial((0,) * r, ((factor, 1),)): Scalar.of(1)})
            return result
    if any(key.ridges or key.tilt or key.quadratic for key in u) or not all(
        c.is_rational for c in u.values()
    ):
        raise Unsupported("the sign of a composite expression")
    context = flint.fmpq_mpoly_ctx.get([f"z{i + 1}" for i in range(r)], "lex")
    constant, factors = context.from_dict({key.powers: _only(c) for key, c in u.items()}).factor()
    result = constant_form(1 if constant > 0 else -1, r)
    for factor, k in factors:
        if k % 2 == 0:
            continue
        terms = {tuple(int(a) for a in key): Scalar.of(c) for key, c in factor.to_dict().items()}
        if factor.total_degree() == 1:
            result = multiply(result, sign_form({Monomial(key): c for key, c in terms.items()}, r))
        else:
            result = scaled(result, Scalar.of(_definite_sign(factor, r)))
    return result


def _only(c: Scalar) -> Any:
    value = as_fraction(c)
    return flint.fmpq(value.numerator, value.denominator)


def _definite_sign(factor: Any, r: int) -> int:
    """Sign of an irreducible polynomial in one variable without a real root."""
    used = [i for i in range(r) if int(factor.degrees()[i])]
    if len(used) != 1:
        raise Unsupported("the sign of a polynomial that does not split into linear factors")
    coefficients = [flint.fmpq(0)] * (int(factor.total_degree()) + 1)
    for key, c in factor.to_dict().items():
        coefficients[int(key[used[0]])] = c
    for root, _ in (
        (flint.fmpq_poly(coefficients) * flint.fmpq_poly(coefficients).denom()).numer().complex_roots()
    ):
        if root.imag.contains(0):
            raise Unsupported("the sign of a polynomial with irrational roots")
    return 1 if coefficients[-1] > 0 else -1


def exponential(u: Form, r: int) -> Form:
    """exp(u) for u of degree at most 2 whose quadratic part is diagonal, or a multiple of one square."""
    from hermite.engines.quadratic import diagonal_squares

    offset, tilt, squares = Scalar.of(0), {}, {}
    for key, c in u.items():
        if key.ridges or key.tilt or key.quadratic or sum(key.powers) > 2:
            raise Unsupported("exp of an expression that is not a polynomial of degree at most 2")
        if sum(key.powers) == 0:
            offset = c
        elif sum(key.powers) == 1:
            tilt[key.powers.index(1)] = c
        else:
            squares[key.powers] = c
    coefficient = scalar_exp(offset)
    quadratic = diagonal_squares(squares, r)
    return {Monomial((0,) * r, (), tuple(sorted(tilt.items(), key=lambda x: x[0])), quadratic): coefficient}


def scalar_exp(x: Scalar) -> Scalar:
    """e^x: an exact power of e for rational x, else an opaque constant."""
    if x.is_rational:
        return Scalar.exp(as_fraction(x))
    return opaque_function("exp", x)


def opaque_function(name: str, x: Scalar) -> Scalar:
    """name(x) of a constant as an opaque atom with a ball."""

    def enclose() -> Any:
        return getattr(x.ball(flint.ctx.prec + 32), name)()

    def symbol() -> Any:
        import sympy

        return getattr(sympy, name)(x.to_sympy())

    return Scalar.atom(Atom(f"{name}({x})", enclose, symbol))
