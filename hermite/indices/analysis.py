"""Every index of a symbolic target, from its heat-smoothed form h and, for infinite expansions, proofs of closure.

A truncated h proves that a space *grows* (a non-zero coefficient); that it is *closed* is proved by finitely many exact
zeros (U = {0}), by U = V*, by terms that split over U and U⊥, by a symmetry that fixes only U, or by a finite table of the
coordinates in which the target is a polynomial; else it is undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from hermite.engines import engine_for
from hermite.exact.effort import Exhausted, allowance
from hermite.exact.exactness import Exactness
from hermite.exact.magnitudes import ball_text
from hermite.exact.rows import rational, sharp, vanishes
from hermite.exact.subspaces import Span, full
from hermite.exact.undecided import Undecided
from hermite.indices.closure import (
    Climb,
    climb,
    coordinate_closure,
    coordinate_leap,
    order_span,
    tensor_span,
)
from hermite.indices.found_indices import Found, FoundSteps
from hermite.indices.heat import Heat
from hermite.indices.partial import first_order_signs, no_first_order
from hermite.indices.slices import added
from hermite.symmetry.symmetries import symmetries

if TYPE_CHECKING:
    from fractions import Fraction

    import flint

    from hermite.target import Target

#: Orders of an infinite expansion that are looked at before a question is called undecided.
SEARCH_ORDER = 24
#: Orders of the finite table of a target that is a polynomial in some coordinates.
_SLICE_ORDER = 12


def analyse(f: Target, level: int) -> Found:
    """All that a :class:`hermite.indices.report.LeapReport` says but the names; ``level`` is the batch exponent ℓ."""
    try:
        with allowance():
            return _analysed(f, level)
    except Undecided as doubt:
        return undecided(f, str(doubt))


def _analysed(f: Target, level: int) -> Found:
    engine = engine_for(f)
    if engine.degree is None:
        return _infinite(f, engine, level)
    heat = Heat(f.r, engine.heat_series(engine.degree), engine.degree, gram=f.gram)
    return _Indices(f, heat, tensor_span(heat), level).found(engine.exactness, "")


class _Indices:
    """The indices of one target from h and its relevant space; ``proofs`` of what an infinite expansion cannot add."""

    def __init__(
        self, f: Target, heat: Heat, relevant: Span, level: int, proofs: Proofs | None = None
    ) -> None:
        self.f, self.heat, self.relevant, self.level = f, heat, relevant, level
        self.proofs = proofs
        self.doubts: list[str] = []
        self._climbs: dict[int, Climb] = {}

    def _climb(self, level: int) -> Climb:
        """U_0 ⊂ U_1 ⊂ … at a level, climbed once."""
        if level not in self._climbs:
            self._climbs[level] = climb(self.heat, level, self.relevant, self.proofs)
        return self._climbs[level]

    def _sure(self, climbed: Climb, level: int) -> list[Span]:
        """The steps as far as they are known; a doubt is kept for the report where one may hold more."""
        spaces, sure = climbed.spaces, climbed.sure
        # What is between a space that is whole and the end of the staircase is the end.
        if sure == len(spaces) - 1 and self.check(spaces[-1], level):
            sure += 1
        if sure < len(spaces):
            self.doubts.append(
                f"what step {sure} adds at level {level} is known up to order {self.heat.order} only"
            )
        return spaces[:sure]

    def check(self, space: Span, level: int) -> bool:
        """Whether ``space`` is proved closed at ``level``; else the doubt is kept for the report."""
        if self.proofs is None or space.dim in (0, self.relevant.dim) or self.proofs.closed(space, level):
            return True
        self.doubts.append(
            f"a space of dimension {space.dim} is closed at level {level} up to order {self.heat.order}, not proved beyond"
        )
        return False

    def found(self, exactness: Exactness, reason: str) -> Found:
        heat, relevant = self.heat, self.relevant
        spans = self._spans_by_order()
        index = next((k for k, span in enumerate(spans, start=1) if span.dim), None)
        leap_span = spans[index - 1] if index else Span(heat.r)
        levels, proved = self._levels()
        last = self._climb(self.level).spaces[-1]
        steps = self._sure(self._climb(self.level), self.level)
        leading = steps
        if self.level > 1:
            leading = self._sure(climb(heat, self.level, relevant, self.proofs, leading=True), self.level)
        complete: bool | None = last.dim == relevant.dim
        if not self.check(last, self.level) or steps[-1].dim < last.dim:
            complete = None
        gram = self.f.gram
        doubts = [reason, *dict.fromkeys(self.doubts)]
        return Found(
            exactness=Exactness.UNDECIDED if self.doubts else exactness,
            reason="; ".join(doubt for doubt in doubts if doubt),
            relevant_dim=relevant.dim,
            relevant_subspace=relevant.strings(),
            information_exponent=index,
            leap_index=index,
            leap_span=leap_span.strings(),
            per_coordinate_leap=self._coordinate_leaps(spans),
            flag_dims=self._flags(spans),
            staircase=FoundSteps(
                dims=tuple(space.dim for space in steps),
                subspaces=tuple(space.strings() for space in steps),
                leading_dims=tuple(space.dim for space in leading),
                complete=complete,
                coordinates=tuple(space.floats() for space in steps),
            ),
            hard_directions=orthogonal_part(relevant, last, gram).strings(),
            beyond_one_step=orthogonal_part(relevant, leap_span, gram).strings(),
            isotropic_leap=len(levels) if proved and levels and levels[-1] == relevant.dim else None,
            closure_dims_by_level=tuple(levels) if proved else None,
            leap_coordinates=self._coordinate_leap() if gram is None else None,
            warnings=tuple(self._warnings(index)),
        )

    def _spans_by_order(self) -> list[Span]:
        """span(C_k), k = 1, 2, …, up to the order at which together they fill the relevant space."""
        spans: list[Span] = []
        total = Span(self.heat.r)
        for k in range(1, self.heat.order + 1):
            if total.dim == self.relevant.dim:
                break
            spans.append(order_span(self.heat, k, self.relevant, self.proofs))
            total = total + spans[-1]
        return spans

    def _flags(self, spans: Sequence[Span]) -> tuple[int, ...]:
        total, dims = Span(self.heat.r), []
        for span in spans:
            total = total + span
            dims.append(total.dim)
        return tuple(dims)

    def _coordinate_leaps(self, spans: Sequence[Span]) -> tuple[int | None, ...]:
        """Of each direction w_i the first order k whose tensor, contracted once with w_i, does not vanish."""
        leaps: list[int | None] = []
        for i in range(self.heat.r):
            unit = tuple(rational(int(i == j)) for j in range(self.heat.r))
            covector = unit if self.f.gram is None else tuple(rational(g) for g in self.f.gram[i])
            leaps.append(
                next(
                    (
                        k
                        for k, span in enumerate(spans, start=1)
                        if any(not vanishes(_pair(covector, row)) for row in span.rows)
                    ),
                    None,
                )
            )
        return tuple(leaps)

    def _levels(self) -> tuple[list[int], bool]:
        """Dimension of the closure at level 1, 2, … until it is the relevant space, and whether each is proved closed."""
        dims: list[int] = []
        proved = True
        if self.relevant.dim == 0:
            return dims, proved
        for level in range(1, self.heat.order + 1):
            last = self._climb(level).spaces[-1]
            proved = self.check(last, level) and proved
            dims.append(last.dim)
            if last.dim == self.relevant.dim:
                break
        return dims, proved

    def _coordinate_leap(self) -> int | None:
        """The leap in the given coordinates; of a table that is cut off, proved by axes that are closed one level below.

        More terms only open more ways, so that the table gives an upper bound.
        """
        heat, found = self.heat, coordinate_leap(self.heat)
        if found is None or found == 1 or self.proofs is None:
            return found
        axes = coordinate_closure(heat, found - 1)
        space = Span(heat.r, [full(heat.r).rows[i] for i in axes])
        if space.dim and not self.proofs.closed(space, found - 1):
            self.doubts.append(f"the leap in these coordinates is at most {found}, up to order {heat.order}")
            return None
        return found

    def _warnings(self, index: int | None) -> list[str]:
        """Inert variables, and a leading coefficient so small that at any usual d the next order wins."""
        warnings = []
        names = self.f.variables
        inert = [
            names[i]
            for i in range(self.heat.r)
            if self.f.gram is None and all(vanishes(row[i]) for row in self.relevant.rows)
        ]
        if inert and self.relevant.dim:
            warnings.append(f"inert: {', '.join(inert)} does not matter to the target")
        if index is None:
            return [*warnings, "the target is constant: there is nothing to learn"]
        by_order: dict[int, list[Any]] = {k: [] for k in range(index, self.heat.order + 1)}
        for alpha, c in self.heat.terms.items():
            if sum(alpha) in by_order:
                by_order[sum(alpha)].append(c)
        sizes = {k: coefficient_norm(own) for k, own in by_order.items()}
        first = sizes.pop(index)
        for k, size in sizes.items():
            crossing = (size / first) ** (rational(2) / (k - index))
            if crossing > 1e6:
                warnings.append(
                    f"the order-{index} coefficient has norm {_digits(first, 2)}: "
                    f"below d of about {_digits(crossing, 1)} order {k} is larger"
                )
                break
        return warnings


def undecided(f: Target, reason: str) -> Found:
    """What is known of a target whose expansion no engine decides: None, but for what the first order is proved to be."""
    signs = first_order_signs(f) if f.tree is not None else {}
    known = tuple(
        f"the first-order coefficient of {f.variables[i]} is {'positive' if sign > 0 else 'negative'}: "
        f"the target never {'falls' if sign > 0 else 'rises'} along it"
        for i, sign in signs.items()
    )
    if not signs and f.tree is not None and no_first_order(f):
        known = ("the first order vanishes by symmetry: the leap is 2 at least",)
    by_coordinate = tuple(1 if i in signs else None for i in range(f.r))
    return Found(
        exactness=Exactness.UNDECIDED,
        reason=reason,
        information_exponent=1 if signs else None,
        leap_index=1 if signs else None,
        per_coordinate_leap=by_coordinate if signs and f.gram is None else None,
        known=known,
    )


def coefficient_norm(coefficients: Sequence[Any]) -> Any:
    """Euclidean norm of exact scalars as a ball: nothing overflows or underflows in it."""
    return sum((sharp(c) ** 2 for c in coefficients), start=sharp(rational(0))).sqrt()


def _digits(ball: flint.arb, digits: int) -> str:
    """The middle of a positive ball as text, whatever its size."""
    value = float(ball)
    return f"{value:.{digits}g}" if 1e-300 < value < 1e300 else ball_text(ball, digits)


def orthogonal_part(space: Span, part: Span, gram: Sequence[Sequence[Fraction]] | None) -> Span:
    """The vectors of ``space`` that are orthogonal to ``part``, in the metric of the directions."""
    if part.dim == 0:
        return space
    return space.intersection(part.complement(gram))


def _pair(covector: Sequence[Any], row: Sequence[Any]) -> Any:
    return sum((x * y for x, y in zip(covector, row, strict=True)), start=rational(0))


def proved_closed(engine: Any, space: Span, level: int) -> bool:
    """Whether U = ``space`` is proved closed at ``level``: by the terms of the expansion, or (level 1) by symmetry."""
    return Proofs(engine).closed(space, level)


def most_added(engine: Any, space: Span, level: int) -> Span:
    """A space that holds all that orders 1..``level`` of the target add to U = ``space``."""
    return Proofs(engine).ceiling(space, level)


class Proofs:
    """What is proved not to be added to a space, by the terms of the expansion or (at level 1) by symmetry."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine

    def closed(self, space: Span, level: int) -> bool:
        """Whether U = ``space`` is proved closed at ``level``."""
        if not self.engine.decided:
            return False
        if level == 1 and self._fixed(space).dim <= space.dim:
            return True
        try:
            proved: bool = self.engine.proves_closed(space, level)
        except Exhausted:
            raise
        except Undecided:
            proved = False
        return proved or self._added(space, level).dim == space.dim

    def _added(self, space: Span, level: int) -> Span:
        """All that the orders up to ``level`` add, where a finite table knows it; the whole space elsewhere."""
        try:
            found = added(self.engine.target, self.engine, space, level, _SLICE_ORDER)
        except Exhausted:
            raise
        except Undecided:
            found = None
        return full(space.n) if found is None else found

    def _fixed(self, space: Span) -> Span:
        """The directions of the target that the symmetries fix which fix ``space``."""
        fixed, along = symmetries(self.engine.target).fixed(space), self.engine.direction_span()
        if space.dim < fixed.dim and along.dim < along.n:
            try:
                return fixed.intersection(along)
            except Exhausted:
                raise
            except Undecided:
                return fixed
        return fixed

    def of_order(self, k: int) -> Span:
        """A space that holds span(C_k)."""
        span: Span = self.engine.direction_span(k)
        return span

    def ceiling(self, space: Span, level: int) -> Span:
        """A space that holds all that orders 1..``level`` add to ``space``."""
        top = full(space.n)
        if level == 1:
            top = self._fixed(space)
        if top.dim == space.dim:
            return top
        try:
            reach: Span = self.engine.reach(space, level)
        except Exhausted:
            raise
        except Undecided:
            reach = top
        top = reach if reach.dim < top.dim else top
        exact = top if top.dim == space.dim else self._added(space, level)
        return exact if exact.dim < top.dim else top


def _infinite(f: Target, engine: Any, level: int) -> Found:
    """An infinite expansion: raise the order until all that grows has grown, then prove what is closed."""
    if not engine.decided:
        return undecided(f, engine.reason)
    best: Found | None = None
    for order in count(max(4, level + 1), 4):
        try:
            found, final = _up_to(f, engine, level, order)
        except Undecided as doubt:
            if best is not None:
                return best
            if isinstance(doubt, Exhausted) or order >= SEARCH_ORDER:
                raise
            continue
        if final or order >= SEARCH_ORDER:
            return found
        best = found if found.relevant_dim else None
    raise AssertionError("the order rises to its end")


def truncated_heat(f: Target, engine: Any, order: int) -> Heat:
    """h of an infinite expansion up to ``order``."""
    heat = Heat(f.r, engine.heat_series(order), order, truncated=True, gram=f.gram)
    if f.gram is None and not heat.is_rational:
        # What is equal by symmetry then cancels formally as well.
        heat = heat.symmetrised(symmetries(f).matrices)
    return heat


def _up_to(f: Target, engine: Any, level: int, order: int) -> tuple[Found, bool]:
    """(what the orders up to ``order`` show, whether higher ones would show no more)."""
    bound: Span = engine.direction_span()
    heat = truncated_heat(f, engine, order)
    relevant = tensor_span(heat, limit=bound.dim)
    if relevant.dim == 0 < bound.dim:
        return undecided(f, f"no coefficient up to order {order} is proved to be non-zero"), False
    if relevant.dim == bound.dim:
        # One space, and its bound has the simpler rows.
        relevant = bound
    elif order < SEARCH_ORDER:
        return undecided(f, f"the relevant space has at least dimension {relevant.dim}"), False
    indices = _Indices(f, heat, relevant, level, Proofs(engine))
    if relevant.dim < bound.dim:
        indices.doubts.append(
            f"the relevant space has at least dimension {relevant.dim} and at most {bound.dim}"
        )
    found = indices.found(engine.exactness, engine.reason)
    return found, not indices.doubts
