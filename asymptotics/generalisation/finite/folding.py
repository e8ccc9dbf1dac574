r"""The conditional equations on a quarter of the nodes: reflections of the learned coordinates that leave the layer as it is.

Operators depend on ⟨a, x⟩, norms and cosines alone: T_l(g x, g a) = T_l(x, a) for every orthogonal g. Where g also maps the
nodes x and the types of units a onto themselves, κ(g x) = κ(x) and D(g a) = D(a). For a group G of commuting reflections
every operator splits into one a character χ, on one node and one type an orbit,

    T_l^χ(x, a) = (1/|G|) Σ_g χ(g) T_l(x, g a),     f^χ(x) = (1/|G|) Σ_g χ(g) f(g x),

with the weights and the shares of whole orbits and the mean of τ(x, g a): Z_l(x, x) = Σ_χ Z_l^χ(x, x), Π_l likewise, and
fᵀ W f = Σ_χ f^χᵀ W f^χ. The equations keep their form, with N_l of each T_l^χ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.finite.unit_equations import UnitFeatures

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

#: Rounding of coordinates, relative to the largest of their column, within which two are one.
_ONE = 1e-9
#: A part of the target of less than this, relative to the whole, is rounding.
_NOTHING = 1e-12


@dataclass(frozen=True)
class Orbits:
    """``images`` (G, O): where every element of the group takes one member of each orbit, itself first; ``sums``: see ``of``."""

    images: Places

    @property
    def chosen(self) -> Places:
        """The member of each orbit that is kept."""
        found: Places = self.images[0]
        return found

    def totals(self, weights: Array) -> Array:
        """``weights`` (N,) summed over each orbit."""
        distinct = np.array([len(np.unique(column)) for column in self.images.T])
        total: Array = distinct * np.mean(weights[self.images], axis=0)
        return total


@dataclass(frozen=True)
class Folding:
    """A group of reflections: orbits of the ``nodes`` and of the ``types`` of units, and its ``characters`` (G, G)."""

    nodes: Orbits
    types: Orbits
    characters: Array

    def functions(self, f: Array) -> Array:
        """f^χ of functions ``f`` (R, X) of the nodes: (G, R, X')."""
        moved = f[:, self.nodes.images]
        found: Array = np.einsum("cg,rgx->crx", self.characters, moved) / len(self.characters)
        return found

    def operators(self, T: Array) -> Array:
        """T^χ of operators ``T`` (L, X', A, B) on the kept nodes, those of one degree together: (L G, X', A', B)."""
        moved = T[:, :, self.types.images]
        found = np.einsum("cg,lxgab->lcxab", self.characters, moved) / len(self.characters)
        split: Array = found.reshape(-1, *found.shape[2:])
        return split

    def features(self, c: UnitFeatures) -> UnitFeatures:
        """``c``, of which the nodes are the kept ones already, on one type an orbit."""
        size, kept = len(self.characters), self.types.chosen
        return replace(
            c,
            shares=self.types.totals(c.shares),
            T=self.operators(c.T),
            # A sum over types of what one node sees: the mean over each orbit.
            tail=np.mean(c.tail[:, self.types.images], axis=1),
            count=np.repeat(c.count, size),
            partners=np.repeat(c.partners[:, kept], size, axis=0),
        )


def folding(x: Array, weights: Array, coordinates: Array, shares: Array, *scalars: Array) -> Folding:
    """The group for nodes ``x`` (X, k) of ``weights``, types at ``coordinates`` (A, B, k) of ``shares``.

    ``scalars`` (A, …): what else types have, unchanged by reflections. Where there is no symmetry, the group of the identity.
    """
    A, k = len(coordinates), coordinates.shape[2]
    nodes = np.column_stack([x, weights / weights.max()])
    rest = [np.reshape(one, (A, -1)) for one in (shares, *scalars)]
    types = np.concatenate([coordinates.reshape(A, -1), *rest], axis=1)
    group = [(np.eye(k), np.arange(len(x)), np.arange(A))]
    signs = np.ones((1, 1))
    for g in _involutions(k):
        if any(np.array_equal(g, known) for known, _, _ in group):
            continue
        if any(not np.array_equal(g @ known, known @ g) for known, _, _ in group):
            continue
        turned = np.concatenate([(coordinates @ g.T).reshape(A, -1), *rest], axis=1)
        of_types = _matched(turned, types)
        of_nodes = _matched(np.column_stack([x @ g.T, nodes[:, k]]), nodes)
        if of_types is None or of_nodes is None:
            continue
        group += [(g @ known, of_nodes[i], of_types[j]) for known, i, j in group]
        signs = np.block([[signs, signs], [signs, -signs]])
    return Folding(
        _orbits(np.array([i for _, i, _ in group])), _orbits(np.array([j for _, _, j in group])), signs
    )


def carried(folded: Folding, parts: Array) -> list[tuple[int, Array]]:
    """(character, its functions) of ``parts`` (R, X), those that are not zero."""
    size = float(np.max(np.abs(parts), initial=0.0))
    found = []
    for character, functions in enumerate(folded.functions(parts)):
        there = functions[np.max(np.abs(functions), axis=1, initial=0.0) > _NOTHING * size]
        if len(there):
            found.append((character, there))
    return found


def _involutions(k: int) -> list[Array]:
    """The signed permutations of k axes that are their own inverses, sign changes first."""
    found = []
    for places in permutations(range(k)):
        for sign in product((1.0, -1.0), repeat=k):
            g = np.zeros((k, k))
            g[np.arange(k), places] = sign
            if np.array_equal(g @ g, np.eye(k)) and not np.array_equal(g, np.eye(k)):
                found.append(g)
    return sorted(found, key=lambda g: int(np.count_nonzero(np.diag(g) == 0)))


def _matched(moved: Array, rows: Array) -> Places | None:
    """For every row of ``moved`` the row it is, or None where it is none or two are the same."""
    from scipy.spatial import cKDTree

    scale = np.maximum(np.max(np.abs(rows), axis=0), 1e-300)
    distance, nearest = cKDTree(rows / scale).query(moved / scale, distance_upper_bound=2 * _ONE)
    place = np.asarray(nearest, np.intp)
    if np.any(distance > _ONE) or len(np.unique(place)) < len(place):
        return None
    return place


def _orbits(images: Places) -> Orbits:
    """Orbits of a group given as permutations (G, N), one member of each kept."""
    return Orbits(images[:, np.unique(images.min(axis=0))])
