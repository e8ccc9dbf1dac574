"""The join of theory and simulation: what was measured once, and rows of any theory beside it.

Measuring takes the time and predicting does not, so the two are apart: a wrong theory (a negative control) is
set beside the same measurements as the right one. A row has ``quantity``, the coordinates of its point, ``d``,
``theory`` (at the simulation's d), ``theory_limit`` (d → infinity, null if it has none), ``simulation``,
``sem``, ``replicates`` and ``validity``, and for the judge ``unit`` (points of one unit share their replicates), ``runs``
(the value of each replicate) and ``rounding`` (what rounding alone may change, in the units of the quantity).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from asymptotics.comparison.curves import CLASSES, Progress, beside, silent, simulated_risks, theory
from asymptotics.comparison.finite_size import sizes_below
from asymptotics.comparison.trajectories import measure, predict
from asymptotics.comparison.verdict import place
from asymptotics.experiment.columns import coordinates
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.settings import Ridge, Simulation, Training
from asymptotics.results import Overlaps, Risk, StepOverlaps
from hermite.errors import InputError

Row = dict[str, Any]


@dataclass(frozen=True)
class MeasuredRisk:
    """The measured errors at one point."""

    training: Training
    ridge: Ridge
    simulation: Simulation
    risk: Risk


@dataclass(frozen=True)
class MeasuredOverlaps:
    """The measured overlaps of one trajectory."""

    training: Training
    simulation: Simulation
    overlaps: Overlaps


Measured = MeasuredRisk | MeasuredOverlaps


@dataclass(frozen=True)
class Altered:
    """A theory at wrong settings: ``factor`` on the ``key`` of ``table``; ("", "", 1) is the right theory."""

    table: str = ""
    key: str = ""
    factor: float = 1.0

    def training(self, training: Training) -> Training:
        """``training`` as the theory is told."""
        if self.table != "training":
            return training
        return replace(training, **{self.key: self.factor * getattr(training, self.key)})

    def ridge(self, ridge: Ridge) -> Ridge:
        """``ridge`` as the theory is told."""
        return replace(ridge, alpha=self.factor * ridge.alpha) if self.table == "ridge" else ridge


def with_sizes(experiment: Experiment, count: int) -> Experiment:
    """``experiment`` simulated also at d/2, d/4, … (``count`` sizes in all), unless its file has several d.

    A width that stands in for "infinite" keeps its ratio to d: its own finite-size terms fall with those of d. A ridge that
    names the d of the file's simulation stands beside each size at its own.
    """
    sizes = sorted({s.d for s in experiment.simulations})
    if len(sizes) == 1:
        sizes = list(sizes_below(sizes[0], count, least=max(4, 2 * experiment.target.r)))
    largest = experiment.simulations[-1]
    ratio = largest.width / max(sizes)
    step = 2 if experiment.network.is_symmetric else 1
    widths = [max(step, step * round(ratio * d / step)) for d in sizes]
    return replace(
        experiment,
        simulations=tuple(replace(largest, d=d, width=w) for d, w in zip(sizes, widths, strict=True)),
        ridges=tuple(replace(q, d=None) if q.d == largest.d else q for q in experiment.ridges),
    )


def refuse_without_theory(experiment: Experiment) -> None:
    """``InputError`` where no theory covers the experiment: before hours of simulation, not after them.

    Each training is tried at the largest d, at one ridge after the other until one has a finite prediction.
    """
    largest = max(experiment.simulations, key=lambda s: s.d)
    if not experiment.has_ridge:
        for training in experiment.longest:
            predict(experiment, training, largest)
        return
    for training in experiment.trainings:
        reasons = (_untold(experiment, training, beside(ridge, largest)) for ridge in experiment.ridges)
        first = next(reasons)
        if first is not None and all(reason is not None for reason in reasons):
            raise InputError(first)


def _untold(experiment: Experiment, training: Training, ridge: Ridge) -> str | None:
    """Why no theory gives a finite number at one point; None where one does."""
    found = _predicted(experiment, training, ridge)
    return found if isinstance(found, str) else None


def _predicted(experiment: Experiment, training: Training, ridge: Ridge) -> Risk | str:
    """The finite prediction at one point, or why there is none."""
    try:
        found = theory(experiment, training, ridge)
    except InputError as error:
        return " ".join(error.problems)
    return found if math.isfinite(found.test_error) else found.validity_note


def measure_all(experiment: Experiment, progress: Progress = silent) -> list[Measured]:
    """Simulate every point: the ridge fit where the file has a [ridge] table, else the overlaps.

    Raises ``InputError`` for what makes no network before any is simulated.
    """
    from asymptotics.simulation.runner import job_for

    f, network, inputs = experiment.target, experiment.network, experiment.inputs
    if not experiment.has_ridge:
        for training in experiment.longest:
            for simulation in experiment.simulations:
                job_for(f, network, training, None, simulation, inputs=inputs)
        return list(_measure_overlaps(experiment, progress))
    units = list(experiment.units())
    for unit in units:
        job_for(f, network, unit.training, unit.ridge, unit.simulation, unit.steps, unit.lambdas, inputs)
    points: dict[tuple[object, ...], Measured] = {}
    for i, unit in enumerate(units):
        progress(f"simulating unit {i + 1} of {len(units)} (d = {unit.simulation.d})")
        for (training, ridge), found in simulated_risks(experiment, unit).items():
            point = MeasuredRisk(training, ridge, unit.simulation, found)
            points.setdefault(tuple(_coordinates(training, ridge, unit.simulation).values()), point)
    return list(points.values())


def _measure_overlaps(experiment: Experiment, progress: Progress) -> Iterator[Measured]:
    points = [(training, s) for training in experiment.longest for s in experiment.simulations]
    for i, (training, simulation) in enumerate(points):
        progress(f"simulating run {i + 1} of {len(points)} (d = {simulation.d})")
        yield MeasuredOverlaps(training, simulation, measure(experiment, training, simulation))


def joined(
    experiment: Experiment,
    measured: Sequence[Measured],
    altered: Altered = Altered(),
    limits: bool = True,
    left_out: list[str] | None = None,
) -> list[Row]:
    """The rows of the theory ``altered`` beside what was measured (see the module).

    Measured errors without a finite prediction have no row; ``left_out`` gets a sentence for each.
    """
    rows: list[Row] = []
    for point in measured:
        if isinstance(point, MeasuredRisk):
            predicted = _predicted(
                experiment,
                altered.training(point.training),
                beside(altered.ridge(point.ridge), point.simulation),
            )
            if isinstance(predicted, Risk):
                rows += _error_rows(experiment, point, predicted, altered, limits)
            elif left_out is not None:
                where = place(
                    {"quantity": "errors", **_coordinates(point.training, point.ridge, point.simulation)}
                )
                left_out.append(f"{where}: {predicted}")
        else:
            rows += _overlap_rows(experiment, point, altered, limits)
    return rows


def _coordinates(training: Training, ridge: Ridge, simulation: Simulation) -> Row:
    return coordinates(training, ridge) | {"d": simulation.d}


def _error_rows(
    experiment: Experiment, point: MeasuredRisk, predicted: Risk, altered: Altered, limits: bool
) -> Iterator[Row]:
    """Test and train error of one point beside what is predicted there."""
    training, ridge = altered.training(point.training), altered.ridge(point.ridge)
    limit = _or_none(lambda: theory(experiment, training, replace(ridge, d=None))) if limits else None
    energy = _energy(experiment)
    classes = CLASSES if point.risk.has_classes else ()
    for quantity in ("test_error", "train_error", *classes):
        if math.isnan(getattr(point.risk, quantity)):
            # Not measured: a user's own table need not have both.
            continue
        yield {
            "quantity": quantity,
            **_coordinates(point.training, point.ridge, point.simulation),
            "theory": getattr(predicted, quantity),
            "theory_limit": None if limit is None else getattr(limit, quantity),
            "simulation": getattr(point.risk, quantity),
            "sem": getattr(point.risk, f"{quantity}_sem"),
            "replicates": point.risk.replicates,
            "validity": predicted.validity,
            "error": predicted.error.to_dict(),
            "unit": (point.training.alpha, point.training.eta, point.ridge.alpha, point.ridge.beta),
            "runs": None if point.risk.runs is None else point.risk.runs[quantity],
            "rounding": _PRECISION * _between(getattr(predicted, quantity), energy),
        }


#: Relative precision of a network's output: a few roundings of single precision.
_PRECISION = 1e-6


def _energy(experiment: Experiment) -> float:
    """E y²: the error of a network that answers 0, the natural size of errors."""
    from asymptotics.learning.giant.low_orders import low_orders

    if experiment.target.has_classes:
        return 1.0
    return low_orders(experiment.target).energy + experiment.target.noise


def _overlap_rows(
    experiment: Experiment, point: MeasuredOverlaps, altered: Altered, limits: bool
) -> Iterator[Row]:
    """Risk, norms and overlaps of every entry after each step ≥ 1 of one trajectory."""
    many = experiment.network.width == "infinite"
    training = altered.training(point.training)
    energy = _energy(experiment)
    predicted = predict(experiment, training, point.simulation)
    limit = _or_none(lambda: predict(experiment, training)) if limits else None
    for i in range(1, len(predicted.steps)):
        step = predicted.steps[i].step
        at_limit = _at(limit, step, many)
        singles = _runs(point.overlaps.steps[i], many)
        sizes = _roundings(predicted.steps[i], energy, many)
        means = quantities(point.overlaps.steps[i], many)
        errors = quantities(_standard_errors(point.overlaps.steps[i]), many)
        for quantity, value in quantities(predicted.steps[i], many).items():
            fixed = errors.get(quantity) is not None and errors[quantity] <= sizes[quantity]
            if fixed and abs(means[quantity] - value) <= sizes[quantity]:
                # Fixed by the protocol, as the norm of a projected neuron: no test of anything.
                continue
            if quantity in means:
                budget = predicted.steps[i].risk_error if quantity == "risk" else predicted.steps[i].error
                yield {
                    "quantity": quantity,
                    "protocol": point.training.protocol,
                    "step": step,
                    "batch_exponent": point.training.batch_exponent,
                    "alpha_train": point.training.alpha,
                    "eta": point.training.eta,
                    "d": point.simulation.d,
                    "theory": value,
                    "theory_limit": at_limit.get(quantity),
                    "simulation": means[quantity],
                    "sem": errors[quantity],
                    "replicates": point.overlaps.replicates,
                    "validity": predicted.validity,
                    "error": budget.to_dict(),
                    "unit": (point.training.alpha, point.training.eta),
                    "runs": singles.get(quantity),
                    "rounding": sizes[quantity],
                }


def _at(limit: Overlaps | None, step: int, many: bool) -> dict[str, float]:
    """The quantities of a limit after so many steps; empty where it has no such row."""
    found = [] if limit is None else [one for one in limit.steps if one.step == step]
    return quantities(found[0], many) if found else {}


def quantities(step: StepOverlaps, many: bool) -> dict[str, float]:
    """``risk``, ``train_error`` (a reused batch), ``norm2[…]`` and ``M_m[…]`` for every direction m, from 1.

    […] is the neuron, from 1, at fixed width, and the readout for many neurons, where entries of one readout (nodes
    of the bias) are averaged. Readouts on quadrature nodes have no counterpart in a simulation.
    """
    named = {"risk": float(step.risk)}
    if step.train_error is not None:
        named["train_error"] = float(step.train_error)
    keys = [f"ã={a:.6g}" for a in step.readout] if many else [f"{g + 1}" for g in range(len(step.readout))]
    for key in dict.fromkeys(keys):
        member = np.array([k == key for k in keys])
        share = np.where(member, step.weight, 0.0) / np.sum(step.weight[member])
        named[f"norm2[{key}]"] = float(share @ step.norm2)
        named |= {f"M_{m + 1}[{key}]": float(share @ step.M[:, m]) for m in range(step.M.shape[1])}
    return named


def _runs(step: StepOverlaps, many: bool) -> dict[str, np.ndarray[Any, Any]]:
    """The values of single replicates by quantity; empty if they are not known."""
    if step.runs is None:
        return {}
    runs = step.runs
    train = runs.get("train_error", [None] * len(runs["risk"]))
    singles = [
        quantities(replace(step, risk=float(risk), train_error=error, norm2=norm2, M=m), many)
        for risk, error, norm2, m in zip(runs["risk"], train, runs["norm2"], runs["M"], strict=True)
    ]
    return {name: np.array([single[name] for single in singles]) for name in singles[0]}


def _between(error: float, energy: float) -> float:
    """The geometric mean; the product of two errors may overflow."""
    return math.sqrt(abs(error)) * math.sqrt(energy)


def _roundings(step: StepOverlaps, energy: float, many: bool) -> dict[str, float]:
    """What rounding alone may change of each quantity: M is at most ‖w‖ ‖w*‖."""
    size = np.sqrt(step.norm2)[:, None] * (np.ones(step.M.shape[1]) if step.lengths is None else step.lengths)
    train = None if step.train_error is None else _between(step.train_error, energy)
    risk = _between(step.risk, energy)
    natural = replace(step, risk=risk, train_error=train, norm2=step.norm2, M=size)
    return {name: _PRECISION * value for name, value in quantities(natural, many).items()}


def _standard_errors(step: StepOverlaps) -> StepOverlaps:
    """The same entries with standard errors in the place of means."""
    assert step.risk_sem is not None
    assert step.norm2_sem is not None
    assert step.M_sem is not None
    return replace(
        step, risk=step.risk_sem, train_error=step.train_error_sem, norm2=step.norm2_sem, M=step.M_sem
    )


def _or_none(compute: Callable[[], Any]) -> Any:
    """The d → infinity value, or None where there is none (a Gaussian readout, the finite regime)."""
    try:
        return compute()
    except InputError:
        return None


def at_largest(measured: Sequence[Measured]) -> list[Measured]:
    """What was measured at the largest d only."""
    most = max((point.simulation.d for point in measured), default=0)
    return [point for point in measured if point.simulation.d == most]
