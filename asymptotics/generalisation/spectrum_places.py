"""Edge, spikes and bulk of the features, conditional or initial: ways of :mod:`asymptotics.generalisation.feature_spectrum`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from asymptotics.expectations.activations import Activation
from asymptotics.experiment.settings import Network, Training
from asymptotics.generalisation.finite import conditional_spectrum
from asymptotics.generalisation.finite.conditional_spectrum import BulkAndSpikes, bulk_and_spikes
from asymptotics.generalisation.initial_bulk import Bulk, degree_of_features, outliers, transfer
from asymptotics.generalisation.spiked.target_moments import moments_at_start
from hermite.errors import ConvergenceError
from hermite.target import Target

Array = npt.NDArray[np.float64]

#: By how much the part of the gradient that is not included moves spikes, at most.
_LEFT_OUT = 0.08
#: The same where the bulk is that after the step.
CONDITIONAL = 0.03
#: The edge of the bulk before a step, at n2 and p of some hundreds.
_UNTRAINED = 0.015
#: A bulk that is narrower than this part of the one before the step is none; where an activation saturates it does narrow.
_NARROWER = 0.05


@dataclass(frozen=True)
class Places:
    """What one of the ways gives; ``averages``: relative error of its integrals, ``theory``: what it leaves out.

    ``features`` (spikes, K + 1), ``off`` (spikes,), ``on_target`` (spikes, r) and ``spread`` (spikes,) as in
    ``FeatureSpectrum``.
    """

    edge: float
    spikes: Array
    features: Array
    density: Array | None
    bulk: str
    theory: float
    note: str
    averages: float
    off: Array
    on_target: Array
    spread: Array | None = None


@dataclass(frozen=True)
class Setting:
    """A network before its first step: what the spectrum of the n2 × p features depends on; ``n`` samples of the step."""

    target: Target
    seen: Target
    network: Network
    training: Training
    d: int
    n2: int
    p: int
    n: int | None

    @property
    def sigma(self) -> Activation:
        """The activation."""
        return self.network.get_activation()

    @property
    def rows(self) -> tuple[int, float]:
        """Independent rows, and by how much the bulk of the features is wider than that of n2 × rows."""
        return (self.p // 2, math.sqrt(2)) if self.network.is_symmetric else (self.p, 1.0)

    @cached_property
    def untrained_edge(self) -> float:
        """The edge of the bulk before the step."""
        rows, wider = self.rows
        bulk = Bulk(self.sigma, self.d, self.n2, rows)
        return wider * math.sqrt(bulk.square(bulk.edge()))


def stretches(setting: Setting) -> bool:
    """Whether the batch acts on the rows by the second coefficient of the activation: c_2 ≠ 0."""
    return setting.n is not None and setting.sigma.coefficient_is_zero(2) is not True


def conditional_places(setting: Setting) -> Places:
    """The conditional way. Raises ``InputError`` or ``ConvergenceError`` where it has no solution."""
    from asymptotics.generalisation.finite.trained_units import spectral_features
    from asymptotics.learning.laws import learned_features

    assert setting.n is not None
    actual = replace(setting.training, alpha=setting.n / setting.d)
    layer = learned_features(setting.target, replace(setting.network, width="infinite"), actual)
    sigma = setting.sigma
    x, features = spectral_features(sigma, layer, setting.d)
    c = conditional_spectrum.without_mean(features, sigma.coefficient(0))
    found = bulk_and_spikes(c, setting.n2, setting.p)
    refuse_narrow(setting, found)
    shares = conditional_spectrum.hermite_shares(
        x[:, 0] if x.shape[1] else np.zeros(len(x)), c.weights, found.left[:, 0], degree_of_features(sigma)
    )
    density = np.array(conditional_spectrum.bulk_density(c, setting.n2, setting.p, found))
    note = (
        "The bulk is that of the weights after the step; edge and spikes are 0.3 to 3 % off, and the largest value of the "
        "bulk lies 0.5 to 1.5 % below its edge at n2 of some hundreds."
    )
    return Places(
        found.edge, found.spikes, shares, density if density.size else None, "conditional", CONDITIONAL, note,
        features.error + layer.error, *_all_on(found.spikes, setting.seen.r),
    )  # fmt: skip


def initial_places(setting: Setting) -> Places:
    """The way of the initial bulk."""
    from asymptotics.generalisation.finite.trained_units import initial_features

    sigma, network = setting.sigma, setting.network
    rows, wider = setting.rows
    bulk = Bulk(sigma, setting.d, setting.n2, rows)
    edge_nu = bulk.edge()
    stepped = setting.n is not None
    H, error = transfer(sigma, strength_of(setting), *network.readout_atoms(24))
    alone = np.zeros((len(H), 0))
    if network.is_symmetric:
        # Atoms come in the order of their values: the opposite of the j-th is the j-th from the end.
        H, alone = (H + H[:, ::-1]) / 2, (H - H[:, ::-1]) / 2
    spikes, shares = outliers(bulk, edge_nu, H, alone) if stepped else (np.zeros(0), np.zeros((0, len(H))))
    c = conditional_spectrum.without_mean(
        initial_features(sigma, setting.d, pairs=network.is_symmetric), sigma.coefficient(0)
    )
    try:
        around = bulk_and_spikes(c, setting.n2, setting.p)
        density = np.array(conditional_spectrum.bulk_density(c, setting.n2, setting.p, around, rank=rows))
    except ConvergenceError:
        density = np.zeros((2, 0))
    note = (
        "The part of the gradient that is no multiple of β is not included: it widens the bulk by the growth of |w|, and moves "
        "spikes by about 1 to 8 %."
    )
    return Places(
        wider * math.sqrt(bulk.square(edge_nu)), wider * spikes, shares, density if density.size else None, "initial",
        _LEFT_OUT if stepped else _UNTRAINED, note, error + bulk.error, *_all_on(spikes, setting.seen.r),
    )  # fmt: skip


def _all_on(spikes: Array, r: int) -> tuple[Array, Array]:
    """Shares of spikes that lie in the learned direction alone."""
    return np.zeros(len(spikes)), np.zeros((len(spikes), r))


def strength_of(setting: Setting) -> float:
    """eta c_1 |β|; 0 before a step."""
    return setting.training.eta * setting.sigma.coefficient(1) * direction_of(setting)


def direction_of(setting: Setting) -> float:
    """|β|, of square |C_1|² + (E f² + Δ) d/n."""
    if setting.n is None:
        return 0.0
    _, linear, energy = moments_at_start(setting.seen)
    return math.sqrt(float(linear @ linear) + (energy + setting.seen.noise) * setting.d / setting.n)


def refuse_narrow(setting: Setting, found: BulkAndSpikes) -> None:
    """A bulk much narrower than before the step is none: raises ``ConvergenceError``."""
    if found.edge < _NARROWER * setting.untrained_edge:
        raise ConvergenceError(
            "The equations of the spectrum were lost above the bulk: training.eta is too large; use bulk = 'initial'."
        )
