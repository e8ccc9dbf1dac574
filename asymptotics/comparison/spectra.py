"""``giantstep spectrum``: the spectrum of every cell of an experiment, and the singular values of a real network."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asymptotics.experiment.columns import coordinates
from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.input_laws import answers
from asymptotics.experiment.settings import Network, Ridge, Simulation, Training
from asymptotics.floating import own_floating_state
from asymptotics.generalisation.feature_spectrum import FeatureSpectrum, spectrum
from hermite.errors import InputError, check_whole

if TYPE_CHECKING:
    from asymptotics.experiment.input_laws import InputLaw
    from hermite.target import Target

Array = npt.NDArray[Any]


_NO_THEORY = (
    "[inputs] is not covered by spectrum, which has a theory for isotropic inputs only: take singular_values(..., inputs=...) "
    "in Python, those of a simulated network."
)


@dataclass(frozen=True)
class SpectrumCell:
    """The spectrum of one cell of an experiment, and the settings of the cell."""

    training: Training
    ridge: Ridge
    spectrum: FeatureSpectrum

    @property
    def settings(self) -> dict[str, Any]:
        """The columns by which cells differ."""
        row = coordinates(self.training, self.ridge)
        return {key: row[key] for key in ("step", "alpha_train", "eta", "alpha", "beta")} | {
            "d": self.spectrum.d
        }

    def to_dict(self) -> dict[str, Any]:
        """The settings, then what the spectrum says of itself."""
        return self.settings | self.spectrum.to_dict()


def spectra_csv(cells: Sequence[SpectrumCell]) -> str:
    """One row a line of the spectrum: ``kind`` is "edge" of the bulk or "spike"; simulated beside it, null is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        [
            *cells[0].settings,
            *("n2", "p", "kind", "number", "singular_value", "error", "spread", "carries", "simulated"),
        ]
    )
    for cell in cells:
        found = cell.spectrum
        measured = [] if found.simulated is None else [float(s) for s in found.simulated]
        head = [*cell.settings.values(), found.n2, found.p]
        spread = [None] * len(found.spikes) if found.spread is None else [float(s) for s in found.spread]
        lines: list[tuple[str, int | None, float, float | None, str | None]] = [
            ("spike", k + 1, float(place), spread[k], carried)
            for k, (place, carried) in enumerate(zip(found.spikes, found.carries, strict=True))
        ]
        lines.append(("edge", None, found.edge, None, None))
        for k, (kind, number, place, own, carried) in enumerate(lines):
            simulated = measured[k] if k < len(measured) else None
            writer.writerow([*head, kind, number, place, found.error.total, own, carried, simulated])
    return stream.getvalue()


def spectra(experiment: Experiment, simulate: bool, progress: Callable[[str], None]) -> list[SpectrumCell]:
    """One spectrum a (training of one step or none, ridge without lambda, simulation d)."""
    if not answers(experiment.inputs, "spectrum"):
        raise InputError(_NO_THEORY)
    found: dict[object, SpectrumCell] = {}
    for training, ridge in experiment.cells():
        for simulation in experiment.simulations:
            here = replace(ridge, lam=0.0, d=ridge.d or simulation.d)
            # Of the steps of the file the spectrum knows 0 and 1; a later one is refused if it stands alone.
            if training.steps > 1 and min(experiment.steps) <= 1:
                continue
            key = (training if training.steps else 0, here)
            if key in found:
                continue
            one = spectrum(experiment.target, experiment.network, training, here)
            if simulate:
                progress(f"simulating {one.n2} x {one.p} features at d = {one.d}")
                values = singular_values(experiment.target, experiment.network, training, here, simulation)
                one = replace(one, simulated=values)
            found[key] = SpectrumCell(training, ridge, one)
    return list(found.values())


@own_floating_state
def singular_values(
    f: Target,
    network: Network,
    training: Training,
    ridge: Ridge,
    simulation: Simulation,
    replicate: int = 0,
    inputs: InputLaw | None = None,
) -> Array:
    """Singular values, downwards, of σ(Z Wᵀ) − c_0 of a real network after ``training``, n2 fresh samples; ``ridge.d`` = d.

    c_0 = E σ of unit variance, also on structured ``inputs``.
    """
    from asymptotics.blas import blas_threads, warn_of_threads
    from asymptotics.simulation.drawn_inputs import drawn
    from asymptotics.simulation.job import Job
    from asymptotics.simulation.seeds import unit_entropy
    from asymptotics.simulation.student import Setup
    from hermite.target import as_target

    check_whole("replicate", replicate)
    f = as_target(f)
    d = int(ridge.d or simulation.d)
    p = ridge.p(d, network.is_symmetric)
    sigma = network.get_activation()
    job = Job(f, network, training, ridge, replace(simulation, d=d), (training.steps,), (), inputs=inputs)
    setup = Setup(
        f,
        sigma,
        network.finite_readout(p),
        d,
        symmetric=network.is_symmetric,
        bias=network.bias,
        entropy=unit_entropy(simulation.seed, ["spectrum", job.content]),
        replicate=replicate,
        memory=simulation.memory,
        dtype=simulation.dtype,
        remove_orders=training.remove_orders,
    )
    student = drawn(inputs, f, training, simulation).students["direct"](setup, inputs)
    warn_of_threads(simulation.threads)
    with blas_threads(simulation.threads):
        for step in range(1, training.steps + 1):
            student.giant_step(step, training.n(d), training.learning_rate(d))
        fields = np.concatenate([np.asarray(chunk.neurons) for chunk in student.fields(1000, ridge.n2(d))])
        features = sigma(fields).astype(np.float64) - sigma.coefficient(0)
        values: Array = np.linalg.svd(features, compute_uv=False)
    return values
