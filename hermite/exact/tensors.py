"""Symmetric tensors by their multi-indices: C at (i_1, …, i_k) is c_α for the α that counts the axes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import factorial
from typing import TYPE_CHECKING

from hermite.exact.rows import rational

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hermite.exact.scalars import Exact

Index = tuple[int, ...]


def factorial_of(alpha: Index) -> int:
    """α! = Π α_i!"""
    result = 1
    for a in alpha:
        result *= factorial(a)
    return result


def symmetric_tensor(terms: dict[Index, float], r: int, k: int) -> NDArray[np.float64]:
    """The tensor (r, …, r) whose entry at (i_1, …, i_k) is that of the multi-index that counts its axes; else 0.

    Multi-indices are compared as numbers Σ_i α_i (k + 1)^i, so that no arrangement is ever listed.
    """
    import numpy as np

    digit = np.array([(k + 1) ** i for i in range(r)], dtype=np.int64)
    codes = np.zeros((), dtype=np.int64)
    for _ in range(k):
        codes = codes[..., None] + digit
    out = np.zeros(codes.shape)
    if not terms:
        return out
    own = np.array([sum(a * int(b) for a, b in zip(alpha, digit, strict=True)) for alpha in terms])
    order = np.argsort(own)
    values = np.array(list(terms.values()))[order]
    place = np.minimum(np.searchsorted(own[order], codes), len(own) - 1)
    hit = own[order][place] == codes
    out[hit] = values[place[hit]]
    return out


def metric_energy(terms: list[tuple[Index, Exact]], k: int, gram: Sequence[Sequence[Fraction]]) -> Exact:
    """⟨C_k, C_k⟩/k! in the metric: lower one tensor form index by index, P ↦ Σ_α c_α (G·)^α."""
    total: dict[Index, Exact] = {}
    r = len(gram)
    for alpha, c in terms:
        # Σ over the k legs of one copy: leg i becomes Σ_j G_ij e_j.
        partial: dict[Index, Exact] = {(0,) * r: c * factorial(k) / factorial_of(alpha)}
        for i, a in enumerate(alpha):
            for _ in range(a):
                grown: dict[Index, Exact] = {}
                for beta, x in partial.items():
                    for j in range(r):
                        if gram[i][j]:
                            key = (*beta[:j], beta[j] + 1, *beta[j + 1 :])
                            value = x * rational(gram[i][j])
                            grown[key] = grown[key] + value if key in grown else value
                partial = grown
        for beta, x in partial.items():
            total[beta] = total[beta] + x if beta in total else x
    # The number of arrangements of β is already in the sum over legs; contract with c_β.
    table = dict(terms)
    energy = sum((table[beta] * x for beta, x in total.items() if beta in table), start=rational(0))
    return energy / factorial(k)
