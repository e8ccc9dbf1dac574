"""The table of simulated inputs: by law of the inputs the networks that draw from it, one a method of simulation.

A new law of inputs that is simulated is one entry of ``DRAWN_INPUTS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from asymptotics.experiment.input_laws import ISOTROPIC, InputLaw, law_of, traits_of
from asymptotics.experiment.inputs import Inputs
from asymptotics.experiment.schema import choices
from asymptotics.experiment.settings import Simulation, Training
from asymptotics.simulation.direct import DirectNetwork
from asymptotics.simulation.reduced import ReducedNetwork
from asymptotics.simulation.reduced_structured import ReducedStructured
from asymptotics.simulation.structured import StructuredNetwork, refuse_unless_simulated
from asymptotics.simulation.student import Setup
from hermite.errors import InputError
from hermite.target import Target


@dataclass(frozen=True)
class DrawnInputs:
    """How networks on inputs of one law are simulated.

    ``students``  by method of simulation: the network of one replicate, from its setup and the inputs
    ``refuse``    (inputs, target, training, simulation) raises ``InputError`` where they are not simulated
    """

    students: Mapping[str, Callable[[Setup, Any], Any]]
    refuse: Callable[[Any, Target, Training, Simulation], None] = lambda inputs, f, training, simulation: None


#: By the name of the law.
DRAWN_INPUTS: dict[str, DrawnInputs] = {
    ISOTROPIC: DrawnInputs(
        {
            "direct": lambda setup, inputs: DirectNetwork(setup),
            "reduced": lambda setup, inputs: ReducedNetwork(setup),
        }
    ),
    Inputs.law: DrawnInputs(
        {"direct": StructuredNetwork, "reduced": ReducedStructured}, refuse_unless_simulated
    ),
}


def drawn(inputs: InputLaw | None, f: Target, training: Training, simulation: Simulation) -> DrawnInputs:
    """The entry of the law of ``inputs``; raises ``InputError`` where these settings are not simulated on it."""
    word, entry = traits_of(inputs).word, DRAWN_INPUTS.get(law_of(inputs))
    if entry is None:
        raise InputError(f"{word.capitalize()} are not simulated.")
    entry.refuse(inputs, f, training, simulation)
    if simulation.method not in entry.students:
        allowed = choices(entry.students)
        raise InputError(f'simulation.method must be {allowed} with {word}, not "{simulation.method}".')
    return entry
