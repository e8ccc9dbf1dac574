"""What the nodes that stand for random biases and Gaussian readouts are worth: their part of the error of a ridge fit.

The same question is answered once more with half as many nodes more. The error falls with the number of nodes like a power of a
number below one, so that what they change is two thirds of it and more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import repeat

from asymptotics.experiment.ridge_words import Level
from asymptotics.generalisation.ridge_theories.finite_leap_two import FiniteLeapTwo
from asymptotics.generalisation.theory import Setting, Theory
from asymptotics.generalisation.theory_table import chosen
from asymptotics.learning.groups import has_nodes, with_finer_nodes
from asymptotics.results import Risk
from hermite.errors import ConvergenceError, InputError

#: The error of the nodes, in what half as many more change.
_MARGIN = 1.5
_Found = Risk | InputError


def with_error_of_nodes(
    theory: Theory, settings: Sequence[Setting], found: Iterator[_Found]
) -> Iterator[_Found]:
    """``found`` by ``theory`` at ``settings``, with what finer nodes change in its error.

    Before training they are nodes of an integral. After steps they are groups of equal neurons, which stand for a law whose
    neurons all differ: that is what the theory leaves out. The change is that of the level that measures nothing; where there
    is none, or it is not solved, that error is unknown.
    """
    if not settings or not has_nodes(settings[0].network) or isinstance(theory, FiniteLeapTwo):
        yield from found
        return
    usual, finer = (_plain(settings, nodes) for nodes in (False, True))
    for one, here, there in zip(found, usual, finer, strict=False):
        if isinstance(one, InputError):
            yield one
            continue
        known = isinstance(here, Risk) and isinstance(there, Risk) and here.test_error > 0
        moved = (
            _MARGIN * abs(there.test_error / here.test_error - 1)
            if known and isinstance(here, Risk) and isinstance(there, Risk)
            else None
        )
        part = "theory" if one.step else "quadrature"
        own = getattr(one.error, part)
        total = None if moved is None or own is None else own + moved
        yield replace(one, error=replace(one.error, **{part: total}))


def _plain(settings: Sequence[Setting], finer: bool) -> Iterator[_Found | None]:
    """The level that measures nothing, with the usual or ``finer`` nodes; None where it does not answer."""
    asked = [_without_measurements(setting, finer) for setting in settings]
    try:
        yield from chosen(asked[0]).solve_many(asked, False)
    except (InputError, ConvergenceError):
        yield from repeat(None)


def _without_measurements(setting: Setting, finer: bool) -> Setting:
    ridge = setting.ridge
    if setting.training.steps and setting.level.is_measured:
        ridge = replace(ridge, level=str(Level.E))
    network = with_finer_nodes(setting.network) if finer else setting.network
    return replace(setting, network=network, ridge=ridge, accuracy=0.0)
