"""What both simulations of a network start from: its settings, and the streams of random numbers of one replicate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.simulation.backends import NUMPY, Backend
from asymptotics.simulation.seeds import generator
from hermite.target import Target

Array = npt.NDArray[Any]

#: Streams of one replicate: 0 weights, 1 biases, then pairs (samples, label noise) from FIRST_BATCH on.
WEIGHTS, BIASES, FIRST_BATCH = 0, 1, 2


@dataclass(frozen=True)
class Setup:
    """One replicate of a network of p neurons, ``readout`` ã of shape (p,), in ``d`` dimensions.

    ``symmetric``: partners (i, p−1−i) start equal; ``bias``: standard deviation of the biases; ``entropy`` and
    ``replicate`` key the draws; ``memory`` in bytes.
    """

    target: Target
    activation: Activation
    readout: Array
    d: int
    symmetric: bool
    bias: float
    entropy: int
    replicate: int
    memory: int
    dtype: str
    remove_orders: tuple[int, ...] = ()
    backend: Backend = NUMPY


class Student:
    """A network in training, however it is simulated: what its setup says, ready for use."""

    def __init__(self, setup: Setup) -> None:
        self.target, self.remove_orders, self.backend = setup.target, setup.remove_orders, setup.backend
        self.sigma, self.slope = setup.backend.functions(setup.activation)
        self.readout = np.asarray(setup.readout, dtype=np.float64)
        self.d, self.p, self.r = setup.d, len(setup.readout), setup.target.r
        self.dtype = np.dtype(setup.dtype)
        self.entropy, self.replicate = setup.entropy, setup.replicate
        self.distinct = self.p // 2 if setup.symmetric else self.p

    def drawn_biases(self, bias: float) -> Array | None:
        """Biases of the distinct neurons; None without."""
        if not bias:
            return None
        drawn: Array = bias * generator(self.entropy, self.replicate, BIASES).standard_normal(self.distinct)
        return drawn

    def noise(self, stream: int) -> np.random.Generator:
        """The generator of the label noise of a batch."""
        return generator(self.entropy, self.replicate, FIRST_BATCH + 2 * stream + 1)
