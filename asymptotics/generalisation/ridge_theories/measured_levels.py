"""Levels matrix, E+ and En+: what level E leaves out is measured on auxiliary batches, and put right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from asymptotics.generalisation.ridge_theories.trained_levels import (
    AfterSteps,
    layer_of,
    solve_level,
    units_of,
)
from asymptotics.generalisation.spiked.linear_sector import Errors
from asymptotics.generalisation.theory import Level, Setting, Surety, Theory
from asymptotics.learning.groups import readout_groups
from asymptotics.results import Risk, Validity

#: Groups up to which whole covariances are solved for.
_MOST_GROUPS = 4
_INCLUDED = {
    Level.E: "neither is included",
    Level.E_PLUS: "the first is included",
    Level.EN_PLUS: "both are included",
}


class MeasuredLevel(AfterSteps):
    """A level by name."""

    def __init__(self, own: Level) -> None:
        self.own = own  # type: ignore[misc]

    def too_many_groups(self, setting: Setting) -> tuple[str, ...]:
        """Whole covariances of many groups."""
        groups = len(readout_groups(setting.network).readout)
        if groups <= _MOST_GROUPS:
            return ()
        return (
            f'ridge.level = "matrix", "E+", "En+" and accuracy cover at most {_MOST_GROUPS} groups of neurons '
            f"(values of the readout times nodes of the bias), not {groups}; use level E.",
        )

    def surety(self, setting: Setting) -> Surety:
        """Leading order; its size is known once it is measured."""
        return Surety(
            Validity.LEADING_ORDER,
            "What level E leaves out is measured on auxiliary batches when it is solved.",
        )

    def solve(self, setting: Setting, throw: bool) -> Risk:
        """Level E and its corrections."""
        level, errors, note, theory = corrected(setting, solve_level(setting, Level.E, throw), self.own)
        surety = Surety(Validity.LEADING_ORDER, note, theory)
        return self.solved(setting, errors, surety, f"conditional Gaussian equivalence, level {level}")


class ToAccuracy(MeasuredLevel):
    """Level "auto" with an accuracy: E where what it leaves out is smaller, else En+."""

    uses = AfterSteps.uses | {"accuracy"}

    def __init__(self) -> None:
        super().__init__(Level.AUTO)

    @property
    def name(self) -> str:  # type: ignore[override]
        """The theory and how its level is found."""
        return "conditional Gaussian equivalence, to an accuracy"

    def asked(self, setting: Setting) -> bool:
        """With an accuracy and no level by name."""
        return Theory.asked(self, setting) and setting.level == Level.AUTO and setting.accuracy is not None

    def refusals(self, setting: Setting) -> tuple[str, ...]:
        """No accuracy is given."""
        if setting.accuracy is None:
            return ("No accuracy is asked for: risk(..., accuracy=0.01).", *super().refusals(setting))
        return super().refusals(setting)

    def unused(self, setting: Setting) -> frozenset[str]:
        """The accuracy is used here."""
        return super().unused(setting) - {"accuracy"}

    def solve(self, setting: Setting, throw: bool) -> Risk:
        """Both corrections measured; E if they are below the accuracy."""
        errors = solve_level(setting, Level.E, throw)
        level, errors, note, theory = corrected(setting, errors, Level.E)
        surety = Surety(Validity.LEADING_ORDER, note, theory)
        return self.solved(setting, errors, surety, f"conditional Gaussian equivalence, level {level}")


def corrected(setting: Setting, errors: Errors, level: Level) -> tuple[Level, Errors, str, float]:
    """The level used, its errors, a note, and the relative size of what it leaves out (see ``corrections``)."""
    from asymptotics.generalisation.spiked import corrections

    f, network, training, accuracy = setting.f, setting.network, setting.actual, setting.accuracy
    d, sigma, layer = setting.ridge.d, network.get_activation(), layer_of(setting)
    point = (*setting.ratios, setting.ridge.lam, d)
    batches = setting.set_ups.get(
        ("auxiliary layers", f, network, training, d),
        lambda: corrections.auxiliary_layers(f, network, training, d),
    )
    bulk, own = corrections.bulk_correction(setting.fitted, sigma, batches, *point)
    units = units_of(setting, Level.E)
    moving = corrections.with_norm_mode(units, sigma, layer, batches)
    norm = corrections.norm_correction(units, moving, *point)
    if level == Level.E and accuracy is not None:
        level = Level.E if max(abs(bulk.test), abs(norm.test)) < accuracy else Level.EN_PLUS
    note = (
        f"Measured on {len(batches)} auxiliary batches at d = {batches[0].d}: anisotropy of the bulk "
        f"{100 * bulk.test:+.2g} ± {100 * bulk.test_sem:.1g} % of the test error ({100 * bulk.train:+.2g} % train), "
        f"fluctuating norms {100 * norm.test:+.2g} % ({100 * norm.train:+.2g} %)"
    )
    # Two standard errors of what was measured, and what was measured and is left out.
    unsure = 2 * bulk.test_sem
    if level == Level.MATRIX:
        scatter = float(np.std([e.test for e in own], ddof=1) / np.sqrt(len(own)) / abs(errors.test))
        test = float(np.mean([e.test for e in own])) * (1 + bulk.test)
        train = float(np.mean([e.train for e in own])) * (1 + bulk.train)
        found = replace(errors, test=test, train=train)
        return level, found, note + "; the norms are not included.", unsure + 2 * scatter + abs(norm.test)
    steps = {Level.E_PLUS: [bulk], Level.EN_PLUS: [bulk, norm]}.get(level, [])
    test, train = errors.test, errors.train
    for correction in steps:
        test, train = test * (1 + correction.test), train * (1 + correction.train)
    # That the two corrections multiply is an assumption: their product is unsure.
    left = {
        Level.E: abs(bulk.test) + abs(norm.test),
        Level.E_PLUS: abs(norm.test),
        Level.EN_PLUS: abs(bulk.test * norm.test),
    }[level]
    return level, replace(errors, test=test, train=train), f"{note}; {_INCLUDED[level]}.", unsure + left
