"""The law of the escape of online SGD and, if asked, simulated escapes beside it, for every training and d of an experiment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.settings import Simulation, Training
from asymptotics.learning.sgd.escape_times import EscapeLaw, escape, refuse_unless_random
from asymptotics.learning.sgd.rates import rates_of
from hermite.errors import InputError

#: Simulated up to so many times the 0.9 quantile of the law.
_BEYOND = 5


def escape_documents(
    experiment: Experiment, simulate: bool, progress: Callable[[str], None]
) -> list[dict[str, object]]:
    """One document a (training, d): ``escape, clocks, regime`` and ``simulation`` (null unless ``simulate``).

    Where only a simulation answers (several neurons that interact), the fields of ``escape`` are null and its ``interaction``
    says so; without a simulation that is an ``InputError``.
    """
    points = [(training, s) for training in experiment.longest for s in experiment.simulations]
    return [_document(experiment, training, s, simulate, progress) for training, s in points]


def _document(
    experiment: Experiment,
    training: Training,
    simulation: Simulation,
    simulate: bool,
    progress: Callable[[str], None],
) -> dict[str, object]:
    from asymptotics.simulation.escapes import MOST_STEPS, simulated_escape

    experiment.refuse_inputs("escape")
    f, network = experiment.target, experiment.network
    refuse_unless_random(network, training)
    law: EscapeLaw | None = None
    try:
        law = escape(f, network, training, simulation.d)
        document = law.to_dict()
    except InputError as error:
        if not simulate:
            raise
        document = _without_law(experiment, training, simulation, " ".join(error.problems))
    document["simulation"] = None
    if simulate:
        progress(f"simulating {simulation.replicates} escapes (d = {simulation.d})")
        last = MOST_STEPS if law is None else min(MOST_STEPS, round(_BEYOND * law.steps(0.9)) + 1)
        last = max(last, training.steps)
        runs = simulated_escape(f, network, replace(training, steps=0, time=()), simulation, last=last)
        document["simulation"] = runs.to_dict()
    return document


def _without_law(
    experiment: Experiment, training: Training, simulation: Simulation, reason: str
) -> dict[str, object]:
    rates = rates_of(experiment.target, experiment.network.get_activation(), training, simulation.d)
    names = ("law", "mean", "sd", "rate", "sigma2", "start_share", "critical_eta")
    return {
        "protocol": "sgd",
        "d": simulation.d,
        **rates.to_dict(),
        "regime": None,
        "clocks": None,
        "escape": {"leap": rates.leap}
        | dict.fromkeys(names)
        | {"threshold": training.threshold, "interaction": reason, "quantiles": None, "error": None},
    }
