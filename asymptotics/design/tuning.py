"""Optimal tuning: the step size and the ridge penalty of least predicted test error.

The penalty is cheap to vary (the features stay), the step size is not (each needs its own recursion): for every eta the
error is minimised over lambda, and the profile min_λ E(eta, λ) is searched on a logarithmic grid and then refined. That is
done at the level of the theory that measures nothing; around the optimum ``risk`` itself is asked, and the least that it
says there is the answer.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from asymptotics.design.minima import least_of, nearby_least, vertex
from asymptotics.design.predictions import Predictions
from asymptotics.error_budget import ErrorBudget
from asymptotics.experiment.columns import COORDINATES, coordinates, ordered
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.input_laws import InputLaw
from asymptotics.experiment.settings import Network, Ridge, Training
from asymptotics.floating import own_floating_state
from asymptotics.json_values import plain_table
from asymptotics.results import Risk
from hermite.errors import ConvergenceError, InputError
from hermite.frozen import Frozen
from hermite.target import Target, as_target

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Progress = Callable[[str], None]

#: An optimum is called flat where settings apart by this factor are within this share of the least error.
FLAT, FLAT_RANGE = 0.01, 30.0

#: Ranges that are searched.
LAMBDAS = (1e-6, 1e4)
ETAS = (1e-2, 1e2)
_PER_DECADE = 3
#: Relative accuracy of the optimal setting; the error is flat there, so it is far more accurate.
_ACCURACY = 1e-3
#: The same for class labels, whose fixed points take a hundred times as long as those of the square loss on values: the loss
#: at the least is still told to 1e-3 of itself.
_PER_DECADE_OF_CLASSES, _ACCURACY_OF_CLASSES = 1, 0.1
#: Of the least loss so far: where smaller penalties have more, still smaller ones are not tried. The readout of samples that a
#: plane all but separates grows there, its loss with it, and the time of a point.
_HOPELESS = 1.25
#: Around the optimum: the factor of a step, how often each setting is moved, and the relative gain that is none.
_FACTOR, _ROUNDS, _FLAT_ENOUGH = 1.5, 3, 1e-3


@dataclass(frozen=True, eq=False)
class Optimum(Frozen):
    """Where the predicted test error is least.

    ``lam``, ``eta``   the optimal setting (``eta`` None without giant steps)
    ``risk``           the prediction there, that of :func:`asymptotics.risk`
    ``curve``          rows {"eta", "lambda", "test_error", "train_error", "error", "measured"} of every setting that was tried:
                       ``measured`` where it is what ``risk`` says, else the level of the theory that draws no batches
    ``at_boundary``    names of settings that ended at the edge of their range: the optimum may lie beyond
    ``failures``       settings without a prediction (overflow of the step, no convergence), left out
    """

    lam: float
    eta: float | None
    risk: Risk
    curve: tuple[dict[str, Any], ...]
    over: tuple[str, ...]
    at_boundary: tuple[str, ...] = ()
    failures: int = 0

    @property
    def test_error(self) -> float:
        """The least test error, label noise included."""
        return self.risk.test_error

    @property
    def goal(self) -> str:
        """What is least at the optimum: the test "error", or for class labels the test "loss"."""
        return "error" if self.risk.test_loss is None else "loss"

    @property
    def error(self) -> ErrorBudget:
        """That of the least test error."""
        return self.risk.error

    @property
    def warnings(self) -> tuple[str, ...]:
        """Where the optimum says little: a test error that hardly depends on a setting."""
        said = []
        for key, name in (("eta", "eta"), ("lambda", "lam")):
            profile: dict[float, float] = {}
            for row in self.curve if name in self.over else ():
                if not row["measured"]:
                    value = row.get("test_loss", row["test_error"])
                    profile[row[key]] = min(value, profile.get(row[key], math.inf))
            least = min(profile.values(), default=math.inf)
            good = [x for x, error in profile.items() if error <= (1 + FLAT) * least]
            if good and max(good) >= FLAT_RANGE * min(good):
                said.append(
                    f"the test {self.goal} is within {100 * FLAT:g} % of its least value from {key} = {min(good):.2g} to "
                    f"{max(good):.2g}: the optimum is flat"
                )
        return tuple(said)

    def _repr_html_(self) -> str:
        from asymptotics.notebook import html_of

        keys = ("lambda", "eta", "test_error", "at_boundary", "failures", "warnings")
        return html_of("Least predicted test error", self.to_dict(), keys)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: the optimum, the prediction there, and the curve."""
        return plain_table(
            {
                "over": list(self.over),
                "lambda": self.lam,
                "eta": self.eta,
                "test_error": self.test_error,
                **_of_classes(self.risk),
                "error": self.error.to_dict(),
                "at_boundary": list(self.at_boundary),
                "warnings": list(self.warnings),
                "failures": self.failures,
                "risk": self.risk.to_dict(),
                "curve": list(self.curve),
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """The curve as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(list(self.curve))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Test error against the settings that were tried, the optimum marked; returns the Axes."""
        from asymptotics.figures.tuning_figure import plot_tuning

        return plot_tuning(self.to_dict(), ax)


@own_floating_state
def optimise(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    *,
    over: Sequence[str] = ("lam", "eta"),
    lambdas: tuple[float, float] = LAMBDAS,
    etas: tuple[float, float] = ETAS,
    accuracy: float | None = None,
    inputs: InputLaw | None = None,
) -> Optimum:
    """The ``lam`` and/or ``eta`` of least predicted test error (class labels: test loss); the other settings stay as given.

    ``lambdas``, ``etas``: ranges (low, high) of λ and of the dimensionless step size, both > 0. ``accuracy``: as in
    ``risk``, whose prediction the answer is; corrections that it measures are measured around the optimum only. Raises
    ``InputError`` for a bad range, for ``eta`` without giant steps, and wherever ``risk`` has no theory.

    >>> from hermite import Target
    >>> best = optimise(Target("z1", noise=0.1), ridge=Ridge(alpha=2.0), over=["lam"])
    >>> best.at_boundary
    ()
    """
    network, training, ridge = network or Network(), training or Training(steps=0), ridge or Ridge()
    wanted = _checked(over, training, {"lambdas": lambdas, "etas": etas})
    predictions = Predictions(as_target(f, classes=True), network, accuracy, inputs)
    search = _Search(predictions, training, ridge, "lam" in wanted, lambdas)
    if "eta" in wanted:
        eta, edge = search.least(search.profile, etas)
        edges = ["eta"] if edge else []
    else:
        eta, edges = training.eta, []
        search.profile(eta)
    found, lam, at_edge = search.best[eta]
    if at_edge:
        edges.append("lam")
    ranges = {"eta": etas, "lam": lambdas}
    around = {name: ranges[name] for name in wanted if name not in edges}
    whole, point = _measured_least(search, {"eta": eta, "lam": lam}, around)
    found, (eta, lam) = (found, (eta, lam)) if whole is None else (whole, (point["eta"], point["lam"]))
    return Optimum(
        lam=lam,
        eta=eta if training.steps else None,
        risk=found,
        curve=tuple(search.rows),
        over=wanted,
        at_boundary=tuple(edges),
        failures=search.failures,
    )


def _measured_least(
    search: _Search, start: dict[str, float], ranges: dict[str, tuple[float, float]]
) -> tuple[Risk | None, dict[str, float]]:
    """What ``risk`` says at the least that it says around ``start``, and where; None where it has no answer there.

    Where it says at ``start`` what the search said, nothing is measured, and the search was right. Else the parabola
    through three points in the logarithm of each of ``ranges`` says where to look next.
    """
    point, best = dict(start), search.whole(**start)
    if best is None or _goal(best) == _goal(search.best[start["eta"]][0]):
        return best, point
    for _ in range(_ROUNDS):
        before = _goal(best)
        for name, (low, high) in ranges.items():
            sides = [min(high, max(low, point[name] * factor)) for factor in (1 / _FACTOR, _FACTOR)]
            tried = {x: search.whole(**point | {name: x}) for x in sides}
            known = {point[name]: best} | {x: found for x, found in tried.items() if found is not None}
            if len(known) == 3:
                x = vertex(sorted((math.log(x), _goal(found)) for x, found in known.items()))
                x = min(high, max(low, math.exp(x)))
                found = search.whole(**point | {name: x})
                known |= {} if found is None else {x: found}
            point[name] = min(known, key=lambda x: _goal(known[x]))
            best = known[point[name]]
        if _goal(best) > before * (1 - _FLAT_ENOUGH):
            break
    return best, point


@own_floating_state
def tuned(
    experiment: Experiment, over: Sequence[str], accuracy: float | None = None
) -> list[dict[str, object]]:
    """The optimum of every cell of an experiment that differs in more than what is tuned, with its settings."""
    rows: dict[tuple[Training | None, Ridge], dict[str, object]] = {}
    for training, ridge in experiment.cells():
        steps = training if training.steps else None
        key = (
            None if steps is None else replace(steps, eta=1.0 if "eta" in over else steps.eta),
            replace(ridge, lam=0.0 if "lam" in over else ridge.lam),
        )
        if key in rows:
            continue
        best = optimise(
            experiment.target,
            experiment.network,
            training,
            ridge,
            over=over,
            accuracy=accuracy,
            inputs=experiment.inputs,
        )
        rows[key] = ordered(coordinates(training, ridge) | best.to_dict())
    return list(rows.values())


def to_csv(optima: Sequence[Mapping[str, Any]]) -> str:
    """One row a setting: ``kind`` is "optimum", "tried", or "measured" (with the corrections of ``risk``); null is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    fixed = [key for key in COORDINATES if key in optima[0] and key not in ("eta", "lambda")]
    writer.writerow(["kind", *fixed, "eta", "lambda", "test_error", "train_error", "error"])
    for cell in optima:
        best = {"eta": cell["eta"], "lambda": cell["lambda"], **cell["risk"], "error": cell["error"]}
        kinds = ("measured" if row["measured"] else "tried" for row in cell["curve"])
        for kind, row in [("optimum", best), *zip(kinds, cell["curve"], strict=True)]:
            numbers = [row[key] for key in ("eta", "lambda", "test_error", "train_error")]
            writer.writerow([kind, *(cell[key] for key in fixed), *numbers, row["error"]["total"]])
    return stream.getvalue()


def _checked(
    over: Sequence[str], training: Training, ranges: dict[str, tuple[float, float]]
) -> tuple[str, ...]:
    problems = []
    names = (over,) if isinstance(over, str) else tuple(over)
    if not names or any(name not in ("lam", "eta") for name in names):
        problems.append(f'over must name "lam", "eta" or both, not {over!r}.')
    for name, (low, high) in ranges.items():
        if not (0 < low < high < math.inf):
            problems.append(f"{name} must be a range 0 < low < high, not ({low!r}, {high!r}).")
    if problems:
        raise InputError(problems)
    if training.steps == 0 and "eta" in names:
        if tuple(names) == ("eta",):
            raise InputError('over = ("eta",) needs at least one giant step: training.steps is 0.')
        names = ("lam",)
    return tuple(dict.fromkeys(names))


class _Search:
    """Evaluates the theory, keeps every point that was tried, and the best penalty for each eta."""

    def __init__(
        self,
        predictions: Predictions,
        training: Training,
        ridge: Ridge,
        tune_lambda: bool,
        lambdas: tuple[float, float],
    ) -> None:
        self.predictions, self.training, self.ridge = predictions, training, ridge
        self.tune_lambda, self.lambdas = tune_lambda, lambdas
        self.rows: list[dict[str, Any]] = []
        self.best: dict[float, tuple[Risk, float, bool]] = {}
        self.failures = 0
        self.reason: Exception | None = None
        #: Whether a point is costly: few are asked for, penalties around those of the step size before.
        self.costly = predictions.f.has_classes

    def least(
        self,
        function: Callable[[float], float],
        bounds: tuple[float, float],
        hopeless: float = math.inf,
        near: float | None = None,
    ) -> tuple[float, bool]:
        """The minimum over ``bounds``, and whether it is at the edge; searched ``near`` a guess first, if there is one."""
        if not self.costly:
            return least_of(function, bounds, _PER_DECADE, _ACCURACY)
        if near is not None:
            found = nearby_least(function, near, bounds, _ACCURACY_OF_CLASSES)
            if found is not None:
                return found, False
        return least_of(function, bounds, _PER_DECADE_OF_CLASSES, _ACCURACY_OF_CLASSES, 5, hopeless, few=True)

    def profile(self, eta: float) -> float:
        """min over λ of the test error at this eta (inf where there is no prediction)."""
        tried: dict[float, Risk] = {}

        def error(lam: float) -> float:
            found = self._evaluate(eta, lam)
            if found is None:
                return math.inf
            tried[lam] = found
            return _goal(found)

        if self.tune_lambda:
            near = next((lam for _, lam, edge in reversed(self.best.values()) if not edge), None)
            lam, edge = self.least(error, self.lambdas, _HOPELESS, near)
        else:
            lam, edge = self.ridge.lam, False
            error(lam)
        if lam not in tried:
            if self.reason is not None and not self.best:
                raise self.reason
            return math.inf
        self.best[eta] = (tried[lam], lam, edge)
        return _goal(tried[lam])

    def whole(self, eta: float, lam: float) -> Risk | None:
        """What ``risk`` says, measured corrections included; None where it has no answer."""
        return self._evaluate(eta, lam, self.predictions.whole)

    def _evaluate(
        self, eta: float, lam: float, predicted: Callable[[Training, Ridge], Risk | None] | None = None
    ) -> Risk | None:
        ask = predicted or self.predictions.unmeasured
        try:
            found = ask(replace(self.training, eta=eta), replace(self.ridge, lam=lam))
        except InputError as error:
            self.failures, self.reason = self.failures + 1, error
            return None
        if found is None:
            self.failures += 1
            self.reason = self.reason or self.predictions.none
            self.reason = self.reason or ConvergenceError(
                f"no finite test error at eta = {eta:g}, lambda = {lam:g}"
            )
            return None
        row = {"eta": eta if self.training.steps else None, "lambda": lam}
        errors = {"test_error": found.test_error, "train_error": found.train_error} | _of_classes(found)
        self.rows.append(row | errors | {"error": found.error.to_dict(), "measured": predicted is not None})
        return found


def _goal(found: Risk) -> float:
    """What tuning makes least: the test error, or for class labels the mean loss of the fit on new samples."""
    return found.test_error if found.test_loss is None else found.test_loss


def _of_classes(found: Risk) -> dict[str, float]:
    if found.test_loss is None or found.classification_error is None:
        return {}
    return {"test_loss": found.test_loss, "classification_error": found.classification_error}
