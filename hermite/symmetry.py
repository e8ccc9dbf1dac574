"""Signed permutations of the variables that leave a target invariant: what no function of the label can tell apart.

If f∘g = f for orthogonal g, then E[T(f(z)) z | z_U] is fixed by every such g that fixes U pointwise, for every T.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from hermite.engines import engine_for
from hermite.engines.analytic import AnalyticEngine, SignedPermutation, apply_signed, signed_permutations
from hermite.subspaces import Span, rational
from hermite.target import Target

#: Variables up to which all signed permutations are tried, and up to which sign changes alone are.
_ALL, _SIGNS = 5, 10


def symmetries(f: Target) -> list[SignedPermutation]:
    """Proved signed permutations g with f∘g = f (always the identity; none but it with a Gram matrix)."""
    identity = tuple((i, 1) for i in range(f.r))
    if f.gram is not None or not f.is_symbolic or f.r > _SIGNS:
        return [identity]
    engine = engine_for(f)
    if engine.degree is not None:
        terms = engine.heat_series(engine.degree)
        return [g for g in _candidates(f.r) if _leaves(terms, g)]
    if isinstance(engine, AnalyticEngine) and f.r <= _ALL:
        return [g for g in _candidates(f.r) if engine.is_invariant(g)]
    return [identity]


def _candidates(r: int) -> Iterator[SignedPermutation]:
    if r <= _ALL:
        yield from signed_permutations(r)
    else:
        yield from (tuple(enumerate(signs)) for signs in product((1, -1), repeat=r))


def _leaves(terms: dict[tuple[int, ...], Any], g: SignedPermutation) -> bool:
    """Whether h∘g = h for a complete table {α: c_α/α!}; Gaussian averaging commutes with g."""
    moved: dict[tuple[int, ...], Any] = {}
    for alpha, c in terms.items():
        beta, sign = [0] * len(alpha), 1
        for (place, own), a in zip(g, alpha, strict=True):
            beta[place] = a
            sign *= own**a
        moved[tuple(beta)] = c * sign
    return moved.keys() == terms.keys() and all(moved[alpha] == c for alpha, c in terms.items())


def fixed_space(f: Target, space: Span, group: list[SignedPermutation]) -> Span:
    """Vectors fixed by all g of ``group`` that fix ``space`` pointwise: what labels can add to it at most."""
    moved = Span(f.r)
    for g in group:
        if any(apply_signed(g, row) != tuple(row) for row in space.rows):
            continue
        for i in range(f.r):
            unit = [rational(int(i == j)) for j in range(f.r)]
            moved.add(tuple(a - b for a, b in zip(apply_signed(g, unit), unit, strict=True)))
    return moved.complement()
