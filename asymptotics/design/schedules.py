"""A schedule: how a budget of samples is spent on giant steps and on the ridge fit, and what the theory says of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from asymptotics.design.predictions import Predictions
from asymptotics.error_budget import ErrorBudget
from asymptotics.experiment.settings import Ridge, Training
from asymptotics.json_values import plain_table
from asymptotics.results import Risk
from hermite.errors import ConvergenceError
from hermite.frozen import Frozen

#: Fewer samples in a step or in the fit, or fewer neurons, are not the many that a theory of averages is about.
FEWEST, FEWEST_NEURONS = 30, 10
#: A batch of so large a share of d² learns what steps of n = Θ(d) are not meant to.
LARGEST_BATCH = 0.25
#: Predictions whose stated error is larger say too little to choose by.
LARGEST_ERROR = 0.1


@dataclass(frozen=True, eq=False)
class Schedule(Frozen):
    """One way to spend the samples.

    ``steps``     giant steps, each on ``n`` fresh samples at ``eta`` (null without steps); n is of the order of d
    ``n2``, ``p`` samples of the ridge fit, and neurons; ``lam`` its penalty
    ``risk``      the prediction of :func:`asymptotics.risk`, with its error
    """

    steps: int
    n: int | None
    eta: float | None
    n2: int
    p: int
    lam: float
    d: int
    risk: Risk

    @property
    def test_error(self) -> float:
        """The predicted test error, label noise included."""
        return self.risk.test_error

    @property
    def error(self) -> ErrorBudget:
        """Of the test error, relative to it."""
        return self.risk.error

    @property
    def at_most(self) -> float:
        """The predicted test error and its stated error: what schedules are compared by.

        At large rates predictions know less, and the least of many predictions is that which errs most to the good side.
        """
        return self.test_error * (1 + (self.error.total or 0.0))

    @property
    def samples(self) -> int:
        """All that are used."""
        return self.steps * (self.n or 0) + self.n2

    @property
    def training(self) -> Training:
        """As :func:`asymptotics.risk` and the simulators take it."""
        if not self.steps:
            return Training(steps=0)
        return _training(self.steps, int(self.n or 0), float(self.eta or 0.0), self.d)

    @property
    def ridge(self) -> Ridge:
        """As :func:`asymptotics.risk` and the simulators take it."""
        return Ridge(alpha=self.n2 / self.d, beta=self.p / self.d, lam=self.lam, d=self.d)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, with the ratios that an experiment file takes."""
        return plain_table(
            {
                "steps": self.steps,
                "n": self.n,
                "n2": self.n2,
                "p": self.p,
                "alpha_train": self.training.alpha if self.steps else None,
                "eta": self.eta,
                "alpha": self.n2 / self.d,
                "beta": self.p / self.d,
                "lambda": self.lam,
                "samples": self.samples,
                "test_error": self.test_error,
                "test_error_at_most": self.at_most,
                "train_error": self.risk.train_error,
                "error": self.error.to_dict(),
                "solver": self.risk.solver,
                "validity": self.risk.validity,
                "validity_note": self.risk.validity_note,
            }
        )


def _training(steps: int, n: int, eta: float, d: int) -> Training:
    return Training(steps=steps, alpha=n / d, eta=eta)


@dataclass(frozen=True)
class Budget:
    """``samples`` in dimension ``d``, at most ``width`` neurons; p is even: neurons come in pairs."""

    samples: int
    d: int
    width: int

    def schedule(
        self,
        predictions: Predictions,
        steps: int,
        place: tuple[float, ...],
        measured: bool = False,
    ) -> Schedule | None:
        """The schedule at ``place`` = (logit of the share of the steps, log eta, log lambda, log p), or None.

        None where a count is too small or a batch too large for what the theory means, where it has no finite number, or
        where its stated error is above ``LARGEST_ERROR`` (``measured``: what was measured is told, however large its error).
        Without steps the first two numbers do not matter.
        """
        logit, log_eta, log_lam, log_p = place
        share = 1 / (1 + math.exp(-logit)) if steps else 0.0
        n = round(share * self.samples / steps) if steps else 0
        n2 = self.samples - steps * n
        p = min(self.width, max(2, 2 * round(math.exp(log_p) / 2)))
        if n2 < FEWEST or p < FEWEST_NEURONS:
            return None
        if steps and not FEWEST <= n <= LARGEST_BATCH * self.d**2:
            return None
        eta, lam = math.exp(log_eta), math.exp(log_lam)
        training = _training(steps, n, eta, self.d) if steps else Training(steps=0)
        ridge = Ridge(alpha=n2 / self.d, beta=p / self.d, lam=lam, d=self.d)
        ask = predictions.whole if measured else predictions.unmeasured
        try:
            found = ask(training, ridge)
        except ConvergenceError:
            return None
        if found is None or not (measured or (found.error.total or 0.0) <= LARGEST_ERROR):
            return None
        n_told = n if steps else None
        eta_told = eta if steps else None
        return Schedule(steps, n_told, eta_told, n2, p, lam, self.d, found)

    def refusal(self, steps: int) -> str | None:
        """Why no schedule of so many steps can be meant, if that shows in the counts alone."""
        if self.samples < FEWEST * (steps + 1):
            parts = (
                f"each of {steps} steps and the fit"
                if steps > 1
                else "the step and the fit"
                if steps
                else "the fit"
            )
            return f"{self.samples} samples are fewer than {FEWEST} for {parts}"
        if steps and self.d**2 * LARGEST_BATCH < FEWEST:
            return f"d = {self.d} is too small for batches of {FEWEST} samples that are few beside d^2"
        return None
