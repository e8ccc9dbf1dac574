"""Whether f(Qz) = f(z) for a rational orthogonal matrix Q: disproved at a point, or proved by rewriting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hermite.exact.ball_rows import ball_of
from hermite.exact.effort import Exhausted, share
from hermite.exact.rows import Row, rational
from hermite.exact.subspaces import Span
from hermite.language.constants import TooLarge
from hermite.language.nodes import Expression, Number, Variable

if TYPE_CHECKING:
    from hermite.exact.scalars import Exact
    from hermite.target import Target

#: Points at which a candidate may fail: many, as a maximum of many directions is one of them at each.
_POINTS = 12
#: Units of work that one candidate is worth.
_PROOF = 200_000
#: Rows of Q.
Matrix = tuple[Row, ...]


def invariance(f: Target) -> Callable[[Matrix], bool]:
    """Q ↦ whether f∘Q = f is proved.

    Most candidates fail at one of some points, by ball arithmetic. The rest is decided by the coefficients of a polynomial,
    else by equal normal forms or by equal sums of products of ridges; where none applies the answer is False.
    """
    import flint

    from hermite.language.enclosure import enclosure

    assert f.tree is not None
    tree = f.tree
    value = enclosure(tree)
    points = [
        [flint.arb((7 * i * i + 13 * i * k + 5 * k + 3) % 23 - 11) / 9 for i in range(f.r)]
        for k in range(_POINTS)
    ]
    # And some at which each variable alone is large: a maximum is that variable there.
    points += [
        [x + side * 3 if i == j else x for j, x in enumerate(points[i % _POINTS])]
        for i in range(f.r if f.r > 3 else 0)
        for side in (1, -1)
    ]
    own = [value(z) for z in points]

    def proved(q: Matrix) -> bool:
        balls = [[ball_of(x) for x in row] for row in q]
        moved = (value(apply(balls, z)) for z in points)
        if any(not x.overlaps(y) for x, y in zip(own, moved, strict=True)):
            return False
        try:
            with share(_PROOF):
                return _same(f, tree, _substituted(tree, q))
        except (TooLarge, Exhausted):
            # Constants beyond what is rewritten, or too much to write out: nothing is proved.
            return False

    return proved


def apply(q: Sequence[Row] | Sequence[Sequence[object]], z: Sequence[Any]) -> list[Any]:
    """Q z."""
    zero = z[0] * 0
    return [sum((a * x for a, x in zip(row, z, strict=True) if a != 0), start=zero) for row in q]


def reflection(v: Row) -> Matrix:
    """1 − 2 v vᵀ/|v|²."""
    size = sum((x * x for x in v), start=rational(0))
    return tuple(
        tuple(rational(int(i == j)) - 2 * x * y / size for j, y in enumerate(v)) for i, x in enumerate(v)
    )


def exchange(u: Row, v: Row, sign: int) -> Matrix:
    """The reflection that takes u/|u| to sign · v/|v|, for rational vectors whose lengths are in no rational proportion.

    With n = |u|²|v|², g = sign ⟨u, v⟩ and w = u |v| − sign v |u|: 1 − 2 w wᵀ/|w|², |w|² = 2 √n (√n − g).
    """
    from hermite.exact.scalars import Scalar

    a, b = (sum((x * x for x in own), start=rational(0)) for own in (u, v))
    g = sum((x * y for x, y in zip(u, v, strict=True)), start=rational(0)) * sign
    n = a * b
    root = Scalar.sqrt(Fraction(int(n.p), int(n.q)))
    front = (Scalar.of(1) + root * (g / n)) * (1 / (n - g * g))
    return tuple(
        tuple(
            Scalar.of(int(i == j))
            - front
            * (Scalar.of(b * u[i] * u[j] + a * v[i] * v[j]) - root * ((u[i] * v[j] + v[i] * u[j]) * sign))
            for j in range(len(u))
        )
        for i in range(len(u))
    )


def inversion_outside(space: Span) -> Matrix:
    """2P − 1 with P the projection onto a rational subspace: z_U stays, z_⊥ changes sign."""
    q = tuple(tuple(rational(int(i == j)) for j in range(space.n)) for i in range(space.n))
    for v in orthogonal_basis(space.complement().rows):
        mirror = reflection(v)
        columns = list(zip(*q, strict=True))
        q = tuple(tuple(apply((row,), column)[0] for column in columns) for row in mirror)
    return q


def orthogonal_basis(rows: Sequence[Row]) -> list[Row]:
    """Gram–Schmidt over Q, nothing normalised."""
    basis: list[Row] = []
    for row in rows:
        for b in basis:
            c = sum((x * y for x, y in zip(row, b, strict=True)), start=rational(0)) / sum(x * x for x in b)
            row = tuple(x - c * y for x, y in zip(row, b, strict=True))
        basis.append(row)
    return basis


def _substituted(tree: Expression, q: Matrix) -> Expression:
    """f∘Q as an expression."""
    from hermite.language.building import add, multiply, substitute

    return substitute(
        tree,
        {
            i: add(multiply((_number(a), Variable(j))) for j, a in enumerate(row) if a != 0)
            for i, row in enumerate(q)
        },
    )


def _number(a: Exact) -> Expression:
    """A sum of rational multiples of square roots as an expression."""
    from hermite.exact.atoms import radicand
    from hermite.exact.scalars import Scalar
    from hermite.language.building import add, call, multiply

    return add(
        multiply(
            (
                Number(Fraction(int(c.p), int(c.q))),
                *(call("sqrt", (Number(Fraction(radicand(atom))),)) for atom, _ in key),
            )
        )
        for (_, key), c in Scalar.of(a).terms.items()
    )


def _same(f: Target, a: Expression, b: Expression) -> bool:
    from hermite.engines.canonical import canonical
    from hermite.engines.constants import Unsupported
    from hermite.language.normal_form import normal_form
    from hermite.target import Target

    # A map with square roots takes a rational polynomial to one that is none.
    if f.is_polynomial and all(Target(tree, f.variables).is_polynomial for tree in (a, b)):
        return polynomial_terms(f, a) == polynomial_terms(f, b)
    if normal_form(a) == normal_form(b):
        return True
    try:
        return canonical(a, f.r) == canonical(b, f.r)
    except Unsupported:
        return False


def polynomial_terms(f: Target, tree: Expression | None = None) -> dict[tuple[int, ...], Any]:
    """{powers: coefficient} of a polynomial in the variables of ``f``: f itself, or ``tree``."""
    import flint

    from hermite.engines.polynomial import to_mpoly

    context = flint.fmpq_mpoly_ctx.get([f"u{i + 1}" for i in range(f.r)], "lex")
    whole = f.tree if tree is None else tree
    assert whole is not None
    return {tuple(int(a) for a in k): c for k, c in to_mpoly(whole, context).to_dict().items()}
