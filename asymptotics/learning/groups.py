"""The groups of a network at initialisation: laws of readout and bias as finitely many atoms.

A Gaussian law is replaced by Gauss–Hermite nodes. After a giant step these stand for a continuous law only together with
the O(1/d) terms of the theory: at d = ∞ a few nodes would act as exactly equal neurons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.quadrature import hermite_rule
from asymptotics.experiment.settings import Network

Array = npt.NDArray[np.float64]

#: Nodes for laws that are not atomic: biases, and a Gaussian readout.
BIAS_NODES = 16
READOUT_NODES = 24


@dataclass(frozen=True)
class Groups:
    """Groups of neurons at initialisation: ``readout`` ã, step ``a`` = eta ã, ``bias`` and ``fraction``, each (A,).

    ``pairs`` holds the groups of the two neurons of a pair (twice the same where ã = 0); None for independent rows.
    """

    readout: Array
    a: Array
    bias: Array
    fraction: Array
    pairs: tuple[tuple[int, int], ...] | None


def bias_nodes(network: Network, nodes: int) -> tuple[Array, Array]:
    """Gauss–Hermite nodes of the biases and their weights; a single 0 without biases."""
    if network.bias == 0:
        return np.zeros(1), np.ones(1)
    x, w = hermite_rule(nodes)
    return network.bias * x, w


def _atoms(network: Network) -> tuple[Array, Array, Array]:
    """(ã, bias, weight) of the groups at initialisation, readout slowest."""
    gaussian = network.readout == "gaussian"
    many = gaussian and network.bias > 0
    values, shares = network.readout_atoms(8 if many else READOUT_NODES)
    biases, weights = bias_nodes(network, 5 if many else max(5, BIAS_NODES // len(values)))
    return (
        np.repeat(values, len(biases)),
        np.tile(biases, len(values)),
        np.outer(shares, weights).ravel(),
    )


def readout_groups(network: Network, eta: float) -> Groups:
    """The groups of a network before a giant step; symmetric: pairs (ã, −ã) that share their row and bias.

    The two neurons of a pair with ã = 0 stay equal: they belong to one group.
    """
    values, biases, weights = _atoms(network)
    if not network.is_symmetric:
        return Groups(values, eta * values, biases, weights, None)
    index = {(float(a), float(b)): i for i, (a, b) in enumerate(zip(values, biases, strict=True))}
    pairs = tuple((i, index[-a, b]) for (a, b), i in index.items() if a >= 0)
    return Groups(values, eta * values, biases, weights, pairs)
