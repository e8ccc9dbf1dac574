"""How well the averages of a target and an activation are known, relative to √E f*² and √E σ²."""

from __future__ import annotations

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.target_rule import rule_of
from hermite.target import Target


def quadrature_error(f: Target, activation: Activation, refine: float = 1.0) -> float:
    """The larger of the measured errors of the target's rule (with this ``refine``) and of the activation's moments."""
    return max(rule_of(f, refine).error, activation.error)
