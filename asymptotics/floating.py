"""The doors of the library: its own state of floating-point errors, whatever the caller's is, and settings of their kind.

Many programs set ``np.seterr(all="raise")``; an exp(−800) that is rightly 0 would then be an error. Every public function
that computes, and every worker, runs in NumPy's own default state: underflow is silent, the rest warns. It has one BLAS
thread (:func:`asymptotics.blas.one_thread`). What is no network,
training, ridge, simulation, experiment or number where one is declared is refused there in one sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from asymptotics.blas import one_thread
from hermite.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")


#: The settings that public functions take, by the names of their classes.
_KINDS = ("Network", "Training", "Ridge", "Simulation", "Experiment")
_NUMBERS = {"int": "whole number", "float": "number"}


def _is_real(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_pair(value: object) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_is_real, value))


def _is_names(value: object) -> bool:
    """A name alone is refused, with the names that there are, where it is used."""
    return isinstance(value, str) or (
        isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)
    )


def _is_list_of(good: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, (list, tuple, range)) and all(map(good, value))


def _is_whole(value: Any) -> bool:
    return (
        _is_real(value) and abs(value) < 2**63 and (isinstance(value, Integral) or float(value).is_integer())
    )


#: Declarations of other arguments: what they are, and whether a value is one.
_OTHERS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "Progress": ("a function of a line of text, such as print", callable),
    "InputLaw": (
        "a law of inputs, such as Inputs()",
        lambda value: isinstance(getattr(value, "law", None), str),
    ),
    "tuple[float, float]": ("two numbers, the least and the largest", _is_pair),
    "Sequence[str]": ("a list of names", _is_names),
    "Sequence[int]": ("a list of whole numbers", _is_list_of(_is_whole)),
    "Sequence[float]": ("a list of numbers", _is_list_of(_is_real)),
    "str": ("text", lambda value: isinstance(value, str)),
    "bool": ("True or False", lambda value: isinstance(value, (bool, np.bool_, int)) and value in (0, 1)),
    "str | Path": ("the name of a file", lambda value: isinstance(value, (str, Path))),
    "str | Path | Store": (
        "the name of a file, or a Store",
        lambda value: isinstance(value, (str, Path)) or type(value).__name__ == "Store",
    ),
}


def own_floating_state(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` in the library's own state; the caller's is back when it ends, however it ends.

    Raises ``InputError`` where an argument that is declared as one of the settings, or as a number, is something else.
    """
    declared = {
        name: str(text)
        for name, text in function.__annotations__.items()
        if str(text).removesuffix(" | None") in (*_KINDS, *_NUMBERS, *_OTHERS)
    }
    names = function.__code__.co_varnames

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        for name, value in (*zip(names, args, strict=False), *kwargs.items()):
            _check(name, value, declared.get(name))
        with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"), one_thread():
            return function(*args, **kwargs)

    return inside


def _check(name: str, value: object, declared: str | None) -> None:
    if declared is None or (value is None and declared.endswith(" | None")):
        return
    kind = declared.removesuffix(" | None")
    if kind in _NUMBERS:
        _check_number(name, value, kind)
    elif kind in _OTHERS:
        wanted, good = _OTHERS[kind]
        if not good(value):
            raise InputError(f"{name} must be {wanted}, not {_shown(value)}.")
    elif not any(own.__name__ == kind for own in type(value).__mro__):
        example = {
            "Network": 'Network(activation="relu")',
            "Experiment": 'Experiment.load("experiment.toml")',
        }
        article = "an" if kind == "Experiment" else "a"
        raise InputError(
            f"{name} must be {article} {kind}, such as {example.get(kind, f'{kind}()')}, not {_shown(value)}."
        )


def _check_number(name: str, value: object, kind: str) -> None:
    """A real number that the machine's numbers hold; whether it is whole, or in its range, is said where it is used."""
    good = _is_real(value)
    if good and kind == "int":
        good = _is_whole(value)
    elif good and isinstance(value, Integral):
        good = abs(int(value)) < 1e308
    if not good:
        raise InputError(f"{name} must be a {_NUMBERS[kind]}, not {_shown(value)}.")


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 2**63:
        return "one of so many digits"
    shown = repr(value)
    return shown if len(shown) < 60 and "\n" not in shown else f"a {type(value).__name__}"
