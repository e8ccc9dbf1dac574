"""How many samples a test error costs: a learning curve read the other way round.

The test error of the ridge fit as a function of alpha = n2/d need not fall everywhere (it peaks near interpolation), so
the curve is first laid out on a logarithmic grid and the first crossing is then bracketed and bisected.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from asymptotics.experiment.columns import coordinates, ordered
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.settings import Network, Ridge, Training
from asymptotics.floating import own_floating_state
from asymptotics.json_values import plain
from asymptotics.results import UNKNOWN, ErrorBudget
from hermite.errors import ConvergenceError, InputError
from hermite.frozen import Frozen
from hermite.target import Target, as_target

SMALLEST, LARGEST = 1e-2, 1e4
"""The range of alpha that is searched: more samples change the error by about 1/LARGEST of itself."""
_GRID = 49
_PRECISION = 1e-6
"""Relative precision of alpha."""
_STEP = 1e-3
"""Relative step of the slope of the curve."""


@dataclass(frozen=True, eq=False)
class SamplesNeeded(Frozen):
    """The answer of ``samples_needed``.

    ``alpha``   least n2/d at which the error is reached; None if it is not, and then ``reason`` says why
    ``n2``      alpha d, where the ridge has a d
    ``reached`` the test error there (at most the one asked for)
    ``stays``   whether the error stays there for every larger alpha looked at (near interpolation it may rise again)
    ``limit``   the error of many samples at this width, alpha = ``LARGEST``
    ``error``   of alpha: that of the test error, read along the curve, and the bisection's
    ``plateau`` what no width gets below at n, p = Θ(d), label noise included; None if unknown
    ``warnings`` where the answer is outside what a theory of averages can mean: few samples or few neurons
    """

    test_error: float
    alpha: float | None
    n2: int | None
    reached: float | None
    stays: bool
    limit: float
    plateau: float | None
    reason: str = ""
    error: ErrorBudget = UNKNOWN
    warnings: tuple[str, ...] = ()

    @property
    def reachable(self) -> bool:
        """Whether some alpha reaches the error."""
        return self.alpha is not None

    def _repr_html_(self) -> str:
        from asymptotics.notebook import html_of

        keys = ("test_error", "alpha", "n2", "reached", "stays", "limit", "plateau", "reason", "warnings")
        return html_of("Samples needed", self.to_dict(), keys)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, equal to the command's JSON."""
        result: dict[str, Any] = plain(
            vars(self) | {"error": self.error.to_dict(), "reachable": self.reachable}
        )
        return result


@own_floating_state
def samples_needed(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    *,
    test_error: float,
) -> SamplesNeeded:
    """The least alpha = n2/d at which the ridge fit's test error (label noise included) is ``test_error``.

    Everything else is as ``risk`` has it; ``ridge.alpha`` is not used. An error that cannot be reached is an answer,
    with ``reason`` (the limit at this width, or the plateau). Raises ``InputError`` for a test error that is not a
    positive number, and where no theory answers.

    >>> from asymptotics import Ridge
    >>> from hermite import Target
    >>> found = samples_needed(Target("z1 + He2(z1)/2", noise=0.1), ridge=Ridge(beta=1.0, lam=0.1), test_error=1.5)
    >>> round(found.alpha, 2), samples_needed(Target("z1 + He2(z1)/2"), test_error=0.4).reason[:31]
    (2.89, '0.4 is below the plateau of 0.5')
    """
    if not (isinstance(test_error, (int, float)) and math.isfinite(test_error) and test_error > 0):
        raise InputError(f"test_error must be a positive number, not {test_error!r}.")
    ridge = ridge or Ridge()
    f = as_target(f)
    curve = _Curve(f, network, training, ridge)
    grid = np.geomspace(SMALLEST, LARGEST, _GRID)
    errors = [curve(float(alpha)) for alpha in grid]
    limit, plateau = errors[-1], curve.plateau
    good = [error <= test_error for error in errors]
    if not any(good):
        reason = _why(test_error, limit, min(errors), plateau, f.noise)
        return SamplesNeeded(float(test_error), None, None, None, False, limit, plateau, reason)
    first = good.index(True)
    alpha = _bisect(lambda a: curve(a) <= test_error, float(grid[max(first - 1, 0)]), float(grid[first]))
    d = ridge.d
    n2 = None if d is None else replace(ridge, alpha=alpha).n2(d)
    return SamplesNeeded(
        float(test_error), alpha, n2, curve(alpha), all(good[first:]), limit, plateau,
        "" if first else f"Reached already at alpha = {SMALLEST:g}, the fewest samples looked at.",
        curve.error_of(alpha) if first else UNKNOWN, _warnings(n2, network, ridge),
    )  # fmt: skip


def _warnings(n2: int | None, network: Network | None, ridge: Ridge) -> tuple[str, ...]:
    from asymptotics.generalisation.errors import few_of

    known = ridge.d is not None and not math.isinf(ridge.beta) and ridge.regime != "fixed-width"
    p = ridge.p(ridge.d or 1, (network or Network()).is_symmetric) if known else None
    few = few_of(n2, p)
    return (few,) if few else ()


@own_floating_state
def inverted(experiment: Experiment, test_error: float) -> list[dict[str, Any]]:
    """``samples_needed`` at every point of the experiment but its ridge alphas: one row each, settings first."""
    rows = {}
    for training, ridge in experiment.cells():
        point = coordinates(training, ridge) | {"d": ridge.d}
        del point["alpha"]
        key = tuple(point.values())
        if key not in rows:
            found = samples_needed(
                experiment.target, experiment.network, training, ridge, test_error=test_error
            )
            rows[key] = ordered(point | found.to_dict())
    return list(rows.values())


class _Curve:
    """alpha → test error; infinite where the solver did not converge (the peak of interpolation)."""

    def __init__(self, f: Target, network: Network | None, training: Training | None, ridge: Ridge) -> None:
        from asymptotics.caches import SetUps

        self._setting, self._ridge = (f, network or Network(), training), ridge
        self._kept = SetUps()
        self._error = UNKNOWN
        self.plateau: float | None = None

    def __call__(self, alpha: float) -> float:
        from asymptotics.generalisation.errors import risk_curve

        try:
            (found,) = risk_curve(*self._setting, [replace(self._ridge, alpha=alpha)], set_ups=self._kept)
        except ConvergenceError:
            return math.inf
        self.plateau, self._error = found.plateau, found.error
        return found.test_error

    def error_of(self, alpha: float) -> ErrorBudget:
        """Relative error of ``alpha``: that of the test error over the slope d ln E/d ln alpha, and the bisection's."""
        moved = self(alpha * (1 + _STEP))
        here = self(alpha)
        slope = abs(math.log(moved / here) / math.log1p(_STEP)) if 0 < moved < math.inf else 0.0
        parts = (self._error.quadrature, self._error.solver, self._error.theory)
        quadrature, solver, theory = (
            None if part is None or (slope == 0.0 and part > 0) else part / (slope or 1.0) for part in parts
        )
        return ErrorBudget(quadrature, None if solver is None else solver + _PRECISION, theory)


def _bisect(reached: Callable[[float], bool], low: float, high: float) -> float:
    """The upper end of a bracket [low, high] of relative width ``_PRECISION``: reached at high, not at low."""
    while high > low * (1 + _PRECISION):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _why(wanted: float, limit: float, least: float, plateau: float | None, noise: float) -> str:
    if wanted < noise:
        return f"{wanted:g} is below the variance of the label noise, {noise:g}."
    if plateau is not None and wanted < plateau:
        return (
            f"{wanted:g} is below the plateau of {plateau:.4g}, which no number of samples n2 = Θ(d) and neurons p = Θ(d) "
            "passes: more giant steps, or n2 and p of a higher order, are needed."
        )
    best = "falls to" if least >= limit else f"is least at {least:.4g} and tends to"
    return (
        f"At this width and penalty the error {best} {limit:.4g} with more samples: a larger beta (or another lambda) "
        "is needed."
    )
