"""The leap report of a callable: every coefficient judged by its own error, all marked "numerical".

With e the error of c (see :mod:`hermite.engines.sampled`) and s = (E f²)^½ √α!: c is not zero if |c| > 2 e, zero if
|c| + e ≤ ``TOLERANCE`` s (by how it was integrated), and undecided otherwise. Ranks likewise: rows are weighed by their own
errors. What is undecided and matters is None in the report, with the reason. Nothing is proved.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, factorial, log10, prod, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hermite.engines import sampled_engine
from hermite.exact.exactness import Exactness
from hermite.indices.found_indices import Found, FoundSteps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hermite.target import Target

#: Below this part of the target's size a coefficient counts as zero.
TOLERANCE = {"quadrature": 1e-5, "sampling": 1e-2}
#: Coefficients that are looked at, at most: many directions are followed to lower orders.
_COEFFICIENTS = 2000
#: The order that more than three directions are followed to where order 4 leaves the answer undecided.
_HIGHER = 6
Array = NDArray[np.float64]
#: Rows that one order shows, and whether nothing else of it is undecided.
Span = tuple[Array, bool]


def analyse(f: Target, level: int) -> Found:
    """All that a :class:`hermite.indices.report.LeapReport` says but the names; see :func:`hermite.indices.analysis.analyse`."""
    found = Numbers(f, _order(f, max(6 if f.r <= 3 else 4, min(level, 8))), level).found()
    if found.exactness == Exactness.UNDECIDED and f.r > 3:
        # Many directions: higher orders are dear, and looked at where the lower ones do not tell.
        return Numbers(f, _order(f, max(_HIGHER, min(level, 8))), level).found()
    return found


def _order(f: Target, wanted: int) -> int:
    """``wanted``, or the largest order below it of few enough coefficients."""
    while comb(wanted + f.r, f.r) > _COEFFICIENTS:
        wanted -= 1
    return wanted


@dataclass(frozen=True, eq=False)
class _Reach:
    """What all orders together show: ``relevant`` rows, dimensions by order, and whether nothing outside them matters."""

    relevant: Array
    flags: tuple[int, ...]
    whole: bool

    @property
    def goal(self) -> int | None:
        """The dimension of the relevant space; None where it is undecided."""
        return len(self.relevant) if self.whole else None


@dataclass(frozen=True, eq=False)
class _Course:
    """The staircase, that of the leading order alone, and whether it ends in the relevant space (None: undecided)."""

    steps: tuple[Array, ...]
    leading: tuple[Array, ...]
    complete: bool | None

    def told(self, off: float) -> FoundSteps:
        """As a report has it."""
        return FoundSteps(
            dims=tuple(len(s) for s in self.steps),
            subspaces=tuple(strings(s, off) for s in self.steps),
            leading_dims=tuple(len(s) for s in self.leading),
            complete=self.complete,
            coordinates=tuple(s.tolist() for s in self.steps),
        )


class Numbers:
    """The tensors of one callable in its ``unit`` with their errors, and what they say of spaces."""

    def __init__(self, f: Target, order: int, level: int) -> None:
        self.f, self.order, self.level = f, order, level
        self.engine = sampled_engine(f)
        table = self.engine.table_in_unit(order)
        self.size = sqrt(max(self.engine.energy_in_unit(order)[0], 0.0))
        self.tolerance = TOLERANCE[self.engine.method(order)]
        self.tensors, self.errors = _tensors(table, f.r, order)
        self.doubts: list[str] = []
        #: By what the directions that were seen may be off (the sine of an angle).
        self.off = 0.0

    def turned(self, frame: Array, degree: int) -> list[tuple[tuple[int, ...], float, float]]:
        """(α, c_α, its error) of |α| = ``degree`` in the coordinates y = frame z."""
        tensor, off = _turned(self.tensors[degree], self.errors[degree], frame)
        return [
            (alpha, float(tensor[index]), float(off[index])) for alpha, index in _indices(self.f.r, degree)
        ]

    def rows(
        self, learned: Array, orders: range, sees: Callable[[int], bool] | None = None
    ) -> tuple[Array, bool]:
        """(rows in z-coordinates that orders k of ``orders`` show outside U, weighed by their errors; whether all is decided)."""
        r, inside = self.f.r, len(learned)
        frame = np.concatenate([learned, complement(learned, r)])
        found: dict[tuple[int, ...], Array] = {}
        errors: dict[tuple[int, ...], Array] = {}
        decided = True
        for total in range(1, self.order + 1):
            if sees is not None and not sees(total):
                continue
            for alpha, c, e in self.turned(frame, total):
                k = sum(alpha[inside:])
                if k not in orders:
                    continue
                s = self.size * sqrt(prod(map(factorial, alpha)))
                if abs(c) <= 2 * e or abs(c) <= 1e-13 * s:
                    decided &= abs(c) + e <= self.tolerance * s
                    continue
                for i in range(inside, r):
                    if alpha[i]:
                        key = (*alpha[:i], alpha[i] - 1, *alpha[i + 1 :])
                        found.setdefault(key, np.zeros(r))[i] += c
                        errors.setdefault(key, np.zeros(r))[i] += e
        weighed = [row / (np.max(errors[key]) + 1e-13 * np.linalg.norm(row)) for key, row in found.items()]
        return np.array(weighed).reshape(-1, r) @ frame, decided

    def grown(
        self, learned: Array, orders: range, sees: Callable[[int], bool] | None = None
    ) -> tuple[Array, bool]:
        """U + what ``orders`` show, and whether nothing else is undecided."""
        rows, decided = self.rows(learned, orders, sees)
        rest = rows - rows @ learned.T @ learned
        if not len(rest):
            return learned, decided
        _, values, vt = np.linalg.svd(rest, full_matrices=False)
        # Each weighed row is off by a vector of length at most √r.
        noise = sqrt(self.f.r * len(rest))
        seen = values > max(3 * noise, 1e-9 * values[0])
        # Wedin's theorem.
        self.off = max(self.off, noise / float(np.min(values[seen], initial=np.inf)))
        return np.concatenate([learned, vt[seen]]), decided

    def climb(self, level: int, *, leading: bool = False) -> tuple[list[Array], bool]:
        """U_0 ⊂ U_1 ⊂ … at n = Θ(d^level) a step, and whether its end is decided."""
        spaces, decided = [np.zeros((0, self.f.r))], True
        while len(spaces[-1]) < self.f.r:
            grown, sure = spaces[-1], True
            for k in range(1, min(level, self.order) + 1):
                grown, known = self.grown(spaces[-1], range(1, k + 1))
                sure &= known
                if leading and len(grown) > len(spaces[-1]):
                    break
            if len(grown) == len(spaces[-1]):
                decided = sure
                break
            spaces.append(grown)
        return spaces, decided

    def depends_outside(self, space: Array) -> bool:
        """Whether f changes when its coordinates outside ``space`` are drawn anew."""
        points, values = self.engine.sample
        x = points[0]
        inside = x @ space.T @ space
        other = points[1] - points[1] @ space.T @ space
        change = float(np.sqrt(np.mean((self.engine.values(inside + other) - values[0]) ** 2)))
        return change > 10 * self.tolerance * max(self.size, 1e-300)

    def _leap(self, spans: Sequence[Span]) -> int | None:
        """The first order that is seen, None if there is none or one below it is undecided."""
        for k, (span, decided) in enumerate(spans, start=1):
            if len(span):
                return k if decided or all(sure for _, sure in spans[: k - 1]) else None
            if not decided:
                self.doubts.append(f"order {k} is not told from zero: its error is above the tolerance")
                return None
        return None

    def found(self) -> Found:
        none = np.zeros((0, self.f.r))
        spans = [self.grown(none, range(k, k + 1)) for k in range(1, self.order + 1)]
        index = self._leap(spans)
        reach = self._reach(spans)
        course = self._course(reach)
        levels, isotropic = self._levels(reach.goal)
        off = self.off
        undecided = course.complete is None or not reach.whole or (index is None and reach.goal != 0)
        ends = reach.whole and course.complete is not None
        return Found(
            exactness=Exactness.UNDECIDED if undecided else Exactness.NUMERICAL,
            reason="; ".join([*dict.fromkeys(self.doubts if undecided else ()), self._how()]),
            relevant_dim=reach.goal,
            relevant_subspace=strings(reach.relevant, off) if reach.whole else None,
            information_exponent=index,
            leap_index=index,
            leap_span=_leap_span(spans, index, reach, off),
            per_coordinate_leap=self._coordinates(spans),
            flag_dims=reach.flags if reach.whole else None,
            staircase=course.told(off) if len(reach.relevant) or reach.whole else FoundSteps(),
            hard_directions=strings(outside(reach.relevant, course.steps[-1]), off) if ends else None,
            beyond_one_step=_beyond_one_step(spans, index, reach, off),
            isotropic_leap=isotropic,
            closure_dims_by_level=levels,
            warnings=("the target is constant as far as the quadrature sees",) if reach.goal == 0 else (),
        )

    def _how(self) -> str:
        """How coefficients were integrated, and which count as zero."""
        return (
            f"{self.engine.method(self.order)} up to order {self.order}; a coefficient is zero below {self.tolerance:g} of the "
            "target's size where its own error is smaller"
        )

    def _reach(self, spans: Sequence[Span]) -> _Reach:
        """The relevant space; doubts where a part of it may be missing."""
        r = self.f.r
        relevant, flags = self._flag(spans)
        decided = all(sure for _, sure in spans) or len(relevant) == r
        hidden = len(relevant) < r and self.depends_outside(relevant)
        if hidden and len(relevant):
            self.doubts.append(f"the target changes along directions that no order up to {self.order} shows")
        elif hidden:
            self.doubts.append(
                f"the target is not constant, but no order up to {self.order} is told from zero"
            )
        elif not decided:
            self.doubts.append("some coefficients are neither zero nor not, by their own errors")
        # Nothing hidden: a whole space has no outside, and what was looked at there did not matter.
        return _Reach(relevant, tuple(_cut(flags)), whole=not hidden)

    def _flag(self, spans: Sequence[Span]) -> tuple[Array, list[int]]:
        """(the space that orders 1..k show together, its dimension for each k), until it is everything.

        The rows of all orders are put to one rank: each order's own span is off by its errors, and a sum of them too large.
        """
        relevant, dims = np.zeros((0, self.f.r)), []
        for k, (span, _) in enumerate(spans, start=1):
            together, _ = self.grown(np.zeros((0, self.f.r)), range(1, k + 1))
            relevant = max((together, relevant, span), key=len)
            dims.append(len(relevant))
            if len(relevant) == self.f.r:
                break
        return relevant, dims

    def _course(self, reach: _Reach) -> _Course:
        """The staircase at the level asked for; a doubt where it is not known whether it ends in the relevant space."""
        steps, sure = self.climb(self.level)
        leading, _ = self.climb(self.level, leading=True)
        complete: bool | None = None
        if reach.goal is not None and len(steps[-1]) >= reach.goal:
            complete = True
        elif sure and reach.whole:
            complete = False
        if complete is None and len(reach.relevant):
            self.doubts.append("where the staircase ends")
        return _Course(tuple(steps), tuple(leading), complete)

    def _levels(self, goal: int | None) -> tuple[tuple[int, ...] | None, int | None]:
        """(dimensions of the closures at level 1, 2, …, the isotropic leap); None where undecided."""
        dims: list[int] = []
        for level in range(1, self.order + 1):
            if goal is None or goal == 0 or (dims and dims[-1] == goal):
                break
            spaces, sure = self.climb(level)
            if len(spaces[-1]) < goal and not sure:
                return None, None
            dims.append(min(len(spaces[-1]), goal))
        if goal is None:
            return None, None
        return tuple(dims), len(dims) if dims and dims[-1] == goal else None

    def _coordinates(self, spans: Sequence[Span]) -> tuple[int | None, ...]:
        """First order that sees each axis; None where there is none, or one below is undecided."""
        out: list[int | None] = []
        for i in range(self.f.r):
            first = next(
                (k for k, (span, _) in enumerate(spans, 1) if len(span) and np.abs(span[:, i]).max() > 1e-4),
                None,
            )
            sure = first is not None and all(known for _, known in spans[: first - 1])
            out.append(first if sure else None)
        return tuple(out)


def _indices(r: int, k: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """(α, one place of it in the tensor) for |α| = k."""
    from itertools import combinations_with_replacement

    return [(tuple(c.count(i) for i in range(r)), c) for c in combinations_with_replacement(range(r), k)]


def _tensors(
    table: dict[tuple[int, ...], tuple[float, float]], r: int, order: int
) -> tuple[list[Array], list[Array]]:
    """C_k and the errors of its entries, k = 0..order."""
    from itertools import product

    tensors, errors = [], []
    for k in range(order + 1):
        value, error = np.zeros((r,) * k), np.zeros((r,) * k)
        for index in product(range(r), repeat=k):
            value[index], error[index] = table[tuple(index.count(i) for i in range(r))]
        tensors.append(value)
        errors.append(error)
    return tensors, errors


def _turned(tensor: Array, error: Array, frame: Array) -> tuple[Array, Array]:
    """The tensor in the coordinates y = frame z, and what each entry may be off by."""
    size = np.abs(frame)
    for _ in range(tensor.ndim):
        tensor = np.tensordot(tensor, frame, axes=(0, 1))
        error = np.tensordot(error, size, axes=(0, 1))
    return tensor, error


def _leap_span(spans: Sequence[Span], index: int | None, reach: _Reach, off: float) -> list[list[str]] | None:
    """The span of C_leap; nothing of a constant, None where the leap is undecided."""
    if index:
        return strings(spans[index - 1][0], off)
    return [] if reach.goal == 0 else None


def _beyond_one_step(
    spans: Sequence[Span], index: int | None, reach: _Reach, off: float
) -> list[list[str]] | None:
    """What of the relevant space is orthogonal to the span of C_leap; None where either is undecided."""
    if not reach.whole or not (index or reach.goal == 0):
        return None
    span = spans[index - 1][0] if index else np.zeros((0, reach.relevant.shape[1]))
    return strings(outside(reach.relevant, span), off)


def _cut(flags: list[int]) -> list[int]:
    """The flag up to the order at which it stops growing."""
    last = next((i for i, dim in enumerate(flags) if dim == flags[-1]), 0)
    return flags[: last + 1] if flags and flags[-1] else []


def joined(a: Array, b: Array) -> Array:
    """Orthonormal basis of the sum of two spaces; directions closer than 10^-4 are one."""
    rest = b - b @ a.T @ a
    if not len(rest):
        return a
    _, values, vt = np.linalg.svd(rest, full_matrices=False)
    return np.concatenate([a, vt[values > 1e-4]])


def complement(rows: Array, r: int) -> Array:
    """Orthonormal basis of the orthogonal complement of orthonormal ``rows``; axes where they fit."""
    basis = list(rows)
    for axis in np.eye(r):
        rest = axis - sum((b * (b @ axis) for b in basis), start=np.zeros(r))
        if np.linalg.norm(rest) > 1e-2 and len(basis) < r:
            rest /= np.linalg.norm(rest)
            rest -= sum((b * (b @ rest) for b in basis), start=np.zeros(r))
            basis.append(rest / np.linalg.norm(rest))
    return np.array(basis[len(rows) :]).reshape(-1, r)


def outside(space: Array, part: Array) -> Array:
    """The part of ``space`` orthogonal to its subspace ``part``, of as many dimensions as are left: both are off by errors."""
    _, _, vt = np.linalg.svd(space - space @ part.T @ part, full_matrices=False)
    return vt[: max(len(space) - len(part), 0)]


def strings(rows: Array, off: float) -> list[list[str]]:
    """Reduced row-echelon form of orthonormal ``rows`` whose entries may be off by ``off``: with the digits that are sure.

    A pivot is above its error. One digit at least, eight at most.

    >>> strings(np.array([[0.8, 0.6, 0.001], [0.0, 0.001, 1.0]]), 0.01)
    [['1', '0.75', '0'], ['0', '0', '1']]
    """
    digits = min(max(int(-log10(off)), 1), 8) if off else 8
    matrix = rows.copy()
    pivot = 0
    for column in range(matrix.shape[1] if len(matrix) else 0):
        if pivot == len(matrix):
            break
        best = pivot + int(np.argmax(np.abs(matrix[pivot:, column])))
        if abs(matrix[best, column]) <= max(off, 1e-6):
            continue
        matrix[[pivot, best]] = matrix[[best, pivot]]
        matrix[pivot] /= matrix[pivot, column]
        others = [i for i in range(len(matrix)) if i != pivot]
        matrix[others] -= np.outer(matrix[others, column], matrix[pivot])
        pivot += 1
    return [[f"{round(float(x), digits) + 0.0:.10g}" for x in row] for row in matrix]
