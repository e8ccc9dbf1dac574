"""Orthogonal symmetries of a target: what no label of it can correlate with.

If f∘g = f for an orthogonal g that fixes U pointwise, then E[z_⊥ | f, z_U] is fixed by g, whatever is done to the label.
Tried are signed permutations of the variables (all of them up to three variables, else generators), reflections along the
directions of the expression, z_⊥ → −z_⊥ for the space U that is asked about, and, for polynomials, rotations of two
coordinates by 2π/m; the fixed space is an upper bound of what first moments can show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations, permutations, product
from math import gcd
from typing import TYPE_CHECKING, Any

import flint

from hermite.exact.effort import spend
from hermite.exact.rows import Row, rational
from hermite.exact.subspaces import Span
from hermite.language.nodes import variables_of
from hermite.symmetry.invariance import (
    Matrix,
    exchange,
    invariance,
    inversion_outside,
    polynomial_terms,
    reflection,
)

if TYPE_CHECKING:
    from fractions import Fraction

    import flint

    from hermite.exact.scalars import Exact
    from hermite.target import Target

Polynomial = dict[tuple[int, ...], Any]


@dataclass(frozen=True)
class Symmetries:
    """Orthogonal matrices that leave a target invariant, and planes (i, j) that may be turned by some angle below 2π.

    ``proved`` says of one more matrix whether it does. With a ``gram`` matrix G of the directions the matrices Q have
    Q G Qᵀ = G: f(Q u) = f(u) is then invariance under an orthogonal map of the inputs, which acts as Qᵀ on the
    coordinates of vectors.
    """

    n: int
    matrices: tuple[Matrix, ...]
    planes: tuple[tuple[int, int], ...]
    proved: Callable[[Matrix], bool]
    gram: Sequence[Sequence[Fraction]] | None = None

    def fixed(self, learned: Span) -> Span:
        """The vectors that every symmetry fixes which fixes ``learned`` pointwise (in the metric of the coordinates)."""
        units = _identity(self.n)
        moved = Span(self.n)
        for rows, columns in self._changes:
            if all(_pairing(row, own) == 0 for own in learned.rows for row in rows):
                for column in columns:
                    moved.add(column)
        for plane in self.planes:
            if all(row[i] == 0 for row in learned.rows for i in plane):
                for i in plane:
                    moved.add(units[i])
        rational_rows = learned.over_rationals() if moved.dim + learned.dim < self.n else None
        if rational_rows is not None and self.proved(inversion_outside(rational_rows)):
            moved = moved + rational_rows.complement()
        return moved.complement(self.gram)

    @cached_property
    def _changes(self) -> tuple[tuple[tuple[Row, ...], tuple[Row, ...]], ...]:
        """Of every Q the rows and the columns of Q − 1 that are not zero."""
        found = []
        for q in self.matrices:
            rows = [tuple(x - 1 if i == j else x for j, x in enumerate(row)) for i, row in enumerate(q)]
            columns = zip(*rows, strict=True)
            found.append((tuple(filter(any, rows)), tuple(filter(any, columns))))
        return tuple(found)

    def flips(self, i: int) -> bool:
        """Whether z_i → −z_i alone is among them."""
        return reflection(_identity(self.n)[i]) in self.matrices


@lru_cache(maxsize=16)
def symmetries(f: Target) -> Symmetries:
    """What is proved to leave ``f`` invariant; with a Gram matrix signed permutations that leave it as it is are tried."""
    if f.gram is not None:
        minus = _signed([(i, -1) for i in range(f.r)])
        proved = invariance(f)
        own = tuple(q for q in candidates(f.r) if _keeps(f.gram, q) and proved(q))
        return Symmetries(f.r, own, (), lambda q: q == minus and proved(q), f.gram)
    assert f.tree is not None
    proved, used = invariance(f), sorted(variables_of(f.tree))
    # A variable that is not named may change its sign; permuting it would show no more.
    found = [reflection(e) for i, e in enumerate(_identity(f.r)) if i not in used]
    found += [q for own in candidates(len(used)) if proved(q := _embedded(own, used, f.r))]
    found += [q for v in _directions(f) if (q := reflection(v)) not in found and proved(q)]
    found += [q for q in _exchanges(f) if proved(q)]
    if not f.is_polynomial:
        return Symmetries(f.r, tuple(found), (), proved)
    terms = polynomial_terms(f)
    planes = tuple(pair for pair in combinations(used, 2) if turns(terms, *pair))
    return Symmetries(f.r, tuple(found), planes, proved)


def fixes_only(f: Target, space: Span) -> bool:
    """Whether the symmetries that fix ``space`` pointwise have no common fixed vector outside it."""
    return symmetries(f).fixed(space).dim <= space.dim


def is_even(f: Target) -> bool:
    """Whether f(−z) = f(z) is proved."""
    return invariance(f)(_signed([(i, -1) for i in range(f.r)]))


def candidates(r: int) -> Iterator[Matrix]:
    """Signed permutations of r variables: all for r ≤ 3, else −1, flips of one or two, signed transpositions."""
    if r <= 3:
        for places in permutations(range(r)):
            for signs in product((1, -1), repeat=r):
                yield _signed(list(zip(places, signs, strict=True)))
        return
    unit = [(i, 1) for i in range(r)]
    yield _signed([(i, -1) for i in range(r)])
    for i in range(r):
        yield _signed([*unit[:i], (i, -1), *unit[i + 1 :]])
    for i, j in combinations(range(r), 2):
        for (p, q), (s, t) in product(((i, j), (j, i)), product((1, -1), repeat=2)):
            g = list(unit)
            g[i], g[j] = (p, s), (q, t)
            yield _signed(g)


def _embedded(q: Matrix, used: Sequence[int], r: int) -> Matrix:
    """The matrix that is ``q`` on the coordinates ``used`` and 1 on all others."""
    if len(used) == r:
        return q
    place = {i: k for k, i in enumerate(used)}
    return tuple(
        tuple(q[place[i]][place[j]] if i in place and j in place else rational(int(i == j)) for j in range(r))
        for i in range(r)
    )


def _pairing(x: Row, y: Row) -> Exact:
    return sum((a * b for a, b in zip(x, y, strict=True) if a != 0), start=rational(0))


def _signed(g: list[tuple[int, int]]) -> Matrix:
    """The matrix of (g z)_i = sign_i z_{place_i}."""
    return tuple(tuple(rational(sign * (j == place)) for j in range(len(g))) for place, sign in g)


def _keeps(gram: Sequence[Sequence[Fraction]], q: Matrix) -> bool:
    """Whether Q G Qᵀ = G, for a signed permutation Q."""
    ones = [next((j, int(x.p)) for j, x in enumerate(row) if x != 0) for row in q]
    return all(
        s * t * gram[i][j] == own
        for (i, s), line in zip(ones, gram, strict=True)
        for (j, t), own in zip(ones, line, strict=True)
    )


def _directions(f: Target) -> list[Row]:
    """Directions of the largest linear sub-expressions that are no axes, and differences of those of equal length."""
    lines = _lines(f)
    sums = [
        tuple(x + sign * y for x, y in zip(u, v, strict=True))
        for u, v in combinations(lines[:8], 2)
        if _square(u) == _square(v)
        for sign in (1, -1)
    ]
    return [v for v in [*lines, *sums] if sum(1 for x in v if x != 0) > 1]


def _lines(f: Target) -> list[Row]:
    """Directions of the largest linear sub-expressions, one of each line."""
    from hermite.symmetry.frames import slopes_of

    lines: list[Row] = []
    for v in slopes_of(f):
        if not any(Span(f.r, [own]).contains(v) for own in lines):
            lines.append(v)
    return lines


def _exchanges(f: Target) -> Iterator[Matrix]:
    """Reflections that exchange two directions of the expression whose lengths are in no rational proportion."""
    for u, v in combinations(_lines(f)[:8], 2):
        product_of_squares = _square(u) * _square(v)
        if not (product_of_squares.p.is_square() and product_of_squares.q.is_square()):
            for sign in (1, -1):
                yield exchange(u, v, sign)


def _square(v: Row) -> flint.fmpq:
    return sum((x * x for x in v), start=rational(0))


def _identity(n: int) -> list[Row]:
    return [tuple(rational(int(i == j)) for j in range(n)) for i in range(n)]


def turns(terms: Polynomial, i: int, j: int) -> bool:
    """Whether a rotation of (z_i, z_j) by some 2π/m, m ≥ 2, leaves a polynomial of them invariant.

    In w = z_i + i z_j the monomial w^a w̄^b turns by 2π(a − b)/m: m is the greatest common divisor of all a − b.
    Low degrees first: most polynomials show at once that there is none.
    """
    groups: dict[tuple[int, tuple[int, ...]], dict[int, Any]] = {}
    for alpha, c in terms.items():
        rest = tuple(0 if k in (i, j) else a for k, a in enumerate(alpha))
        groups.setdefault((alpha[i] + alpha[j], rest), {})[alpha[j]] = c
    m = 0
    for (degree, _), own in sorted(groups.items(), key=lambda item: item[0]):
        m = gcd(m, *(2 * a - degree for a in _turning(own, degree)))
        if m == 1:
            return False
    return True


def _turning(own: Mapping[int, Any], degree: int) -> Iterator[int]:
    """The a for which w^a w̄^(N−a) occurs in Σ_m c_m z_i^(N−m) z_j^m of ``degree`` N, {m: c_m}.

    z_i = (w + w̄)/2, z_j = (w − w̄)/(2i): i^{-m} is real or imaginary; with w̄ = 1 these are polynomials in w.
    """
    plus, minus = flint.fmpq_poly([1, 1]), flint.fmpq_poly([-1, 1])
    parts = [flint.fmpq_poly(), flint.fmpq_poly()]
    for m, c in own.items():
        spend(degree)
        parts[m % 2] += plus ** (degree - m) * minus**m * (c if m % 4 in (0, 3) else -c)
    return (a for a in range(degree + 1) if any(part[a] != 0 for part in parts))
