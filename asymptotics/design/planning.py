"""The best schedule for a budget of samples: how many giant steps, how the samples are split, eta, lambda, width.

For every number of steps the predicted test error, its stated error added, is minimised over the share of the samples that
the steps use, the rate, the penalty and the width: first on a coarse grid, then by moving one setting at a time in ever
smaller factors. That is done at the level of the theory that measures nothing; what is told of the best of each is ``risk``
itself, with its error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from asymptotics.design.predictions import Predictions
from asymptotics.design.schedules import FEWEST, FEWEST_NEURONS, LARGEST_ERROR, Budget, Schedule
from asymptotics.experiment.settings import Network
from asymptotics.floating import own_floating_state
from asymptotics.json_values import plain_table
from hermite.errors import InputError
from hermite.frozen import Frozen
from hermite.target import Target, as_target

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str], None]

#: Giant steps that are looked at by default.
MOST_STEPS = 3
_MOST_MEANT, _LARGEST = 10, 10**12
#: Of d^leap, samples from which on a batch of that order is worth a word.
_PART = 0.1
#: The coarse grid: shares of the samples for the steps, rates, penalties.
_SHARES, _ETAS, _LAMBDAS = (0.2, 0.5, 0.8), (0.3, 1.0, 3.0), (1e-3, 1e-2, 0.1, 1.0, 10.0)
#: First factors of a move of (share, eta, lambda, p), in logarithms; halved so often.
_MOVES, _HALVINGS = (0.8, 0.7, 1.5, 0.7), 3
#: To which what is told of a schedule is measured, relative to its error.
_ACCURACY = 0.03
#: Parts of a rate that are measured too where the search cannot be trusted.
_SMALLER = (0.7, 0.5)
#: Where eta and lambda end.
_RANGES = ((math.log(1e-2), math.log(1e2)), (math.log(1e-8), math.log(1e6)))


@dataclass(frozen=True, eq=False)
class Plan(Frozen):
    """Schedules of one budget, the best of every number of steps.

    ``best``       the least predicted test error, its stated error added (``Schedule.at_most``)
    ``schedules``  the best of each number of steps, best first
    ``reasons``    (kind of schedule, why it is not among them)
    """

    samples: int
    d: int
    width: int
    schedules: tuple[Schedule, ...]
    reasons: tuple[tuple[str, str], ...] = ()

    @property
    def best(self) -> Schedule:
        return self.schedules[0]

    @property
    def runner_up(self) -> Schedule | None:
        """The best schedule of another number of steps."""
        return self.schedules[1] if len(self.schedules) > 1 else None

    @property
    def one_more(self) -> Schedule | None:
        """The best schedule of one step more than the winner; None where none is meant."""
        more = [one for one in self.schedules if one.steps == self.best.steps + 1]
        return more[0] if more else None

    @property
    def decided(self) -> bool | None:
        """Whether winner and runner-up differ by more than the stated errors of both; None without a runner-up."""
        if self.runner_up is None:
            return None
        other = self.runner_up
        return other.test_error - (other.at_most - other.test_error) > self.best.at_most

    @property
    def at_boundary(self) -> bool:
        """Whether the winner has the largest width that was allowed."""
        return self.best.p >= self.width - self.width % 2

    def to_dict(self) -> dict[str, Any]:
        """Plain data: budget, ``best``, ``runner_up``, ``one_more``, ``decided``, and all ``schedules``."""
        told = {
            name: None if one is None else one.to_dict()
            for name, one in (
                ("best", self.best),
                ("runner_up", self.runner_up),
                ("one_more", self.one_more),
            )
        }
        return plain_table(
            {
                "samples": self.samples,
                "d": self.d,
                "width": self.width,
                **told,
                "decided": self.decided,
                "at_boundary": self.at_boundary,
                "schedules": [one.to_dict() for one in self.schedules],
                "reasons": dict(self.reasons),
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """The schedules as a pandas DataFrame, least error first."""
        import pandas as pd

        return pd.DataFrame([one.to_dict() for one in self.schedules])

    def _repr_html_(self) -> str:
        from asymptotics.notebook import html_table

        keys = ("steps", "n", "n2", "p", "eta", "lambda", "test_error")
        rows = ([one.to_dict()[key] for key in keys] for one in self.schedules)
        return html_table(f"{self.samples} samples, d = {self.d}", [*keys], rows)

    def __repr__(self) -> str:
        from asymptotics.text.plans import plan_text

        return plan_text(self.to_dict())


@own_floating_state
def plan(
    f: Target | str,
    *,
    samples: int,
    d: int,
    network: Network | None = None,
    max_steps: int = MOST_STEPS,
    max_width: int | None = None,
    accuracy: float | None = None,
    progress: Progress = lambda _: None,
) -> Plan:
    """The schedule of least predicted test error for ``samples`` samples in dimension ``d``.

    All steps of a schedule have equally large fresh batches of n = Θ(d) samples; what they leave is for the ridge fit.
    ``max_width``: neurons at most (default 4 d); ``accuracy``: as in :func:`asymptotics.risk`, of what is told (0.03). Raises
    ``InputError`` for a budget that no theory of averages is about, and where no schedule has a prediction known to within
    10 %.

    >>> found = plan("z1", samples=2000, d=100, max_steps=1)
    >>> found.best.samples <= 2000
    True
    """
    f, network = as_target(f), network or Network()
    width = 4 * d if max_width is None else max_width
    _check(samples, d, max_steps, width, f)
    budget = Budget(samples, d, width)
    predictions = Predictions(f, network, accuracy)
    measured = Predictions(f, network, _ACCURACY if accuracy is None else accuracy)
    found: list[Schedule] = []
    most, reasons = _useful_steps(f, max_steps, samples, d)
    start: tuple[float, ...] | None = None
    for steps in range(most + 1):
        name = f"{steps} giant step" + "s" * (steps != 1)
        progress(f"schedules of {name}")
        try:
            one, start = _best(budget, predictions, steps, start)
            if steps:
                # At the best of many settings what the level leaves out is much of what is left: it is measured, whatever
                # is expected.
                one = budget.schedule(measured, steps, start, measured=True) or one
        except InputError as error:
            reasons.append((name, " ".join(error.problems)))
            continue
        found.append(one)
    if not found:
        raise InputError([f"{name}: {reason}" for name, reason in reasons])
    return Plan(samples, d, width, tuple(sorted(found, key=lambda one: one.at_most)), tuple(reasons))


def _check(samples: object, d: object, max_steps: object, width: object, f: Target) -> None:
    problems = []
    for name, value, least, most in (
        ("samples", samples, FEWEST, _LARGEST),
        ("d", d, max(2, f.r), _LARGEST),
        ("max_steps", max_steps, 0, _MOST_MEANT),
        ("max_width", width, FEWEST_NEURONS, _LARGEST),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            problems.append(f"{name} must be a whole number from {least} to {most:,}, not {value!r}.")
    if problems:
        raise InputError(problems)


def _useful_steps(f: Target, max_steps: int, samples: int, d: int) -> tuple[int, list[tuple[str, str]]]:
    """How many steps of n = Θ(d) are looked at, and why fewer than asked for.

    Where no direction has leap 1 they learn nothing as d grows; what a step does at one d is then noise, which the
    predictions of the fit know to leading order only.
    """
    from hermite.indices.report import leap

    index = leap(f).leap_index
    if index == 1 or not max_steps:
        return max_steps, []
    if not isinstance(index, int):
        return 0, [
            ("giant steps", "no direction of the target is known to be learned by steps of n = Θ(d) samples.")
        ]
    reason = f"the target has leap {index}: steps of n = Θ(d) samples learn nothing of it."
    if samples >= _PART * d**index:
        reason += (
            f" {samples:,} samples are enough for one batch of the order d^{index}, which is not searched: compare with "
            f"giantstep curve and training.batch_exponent = {index}."
        )
    return 0, [("giant steps", reason)]


def _best(
    budget: Budget, predictions: Predictions, steps: int, start: tuple[float, ...] | None
) -> tuple[Schedule, tuple[float, ...]]:
    """The best schedule of one kind, and its place; raises ``InputError`` with the reason where there is none.

    ``start``: the best place of the kind before, from which the search begins too.
    """
    reason = budget.refusal(steps)
    if reason is not None:
        raise InputError(f"{reason}.")
    known: dict[tuple[float, ...], float] = {}
    refused: list[InputError] = []

    def error(place: tuple[float, ...]) -> float:
        if place not in known:
            try:
                one = budget.schedule(predictions, steps, place)
            except InputError as failure:
                refused.append(failure)
                one = None
            known[place] = math.inf if one is None else one.at_most
        return known[place]

    width = math.log(budget.width)
    shares: tuple[float, ...] = _SHARES if steps else (0.5,)
    etas: tuple[float, ...] = _ETAS if steps else (1.0,)
    # Of many steps every training takes long: the search goes on from where fewer steps ended.
    if start is not None and steps > 2:
        shares, etas = (), ()
    grid: list[tuple[float, ...]] = [
        (math.log(share / (1 - share)), math.log(eta), math.log(lam), width)
        for share, eta, lam in product(shares, etas, _LAMBDAS)
    ]
    grid += [] if start is None else [start]
    place = min(grid, key=error)
    if not math.isfinite(error(place)):
        if refused:
            raise refused[0]
        raise InputError(
            f"with batches and a fit of at least {FEWEST} samples each (and batches few beside d^2) no prediction is known to "
            f"within {100 * LARGEST_ERROR:g} %."
        )
    place = _descend(error, place, (bool(steps), bool(steps), True, True), width)
    return _told(budget, predictions, steps, place)


def _told(
    budget: Budget, predictions: Predictions, steps: int, place: tuple[float, ...]
) -> tuple[Schedule, tuple[float, ...]]:
    """What is told of the best place, and where: with what was measured.

    Where that is above what the search saw by more than its stated error, the search was led astray, which happens at large
    rates: smaller ones are measured too, and the best of them is told.
    """
    searched, whole = (budget.schedule(predictions, steps, place, measured=m) for m in (False, True))
    assert searched is not None
    if whole is None or not steps or whole.at_most <= searched.at_most:
        return whole or searched, place
    found = [(whole, place)]
    for factor in _SMALLER:
        there = _moved(place, 1, math.log(factor), math.log(budget.width))
        one = budget.schedule(predictions, steps, there, measured=True)
        found += [] if one is None else [(one, there)]
    return min(found, key=lambda pair: pair[0].at_most)


def _descend(
    error: Callable[[tuple[float, ...]], float],
    place: tuple[float, ...],
    free: tuple[bool, ...],
    width: float,
) -> tuple[float, ...]:
    """The least error that moves of one setting at a time lead to, each move halved ``_HALVINGS`` times."""
    # Penalty and width are cheap to move, share and eta need a training each: the cheap ones go first.
    order = [k for k in (2, 3, 1, 0) if free[k]]
    for halving in range(_HALVINGS + 1):
        moved = True
        while moved:
            moved = False
            for k in order:
                for sign in (1, -1):
                    there = _moved(place, k, sign * _MOVES[k] / 2**halving, width)
                    # Gains of rounding lead nowhere.
                    while there != place and error(there) < error(place) * (1 - 1e-5):
                        place, moved = there, True
                        there = _moved(place, k, sign * _MOVES[k] / 2**halving, width)
    return place


def _moved(place: tuple[float, ...], k: int, by: float, width: float) -> tuple[float, ...]:
    low, high = ((-4.0, 4.0), *_RANGES, (math.log(FEWEST_NEURONS), width))[k]
    value = round(min(max(place[k] + by, low), high), 9)
    return (*place[:k], value, *place[k + 1 :])
