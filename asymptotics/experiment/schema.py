"""What each setting may be: one rule a key, used by the dataclasses and by the experiment file alike.

A rule turns a value into its canonical form or refuses it; the sentence that refuses names the key, what was
given and what is allowed. Nothing here knows what a setting is for.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, TypeVar

from hermite.errors import InputError

_T = TypeVar("_T")


class Refused(Exception):
    """A value breaks its rule; the text, if any, says more than the rule's ``allowed``."""


@dataclass(frozen=True)
class Rule:
    """``convert`` returns the canonical value or raises ``Refused``; a ``grid`` key takes one or a list."""

    convert: Callable[[object], Any]
    allowed: str
    grid: bool = False


#: What a converter takes, as JSON Schema: what editors complete by, and the column "type" of the documentation.
SHAPES: dict[Callable[[object], Any], dict[str, Any]] = {}


def _shaped(convert: Callable[[object], _T], shape: dict[str, Any]) -> Callable[[object], _T]:
    SHAPES[convert] = shape
    return convert


def shape_of(rule: Rule) -> dict[str, Any]:
    """JSON Schema of one value of ``rule``; anything where its converter has none."""
    return dict(SHAPES.get(rule.convert, {}))


#: Values of one list; a file of 1 MB has no room for more.
LONGEST = 1_000_000


def listed(value: object) -> object:
    """``value`` with a tuple, a range or an array as the list that it is, and a NumPy number as Python's."""
    if isinstance(value, (tuple, range)):
        if len(value) > LONGEST:
            raise InputError(f"A grid holds at most {LONGEST:,} values, not {len(value):,}.")
        return list(value)
    return value.tolist() if hasattr(value, "tolist") else value


def show(value: object) -> str:
    """``value`` as one short line for an error message."""
    try:
        text = repr(value)
    except RecursionError:
        return f"a {type(value).__name__} of too many levels"
    return text if len(text) <= 60 else text[:57] + "..."


def choices(names: Iterable[str]) -> str:
    """ "a", "b" or "c"."""
    return listing((f'"{name}"' for name in names), "or")


def listing(words: Iterable[str], last: str = "and") -> str:
    """a, b and c; "nothing" of none."""
    *first, end = tuple(words) or ("nothing",)
    return f"{', '.join(first)} {last} {end}" if first else end


def integer(minimum: int, below: int = 2**63) -> Callable[[object], int]:
    """A whole number of at least ``minimum`` (a bool or a float is not one)."""

    def convert(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, Integral) or not minimum <= int(value) < below:
            raise Refused
        return int(value)

    return _shaped(convert, {"type": "integer", "minimum": minimum})


def number(
    minimum: float, *, open_end: bool = False, infinite: bool = False, below: float = math.inf
) -> Callable[[object], float]:
    """A real number ≥ ``minimum`` (> if ``open_end``) and < ``below``; NaN never, +inf only if ``infinite``."""

    def convert(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise Refused
        try:
            x = float(value)
        except OverflowError:
            raise Refused from None
        if math.isnan(x) or (math.isinf(x) and not infinite) or x < minimum or (open_end and x == minimum):
            raise Refused
        if x >= below and not math.isinf(below):
            raise Refused
        return x

    bound = {} if math.isinf(minimum) else {"exclusiveMinimum" if open_end else "minimum": minimum}
    top = {} if math.isinf(below) else {"exclusiveMaximum": below}
    return _shaped(convert, {"type": "number"} | bound | top)


def choice(*names: str) -> Callable[[object], str]:
    """One of ``names``; a near miss gets a suggestion."""

    def convert(value: object) -> str:
        if isinstance(value, str) and value in names:
            return value
        raise Refused(suggestion(value, names) if isinstance(value, str) else "")

    return _shaped(convert, {"type": "string", "enum": list(names)})


def suggestion(given: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the closest known name, or an empty string."""
    close = difflib.get_close_matches(given.lower(), list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def memory_bytes(value: object) -> int:
    """Bytes of ``"1 GB"``, ``"512 MiB"`` or an integer: kB, MB, GB, TB are powers of 1000, KiB... of 1024."""
    if isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0:
        return int(value)
    match = (
        re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)B\s*", value) if isinstance(value, str) else None
    )
    if match is None or len(match[1]) > 15:
        raise Refused
    power = " KMGT".index(match[2].upper() or " ")
    if match[3] and not power:
        raise Refused
    amount = int(float(match[1]) * (1024 if match[3] else 1000) ** power)
    if amount <= 0:
        raise Refused
    return amount


def readout_law(value: object) -> str | tuple[tuple[float, float], ...]:
    """``"rademacher"``, ``"gaussian"``, or atoms (value, weight): values downwards, weights that sum to 1."""
    if isinstance(value, str):
        return choice("rademacher", "gaussian")(value)
    if not isinstance(value, (list, tuple)) or not value:
        raise Refused
    total: dict[float, float] = {}
    for atom in value:
        if not isinstance(atom, (list, tuple)) or len(atom) != 2:
            raise Refused(": every atom is a pair [value, weight]")
        try:
            a, weight = number(-math.inf)(atom[0]), number(0.0, open_end=True)(atom[1])
        except Refused:
            raise Refused(": a value is a finite number, a weight a number greater than 0") from None
        total[a + 0.0] = total.get(a + 0.0, 0.0) + weight
    mass = math.fsum(total.values())
    if abs(mass - 1.0) > 1e-6:
        raise Refused(f": the weights sum to {mass:g}, not to 1")
    return tuple((a, total[a] / mass) for a in sorted(total, reverse=True))


def width(value: object) -> int | str:
    """``"infinite"`` (many neurons) or a number of neurons."""
    return value if isinstance(value, str) and value == "infinite" else integer(1)(value)


def removed_orders(value: object) -> tuple[int, ...]:
    """(), (0,) or (0, 1): the orders of the labels that are removed batch by batch (1 needs 0)."""
    if not isinstance(value, (list, tuple)):
        raise Refused
    orders = tuple(sorted(integer(0)(k) for k in value))
    if orders not in ((), (0,), (0, 1)):
        raise Refused
    return orders


def rate_exponent(value: object) -> float | str:
    """ "auto" (max(leap/2, 1)) or q of e = eta n_b d^-q."""
    return "auto" if isinstance(value, str) and value == "auto" else number(0.0)(value)


def times(value: object) -> tuple[float, ...]:
    """Rising times of at least 0; () for none."""
    if not isinstance(value, (list, tuple)):
        raise Refused
    found = tuple(number(0.0)(t) for t in value)
    if any(b <= a for a, b in pairwise(found)):
        raise Refused
    return found


#: Rows of M⁰ (p, r), and Q⁰ (p, p) or None for Q_ij = ⟨m_i, m_j⟩ off a unit diagonal.
Start = tuple[tuple[tuple[float, ...], ...], tuple[tuple[float, ...], ...] | None]


def start(value: object) -> str | Start:
    """ "random", or a table ``{overlap = [[…]], gram = [[…]]}``; what has passed once passes again."""
    if isinstance(value, str) and value == "random":
        return value
    if isinstance(value, tuple) and len(value) == 2:
        value = {"overlap": value[0]} | ({} if value[1] is None else {"gram": value[1]})
    if not isinstance(value, Mapping) or not {"overlap"} <= set(value) <= {"overlap", "gram"}:
        raise Refused
    overlap = _rows(value["overlap"])
    if len({len(row) for row in overlap}) != 1:
        raise Refused
    gram = None if "gram" not in value else _rows(value["gram"])
    if gram is not None and (len(gram) != len(overlap) or any(len(row) != len(gram) for row in gram)):
        raise Refused
    return overlap, gram


def _rows(value: object) -> tuple[tuple[float, ...], ...]:
    if not isinstance(value, (list, tuple)) and hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, (list, tuple)) or not value:
        raise Refused
    if not all(isinstance(row, (list, tuple)) and row for row in value):
        raise Refused
    return tuple(tuple(number(-math.inf)(x) for x in row) for row in value)


def activation(value: object) -> object:
    """A name or an expression in x (checked by parsing it), or a callable."""
    if isinstance(value, str):
        from asymptotics.expectations.activations import get_activation

        if not value.strip():
            raise Refused
        try:
            get_activation(value)
        except InputError as error:
            raise Refused(": " + "; ".join(error.problems)) from None
        return value
    if not callable(value):
        raise Refused
    return value


def optional(convert: Callable[[object], Any]) -> Callable[[object], Any]:
    """``None`` or what ``convert`` takes."""
    return _shaped(lambda value: None if value is None else convert(value), dict(SHAPES.get(convert, {})))


def boolean(value: object) -> bool:
    """True or false; 0 and 1 are numbers."""
    if not isinstance(value, bool):
        raise Refused
    return value


def text(value: object) -> str:
    """A string with something in it."""
    if not isinstance(value, str) or not value.strip():
        raise Refused
    return value


_NUMBERS = {"type": "array", "items": {"type": "number"}}
_MATRIX = {"type": "array", "items": _NUMBERS}
_POSITIVE_INTEGER = {"type": "integer", "minimum": 1}
SHAPES |= {
    memory_bytes: {"anyOf": [{"type": "string"}, _POSITIVE_INTEGER]},
    readout_law: {"anyOf": [{"type": "string", "enum": ["rademacher", "gaussian"]}, _MATRIX]},
    width: {"anyOf": [{"const": "infinite"}, _POSITIVE_INTEGER]},
    removed_orders: {"enum": [[], [0], [0, 1]]},
    rate_exponent: {"anyOf": [{"const": "auto"}, {"type": "number", "minimum": 0.0}]},
    times: _NUMBERS,
    start: {
        "anyOf": [
            {"const": "random"},
            {
                "type": "object",
                "properties": {"overlap": _MATRIX, "gram": _MATRIX},
                "required": ["overlap"],
                "additionalProperties": False,
            },
        ]
    },
    activation: {"type": "string"},
    boolean: {"type": "boolean"},
    text: {"type": "string"},
}


def check(
    table: str, rules: Mapping[str, Rule], values: Mapping[str, object], problems: list[str]
) -> dict[str, Any]:
    """The canonical ``values`` of one table of settings; a sentence a breach is added to ``problems``."""
    good: dict[str, Any] = {}
    for key, value in values.items():
        rule = rules[key]
        try:
            good[key] = rule.convert(value)
        except Refused as why:
            problems.append(f"{table}.{key} must be {rule.allowed}, not {show(value)}{why}.")
    return good
