"""The groups of a network at initialisation: laws of readout and bias as finitely many atoms.

A Gaussian law is replaced by Gauss–Hermite nodes. After a giant step these stand for a continuous law only together with
the O(1/d) terms of the theory: at d = ∞ a few nodes would act as exactly equal neurons.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.quadrature import hermite_rule
from asymptotics.experiment.settings import Network
from hermite.errors import InputError

Array = npt.NDArray[np.float64]

#: Nodes for laws that are not atomic: biases, and a Gaussian readout.
BIAS_NODES = 16
READOUT_NODES = 24
#: Of the neurons: what a smaller group adds to an average is below rounding beside the accuracy of overlaps, however far out
#: its node is (|ã|² times its share is below 1e-7), while its own large noise would ask for axes and nodes of the others.
NEGLIGIBLE_SHARE = 1e-9


class _FinerNetwork(Network):
    """The same network, whose continuous laws are stood for by more nodes: what is kept of it has another key."""


#: Nodes of a network with finer ones, in those of the usual.
_FINER = 1.5


def with_finer_nodes(network: Network) -> Network:
    """``network``, of which ``readout_groups`` and ``bias_nodes`` give half as many nodes more."""
    return _FinerNetwork(**{part.name: getattr(network, part.name) for part in fields(network)})


def _fineness(network: Network) -> float:
    return _FINER if isinstance(network, _FinerNetwork) else 1.0


@dataclass(frozen=True)
class Groups:
    """Groups of neurons of equal readout and bias: ``readout`` ã, ``bias`` and ``fraction`` of the neurons, each (G,).

    ``pairs`` holds the groups of the two neurons of a pair (twice the same where ã = 0); None for independent rows.
    """

    readout: Array
    bias: Array
    fraction: Array
    pairs: tuple[tuple[int, int], ...] | None

    @property
    def partner(self) -> npt.NDArray[np.intp] | None:
        """The group of the other neuron of a pair, (G,); None for independent rows."""
        if self.pairs is None:
            return None
        out = np.arange(len(self.readout))
        for left, right in self.pairs:
            out[left], out[right] = right, left
        return out

    def frequent(self) -> Groups:
        """Without the groups of fewer than ``NEGLIGIBLE_SHARE`` of the neurons: the far nodes of a law, which no average sees."""
        kept = self.fraction >= NEGLIGIBLE_SHARE
        if self.pairs is not None:
            # The two of a pair have equal shares but for rounding: they stay or go together.
            for left, right in self.pairs:
                kept[[left, right]] = kept[left] and kept[right]
        place = np.cumsum(kept) - 1
        pairs = self.pairs and tuple((int(place[i]), int(place[j])) for i, j in self.pairs if kept[i])
        share = self.fraction[kept]
        return Groups(self.readout[kept], self.bias[kept], share / share.sum(), pairs)


def bias_nodes(network: Network, nodes: int) -> tuple[Array, Array]:
    """Gauss–Hermite nodes of the biases and their weights; a single 0 without biases."""
    if network.bias == 0:
        return np.zeros(1), np.ones(1)
    x, w = hermite_rule(round(nodes * _fineness(network)))
    return network.bias * x, w


def product_groups(values: Array, shares: Array, biases: Array, weights: Array, *, symmetric: bool) -> Groups:
    """Every value of ã (``shares``) with every bias (``weights``), readout slowest.

    Symmetric: the other neuron of a pair has (−ã, b); the two of a pair with ã = 0 stay equal and form one group.
    Raises :class:`InputError` if −ã is no value.
    """
    readout, bias = np.repeat(values, len(biases)), np.tile(biases, len(values))
    fraction = np.outer(shares, weights).ravel()
    if not symmetric:
        return Groups(readout, bias, fraction, None)
    index = {(float(a), float(b)): i for i, (a, b) in enumerate(zip(readout, bias, strict=True))}
    if any((-a, b) not in index for a, b in index):
        raise InputError("readout must be a symmetric law for symmetric initialisation: -a with every a")
    pairs = tuple((i, index[-a, b]) for (a, b), i in index.items() if a >= 0)
    return Groups(readout, bias, fraction, pairs)


def has_nodes(network: Network) -> bool:
    """Whether nodes stand for a continuous law, of the readouts or of the biases."""
    return network.readout == "gaussian" or network.bias > 0


def readout_groups(network: Network, finer: float = 1.0) -> Groups:
    """The groups of a network before training; symmetric: pairs (ã, −ã) that share their row and bias.

    ``finer`` multiplies the nodes of continuous laws (compare two to see that error).
    """
    many = network.readout == "gaussian" and network.bias > 0
    values, shares = network.readout_atoms(round(_fineness(network) * finer * (8 if many else READOUT_NODES)))
    usual = 5 if many else max(5, BIAS_NODES // len(network.readout_atoms(READOUT_NODES)[0]))
    biases, weights = bias_nodes(network, round(finer * usual))
    return product_groups(values, shares, biases, weights, symmetric=network.is_symmetric)
