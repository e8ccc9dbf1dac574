"""What the controls of the page say, as one value; and the same as a file, as Python and as a link.

Every control is a key of the experiment file. A link holds those that are not at their default, under their keys; what it
holds is text from anywhere: each parameter is read by the rule of its key, within the range of its control, or refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from hermite.errors import InputError

if TYPE_CHECKING:
    from asymptotics.experiment.grid import Experiment

#: Characters of a target and of an activation: what a link and a line of a page may hold.
LONGEST, LONGEST_ACTIVATION = 2000, 200
#: Giant steps at most: of more, a picture at once cannot be had.
MOST_STEPS = 4
#: Ratios n2/d at which the curve of the page is drawn, beside the one that is set.
ALPHAS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class Control:
    """One control: ``key`` of the experiment file, the ``label`` beside it, and the ``values`` that it runs through.

    ``text``: it is typed, and ``longest`` characters are read. ``free``: other numbers within the range of ``values`` are
    taken too (from a link, or from Python). None among the values: the key is left out.
    """

    key: str
    label: str
    values: tuple[Any, ...] = ()
    text: bool = False
    longest: int = 0
    free: bool = False


CONTROLS: dict[str, Control] = {
    "target": Control("target.expression", "Target f*(z)", text=True, longest=LONGEST),
    "activation": Control("network.activation", "Activation", text=True, longest=LONGEST_ACTIVATION),
    "readout": Control("network.readout", "Readout ã", ("rademacher", "gaussian")),
    "initialisation": Control("network.initialisation", "Initialisation", ("symmetric", "independent")),
    "steps": Control("training.steps", "Giant steps", tuple(range(MOST_STEPS + 1))),
    "alpha_train": Control(
        "training.alpha", "alpha of a step, n/d", (0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0), free=True
    ),
    "eta": Control("training.eta", "eta", (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0), free=True),
    "alpha": Control(
        "ridge.alpha",
        "alpha of the fit, n2/d",
        (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0, 32.0),
        free=True,
    ),
    "beta": Control("ridge.beta", "beta, p/d", (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0), free=True),
    "lam": Control(
        "ridge.lambda", "lambda", (1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0), free=True
    ),
    "noise": Control("target.noise", "Label noise Δ", (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0), free=True),
    "d": Control("ridge.d", "Dimension d", (None, 100, 200, 500, 1000)),
}


@dataclass(frozen=True)
class State:
    """What the page is asked about; ``d`` None is the limit d → ∞."""

    target: str = "z1 + z1*z2"
    activation: str = "relu"
    readout: str = "rademacher"
    initialisation: str = "symmetric"
    steps: int = 1
    alpha_train: float = 4.0
    eta: float = 1.0
    alpha: float = 2.0
    beta: float = 1.0
    lam: float = 0.01
    noise: float = 0.0
    d: int | None = None

    @classmethod
    def from_link(cls, query: Mapping[str, Sequence[str]]) -> tuple[State, tuple[str, ...]]:
        """The state that the parameters of a link describe, and one sentence for each that is refused (its default stays)."""
        by_key = {control.key: name for name, control in CONTROLS.items()}
        good: dict[str, Any] = {}
        refused = []
        for key, values in query.items():
            name = by_key.get(key)
            if name is None:
                refused.append(f"The link has a parameter {_short(key)} that this page does not know.")
            elif len(values) != 1:
                refused.append(f"The link has {key} {len(values)} times; it takes one value.")
            else:
                try:
                    good[name] = _read(name, values[0])
                except InputError as error:
                    refused += error.problems
        return cls(**good), tuple(refused)

    def link(self) -> str:
        """The parameters of a link to this state, without the question mark; empty where all is as it begins."""
        default = State()
        changed = {
            CONTROLS[f.name].key: _shown(value)
            for f in fields(self)
            if (value := getattr(self, f.name)) != getattr(default, f.name)
        }
        return urlencode(changed)

    def tables(self) -> dict[str, dict[str, Any]]:
        """The tables of the experiment file: all steps up to the one that is set, and the curve's alphas."""
        tables: dict[str, dict[str, Any]] = {}
        for name, control in CONTROLS.items():
            table, _, key = control.key.partition(".")
            value = getattr(self, name)
            if value is not None:
                tables.setdefault(table, {})[key] = value
        tables["training"]["steps"] = list(range(self.steps + 1))
        tables["ridge"]["alpha"] = sorted({*ALPHAS, self.alpha})
        # At once: what the level of the theory leaves out is stated, not measured.
        tables["ridge"]["accuracy"] = 0.0
        return tables

    def experiment(self) -> Experiment:
        """The experiment of :meth:`tables`; raises ``InputError`` with one sentence a problem."""
        from asymptotics.experiment.grid import Experiment

        return Experiment.from_dict(self.tables())

    def toml(self) -> str:
        """The experiment file, for ``giantstep curve`` and every other command."""
        lines = []
        for table, keys in self.tables().items():
            lines += [
                "",
                f"[{table}]",
                *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items()),
            ]
        return "\n".join(lines[1:]) + "\n"

    def python(self) -> str:
        """The same questions as a script."""
        d = "" if self.d is None else f", d={self.d}"
        return (
            "from asymptotics import Network, Ridge, Training, overlaps, plateaus, risk\n"
            "from hermite import Target, hardness, leap\n\n"
            f"f = Target({self.target!r}, noise={self.noise!r})\n"
            f"network = Network({self.activation!r}, readout={self.readout!r}, initialisation={self.initialisation!r})\n"
            f"training = Training(steps={self.steps}, alpha={self.alpha_train!r}, eta={self.eta!r})\n"
            f"ridge = Ridge(alpha={self.alpha!r}, beta={self.beta!r}, lam={self.lam!r}{d})\n\n"
            "print(leap(f, activation=network.activation, readout=network.readout))\n"
            "print(plateaus(f, activation=network.activation))\n"
            "print(hardness(f))\n"
            "print(overlaps(f, network, training))\n"
            "print(risk(f, network, training, ridge, accuracy=0.0).test_error)\n"
        )


def problems_by_control(problems: Sequence[str]) -> dict[str, str]:
    """Sentences about the experiment, by the control that they are about ("" for those about none)."""
    found: dict[str, list[str]] = {}
    for sentence in problems:
        found.setdefault(_about(sentence), []).append(sentence)
    return {name: " ".join(said) for name, said in found.items()}


def _about(sentence: str) -> str:
    if sentence.startswith(("target:", "The experiment needs [target]")):
        return "target"
    named = [name for name, control in CONTROLS.items() if control.key in sentence]
    return named[0] if named else ""


def _read(name: str, text: str) -> Any:
    """The value of one parameter; raises ``InputError``."""
    control = CONTROLS[name]
    if control.text:
        if not text.strip() or len(text) > control.longest or not text.isprintable():
            raise InputError(
                f"{control.key} in the link must be at most {control.longest} printable characters, not {_short(text)}."
            )
        return text
    options = {_shown(value): value for value in control.values}
    if text in options:
        return options[text]
    if not control.free:
        raise InputError(
            f"{control.key} in the link must be one of {', '.join(options)}, not {_short(text)}."
        )
    least, most = min(control.values), max(control.values)
    try:
        value = float(text) if len(text) <= 32 else math.nan
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise InputError(
            f"{control.key} in the link must be a number from {least:g} to {most:g}, not {_short(text)}."
        )
    return value


def within(state: State) -> State:
    """``state``, if every control can show it; raises ``InputError`` with a sentence for each that cannot."""
    problems = []
    for name, control in CONTROLS.items():
        value = getattr(state, name)
        try:
            if _read(name, value if control.text else _shown(value)) != value:
                raise InputError(f"{control.key} = {value!r} has no place on the page.")
        except InputError as error:
            problems += [sentence.replace(" in the link", "") for sentence in error.problems]
    if problems:
        raise InputError(problems)
    return state


def values_with(name: str, value: object) -> tuple[Any, ...]:
    """The values that a control runs through, ``value`` among them."""
    values = CONTROLS[name].values
    return values if value in values else tuple(sorted({*values, value}))


def _shown(value: object) -> str:
    """A value as a link and a choice have it."""
    return "infinite" if value is None else repr(value) if isinstance(value, float) else str(value)


def _short(text: str) -> str:
    """What was given, in a few characters that are safe to print."""
    shown = repr(text)
    return shown if len(shown) <= 40 else shown[:37] + "..."
