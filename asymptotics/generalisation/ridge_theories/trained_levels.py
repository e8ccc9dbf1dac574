"""Levels iso and E after giant steps at n, p = Θ(d): conditional Gaussian equivalence given the spikes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from asymptotics.error_budget import Validity
from asymptotics.experiment.protocol_keys import PROTOCOLS
from asymptotics.experiment.ridge_words import Level, Regime
from asymptotics.experiment.settings import Training
from asymptotics.generalisation.ridge_theories.left_out import (
    bulk_left_out,
    by_what_is_left,
    freedom_left_out,
    hidden_from_isotropic,
    learned_quadratically,
    left_out,
    mean_left_out,
    more_of_level_e,
)
from asymptotics.generalisation.ridge_theories.settings_used import (
    FIT,
    NEURONS,
    STEPS,
    after_one_exponent,
    removed_orders,
)
from asymptotics.generalisation.spiked.linear_sector import (
    Errors,
    counting_the_sector,
    solve_side_by_side,
    solve_units,
)
from asymptotics.generalisation.spiked.ridge_equations import Units
from asymptotics.generalisation.spiked.trained_layer import (
    most_spikes,
    spikes,
    strength_left_out,
    trained_units,
)
from asymptotics.generalisation.theory import Setting, Surety, Theory, result, without_a_layer
from asymptotics.learning.features import LearnedFeatures
from asymptotics.learning.laws import law_of, learned_features
from asymptotics.results import Risk
from hermite.errors import ConvergenceError, InputError

#: Points that are solved side by side.
_TOGETHER = 128
#: The largest deviation met at level iso.
_ISO = 0.16
#: What else was compared with runs, by protocol.
_COMPARED = {"reuse": " On a reused batch 3 % at the one setting that was compared with runs."}


class AfterSteps(Theory):
    """What the levels share: the layer, its units, and the refusals."""

    regime = Regime.PROPORTIONAL
    papers = ("cui2024asymptotics", "dandi2024random")
    uses = FIT | NEURONS | STEPS | {"network.readout", "ridge.level"}
    own: ClassVar[Level]

    @property
    def level(self) -> Level:
        """The level that it is."""
        return self.own

    @property
    def name(self) -> str:  # type: ignore[override]
        """The theory and its level."""
        return f"conditional Gaussian equivalence, level {self.own}"

    def trained(self, steps: int) -> bool:
        """After one giant step or more."""
        return steps >= 1

    def asked(self, setting: Setting) -> bool:
        """This level, or "auto" where it is the default."""
        return super().asked(setting) and setting.level == self.own

    def refusals(self, setting: Setting) -> tuple[str, ...]:
        """Batches and laws of readout and bias that the theory does not have."""
        network, training = setting.network, setting.training
        found = [
            *removed_orders(training.remove_orders),
            *after_one_exponent(training.batch_exponent),
            *self.too_many_groups(setting),
        ]
        if setting.ridge.d is None and (network.readout == "gaussian" or network.bias > 0):
            what = "a gaussian readout needs" if network.readout == "gaussian" else "random biases need"
            found.append(
                f"After a giant step {what} ridge.d: neurons of rare or close parameters act through O(1/d) terms."
            )
        return tuple(found)

    def too_many_groups(self, setting: Setting) -> tuple[str, ...]:
        """A refusal where covariances are too many to solve for."""
        return ()

    def solved(self, setting: Setting, errors: Errors, surety: Surety, solver: str | None = None) -> Risk:
        """The ``Risk`` of errors at this level."""
        # Every level rests on the same averages; a law that does not say the residuals' covariance has those of iso.
        layer = layer_of(setting)
        finest = Level.ISO if layer.S is None else Level.E
        return result(
            setting, solver or self.name, surety, errors.test, errors.train, errors.solver_error,
            order_parameters=errors.order_parameters, solution=errors.sus.solution,
            averages=layer.error + units_of(setting, finest).error,
        )  # fmt: skip


class Unmeasured(AfterSteps):
    """A level that the equations alone answer."""

    def solve(self, setting: Setting, throw: bool) -> Risk:
        """The equations at one point."""
        return self.answer_of(setting, solve_level(setting, self.own, throw))

    def solve_many(self, settings: Sequence[Setting], throw: bool) -> Iterator[Risk | InputError]:
        """The equations of many points side by side."""
        for setting, errors in zip(settings, solve_levels(settings, self.own), strict=True):
            try:
                yield self.solve(setting, throw) if errors is None else self.answer_of(setting, errors)
            except InputError as error:
                yield error

    @abstractmethod
    def answer_of(self, setting: Setting, errors: Errors) -> Risk:
        """The ``Risk`` of solved equations."""


class LevelE(Unmeasured):
    """Exact leading-order covariance of the residuals on spikes and target, isotropic bulk of equal norm."""

    own = Level.E

    def asked(self, setting: Setting) -> bool:
        """By name, and by default where nothing is measured."""
        return Theory.asked(self, setting) and setting.level in (Level.AUTO, Level.E)

    def surety(self, setting: Setting) -> Surety:
        """By the budget of ``left_out``, without what is known once the equations are solved."""
        layer = layer_of(setting)
        return Surety(Validity.LEADING_ORDER, note_of(layer), left_out(setting, layer))

    def answer_of(self, setting: Setting, errors: Errors) -> Risk:
        """The ``Risk`` of solved equations."""
        note, size = note_of(layer_of(setting)), left_out_by(setting, errors)
        return self.solved(setting, errors, Surety(Validity.LEADING_ORDER, note, size))


def note_of(layer: LearnedFeatures) -> str:
    """What level E leaves out, in words."""
    lost = strength_left_out(layer)
    few = (
        ""
        if lost < 1e-4
        else f" The {most_spikes(layer)} strongest spikes count; the next has strength {lost:.1g}."
    )
    return (
        f"The bulk of the residual of the weights is taken as isotropic and of equal norm (indicator {layer.anisotropy:.2g}); "
        "ridge.accuracy measures what that leaves out." + few
    )


class LevelIso(Unmeasured):
    """Isotropic residuals; all that is known of a layer after steps on a reused batch."""

    own = Level.ISO
    uses = (
        AfterSteps.uses
        | {"training.protocol"}
        | {f"training.{key}" for traits in PROTOCOLS.values() if traits.isotropic for key in traits.keys}
    )

    def asked(self, setting: Setting) -> bool:
        """By name, and by default where no other level is known."""
        alone = setting.training.traits.isotropic and setting.level == Level.AUTO
        return super().asked(setting) or (Theory.asked(self, setting) and alone)

    def refusals(self, setting: Setting) -> tuple[str, ...]:
        """Also protocols without a law of the layer, and what the law of another protocol does not cover."""
        network, training = replace(setting.network, width="infinite"), setting.actual
        if training.traits.fresh:
            return super().refusals(setting)
        if not training.traits.isotropic:
            return (without_a_layer(training.protocol),)
        try:
            law_of(setting.f, network, training)
        except InputError as error:
            return tuple(f"{reason}." for reason in error.problems)
        return super().refusals(setting)

    def surety(self, setting: Setting) -> Surety:
        """Approximate."""
        note = (
            "The residual of the weights is taken as isotropic: 2 to 16 % off for activations with a second "
            "Hermite order."
        )
        note += _COMPARED.get(setting.training.protocol, "")
        return Surety(Validity.APPROXIMATE, note, _ISO + hidden_from_isotropic(setting, layer_of(setting)))

    def answer_of(self, setting: Setting, errors: Errors) -> Risk:
        """The ``Risk`` of solved equations."""
        return self.solved(setting, errors, self.surety(setting))


def solve_level(setting: Setting, level: Level, throw: bool) -> Errors:
    """The errors of the equations for the units of a level; at finite d with the sector's degrees of freedom."""
    (alpha, beta), lam, d = setting.ratios, setting.ridge.lam, setting.ridge.d
    units = units_of(setting, level)
    errors = solve_units(units, alpha, beta, lam, d=d, throw=throw)
    return errors if d is None else counting_the_sector(units, errors, alpha, beta, lam, d)


def solve_levels(settings: Sequence[Setting], level: Level) -> list[Errors | None]:
    """:func:`solve_level` at points of a curve, those of one layer and d side by side; None where a point is left alone."""
    found: list[Errors | None] = [None] * len(settings)
    places: dict[tuple[Training, int | None], list[int]] = {}
    for i, setting in enumerate(settings):
        places.setdefault((setting.actual, setting.ridge.d), []).append(i)
    for (_, d), mine in places.items():
        try:
            units = units_of(settings[mine[0]], level)
        except (InputError, ConvergenceError):
            # Said at its points.
            continue
        for part in (mine[i : i + _TOGETHER] for i in range(0, len(mine), _TOGETHER)):
            points = [(*settings[i].ratios, settings[i].ridge.lam) for i in part]
            alpha, beta, lam = np.array(points, np.float64).T
            for i, errors in zip(part, solve_side_by_side(units, alpha, beta, lam, d), strict=True):
                found[i] = errors
    return found


#: Of what features of degree 2 learn, the part that is carried by the mean of the rows' squares: a third where it was met.
_MEAN_OF_SQUARES = 0.3
#: Of a small test error, the part that degree 2 brings at most: what was measured ends at 0.35.
_MOST_OF_LEVEL_E = 0.4


def left_out_by(setting: Setting, errors: Errors, *, measured: bool = False) -> float:
    """The budget of ``left_out`` for solved equations."""
    freedom = None if errors.freedom is None else errors.freedom[0]
    layer = layer_of(setting)
    size = left_out(setting, layer, errors.common[0], freedom, errors.finite, measured=measured)
    bulk = bulk_left_out(setting, layer, measured)
    more = (by_what_is_left(setting, errors.test) - 1.0) * bulk
    if not measured:
        more = max(more, min(more_of_level_e(setting, errors.test) * bulk, _MOST_OF_LEVEL_E))
    if freedom is not None and len(spikes(layer)):
        # Directions of degree 2 are in the equations by the variance of the rows alone.
        more += max(0.0, _MEAN_OF_SQUARES * learned_quadratically(setting, layer) - freedom_left_out(freedom))
    return size + more + mean_left_out(setting, errors.test)


def layer_of(setting: Setting) -> LearnedFeatures:
    """The first layer after training: it sees the labels without the removed orders."""
    f, network, training = setting.f, setting.network, setting.actual
    return setting.set_ups.get(
        ("layer", f, network, training),
        # Its own number of neurons is p = beta d, whatever width overlaps are asked at.
        lambda: learned_features(f, replace(network, width="infinite"), training),
    )


def units_of(setting: Setting, level: Level) -> Units:
    """The units of the layer for the ridge fit."""
    network = setting.network
    return setting.set_ups.get(
        ("units", setting.f, network, setting.actual, level),
        lambda: trained_units(setting.fitted, network.get_activation(), layer_of(setting), level),
    )
