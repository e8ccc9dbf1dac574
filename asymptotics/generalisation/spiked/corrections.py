"""What level E leaves out after giant steps, measured on auxiliary batches: the corrections of levels matrix, E+, En+.

``bulk``   ratio of the errors given the whole covariance of the residuals to those of level E on the same batches;
``norm``   effect of the fluctuation of |r|² from neuron to neuron, a further function that the readout can fit.

E+ = E (1 + bulk), En+ = E (1 + norm)(1 + bulk). That the two multiply is an assumption. Both are also the estimate of
the error of level E.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.experiment.settings import Network, Training
from asymptotics.generalisation.spiked.linear_sector import Errors, solve_units
from asymptotics.generalisation.spiked.matrix_sectors import solve_matrix
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.trained_layer import axes_of, on_units, trained_units, unit_members
from asymptotics.learning.features import LearnedFeatures
from asymptotics.learning.giant.batches import BatchLayer, norm_covariances, train_on_batches
from asymptotics.learning.giant.low_orders import without_orders
from asymptotics.learning.groups import readout_groups
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: Auxiliary batches, their dimension, and sampled neurons a group.
BATCHES = 4
DIMENSION = 240
_NEURONS = 2000


@dataclass(frozen=True)
class Correction:
    """Relative change of the test and train error, with the standard error of each over the batches."""

    test: float
    train: float
    test_sem: float = 0.0
    train_sem: float = 0.0


def auxiliary_layers(
    f: Target, network: Network, training: Training, d: int | None
) -> tuple[BatchLayer, ...]:
    """``BATCHES`` independent first layers of dimension min(d, ``DIMENSION``), from fixed seeds."""
    seen = without_orders(f, tuple(training.remove_orders))
    groups = readout_groups(network)
    size = max(f.r + 2, min(d or DIMENSION, DIMENSION))
    return tuple(
        train_on_batches(
            seen,
            network.get_activation(),
            groups,
            training.steps,
            training.eta,
            training.alpha,
            d=size,
            neurons=max(100, _NEURONS // len(groups.readout)),
            seed=(20260, batch),
        )
        for batch in range(BATCHES)
    )


def bulk_correction(
    f: Target,
    sigma: Activation,
    layers: tuple[BatchLayer, ...],
    alpha: float,
    beta: float,
    lam: float,
    d: int | None,
) -> tuple[Correction, tuple[Errors, ...]]:
    """matrix/E − 1 averaged over the batches, and level E of each batch; ``f`` is the target of the ridge fit."""
    ratios, errors = [], []
    for layer in layers:
        units = trained_units(f, sigma, layer, "E")
        isotropic = solve_units(units, alpha, beta, lam, d=d)
        covariance = on_units(layer, unit_members(layer), layer.covariance)
        whole = solve_matrix(units, covariance, axes_of(layer), alpha, beta, lam, d=d)
        ratios.append([whole.test / isotropic.test - 1, whole.train / isotropic.train - 1])
        errors.append(isotropic)
    mean, sem = np.mean(ratios, axis=0), np.std(ratios, axis=0, ddof=1) / np.sqrt(len(ratios))
    return Correction(*map(float, [*mean, *sem])), tuple(errors)


def norm_correction(
    units: Units, moving: Units, alpha: float, beta: float, lam: float, d: int | None
) -> Correction:
    """Relative change of the errors when the fluctuating norms count: ``moving`` = :func:`with_norm_mode`."""
    plain = solve_units(units, alpha, beta, lam, d=d)
    moved = solve_units(moving, alpha, beta, lam, d=d)
    return Correction(moved.test / plain.test - 1, moved.train / plain.train - 1)


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
