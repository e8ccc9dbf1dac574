"""What both simulations of a network start from: its settings, and the streams of random numbers of one replicate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.simulation.backends import NUMPY, Backend
from asymptotics.simulation.state import noisy
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
        self.activation = setup.activation
        self.sigma, self.slope = setup.backend.functions(setup.activation)
        self.values = setup.backend.target(setup.target)
        self.means = setup.backend.target(setup.target.class_mean)
        self.readout = np.asarray(setup.readout, dtype=np.float64)
        self.d, self.p, self.r = setup.d, len(setup.readout), setup.target.r
        self.dtype = np.dtype(setup.dtype)
        self.entropy, self.replicate = setup.entropy, setup.replicate
        self.distinct = self.p // 2 if setup.symmetric else self.p

    def drawn_biases(self, bias: float) -> Any:
        """Biases of the distinct neurons, in double precision; None without."""
        if not bias:
            return None
        return bias * self.backend.normals(self.entropy, self.replicate, BIASES)(self.distinct)

    def all_biases(self, setup: Setup) -> Array:
        """Biases of all neurons (p,); zeros without."""
        drawn = self.drawn_biases(setup.bias)
        if drawn is None:
            return np.zeros(self.p)
        return np.concatenate([drawn, drawn[::-1]]) if setup.symmetric else np.asarray(drawn)

    def noise(self, stream: int) -> Callable[..., Any]:
        """The standard normals of the label noise of a batch."""
        return self.backend.normals(self.entropy, self.replicate, FIRST_BATCH + 2 * stream + 1)

    def labels(self, fields: Any, noise: Callable[..., Any] | None) -> Any:
        """y = f*(z) + √Δ ξ for target fields (m, r), in double precision on the backend; without ``noise`` E[y | z].

        Classes: the sign of that, or its mean.
        """
        if not self.target.has_classes:
            return noisy(self.values(fields), self.target.noise, noise)
        if noise is None:
            return self.means(fields)
        xp, values = self.backend.xp, self.values(fields)
        drawn = noise(values.shape[0])
        field = values + math.sqrt(self.target.noise) * drawn
        # Where the field is 0 the coin is fair.
        field = xp.where(field == 0, drawn, field)
        one = xp.ones_like(field)
        return xp.where(field < 0, -one, one)
