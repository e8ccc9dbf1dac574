"""How well the averages of a target and an activation are known, relative to √E f*² and √E σ²."""

from __future__ import annotations

from asymptotics.expectations.activations import Activation
from asymptotics.expectations.target_rule import rule_of
from hermite.errors import ConvergenceError
from hermite.target import Target

#: A rule that misses by this many times the accuracy asked for is refused; between, the result says what was reached.
_REFUSED = 100.0


def quadrature_error(f: Target, activation: Activation, refine: float = 1.0) -> float:
    """The larger of the measured errors of the target's rule and of the activation's moments."""
    return max(rule_of(f, refine).error, activation.error)


def checked_quadrature(f: Target, activation: Activation, accuracy: float) -> float:
    """:func:`quadrature_error`; raises :class:`ConvergenceError` where it is above 100 times ``accuracy``."""
    error = quadrature_error(f, activation)
    if not error <= _REFUSED * accuracy:
        what = f.text if rule_of(f).error > activation.error else activation.name
        raise ConvergenceError(
            f"the Gaussian averages of {what!r} are known to a relative error of {error:.1e} only, not to the "
            f"accuracy {accuracy:.1e}: ask for less (accuracy = {error:.0e})"
        )
    return error
