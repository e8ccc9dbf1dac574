"""Batch, step size and clocks of online SGD, and the leap that they depend on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asymptotics.expectations.activations import Activation
from asymptotics.learning.giant.exponents import has_order
from hermite.errors import InputError
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Training

_MAX_ORDER = 20
#: Batches and steps above which a trajectory is refused.
MOST_SAMPLES, MOST_STEPS = 10**8, 10**9
#: Rows of a trajectory.
MOST_ROWS = 60


def student_leap(f: Target, activation: Activation) -> int | None:
    """The smallest k ≥ 1 with C_k ≠ 0 and c_k ≠ 0: what correlation can show this student; None up to order 20."""
    for k in range(1, _MAX_ORDER + 1):
        if activation.coefficient_is_zero(k) is not True and has_order(f, k):
            return k
    return None


@dataclass(frozen=True)
class Rates:
    """``leap`` l of the student, step size ``e``, ``n_b`` and ``d`` (both None in the limit), d/n_b, and whether e was capped.

    Clocks: steps t, samples N = t n_b, τ = N/d and s = N/d^max(l − 1, 1).
    """

    leap: int
    e: float
    noise_ratio: float
    n_b: int | None
    d: int | None
    capped: bool = False

    @property
    def nu(self) -> float:
        """ν = e d/n_b."""
        return self.e * self.noise_ratio

    @property
    def kind(self) -> str:
        """The flow that ν is close to."""
        return "population" if self.nu < 0.1 else "noise" if self.nu > 30 else "saad-solla"

    def to_dict(self) -> dict[str, Any]:
        """``n_b, step, nu, kind``."""
        return {"n_b": self.n_b, "step": self.e, "nu": self.nu, "kind": self.kind}

    @property
    def steps_per_time(self) -> float:
        """Steps in a unit of s; infinite in the limit beyond leap 2."""
        if self.n_b is None or self.d is None:
            return self.noise_ratio if self.leap <= 2 else math.inf
        return float(self.d) ** max(self.leap - 1, 1) / self.n_b

    @property
    def eta_of_the_law(self) -> float:
        """eta with e = eta n_b d^(−max(l/2, 1)), as the escape laws count it."""
        if self.n_b is None or self.d is None:
            return self.nu
        return float(self.e * float(self.d) ** max(self.leap / 2, 1) / self.n_b)


def rates_of(f: Target, activation: Activation, training: Training, d: int | None) -> Rates:
    """Batch and step size of ``training``; raises ``InputError`` where they have no limit or are out of reach."""
    leap = student_leap(f, activation)
    if leap is None:
        raise InputError(
            "the target is never learned by correlation with this activation (no order up to 20 is in both); "
            "use another network.activation"
        )
    exponent, eta = float(training.batch_exponent), training.eta
    q = max(leap / 2, 1.0) if training.rate_exponent == "auto" else float(training.rate_exponent)
    if d is None:
        return _limit(training, leap, exponent, q)
    n_b = training.n(d)
    if n_b > MOST_SAMPLES:
        raise InputError(
            f"training.alpha d^batch_exponent must be at most {MOST_SAMPLES:g} samples a step, not {n_b:g}"
        )
    e = eta * n_b * float(d) ** -q if training.step is None else training.step
    most = eta if training.loss == "square" else eta * float(d) ** max(leap / 2 - 1, 0.0)
    capped = training.step is None and e > most * (1 + 1e-12)
    return Rates(leap, min(e, most) if capped else e, d / n_b, n_b, d, capped)


def reported_steps(training: Training, rates: Rates) -> list[int]:
    """Steps that are told: those of ``time``, or 0..T, thinned to about sixty."""
    if training.time:
        if not math.isfinite(rates.steps_per_time):
            raise InputError("training.time needs simulation.d at this leap; or give training.steps")
        steps = sorted({0, *(round(t * rates.steps_per_time) for t in training.time)})
    elif training.steps <= MOST_ROWS:
        steps = list(range(training.steps + 1))
    else:
        count = MOST_ROWS
        steps = sorted({round(training.steps * k / count) for k in range(count + 1)})
    if steps[-1] > MOST_STEPS:
        raise InputError(
            f"training.time (or steps) must end before {MOST_STEPS:g} steps, not after {steps[-1]:g}"
        )
    return steps


def _limit(training: Training, leap: int, exponent: float, q: float) -> Rates:
    """d → ∞: only n_b of order d, or a given step, leaves something."""
    if exponent == 1 and (training.step is not None or q == 1):
        e = training.step if training.step is not None else min(training.eta * training.alpha, training.eta)
        return Rates(leap, e, 1 / training.alpha, None, None, training.step is None and training.alpha > 1)
    raise InputError(
        'protocol = "sgd" has a limit d → infinity for training.batch_exponent = 1 only (and leap up to 2, or a given '
        f"training.step), not {exponent:g}; give simulation.d, or ridge.d for a ridge fit"
    )
