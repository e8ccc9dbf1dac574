"""The first spaces of the staircase at n = Θ(d) samples a step, where no other index is asked for.

A report of the leap climbs every level and proves that each ends; the first step at level 1 is the span of C_1, which one order
of the expansion shows.
"""

from __future__ import annotations

from collections.abc import Iterator

from hermite.engines import engine_for
from hermite.exact.effort import Exhausted, allowance
from hermite.exact.subspaces import Span
from hermite.exact.undecided import Undecided
from hermite.indices.analysis import SEARCH_ORDER, Proofs, truncated_heat
from hermite.indices.closure import climb, tensor_span
from hermite.indices.heat import Heat
from hermite.target import Target


def first_steps(f: Target, steps: int) -> tuple[Span, ...] | None:
    """U_0 = {0} ⊂ … ⊂ U_steps of a symbolic target, fewer where the staircase ends before.

    All of them are proved; None where one is not, with the orders and the work of one question.
    """
    engine = engine_for(f)
    if not engine.decided:
        return None
    with allowance():
        if engine.degree is not None:
            heat = Heat(f.r, engine.heat_series(engine.degree), engine.degree, gram=f.gram)
            return tuple(climb(heat, 1, tensor_span(heat), steps=steps).spaces)
        proofs = Proofs(engine)
        for order in _orders(steps):
            try:
                found = _up_to(f, proofs, order, steps)
            except Exhausted:
                return None
            except Undecided:
                continue
            if found is not None:
                return found
    return None


def _orders(steps: int) -> Iterator[int]:
    yield from (1,) if steps == 1 else range(4, SEARCH_ORDER + 1, 4)


def _up_to(f: Target, proofs: Proofs, order: int, steps: int) -> tuple[Span, ...] | None:
    """What the orders up to ``order`` prove; None where that is less than asked for."""
    bound: Span = proofs.engine.direction_span()
    climbed = climb(truncated_heat(f, proofs.engine, order), 1, bound, proofs, steps=steps)
    spaces, sure = climbed.spaces, climbed.sure
    last = spaces[-1]
    ended = last.dim == bound.dim or (len(spaces) <= steps and last.dim > 0 and proofs.closed(last, 1))
    # What is between a space that is whole and the end of the staircase is the end.
    sure += ended and sure == len(spaces) - 1
    whole = sure == len(spaces)
    # No first order at all: the staircase ends where it begins.
    return tuple(spaces) if whole and (ended or len(spaces) > steps or not last.dim) else None
