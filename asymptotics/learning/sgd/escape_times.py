"""``escape``: when online SGD leaves a random start, and ``batch_tradeoff``: steps and samples against the batch size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from asymptotics.error_budget import UNKNOWN, ErrorBudget
from asymptotics.expectations.accuracy import quadrature_error
from asymptotics.floating import own_floating_state
from asymptotics.json_values import plain_table
from asymptotics.learning.sgd.averages import Problem
from asymptotics.learning.sgd.driven_escapes import driven
from asymptotics.learning.sgd.escape_laws import (
    COARSER,
    FEWER_POINTS,
    FINE,
    LEVELS,
    Erased,
    EscapeTimes,
    Fineness,
    Neuron,
    leap_two,
)
from asymptotics.learning.sgd.langevin_law import refusal_of_langevin
from asymptotics.learning.sgd.one_overlap import langevin
from asymptotics.learning.sgd.rates import Rates, rates_of
from hermite.errors import InputError
from hermite.frozen import Frozen
from hermite.target import Target, as_target

if TYPE_CHECKING:
    import pandas as pd

    from asymptotics.experiment.settings import Network, Training

#: Above the cap of the step size constants are recalled: up to 1.2 times as many steps were met at leap 3, of few runs.
_CAPPED = 0.5


@dataclass(frozen=True, eq=False)
class EscapeLaw(Frozen):
    """The law of the time at which max_i |⟨w_i, v⟩| of a direction v first exceeds ``threshold``, from a random start.

    ``leap``         l, as the student sees it; ``law`` names how the times were found
    ``mean``, ``sd``, ``quantiles``  in the clock s = N/d^max(l − 1, 1), N samples; ``sd`` None: O(d^−1/2) (leap 1)
    ``rate``, ``sigma2``, ``start_share``, ``critical_eta``  leap 2: λ, σ², share of the randomness due to the start, and the
                     eta above which nothing escapes
    ``n_b``, ``step``, ``nu``, ``kind``, ``regime``  batch, step size e, ν = e d/n_b, the flow that it is near, and what limits
                     the number of steps
    ``error``        of the mean (and of quantiles, in its units): what fewer points and coarser equations change, and 1/√d + 2/t
                     of t steps for what a law of many directions and small steps leaves out; at leap 1 also how far random
                     starts move the time
    """

    leap: int
    law: str
    mean: float
    sd: float | None
    quantiles: dict[float, float]
    rate: float | None
    sigma2: float | None
    start_share: float | None
    critical_eta: float | None
    threshold: float
    d: int
    n_b: int
    step: float
    nu: float
    regime: str
    kind: str = ""
    interaction: str = ""
    error: ErrorBudget = UNKNOWN

    def samples(self, level: float | None = None) -> float:
        """Samples N = s d^max(l − 1, 1) at a quantile, or (None) in the mean."""
        s = self.mean if level is None else self._quantile(level)
        return s * float(self.d) ** max(self.leap - 1, 1)

    def steps(self, level: float | None = None) -> float:
        """Steps t = N/n_b at a quantile, or (None) in the mean."""
        return self.samples(level) / self.n_b

    def _quantile(self, level: float) -> float:
        if level not in self.quantiles:
            raise InputError(f"level must be one of {', '.join(map(str, self.quantiles))}, not {level!r}")
        return self.quantiles[level]

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``giantstep escape``."""
        names = (
            "leap",
            "law",
            "mean",
            "sd",
            "rate",
            "sigma2",
            "start_share",
            "critical_eta",
            "threshold",
            "interaction",
        )
        out = {name: getattr(self, name) for name in names}
        out["quantiles"] = {str(level): s for level, s in self.quantiles.items()}
        out["error"] = self.error.to_dict()
        clocks = {
            "s": self.mean,
            "samples": self.samples(),
            "tau": self.samples() / self.d,
            "steps": self.steps(),
        }
        return plain_table(
            {
                "protocol": "sgd",
                "d": self.d,
                "n_b": self.n_b,
                "step": self.step,
                "nu": self.nu,
                "kind": self.kind,
                "regime": self.regime,
                "clocks": clocks,
                "escape": out,
            }
        )


@own_floating_state
def escape(f: Target | str, network: Network, training: Training, d: int) -> EscapeLaw:
    """When online SGD (``training.protocol`` "sgd") leaves a random start, d large.

    Leap 1: deterministic, any width. Leap 2: the closed law of one neuron; leap 3 and more: the Langevin equation of one
    neuron and one direction. Several neurons at leap 2 and more: simulation only, which the refusal says.
    Source of the scaling: arXiv:2406.02157. Raises ``InputError`` for settings without a law, or where nothing escapes.
    """
    target = as_target(f)
    refuse_unless_random(network, training)
    rates = rates_of(target, network.get_activation(), training, d)
    times, (quadrature, solver, scatter) = _times(target, network, training, rates, d)
    assert rates.n_b is not None
    steps = times.mean * rates.steps_per_time
    return EscapeLaw(
        rates.leap,
        times.law,
        times.mean,
        times.sd,
        dict(zip(LEVELS, times.quantiles, strict=True)),
        times.rate,
        times.sigma2,
        times.start_share,
        times.critical_eta,
        training.threshold,
        d,
        rates.n_b,
        rates.e,
        rates.nu,
        _regime(rates, training, d),
        rates.kind,
        "none: one neuron" if network.width == 1 else "mean field of the driven escape",
        ErrorBudget(
            quadrature + quadrature_error(target, network.get_activation()),
            solver,
            _left_out(d, steps) + scatter,
        ),
    )


def _left_out(d: int, steps: float) -> float:
    """Of a law of many directions and small steps, relative: as met at d = 100 to 1000 (up to 7 % of a quantile, of
    few steps two)."""
    return 1.0 / math.sqrt(d) + 2.0 / max(steps, 1.0)


def refuse_unless_random(network: Network, training: Training) -> None:
    """``InputError`` for settings whose trajectory does not leave a random start."""
    if not training.traits.online:
        raise InputError(
            f'training.protocol must be "sgd" for the law of an escape, not "{training.protocol}"'
        )
    if training.start != "random":
        raise InputError('training.start must be "random" for the law of an escape; a given start has no law')
    if training.projection == "free":
        raise InputError(
            'training.projection must be "projected" or "spherical" for the law of an escape, not "free"'
        )
    if not isinstance(network.width, int):
        raise InputError('network.width must be a whole number with protocol = "sgd", not "infinite"')


def _times(
    f: Target, network: Network, training: Training, rates: Rates, d: int
) -> tuple[EscapeTimes, tuple[float, float, float]]:
    """The law, and what fewer points, coarser equations and (leap 1) random starts change in it, relative to the mean."""
    problem = Problem(f, network.get_activation(), training.loss == "correlation")
    by_equation = training.dynamics == "langevin"
    if by_equation and (refusal := refusal_of_langevin(f, network, training, d)) is not None:
        raise InputError(refusal)
    if rates.leap == 1 and not by_equation:
        return driven(problem, network, rates, training.threshold, d)
    if network.width != 1 or network.bias:
        raise InputError(
            f"network.width must be 1 (without biases) for the law of an escape at leap {rates.leap}, not {network.width}: "
            "several neurons interact; simulate them (--simulate)"
        )
    (readout,) = network.finite_readout(1)
    spherical = training.projection == "spherical"

    def law(fine: Fineness) -> EscapeTimes:
        neuron = Neuron(problem, float(readout), rates.eta_of_the_law, fine, rates.e, spherical)
        if rates.leap == 2 and not by_equation:
            return leap_two(neuron, d, training.threshold)
        return langevin(neuron, rates.leap, d, training.threshold)

    found = law(FINE)
    return found, (found.apart(law(FEWER_POINTS)), found.apart(law(COARSER)), 0.0)


def _regime(rates: Rates, training: Training, d: int) -> str:
    if rates.capped:
        return "step size capped: larger batches do not need fewer steps"
    if rates.nu > 30:
        return "noise dominated: the target is forgotten"
    return "samples alone count: steps fall as 1/n_b"


@dataclass(frozen=True, eq=False)
class BatchTradeoff(Frozen):
    """Steps and samples to leave a random start, against n_b = d^mu, for both losses.

    ``rows``  one a (loss, mu): ``loss, mu, n_b, step, steps, samples, capped, error``; steps and samples in the median, None
              where steps of that size erase the weight; ``error`` the budget of both
    """

    rows: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """``rows`` as plain numbers."""
        return plain_table({"rows": [dict(row) for row in self.rows]})

    def to_frame(self) -> pd.DataFrame:
        """The table as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame([dict(row) for row in self.rows])


@own_floating_state
def batch_tradeoff(
    f: Target | str,
    network: Network,
    d: int,
    eta: float,
    *,
    mu: Sequence[float] | None = None,
    threshold: float = 0.5,
) -> BatchTradeoff:
    """Median steps and samples against the batch n_b = d^mu, for the square and the correlation loss.

    Below the cap of the step size (square: e ≤ eta; correlation: e ≤ eta d^max(l/2 − 1, 0)) samples do not depend on the
    batch and steps fall as 1/n_b. Above it, larger batches bring steps of the same size with less noise: the law is that of
    the smaller rate e d^max(l/2, 1)/n_b, and steps stay at the floor of the cap, as arXiv:2406.02157 has it for projected
    steps and the square loss; its constants are recalled and not checked here. What a projected step does to an overlap is
    counted as it is, growth within a step as well, and ``steps`` are whole ones (half a step is added).
    Raises ``InputError`` where no law covers a row.
    """
    from asymptotics.experiment.settings import Training

    target = as_target(f)
    rows: list[dict[str, Any]] = []
    for loss in ("square", "correlation"):
        base = Training(
            protocol="sgd", alpha=1.0, eta=eta, loss=loss, batch_exponent=0.0, threshold=threshold
        )
        leap = rates_of(target, network.get_activation(), base, d).leap
        laws: dict[tuple[float, float], EscapeLaw | None] = {}
        for exponent in np.linspace(0.0, leap, 4 * leap + 1).tolist() if mu is None else _listed(mu):
            training = replace(base, batch_exponent=exponent)
            rates = rates_of(target, network.get_activation(), training, d)
            n_b = rates.n_b or 1
            # Below the cap one law, to the rounding of its rate, as long as steps are small.
            key = (float(f"{rates.eta_of_the_law:.12g}"), round(rates.e, 2))
            if key not in laws:
                try:
                    laws[key] = escape(target, network, training, d)
                except Erased:
                    laws[key] = None
            law = laws[key]
            # A threshold that is passed within a step is seen at its end: half a step later in the middle.
            steps = None if law is None else max(law.samples(0.5) / n_b + 0.5, 1.0)
            rows.append(
                {
                    "loss": loss,
                    "mu": float(exponent),
                    "n_b": rates.n_b,
                    "step": rates.e,
                    "steps": steps,
                    "samples": None if steps is None else steps * n_b,
                    "capped": rates.capped,
                    "error": _error_of_row(law, d, steps, n_b, rates.capped),
                }
            )
    return BatchTradeoff(tuple(rows))


def _error_of_row(
    law: EscapeLaw | None, d: int, steps: float | None, n_b: int, capped: bool
) -> dict[str, float | None]:
    """The budget of the law at another batch, in the median; relative to it, also the floor of one step."""
    if law is None or steps is None:
        return UNKNOWN.to_dict()
    # Of the row's samples, at least those of one step: the median itself is 0 where most starts are above the threshold.
    share = abs(law.samples()) / (steps * n_b)
    known = ((law.error.quadrature or 0.0) * share, (law.error.solver or 0.0) * share)
    return ErrorBudget(*known, _left_out(d, steps) + _CAPPED * capped).to_dict()


def _listed(mu: Sequence[float]) -> list[Any]:
    """The exponents, to be checked one by one."""
    found = mu.tolist() if isinstance(mu, np.ndarray) else mu
    if not isinstance(found, (list, tuple)):
        raise InputError(f"mu must be a list of numbers of at least 0, not {found!r}.")
    return list(found)


def optimal_batch(leap: int, loss: str) -> float:
    """mu of the batch n_b = d^mu beyond which steps no longer fall: l/2 (square), l − 1 (correlation); 1 at leap 1."""
    return max(leap / 2, 1.0) if loss == "square" else max(leap - 1.0, 1.0)
