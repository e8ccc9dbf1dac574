"""Class labels y = ±1 as a step of the square loss sees them to leading order: by E[y | z] and E y² = 1."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from asymptotics.learning.giant.low_orders import low_orders
from hermite.errors import InputError
from hermite.target import Target

if TYPE_CHECKING:
    from asymptotics.experiment.settings import Training


@lru_cache(maxsize=64)
def as_values(f: Target) -> Target:
    """Labels E[y | z] + noise of the second moment 1: the same mean and, on average, the same noise as class labels."""
    mean = f.class_mean
    noise = max(0.0, 1.0 - low_orders(mean).energy)
    if mean.tree is None:
        return Target.from_function(mean, mean.r, noise=noise)
    return Target(mean.text, mean.variables, mean.gram, noise)


def irreducible(f: Target) -> float:
    """The error E (y − E[y | z])² that no fit gets below: the noise, or that of class labels."""
    return as_values(f).noise if f.has_classes else f.noise


def seen_by_steps(f: Target, training: Training) -> Target:
    """What ``training`` sees of ``f``: the target itself, or :func:`as_values` of class labels before and after one giant step.

    Raises :class:`InputError` for class labels and other protocols or more steps, whose noise depends on z.
    """
    if not f.has_classes:
        return f
    if not training.traits.fresh or training.steps > 1:
        raise InputError(
            'target.labels = "sign" is covered by one giant step, training.steps of 0 or 1: in more steps the noise of the '
            "labels depends on the inputs; use simulate"
        )
    return as_values(f)
