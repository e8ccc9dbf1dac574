"""What level E leaves out, measured along a line of points that differ in one variable of the fit.

A measurement takes a few hundred times what the equations of level E take. On a line of many points it is made at a few of them,
where the errors of level E say that things change, and interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from asymptotics.experiment.ridge_words import Level, Regime
from asymptotics.experiment.settings import Ridge
from asymptotics.generalisation.between_knots import between_knots
from asymptotics.generalisation.ridge_theories import grown_levels
from asymptotics.generalisation.ridge_theories.trained_levels import (
    layer_of,
    solve_level,
    solve_levels,
    units_of,
)
from asymptotics.generalisation.spiked.linear_sector import Errors
from asymptotics.generalisation.theory import Setting
from hermite.errors import ConvergenceError, InputError

if TYPE_CHECKING:
    from asymptotics.generalisation.finite.conditional_errors import UnitErrors
    from asymptotics.generalisation.spiked.batch_rounds import OnPath
    from asymptotics.generalisation.spiked.corrections import Correction

Array = npt.NDArray[np.float64]
T = TypeVar("T")

#: The accuracy of a prediction where none is asked for, and the batches that it may take; else.
DEFAULT_ACCURACY, _FEW, _MANY = 0.01, 12, 64
#: Points of a line from which it has knots, and the share of the accuracy that an interpolation may take.
_LONG, _SHARE = 18, 0.1
#: The variables of a line.
_VARIABLES = ("alpha", "beta", "lam")


@dataclass(frozen=True)
class Measured:
    """``bulk`` and ``norm``, a ``note`` about them, and what an interpolation ``between`` knots may miss of the test error.

    ``given``: the bulk's is the fit given grown directions (``grown_levels``), which replaces level E.
    """

    bulk: Correction
    norm: Correction
    note: str = ""
    between: float = 0.0
    given: bool = False

    @property
    def corrects(self) -> bool:
        """Whether both are corrections; whatever its size, the fit given grown directions is another solution."""
        if self.given:
            return self.bulk.test > -1 and self.bulk.test_sem < math.inf
        return self.bulk.is_one and self.norm.is_one


class Line:
    """Points of one curve that differ in one variable of the fit at most; what is solved and measured is kept."""

    def __init__(self, settings: Sequence[Setting]) -> None:
        self.settings = tuple(settings)
        #: What the theory for all (n, p, d) solved last.
        self.neighbour: UnitErrors | None = None
        self._errors: dict[Ridge, Errors] = {}
        self._once: dict[str, Any] = {}

    def once(self, name: str, judged: Callable[[Line], T]) -> T:
        """What all points of the line share, judged at the first that asks."""
        if name not in self._once:
            self._once[name] = judged(self)
        found: T = self._once[name]
        return found

    def errors(self, setting: Setting, throw: bool) -> Errors:
        """Level E."""
        if setting.ridge not in self._errors:
            errors = self._together.get(setting.ridge)
            self._errors[setting.ridge] = errors or solve_level(setting, Level.E, throw)
        found = self._errors[setting.ridge]
        return found if found.sus.solution.converged or not throw else solve_level(setting, Level.E, throw)

    @cached_property
    def _together(self) -> dict[Ridge, Errors]:
        """Level E of all points that are solved side by side; of one point it is not worth it."""
        if len(self.settings) == 1:
            return {}
        solved = zip(self.settings, solve_levels(self.settings, Level.E), strict=True)
        return {one.ridge: errors for one, errors in solved if errors is not None}

    def measured(self, setting: Setting) -> Measured:
        """What level E leaves out at one of the points."""
        if len(self.settings) > _LONG and setting.ridge in self._between:
            return self._between[setting.ridge]
        return corrections_of(setting, self.errors(setting, False), given=self.given)

    @cached_property
    def given(self) -> bool:
        """Whether directions of degree 2 count somewhere on the line: all points or none, for no jump."""
        for one in self.settings:
            try:
                if grown_levels.counts(one, self.errors(one, False)):
                    return True
            except (InputError, ConvergenceError):
                continue
        return False

    @cached_property
    def corrections(self) -> tuple[Measured, ...]:
        """Those of its points that have one."""
        found = []
        for one in self.settings:
            try:
                found.append(self.measured(one))
            except (InputError, ConvergenceError):
                continue
        return tuple(one for one in found if one.corrects)

    @cached_property
    def _between(self) -> dict[Ridge, Measured]:
        """By interpolation, where there is something to interpolate."""
        from asymptotics.generalisation.spiked.batch_rounds import OnPath, Path

        places, settings = self._places
        if len(settings) <= _LONG:
            return {}
        path = Path()

        def measured(i: int, least: int) -> Measured:
            here = OnPath(path, float(places[i]))
            return corrections_of(settings[i], self.errors(settings[i], False), least, here, given=self.given)

        # As many batches at all knots: a change of their number is a jump.
        counts = [measured(i, 0).bulk.count for i in (0, len(settings) // 2, len(settings) - 1)]
        least = max(counts) if min(counts) < max(counts) else 0
        accuracy = settings[0].accuracy or DEFAULT_ACCURACY

        def at(i: int) -> Array | None:
            found = measured(i, least)
            return _vector(found) if found.corrects else None

        def tolerance(value: Array) -> Array:
            changes, scatter = value[..., :4], np.maximum(value[..., 4:], 0.0)
            own = np.concatenate([scatter, scatter], axis=-1) / 4
            mine = np.maximum(_SHARE * accuracy * (1 + changes), own)
            return np.concatenate([mine, _SHARE * accuracy + scatter / 4], axis=-1)

        line = between_knots(at, places, tolerance)
        by_ridge = {}
        for i, (one, value, error) in enumerate(zip(settings, line.values, line.errors, strict=True)):
            if value is None or i in line.knots:
                by_ridge[one.ridge] = measured(i, least)
            else:
                off = error * tolerance(value)[[0, 2]] / (1 + value[[0, 2]])
                by_ridge[one.ridge] = _between(
                    one, value, max(counts), len(line.knots), float(off.sum()), self.given
                )
        return by_ridge

    @cached_property
    def _places(self) -> tuple[Array, list[Setting]]:
        """Where the points that can be interpolated lie, and these.

        Along the line by the logarithm of its variable, and by that of train over test error of level E: it changes where
        an interpolation threshold is crossed, and so does what is measured.
        """
        found: dict[float, tuple[Setting, Errors]] = {}
        name = _variable(self.settings)
        for one in self.settings:
            value = dict(zip(_VARIABLES, (*one.ratios, one.ridge.lam), strict=True))[name]
            if not (math.isfinite(value) and value > 0):
                continue
            try:
                errors = self.errors(one, False)
            except (InputError, ConvergenceError):
                continue
            if errors.sus.solution.converged and math.isfinite(errors.test) and errors.test > 0:
                found.setdefault(math.log(value), (one, errors))
        order = sorted(found)
        share = [max(e.train / e.test, 1e-9) for _, e in (found[x] for x in order)]
        steps = np.abs(np.diff(order)) + np.abs(np.diff(np.log(share)))
        return np.concatenate([[0.0], np.cumsum(steps)]), [found[x][0] for x in order]


Point = tuple[Ridge, float | None]


def point_of(setting: Setting) -> Point:
    """What tells points of one curve from each other."""
    return setting.ridge, setting.accuracy


def lines_of(settings: Sequence[Setting]) -> dict[Point, Line]:
    """The line of every point, along the variable that takes the most values; few points are each a line of its own."""
    groups: dict[Point, dict[Point, Setting]] = {}
    name = _variable(settings)
    for one in settings:
        other = _but_for(one.ridge, name), one.accuracy
        groups.setdefault(other, {})[point_of(one)] = one
    lines: dict[Point, Line] = {}
    for group in groups.values():
        whole = Line(tuple(group.values()))
        lines |= {point: whole if len(group) > _LONG else Line((one,)) for point, one in group.items()}
    return lines


def _but_for(ridge: Ridge, name: str) -> Ridge:
    return {
        "alpha": replace(ridge, alpha=1.0),
        "beta": replace(ridge, beta=1.0),
        "lam": replace(ridge, lam=1.0),
    }[name]


def _variable(settings: Sequence[Setting]) -> str:
    return max(_VARIABLES, key=lambda name: len({getattr(one.ridge, name) for one in settings}))


def _vector(found: Measured) -> Array:
    bulk, norm = found.bulk, found.norm
    return np.array([bulk.test, bulk.train, norm.test, norm.train, bulk.test_sem, bulk.train_sem])


def _between(setting: Setting, value: Array, count: int, knots: int, error: float, given: bool) -> Measured:
    from asymptotics.generalisation.spiked.corrections import Correction

    scatter = np.maximum(value[4:], 0.0)
    bulk = Correction(float(value[0]), float(value[1]), float(scatter[0]), float(scatter[1]), count)
    norm = Correction(float(value[2]), float(value[3]))
    where = f" at {knots} points of the curve and interpolated (to {100 * error:.1g} %)"
    said = _note_given(bulk, where) if given else _note(setting, bulk, norm, where)
    return Measured(bulk, norm, said, error, given)


def corrections_of(
    setting: Setting, errors: Errors, least: int = 0, along: OnPath | None = None, *, given: bool = False
) -> Measured:
    """What was measured, once for all levels; ``errors`` are those of level E, ``least`` of the batches if more than usual.

    ``along``: where the setting is on the path of a curve; ``given``: by the fit given grown directions.
    """
    ridge = replace(setting.ridge, level=str(Level.AUTO), regime=str(Regime.AUTO))
    key = ("corrections", setting.f, setting.network, setting.training, ridge, setting.accuracy, least, given)
    return setting.set_ups.get(key, lambda: _measured(setting, errors, least, along, given=given))


def _measured(setting: Setting, errors: Errors, least: int, along: OnPath | None, *, given: bool) -> Measured:
    from asymptotics.generalisation.spiked import corrections

    network, training, layer = setting.network, setting.actual, layer_of(setting)
    accuracy, most = (setting.accuracy, _MANY) if setting.accuracy else (DEFAULT_ACCURACY, _FEW)
    if given:
        near = None if along is None else grown_levels.Near(along.path.others, along.place)
        bulk = grown_levels.measured_given_directions(setting, errors, accuracy, most, least, near)
        return Measured(bulk, corrections.Correction(0.0, 0.0), _note_given(bulk), given=True)
    # Batches are compared with the equations that they are solved by.
    errors = errors.alone
    d, sigma = setting.ridge.d, network.get_activation()
    point = (*setting.ratios, setting.ridge.lam, d)
    bulk = corrections.measured_bulk(
        setting.f,
        network,
        training,
        layer,
        setting.fitted,
        errors,
        point,
        accuracy,
        most,
        setting.set_ups,
        least,
        along,
    )
    units = units_of(setting, Level.E)
    moving = setting.set_ups.get(
        ("norm mode", setting.f, network, training, d),
        lambda: corrections.with_norm_mode(
            units, sigma, layer, corrections.sampled_layers(setting.f, network, training, d)
        ),
    )
    norm = corrections.norm_correction(moving, errors, *point)
    return Measured(bulk, norm, _note(setting, bulk, norm))


def _note_given(bulk: Correction, where: str = "") -> str:
    if bulk.trouble:
        return f"The fit given the directions along which the rows have grown fails on an auxiliary batch ({bulk.trouble})"
    return (
        f"Solved on {bulk.count} auxiliary batches{where} given the directions along which the rows have grown: features learn "
        f"functions of degree 2 there; the first order differs by {100 * bulk.test:+.2g} ± {100 * bulk.test_sem:.1g} % of the "
        "test error"
    )


def _note(setting: Setting, bulk: Correction, norm: Correction, where: str = "") -> str:
    from asymptotics.generalisation.spiked import corrections

    size = corrections.auxiliary_dimension(setting.network, setting.f.r, setting.ridge.d)
    if bulk.trouble:
        return f"The bulk of the residuals cannot be measured on an auxiliary batch at d = {size} ({bulk.trouble})"
    return (
        f"Measured on {bulk.count} auxiliary batches at d = {size}{where}: bulk of the residuals "
        f"{100 * bulk.test:+.2g} ± {100 * bulk.test_sem:.1g} % of the test error ({100 * bulk.train:+.2g} ± "
        f"{100 * bulk.train_sem:.1g} % train), fluctuating norms {100 * norm.test:+.2g} % ({100 * norm.train:+.2g} %)"
    )
