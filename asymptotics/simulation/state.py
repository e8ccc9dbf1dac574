"""What a simulated network is asked for, whichever way it is simulated: fields of fresh samples, overlaps, a step.

A *field chunk* holds, for m fresh samples, the target's fields ⟨w*_k,z⟩ (m, r), the neurons' fields ⟨w_i,z⟩ (m, p) and,
in a direct simulation, the samples themselves (m, d).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from asymptotics.simulation.backends import Backend, Function
from hermite.errors import InputError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Fields:
    """Fields of m samples on the backend; ``z`` only where the samples exist."""

    target: Any
    neurons: Any
    z: Any = None


class Network(Protocol):
    """A simulated first layer."""

    readout: Array
    remove_orders: tuple[int, ...]
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

    def noise(self, stream: int) -> Callable[..., Any]:
        """The standard normals of the label noise of a batch."""
        ...

    def labels(self, fields: Any, noise: Callable[..., Any] | None) -> Any:
        """y for target fields (m, r), in double precision on the backend; without ``noise`` none is added."""
        ...

    def low_orders(self, stream: int, n: int) -> tuple[Any, Any]:
        """Mean and linear coefficients that ``remove_orders`` takes off the labels of a batch, on the backend."""
        ...


def noisy(values: Any, variance: float, noise: Callable[..., Any] | None) -> Any:
    """Labels of mean ``values`` (m,): with noise of that variance, if its stream is given."""
    if noise is None or not variance > 0:
        return values
    return values + math.sqrt(variance) * noise(values.shape[0])


def check_finite(*values: Any) -> None:
    """Raise ``InputError`` if a number computed from a trained network is not finite."""
    if not all(np.isfinite(value).all() for value in values):
        raise InputError(
            "the network overflows after a giant step: eta (or the batch exponent) is too large for it."
        )


def root_of(gram: Array) -> Array:
    """A square factor of a Gram matrix that may be singular."""
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    root: Array = vectors * np.sqrt(np.maximum(values, 0.0))
    return root


def output(network: Network, neurons: Any) -> Any:
    """f(z) = (1/p) Σ_i ã_i σ(field_i), shape (m,), in double precision on the backend."""
    features = network.sigma(neurons)
    backend = network.backend
    readout = backend.send(network.readout / len(network.readout))
    return backend.double(features @ backend.xp.astype(readout, features.dtype))


def population_risk(network: Network, stream: int, n: int, unit: float = 1.0) -> float:
    """E[(f* − f)²] of the network as it stands, over ``n`` fresh samples, without label noise.

    ``unit``: the network's output is counted in so many units of the target.
    """
    total = network.backend.zeros()
    for chunk in network.fields(stream, n):
        gap = network.labels(chunk.target, None) - unit * output(network, chunk.neurons)
        total = total + gap @ gap
    found = float(total)
    check_finite(found)
    return found / n
