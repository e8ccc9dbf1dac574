"""What is in a target: exact Hermite expansions, leap index, staircase and hard directions.

>>> from hermite import Target, leap
>>> leap(Target("z1 + z1*z2")).leap_index
1
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermite.lazy import lazily

if TYPE_CHECKING:
    from hermite.complexity.hardness_table import Hardness, hardness
    from hermite.errors import ConvergenceError, GiantstepError, InputError
    from hermite.expansion import HermiteExpansion, expand
    from hermite.indices.reflective import BasisFreeStaircase, basis_free_staircase
    from hermite.indices.report import LeapReport, leap
    from hermite.inputs.biased import Biased, biased_staircase
    from hermite.inputs.walsh import Walsh, walsh_expansion
    from hermite.labels.generative_leap import Generative, generative
    from hermite.labels.recovery import RecoveryThreshold, recovery_threshold
    from hermite.labels.reuse import Reuse, reuse_staircase
    from hermite.target import Target

_HOME = {
    "BasisFreeStaircase": "hermite.indices.reflective",
    "Biased": "hermite.inputs.biased",
    "Generative": "hermite.labels.generative_leap",
    "RecoveryThreshold": "hermite.labels.recovery",
    "generative": "hermite.labels.generative_leap",
    "recovery_threshold": "hermite.labels.recovery",
    "ConvergenceError": "hermite.errors",
    "GiantstepError": "hermite.errors",
    "Hardness": "hermite.complexity.hardness_table",
    "HermiteExpansion": "hermite.expansion",
    "InputError": "hermite.errors",
    "LeapReport": "hermite.indices.report",
    "Reuse": "hermite.labels.reuse",
    "Target": "hermite.target",
    "Walsh": "hermite.inputs.walsh",
    "basis_free_staircase": "hermite.indices.reflective",
    "biased_staircase": "hermite.inputs.biased",
    "expand": "hermite.expansion",
    "hardness": "hermite.complexity.hardness_table",
    "leap": "hermite.indices.report",
    "reuse_staircase": "hermite.labels.reuse",
    "walsh_expansion": "hermite.inputs.walsh",
}

__all__ = [
    "BasisFreeStaircase",
    "Biased",
    "ConvergenceError",
    "Generative",
    "GiantstepError",
    "Hardness",
    "HermiteExpansion",
    "InputError",
    "LeapReport",
    "RecoveryThreshold",
    "Reuse",
    "Target",
    "Walsh",
    "basis_free_staircase",
    "biased_staircase",
    "expand",
    "generative",
    "hardness",
    "leap",
    "recovery_threshold",
    "reuse_staircase",
    "walsh_expansion",
]

__getattr__, __dir__ = lazily(__name__, _HOME)
