"""The table of theories of the ridge fit, the one that answers a question, and the public ``theories``.

A new theory is a file in :mod:`asymptotics.generalisation.ridge_theories` and an entry of ``THEORIES``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from asymptotics.caches import SetUps
from asymptotics.error_budget import Validity
from asymptotics.experiment.input_laws import InputLaw, traits_of
from asymptotics.experiment.ridge_words import Level
from asymptotics.experiment.settings import Network, Ridge, Training
from asymptotics.floating import own_floating_state
from asymptotics.generalisation.ridge_theories.convex_losses import ConvexLosses
from asymptotics.generalisation.ridge_theories.finite_leap_two import FiniteLeapTwo
from asymptotics.generalisation.ridge_theories.finite_start import FiniteStart
from asymptotics.generalisation.ridge_theories.finite_trained import FiniteTrained, FiniteTrainedE
from asymptotics.generalisation.ridge_theories.fixed_width import FixedWidthFit
from asymptotics.generalisation.ridge_theories.measured_levels import Auto, MeasuredLevel
from asymptotics.generalisation.ridge_theories.proportional_start import ProportionalStart
from asymptotics.generalisation.ridge_theories.structured_inputs import StructuredInputs
from asymptotics.generalisation.ridge_theories.trained_levels import LevelE, LevelIso
from asymptotics.generalisation.theory import Setting, Theory
from asymptotics.json_values import plain_table
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
SHARED = SetUps()


def setting_of(
    f: Target | str,
    network: Network | None,
    training: Training | None,
    ridge: Ridge | None,
    accuracy: float | None,
    set_ups: SetUps,
    inputs: InputLaw | None = None,
) -> Setting:
    """The question that these settings, or their defaults, ask; raises ``InputError`` for an ``accuracy`` that is none."""
    ridge = ridge or Ridge()
    asked = ridge.accuracy if accuracy is None else accuracy
    if asked is not None and not (math.isfinite(asked) and asked >= 0):
        raise InputError(f"accuracy must be a number of at least 0, not {asked!r}.")
    # One place for it: the setting.
    plain = ridge if ridge.accuracy is None else replace(ridge, accuracy=None)
    target, training = as_target(f, classes=True), training or Training(steps=0)
    return Setting(target, network or Network(), training, plain, asked, inputs, set_ups)


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
        return plain_table(vars(self))

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
    setting = setting_of(f, network, training, ridge, accuracy, SHARED, inputs)
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
