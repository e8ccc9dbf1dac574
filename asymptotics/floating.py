"""The library's own state of floating-point errors, whatever the caller's is.

Many programs set ``np.seterr(all="raise")``; an exp(−800) that is rightly 0 would then be an error. Every public function
that computes, and every worker, runs in NumPy's own default state: underflow is silent, the rest warns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")


def own_floating_state(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` in the library's own state; the caller's is back when it ends, however it ends."""

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"):
            return function(*args, **kwargs)

    return inside
