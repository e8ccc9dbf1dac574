"""Orthogonal symmetries of a target: what no label of it can correlate with.

If f∘g = f for an orthogonal g that fixes U pointwise, then E[z_⊥ | f, z_U] is fixed by g, whatever is done to the label.
Tried are signed permutations of the variables (all of them up to three variables, else generators) and, for polynomials,
rotations of two coordinates by 2π/m, so that the fixed space is an upper bound of what first moments can show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, permutations, product
from math import comb, gcd
from typing import TYPE_CHECKING, Any

from hermite.subspaces import Row, Span, rational

if TYPE_CHECKING:
    from hermite.nodes import Expression
    from hermite.target import Target

#: g with (g z)_i = sign_i z_{place_i}.
SignedPermutation = tuple[tuple[int, int], ...]
Polynomial = dict[tuple[int, ...], Any]


@dataclass(frozen=True)
class Symmetries:
    """Signed permutations that leave a target invariant, and planes (i, j) that may be turned by some angle below 2π."""

    permutations: tuple[SignedPermutation, ...]
    planes: tuple[tuple[int, int], ...] = ()

    def fixed(self, learned: Span) -> Span:
        """The vectors that every symmetry fixes which fixes ``learned`` pointwise.

        The complement is taken in the coordinate metric; with a Gram matrix only −1 occurs, and nothing depends on it.
        """
        n = learned.n
        unit = [tuple(rational(int(i == j)) for j in range(n)) for i in range(n)]
        moved = Span(n)
        for g in self.permutations:
            if all(apply(g, row) == tuple(row) for row in learned.rows):
                for e in unit:
                    moved.add(tuple(a - b for a, b in zip(apply(g, e), e, strict=True)))
        for plane in self.planes:
            if all(row[i] == 0 for row in learned.rows for i in plane):
                for i in plane:
                    moved.add(unit[i])
        return moved.complement()

    def flips(self, i: int) -> bool:
        """Whether z_i → −z_i alone is among them."""
        return any(
            all((place, sign) == (j, -1 if j == i else 1) for j, (place, sign) in enumerate(g))
            for g in self.permutations
        )


def symmetries(f: Target) -> Symmetries:
    """What is proved to leave ``f`` invariant; with a Gram matrix only −1 is tried."""
    if f.gram is not None:
        return Symmetries((_minus(f.r),) if is_even(f) else ())
    told = _tells(f)
    found = tuple(g for g in candidates(f.r) if not told(g) and _invariant(f, g))
    if not f.is_polynomial:
        return Symmetries(found)
    terms = _terms(f)
    return Symmetries(found, tuple(p for p in combinations(range(f.r), 2) if turns(terms, *p)))


def is_even(f: Target) -> bool:
    """Whether f(−z) = f(z) is proved."""
    return _invariant(f, _minus(f.r))


def candidates(r: int) -> Iterator[SignedPermutation]:
    """Signed permutations of r variables: all for r ≤ 3, else −1, flips of one or two, signed transpositions."""
    if r <= 3:
        for places in permutations(range(r)):
            for signs in product((1, -1), repeat=r):
                yield tuple(zip(places, signs, strict=True))
        return
    unit = [(i, 1) for i in range(r)]
    yield _minus(r)
    for i in range(r):
        yield (*unit[:i], (i, -1), *unit[i + 1 :])
    for i, j in combinations(range(r), 2):
        for (p, q), (s, t) in product(((i, j), (j, i)), product((1, -1), repeat=2)):
            g = list(unit)
            g[i], g[j] = (p, s), (q, t)
            yield tuple(g)


def apply(g: SignedPermutation, row: Row) -> Row:
    """g of a coordinate vector."""
    return tuple(row[place] * sign for place, sign in g)


def turns(terms: Polynomial, i: int, j: int) -> bool:
    """Whether a rotation of (z_i, z_j) by some 2π/m, m ≥ 2, leaves a polynomial of them invariant.

    In w = z_i + i z_j the monomial w^a w̄^b turns by 2π(a − b)/m: m is the greatest common divisor of all a − b.
    """
    m = 0
    for (a, b), c in _complex_monomials(terms, i, j).items():
        if any(x != 0 for pair in c.values() for x in pair):
            m = gcd(m, a - b)
    return m != 1


def _complex_monomials(
    terms: Polynomial, i: int, j: int
) -> dict[tuple[int, int], dict[tuple[int, ...], list[Any]]]:
    """{(a, b): {the other powers: [Re, Im] of the coefficient}} of w^a w̄^b, w = z_i + i z_j."""
    out: dict[tuple[int, int], dict[tuple[int, ...], list[Any]]] = {}
    for alpha, c in terms.items():
        n, m = alpha[i], alpha[j]
        rest = tuple(0 if k in (i, j) else a for k, a in enumerate(alpha))
        # z_i = (w + w̄)/2, z_j = (w − w̄)/(2i): the factor i^{-m} is real or imaginary.
        for s, t in product(range(n + 1), range(m + 1)):
            size = c * comb(n, s) * comb(m, t) * (-1) ** (m - t) / rational(2 ** (n + m))
            pair = out.setdefault((s + t, n + m - s - t), {}).setdefault(rest, [rational(0), rational(0)])
            pair[m % 2] = pair[m % 2] + size * (1 if m % 4 in (0, 3) else -1)
    return out


def _minus(r: int) -> SignedPermutation:
    return tuple((i, -1) for i in range(r))


def _terms(f: Target) -> Polynomial:
    from hermite.engines.polynomial import PolynomialEngine

    return {tuple(int(a) for a in k): c for k, c in PolynomialEngine(f).polynomial.to_dict().items()}


def _invariant(f: Target, g: SignedPermutation) -> bool:
    """f∘g = f: by the coefficients of a polynomial; else by equal normal forms, or by equal sums of products of ridges."""
    from hermite.engines.canonical import canonical
    from hermite.engines.constants import Unsupported
    from hermite.normal_form import normal_form

    assert f.tree is not None
    if f.is_polynomial:
        terms = _terms(f)
        moved: Polynomial = {}
        for alpha, c in terms.items():
            beta, sign = [0] * f.r, 1
            for (place, s), a in zip(g, alpha, strict=True):
                beta[place] += a
                sign *= s if a % 2 else 1
            moved[tuple(beta)] = c * sign
        return moved == terms
    turned = _substituted(f.tree, g)
    if normal_form(turned) == normal_form(f.tree):
        return True
    try:
        return canonical(turned, f.r) == canonical(f.tree, f.r)
    except Unsupported:
        return False


def _tells(f: Target) -> Callable[[SignedPermutation], bool]:
    """g ↦ whether f∘g ≠ f is proved at one of a few points: most candidates need no more."""
    import flint

    from hermite.enclosure import enclosure

    assert f.tree is not None
    value = enclosure(f.tree)
    points = [
        [flint.arb((7 * i * i + 13 * i * k + 5 * k + 3) % 23 - 11) / 9 for i in range(f.r)] for k in range(3)
    ]
    own = [value(z) for z in points]

    def told(g: SignedPermutation) -> bool:
        moved = (value([z[place] * sign for place, sign in g]) for z in points)
        return any(not x.overlaps(y) for x, y in zip(own, moved, strict=True))

    return told


def _substituted(tree: Expression, g: SignedPermutation) -> Expression:
    """f∘g as an expression."""
    from hermite.building import substitute
    from hermite.nodes import Number, Product, Variable

    swaps: dict[int, Expression] = {}
    for i, (place, sign) in enumerate(g):
        variable = Variable(place)
        swaps[i] = variable if sign == 1 else Product((Number(Fraction(-1)), variable))
    return substitute(tree, swaps)
