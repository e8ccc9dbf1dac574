"""Which of the ways of :mod:`asymptotics.generalisation.feature_spectrum` tells the places of a spectrum after a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from asymptotics.generalisation.spectrum_places import (
    CONDITIONAL,
    Places,
    Setting,
    conditional_places,
    initial_places,
    stretches,
)
from hermite.errors import ConvergenceError, InputError

_BEYOND = (
    " What the batch does to the rows off the learned direction, by the target's second-order term and by its own noise, is not "
    "included: it may put more spikes beyond this edge."
)


def places_after_a_step(setting: Setting, bulk: str) -> Places:
    """Places in the way ``bulk``: "conditional", "stretched", "initial", or "auto", the first that tells what there is.

    Auto: stretched where a typical batch has a spike off the learned direction, or an edge that is another by more than the
    error of the conditional way; else conditional; initial where none has a solution.
    """
    if bulk == "stretched":
        return stretched_places(setting)
    if bulk != "auto":
        way = conditional_places if bulk == "conditional" else initial_places
        return _with_what_is_left_out(setting, way(setting))
    if not stretches(setting):
        return _tried(conditional_places, setting) or initial_places(setting)
    return _tried(_of_both, setting) or _with_what_is_left_out(
        setting, _tried(conditional_places, setting) or initial_places(setting)
    )


def stretched_places(setting: Setting) -> Places:
    """The way of stretched rows. Raises ``ConvergenceError`` where it has no solution."""
    from asymptotics.generalisation.stretched_places import drawn

    return drawn(setting).places()


def _of_both(setting: Setting) -> Places:
    from asymptotics.generalisation.stretched_places import drawn, off_the_learned_direction

    found = drawn(setting)
    typical = found.typical
    if off_the_learned_direction(typical):
        return found.places()
    plain = _tried(conditional_places, setting)
    if plain is None or abs(typical.around.edge / plain.edge - 1) > CONDITIONAL:
        return found.places()
    return replace(plain, theory=plain.theory + found.uneven)


def _tried(way: Callable[[Setting], Places], setting: Setting) -> Places | None:
    try:
        return way(setting)
    except (InputError, ConvergenceError):
        return None


def _with_what_is_left_out(setting: Setting, places: Places) -> Places:
    return replace(places, note=places.note + _BEYOND) if stretches(setting) else places
