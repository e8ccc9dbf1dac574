"""Figures of the other protocols: batch size against time (arXiv:2406.02157), reused batches (arXiv:2402.03220)."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from asymptotics.comparison.curves import Progress
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.settings import Network, Simulation, Training
from asymptotics.figures.style_sheet import COLUMN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

#: E ⟨w, w*⟩ of the first neuron after steps 1..6 in 32 public runs at d = 5000 on tanh(He1(z1) + He3(z2)), first direction.
PUBLIC_RUNS = (0.07587, 0.12401, 0.15645, 0.18033, 0.19916, 0.21489)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def batch_size_rows(full: bool, progress: Progress) -> tuple[list[dict[str, Any]], tuple[Experiment, ...]]:
    """Steps and samples to leave a random start on He2(z1) against n_b = d^mu: theory, and the median of simulated runs.

    With the experiments that were simulated, one a row.
    """
    from asymptotics.learning.sgd.escape_times import batch_tradeoff
    from asymptotics.simulation.escapes import simulated_escape
    from hermite.target import Target

    d, replicates = (10_000, 100) if full else (400, 24)
    f, network = Target("He2(z1)"), Network("He2", width=1, initialisation="independent")
    rows = [dict(row) for row in batch_tradeoff(f, network, d, 0.1).rows]
    simulation = Simulation(d=d, replicates=replicates)
    experiments = []
    for row in rows:
        progress(f"simulating n_b = {row['n_b']} ({row['loss']} loss)")
        training = Training(
            1, 1.0, 0.1, protocol="sgd", loss=row["loss"], batch_exponent=row["mu"], projection="projected"
        )
        experiments.append(
            Experiment(f, network, (training,), simulations=(simulation,), has_d=True, has_ridge=False)
        )
        last = max(10, math.ceil(10 * row["steps"]))
        runs = simulated_escape(f, network, training, simulation, last=last)
        median = runs.quantile(0.5)
        row["simulated_steps"] = None if median is None else median * runs.per_time
    return rows, tuple(experiments)


def reused_rows(full: bool, progress: Progress) -> tuple[list[dict[str, object]], Experiment]:
    """First overlap of the first neuron on a reused batch, tanh(He1(z1) + He3(z2)), alpha 3: recursion, runs, public runs.

    With the experiment that was simulated.
    """
    from asymptotics.learning.giant.recursion import initial_student
    from asymptotics.learning.laws import overlaps
    from asymptotics.learning.reuse.recursion import Batch, trajectory
    from asymptotics.simulation.runner import simulate
    from hermite.target import Target

    d, replicates = (5000, 10) if full else (800, 8)
    f = Target("tanh(He1(z1) + He3(z2))")
    readout = ((math.sqrt(2), 0.5), (-math.sqrt(2), 0.5))
    network = Network("relu", width=2, readout=readout, initialisation="independent")
    training = Training(len(PUBLIC_RUNS), 3.0, 0.3, protocol="reuse")
    progress("recursion of overlaps on a reused batch")
    theory = overlaps(f, network, training, throw=False)
    # Without its memory the recursion is that of fresh batches.
    values = network.finite_readout(2)
    batch = Batch(f, network.get_activation(), training.alpha, training.eta, memory=False)
    start = initial_student(values, np.zeros(2), f.r, symmetric=False)
    fresh = trajectory(batch, start, training.steps, 14, 1)
    progress("simulating a reused batch")
    setting = Simulation(d=d, replicates=replicates, test_samples=2000)
    runs = simulate(f, network, training, None, setting).overlaps
    assert runs is not None
    errors = [step.M_sem for step in runs.steps]
    rows: list[dict[str, object]] = [
        {
            "step": t,
            "theory": float(theory[t].M[0, 0]),
            "fresh_batches": float(fresh.m[t][0, 0]),
            "simulation": float(runs[t].M[0, 0]),
            "simulation_sem": None if (error := errors[t]) is None else float(error[0, 0]),
            "public_runs": PUBLIC_RUNS[t - 1],
            "train_error": theory[t].train_error,
            "risk": theory[t].risk,
        }
        for t in range(1, len(PUBLIC_RUNS) + 1)
    ]
    return rows, Experiment(f, network, (training,), simulations=(setting,), has_d=True, has_ridge=False)


def draw_reused(rows: Sequence[Mapping[str, Any]]) -> tuple[Any, tuple[float, float]]:
    """Overlap against the step: recursion (line), fresh batches (dashed), runs and public runs (points)."""

    def draw(figure: Figure) -> None:
        ax = figure.add_subplot()
        steps = [row["step"] for row in rows]
        ax.plot(steps, [row["theory"] for row in rows], color="C0", marker="", label="reused batch")
        fresh: dict[str, Any] = {"color": "C1", "marker": "", "linestyle": "--", "label": "fresh batches"}
        ax.plot(steps, [row["fresh_batches"] for row in rows], **fresh)
        ax.errorbar(
            steps,
            [row["simulation"] for row in rows],
            yerr=[row["simulation_sem"] or 0.0 for row in rows],
            color="C0",
            marker="o",
            markerfacecolor="white",
            linestyle="none",
            label="simulation",
        )
        public: dict[str, Any] = {"color": "k", "marker": "x", "linestyle": "none", "label": "public runs"}
        ax.plot(steps, [row["public_runs"] for row in rows], **public)
        ax.set_xlabel("step")
        ax.set_ylabel(r"$\langle w_1, w^\star_1\rangle$")
        ax.legend()

    return draw, COLUMN
