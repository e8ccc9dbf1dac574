"""Edge and spikes of the features after a step of stretched rows: means over drawn batches.

Given the batch the theory is that of :mod:`asymptotics.generalisation.finite.stretched_units`. Which spikes there are, and where,
differs from batch to batch by up to a tenth, for the largest labels of a batch decide: so a few batches are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from asymptotics.generalisation.finite.conditional_spectrum import (
    BulkAndSpikes,
    bulk_and_spikes,
    bulk_density,
    hermite_shares,
)
from asymptotics.generalisation.finite.stretched_units import (
    StretchedUnits,
    finite_block,
    off_share,
    stretched_units,
)
from asymptotics.generalisation.initial_bulk import degree_of_features
from asymptotics.generalisation.spectrum_places import Places, Setting, direction_of, refuse_narrow
from asymptotics.learning.giant.labelled_batch import (
    LabelledBatch,
    batch_dimension,
    labelled_batch,
    pooled,
)
from asymptotics.learning.groups import product_groups

Array = npt.NDArray[np.float64]

#: What is off in the places of the spikes of a batch that is known, and of its edge.
_STRETCHED = 0.03
#: Times the unevenness of the rows. At d = 150 He2 had 27 % more than told (49 % stated), x + He2(x)/2 an edge 16 ± 5 % lower
#: (13 % stated); relu, sin(x + 1) and tanh(x + 7/10) were well within it.
_UNEVEN = 1.5
#: Batches that are drawn, and the nodes that stand for a Gaussian readout there.
_BATCHES, _READOUTS = 8, 6
#: To this part the places of a batch are looked for: batches differ by a hundred times as much.
_WELL = 1e-4
#: A stretched direction makes a spike where it is beyond the edge by this part; closer it is one of the bulk's largest.
_APART = 0.02
#: Of a left vector: from here on it lies off the learned direction.
_OFF = 0.5
#: What is averaged of the spikes of batches.
_SHARES = ("features", "beyond", "on_target")


@dataclass(frozen=True)
class _OfBatch:
    """One batch: |β|, edge and spikes, downwards, and what these carry."""

    strength: float
    units: StretchedUnits
    around: BulkAndSpikes
    features: Array
    beyond: Array
    on_target: Array


@dataclass(frozen=True)
class Drawn:
    """Batches of a step for ``setting``: units take the ``steps`` eta ã (A, B) and have ``shares`` (A,)."""

    setting: Setting
    batches: tuple[LabelledBatch, ...]
    steps: Array
    shares: Array

    def units(self, batch: LabelledBatch) -> StretchedUnits:
        """The rows after ``batch``."""
        return stretched_units(self.setting.sigma, batch, self.steps, self.shares, self.setting.d)

    @cached_property
    def typical(self) -> _OfBatch:
        """That of the batch of averaged eigenvalues: which spikes there are, roughly where. Raises ``ConvergenceError``."""
        batch = pooled(self.batches)
        return _of_batch(self.setting, self.units(batch), batch.strength)

    @property
    def uneven(self) -> float:
        """What rows of uneven norms may move places by, relative."""
        return _UNEVEN * self.typical.units.uneven

    def places(self) -> Places:
        """Means over the batches. Raises ``ConvergenceError`` where one has no solution."""
        found = [_of_batch(self.setting, self.units(batch), batch.strength) for batch in self.batches]
        c = self.typical.units.features
        off = _STRETCHED + self.uneven
        density = np.array(bulk_density(c, self.setting.n2, self.setting.p, self.typical.around))
        return _averaged(self.setting, found, density if density.size else None, c.error, off)


def drawn(setting: Setting) -> Drawn:
    """A few batches of the step of ``setting``, of fixed seeds."""
    assert setting.n is not None
    f, network, training = setting.seen, setting.network, setting.training
    values, shares = network.readout_atoms(_READOUTS)
    groups = product_groups(values, shares, np.zeros(1), np.ones(1), symmetric=network.is_symmetric)
    members = np.array(groups.pairs if groups.pairs is not None else np.arange(len(values))[:, None])
    # Partners cancel; independent rows have the output of their mean.
    output = 0.0 if network.is_symmetric else float(shares @ values) * setting.sigma.coefficient(0)
    alpha = setting.n / setting.d
    size = batch_dimension(alpha, f.r, setting.d)
    batches = tuple(
        labelled_batch(f, output, alpha, size, centred=0 in training.remove_orders, seed=(20261, index))
        for index in range(_BATCHES)
    )
    return Drawn(
        setting, batches, training.eta * groups.readout[members], groups.fraction[members].sum(axis=1)
    )


def off_the_learned_direction(found: _OfBatch) -> bool:
    """Whether a spike beyond the edge lies mostly off the learned direction."""
    return bool(np.any((found.beyond > _OFF) & (found.around.spikes > (1 + _APART) * found.around.edge)))


def _of_batch(setting: Setting, units: StretchedUnits, strength: float) -> _OfBatch:
    """Edge and spikes given one batch; of those off the learned direction near the edge there are as many as were looked at."""
    c = units.features
    block = partial(finite_block, units, setting.n2)
    found = bulk_and_spikes(c, setting.n2, setting.p, block, crossing=_WELL, edge=_WELL)
    refuse_narrow(setting, found)
    shares = [off_share(units, left) for left in found.left]
    beyond = np.array([one.share for one in shares])
    on_target = np.array([one.on_target for one in shares]).reshape(len(shares), setting.seen.r)
    features = hermite_shares(units.x, c.weights, found.left[:, 0], degree_of_features(setting.sigma))
    return _OfBatch(strength, units, found, (1 - beyond)[:, None] * features, beyond, on_target)


def _averaged(
    setting: Setting, found: Sequence[_OfBatch], density: Array | None, averages: float, theory: float
) -> Places:
    """Means rank by rank, on and off the learned direction; a batch without a spike of some rank has it at its edge."""
    edge = float(np.mean([one.around.edge for one in found]))
    ranks = []
    for off in (False, True):
        chosen = [np.flatnonzero((one.beyond > _OFF) == off) for one in found]
        for k in range(max(map(len, chosen))):
            have = [(one, int(index[k])) for one, index in zip(found, chosen, strict=True) if len(index) > k]
            if len(have) <= len(found) / 2:
                break
            places = np.array(
                [
                    one.around.spikes[i[k]] if len(i) > k else one.around.edge
                    for one, i in zip(found, chosen, strict=True)
                ]
            )
            place, sem = _mean_place(places, None if off else _strengths(setting, found))
            if off and place < (1 + _APART) * edge:
                break
            means = [np.mean([getattr(one, name)[i] for one, i in have], axis=0) for name in _SHARES]
            ranks.append((place, float(places.std(ddof=1)), sem, means))
    ranks.sort(key=lambda rank: -rank[0])
    features, off_shares, on_target = (
        np.array([means[j] for *_, means in ranks]).reshape(
            len(ranks), *np.shape(getattr(found[0], name))[1:]
        )
        for j, name in enumerate(_SHARES)
    )
    spikes = np.array([place for place, *_ in ranks])
    sem = max([sem / place for place, _, sem, _ in ranks] + [0.0])
    note = (
        f"The rows are those that {len(found)} drawn batches of the step leave: stretched along the eigenvectors of "
        "(1/n) Σ y z zᵀ, by the target's second-order term and by the batch's own noise. Places are means over batches, and "
        "differ from one network to the next by spikes' spread."
    )
    return Places(
        edge, spikes, features, density, "stretched", theory + sem, note, averages, off_shares, on_target,
        np.array([spread for _, spread, *_ in ranks]),
    )  # fmt: skip


def _strengths(setting: Setting, found: Sequence[_OfBatch]) -> Array:
    """ln |β| of the batches beside its mean, which is known."""
    logs: Array = np.log([one.strength for one in found]) - math.log(direction_of(setting))
    return logs


def _mean_place(places: Array, strengths: Array | None) -> tuple[float, float]:
    """Mean and standard error; with the |β| of the batches as a control variate, for spikes that grow with it."""
    if strengths is None or not np.ptp(strengths) > 0:
        return float(places.mean()), float(places.std(ddof=1)) / math.sqrt(len(places))
    logs = np.log(places)
    slope = float(np.cov(logs, strengths)[0, 1] / np.var(strengths, ddof=1))
    left = logs - slope * strengths
    mean = math.exp(float(left.mean()))
    return mean, mean * float(left.std(ddof=2)) / math.sqrt(len(places))
