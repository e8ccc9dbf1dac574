"""One fixed-point solver for the whole library: x = g(x), with an honest residual.

The residual is that of the *undamped* map, over all order parameters, scaled block by block:

    residual(x) = max over blocks b of  max_{i in b} |g_i(x) − x_i| / max_{i in b} (|g_i(x)|, |x_i|).

Three methods: ``plain`` iteration, ``anderson`` mixing (:mod:`asymptotics.anderson`), and ``newton`` with a
numerical Jacobian, whose iterates decrease monotonically when g is monotone and concave and the start lies above
the fixed point (Ortega & Rheinboldt 1970, §13.3). ``auto`` runs Anderson first and Newton from its own safe start
after it, because Anderson alone may stall near a singular point or leave the physical region.
Every loop is bounded; a solver that did not converge raises ``ConvergenceError`` unless ``throw=False``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from asymptotics.anderson import Checks, Maps, mixed, residuals
from hermite.errors import ConvergenceError, InputError
from hermite.frozen import Frozen

Array = npt.NDArray[np.float64]
Map = Callable[[Array], Array]
Check = Callable[[Array], bool]

METHODS = ("auto", "plain", "anderson", "newton")


class Status(Enum):
    """Why a solver stopped; the value is a sentence that says what to do."""

    CONVERGED = "Converged."
    BUDGET = (
        "The fixed point was not reached within the evaluations allowed: choose a larger regularisation, or settings that "
        "make its equations milder."
    )
    STALLED = (
        "The residual stopped decreasing above the tolerance: choose a larger regularisation, or settings that make the "
        "equations milder."
    )
    UNPHYSICAL = (
        "The iteration left the physical region: start from a safe point, or follow the solution down from a larger "
        "regularisation."
    )
    ROUGH = (
        "The integrals did not reach the accuracy asked for: take the error that is stated, fewer steps, or a smaller "
        "training.eta."
    )


@dataclass(frozen=True, eq=False)
class Solution(Frozen):
    """Where a solver stopped: ``value`` x, its undamped scaled ``residual``, and the ``iterations`` (map evaluations).

    ``amplification``: how much larger the error of x may be than the residual, |(I − g')⁻¹|; None if not estimated.
    A recursion (:func:`stepped`) has steps for iterations, and the error of its integrals for a residual.
    """

    status: Status
    residual: float
    iterations: int
    method: str
    value: Array = field(default_factory=lambda: np.empty(0), repr=False)
    amplification: float | None = None

    @property
    def converged(self) -> bool:
        """Whether the residual is within the tolerance at a physical point."""
        return self.status is Status.CONVERGED

    @property
    def error_of_a_response(self) -> float | None:
        """Relative error of what is read from x by one more linear response: residual times amplification, twice."""
        return None if self.amplification is None else self.residual * self.amplification**2

    @property
    def message(self) -> str:
        """What happened, and what to do about it."""
        return self.status.value


def stepped(steps: int, error: float, accuracy: float, method: str = "recursion") -> Solution:
    """What ``steps`` explicit steps reached whose integrals have the relative ``error``, where ``accuracy`` was asked."""
    status = Status.CONVERGED if error <= accuracy else Status.ROUGH
    return Solution(status, residual=error, iterations=steps, method=method)


@dataclass
class _Counter:
    """Counts the evaluations of ``g`` and knows how to scale its residual."""

    g: Map
    blocks: tuple[slice, ...]
    limit: int
    calls: int = 0

    def __call__(self, x: Array) -> Array:
        self.calls += 1
        return self.g(x)

    @property
    def spent(self) -> bool:
        return self.calls >= self.limit

    def residual(self, x: Array, gx: Array) -> float:
        return float(residuals(x[None], gx[None], self.blocks)[0])


def solve(
    g: Map,
    start: npt.ArrayLike,
    *,
    method: str = "auto",
    physical: Check | None = None,
    newton_start: npt.ArrayLike | None = None,
    blocks: Sequence[slice] | None = None,
    tol: float = 1e-12,
    max_evaluations: int = 5000,
    anderson_steps: int = 80,
    throw: bool = True,
) -> Solution:
    """Solve x = g(x) from ``start`` (m,).

    ``physical``        tells whether a point is admissible (an inadmissible candidate is replaced by a plain step);
    ``newton_start``    a point above the solution for the monotone Newton phase (default: ``start``);
    ``blocks``          slices of x that are scaled together in the residual (default: all of x);
    ``anderson_steps``  how long ``auto`` tries Anderson before Newton.

    Raises ``InputError`` for an unknown method and ``ConvergenceError`` (with ``.solution``) if the residual stays
    above ``tol``, unless ``throw`` is false.

    >>> import numpy as np
    >>> round(float(solve(np.cos, [1.0]).value[0]), 9)
    0.739085133
    """
    if method not in METHODS:
        raise InputError(f"method {method!r} is unknown: choose one of {', '.join(METHODS)}.")
    x = np.atleast_1d(np.asarray(start, dtype=float))
    counter = _Counter(g, tuple(blocks) if blocks is not None else (slice(None),), max_evaluations)
    check = physical if physical is not None else _always
    if method == "plain":
        solution = _plain(counter, x, check, tol)
    elif method == "anderson":
        solution = _anderson(counter, x, check, tol, max_evaluations)
    elif method == "newton":
        solution = _newton(counter, x, check, tol)
    else:
        solution = _anderson(counter, x, check, tol, anderson_steps)
        if not solution.converged:
            above = x if newton_start is None else np.atleast_1d(np.asarray(newton_start, dtype=float))
            solution = _newton(counter, above, check, tol)
    if throw and not solution.converged:
        raise ConvergenceError(
            f"{solution.message} (residual {solution.residual:.2e} after {solution.iterations} evaluations)",
            solution,
        )
    return solution


#: A ρ this near to 1 is 1: what finite differences know of it. Unknowns that are multiples of others start there.
_ROUNDING = 1e-6


def amplification(g: Map, solution: Solution, blocks: Sequence[slice], probes: int = 4) -> float | None:
    """1/(1 − ρ), ρ the largest |(g'v)_i|/|v_i| after some steps v ← g'v from v = x.

    For a monotone map g' ≥ 0 and every step bounds its spectral radius from above (Collatz–Wielandt); for others this is
    an estimate. None where the map does not contract.
    """
    return amplifications(lambda x, _: g(x[0])[None], solution.value[None], blocks, probes)[0]


def amplifications(g: Maps, x: Array, blocks: Sequence[slice], probes: int = 4) -> list[float | None]:
    """:func:`amplification` of many maps side by side at their fixed points x (P, m)."""
    size = np.abs(x)
    for block in blocks:
        size[:, block] = np.maximum(
            size[:, block], 1e-6 * size[:, block].max(axis=1, initial=0.0, keepdims=True)
        )
    size[size == 0.0] = 1.0
    active = np.arange(len(x))
    image, v = g(x, active), x.copy()
    rho = np.full(len(x), math.inf)
    for _ in range(probes):
        span = np.abs(v / size[active]).max(axis=1, initial=0.0)
        h = (1e-6 / np.maximum(span, 1e-300))[:, None]
        v = (g(x[active] + h * v, active) - image[active]) / h
        grown = np.abs(v / size[active]).max(axis=1) / span
        finite = np.isfinite(v).all(axis=1)
        # None of a map that is no number beside its fixed point.
        rho[active] = np.where(finite, np.minimum(rho[active], grown), math.inf)
        on = finite & (rho[active] >= 1.0 - _ROUNDING)
        active, v = active[on], v[on]
        if not len(active):
            break
    return [1.0 / (1.0 - one) if one < 1.0 - _ROUNDING else None for one in rho.tolist()]


def continuation(family: Callable[[float], Map], parameters: Iterable[float], start: npt.ArrayLike) -> Array:
    """Follow the fixed point of ``family(t)`` along ``parameters``, each solution starting the next.

    Returns the point at the last parameter; an intermediate failure is passed over (the best point starts the next),
    since only the solve that follows the continuation is answered for.
    """
    x = np.atleast_1d(np.asarray(start, dtype=float))
    for parameter in parameters:
        x = solve(family(parameter), x, throw=False, tol=1e-6).value
    return x


def _always(_: Array) -> bool:
    return True


def _solution(
    counter: _Counter, x: Array, gx: Array, check: Check, tol: float, method: str, why: Status
) -> Solution:
    residual = counter.residual(x, gx)
    status = why
    if residual <= tol:
        status = Status.CONVERGED if check(gx) else Status.UNPHYSICAL
        x = gx
    return Solution(status, residual, counter.calls, method, x)


def _plain(counter: _Counter, x: Array, check: Check, tol: float) -> Solution:
    """x ← g(x) until the residual is below ``tol`` or the budget is spent."""
    gx = counter(x)
    while counter.residual(x, gx) > tol and not counter.spent and np.all(np.isfinite(gx)):
        x, gx = gx, counter(gx)
    return _solution(counter, x, gx, check, tol, "plain", Status.BUDGET)


def _anderson(counter: _Counter, x: Array, check: Check, tol: float, steps: int) -> Solution:
    """One point of :func:`asymptotics.anderson.mixed`."""
    found = mixed(
        lambda points, _: counter(points[0])[None],
        x[None],
        lambda points, _: np.array([check(one) for one in points], bool),
        counter.blocks,
        tol=tol,
        steps=steps,
        evaluations=counter.limit - counter.calls,
    )
    return _solution(counter, found.x[0], found.image[0], check, tol, "anderson", Status.BUDGET)


def solve_many(
    g: Maps,
    start: Array,
    physical: Checks,
    blocks: Sequence[slice],
    *,
    tol: float = 1e-12,
    evaluations: int = 80,
) -> list[Solution]:
    """Anderson mixing of many points (P, m) side by side, each as :func:`solve` does it.

    ``g`` and ``physical`` also take which of them they are asked for.
    """
    found = mixed(g, start, physical, blocks, tol=tol, steps=evaluations, evaluations=evaluations)
    reached = found.residual <= tol
    admissible = physical(found.image, np.arange(len(found.x))) & reached
    values = np.where(reached[:, None], found.image, found.x)
    solutions = []
    for i, value in enumerate(values):
        status = Status.UNPHYSICAL if reached[i] else Status.BUDGET
        if admissible[i]:
            status = Status.CONVERGED
        size, used = float(found.residual[i]), int(found.evaluations[i])
        solutions.append(Solution(status, size, used, "anderson", value))
    return solutions


def _newton(counter: _Counter, x: Array, check: Check, tol: float, steps: int = 200) -> Solution:
    """Newton for g(x) − x with forward differences; the step is halved while it leaves the physical region.

    Stops as stalled when the residual is small but no longer decreases: rounding has been reached.
    """
    gx = counter(x)
    best_x, best_gx, best = x, gx, counter.residual(x, gx)
    since_best = 0
    why = Status.BUDGET
    for _ in range(steps):
        if best <= tol or counter.spent or not np.all(np.isfinite(gx)):
            break
        slope = jacobian(counter, x, gx, counter.blocks)
        try:
            step = np.linalg.solve(np.eye(len(x)) - slope, gx - x)
        except np.linalg.LinAlgError:
            step = gx - x
        fraction = 1.0
        while not check(x + fraction * step) and fraction > 1e-6:
            fraction *= 0.5
        x = x + fraction * step if fraction > 1e-6 else gx
        gx = counter(x)
        residual = counter.residual(x, gx)
        since_best = 0 if residual < best else since_best + 1
        if residual < best:
            best_x, best_gx, best = x, gx, residual
        if since_best >= 8:
            why = Status.STALLED
            break
    return _solution(counter, best_x, best_gx, check, tol, "newton", why)


def jacobian(g: Map, x: Array, gx: Array, blocks: Sequence[slice]) -> Array:
    """Forward differences of g at x, (m, m); the increment is relative to each component's block."""
    slope = np.empty((len(x), len(x)))
    for i, moved in enumerate(_moved(x, blocks)):
        slope[:, i] = (g(moved) - gx) / (moved[i] - x[i])
    return slope


def jacobian_at_once(g: Map, x: Array, blocks: Sequence[slice]) -> Array:
    """:func:`jacobian` of a map that takes many points along a leading axis."""
    moved = _moved(x, blocks)
    images = g(np.concatenate([x[None], moved]))
    slope: Array = (images[1:] - images[0]).T / (np.diag(moved) - x)
    return slope


def _moved(x: Array, blocks: Sequence[slice]) -> Array:
    """x (m, m) with one component moved in every row."""
    size = np.empty(len(x))
    for block in blocks:
        size[block] = np.abs(x[block]).max(initial=0.0)
    size[size == 0.0] = 1.0
    moved: Array = x + np.diag(1e-7 * np.maximum(np.abs(x), 1e-3 * size))
    return moved
