"""The leap report of a callable: coefficients by quadrature, spaces by singular values, all marked "numerical".

A coefficient counts as zero below ``TOLERANCE`` times the root mean square of the target or 20 times the difference of
two quadrature rules, whichever is larger: a statement about numbers, never a proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hermite.engines.sampled import SampledEngine

if TYPE_CHECKING:
    from hermite.target import Target

TOLERANCE = 1e-6
Array = NDArray[np.float64]


def analyse(f: Target, level: int) -> dict[str, Any]:
    """All fields of a :class:`hermite.indices.report.LeapReport` but the names; see :func:`hermite.indices.analysis.analyse`."""
    order = max(6 if f.r <= 3 else 4, level)
    scale = float(np.sqrt(SampledEngine(f).total_energy()))
    rows = gradients(f, np.zeros((0, f.r)), order, scale)
    spans = [span_of(rows[k], f.r) for k in range(1, order + 1)]
    relevant = span_of(np.concatenate([rows[k] for k in range(1, order + 1)]), f.r)
    total, flags, used = np.zeros((0, f.r)), [], []
    for span in spans:
        if len(total) == len(relevant):
            break
        total = span_of(np.concatenate([total, span]), f.r)
        flags.append(len(total))
        used.append(span)
    index = next((k for k, span in enumerate(used, start=1) if len(span)), None)
    leap_span = used[index - 1] if index else np.zeros((0, f.r))
    steps = climb(f, level, order, scale, len(relevant))
    leading = climb(f, level, order, scale, len(relevant), leading=True)
    levels: list[int] = []
    for k in range(1, order + 1):
        if not len(relevant) or (levels and levels[-1] == len(relevant)):
            break
        levels.append(len(climb(f, k, order, scale, len(relevant))[-1]))
    unit = np.eye(f.r)
    return {
        "relevant_dim": len(relevant),
        "relevant_subspace": strings(relevant),
        "information_exponent": index,
        "leap_index": index,
        "leap_span": strings(leap_span),
        "per_coordinate_leap": tuple(
            next((k for k, s in enumerate(used, start=1) if np.linalg.norm(s @ e) > 1e-6), None) for e in unit
        ),
        "flag_dims": tuple(flags),
        "staircase": {
            "dims": tuple(len(s) for s in steps),
            "subspaces": tuple(strings(s) for s in steps),
            "leading_dims": tuple(len(s) for s in leading),
            "complete": len(steps[-1]) == len(relevant),
            "coordinates": tuple(s.tolist() for s in steps),
        },
        "hard_directions": strings(outside(relevant, steps[-1])),
        "beyond_one_step": strings(outside(relevant, leap_span)),
        "isotropic_leap": len(levels) if levels and levels[-1] == len(relevant) else None,
        "closure_dims_by_level": tuple(levels),
        "leap_coordinates": None,
        "exactness": "numerical",
        "reason": f"quadrature up to order {order}; below {TOLERANCE:g} of the target's size counts as zero",
        "warnings": [] if index else ["the target is constant as far as the quadrature sees"],
    }


def gradients(f: Target, learned: Array, order: int, scale: float) -> dict[int, Array]:
    """{k: rows in z-coordinates whose span is that of the order-k tensors given z_U}; U has orthonormal rows."""
    frame = np.concatenate([learned, complement(learned, f.r)])
    table = SampledEngine(f, frame).table(order)
    cut = max(TOLERANCE * scale, 20 * max(error for _, error in table.values()))
    k_u = len(learned)
    rows: dict[int, dict[tuple[int, ...], Array]] = {k: {} for k in range(1, order + 1)}
    for alpha, (c, _) in table.items():
        k = sum(alpha[k_u:])
        if k == 0 or abs(c) <= cut:
            continue
        for i in range(k_u, f.r):
            if alpha[i]:
                key = (*alpha[:i], alpha[i] - 1, *alpha[i + 1 :])
                rows[k].setdefault(key, np.zeros(f.r))[i] += c
    return {k: np.array(list(found.values())).reshape(-1, f.r) @ frame for k, found in rows.items()}


def span_of(rows: Array, r: int) -> Array:
    """Orthonormal basis of the row space; singular values below 1e-5 of the largest count as zero."""
    if not len(rows):
        return np.zeros((0, r))
    sizes = np.linalg.norm(rows, axis=1, keepdims=True)
    _, values, vt = np.linalg.svd(rows / np.where(sizes > 0, sizes, 1.0), full_matrices=False)
    return np.asarray(vt[values > 1e-5 * max(values[0], 1e-300)])


def complement(rows: Array, r: int) -> Array:
    """Orthonormal basis of the orthogonal complement of orthonormal ``rows``."""
    if not len(rows):
        return np.eye(r)
    return np.asarray(np.linalg.svd(rows)[2][len(rows) :])


def outside(space: Array, part: Array) -> Array:
    """The part of ``space`` orthogonal to its subspace ``part``."""
    rest = space - space @ part.T @ part
    return span_of(rest[np.linalg.norm(rest, axis=1) > 1e-5], space.shape[1])


def climb(
    f: Target, level: int, order: int, scale: float, goal: int, *, leading: bool = False
) -> list[Array]:
    """Orthonormal bases of U_0 ⊂ U_1 ⊂ … at n = Θ(d^level) a step."""
    spaces = [np.zeros((0, f.r))]
    while len(spaces[-1]) < goal:
        rows = gradients(f, spaces[-1], order, scale)
        grown = spaces[-1]
        for k in range(1, level + 1):
            grown = span_of(np.concatenate([grown, rows[k]]), f.r)
            if leading and len(grown) > len(spaces[-1]):
                break
        if len(grown) == len(spaces[-1]):
            break
        spaces.append(grown)
    return spaces


def strings(rows: Array) -> list[list[str]]:
    """Reduced row-echelon form, rounded to 8 digits."""
    matrix = rows.copy()
    pivot = 0
    for column in range(matrix.shape[1] if len(matrix) else 0):
        if pivot == len(matrix):
            break
        best = pivot + int(np.argmax(np.abs(matrix[pivot:, column])))
        if abs(matrix[best, column]) < 1e-6:
            continue
        matrix[[pivot, best]] = matrix[[best, pivot]]
        matrix[pivot] /= matrix[pivot, column]
        others = [i for i in range(len(matrix)) if i != pivot]
        matrix[others] -= np.outer(matrix[others, column], matrix[pivot])
        pivot += 1
    return [[f"{round(float(x), 8) + 0.0:.10g}" for x in row] for row in matrix]
