"""A target as a sum of products of ridge functions: few kinds of factors, like products collected.

|u| = u sign(u), relu(u) = (u + |u|)/2, max(a,b) = (a + b + |a − b|)/2, Heaviside = (1 + sign)/2,
logistic(u) = (1 + tanh(u/2))/2, softplus(u) = u/2 + log(2 cosh(u/2)); the exp of a sum is a product; signs and functions
of piecewise arguments are taken cell by cell (:mod:`hermite.engines.signs`). Anything else: ``Unsupported``.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor

from hermite.engines.composite import composite
from hermite.engines.constants import Unsupported, constant_scalar, scalar_exp, sign_of, special_value
from hermite.engines.forms import (
    Form,
    Monomial,
    Ridge,
    add,
    constant_form,
    linear,
    multiply,
    power,
    ridge_form,
    scaled,
)
from hermite.engines.signs import by_cells, sign_form
from hermite.exact.scalars import Scalar
from hermite.language import nodes as ex
from hermite.language.printing import to_text

_HALF = Scalar.of(Fraction(1, 2))


def canonical(tree: ex.Expression, r: int) -> Form:
    """``tree`` as Σ coefficient · monomial, like products collected; raises :class:`Unsupported`."""
    done: dict[ex.Expression, Form] = {}
    needed = _needed(tree)
    for node in ex.postorder(tree):
        if node in needed:
            done[node] = _node(node, r, done)
    return done[tree]


def _needed(tree: ex.Expression) -> set[ex.Expression]:
    """The nodes that are rewritten: not the maximum of which only the sign counts."""
    needed, left = set(), [tree]
    while left:
        node = left.pop()
        if node not in needed:
            needed.add(node)
            left += _compared(node) or ex.children(node)
    return needed


def _compared(e: ex.Expression) -> list[ex.Expression]:
    """The arguments of the (nested) extreme of which ``e`` is the sign; nothing if it is no such sign."""
    if not (isinstance(e, ex.Call) and e.name in ("sign", "heaviside") and _is_extreme(e.arguments[0])):
        return []
    out, left = [], [e.arguments[0]]
    while left:
        node = left.pop()
        if _is_extreme(node):
            left += ex.children(node)
        else:
            out.append(node)
    return out


def _node(e: ex.Expression, r: int, done: dict[ex.Expression, Form]) -> Form:
    zero = (0,) * r
    if ex.is_constant(e):
        return constant_form(constant_scalar(e), r)
    if _compared(e):
        assert isinstance(e, ex.Call)
        sign = _sign_of_extreme(e.arguments[0], done, r)
        return sign if e.name == "sign" else add(constant_form(_HALF, r), scaled(sign, _HALF))
    below = [done[c] for c in ex.children(e)]
    match e:
        case ex.Variable():
            return {Monomial((*zero[: e.index], 1, *zero[e.index + 1 :])): Scalar.of(1)}
        case ex.Sum():
            return add(*below)
        case ex.Product():
            result = below[0]
            for factor in below[1:]:
                result = multiply(result, factor)
            return result
        case ex.Power():
            return power(below[0], e.exponent, r)
        case ex.Hermite():
            low, high = constant_form(1, r), below[0]
            if e.order == 0:
                return low
            for k in range(1, e.order):
                low, high = high, add(multiply(below[0], high), scaled(low, Scalar.of(-k)))
            return high
        case ex.Call():
            return _call(e, below, r)
    raise Unsupported(f"{to_text(e)} has no closed form")


def _is_extreme(e: ex.Expression) -> bool:
    return isinstance(e, ex.Call) and e.name in ("max", "min")


def _sign_of_extreme(e: ex.Expression, done: dict[ex.Expression, Form], r: int) -> Form:
    """The sign of a maximum or minimum by those of its arguments: no two arguments need be compared.

    max(s, t) = (s + t + |s − t|)/2, where |s − t| = s² + t² − st − s²t² for s and t in {−1, 0, 1}.
    """
    assert isinstance(e, ex.Call)
    signs = [_sign_of_extreme(a, done, r) if _is_extreme(a) else sign_form(done[a], r) for a in e.arguments]
    side, best = (1 if e.name == "max" else -1), signs[0]
    for own in signs[1:]:
        mixed, first, second = multiply(best, own), multiply(best, best), multiply(own, own)
        gap = add(first, second, scaled(add(mixed, multiply(first, second)), Scalar.of(-1)))
        best = scaled(add(best, own, scaled(gap, Scalar.of(side))), _HALF)
    return best


def _call(e: ex.Call, below: list[Form], r: int) -> Form:
    half = _HALF
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
            return by_cells(u, r, lambda v: exponential(v, r))
        case "sin" | "cos" | "tanh" | "erf":
            return ridge(name, u, r)
    raise Unsupported(f"{to_text(e)} has no closed form")


def ridge(name: str, argument: Form, r: int) -> Form:
    """name(argument), cell by cell, as ridge factors whose scales are made positive by parity."""
    return by_cells(argument, r, lambda u: _smooth_ridge(name, u, r))


def _smooth_ridge(name: str, u: Form, r: int) -> Form:
    if name in ("sin", "cos"):
        name, u, front = _without_turns(name, u, r)
        if front != 1:
            return scaled(_smooth_ridge(name, u, r), Scalar.of(front))
    constant = constant_value(u)
    if constant is not None:
        return constant_form(special_value(name, constant), r)
    try:
        direction, scale, offset = linear(u, r)
    except Unsupported:
        return composite(name, u, r)
    c = 1
    if sign_of(scale) < 0:
        scale, offset = -scale, -offset
        c = -1 if name in ("tanh", "erf", "sin") else 1
    return ridge_form(Ridge(name, direction, scale, offset), r, c)


def _without_turns(name: str, u: Form, r: int) -> tuple[str, Form, int]:
    """(name', u', ±1): sin or cos without whole multiples of π/2 in its argument."""
    origin = Monomial((0,) * r)
    turns, rest = u.get(origin, Scalar.of(0)).split_pi()
    k = floor(2 * turns)
    if not k:
        return name, u, 1
    left = rest + Scalar.sqrt_pi(2) * (turns - Fraction(k, 2))
    moved = add({key: c for key, c in u.items() if key != origin}, constant_form(left, r))
    # cos(x + π/2) = −sin x, and sin x = cos(x − π/2).
    quarter = (k - (name == "sin")) % 4
    return ("cos", "sin", "cos", "sin")[quarter], moved, (1, -1, -1, 1)[quarter]


def constant_value(u: Form) -> Scalar | None:
    """The constant that ``u`` is, or None."""
    if not u:
        return Scalar.of(0)
    key, c = next(iter(u.items()))
    plain = len(u) == 1 and not (any(key.powers) or key.ridges or key.tilt or key.quadratic)
    return c if plain else None


def exponential(u: Form, r: int) -> Form:
    """exp(u): for a polynomial u of degree at most 2 a factor of its own, else a ridge along one direction."""
    offset, tilt, squares = Scalar.of(0), {}, {}
    for key, c in u.items():
        if key.ridges or key.tilt or key.quadratic or sum(key.powers) > 2:
            return composite("exp", u, r)
        places = [i for i, a in enumerate(key.powers) for _ in range(a)]
        if not places:
            offset = c
        elif len(places) == 1:
            tilt[places[0]] = c
        else:
            squares[places[0], places[1]] = c
    exponent = Monomial((0,) * r, (), tuple(sorted(tilt.items())), tuple(sorted(squares.items())))
    return {exponent: scalar_exp(offset)}
