"""The real network in full on structured inputs: clusters, named axes first, then the blocks of the bulk."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from asymptotics.experiment.inputs import Inputs
from asymptotics.experiment.settings import Simulation, Training
from asymptotics.simulation.direct import DirectNetwork
from asymptotics.simulation.state import noisy, root_of
from asymptotics.simulation.student import FIRST_BATCH, Setup
from hermite.errors import InputError
from hermite.target import Target

Array = npt.NDArray[Any]


class Clusters:
    """The clusters of the samples that were drawn last, and their labels."""

    def __init__(self, setup: Setup, inputs: Inputs) -> None:
        from scipy.special import ndtri

        self.inputs, self.d, self.noise = inputs, setup.d, setup.target.noise
        self.teacher = inputs.teacher_of(setup.target)
        self.targets = [setup.backend.target(f) for f in inputs.targets_of(setup.target)]
        self.edges = ndtri(np.cumsum(inputs.weights)[:-1])
        self.here = np.zeros(0, np.intp)

    def of(self, normals: Array) -> Array:
        """The cluster of each sample, told by one normal."""
        self.here = np.searchsorted(self.edges, normals)
        return self.here

    def named(self) -> tuple[Array, Array]:
        """Means (K, m) and roots (K, m, m) on the named axes and, where clusters are far apart, on the last of the bulk."""
        inputs, axes = self.inputs, self.inputs.axes
        means = inputs.means
        if np.any(inputs.far):
            means = np.column_stack([means, math.sqrt(self.d) * inputs.far])
        roots = np.zeros((*means.shape, means.shape[1]))
        for k, covariance in enumerate(inputs.covariances):
            roots[k, :axes, :axes] = root_of(covariance)
            roots[k, axes:, axes:] = np.sqrt(inputs.bulk[k, -1])
        return means, roots

    def target_fields(self, rows: Array) -> Array:
        """W* of what ``rows`` (m, at least n_E) have on the named axes."""
        return np.asarray(rows[:, : self.inputs.axes], np.float64) @ self.teacher.T

    def labels(self, fields: Any, noise: Any) -> Any:
        """The labels of the samples that were drawn last, each by the target of its cluster."""
        values = np.empty(len(fields))
        for k, target in enumerate(self.targets):
            mine = self.here == k
            values[mine] = target(fields[mine])
        return noisy(values, self.noise, noise)


class StructuredNetwork(DirectNetwork):
    """A direct simulation whose samples are drawn from ``inputs``: one more normal a sample tells its cluster."""

    def __init__(self, setup: Setup, inputs: Inputs) -> None:
        super().__init__(setup)
        self.inputs, self.clusters = inputs, Clusters(setup, inputs)
        self.roots = [root_of(S) for S in inputs.covariances]
        block = np.repeat(np.arange(len(inputs.fractions)), axes_of_blocks(inputs, setup.d))
        self.spread = np.sqrt(inputs.bulk[:, block])

    def _batch(self, stream: int, n: int) -> Iterator[Any]:
        key, named = (self.replicate, FIRST_BATCH + 2 * stream), self.inputs.axes
        chunks = self.backend.normal_chunks(self.entropy, key, n, self.d + 1, self.rows, self.dtype)
        for chunk in chunks:
            here = self.clusters.of(chunk[:, -1])
            z = np.empty((len(chunk), self.d), self.dtype)
            for k, (root, cluster) in enumerate(zip(self.roots, self.inputs.clusters, strict=True)):
                mine = here == k
                z[mine, :named] = np.asarray(cluster.mean) + chunk[mine][:, :named] @ root.T
                z[mine, named:] = chunk[mine][:, named:-1] * self.spread[k]
                # A mean of norm √d along the last axis of the bulk.
                z[mine, -1] += math.sqrt(self.d) * cluster.far
            yield z

    def target_fields(self, z: Any) -> Any:
        """W* z_E."""
        return self.clusters.target_fields(z)

    def labels(self, fields: Any, noise: Any) -> Any:
        """The labels of the samples that were drawn last, each by the target of its cluster."""
        return self.clusters.labels(fields, noise)

    def overlaps(self) -> tuple[Array, Array]:
        """M = W_E W*ᵀ (p, r) and Q = W Wᵀ (p, p)."""
        w = np.asarray(self._twice(self.weights) if self.mirrored else self.weights, np.float64)
        return self.clusters.target_fields(w), w @ w.T


def refuse_unless_simulated(inputs: Inputs, f: Target, training: Training, simulation: Simulation) -> None:
    """Raise ``InputError`` for what no simulation on structured inputs does."""
    axes_of_blocks(inputs, simulation.d)
    inputs.teacher_of(f)
    checks = {
        'simulation.backend = "numpy"': simulation.backend == "numpy",
        'training.protocol = "giant"': training.traits.fresh,
        "remove_orders = []": not training.remove_orders,
        'target.labels = "value"': not f.has_classes,
    }
    missing = [name for name, met in checks.items() if not met]
    if missing:
        raise InputError(f"Structured inputs are simulated with {', '.join(missing)} only.")


def axes_of_blocks(inputs: Inputs, d: int) -> npt.NDArray[np.intp]:
    """Axes of every block: its fraction of those without a name, by largest remainder; at least one each.

    Raises ``InputError`` where d is too small.
    """
    count, blocks = d - inputs.axes, len(inputs.fractions)
    if count < blocks:
        raise InputError(
            f"simulation.d must be at least {inputs.axes + blocks}, the named axes and the blocks, not {d}."
        )
    share = np.round(np.array(inputs.fractions) * count, 9)
    found = np.maximum(np.floor(share).astype(np.intp), 1)
    while found.sum() > count:
        found[np.argmax(found - share)] -= 1
    while found.sum() < count:
        found[np.argmax(share - found)] += 1
    return found
