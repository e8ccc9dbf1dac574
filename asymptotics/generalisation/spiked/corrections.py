"""What level E leaves out after giant steps, measured on auxiliary batches: the corrections of levels matrix, E+, En+.

``bulk``   errors given the whole covariance of the residuals and the batches that made it, averaged over batches,
           relative to level E: anisotropy of the bulk, and what batches of finite size change on average;
``norm``   effect of the fluctuation of |r|² from neuron to neuron, a further function that the readout can fit.

E+ = E (1 + bulk), En+ = E (1 + norm)(1 + bulk). That the two multiply is an assumption.

The batches have a small dimension d', and their errors two parts of different size in it (:func:`at_dimension`). The ratio
ρ = whole/E(batch) is of order one, also as d' → ∞; what it changes with E(batch), falling where that rises, is not. That
E(batch) deviates from the E of infinitely many samples is of order 1/d', and so d'/d of it is there at d.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from asymptotics.caches import SetUps
from asymptotics.expectations.activations import Activation
from asymptotics.expectations.patience import Patience
from asymptotics.experiment.ridge_words import Level
from asymptotics.experiment.settings import Network, Training
from asymptotics.generalisation.spiked.batch_rounds import BatchErrors, OnPath, errors_of_round, rounds_of
from asymptotics.generalisation.spiked.linear_sector import Errors, solve_units
from asymptotics.generalisation.spiked.ridge_equations import ON_NODES, Units
from asymptotics.generalisation.spiked.trained_layer import axes_of, on_units, trained_units, unit_members
from asymptotics.generalisation.spiked.white_matrices import Batches
from asymptotics.learning.features import LearnedFeatures
from asymptotics.learning.giant.batches import BatchLayer, norm_covariances, train_on_batches
from asymptotics.learning.giant.low_orders import without_orders
from asymptotics.learning.groups import readout_groups
from hermite.errors import ConvergenceError, InputError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Batches of a round, and those whose neurons are sampled.
BATCHES = 4
#: Batches of which a straight line and its error can be told.
_LEAST = 8
#: d times groups of the batches whose whole covariance counts: their matrices have this size.
_SIZE, _SMALLEST = 240, 60
#: d of the batches with sampled neurons at most, and how many neurons.
_LARGEST, _NEURONS = 240, 2000
#: Neurons where none are needed: their spread must exist.
_TWO = 2
#: Share of the accuracy asked that the standard error of a correction may have.
_SHARE = 0.25
#: The equations of a batch are solved to this part of the accuracy: far below the scatter of the batches, ``_SHARE`` of it;
#: and no further than free directions of the spikes let them be known (5e-7).
_TOLERANCE, _KNOWN = 1e-3, 3e-6
#: Share of a rule's sums that its lightest nodes may have to be left out.
_LIGHT = 1e-6
#: A change larger than this is no correction.
NO_CORRECTION = 0.5


@dataclass(frozen=True)
class Correction:
    """Relative change of the test and train error, with the standard error of each over the ``count`` batches.

    ``trouble``: why a batch had no answer, which makes all of it infinite.
    """

    test: float
    train: float
    test_sem: float = 0.0
    train_sem: float = 0.0
    count: int = 0
    trouble: str = ""

    @property
    def size(self) -> float:
        """The change of the test error."""
        return abs(self.test)

    @property
    def sem(self) -> float:
        """The larger of the two standard errors, relative to what is corrected."""
        return max(self.test_sem / max(1 + self.test, 1e-3), self.train_sem / max(1 + self.train, 1e-3))

    @property
    def is_one(self) -> bool:
        """Whether it corrects: a change of the test error that is not large, and known to a part of itself.

        A training error near interpolation may well be a multiple of what level E says.
        """
        return self.size < NO_CORRECTION and self.sem < NO_CORRECTION / 2


def without_answer(count: int, error: Exception) -> Correction:
    """After ``count`` batches one had no answer: it measures nothing, and the mean of the others is that of the easy ones."""
    told = error.problems[0].rstrip(".") if isinstance(error, InputError) else "its equations were not solved"
    return Correction(math.inf, math.inf, math.inf, math.inf, count, told)


def auxiliary_dimension(network: Network, r: int, d: int | None) -> int:
    """The dimension of the batches whose whole covariance counts."""
    groups = len(readout_groups(network).readout)
    return max(r + 2, min(d or _LARGEST, max(_SMALLEST, _SIZE // groups)))


def auxiliary_layer(
    f: Target, network: Network, training: Training, d: int, index: int, neurons: int = _TWO
) -> BatchLayer:
    """The first layer of dimension ``d`` after batches from seed ``index``, with ``neurons`` sampled a group."""
    return train_on_batches(
        without_orders(f, tuple(training.remove_orders)),
        network.get_activation(),
        readout_groups(network),
        training.steps,
        training.eta,
        training.alpha,
        d=d,
        neurons=neurons,
        seed=(20260, index),
    )


def sampled_layers(f: Target, network: Network, training: Training, d: int | None) -> tuple[BatchLayer, ...]:
    """A few first layers with many sampled neurons, of dimension min(d, 240)."""
    size = max(f.r + 2, min(d or _LARGEST, _LARGEST))
    neurons = max(100, _NEURONS // len(readout_groups(network).readout))
    return tuple(auxiliary_layer(f, network, training, size, index, neurons) for index in range(BATCHES))


def batch_units(f: Target, sigma: Activation, layer: BatchLayer, coherence: Array | None) -> Units:
    """Units at level E on one batch; ``f`` is the target of the ridge fit, ``coherence`` that of the law of the layer."""
    return without_light_nodes(
        trained_units(f, sigma, replace(layer, coherence=coherence), Level.E, coarse=True)
    )


def without_light_nodes(units: Units) -> Units:
    """Without the nodes far out that hold ``_LIGHT`` of the normal law, of the target's energy and of that of the features."""
    of_target = units.f0**2 + np.sum(units.f1**2, axis=1) + units.fs2
    of_features = (units.mu0**2 + units.mu1**2) @ units.fractions
    of_features = of_features + np.einsum("kubb,u->k", units.spread, units.count)
    parts = units.weights * np.array([np.ones_like(of_target), of_target, of_features])
    shares = np.max(parts / np.maximum(parts.sum(axis=1, keepdims=True), 1e-300), axis=0)
    order = np.argsort(shares, kind="stable")
    kept = np.sort(order[np.cumsum(shares[order]) > _LIGHT])
    mu2, f2 = (None if part is None else part[kept] for part in (units.mu2, units.f2))
    own = {name: getattr(units, name)[kept] for name in ON_NODES}
    return replace(units, mu2=mu2, f2=f2, **own)


def batch_of(
    f: Target, fitted: Target, network: Network, training: Training, law: LearnedFeatures, d: int, index: int
) -> tuple[BatchLayer, Units]:
    """A first layer trained on ``f`` by batches, and its units for the fit of ``fitted``; ``law`` of the layer."""
    layer = auxiliary_layer(f, network, training, d, index)
    return layer, batch_units(fitted, network.get_activation(), layer, law.coherence)


def _relative(found: Array, reference: Array) -> Array:
    """``found`` / ``reference``; 1 where the reference is 0: a fit that interpolates does so on every batch."""
    return np.divide(found, reference, out=np.ones_like(found), where=reference > 0)


def bulk_correction(found: Sequence[BatchErrors], reference: Errors, share: float = 1.0) -> Correction:
    """What the batches change relative to level E (``reference``), with standard errors by the jackknife.

    ``share`` = d'/d, of the dimension d' of the batches in d.
    """
    of_reference = np.array([reference.test, reference.train])
    whole, own = (
        _relative(np.array([getattr(one, which) for one in found]), of_reference)
        for which in ("whole", "isotropic")
    )
    kept = ~np.eye(len(whole), dtype=bool) if len(whole) > _TWO else np.ones((1, len(whole)), bool)
    test, train = (at_dimension(whole[:, i], own[:, i], share) - 1 for i in (0, 1))
    parts = np.array([[at_dimension(whole[k, i], own[k, i], share) for k in kept] for i in (0, 1)])
    scatter = np.sum((parts - parts.mean(axis=1, keepdims=True)) ** 2, axis=1)
    test_sem, train_sem = np.sqrt(scatter * (len(kept) - 1) / len(kept)).tolist()
    return Correction(test, train, test_sem, train_sem, len(whole))


def at_dimension(whole: Array, own: Array, share: float) -> float:
    """Mean of ``whole`` (batches,) at d, from batches of dimension d' = ``share`` d whose level E is ``own``; units of E.

    ρ = whole/own is a straight line in own: ρ_0 at own = 1, as for infinitely many samples, is its limit. The rest
    of the mean is what batches of finite size change; its parts are of order 1/d'.
    """
    ratio = np.divide(whole, own, out=np.ones_like(whole), where=own != 0)
    off = own - own.mean()
    slope = float(off @ ratio) / max(float(off @ off), 1e-300)
    limit = float(ratio.mean()) + slope * (1.0 - float(own.mean()))
    return limit + min(share, 1.0) * (float(whole.mean()) - limit)


_Drawing = Callable[[int], tuple[BatchLayer, Units]]


def _drawn(batch: _Drawing, indices: range, key: tuple[Hashable, ...], kept: SetUps) -> tuple[Batches, ...]:
    return kept.get((*key, indices), lambda: rounds_of([batch(index) for index in indices]))


def measured_bulk(
    f: Target,
    network: Network,
    training: Training,
    layer: LearnedFeatures,
    fitted: Target,
    reference: Errors,
    point: tuple[float, float, float, int | None],
    accuracy: float,
    most: int,
    kept: SetUps,
    least: int = 0,
    along: OnPath | None = None,
) -> Correction:
    """:func:`bulk_correction` on as many batches, up to ``most`` or ``SECONDS``, as a quarter of ``accuracy`` asks for.

    At least ``least``, where that is more than it takes anyway.

    ``f`` is what the first layer is trained on, ``fitted`` the target of the ridge fit at ``point`` (alpha, beta, lambda,
    d), ``layer`` the law of the layer and ``reference`` its level E. ``kept``: what the points of a curve share; ``along``:
    where the point is on the path of a curve.
    """
    size = auxiliary_dimension(network, f.r, point[3])
    share = 0.0 if point[3] is None else size / point[3]
    key = ("batches", f, network, training, size)
    batch = partial(batch_of, f, fitted, network, training, layer, size)
    tol = max(_TOLERANCE * accuracy, _KNOWN)
    found: list[BatchErrors] = []
    patience = Patience()
    while len(found) < most:
        indices = range(len(found), min(most, len(found) + BATCHES if found else _LEAST))
        rounds = _drawn(batch, indices, key, kept)
        for one in rounds:
            try:
                found += errors_of_round(one, point, tol, reference.sus, along)
            except (ConvergenceError, np.linalg.LinAlgError) as error:
                return without_answer(len(found), error)
        if len(found) < least:
            continue
        correction = bulk_correction(found, reference, share)
        known = correction.sem <= _SHARE * accuracy or not correction.size < NO_CORRECTION
        if known or not patience.allows(BATCHES / len(found)):
            break
    return correction


def norm_correction(
    moving: Units, plain: Errors, alpha: float, beta: float, lam: float, d: int | None
) -> Correction:
    """Change of the errors relative to ``plain`` when norms fluctuate: ``moving`` = :func:`with_norm_mode`."""
    moved = solve_units(moving, alpha, beta, lam, d=d, start=plain.sus)
    errors = (np.array([one.test, one.train]) for one in (moved, plain))
    test, train = _relative(*errors) - 1
    return Correction(float(test), float(train))


def with_norm_mode(
    units: Units, sigma: Activation, layer: LearnedFeatures, layers: tuple[BatchLayer, ...]
) -> Units:
    """``units`` of level E with the norm as one more direction of each group, its covariances from the batches."""
    k = units.kappa.shape[1]
    measured = np.mean([_norm_blocks(layer, batch, k) for batch in layers], axis=0)
    members = unit_members(layer)
    root = np.sqrt(layer.residual_norm2)
    block = on_units(layer, members, measured)
    # One more factor 1/√s for each index that is the norm.
    block[..., k, :] /= root[members][:, :, None, None]
    block[..., :, k] /= root[members][:, None, :, None]
    old = units.v.shape[-1]
    kept = [i for i in range(old + 1) if i != k]
    block[..., np.ix_(kept, kept)[0], np.ix_(kept, kept)[1]] = units.v
    mean = units.kappa @ _coordinates(layer).T + layer.bias
    curvature = layer.residual_norm2 * sigma.S2(mean, np.broadcast_to(root, mean.shape))
    return replace(units, v=block, curvature=curvature)


def _coordinates(layer: LearnedFeatures) -> Array:
    """c_g on the spikes (G, k)."""
    axes = axes_of(layer)
    return layer.c @ axes[: len(axes) - layer.targets].T


def _norm_blocks(layer: LearnedFeatures, batch: BatchLayer, k: int) -> Array:
    """d Cov over neurons of (spikes, |r|²/2, θ), (L, k + 1 + r, k + 1 + r); axes rebuilt from the batch's group means."""
    axes = axes_of(layer)
    spikes = np.linalg.pinv(_coordinates(layer)) @ batch.c
    target = np.eye(layer.targets, batch.d)
    gamma = axes[:k, : layer.targets].T
    theta_of = np.linalg.pinv(np.eye(layer.targets) - gamma @ gamma.T, rcond=1e-7, hermitian=True)
    values, vectors = np.linalg.eigh(theta_of)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    theta = root @ (target - gamma @ spikes)
    size = k + layer.targets
    order = [*range(k), size, *range(k, size)]
    return norm_covariances(batch, np.concatenate([spikes, theta]))[:, order][:, :, order]
