"""simulate(): replicates of a simulated network, as the same ``Overlaps`` and ``Risk`` that theory returns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy.typing as npt

from asymptotics.blas import blas_threads, warn_of_threads
from asymptotics.experiment.input_laws import InputLaw
from asymptotics.experiment.settings import Network, Ridge, Simulation, Training
from asymptotics.floating import own_floating_state
from asymptotics.simulation.job import Job
from asymptotics.simulation.summaries import SimulationResult, summary
from hermite.target import Target, as_target

Array = npt.NDArray[Any]
Progress = Callable[[str], None]


@own_floating_state
def simulate(
    f: Target | str,
    network: Network | None = None,
    training: Training | None = None,
    ridge: Ridge | None = None,
    simulation: Simulation | None = None,
    *,
    steps: Sequence[int] | None = None,
    lambdas: Sequence[float] | None = None,
    inputs: InputLaw | None = None,
    progress: Progress | None = None,
) -> SimulationResult:
    """Simulate the real network: overlaps at steps 0..T, or (with ``ridge``) its ridge fit after ``steps``.

    Parameters
    ----------
    f, network, training, simulation
        The experiment; ``training=None`` stays at initialisation. Without ``ridge`` the width is ``network.width``, or
        ``simulation.width`` where that is infinite; with ``ridge`` it is round(beta d), and n2 = round(alpha d).
    steps, lambdas
        Steps after which the readout is fitted (default 0..T) and penalties (default ``ridge.lam``), all on one
        trajectory.
    inputs
        Clusters and covariances in the place of z ~ N(0, I); M is then W_E W*ᵀ.

    Raises ``InputError`` for sizes that make no network, a memory budget that is too small, or an overflow; Ctrl-C keeps
    finished replicates (see ``SimulationResult.interrupted``) and is raised again if there is none.
    """
    network, simulation = network or Network(), simulation or Simulation()
    training = training or Training(steps=0)
    job = job_for(as_target(f, classes=True), network, training, ridge, simulation, steps, lambdas, inputs)
    records: list[Any] = []
    interrupted = False
    warn_of_threads(simulation.threads)
    with blas_threads(simulation.threads):
        try:
            for first in _shown(range(0, simulation.replicates, job.together), quiet=progress is not None):
                if progress is not None:
                    progress(f"replicate {first + 1} of {simulation.replicates}")
                last = min(first + job.together, simulation.replicates)
                records += job.run_together(range(first, last))
        except KeyboardInterrupt:
            if not records:
                raise
            interrupted = True
    return summary(job, records, interrupted)


def job_for(
    f: Target,
    network: Network,
    training: Training,
    ridge: Ridge | None,
    simulation: Simulation,
    steps: Sequence[int] | None = None,
    lambdas: Sequence[float] | None = None,
    inputs: InputLaw | None = None,
) -> Job:
    """The unit that :func:`simulate` runs; raises ``InputError`` for what makes no network."""
    wanted = tuple(sorted(set(steps or range(training.steps + 1))))
    return Job(f, network, training, ridge, simulation, wanted, tuple(lambdas or ()), inputs=inputs)


def _shown(replicates: range, quiet: bool) -> Iterable[int]:
    """``replicates`` with a progress bar on stderr, if that is a terminal and nobody else reports."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        return replicates
    from rich.console import Console
    from rich.progress import track

    return track(replicates, "simulating", console=Console(stderr=True), transient=True)


__all__ = ["SimulationResult", "simulate"]
