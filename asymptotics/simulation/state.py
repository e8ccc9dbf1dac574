"""What a simulated network is asked for, whichever way it is simulated: fields of fresh samples, overlaps, a step.

A *field chunk* holds, for m fresh samples, the target's fields ⟨w*_k,z⟩ (m, r), the neurons' fields ⟨w_i,z⟩ (m, p) and,
in a direct simulation, the samples themselves (m, d).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from asymptotics.simulation.backends import Backend, Function
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Fields:
    """Fields of m samples; ``neurons`` on the backend, ``z`` (on the host) only where the samples exist."""

    target: Array
    neurons: Any
    z: Array | None = None


class Network(Protocol):
    """A simulated first layer."""

    readout: Array
    backend: Backend
    sigma: Function

    def fields(self, stream: int, n: int) -> Iterator[Fields]:
        """``n`` fresh samples in chunks; equal streams give equal samples."""
        ...

    def giant_step(self, stream: int, n: int, rate: float) -> None:
        """w_i += rate ã_i (1/n) Σ (y − f) σ'(⟨w_i,z⟩) z on a fresh batch, all neurons at once."""
        ...

    def overlaps(self) -> tuple[Array, Array]:
        """M (p, r) and Q (p, p)."""
        ...

    def noise(self, stream: int) -> np.random.Generator:
        """The generator of the label noise of a batch."""
        ...

    def low_orders(self, stream: int, n: int) -> tuple[float, Array]:
        """Mean and linear coefficients that ``remove_orders`` takes off the labels of a batch."""
        ...


def labels(target: Target, fields: Array, rng: np.random.Generator | None) -> Array:
    """y = f*(z) + √Δ ξ for target fields (m, r), in double precision; without ``rng`` no noise."""
    y: Array = np.asarray(target(np.ascontiguousarray(fields, dtype=np.float64)), dtype=np.float64)
    if rng is not None and target.noise > 0:
        y = y + np.sqrt(target.noise) * rng.standard_normal(len(y))
    return y


def check_finite(*values: Any) -> None:
    """Raise ``InputError`` if a number computed from a trained network is not finite."""
    if not all(np.isfinite(value).all() for value in values):
        raise InputError(
            "the network overflows after a giant step: eta (or the batch exponent) is too large for it."
        )


def output(network: Network, neurons: Any) -> Array:
    """f(z) = (1/p) Σ_i ã_i σ(field_i), shape (m,), in double precision on the host."""
    features = network.sigma(neurons)
    readout = network.backend.send(network.readout / len(network.readout))
    return network.backend.fetch(features @ network.backend.xp.astype(readout, features.dtype)).astype(
        np.float64
    )


def population_risk(network: Network, target: Target, stream: int, n: int, unit: float = 1.0) -> float:
    """E[(f* − f)²] of the network as it stands, over ``n`` fresh samples, without label noise.

    ``unit``: the network's output is counted in so many units of the target.
    """
    total = 0.0
    for chunk in network.fields(stream, n):
        gap = labels(target, chunk.target, None) - unit * output(network, chunk.neurons)
        total += float(gap @ gap)
    check_finite(total)
    return total / n
