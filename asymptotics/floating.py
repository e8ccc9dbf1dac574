"""The doors of the library: its own state of floating-point errors, whatever the caller's is, and settings of their kind.

Many programs set ``np.seterr(all="raise")``; an exp(−800) that is rightly 0 would then be an error. Every public function
that computes, and every worker, runs in NumPy's own default state: underflow is silent, the rest warns. What is no network,
training, ridge, simulation or experiment is refused there in one sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from hermite.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")


#: The settings that public functions take, by the names of their classes.
_KINDS = ("Network", "Training", "Ridge", "Simulation", "Experiment")


def own_floating_state(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` in the library's own state; the caller's is back when it ends, however it ends.

    Raises ``InputError`` where an argument that is declared as one of the settings is something else.
    """
    declared = {
        name: kind
        for name, text in function.__annotations__.items()
        for kind in _KINDS
        if text in (kind, f"{kind} | None")
    }
    names = function.__code__.co_varnames

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        for name, value in (*zip(names, args, strict=False), *kwargs.items()):
            _check(name, value, declared.get(name))
        with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"):
            return function(*args, **kwargs)

    return inside


def _check(name: str, value: Any, kind: str | None) -> None:
    if kind is None or value is None or any(own.__name__ == kind for own in type(value).__mro__):
        return
    example = {"Network": 'Network(activation="relu")', "Experiment": 'Experiment.load("experiment.toml")'}
    shown = repr(value) if len(repr(value)) < 60 else f"a {type(value).__name__}"
    article = "an" if kind == "Experiment" else "a"
    raise InputError(
        f"{name} must be {article} {kind}, such as {example.get(kind, f'{kind}()')}, not {shown}."
    )
