"""What is in a target: exact Hermite expansions, leap index, staircase and hard directions.

>>> from hermite import Target, leap
>>> leap(Target("z1 + z1*z2")).leap_index
1
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hermite.complexity import Hardness, hardness
    from hermite.errors import ConvergenceError, GiantstepError, InputError
    from hermite.expansion import HermiteExpansion, expand
    from hermite.generative_leap import Generative, generative
    from hermite.recovery import RecoveryThreshold, recovery_threshold
    from hermite.report import LeapReport, leap
    from hermite.target import Target

_HOME = {
    "Generative": "hermite.generative_leap",
    "RecoveryThreshold": "hermite.recovery",
    "generative": "hermite.generative_leap",
    "recovery_threshold": "hermite.recovery",
    "ConvergenceError": "hermite.errors",
    "GiantstepError": "hermite.errors",
    "Hardness": "hermite.complexity",
    "HermiteExpansion": "hermite.expansion",
    "InputError": "hermite.errors",
    "LeapReport": "hermite.report",
    "Target": "hermite.target",
    "expand": "hermite.expansion",
    "hardness": "hermite.complexity",
    "leap": "hermite.report",
}

__all__ = [
    "ConvergenceError",
    "Generative",
    "GiantstepError",
    "Hardness",
    "HermiteExpansion",
    "InputError",
    "LeapReport",
    "RecoveryThreshold",
    "Target",
    "expand",
    "generative",
    "hardness",
    "leap",
    "recovery_threshold",
]


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used, so that a leap query never loads what it does not need."""
    if name not in _HOME:
        raise AttributeError(f"module 'hermite' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
