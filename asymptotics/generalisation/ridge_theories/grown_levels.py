"""What level E leaves out where features without a linear part learn directions of degree 2: measured given grown directions.

Level E has these directions to first order in n p/d² and in the variance V/d of the rows' components w along them, without the
mean of w². Where that is no small part of the test error, the ridge fit is solved on auxiliary batches given the fields along
the directions that have grown (:mod:`asymptotics.generalisation.finite.grown_directions`), exact in V/d, and its mean is taken
relative to level E.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from asymptotics.expectations.patience import Patience
from asymptotics.experiment.ridge_words import Level
from asymptotics.generalisation.ridge_theories.left_out import learned_quadratically
from asymptotics.generalisation.ridge_theories.trained_levels import layer_of, solve_level
from asymptotics.generalisation.spiked.corrections import BATCHES, Correction, auxiliary_layer, without_answer
from asymptotics.generalisation.spiked.linear_sector import Errors
from asymptotics.generalisation.spiked.trained_layer import strong_spikes
from asymptotics.generalisation.theory import Setting
from hermite.errors import ConvergenceError, InputError

if TYPE_CHECKING:
    from asymptotics.generalisation.finite.conditional_errors import UnitErrors

#: Directions learned linearly beside grown ones.
MOST_SPIKES = 1
#: Share of the test error that directions of degree 2 learn from which they are more than a small term.
LEAST = 0.01
#: The dimension of the batches at most: what the first order leaves out falls as 1/d.
_LARGEST = 400
#: Batches, the part of the accuracy that their standard error may have, and batches on which partners are pairs.
_LEAST, _SHARE, _PAIRS = 8, 0.5, 2
#: Penalties of less than this, of the features' size E σ², are measured at it: the equations are singular where n > p and λ → 0,
#: what changes relative to level E has a limit there.
_LEAST_PENALTY = 1e-6


@dataclass(frozen=True)
class Near:
    """A ``place`` on a line, and what is ``solved`` at others, batch by batch."""

    solved: dict[Hashable, dict[float, UnitErrors]]
    place: float

    def start(self, batch: Hashable) -> UnitErrors | None:
        """The solution at the nearest of them."""
        known = self.solved.get(batch)
        return known[min(known, key=lambda place: abs(place - self.place))] if known else None

    def keep(self, batch: Hashable, found: UnitErrors) -> None:
        """What was solved here."""
        self.solved.setdefault(batch, {})[self.place] = found


def counts(setting: Setting, errors: Errors) -> bool:
    """Whether directions of degree 2 are more than a small term of level E (``errors``) at ``ridge.d``.

    Of features that are mostly of degree 2, after steps that learn one direction linearly at most.
    """
    if setting.ridge.d is None:
        return False
    layer = layer_of(setting)
    if layer.S is None or len(strong_spikes(layer, setting.ridge.d)) > MOST_SPIKES:
        return False
    size = learned_quadratically(setting, layer)
    return size > 0 and max(size, errors.curved) > LEAST


def measured_given_directions(
    setting: Setting,
    errors: Errors,
    accuracy: float,
    most: int,
    least: int = 0,
    near: Near | None = None,
) -> Correction:
    """The mean over batches of the fit given grown directions, relative to level E (``errors``), at d or at 400 and times 400/d.

    On as many batches, up to ``most``, as half of ``accuracy`` asks for; at least ``least``, where that is more. ``near``: where
    the setting is on a line, whose points start from each other. Partners are solved as pairs on two batches: relative to
    neurons without partners, which are solved on all, these hardly fluctuate.
    """
    ridge, d = setting.ridge, setting.ridge.d
    assert d is not None
    size = min(d, _LARGEST)
    penalty = max(ridge.lam, _LEAST_PENALTY * _size_of_features(setting))
    same = size == d and penalty == ridge.lam
    there = setting if same else replace(setting, ridge=replace(ridge, d=size, lam=penalty))
    reference = errors if same else solve_level(there, Level.E, False)
    of_reference = np.array([reference.test, max(reference.train, 1e-300)])
    found: list[tuple[float, float]] = []
    patience = Patience()
    try:
        while len(found) < most:
            more = range(len(found), min(most, len(found) + BATCHES))
            found += [_on_batch(there, index, near, pairs=False) for index in more]
            if len(found) < max(least, _LEAST):
                continue
            ratio = np.ones(2)
            if setting.network.is_symmetric:
                pairs = [_on_batch(there, index, near, pairs=True) for index in range(_PAIRS)]
                ratio = np.sum(pairs, axis=0) / np.maximum(np.sum(found[:_PAIRS], axis=0), 1e-300)
            relative = np.array(found) * ratio / of_reference
            (test, train), scatter = relative.mean(axis=0) - 1, relative.std(axis=0, ddof=1)
            test_sem, train_sem = (scatter / math.sqrt(len(found)) * size / d).tolist()
            if test_sem <= _SHARE * accuracy or not patience.allows(BATCHES / len(found)):
                break
    except (InputError, ConvergenceError, np.linalg.LinAlgError) as error:
        return without_answer(len(found), error)
    return Correction(float(test) * size / d, float(train) * size / d, test_sem, train_sem, len(found))


def _size_of_features(setting: Setting) -> float:
    """E σ² after the steps, without what is learned: rows are Gaussian of their norm."""
    layer, sigma = layer_of(setting), setting.network.get_activation()
    squares = sigma.squares(np.zeros(len(layer.weight)), np.sqrt(layer.residual_norm2[: len(layer.weight)]))
    return float(layer.weight @ squares)


def _on_batch(setting: Setting, index: int, near: Near | None = None, *, pairs: bool) -> tuple[float, float]:
    """Test and train error on one batch."""
    from asymptotics.generalisation.finite.grown_directions import as_independent, grown_errors, grown_units
    from asymptotics.generalisation.finite.trained_units import TrainedUnits

    network, ridge, d = setting.network, setting.ridge, setting.ridge.d
    assert d is not None
    training = setting.actual

    def make() -> TrainedUnits:
        layer = auxiliary_layer(setting.f, network, training, d, index)
        mine = layer if pairs else as_independent(layer)
        return grown_units(setting.fitted, network.get_activation(), mine)

    key = ("given directions", setting.f, network, training, d, index, pairs)
    noise = setting.fitted.noise
    units = setting.set_ups.get(key, make)

    def solve() -> UnitErrors:
        start = None if near is None else near.start(key)
        found = grown_errors(units, ridge.n2(d), setting.neurons, ridge.lam, noise, start)
        if near is not None:
            near.keep(key, found)
        return found

    solved = setting.set_ups.get((*key, ridge.n2(d), setting.neurons, ridge.lam), solve)
    return solved.excess + noise, solved.train
