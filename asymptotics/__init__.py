"""What the theory predicts for a network trained with giant steps, and the simulations that check it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asymptotics.experiment import Experiment
    from asymptotics.generalisation.errors import risk
    from asymptotics.generalisation.stairway import plateaus
    from asymptotics.inversion import samples_needed
    from asymptotics.learning.laws import overlaps
    from asymptotics.settings import Network, Ridge, Simulation, Training
    from asymptotics.simulation.runner import simulate
    from asymptotics.simulation.sweeps import sweep
    from asymptotics.validation import validate

_HOME = {
    "Experiment": "asymptotics.experiment",
    "Network": "asymptotics.settings",
    "Ridge": "asymptotics.settings",
    "Simulation": "asymptotics.settings",
    "Training": "asymptotics.settings",
    "optimise": "asymptotics.tuning",
    "overlaps": "asymptotics.learning.laws",
    "plateaus": "asymptotics.generalisation.stairway",
    "risk": "asymptotics.generalisation.errors",
    "samples_needed": "asymptotics.inversion",
    "simulate": "asymptotics.simulation.runner",
    "spectrum": "asymptotics.generalisation.feature_spectrum",
    "sweep": "asymptotics.simulation.sweeps",
    "validate": "asymptotics.validation",
}

__all__ = [
    "Experiment",
    "Network",
    "Ridge",
    "Simulation",
    "Training",
    "optimise",
    "overlaps",
    "plateaus",
    "risk",
    "samples_needed",
    "simulate",
    "spectrum",
    "sweep",
    "validate",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used: the command line must not pay for what it does not need."""
    if name not in _HOME:
        raise AttributeError(f"module 'asymptotics' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
