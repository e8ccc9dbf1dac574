"""Which engine answers for an expression: by its own coordinates, by those of its directions, or part by part."""

from __future__ import annotations

from hermite.engines.analytic import AnalyticEngine
from hermite.engines.lines import sum_of_lines
from hermite.engines.patches import outermost
from hermite.engines.rebased import Slope, affine_slopes, is_rational_line, rebased, vector_of
from hermite.exact.undecided import Undecided
from hermite.language import nodes as ex
from hermite.target import Target


def engine_of(target: Target) -> AnalyticEngine:
    """The engine of a symbolic target: in coordinates in which its directions are rational, where it names others."""
    assert target.tree is not None
    if target.gram is not None or not any(
        ex.is_constant(e) and isinstance(e, (ex.Call, ex.Pi)) for e in ex.postorder(target.tree)
    ):
        return AnalyticEngine(target)
    try:
        slopes = _lines(target.tree)
        rows = [vector_of(slope, target.r) for slope in slopes]
        directions = all(map(is_rational_line, rows))
        lengths = all(x.is_rational for row in rows for x in row)
    except Undecided:
        return AnalyticEngine(target)
    if lengths:
        return AnalyticEngine(target)
    plain = AnalyticEngine(target) if directions else None
    if plain is not None and plain.decided and not plain.patched:
        return plain
    found = rebased(target, slopes, rows)
    if found is not None and found.decided:
        return found
    if found is None and not directions:
        parts = sum_of_lines(target)
        if parts is not None and parts.decided:
            return parts
    plain = plain or AnalyticEngine(target)
    if not plain.decided and found is None:
        plain.reason = f"directions at an irrational angle ({plain.reason})"
    return plain


def _lines(tree: ex.Expression) -> list[Slope]:
    """The gradients of the largest affine sub-expressions."""
    # Simple lines first: they are the better basis.
    return sorted(filter(None, outermost(tree, affine_slopes(tree))), key=len)
