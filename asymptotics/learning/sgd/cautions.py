"""What is told beside an answer of online SGD: steps that are capped, that forget the target, or that erase the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from asymptotics.learning.giant.many_neurons import notes_of
from asymptotics.learning.sgd.rates import Rates

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Network, Training


def warnings_of(network: Network, training: Training, rates: Rates) -> tuple[str, ...]:
    """One sentence each."""
    warnings = list(notes_of(network.get_activation()))
    if rates.capped:
        warnings.append(f"the step is capped at e = {rates.e:.4g}; give training.step for a larger one")
    if rates.nu > 30:
        warnings.append("noise dominated (nu > 30): the target is forgotten")
    erased = _erased(network, training, rates)
    if erased > 0.5:
        warnings.append(
            f"a step takes {erased:.2g} of a weight away (e ã² E[σσ'l]/p) before it is divided by its norm: what was learned is "
            'lost; use training.projection = "spherical", training.loss = "correlation" or a smaller step'
        )
    return tuple(warnings)


def _erased(network: Network, training: Training, rates: Rates) -> float:
    """e ã² E[σσ'l]/p of the largest readout: the share of a unit weight that the student's own output pulls away in a step.

    E[σσ'l] = d/ds E σ(s x)²/2 at s = 1. 0 where nothing is pulled, or norms are not divided by.
    """
    if training.loss != "square" or training.projection != "projected":
        return 0.0
    p, h = int(network.width), 1e-4
    up, down = network.get_activation().squares(np.zeros(2), np.array([1 + h, 1 - h]))
    largest = float(np.max(np.abs(network.finite_readout(p))))
    return float(rates.e * largest**2 * (up - down) / (4 * h) / p)
