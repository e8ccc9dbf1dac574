"""Reflections and exchanges of the axes under which an expression is ± itself, as far as rewriting proves it.

They say which Hermite coefficients vanish, which are equal, and along which axes half of the space is enough.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations, product
from math import prod

from hermite.engines.series import Index
from hermite.language import building
from hermite.language import nodes as ex
from hermite.language.normal_form import normal_form, rational_factor


@lru_cache(maxsize=256)
def symmetries_of(tree: ex.Expression) -> tuple[tuple[tuple[int, ...], tuple[int, ...], int], ...]:
    """(places, signs, ±1): F(x∘g) = ± F(x), with x_i → signs_i x_{places_i}, of what rewriting proves."""
    m = max(ex.variables_of(tree), default=-1) + 1
    own = rational_factor(tree)
    found = []
    for places in permutations(range(m)):
        for signs in product((1, -1), repeat=m):
            moved = {
                i: ex.Variable(p) if s > 0 else building.negate(ex.Variable(p))
                for i, (p, s) in enumerate(zip(places, signs, strict=True))
            }
            c, image = rational_factor(normal_form(building.substitute(tree, moved)))
            if image == own[1] and abs(c) == abs(own[0]):
                found.append((places, signs, 1 if c == own[0] else -1))
    return tuple(found)


def mirrors(tree: ex.Expression) -> dict[int, int]:
    """{axis: ±1}: the axes whose reflection takes F to ± F, as far as rewriting proves it."""
    found = {}
    for places, signs, sign in symmetries_of(tree):
        if signs.count(-1) == 1 and places == tuple(range(len(places))):
            found[signs.index(-1)] = sign
    return found


@lru_cache(maxsize=4096)
def representative(tree: ex.Expression, index: Index) -> tuple[Index, int]:
    """(index', s) with c_index = s c_index'; s = 0 where a symmetry says that it vanishes."""
    images = {index: 1}
    for places, signs, sign in symmetries_of(tree):
        # E[F He_k(x)] = sign E[F(g x) He_k(x)] = sign Π signs_i^{k_{p_i}} E[F He_{k∘p}], as g is orthogonal.
        image = tuple(index[p] for p in places) + index[len(places) :]
        own = sign * prod(s ** (image[i] % 2) for i, s in enumerate(signs))
        if images.setdefault(image, own) != own:
            return index, 0
    least = min(images)
    return least, images[least]
