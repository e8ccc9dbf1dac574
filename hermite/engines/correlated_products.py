"""Products of functions along any lines that are not orthogonal, by certified sums (:mod:`hermite.engines.correlated_moments`).

A product Π_l u_l(x_l) is kept by what it is, whatever the coordinates: its functions, in an orientation and order of their own,
and the covariance of their lines. Every exchange and reflection of lines that leaves both alone is an isometry under which the
product is ± itself; the linear relations that these make between the coefficients of one order are solved exactly. So what is
zero by symmetry is proved zero, and what is equal is one constant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import groupby, permutations, product
from math import factorial, prod
from typing import TYPE_CHECKING, Any

import flint

from hermite.engines.certified import describe
from hermite.engines.cones import covariance
from hermite.engines.constants import Unsupported
from hermite.engines.correlated_axes import Lines, coordinates, independent
from hermite.engines.forms import Vector
from hermite.engines.series import Index, Series, indices, linear_form, ring, substituted
from hermite.engines.univariate import Univariate
from hermite.exact.atoms import Atom
from hermite.exact.effort import Memo
from hermite.exact.scalars import Scalar

if TYPE_CHECKING:
    import sympy

#: Most arrangements of the lines that are compared; orders that are summed together.
_MOST_ARRANGEMENTS, _BLOCK = 50_000, 4


@dataclass(frozen=True)
class Bundle:
    """Σ weight · Π_l u_l(⟨d_l, t⟩), t_i = ⟨a_i, z⟩ ~ N(0, variances_i) independent, the d_l in these coordinates.

    ``axes`` a_i orthogonal.
    """

    axes: tuple[Vector, ...]
    parts: tuple[tuple[Fraction, tuple[tuple[Vector, Univariate], ...]], ...]
    variances: tuple[Fraction, ...]

    def coefficient(self, index: Index) -> Scalar:
        """E[f Π He_{k_i}(t_i/s_i)], k = ``index``: Π s_i^{k_i} ∂^k h(0)."""
        value = self._taylor(sum(index)).get(index)
        if value is None:
            return Scalar.of(0)
        for k, v in zip(index, self.variances, strict=True):
            value = value * Scalar.sqrt(v) ** k * factorial(k)
        return value

    def _taylor(self, order: int) -> Series:
        if not self._known or self._known[0][0] < order:
            parts: dict[Index, list[Scalar]] = {}
            for weight, lines in self.parts:
                for place, c in _series(lines, self.variances, order).items():
                    parts.setdefault(place, []).append(c * weight)
            total = {place: Scalar.total(own) for place, own in parts.items()}
            self._known[:] = [(order, {k: c for k, c in total.items() if c.is_zero() is not True})]
        return self._known[0][1]

    @cached_property
    def _known(self) -> list[tuple[int, Series]]:
        return []


def _series(lines: Sequence[tuple[Vector, Univariate]], variances: Sequence[Fraction], order: int) -> Series:
    """Taylor coefficients of E Π u_l(⟨d_l, t + τ⟩) in τ."""
    own = arranged([u for _, u in lines], [[covariance(a, b, variances) for b, _ in lines] for a, _ in lines])
    directions = [tuple(flip * x for x in lines[at][0]) for at, flip in own.places]
    basis = independent(own.lines.covariance)
    return {
        place: c * own.sign
        for place, c in substituted(own.taylor(order), [directions[at] for at in basis]).items()
    }


@dataclass(frozen=True)
class Arrangement:
    """A product in its own order: ``places`` (line, ±1 if reflected), ``sign`` of it against the given one.

    ``symmetries``: (line that comes to every place, ±1, sign of the product) of what leaves ``lines`` alone.
    """

    lines: Lines
    places: tuple[tuple[int, int], ...]
    sign: int
    symmetries: tuple[tuple[tuple[tuple[int, int], ...], int], ...]

    def taylor(self, order: int) -> Series:
        """∂^β H(0)/β! along the first independent lines, by rising order."""
        out: Series = {}
        for k in range(order + 1):
            out |= _of_order(self.lines, self.symmetries, k)
        return out


def arranged(functions: Sequence[Univariate], c: Sequence[Sequence[Fraction]]) -> Arrangement:
    """The arrangement whose covariance comes first, among those whose functions are in order."""
    turned = [_oriented(u) for u in functions]
    order = sorted(range(len(functions)), key=lambda at: _text(turned[at][0]))
    classes = [list(own) for _, own in groupby(order, key=lambda at: _text(turned[at][0]))]
    count = prod(factorial(len(own)) for own in classes) * 2 ** sum(turned[at][2] for at in order)
    if count > _MOST_ARRANGEMENTS:
        raise Unsupported("a product of functions along too many directions that are not orthogonal")
    best: list[tuple[tuple[tuple[int, int], ...], int]] = []
    least: tuple[Fraction, ...] | None = None
    for places in _places(classes, turned):
        key = tuple(s * t * c[a][b] for i, (a, s) in enumerate(places) for b, t in places[i:])
        if least is None or key < least:
            least, best = key, []
        if key == least:
            best.append((places, _sign(places, turned)))
    first, sign = best[0]
    # With Q the reflections and exchanges that take the first arrangement to another: places and signs relative to it.
    place_of = {at: (i, s) for i, (at, s) in enumerate(first)}
    symmetries = tuple(
        (tuple((place_of[at][0], s * place_of[at][1]) for at, s in places), own * sign)
        for places, own in best[1:]
    )
    square = tuple(tuple(s * t * c[a][b] for b, t in first) for a, s in first)
    return Arrangement(Lines(tuple(turned[at][0] for at, _ in first), square), first, sign, symmetries)


def _oriented(u: Univariate) -> tuple[Univariate, int, bool, int]:
    """(v, flip, whether its reflection is ± itself, sign of that) with u(t) = sign · v(flip t); see :func:`_sign`."""
    mirror, sign = u.mirrored()
    if _text(mirror) == _text(u):
        return u, 1, True, sign
    return (mirror, -1, False, sign) if _text(mirror) < _text(u) else (u, 1, False, 1)


def _places(
    classes: Sequence[Sequence[int]], turned: Sequence[tuple[Univariate, int, bool, int]]
) -> Iterator[tuple[tuple[int, int], ...]]:
    for orders in product(*(permutations(own) for own in classes)):
        lines = [at for own in orders for at in own]
        for flips in product(*((1, -1) if turned[at][2] else (turned[at][1],) for at in lines)):
            yield tuple(zip(lines, flips, strict=True))


def _sign(places: Sequence[tuple[int, int]], turned: Sequence[tuple[Univariate, int, bool, int]]) -> int:
    """The sign of Π u_l(x_l) = ± Π v_l(±x_l)."""
    return prod(turned[at][3] if flip < 0 else 1 for at, flip in places)


@lru_cache(maxsize=4096)
def _text(u: Univariate) -> str:
    return describe(u, 0)


@lru_cache(maxsize=512)
def _of_order(lines: Lines, symmetries: tuple[Any, ...], k: int) -> Series:
    """The coefficients ∂^β H(0)/β! of order k: free ones as constants, the others by the symmetries."""
    m = len(independent(lines.covariance))
    places = [beta for beta in indices(m, k) if sum(beta) == k]
    # The free ones come last in the columns.
    places.sort(reverse=True)
    rows = [row for turned, sign in symmetries for row in _relations(lines, turned, sign, places)]
    bound: dict[Index, dict[Index, flint.fmpq]] = {}
    if rows:
        echelon, rank = flint.fmpq_mat(rows).rref()
        for i in range(rank):
            pivot = next(j for j in range(len(places)) if echelon[i, j] != 0)
            bound[places[pivot]] = {
                places[j]: -echelon[i, j] for j in range(pivot + 1, len(places)) if echelon[i, j] != 0
            }
    free = {beta: _constant(lines, beta) for beta in places if beta not in bound}
    out = {beta: c * Fraction(1, prod(map(factorial, beta))) for beta, c in free.items()}
    for beta, own in bound.items():
        if own:
            out[beta] = Scalar.total(out[other] * Fraction(int(q.p), int(q.q)) for other, q in own.items())
    return out


def _relations(
    lines: Lines, turned: Sequence[tuple[int, int]], sign: int, places: list[Index]
) -> list[list[Any]]:
    """Rows of Σ_β c_β [(τ∘Q)^β − sign τ^β] = 0, Q taking line at to ± that of ``turned``."""
    basis = independent(lines.covariance)
    inside = coordinates(lines.covariance, basis)
    context = ring(len(basis))
    images = [linear_form([turned[at][1] * x for x in inside[turned[at][0]]]) for at in basis]
    columns = []
    for beta in places:
        moved = context.from_dict({beta: 1}).compose(*images, ctx=context)
        column = {tuple(map(int, place)): c for place, c in moved.to_dict().items()}
        column[beta] = column.get(beta, flint.fmpq(0)) - sign
        columns.append(column)
    rows = [[column.get(place, flint.fmpq(0)) for column in columns] for place in places]
    return [row for row in rows if any(c != 0 for c in row)]


#: Sums that are known, or the sentence of why they are not: that costs as much to find out.
_SUMS: Memo[dict[Index, flint.arb] | str] = Memo(64)


def _sums(lines: Lines, order: int) -> dict[Index, flint.arb]:
    """∂^β H(0) to ``order``; raises :class:`Unsupported` where they are out of reach."""
    from hermite.engines.correlated_moments import taylor

    def make() -> dict[Index, flint.arb] | str:
        try:
            return taylor(lines, order)
        except Unsupported as why:
            return str(why)

    found = _SUMS.get(("bundle", lines, order), make)
    if isinstance(found, str):
        raise Unsupported(found)
    return found


def _constant(lines: Lines, beta: Index) -> Scalar:
    """∂^β H(0) as an opaque constant."""
    parts = [describe(u, 0) for u in lines.functions]
    upper = ", ".join(str(x) for i, row in enumerate(lines.covariance) for x in row[i:])
    name = f"E[{' '.join(parts)} covariance {upper}; order {', '.join(map(str, beta))}]"

    def enclose() -> flint.arb:
        return _sums(lines, max(_BLOCK, -(-sum(beta) // _BLOCK) * _BLOCK))[beta]

    def symbol() -> sympy.Expr:
        import sympy

        return sympy.Float(enclose().str(16, radius=False))

    return Scalar.atom(Atom(name, enclose, symbol))


def bundle(
    axes: tuple[Vector, ...],
    lines: Sequence[tuple[Vector, Univariate]],
    powers: Sequence[int],
    variances: tuple[Fraction, ...],
) -> Bundle:
    """Π t_i^{powers_i} Π u_l(⟨d_l, t⟩); raises :class:`Unsupported` where it is out of reach of the sums."""
    parts = tuple((weight, own) for weight, own in _with_powers(lines, powers, variances))
    found = Bundle(axes, parts, variances)
    # Whether the sums are within reach shows here.
    for k in range(2):
        found.coefficient((k, *(0 for _ in axes[1:]))).ball()
    return found


def _with_powers(
    lines: Sequence[tuple[Vector, Univariate]], powers: Sequence[int], variances: Sequence[Fraction]
) -> Iterator[tuple[Fraction, tuple[tuple[Vector, Univariate], ...]]]:
    """The powers of the axes as powers of independent lines."""
    if not any(powers):
        yield Fraction(1), tuple(lines)
        return
    c = [[covariance(a, b, variances) for b, _ in lines] for a, _ in lines]
    basis = independent(c)
    square = flint.fmpq_mat([[_fmpq(x) for x in lines[at][0]] for at in basis]).inv()
    # t = square · x.
    context = ring(len(basis))
    total = context.constant(1)
    for i, p in enumerate(powers):
        form = linear_form([Fraction(int(square[i, j].p), int(square[i, j].q)) for j in range(len(basis))])
        total = total * form**p
    for place, weight in total.to_dict().items():
        own = list(lines)
        for at, k in zip(basis, place, strict=True):
            v, u = own[at]
            own[at] = v, replace(u, power=u.power + int(k))
        yield Fraction(int(weight.p), int(weight.q)), tuple(own)


def _fmpq(x: Fraction) -> flint.fmpq:
    return flint.fmpq(x.numerator, x.denominator)
