"""When simulated online SGD leaves a random start: the reduced simulation, exact in law, of many replicates at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.blas import blas_threads, warn_of_threads
from asymptotics.experiment.settings import Network, Simulation, Training
from asymptotics.floating import own_floating_state
from asymptotics.json_values import plain_table
from asymptotics.learning.sgd.escape_laws import LEVELS
from asymptotics.learning.sgd.escape_times import refuse_unless_random
from asymptotics.learning.sgd.rates import rates_of
from asymptotics.simulation.job import Job
from asymptotics.simulation.online_reduced import OnlineReduced, OnlineStep
from hermite.frozen import Frozen
from hermite.target import Target, as_target

#: Steps that are simulated at most unless more are asked for.
MOST_STEPS = 200_000


@dataclass(frozen=True, eq=False)
class EscapeRuns(Frozen):
    """Steps at which replicates first had a neuron with ‖M_i‖ above ``threshold``; −1: not within ``last`` steps.

    ``per_time``  steps in a unit of s = N/d^max(leap − 1, 1)
    """

    steps: npt.NDArray[np.int64]
    last: int
    threshold: float
    d: int
    n_b: int
    per_time: float

    @property
    def escaped(self) -> int:
        """Replicates that were through within ``last`` steps."""
        return int(np.sum(self.steps >= 0))

    def quantile(self, level: float) -> float | None:
        """The quantile in the clock s; None where too few replicates were through."""
        times = np.sort(np.where(self.steps < 0, np.inf, self.steps.astype(float)))
        place = level * (len(times) - 1)
        low, high = times[int(np.floor(place))], times[int(np.ceil(place))]
        if not np.isfinite(high):
            return None
        return float(low + (place - np.floor(place)) * (high - low)) / self.per_time

    def mean_and_error(self) -> tuple[float | None, float | None]:
        """Mean in the clock s and its standard error; None unless every replicate is through (error: of one replicate)."""
        count = len(self.steps)
        if self.escaped < count:
            return None, None
        times = self.steps / self.per_time
        error = float(times.std(ddof=1) / np.sqrt(count)) if count > 1 else None
        return float(times.mean()), error

    def to_dict(self) -> dict[str, Any]:
        """``replicates, escaped, last, mean, mean_sem, sd, quantiles`` in the clock s, and the median in steps and samples."""
        mean, error = self.mean_and_error()
        median = self.quantile(0.5)
        return plain_table(
            {
                "method": "reduced",
                "replicates": len(self.steps),
                "escaped": self.escaped,
                "last_step": self.last,
                "mean": mean,
                "mean_sem": error,
                "sd": None if error is None else error * np.sqrt(len(self.steps)),
                "quantiles": {str(level): self.quantile(level) for level in LEVELS},
                "median_steps": None if median is None else median * self.per_time,
                "median_samples": None if median is None else median * self.per_time * self.n_b,
                "d": self.d,
            }
        )


@own_floating_state
def simulated_escape(
    f: Target | str,
    network: Network,
    training: Training,
    simulation: Simulation,
    *,
    last: int = MOST_STEPS,
) -> EscapeRuns:
    """Escape times of ``simulation.replicates`` runs at ``simulation.d``, any width, up to ``last`` steps.

    Raises ``InputError`` for settings that have no random start, or sizes that the reduced simulation does not cover.
    """
    target, d = as_target(f), simulation.d
    refuse_unless_random(network, training)
    rates = rates_of(target, network.get_activation(), training, d)
    assert rates.n_b is not None
    # The name of a unit holds neither its steps nor its replicates: more of them are the same runs, continued.
    job = Job(target, network, training, None, replace(simulation, method="reduced"), (0,), ())
    step = OnlineStep(rates.e, rates.n_b, training.loss == "correlation", training.projection)
    warn_of_threads(simulation.threads)
    with blas_threads(simulation.threads):
        runs = OnlineReduced([job.student(k) for k in range(simulation.replicates)], step)
        found = runs.first_above(training.threshold, last)
    return EscapeRuns(found, last, training.threshold, d, rates.n_b, rates.steps_per_time)
