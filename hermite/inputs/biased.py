"""Inputs with a random mean: the staircase of z → f(z + μ) for almost every fixed μ ∈ R^r.

The heat-smoothed form of the shifted target is h(· + μ) (h(μ) = E f(z + μ)), so that its level-1 staircase is
U_{t+1} = U_t + span_{u ∈ U_t} ∇h(μ + u), U_0 = {0}. h is entire and non-constant, hence dim U_1 = 1 for almost every μ
(Cornacchia, Mikulincer, Mossel 2025, arXiv:2502.06443, for one direction and for Boolean juntas). This is no promise
for several directions: a radial target stops at dimension 1, zᵀAz at the number of distinct non-zero eigenvalues of A.

Polynomials: exact. A space that fills V* at one rational μ, or modulo a prime, fills it at almost every μ; where random
means do not fill it, the climb is repeated over the field Q(μ), and what is dependent there is dependent for every μ. (Only
where that is too large a computation the dimensions are those of random means: "numerical".) Infinite expansions: with
μ = ta, ∇h at points of U_t is a power series in t, known to the order of the expansion; a minor with a coefficient whose
ball excludes 0 is non-zero for almost every μ, which proves growth. Where growth is not seen nothing is proved.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING, Any

from hermite.engines import engine_for
from hermite.errors import check_whole
from hermite.exact.effort import Exhausted, allowance, share, spend
from hermite.exact.exactness import Exactness
from hermite.exact.plain import plain_fields
from hermite.exact.rows import lower, rational
from hermite.exact.subspaces import Span
from hermite.exact.undecided import Undecided
from hermite.frozen import FrozenReport
from hermite.indices.closure import tensor_span
from hermite.indices.heat import Heat
from hermite.indices.modular import dims_modulo
from hermite.target import as_target

if TYPE_CHECKING:
    import flint

    from hermite.target import Target

#: Random means of a polynomial, and the orders of an infinite expansion that are looked at in turn.
_DRAWS = 3
_ORDERS = (12, 20)
_BITS = 512
#: Monomials that are worth following over the field Q(μ).
_LARGEST = 20_000
#: Units that this may cost (:mod:`hermite.exact.effort`).
_MOST_WORK = 500_000

Series = list[Any]


@dataclass(frozen=True, eq=False)
class Biased(FrozenReport):
    """``dims[t]`` = dim U_t at n = Θ(d) a step for almost every mean; None where undecided, with the ``reason``.

    ``exactness``: "exact" (a polynomial), "numerical" (one too large for Q(μ): dimensions at random means), "certified"
    (an infinite expansion) or "undecided".
    """

    dims: tuple[int, ...] | None
    relevant_dim: int | None
    exactness: Exactness
    reason: str

    @property
    def complete(self) -> bool | None:
        """Whether the staircase ends at the relevant space; None where undecided."""
        return None if self.dims is None else self.dims[-1] == self.relevant_dim

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return plain_fields(self)


def biased_staircase(f: Target | str, seed: int = 0) -> Biased:
    """Dimensions of the level-1 staircase of z → f(z + μ) for almost every μ.

    ``seed`` draws the means at which a polynomial is looked at.

    >>> from hermite import Target
    >>> biased_staircase(Target("z1*z2*z3")).dims
    (0, 1, 3)
    """
    f = as_target(f)
    if f.tree is None:
        return Biased(None, None, Exactness.UNDECIDED, "a callable target has no exact expansion")
    check_whole("seed", seed)
    try:
        with allowance():
            return _staircase(f, seed)
    except Undecided as doubt:
        return Biased(None, None, Exactness.UNDECIDED, str(doubt))


def _staircase(f: Target, seed: int) -> Biased:
    engine = engine_for(f)
    if engine.degree is not None:
        return _polynomial(f, Heat(f.r, engine.heat_series(engine.degree), engine.degree, gram=f.gram), seed)
    if not engine.decided:
        return Biased(None, None, Exactness.UNDECIDED, str(engine.reason))
    for order in _ORDERS:
        result = _infinite(f, engine, order)
        if result.dims is not None:
            break
    return result


def _polynomial(f: Target, heat: Heat, seed: int) -> Biased:
    relevant = tensor_span(heat)
    rng = random.Random(int(seed))
    best: tuple[int, ...] = ()
    for _ in range(_DRAWS):
        dims = dims_modulo(heat.terms, heat.r, relevant.dim, heat.gram, rng)
        if dims is None:
            continue
        best = max(best, dims)
        if len(dims) <= 3 and dims[-1] == relevant.dim:
            return Biased(dims, relevant.dim, Exactness.EXACT, "")
    generic = None
    try:
        with share(_MOST_WORK):
            generic = generic_dims(heat, best) if best else None
    except Exhausted:
        # What the draws say stands.
        pass
    if generic is not None:
        return Biased(generic, relevant.dim, Exactness.EXACT, "")
    if not best:
        return Biased(
            None,
            relevant.dim,
            Exactness.UNDECIDED,
            "a coefficient has no residue modulo the prime of the draws",
        )
    reason = f"dimensions at {_DRAWS} random means: right but for a probability below 1e-9"
    return Biased(best, relevant.dim, Exactness.NUMERICAL, reason)


def generic_dims(heat: Heat, expected: Sequence[int]) -> tuple[int, ...] | None:
    """dim U_t over the field Q(μ), climbing while ``expected`` (the dimensions at random means) says so; None: too large.

    U_{t+1} is spanned by the coefficients in s of ∇h(μ + Σ s_i b_i), b a basis of U_t of vectors of polynomials in μ.
    """
    import flint

    if len(heat.terms) * heat.order ** len(expected) > _LARGEST:
        return None
    # Along a direction that h does not depend on every vector has the entry 0.
    used = [i for i in range(heat.r) if any(alpha[i] for alpha in heat.terms)]
    top = max(expected)
    names = [f"m{i}" for i in range(heat.r)] + [f"s{i}" for i in range(top)]
    ring = flint.fmpq_mpoly_ctx.get(names, "lex")
    mean, steps = ring.gens()[: heat.r], ring.gens()[heat.r :]
    basis: list[list[Any]] = []
    dims = [0]
    while True:
        moves = [row if heat.gram is None else lower(row, heat.gram) for row in basis]
        point = [
            m + sum((s * move[i] for s, move in zip(steps, moves, strict=False)), start=ring.constant(0))
            for i, m in enumerate(mean)
        ]
        gradient = _polynomial_gradient(heat, point, ring)
        if sum(len(x) for x in gradient) > _LARGEST:
            return None
        for row in _coefficients(gradient, heat.r, ring):
            if len(basis) < len(used) and _independent_rows(basis, row, used):
                basis.append(row)
        if len(basis) == dims[-1]:
            return tuple(dims)
        dims.append(len(basis))


def _polynomial_gradient(
    heat: Heat, point: Sequence[flint.fmpq_mpoly], ring: flint.fmpq_mpoly_ctx
) -> list[flint.fmpq_mpoly]:
    """(∂h/∂u_i) at a point whose coordinates are polynomials."""
    out = [ring.constant(0) for _ in point]
    for alpha, c in heat.terms.items():
        for i, a in enumerate(alpha):
            if a:
                term = ring.constant(c * a)
                for j, b in enumerate(alpha):
                    term = term * point[j] ** (b - (i == j))
                out[i] = out[i] + term
    return out


def _coefficients(
    vector: Sequence[flint.fmpq_mpoly], r: int, ring: flint.fmpq_mpoly_ctx
) -> list[list[flint.fmpq_mpoly]]:
    """The coefficients of the powers of s, each a vector of polynomials in μ; small ones first."""
    rows: dict[tuple[int, ...], list[dict[tuple[int, ...], flint.fmpq]]] = {}
    for i, entry in enumerate(vector):
        for powers, c in entry.to_dict().items():
            own = rows.setdefault(powers[r:], [{} for _ in vector])
            own[i][(*powers[:r], *(0,) * len(powers[r:]))] = c
    out = [[ring.from_dict(terms) for terms in rows[key]] for key in sorted(rows, key=sum)]
    return [row for row in out if not all(x.is_zero() for x in row)]


def _independent_rows(
    basis: Sequence[Sequence[flint.fmpq_mpoly]], row: Sequence[flint.fmpq_mpoly], used: Sequence[int]
) -> bool:
    """Whether ``row`` is independent of ``basis`` over Q(μ), all entries outside the columns ``used`` being 0.

    Rows that are independent at one μ are; else, with a minor of the basis that does not vanish there, the row is dependent
    if all minors that border this one are the zero polynomial (Kronecker).
    """
    import flint

    rows = [*basis, row]
    at = [_at_a_mean(own, used) for own in rows]
    if flint.fmpq_mat(at).rank() == len(rows):
        return True
    echelon, rank = flint.fmpq_mat(at[:-1] or [[flint.fmpq(0)] * len(used)]).rref()
    if rank == len(basis):
        places = [used[next(j for j in range(len(used)) if echelon[i, j] != 0)] for i in range(rank)]
        wider = [tuple(sorted([*places, j])) for j in used if j not in places]
    else:
        wider = list(combinations(used, len(rows)))
    return any(not _determinant(rows, columns).is_zero() for columns in wider)


def _at_a_mean(row: Sequence[flint.fmpq_mpoly], used: Sequence[int]) -> list[flint.fmpq]:
    """The entries of a vector of polynomials at some μ whose coordinates no small relation ties together."""
    count = row[0].context().nvars()
    point = [(7919 * k * k + 104_729 * k + 15_485_863) % 1_000_003 - 500_001 for k in range(count)]
    return [row[i](*point) for i in used]


def _determinant(rows: Sequence[Sequence[flint.fmpq_mpoly]], places: tuple[int, ...]) -> flint.fmpq_mpoly:
    """The determinant of some columns, expanded along the first row; its products are counted."""
    if len(rows) == 1:
        return rows[0][places[0]]
    total = rows[0][places[0]] * 0
    for k, place in enumerate(places):
        if not rows[0][place].is_zero():
            rest = _determinant(rows[1:], (*places[:k], *places[k + 1 :]))
            spend(1 + len(rows[0][place]) * len(rest) // 4)
            total = total + rows[0][place] * rest * (-1 if k % 2 else 1)
    return total


def _infinite(f: Target, engine: Any, order: int) -> Biased:
    bound: Span = engine.direction_span()
    heat = Heat(f.r, engine.heat_series(order), order, truncated=True, gram=f.gram)
    relevant = tensor_span(heat)
    if relevant.dim < bound.dim:
        return Biased(None, None, Exactness.UNDECIDED, "the relevant space is not decided")
    dim = relevant.dim
    if dim == 0:
        return Biased((0,), 0, Exactness.EXACT, "")
    climb = _Climb(heat, dim)
    dims = [0, 1]
    while dims[-1] < dim:
        grown = climb.step()
        if grown == dims[-1]:
            reason = f"dimension {grown} of {dim} is reached; more is not seen to order {order}, nor excluded"
            return Biased(None, dim, Exactness.UNDECIDED, reason)
        dims.append(grown)
    if any(1 < d < dim for d in dims):
        return Biased(None, dim, Exactness.UNDECIDED, "intermediate dimensions are lower bounds only")
    return Biased(tuple(dims), dim, Exactness.CERTIFIED, "")


class _Climb:
    """∇h at points μ + u, u ∈ U_t, as truncated power series in t (μ = ta, a fixed), and minors proved non-zero."""

    def __init__(self, heat: Heat, goal: int) -> None:
        import flint

        self.heat, self.goal = heat, goal
        self.length = heat.order
        with flint.ctx.workprec(_BITS):
            balls = [c.ball(_BITS) if hasattr(c, "ball") else flint.arb(c) for c in heat.terms.values()]
            # Steps along gradients then are of the size of the mean, in whatever unit the target came.
            unit = max((x.abs_upper() for x in balls), key=lambda x: x.log().mid())
            self.terms = [(alpha, c / unit) for alpha, c in zip(heat.terms, balls, strict=True)]
            slopes = (1, Fraction(5, 7), Fraction(-11, 13), Fraction(17, 19), Fraction(-23, 29))
            self.mean = [self._line(slopes[i % 5] * (1 + i // 5)) for i in range(heat.r)]
            self.basis = [self.gradient(self.mean)]

    def _line(self, slope: Fraction | int) -> Series:
        import flint

        zero = flint.arb(0)
        return [zero, flint.arb(rational(slope)), *[zero] * (self.length - 2)]

    def times(self, a: Series, b: Series) -> Series:
        out: Series = [0] * self.length
        spend(2 + self.length * self.length // 4)
        for i, x in enumerate(a):
            # "x != 0" is false of a ball around 0 as well, which must be kept.
            if x == 0:
                continue
            for j in range(self.length - i):
                out[i + j] = out[i + j] + x * b[j]
        return out

    def gradient(self, point: Sequence[Series]) -> list[Series]:
        """(∂h/∂u_i) at a point whose coordinates vanish at t = 0: known below t^order."""
        one: Series = [1, *[0] * (self.length - 1)]
        powers = [[one] for _ in point]
        top = max(max(alpha) for alpha, _ in self.terms)
        for own, x in zip(powers, point, strict=True):
            for _ in range(top):
                own.append(self.times(own[-1], x))
        out: list[Series] = [[0] * self.length for _ in point]
        for alpha, c in self.terms:
            for i, a in enumerate(alpha):
                if not a:
                    continue
                term: Series = [c * a, *[0] * (self.length - 1)]
                for j, b in enumerate(alpha):
                    term = self.times(term, powers[j][b - (i == j)]) if b - (i == j) else term
                out[i] = [x + y for x, y in zip(out[i], term, strict=True)]
        return out

    def step(self) -> int:
        """The proved dimension after one more step; the basis grows by the rows that prove it."""
        import flint

        with flint.ctx.workprec(_BITS):
            moves = [self._covector(row) for row in self.basis]
            grown = list(self.basis)
            for s in range(1, 2 * self.goal + 1):
                point = list(self.mean)
                for k, move in enumerate(moves):
                    # Steps t, 2t, … along each direction, each with its own weight.
                    step = self._line(Fraction(s * (k + 1) + k, 1))
                    point = [
                        [x + y for x, y in zip(p, self.times(step, m), strict=True)]
                        for p, m in zip(point, move, strict=True)
                    ]
                row = self.gradient(point)
                if self._independent([*grown, row]):
                    grown.append(row)
                if len(grown) == self.goal:
                    break
            self.basis = grown
        return len(grown)

    def _covector(self, row: list[Series]) -> list[Series]:
        """G v of a vector of series."""
        if self.heat.gram is None:
            return row
        columns = [lower([x[j] for x in row], self.heat.gram) for j in range(self.length)]
        return [[column[i] for column in columns] for i in range(self.heat.r)]

    def _independent(self, rows: list[list[Series]]) -> bool:
        used = [j for j in range(self.heat.r) if any(x != 0 for row in rows for x in row[j])]
        kept: dict[tuple[int, ...], Series] = {}
        return any(
            any(x != 0 and not x.contains(0) for x in self._minor(rows, places, kept))
            for places in combinations(used, len(rows))
        )

    def _minor(
        self, rows: list[list[Series]], places: tuple[int, ...], kept: dict[tuple[int, ...], Series]
    ) -> Series:
        """The determinant of some columns of the first rows, expanded along the last of them; smaller ones are ``kept``."""
        if len(places) == 1:
            return rows[0][places[0]]
        if places not in kept:
            total: Series = [0] * self.length
            last = rows[len(places) - 1]
            for k, place in enumerate(places):
                rest = self._minor(rows, (*places[:k], *places[k + 1 :]), kept)
                sign = -1 if (len(places) - 1 - k) % 2 else 1
                product = self.times(last[place], rest)
                total = [x + sign * y for x, y in zip(total, product, strict=True)]
            kept[places] = total
        return kept[places]
