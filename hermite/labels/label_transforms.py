"""Injective functions of the label, which change nothing that all functions of the label can reveal.

If Y' = s(Y) with s injective on the values of Y, then σ(Y') = σ(Y): conditional moments, and with them the generative
exponent, the grand staircase and α_c, are those of Y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermite.language.nodes import Call, Expression, Power, Product, Sum, is_constant

if TYPE_CHECKING:
    from hermite.target import Target

_INJECTIVE = ("tanh", "erf", "exp", "logistic", "softplus")


def plainest_label(f: Target) -> Target:
    """``f`` without the injective functions around it: s(Y) + c, c s(Y) with c ≠ 0, odd powers, exp, tanh, …

    >>> from hermite import Target
    >>> plainest_label(Target("2*exp(tanh((z1*z2)^3)) - 1"))
    Target('z1*z2')
    """
    from hermite.errors import InputError
    from hermite.target import Target

    plain = f
    while plain.tree is not None and (inner := _inside(plain.tree)) is not None:
        try:
            plain = Target(inner, f.variables, f.gram, f.noise)
        except InputError:
            # tanh(z exp(z²)) has a variance, z exp(z²) has none: no target.
            break
    return plain


def _inside(e: Expression) -> Expression | None:
    """u if ``e`` is an injective function of the expression u, by its outermost operation."""
    if is_constant(e):
        return None
    if isinstance(e, Call) and e.name in _INJECTIVE:
        return e.arguments[0]
    if isinstance(e, Power) and e.exponent % 2:
        return e.base
    if isinstance(e, (Sum, Product)):
        parts = e.terms if isinstance(e, Sum) else e.factors
        varying = [part for part in parts if not is_constant(part)]
        constants = [part for part in parts if is_constant(part)]
        if len(varying) == 1 and constants and (isinstance(e, Sum) or all(map(_is_nonzero, constants))):
            return varying[0]
    return None


def _is_nonzero(constant: Expression) -> bool:
    from hermite.engines.constants import Unsupported, constant_scalar

    try:
        return constant_scalar(constant).is_zero() is False
    except Unsupported:
        return False
