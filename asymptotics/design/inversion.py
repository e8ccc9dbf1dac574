"""How many samples a test error costs: a learning curve read the other way round.

The test error of the ridge fit as a function of alpha = n2/d need not fall everywhere (it peaks near interpolation), so
the curve is first laid out on a logarithmic grid and the first crossing is then bracketed and bisected.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from asymptotics.design.predictions import Predictions
from asymptotics.error_budget import UNKNOWN, ErrorBudget
from asymptotics.experiment.columns import coordinates, ordered
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.input_laws import InputLaw
from asymptotics.experiment.ridge_words import Regime
from asymptotics.experiment.settings import Network, Ridge, Training
from asymptotics.floating import own_floating_state
from asymptotics.generalisation.meaning import NO_PREDICTION, few_of
from asymptotics.json_values import plain_table
from asymptotics.results import Risk
from hermite.errors import InputError
from hermite.frozen import Frozen
from hermite.target import Target, as_target

SMALLEST, LARGEST = 1e-2, 1e4
"""The range of alpha that is searched: more samples change the error by about 1/LARGEST of itself."""
_GRID = 49
_PRECISION = 1e-6
"""Relative precision of alpha."""
_STEP = 1e-3
"""Relative step of the slope of the curve."""
_BELOW = 5e-6
"""By how much the error at the answer is below the one asked for, where it is measured (at most twice that)."""
_MEASURED, _CLOSE = 20, 1e-4
"""Measurements at most, and the relative distance of alphas where the measured error jumps over the one asked for."""


@dataclass(frozen=True, eq=False)
class SamplesNeeded(Frozen):
    """The answer of ``samples_needed``.

    ``alpha``   least n2/d at which the error is reached; None if it is not, and then ``reason`` says why
    ``n2``      alpha d, where the ridge has a d
    ``reached`` the test error there (at most the one asked for)
    ``stays``   whether the error stays there for every larger alpha that has a number (near interpolation it may rise again)
    ``limit``   the error of many samples at this width, alpha = ``LARGEST``; None where the theory has no number there
    ``error``   of alpha: that of the test error, read along the curve, and the bisection's; of ``limit`` if not reached;
                of the test error at the fewest samples looked at, and where alpha is None because it is not known to a
                factor of two
    ``plateau`` what no width gets below at n, p = Θ(d), label noise included; None if unknown
    ``warnings`` where the answer is outside what a theory of averages can mean: few samples or few neurons
    """

    test_error: float
    alpha: float | None
    n2: int | None
    reached: float | None
    stays: bool
    limit: float | None
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
        return plain_table(vars(self) | {"error": self.error.to_dict(), "reachable": self.reachable})


@own_floating_state
def samples_needed(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    *,
    test_error: float,
    accuracy: float | None = None,
    inputs: InputLaw | None = None,
) -> SamplesNeeded:
    """The least alpha = n2/d at which the ridge fit's test error (label noise included) is ``test_error``.

    Everything else is as ``risk`` has it, ``accuracy`` included: the error ``reached`` is that of ``risk`` at alpha.
    ``ridge.alpha`` is not used. An error that cannot be reached is an answer, with ``reason`` (the limit at this width, or
    the plateau). Raises ``InputError`` for a test error that is not a positive number, and where no theory answers.

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
    curve = _Curve(f, network, training, ridge, accuracy, inputs)
    last = curve.measure(LARGEST)
    limit = last if math.isfinite(last) else None
    alpha = _least_alpha(curve, float(test_error))
    if alpha is None:
        curve.refuse_unless_predicted()
        reason = _why(test_error, limit, curve.least, curve.plateau, f.noise)
        return SamplesNeeded(
            float(test_error), None, None, None, False, limit, curve.plateau, reason, curve.budget(LARGEST)
        )
    d, first = ridge.d, alpha <= SMALLEST
    error = curve.budget(alpha) if first else curve.error_of(alpha)
    if error.at_least >= NO_PREDICTION:
        reason = (
            f"No prediction: the test error is known to {100 * curve.budget(alpha).at_least:.2g} % and falls so slowly there "
            "that the samples that it needs are not known to a factor of two."
        )
        return SamplesNeeded(
            float(test_error), None, None, None, False, limit, curve.plateau, reason, curve.budget(alpha)
        )
    n2 = None if d is None else replace(ridge, alpha=alpha).n2(d)
    return SamplesNeeded(
        float(test_error), alpha, n2, curve.measure(alpha),
        all(error <= test_error for at, error in curve.laid_out() if at >= alpha and not curve.is_silent(at)),
        limit, curve.plateau,
        f"Reached already at alpha = {SMALLEST:g}, the fewest samples looked at." if first else "",
        error, (*_warnings(n2, network, ridge), *curve.silence_beyond(alpha)),
    )  # fmt: skip


def _least_alpha(curve: _Curve, wanted: float) -> float | None:
    """The least alpha whose measured error is at most ``wanted``; None if none is found.

    The curve without measurements, times the ratio measured so far, says where to measure next. Where the ratio jumps (a
    correction begins to be measured, one more batch is drawn) its crossing may lie outside of what was measured on either
    side: then halfway between.
    """
    low, high = 0.0, math.inf
    for _ in range(_MEASURED):
        errors = curve.laid_out()
        good = [error <= wanted for _, error in errors]
        if not any(good):
            best = min(errors, key=lambda point: point[1])[0]
            if curve.is_measured(best):
                break
            if curve.measure(best) <= wanted:
                high = min(high, best)
            continue
        first = good.index(True)
        before, alpha = errors[max(first - 1, 0)][0], errors[first][0]
        if first:
            # A touch below, so that the ratio at the answer may differ from that of its neighbours by rounding.
            aim = wanted if curve.is_plain else wanted * (1 - _BELOW)
            alpha = _bisect(partial(_reaches, curve, aim), before, alpha)
        bracketed = low > 0 and math.isfinite(high)
        if bracketed and not low < alpha < high:
            alpha = math.sqrt(low * high)
        elif curve.is_measured(alpha) and curve.measure(alpha) <= wanted:
            # The model cannot say more (n2 is a whole number).
            return alpha
        found = curve.measure(alpha)
        if found <= wanted:
            high = min(high, alpha)
            if first == 0 or curve.is_plain or found >= wanted * (1 - 2 * _BELOW):
                break
        elif alpha < high:
            low = max(low, alpha)
        if high <= low * (1 + _CLOSE):
            break
    return high if math.isfinite(high) else None


def _reaches(curve: _Curve, wanted: float, alpha: float) -> bool:
    return curve(alpha) <= wanted


def _warnings(n2: int | None, network: Network | None, ridge: Ridge) -> tuple[str, ...]:
    known = ridge.d is not None and not math.isinf(ridge.beta) and ridge.regime != Regime.FIXED_WIDTH
    p = ridge.p(ridge.d or 1, (network or Network()).is_symmetric) if known else None
    few = few_of(n2, p)
    return (few,) if few else ()


@own_floating_state
def inverted(
    experiment: Experiment, test_error: float, accuracy: float | None = None
) -> list[dict[str, object]]:
    """``samples_needed`` at every point of the experiment but its ridge alphas: one row each, settings first."""
    rows = {}
    for training, ridge in experiment.cells():
        point = coordinates(training, ridge) | {"d": ridge.d}
        del point["alpha"]
        key = tuple(point.values())
        if key not in rows:
            found = samples_needed(
                experiment.target,
                experiment.network,
                training,
                ridge,
                test_error=test_error,
                accuracy=accuracy,
                inputs=experiment.inputs,
            )
            rows[key] = ordered(point | found.to_dict())
    return list(rows.values())


class _Curve:
    """alpha → test error; infinite where there is no finite number (the peak of interpolation).

    ``curve(alpha)`` is the level without measurements times the ratio of ``risk`` to it, which is interpolated in ln alpha
    between the points that were measured (:meth:`measure`).
    """

    def __init__(
        self,
        f: Target,
        network: Network | None,
        training: Training | None,
        ridge: Ridge,
        accuracy: float | None,
        inputs: InputLaw | None = None,
    ) -> None:
        self._training, self._ridge = training or Training(steps=0), ridge
        self._predictions = Predictions(f, network or Network(), accuracy, inputs)
        self._measured: dict[float, Risk | None] = {}
        self._silent: set[float] = set()
        self._places, self._ratios = np.empty(0), np.empty(0)
        self._grid = [
            (float(alpha), self._level(float(alpha))) for alpha in np.geomspace(SMALLEST, LARGEST, _GRID)
        ]

    def __call__(self, alpha: float) -> float:
        return self._level(alpha) * self._ratio(alpha)

    def laid_out(self) -> list[tuple[float, float]]:
        """(alpha, error) on the grid, and where it was measured, by alpha."""
        found = {alpha: error * self._ratio(alpha) for alpha, error in self._grid}
        found |= {
            alpha: math.inf if risk is None else risk.test_error for alpha, risk in self._measured.items()
        }
        return sorted(found.items())

    @property
    def is_plain(self) -> bool:
        """Whether nothing that was measured differs from the level alone."""
        return bool(np.all(self._ratios == 1.0))

    @property
    def least(self) -> float:
        """The least error."""
        return min(error for _, error in self.laid_out())

    @property
    def plateau(self) -> float | None:
        """What no width gets below, if known."""
        return next((found.plateau for found in self._measured.values() if found is not None), None)

    def is_measured(self, alpha: float) -> bool:
        """Whether ``risk`` was asked there."""
        return alpha in self._measured

    def measure(self, alpha: float) -> float:
        """The test error of ``risk``."""
        if alpha not in self._measured:
            found = self._measured[alpha] = self._heard(self._predictions.whole, alpha)
            level = self._level(alpha)
            if found is not None and 0 < level < math.inf:
                place = int(np.searchsorted(self._places, math.log(alpha)))
                self._places = np.insert(self._places, place, math.log(alpha))
                self._ratios = np.insert(self._ratios, place, found.test_error / level)
        found = self._measured[alpha]
        return math.inf if found is None else found.test_error

    def _at(self, alpha: float) -> Ridge:
        return replace(self._ridge, alpha=alpha)

    def _level(self, alpha: float) -> float:
        found = self._heard(self._predictions.unmeasured, alpha)
        return math.inf if found is None else found.test_error

    def _heard(self, ask: Callable[[Training, Ridge], Risk | None], alpha: float) -> Risk | None:
        """What ``ask`` finds; where its error is as large as itself that is no infinite test error."""
        before = self._predictions.none
        found = ask(self._training, self._at(alpha))
        if found is None and self._predictions.none is not before:
            self._silent.add(alpha)
        return found

    def is_silent(self, alpha: float) -> bool:
        """Whether the theory has no number there."""
        return alpha in self._silent

    def silence_beyond(self, alpha: float) -> tuple[str, ...]:
        """That the theory has no number at some larger alpha."""
        later = [at for at in self._silent if at > alpha]
        if not later:
            return ()
        return (f"from alpha = {min(later):.2g} on the theory has no number: the error may rise again",)

    def _ratio(self, alpha: float) -> float:
        return float(np.interp(math.log(alpha), self._places, self._ratios)) if len(self._places) else 1.0

    def refuse_unless_predicted(self) -> None:
        """Raises the reason where no alpha has a number beyond its error."""
        if not math.isfinite(self.least) and self._predictions.none is not None:
            raise self._predictions.none

    def budget(self, alpha: float) -> ErrorBudget:
        """That of the test error at a measured alpha."""
        found = self._measured[alpha]
        return UNKNOWN if found is None else found.error

    def error_of(self, alpha: float) -> ErrorBudget:
        """Relative error of ``alpha``: that of the test error over the slope d ln E/d ln alpha, and the bisection's."""
        # n2 is a whole number.
        step = _STEP if self._ridge.d is None else max(_STEP, 2 / (alpha * self._ridge.d))
        here, moved = self(alpha), self(alpha * (1 + step))
        slope = abs(math.log(moved / here) / math.log1p(step)) if 0 < moved < math.inf else 0.0
        error = self.budget(alpha)
        parts = (error.quadrature, error.solver, error.theory)
        quadrature, solver, theory = (
            None if part is None or (slope == 0.0 and part > 0) else part / (slope or 1.0) for part in parts
        )
        stopped = _PRECISION if self.is_plain or slope == 0.0 else _PRECISION + 2 * _BELOW / slope
        return ErrorBudget(quadrature, None if solver is None else solver + stopped, theory)


def _bisect(reached: Callable[[float], bool], low: float, high: float) -> float:
    """The upper end of a bracket [low, high] of relative width ``_PRECISION``: reached at high, not at low."""
    while high > low * (1 + _PRECISION):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _why(wanted: float, limit: float | None, least: float, plateau: float | None, noise: float) -> str:
    if wanted < noise:
        return f"{wanted:g} is below the variance of the label noise, {noise:g}."
    if plateau is not None and wanted < plateau:
        return (
            f"{wanted:g} is below the plateau of {plateau:.4g}, which no number of samples n2 = Θ(d) and neurons p = Θ(d) "
            "passes: more giant steps, or n2 and p of a higher order, are needed."
        )
    if limit is None:
        return (
            f"The least error that the theory has a number for is {least:.4g}: a larger beta (or another lambda) is needed, or a "
            "simulation of more samples."
        )
    best = "falls to" if least >= limit else f"is least at {least:.4g} and tends to"
    return (
        f"At this width and penalty the error {best} {limit:.4g} with more samples: a larger beta (or another lambda) "
        "is needed."
    )
