"""Where is an expression sharp? Layers, bumps and waves read off its tree.

    tanh(50(z1 − 1))         a layer of width 1/50 across z1 = 1 (likewise logistic, softplus, erf)
    exp(−2000(z1 − 1)²)      a bump of width 1/√4000 across z1 = 1; a quadratic form gives one for every axis of it
    sin(8 z1)                a wave: width 1/8 everywhere along z1

They say which axes a rule should have and where its panels must end; whether the rule is good enough is measured, not
read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymptotics.caches import remembered

if TYPE_CHECKING:
    from hermite.language.expressions import Expression
    from hermite.target import Target

Array = npt.NDArray[np.float64]

_LAYERED = frozenset({"tanh", "logistic", "softplus", "erf"})
_ENTIRE = frozenset({"exp", "sin", "cos"})
KINKED = frozenset({"relu", "abs", "sign", "heaviside", "max", "min"})
#: Layers and waves at least so wide leave a function plain.
_PLAIN = 0.25
#: The same of a bump: all axes of a product of plain rules are as fine as it needs.
_WIDE = 0.5
#: Edges around a layer, in units of its width: functions are analytic beyond, on panels that grow with the distance.
_FLANKS = np.array([-24.0, -12.0, -6.0, -3.0, -1.0, 0.0, 1.0, 3.0, 6.0, 12.0, 24.0])


@dataclass(frozen=True)
class Layer:
    """|normal·x − place| ≲ width is where the function turns, |normal| = 1; a wave has no ``place`` (None)."""

    normal: Array
    place: float | None
    width: float


@remembered
def layers_of(f: Target) -> tuple[Layer, ...]:
    """The layers, bumps and waves of a target in orthonormal coordinates; () for a callable."""
    return () if f.tree is None else layers_of_tree(f.tree, f.r, f.cholesky)


def layers_of_tree(tree: Expression, r: int, cholesky: Array | None = None) -> tuple[Layer, ...]:
    """The layers of an expression in r variables u = x Lᵀ (``cholesky`` L; default: the identity)."""
    from hermite.language.expressions import Call, is_constant, postorder

    turn = np.eye(r) if cholesky is None else cholesky
    found: list[Layer] = []
    for node in postorder(tree):
        if not isinstance(node, Call) or is_constant(node):
            continue
        form = quadratic_form(node.arguments[0], r)
        if form is None:
            continue
        constant, linear, square = form[0], form[1] @ turn, turn.T @ form[2] @ turn
        size = math.hypot(*linear)
        if node.name == "exp" and np.any(square):
            found += _bumps(linear, square)
        elif np.any(square) or size == 0:
            continue
        elif node.name in _LAYERED:
            found.append(Layer(linear / size, -constant / size, 1 / size))
        elif node.name in ("sin", "cos", "exp"):
            found.append(Layer(linear / size, None, 1 / size))
    return tuple(found)


@remembered
def is_plain(f: Target) -> bool:
    """Whether ``f`` is a polynomial in smooth functions of affine forms, in bumps, none sharper than ``_PLAIN``, and kinked ones.

    Bumps are exp(b·x + xᵀAx) without a growing part (A ⪯ 0), at least ``_WIDE`` wide. Kinks are not looked at: see
    :func:`asymptotics.expectations.frames.kink_frame`.
    """
    return f.tree is not None and is_plain_tree(f.tree, f.r, layers_of(f))


def is_plain_tree(tree: Expression, r: int, layers: Sequence[Layer]) -> bool:
    """:func:`is_plain` of an expression in r variables with these layers."""
    from hermite.language.expressions import Call, is_constant, postorder

    if any(layer.width < _PLAIN for layer in layers):
        return False
    calls = [node for node in postorder(tree) if isinstance(node, Call) and not is_constant(node)]
    smooth = [node for node in calls if node.name not in KINKED]
    return all(
        node.name in _LAYERED | _ENTIRE
        and (
            (degree_of(node.arguments[0]) or 2) <= 1
            or (node.name == "exp" and _is_bump(node.arguments[0], r))
        )
        for node in smooth
    )


def _is_bump(exponent: Expression, r: int) -> bool:
    form = quadratic_form(exponent, r)
    if form is None:
        return False
    sizes = np.linalg.eigvalsh(form[2])
    return bool(sizes[-1] <= 1e-12 * np.abs(sizes).max() and sizes[0] >= -0.5 / _WIDE**2)


def _bumps(linear: Array, square: Array) -> list[Layer]:
    """exp(b·x + xᵀAx): a bump across every axis on which A is negative, 1/√(2|a|) wide."""
    values, vectors = np.linalg.eigh(square)
    return [
        Layer(v, float(linear @ v / (-2 * a)), float(1 / np.sqrt(-2 * a)))
        for a, v in zip(values, vectors.T, strict=True)
        if a < -1e-12 * float(np.max(np.abs(values)))
    ]


def degree_of(e: Expression) -> int | None:
    """A bound on the degree of a polynomial with any real coefficients, None for other expressions."""
    from hermite.language.expressions import Call, degree_bound, is_constant, postorder

    if any(isinstance(node, Call) and not is_constant(node) for node in postorder(e)):
        return None
    return int(degree_bound(e))


def degree_along(f: Target, axis: Array) -> int | None:
    """A bound on the degree of f along ``axis``, if that is one of the uncorrelated variables; None where f is no polynomial."""
    from hermite.language.expressions import Call, Hermite, Power, Product, Variable, children, postorder

    at = np.flatnonzero(np.abs(axis) > 1e-12)
    if f.tree is None or f.gram is not None or len(at) != 1:
        return None
    degree: dict[Expression, int] = {}
    for node in postorder(f.tree):
        below = [degree[child] for child in children(node)]
        match node:
            case Variable():
                degree[node] = int(node.index == at[0])
            case Product():
                degree[node] = sum(below)
            case Power():
                degree[node] = node.exponent * below[0]
            case Hermite():
                degree[node] = node.order * below[0]
            case _:
                degree[node] = max(below, default=0)
        if degree[node] < 0 or (isinstance(node, Call) and degree[node] > 0):
            return None
    return degree[f.tree]


def quadratic_form(e: Expression, r: int) -> tuple[float, Array, Array] | None:
    """(c, b, A) if e(u) = c + b·u + uᵀAu, from its values at a few points; None if it is no such polynomial.

    None also where those values are no floats.
    """
    from hermite.language.expressions import Variable, compile_numpy

    unit = np.eye(r)
    if isinstance(e, Variable):
        return 0.0, unit[e.index], np.zeros((r, r))
    degree = degree_of(e)
    if degree is None or degree > 2:
        return None
    function = compile_numpy(e)
    constant, plus, minus = float(function(np.zeros((1, r)))[0]), function(unit), function(-unit)
    if not (np.isfinite(constant) and np.all(np.isfinite(plus)) and np.all(np.isfinite(minus))):
        return None
    plus, minus = plus - constant, minus - constant
    linear, diagonal = (plus - minus) / 2, (plus + minus) / 2
    square = np.diag(diagonal)
    for i in range(r):
        for j in range(i):
            both = float(function((unit[i] + unit[j])[None])[0]) - constant - float(plus[i]) - float(plus[j])
            square[i, j] = square[j, i] = both / 2
    # What is left by cancellation in a square of a sum is not a quadratic part.
    square[np.abs(square) < 1e-13 * float(np.max(np.abs(plus), initial=0.0))] = 0.0
    return constant, linear, square


def edges_around(place: float, width: float) -> list[float]:
    """Breakpoints that a scan of the line needs in order to see a layer of this ``width``."""
    return [float(place + width * t) for t in _FLANKS]


def around(place: float, width: float) -> list[float]:
    """:func:`edges_around` a layer; the place alone of a kink (width 0)."""
    return edges_around(place, width) if width > 0 else [float(place)]
