"""Which subspaces are closed: conditional Hermite tensors, closures and staircases.

For a learned space U, T_k^U(x) = E[f(z) He_k(z_⊥) | z_U = x]. With h(μ) = E f(z + μ), averaging T_k^U over x gives
∇_⊥^k h on U, and Gaussian smoothing is injective, so both have the same span: everything below is linear algebra on
derivatives of h (Dandi et al. 2024, arXiv:2305.18270; subspace conditioning for n = Θ(d) per step). U is *closed at
level ℓ* if T_k^U = 0 for 1 ≤ k ≤ ℓ, and the smallest closed space does not depend on the order of additions.

h is the table of :mod:`hermite.indices.heat`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any, Protocol

import flint

from hermite.exact.ball_rows import ball_of, surely_spans
from hermite.exact.rows import Row, integral, lower, rational, vanishes
from hermite.exact.subspaces import Span
from hermite.exact.undecided import Undecided
from hermite.indices.heat import Gram, Heat
from hermite.indices.modular import spans_modulo

#: Bits of all powers at one point from which a proof modulo a prime is tried first.
_LONG = 1_000_000
#: Orders above the one in question whose irrational rows are eliminated exactly.
_FEW_ORDERS = 3


def gradient_rows(heat: Heat, order: int | None = None) -> Iterator[Row]:
    """Coefficient vectors of ∇h: their span is V* (all orders), or span(C_k) for one ``order`` k.

    span(C_k) is the orthogonal complement of {v : ∂_v ⟨C_k, μ^⊗k⟩ = 0}.
    """
    zero = rational(0)
    # Low orders first: they are known best, and often all that is asked for.
    for degree, terms in groupby(sorted(heat.terms.items(), key=_degree), key=_degree):
        if order is not None and degree != order:
            continue
        rows: dict[tuple[int, ...], list[Any]] = {}
        for alpha, c in terms:
            for i, a in enumerate(alpha):
                if a:
                    key = (*alpha[:i], a - 1, *alpha[i + 1 :])
                    rows.setdefault(key, [zero] * heat.r)[i] = c * a
        yield from map(tuple, rows.values())


def _degree(term: tuple[tuple[int, ...], Any]) -> int:
    return sum(term[0])


def tensor_span(heat: Heat, order: int | None = None, limit: int | None = None) -> Span:
    """span(C_k) for k = ``order``, or the relevant space V* of all orders; stops growing at dimension ``limit``."""
    # No row has an entry at a variable that no term holds: what fills the others is all there is.
    used = sum(any(column) for column in zip(*heat.terms, strict=True))
    return Span(heat.r).grow(gradient_rows(heat, order), used if limit is None else min(limit, used))


def conditional_span(heat: Heat, learned: Span, k: int, goal: Span) -> Span:
    """U + span_x col T_k^U(x): what order k adds to the learned space U inside ``goal`` = V*."""
    if not heat.is_rational:
        return _conditional_span(heat, learned, k, goal)
    known, key = heat.known_spans, (tuple(learned.rows), k, goal.dim)
    if key not in known:
        known[key] = _conditional_span(heat, learned, k, goal)
    return known[key].copy()


def _conditional_span(heat: Heat, learned: Span, k: int, goal: Span) -> Span:
    if learned.dim and not (heat.gram is None and learned.is_coordinate()) and not heat.is_rational:
        # What fills the goal by balls needs no exact elimination.
        balls = heat.in_balls()
        # Degree by degree, low ones first: what is small beside what was seen before is told from it, and the balls of high
        # orders stay out of it.
        parts = (_general_rows(balls.of_order(m), learned, k, alone=True) for m in range(k, heat.order + 1))
        if surely_spans(heat.r, goal.dim, chain(learned.rows, chain.from_iterable(parts))):
            return goal.copy()
        if heat.truncated:
            return _growth_at_low_orders(heat, learned, k, goal)
    elif learned.dim and not learned.is_coordinate() and _fills_quickly(heat, learned, k, goal):
        return goal.copy()
    span = learned.copy().grow(conditional_rows(heat, learned, k), goal.dim)
    return goal.copy() if span.dim == goal.dim else span


def _growth_at_low_orders(heat: Heat, learned: Span, k: int, goal: Span) -> Span:
    """What the lowest orders of a table that is cut off add for sure: no table of that kind proves what does not grow."""
    span = learned.copy()
    for m in range(k, min(heat.order, k + _FEW_ORDERS) + 1):
        try:
            span = span.grow(_general_rows(heat.of_order(m), learned, k, alone=True), goal.dim)
        except Undecided:
            return span
    return span


def _fills_quickly(heat: Heat, learned: Span, k: int, goal: Span) -> bool:
    """Whether the goal is proved to be filled modulo a prime, where exact values would be long."""
    if not heat.is_rational or not all(isinstance(x, flint.fmpq) for row in learned.rows for x in row):
        return False
    bits = max(x.height_bits() for row in learned.rows for x in row)
    if bits * heat.order * len(heat.terms) < _LONG:
        return False
    normals, basis = (
        [_covector(row, heat.gram) for row in rows]
        for rows in (learned.complement(heat.gram).rows, learned.rows)
    )
    return spans_modulo(heat.terms, learned.rows, basis, normals, k, goal.dim)


def conditional_rows(heat: Heat, learned: Span, k: int) -> Iterator[Row]:
    """Vectors that span, together with U, all that order k sees given z_U."""
    if learned.dim == 0:
        return gradient_rows(heat, k)
    if heat.gram is None and learned.is_coordinate():
        return _coordinate_rows(heat, learned, k)
    return _general_rows(heat, learned, k)


def _coordinate_rows(heat: Heat, learned: Span, k: int) -> Iterator[Row]:
    """Order k given coordinate axes: rows are read off the table, nothing is substituted."""
    outside = [i for i in range(heat.r) if i not in learned.pivots]
    zero = rational(0)
    rows: dict[tuple[int, ...], list[Any]] = {}
    for alpha, c in heat.terms.items():
        if sum(alpha[i] for i in outside) != k:
            continue
        for i in outside:
            if alpha[i]:
                key = (*alpha[:i], alpha[i] - 1, *alpha[i + 1 :])
                rows.setdefault(key, [zero] * heat.r)[i] = c * alpha[i]
    return (tuple(row) for row in rows.values())


def _general_rows(heat: Heat, learned: Span, k: int, *, alone: bool = False) -> Iterator[Row]:
    """Order k given any U: gradients of ∂_N^β h (|β| = k − 1, N a basis of U⊥) on a unisolvent lattice of U.

    A polynomial of degree D in dim U variables that vanishes on {s : s_i ≥ 0 integers, Σ s_i ≤ D} is zero, so that
    the lattice both finds every direction and proves that there is no other. Where all terms of h have one degree
    (``alone``) the points of Σ s_i = D do: the span over U is that of all degrees, one by one, since scaling s parts them.
    """
    normals = [_covector(row, heat.gram) for row in learned.complement(heat.gram).rows]
    basis = [_covector(row, heat.gram) for row in learned.rows]
    if heat.is_rational and all(isinstance(x, flint.fmpq) for row in basis for x in row):
        basis = [integral(row) for row in basis]
    if any(isinstance(c, flint.arb) for c in heat.terms.values()):
        normals, basis = ([tuple(map(ball_of, row)) for row in rows] for rows in (normals, basis))
    for form in _derivatives(heat, normals, k - 1):
        degree = max((sum(alpha) for alpha in form.terms), default=0) - 1
        for s in _compositions(len(basis), degree) if alone and degree >= 0 else _lattice(len(basis), degree):
            point = tuple(
                sum((b[i] * t for b, t in zip(basis, s, strict=True)), start=rational(0))
                for i in range(heat.r)
            )
            yield form.gradient_at(point)


def _derivatives(form: Heat, normals: Sequence[Row], k: int) -> Iterator[Heat]:
    """All ∂_N^β of ``form`` with |β| = k that are not zero: what they share is derived once, what vanishes no further."""
    if k == 0:
        yield form
        return
    for i, covector in enumerate(normals):
        derived = form.derivative(covector)
        if any(not isinstance(c, flint.fmpq) or c != 0 for c in derived.terms.values()):
            yield from _derivatives(derived, normals[i:], k - 1)


def _covector(row: Row, gram: Gram | None) -> Row:
    return row if gram is None else lower(row, gram)


def _lattice(k: int, degree: int) -> Iterator[tuple[int, ...]]:
    """Points of N^k with coordinate sum at most ``degree``, richest first: a full space is found at once."""
    if degree < 0:
        return
    for total in range(degree, -1, -1):
        yield from _compositions(k, total)


def _compositions(k: int, total: int) -> Iterator[tuple[int, ...]]:
    if k == 1:
        yield (total,)
        return
    for first in range(total // k, total + 1):
        for rest in _compositions(k - 1, total - first):
            yield (first, *rest)
    for first in range(total // k):
        for rest in _compositions(k - 1, total - first):
            yield (first, *rest)


class Limits(Protocol):
    """What a table that is cut off cannot show: what it does not grow to. The whole space where nothing better is known."""

    def ceiling(self, space: Span, level: int) -> Span:
        """A space that holds all that orders 1..``level`` add to ``space``."""
        ...

    def of_order(self, k: int) -> Span:
        """A space that holds span(C_k)."""
        ...


def order_span(heat: Heat, k: int, goal: Span, limits: Limits | None) -> Span:
    """span(C_k); where it fills what it may fill, that space, whose rows are simple."""
    bound = goal if limits is None else limits.of_order(k)
    bound = bound if bound.dim < goal.dim else goal
    span = tensor_span(heat, k, bound.dim)
    return bound.copy() if limits is not None and span.dim == bound.dim else span


@dataclass(frozen=True)
class Climb:
    """U_0 = {0} ⊂ U_1 ⊂ …; of an infinite expansion only the first ``sure`` are proved to hold all that belongs to them."""

    spaces: list[Span]
    sure: int


def closure_steps(heat: Heat, level: int, goal: Span) -> list[Span]:
    """U_0 = {0} ⊂ U_1 ⊂ …: all orders 1..``level`` at every step, until nothing is added."""
    return climb(heat, level, goal).spaces


def climb(
    heat: Heat,
    level: int,
    goal: Span,
    limits: Limits | None = None,
    *,
    leading: bool = False,
    steps: int | None = None,
) -> Climb:
    """The closure steps, the first ``steps`` of them or all.

    With ``leading`` each adds only the smallest order k ≤ ``level`` that adds anything.

    A table that is cut off shows that a space grows, never that it does not grow further: that is what ``limits`` prove.
    """
    spaces, sure = [Span(heat.r)], 1
    while spaces[-1].dim < goal.dim and (steps is None or len(spaces) <= steps):
        learned = grown = spaces[-1]
        settled: list[bool] = []
        for k in range(1, min(level, heat.order) + 1):
            top = goal if limits is None or not learned.dim else limits.ceiling(learned, k)
            top = top if top.dim < goal.dim else goal
            if not learned.dim:
                found = order_span(heat, k, goal, limits)
            else:
                found = conditional_span(heat, learned, k, top) if top.dim > grown.dim else top
            grown = found if found.dim == goal.dim else grown + found
            settled.append(not heat.truncated or not learned.dim or grown.dim == top.dim)
            if grown.dim == goal.dim or (leading and grown.dim > learned.dim):
                break
        if grown.dim == learned.dim:
            break
        sure += sure == len(spaces) and (all(settled) if leading else settled[-1])
        spaces.append(grown)
    return Climb(spaces, sure)


def coordinate_leap(heat: Heat) -> int | None:
    """Leap complexity in the given coordinates (Abbe, Boix-Adsera, Misiakiewicz 2023, arXiv:2302.11055).

    min over orderings of the non-zero multi-indices of the largest number Σ_j α_j over coordinates not seen before;
    taking the cheapest next is optimal for such a bottleneck.
    """
    known, doubtful = [], []
    for alpha, c in heat.terms.items():
        if any(alpha):
            try:
                known += [] if vanishes(c) else [alpha]
            except Undecided as open_sign:
                doubtful.append((alpha, open_sign))
    leap = _coordinate_leap(heat.r, known)
    # One that may be there only helps where the known ones lead everywhere, and then it matters only if it shortens the way.
    for alpha, doubt in doubtful:
        covered = all(any(own[i] for own in known) for i, a in enumerate(alpha) if a)
        if not covered or _coordinate_leap(heat.r, [*known, *(own for own, _ in doubtful)]) != leap:
            raise doubt
    return leap


def _coordinate_leap(r: int, left: list[tuple[int, ...]]) -> int | None:
    seen = [False] * r
    leap = 0
    while left:
        cost, best = min((sum(a for j, a in enumerate(alpha) if not seen[j]), alpha) for alpha in left)
        leap = max(leap, cost)
        for j, a in enumerate(best):
            seen[j] = seen[j] or a > 0
        left = [alpha for alpha in left if any(a and not seen[j] for j, a in enumerate(alpha))]
    return leap or None


def coordinate_closure(heat: Heat, level: int) -> list[int]:
    """The axes that are reached when no term may bring more than ``level`` powers of axes not reached before."""
    seen: set[int] = set()
    while True:
        new = {
            j
            for alpha, c in heat.terms.items()
            if 0 < sum(a for j, a in enumerate(alpha) if j not in seen) <= level and not vanishes(c)
            for j, a in enumerate(alpha)
            if a
        }
        if new <= seen:
            return sorted(seen)
        seen |= new
