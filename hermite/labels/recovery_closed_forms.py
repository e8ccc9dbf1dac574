"""Weak-recovery thresholds that have a closed form, recognised from the exact target; all without label noise.

With no trivial direction, α_c is (indices of multi-index targets; Troiani et al. 2024, arXiv:2405.15480): 1/2 for one
direction and f injective in |z|, as E(z² − 1)² = 2; m/2 for the squared norm of m coordinates; Var f/‖C_2‖² for two-valued f
(π²/4 for the sign of a product of two); 1/(1 + E a²), a(y) = |y| K_1(|y|)/K_0(|y|) − 1, for the product of two.
Injective functions of the label do not matter.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hermite.exact.roots import complex_roots
from hermite.exact.rows import rational, to_float
from hermite.exact.scalars import Scalar
from hermite.exact.telling import to_sympy
from hermite.expansion import expand
from hermite.labels.label_transforms import plainest_label
from hermite.language.nodes import Call, Power

if TYPE_CHECKING:
    from hermite.target import Target

Matrix = list[list[Any]]

#: 1/(1 + E a(Y)²) for Y = z_1 z_2, whose density is K_0(|y|)/π: no closed form; 16 digits of the integral.
PRODUCT_OF_TWO = 0.5937510982222572


def closed_form(f: Target) -> tuple[str, float] | None:
    """(text, value) of α_c; None where no closed form is known here."""
    if f.gram is not None or f.tree is None or f.noise:
        return None
    plain = plainest_label(f)
    if plain.is_polynomial:
        return _quadratic(plain) or _one_direction(plain)
    if _is_modulus(plain):
        return "1/2", 0.5
    return _two_values(plain)


def _quadratic(f: Target) -> tuple[str, float] | None:
    """zᵀAz with one non-zero eigenvalue, or with two that are opposite and simple."""
    a = _form(_terms(f), f.r)
    if a is None:
        return None
    square = _times(a, a)
    trace, size = _trace(a), _trace(square)
    if trace != 0 and _scaled(square, trace) == _scaled(a, size):
        # A² = λA: λ = tr A²/tr A, and the multiplicity is tr A/λ.
        count = trace * trace / size
        half = Fraction(int(count.p), 2 * int(count.q))
        return str(half), float(half)
    if trace == 0 and _scaled(_times(square, a), rational(2)) == _scaled(a, size):
        # A³ = λ²A, 2λ² = tr A²: eigenvalues ±λ, once each.
        return "1/(1 + E[a(Y)^2]), a(y) = |y| K_1(|y|)/K_0(|y|) - 1", PRODUCT_OF_TWO
    return None


def _form(terms: dict[tuple[int, ...], Any], r: int) -> Matrix | None:
    """The matrix of a quadratic form plus a constant, or None."""
    a = [[rational(0)] * r for _ in range(r)]
    for alpha, c in terms.items():
        places = [i for i, k in enumerate(alpha) for _ in range(k)]
        if len(places) not in (0, 2):
            return None
        if places:
            i, j = places
            a[i][j] = a[j][i] = c if i == j else c / 2
    return a if any(x != 0 for row in a for x in row) else None


def _one_direction(f: Target) -> tuple[str, float] | None:
    """A polynomial Q(x²) of one direction x with Q injective on the half-line: Q' has no zero of odd order there."""
    import flint

    from hermite.engines import engine_for
    from hermite.indices.closure import tensor_span
    from hermite.indices.heat import Heat

    engine = engine_for(f)
    assert engine.degree is not None
    span = tensor_span(Heat(f.r, engine.heat_series(engine.degree), engine.degree))
    if span.dim != 1:
        return None
    v = span.rows[0]
    size = sum((x * x for x in v), start=rational(0))
    # f(x v/|v|²) as a polynomial in x = ⟨v, z⟩.
    line: dict[int, Any] = {}
    for alpha, c in _terms(f).items():
        k = sum(alpha)
        line[k] = (
            line.get(k, rational(0))
            + c * math.prod((x**a for x, a in zip(v, alpha, strict=True)), start=rational(1)) / size**k
        )
    if any(k % 2 and c != 0 for k, c in line.items()):
        return None
    slope = flint.fmpq_poly([line.get(2 * k, rational(0)) for k in range(max(line) // 2 + 1)]).derivative()
    for factor, multiplicity in slope.factor()[1]:
        roots = (root for root, _ in complex_roots(factor))
        if multiplicity % 2 and any(root.imag == 0 and root.real > 0 for root in roots):
            return None
    return "1/2", 0.5


def _is_modulus(f: Target) -> bool:
    """|⟨v, z⟩|, or an even power of it that is not written as a polynomial."""
    e = f.tree
    if isinstance(e, Power) and e.exponent % 2 == 0:
        e = e.base
    if not (isinstance(e, Call) and e.name == "abs"):
        return False
    from hermite.target import Target

    inside = Target(e.arguments[0], f.variables)
    return inside.is_polynomial and all(sum(alpha) == 1 for alpha in _terms(inside))


def _two_values(f: Target) -> tuple[str, float] | None:
    """A label of two values: G(y) ∝ C_2, so that E_Y[G M G] = C_2 M C_2/Var f and α_c = Var f/‖C_2‖²."""
    import numpy as np

    if not has_two_values(f):
        return None
    e = expand(f, 2)
    if e.total_scalar is None:
        return None
    variance = e.total_scalar - e.energy_scalar(0)
    entries = {alpha: c for alpha, c in e.series.items() if sum(alpha) == 2}
    if not entries:
        return None
    if len(entries) == 1:
        value = (to_sympy(variance) / to_sympy(next(iter(entries.values()))) ** 2).simplify()
        return str(value).replace("**", "^"), float(value)
    return "Var f/|C_2|^2", to_float(variance) / float(np.linalg.norm(e.tensor(2), 2)) ** 2


def has_two_values(f: Target) -> bool:
    """Whether f² = s f + t for constants s, t is proved: f then takes two values (or one)."""
    from hermite.engines.canonical import canonical
    from hermite.engines.constants import Unsupported
    from hermite.engines.forms import Monomial, add, multiply, scaled

    assert f.tree is not None
    try:
        form = canonical(f.tree, f.r)
        square = multiply(form, form)
    except Unsupported:
        return False
    one = Monomial((0,) * f.r)
    key = next((key for key in form if key != one), None)
    inverse = None if key is None else form[key].inverse()
    if key is None or inverse is None or (key not in square and len(square) > 1):
        return False
    slope = square[key] * inverse if key in square else Scalar.of(0)
    rest = add(square, scaled(form, -slope))
    return all(other == one for other in rest)


def _terms(f: Target) -> dict[tuple[int, ...], Any]:
    from hermite.engines.polynomial import PolynomialEngine

    return {tuple(int(a) for a in k): c for k, c in PolynomialEngine(f).polynomial.to_dict().items()}


def _times(a: Matrix, b: Matrix) -> Matrix:
    columns = list(zip(*b, strict=True))
    return [
        [sum((x * y for x, y in zip(row, column, strict=True)), start=rational(0)) for column in columns]
        for row in a
    ]


def _scaled(a: Matrix, c: Any) -> Matrix:
    return [[x * c for x in row] for row in a]


def _trace(a: Matrix) -> Any:
    return sum((a[i][i] for i in range(len(a))), start=rational(0))
