"""The laws of the inputs: their names, the keys of [inputs] that they have, and what else sets them apart.

A new law is a class of settings (see :class:`InputLaw`), one entry of ``INPUT_LAWS``, and one of the table of simulated
inputs (``asymptotics.simulation.drawn_inputs``); a theory of the ridge fit that covers it names it in ``inputs``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from asymptotics.experiment import schema
from asymptotics.experiment.inputs import Array, Inputs
from asymptotics.experiment.inputs_table import read_inputs
from hermite.errors import InputError
from hermite.target import Target

#: z ~ N(0, I): what is meant where no inputs are given (None).
ISOTROPIC = "isotropic"
#: The law of a table [inputs] that does not name one.
UNNAMED = "structured"


class InputLaw(Protocol):
    """Settings of inputs that are not isotropic: a frozen dataclass, so hashable, whose ``law`` is its name in the tables."""

    law: ClassVar[str]

    def lengths(self, f: Target) -> Array | None:
        """‖w*_m‖ (r,), lengths of the target's directions; None for unit vectors."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """The table [inputs] that describes them (with ``law``, unless that is the unnamed one); it also names units."""
        ...


@dataclass(frozen=True)
class InputKey:
    """One key of [inputs]: ``shape``, its JSON Schema; what is allowed and what it means, in words; an ``example`` in TOML."""

    name: str
    shape: dict[str, Any]
    allowed: str
    meaning: str
    example: str


@dataclass(frozen=True)
class InputTraits:
    """What the house asks of a law of inputs before it opens its room; the defaults are the cautious answers.

    ``word``           it in the middle of a sentence
    ``read``           the inputs that a table describes, for a target of r variables; raises ``InputError``
    ``keys``           of that table
    ``questions``      the commands that answer for it; None: every one
    ``is_isotropic``   whether plateaus, leap and stairway are about it
    ``target_note``    what these are worth on it, in a report (HTML)
    ``natural_units``  whether f → c f scales all labels on given inputs: units may then be chosen
    """

    word: str
    read: Callable[[Mapping[str, object], int], InputLaw | None]
    keys: tuple[InputKey, ...] = ()
    questions: tuple[str, ...] | None = ()
    natural_units: Callable[[InputLaw | None], bool] = lambda inputs: False
    is_isotropic: bool = False
    target_note: str = ""


_NUMBERS = {"type": "array", "items": {"type": "number"}}
_STRUCTURED = (
    InputKey(
        "clusters",
        {"type": "array", "items": {"type": "object"}},
        "a list of tables; at most 8",
        "weight, mean, variances or covariance on named axes, bulk, label and far (a mean of norm sqrt(d)) of each; absent: one",
        "[{weight = 0.5, mean = {z1 = 1.0}}, {weight = 0.5, bulk = 0.5}]",
    ),
    InputKey(
        "fractions",
        _NUMBERS,
        "positive numbers that sum to 1",
        "of the axes without a name, by block",
        "[0.5, 0.5]",
    ),
    InputKey(
        "spectrum",
        {"type": "object"},
        "a table of law and exponent, of blocks, or of file",
        "variances of the blocks: a power law, a table, or eigenvalues in a text file (one a line; beside this file)",
        '{law = "power", exponent = 0.8, blocks = 12}',
    ),
    InputKey(
        "teacher",
        {"anyOf": [{"type": "string"}, {"type": "array", "items": _NUMBERS}]},
        '"axes", "generic", "block 1", ... or a row of numbers a variable',
        "where z1, z2, ... lie: named axes, a profile over all blocks, one block, or rows",
        '"axes"',
    ),
    InputKey(
        "labels",
        {
            "anyOf": [
                {"type": "string", "enum": ["function"]},
                {"type": "array", "items": {"type": "string"}},
            ]
        },
        '"function" or a list of expressions',
        "the target everywhere, or an expression a cluster (constants: classes)",
        '["1"]',
    ),
)

#: The laws by name.
INPUT_LAWS: dict[str, InputTraits] = {
    ISOTROPIC: InputTraits(
        "isotropic inputs",
        lambda table, r: None,
        questions=None,
        natural_units=lambda inputs: True,
        is_isotropic=True,
    ),
    Inputs.law: InputTraits(
        "structured inputs",
        read_inputs,
        _STRUCTURED,
        questions=("curve", "overlaps", "simulate", "validate", "samples", "tune", "map", "report"),
        natural_units=lambda inputs: isinstance(inputs, Inputs) and not any(c.label for c in inputs.clusters),
        target_note=(
            "The answers below are those of isotropic inputs. On a cluster of mean m the target is f(z + m): its mean acts as "
            "a linear term, and the leap is that of biased inputs (<code>giantstep hardness --inputs biased</code>)."
        ),
    ),
}


def law_of(inputs: InputLaw | None) -> str:
    """The name of the law of ``inputs``; None: isotropic."""
    return ISOTROPIC if inputs is None else inputs.law


def traits_of(inputs: InputLaw | None) -> InputTraits:
    """What sets the law of ``inputs`` apart."""
    return INPUT_LAWS[law_of(inputs)]


def answers(inputs: InputLaw | None, question: str) -> bool:
    """Whether the command ``question`` answers for ``inputs``."""
    known = traits_of(inputs).questions
    return known is None or question in known


def input_law(table: Mapping[str, Any], r: int) -> InputLaw | None:
    """The inputs that a table [inputs] describes for a target of ``r`` variables; an empty or absent one: isotropic.

    Raises ``InputError`` with every problem at once.
    """
    if not table:
        return None
    name = table.get("law", UNNAMED)
    if not isinstance(name, str) or name not in INPUT_LAWS:
        near = schema.suggestion(str(name), INPUT_LAWS)
        raise InputError(f"inputs.law must be {schema.choices(INPUT_LAWS)}, not {schema.show(name)}{near}.")
    traits = INPUT_LAWS[name]
    known = ("law", *(key.name for key in traits.keys))
    unknown = [
        f"[inputs] has no key {key!r}{schema.suggestion(str(key), known)}; it has {', '.join(known)}."
        for key in table
        if key not in known
    ]
    if unknown:
        raise InputError(unknown)
    return traits.read({key: value for key, value in table.items() if key != "law"}, r)


def as_table(inputs: InputLaw | None) -> dict[str, object]:
    """{"inputs": …} as a file has it; empty for isotropic ones."""
    return {} if inputs is None else {"inputs": inputs.to_dict()}
