"""The [figure] table of an experiment file: what is on the x axis, what is a line, what is a panel, which axes are logarithmic.

It changes what is drawn and no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from asymptotics.experiment import schema
from asymptotics.experiment.schema import Refused, Rule, suggestion
from asymptotics.figures.layout import EXPERIMENT, KEYS, LOGS, QUANTITIES, Layout
from hermite.errors import InputError

_COLUMNS = {key: column for column, key in KEYS.items()} | {EXPERIMENT: EXPERIMENT}
_AXES = tuple(KEYS.values())
NAMES = (*_AXES, EXPERIMENT)


def names(value: object) -> str | tuple[str, ...]:
    """ "auto", or keys of the file: one, or a list."""
    if value == "auto":
        return "auto"
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, (list, tuple)):
        raise Refused
    for name in given:
        if not isinstance(name, str):
            raise Refused
        if name not in _COLUMNS:
            raise Refused(suggestion(name, NAMES))
    return tuple(given)


_ONE = {"type": "string", "enum": list(NAMES)}
schema.SHAPES[names] = {"anyOf": [{"const": "auto"}, _ONE, {"type": "array", "items": _ONE}]}
_LISTED = f'"auto" or a list of {", ".join(NAMES)}'

FIGURE_RULES = {
    "x": Rule(schema.choice("auto", *_AXES), f'"auto", {", ".join(_AXES)}'),
    "lines": Rule(names, _LISTED),
    "panels": Rule(names, _LISTED),
    "log": Rule(schema.choice(*LOGS), '"auto", "none", "x", "y" or "xy"'),
    "quantity": Rule(schema.choice(*QUANTITIES), '"test_error", "train_error" or "excess_risk"'),
    "plateaus": Rule(schema.boolean, "true or false"),
}


@dataclass(frozen=True)
class FigureSettings:
    """How ``giantstep curve`` draws.

    ``x``          key of the x axis; "auto": the grid of most values
    ``lines``, ``panels``  keys that tell lines, and panels, apart ("experiment": the files of ``giantstep plot``); "auto": what
                   is left, in panels above six lines
    ``log``        "auto" (where the range asks for it), "none", "x", "y" or "xy"
    ``quantity``   "test_error", "train_error" or "excess_risk"
    ``plateaus``   whether plateaus are drawn, where they hold

    >>> FigureSettings(x="ridge.alpha").layout.x
    'alpha'
    """

    x: str = "auto"
    lines: str | tuple[str, ...] = "auto"
    panels: str | tuple[str, ...] = "auto"
    log: str = "auto"
    quantity: str = "test_error"
    plateaus: bool = True

    def __post_init__(self) -> None:
        problems: list[str] = []
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        good = schema.check("figure", FIGURE_RULES, given, problems)
        if problems:
            raise InputError(problems)
        for key, value in good.items():
            object.__setattr__(self, key, value)

    @property
    def layout(self) -> Layout:
        """The same in columns of the table."""
        return Layout(
            x=None if self.x == "auto" else _COLUMNS[self.x],
            lines=_columns(self.lines),
            panels=_columns(self.panels),
            log=self.log,
            quantity=self.quantity,
            plateaus=self.plateaus,
        )


def _columns(keys: str | Sequence[str]) -> tuple[str, ...] | None:
    return None if isinstance(keys, str) else tuple(_COLUMNS[key] for key in keys)
