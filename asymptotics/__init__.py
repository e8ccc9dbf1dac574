"""What the theory predicts for a network trained with giant steps, and the simulations that check it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asymptotics.version import __version__ as __version__
from hermite.lazy import lazily

if TYPE_CHECKING:
    from asymptotics.comparison.curve_table import curve
    from asymptotics.comparison.spectra import singular_values
    from asymptotics.comparison.validation import validate
    from asymptotics.design.inversion import samples_needed
    from asymptotics.design.planning import plan
    from asymptotics.design.tuning import optimise
    from asymptotics.documents.reproduction import reproductions
    from asymptotics.experiment.grid import Experiment
    from asymptotics.experiment.inputs import Cluster, Inputs
    from asymptotics.experiment.inputs_table import quantile_blocks
    from asymptotics.experiment.settings import Network, Ridge, Simulation, Training
    from asymptotics.generalisation.errors import risk
    from asymptotics.generalisation.feature_spectrum import spectrum
    from asymptotics.generalisation.theory_table import theories
    from asymptotics.learning.laws import overlaps
    from asymptotics.learning.sgd.escape_times import batch_tradeoff, escape
    from asymptotics.playground.page import explore
    from asymptotics.simulation.escapes import simulated_escape
    from asymptotics.simulation.runner import simulate
    from asymptotics.stairway.stairs import plateaus
    from asymptotics.sweeps.sweeping import sweep

_HOME = {
    "Cluster": "asymptotics.experiment.inputs",
    "Experiment": "asymptotics.experiment.grid",
    "Inputs": "asymptotics.experiment.inputs",
    "Network": "asymptotics.experiment.settings",
    "Ridge": "asymptotics.experiment.settings",
    "Simulation": "asymptotics.experiment.settings",
    "Training": "asymptotics.experiment.settings",
    "batch_tradeoff": "asymptotics.learning.sgd.escape_times",
    "curve": "asymptotics.comparison.curve_table",
    "escape": "asymptotics.learning.sgd.escape_times",
    "explore": "asymptotics.playground.page",
    "optimise": "asymptotics.design.tuning",
    "overlaps": "asymptotics.learning.laws",
    "plan": "asymptotics.design.planning",
    "plateaus": "asymptotics.stairway.stairs",
    "quantile_blocks": "asymptotics.experiment.inputs_table",
    "reproductions": "asymptotics.documents.reproduction",
    "risk": "asymptotics.generalisation.errors",
    "samples_needed": "asymptotics.design.inversion",
    "simulate": "asymptotics.simulation.runner",
    "simulated_escape": "asymptotics.simulation.escapes",
    "singular_values": "asymptotics.comparison.spectra",
    "spectrum": "asymptotics.generalisation.feature_spectrum",
    "sweep": "asymptotics.sweeps.sweeping",
    "theories": "asymptotics.generalisation.theory_table",
    "validate": "asymptotics.comparison.validation",
}

__all__ = [
    "Cluster",
    "Experiment",
    "Inputs",
    "Network",
    "Ridge",
    "Simulation",
    "Training",
    "batch_tradeoff",
    "curve",
    "escape",
    "explore",
    "optimise",
    "overlaps",
    "plan",
    "plateaus",
    "quantile_blocks",
    "reproductions",
    "risk",
    "samples_needed",
    "simulate",
    "simulated_escape",
    "singular_values",
    "spectrum",
    "sweep",
    "theories",
    "validate",
]

__getattr__, __dir__ = lazily(__name__, _HOME)
