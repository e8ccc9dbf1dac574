"""The public ``risk`` and ``theories``: errors of the ridge fit of the readout, and the table of theories that give them.

A new theory is a file in :mod:`asymptotics.generalisation.ridge_theories` and an entry of ``THEORIES``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, overload

from asymptotics.caches import SetUps
from asymptotics.experiment.input_laws import InputLaw, traits_of
from asymptotics.experiment.settings import Network, Ridge, Training
from asymptotics.floating import own_floating_state
from asymptotics.generalisation.meaning import NoPrediction, meant
from asymptotics.generalisation.ridge_theories.convex_losses import ConvexLosses
from asymptotics.generalisation.ridge_theories.finite_leap_two import FiniteLeapTwo
from asymptotics.generalisation.ridge_theories.finite_start import FiniteStart
from asymptotics.generalisation.ridge_theories.finite_trained import FiniteTrained, FiniteTrainedE
from asymptotics.generalisation.ridge_theories.fixed_width import FixedWidthFit
from asymptotics.generalisation.ridge_theories.measured_levels import Auto, MeasuredLevel
from asymptotics.generalisation.ridge_theories.proportional_start import ProportionalStart
from asymptotics.generalisation.ridge_theories.structured_inputs import StructuredInputs
from asymptotics.generalisation.ridge_theories.trained_levels import LevelE, LevelIso
from asymptotics.generalisation.risk_arrays import Numbers, RiskArray, broadcast, collected
from asymptotics.generalisation.theory import Level, Setting, Theory
from asymptotics.json_values import plain
from asymptotics.learning.natural_units import units_of_a_fit
from asymptotics.results import Risk, Validity
from hermite.errors import InputError
from hermite.frozen import Frozen
from hermite.target import Target, as_target

if TYPE_CHECKING:
    import pandas as pd

#: Every theory, those preferred first: the first that is asked for and covers the setting answers.
THEORIES: tuple[Theory, ...] = (
    FiniteStart(),
    ProportionalStart(),
    Auto(),
    LevelE(),
    LevelIso(),
    MeasuredLevel(Level.MATRIX),
    MeasuredLevel(Level.E_PLUS),
    MeasuredLevel(Level.EN_PLUS),
    FiniteTrained(),
    FiniteTrainedE(),
    FiniteLeapTwo(),
    FixedWidthFit(),
    ConvexLosses(),
    StructuredInputs(),
)

#: What single calls of ``risk`` keep for the next; a curve has its own.
_SHARED = SetUps()


@overload
def risk(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    *,
    accuracy: float | None = None,
    inputs: InputLaw | None = None,
    throw: bool = True,
    alpha: None = None,
    lam: None = None,
) -> Risk: ...
@overload
def risk(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    *,
    accuracy: float | None = None,
    inputs: InputLaw | None = None,
    throw: bool = True,
    alpha: Numbers | None = None,
    lam: Numbers | None = None,
) -> RiskArray: ...
@own_floating_state
def risk(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    *,
    accuracy: float | None = None,
    inputs: InputLaw | None = None,
    throw: bool = True,
    alpha: Numbers | None = None,
    lam: Numbers | None = None,
) -> Risk | RiskArray:
    """Test and train error of ridge regression on the features of ``network`` after ``training``. Letters: docs/conventions.md.

    ``training`` None or with 0 steps: random features at initialisation. After steps: n = α d samples each, at
    ``ridge.level`` "E" (exact covariance of the residuals on spikes and target), "iso" (isotropic residuals), "matrix" and
    "E+" (their whole covariance, averaged over auxiliary batches) or "En+" (and the fluctuation of the norms). "auto", the
    default, measures these corrections where more than 1 % is expected of them, or to ``accuracy`` (relative; default:
    ``ridge.accuracy``) where it is given, and takes the level of least estimated error; ``accuracy`` = 0 turns that off. As
    d → ∞ without an ``accuracy``, what was measured below 1 % stays in the ``error``: the number is the limit at level E.
    ``ridge.d``: the theory at this d, with the actual ratios n2/d and p/d and its finite-d terms; at 0 steps the theory
    for all (n, p, d). ``ridge.regime`` "finite" after steps: all (n, p, d) given the learned directions; "fixed-width":
    ``network.width`` neurons and d → ∞, the fit of a population.
    ``inputs``: clusters and covariances in the place of z ~ N(0, I), before and after one step; also an error ``by_cluster``.
    Class labels (``Target(..., labels="sign")``) and other ``ridge.loss``: one direction, at initialisation and after one step;
    ``classification_error``, ``test_loss`` and ``train_loss`` of the result.
    ``plateau`` of the result is floor(U, κ = 1) + Δ: the test error as alpha and beta grow.
    ``alpha``, ``lam``: in place of those of ``ridge``, numbers or arrays that broadcast together; the answer is then a
    ``RiskArray`` of that shape, and what its points share is computed once.
    Raises ``InputError`` where no theory is available or its error is as large as the number (unless ``throw`` is false:
    ``validity`` is then "none"), and ``ConvergenceError`` (likewise) where the fixed point was not reached, or
    integrals and solver together are not within ``accuracy`` of the number (without one: 1 %).
    """
    if alpha is not None or lam is not None:
        base = ridge or Ridge()
        grid = broadcast(alpha=base.alpha if alpha is None else alpha, lam=base.lam if lam is None else lam)
        points = zip(grid["alpha"].flat, grid["lam"].flat, strict=True)
        ridges = [replace(base, alpha=float(a), lam=float(x)) for a, x in points]
        found = risk_outcomes(
            f, network, training, ridges, accuracy=accuracy, inputs=inputs, throw=throw, set_ups=SetUps()
        )
        return collected(grid["alpha"], grid["lam"], found)
    return _risk(_setting(f, network, training, ridge, accuracy, _SHARED, inputs), throw)


@own_floating_state
def risk_curve(
    f: Target | str,
    network: Network,
    training: Training | None,
    ridges: Sequence[Ridge],
    *,
    accuracy: float | None = None,
    throw: bool = True,
    set_ups: SetUps | None = None,
) -> list[Risk]:
    """``risk`` at every ridge of a curve; the moments are computed once (and kept in ``set_ups``, if given).

    What the level leaves out is measured on auxiliary batches where ``risk`` does so, and not at all with ``accuracy`` 0.
    """
    found = []
    kept = SetUps() if set_ups is None else set_ups
    for point in risk_outcomes(f, network, training, ridges, accuracy=accuracy, throw=throw, set_ups=kept):
        if isinstance(point, InputError):
            raise point
        found.append(point)
    return found


def risk_outcomes(
    f: Target | str,
    network: Network | None,
    training: Training | None,
    ridges: Iterable[Ridge],
    *,
    accuracy: float | None = None,
    throw: bool = True,
    set_ups: SetUps | None = None,
    inputs: InputLaw | None = None,
) -> Iterator[Risk | InputError]:
    """``risk`` at every ridge, as they are found; an ``InputError`` in the place of a point that has no answer.

    Neighbours of one theory are handed to it together. ``set_ups``: what is kept from point to point (default: what
    single calls of ``risk`` share).
    """
    training = training or Training(steps=0)
    kept = _SHARED if set_ups is None else set_ups
    base = _setting(f, network, training, None, accuracy, kept, inputs)
    units = units_of_a_fit(base.f, base.network, base.training, inputs)

    def theory_of(setting: Setting) -> Theory | InputError:
        try:
            return chosen(setting)
        except InputError as error:
            return error

    settings = [_setting(base.f, network, training, ridge, accuracy, kept, inputs) for ridge in ridges]
    for theory, points in groupby(settings, key=theory_of):
        if isinstance(theory, InputError):
            yield theory
            continue
        asked = [replace(s, f=units.target, network=units.network, training=units.training) for s in points]
        for setting, found in zip(asked, theory.solve_many(asked, throw), strict=True):
            if isinstance(found, InputError):
                yield found
            else:
                yield _meant_or_not(
                    units.restored_risk(theory.finished(setting, found)), throw, setting.accuracy
                )


def _setting(
    f: Target | str,
    network: Network | None,
    training: Training | None,
    ridge: Ridge | None,
    accuracy: float | None,
    set_ups: SetUps,
    inputs: InputLaw | None = None,
) -> Setting:
    ridge = ridge or Ridge()
    asked = ridge.accuracy if accuracy is None else accuracy
    if asked is not None and not (math.isfinite(asked) and asked >= 0):
        raise InputError(f"accuracy must be a number of at least 0, not {asked!r}.")
    # One place for it: the setting.
    plain = ridge if ridge.accuracy is None else replace(ridge, accuracy=None)
    target, training = as_target(f, classes=True), training or Training(steps=0)
    return Setting(target, network or Network(), training, plain, asked, inputs, set_ups)


def _risk(setting: Setting, throw: bool) -> Risk:
    theory = chosen(setting)
    units = units_of_a_fit(setting.f, setting.network, setting.training, setting.inputs)
    if units.changes:
        setting = replace(setting, f=units.target, network=units.network, training=units.training)
    return meant(units.restored_risk(theory.answer(setting, throw)), throw, setting.accuracy)


def _meant_or_not(found: Risk, throw: bool, accuracy: float | None) -> Risk | NoPrediction:
    try:
        return meant(found, throw, accuracy)
    except NoPrediction as error:
        return error


def chosen(setting: Setting) -> Theory:
    """The theory that answers; ``InputError`` with the reasons of the most general one that was asked for."""
    if not any(setting.law in theory.inputs for theory in THEORIES):
        raise InputError(f"No theory of the ridge fit covers {traits_of(setting.inputs).word}; use simulate.")
    asked = [t for t in THEORIES if t.trained(setting.training.steps) and t.asked(setting)]
    reasons: tuple[str, ...] = ()
    for theory in asked:
        reasons = theory.covers(setting)
        if not reasons:
            return theory
    raise InputError(
        list(reasons) or ["no theory of the ridge fit is known for these settings; use simulate."]
    )


@dataclass(frozen=True, eq=False)
class TheoryAnswer(Frozen):
    """One theory beside a setting: whether it covers it, and how sure it would be.

    ``name``, ``regime``, ``level``  the theory, and the words of ``ridge.regime`` and ``ridge.level`` that ask for it
    ``covers``         whether it answers; if not, ``reasons`` says why, a sentence each
    ``answers``        whether ``risk`` takes it for the setting as it is
    ``validity``, ``validity_note``, ``theory_error``  how sure it is (relative to the test error; None: not estimated)
    """

    name: str
    regime: str
    level: str | None
    covers: bool
    answers: bool = False
    reasons: tuple[str, ...] = ()
    validity: Validity | None = None
    validity_note: str = ""
    theory_error: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        result: dict[str, Any] = plain(vars(self))
        return result

    def __repr__(self) -> str:
        place = self.regime if self.level is None else f"{self.regime}, level {self.level}"
        head = f"{'>' if self.answers else ' '} {self.name} ({place}): "
        if not self.covers:
            return head + "no. " + " ".join(self.reasons)
        size = "" if self.theory_error is None else f", leaves out about {100 * self.theory_error:.2g} %"
        return f"{head}{self.validity}{size}" + (f". {self.validity_note}" if self.validity_note else "")


@dataclass(frozen=True, eq=False)
class TheoryTable(Frozen):
    """The answers of :func:`theories`, in the order of preference."""

    rows: tuple[TheoryAnswer, ...]

    def __iter__(self) -> Iterator[TheoryAnswer]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> TheoryAnswer:
        return self.rows[place]

    @property
    def answers(self) -> TheoryAnswer | None:
        """The one that ``risk`` takes, if any."""
        return next((row for row in self.rows if row.answers), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: ``theories``, a list."""
        return {"theories": [row.to_dict() for row in self.rows]}

    def to_frame(self) -> pd.DataFrame:
        """One row a theory."""
        import pandas as pd

        return pd.DataFrame([row.to_dict() for row in self.rows])

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.rows))


@own_floating_state
def theories(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    *,
    accuracy: float | None = None,
    inputs: InputLaw | None = None,
) -> TheoryTable:
    """Which theories of the ridge fit cover these settings, how sure each is, and why not the rest.

    Each is asked as if ``ridge.regime`` and ``ridge.level`` named it; ``answers`` marks the one that ``risk`` takes for
    the settings as they are. Nothing is solved. Raises ``InputError`` for settings that are wrong in themselves.

    >>> from asymptotics import Ridge
    >>> [(row.name, row.answers) for row in theories("z1", ridge=Ridge(d=100)) if row.covers]
    [('random features, finite d', True), ('random features', False)]
    """
    setting = _setting(f, network, training, ridge, accuracy, _SHARED, inputs)
    try:
        taken: Theory | None = chosen(setting)
    except InputError:
        taken = None
    return TheoryTable(tuple(_answer(theory, setting, theory is taken) for theory in THEORIES))


def _answer(theory: Theory, setting: Setting, taken: bool) -> TheoryAnswer:
    level = None if theory.level is None else str(theory.level)
    asked = replace(setting.ridge, regime=str(theory.regime), level=level or setting.ridge.level)
    there = replace(setting, ridge=asked)
    reasons = theory.covers(there)
    place = (theory.name, str(theory.regime), level)
    if not reasons:
        try:
            sure = theory.surety(there)
            return TheoryAnswer(*place, True, taken, (), sure.validity, sure.note, sure.theory)
        except InputError as error:  # what only shows when the layer is computed
            reasons = tuple(error.problems)
    return TheoryAnswer(*place, False, False, reasons)
