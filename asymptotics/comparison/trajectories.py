"""Overlaps over the steps: theory and, if asked, simulation of a whole experiment, side by side.

One run a point (training alpha, eta; with a simulation also its d), each to the largest number of steps.
Beside a simulation the theory is taken at the simulation's d where the law has a finite-d form.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.settings import Simulation, Training
from asymptotics.results import Overlaps
from asymptotics.text.overlap_tables import partner


@dataclass(frozen=True)
class Run:
    """The overlaps of one training at steps 0..T, predicted and (if simulated) measured."""

    training: Training
    theory: Overlaps
    measured: Overlaps | None = None
    simulation: Simulation | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """By what the runs of an experiment differ."""
        d = None if self.simulation is None else self.simulation.d
        return {"alpha": self.training.alpha, "eta": self.training.eta, "d": d}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the law and the simulation warn about."""
        return self.theory.warnings + (self.measured.warnings if self.measured else ())

    def to_dict(self) -> dict[str, Any]:
        """``regime, steps [{step, risk, neurons, simulation}]`` and the training's settings."""
        result = self.theory.to_dict()
        head: dict[str, Any] = {
            "protocol": self.training.protocol,
            "alpha": self.training.alpha,
            "eta": self.training.eta,
        }
        head["batch_exponent"] = self.training.batch_exponent
        for i, step in enumerate(result["steps"]):
            step["simulation"] = None if self.measured is None else self._simulated(i)
        return head | result

    def _simulated(self, i: int) -> dict[str, object]:
        assert self.measured is not None
        measured = self.measured.to_dict()
        step = measured["steps"][i]
        keys = ["neurons", "risk", "risk_sem"]
        keys += [key for key in ("train_error", "train_error_sem") if key in step]
        return {key: step.get(key) for key in keys} | {key: measured[key] for key in ("replicates", "d", "p")}


def runs(
    experiment: Experiment, simulate: bool, progress: Callable[[str], None], accuracy: float | None = None
) -> list[Run]:
    """Every run of the experiment; raises ``InputError`` where no law covers it.

    ``accuracy`` as in :func:`asymptotics.overlaps`, which raises where it is not met; beside a simulation it never does.
    """
    if not simulate:
        return [
            Run(
                training,
                predict(experiment, training, experiment.simulation_of(training), accuracy, throw=True),
            )
            for training in experiment.longest
        ]
    from asymptotics.simulation.runner import job_for

    points = [(training, s) for training in experiment.longest for s in experiment.simulations]
    # What no law covers, and what makes no network, is refused before anything is simulated.
    predicted = [predict(experiment, training, simulation, accuracy) for training, simulation in points]
    for training, simulation in points:
        job_for(experiment.target, experiment.network, training, None, simulation, inputs=experiment.inputs)
    found = []
    for i, ((training, simulation), theory) in enumerate(zip(points, predicted, strict=True)):
        progress(f"simulating run {i + 1} of {len(points)} (d = {simulation.d})")
        found.append(Run(training, theory, measure(experiment, training, simulation), simulation))
    return found


def predict(
    experiment: Experiment,
    training: Training,
    simulation: Simulation | None = None,
    accuracy: float | None = None,
    *,
    throw: bool = False,
) -> Overlaps:
    """The law; beside ``simulation`` at its d."""
    from asymptotics.learning.laws import overlaps

    d = None if simulation is None else simulation.d
    return overlaps(
        experiment.target,
        experiment.network,
        training,
        accuracy=accuracy,
        d=d,
        throw=throw,
        inputs=experiment.inputs,
    )


def measure(experiment: Experiment, training: Training, simulation: Simulation) -> Overlaps:
    """The same overlaps of the real network."""
    from asymptotics.simulation.runner import simulate

    given = (experiment.target, experiment.network, training, None, simulation)
    result = simulate(*given, inputs=experiment.inputs)
    if result.interrupted or result.overlaps is None:
        raise KeyboardInterrupt
    return result.overlaps


def to_csv(documents: Sequence[Mapping[str, Any]]) -> str:
    """One row a run, step and entry; the columns of ``simulation`` carry its name; null is empty."""
    r = len(documents[0]["steps"][0]["neurons"][0]["M"])
    overlap = [f"M_{m + 1}" for m in range(r)]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = [*overlap, "norm2", *(f"{name}_sem" for name in overlap), "norm2_sem", "risk", "risk_sem"]
    # Columns that only some protocols have.
    further = [
        name
        for name in ("train_error", "samples", "time")
        if any(name in step for document in documents for step in document["steps"])
    ]
    beside = ["train_error", "train_error_sem"] if "train_error" in further else []
    writer.writerow(
        ["protocol", "alpha", "eta", "batch_exponent", "step", "readout", "weight"]
        + [*overlap, "norm2", "risk", *further]
        + [f"simulation_{name}" for name in [*names, *beside, "replicates", "d", "p"]]
    )
    for document in documents:
        head = [document[key] for key in ("protocol", "alpha", "eta", "batch_exponent")]
        for step in document["steps"]:
            simulation = step["simulation"]
            for g, entry in enumerate(step["neurons"]):
                row = [*head, step["step"], entry["readout"], entry["weight"]]
                row += [*entry["M"], entry["norm2"], step["risk"], *(step.get(name) for name in further)]
                if simulation is not None:
                    measured = partner(entry, g, simulation["neurons"])
                    row += [*measured.get("M", [None] * r), measured.get("norm2")]
                    row += [*measured.get("M_sem", [None] * r), measured.get("norm2_sem")]
                    row += [
                        simulation.get(key) for key in ("risk", "risk_sem", *beside, "replicates", "d", "p")
                    ]
                writer.writerow(row)
    return stream.getvalue()


def images_of(run: Run, suffix: str = "") -> dict[str, bytes]:
    """{file name: bytes}: overlaps over the steps and, for two directions or more, the clouds of neurons."""
    from asymptotics.figures.neuron_clouds import plot_clouds
    from asymptotics.figures.overlap_figure import overlap_page
    from asymptotics.figures.style_sheet import save

    drawings = {"overlaps": save(lambda figure: overlap_page(run.theory, figure, run.measured))}
    if run.theory.steps[0].M.shape[1] >= 2:
        size = (2.2 * len(run.theory.steps) + 0.4, 2.7)
        drawings["clouds"] = save(lambda figure: plot_clouds(run.theory, figure, run.measured), size)
    return {
        f"{name}{suffix}.{kind}": data for name, files in drawings.items() for kind, data in files.items()
    }
