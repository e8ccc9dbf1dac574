"""``giantstep spectrum``: the spectrum of every cell of an experiment, and the singular values of a real network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asymptotics.experiment.grid import Experiment
from asymptotics.experiment.settings import Network, Ridge, Simulation, Training
from asymptotics.generalisation.feature_spectrum import FeatureSpectrum, spectrum

if TYPE_CHECKING:
    from hermite.target import Target

Array = npt.NDArray[Any]


def spectra(experiment: Experiment, simulate: bool, progress: Callable[[str], None]) -> list[FeatureSpectrum]:
    """One spectrum a (training of one step or none, ridge without lambda, simulation d)."""
    found: dict[Any, FeatureSpectrum] = {}
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
            found[key] = one
    return list(found.values())


def singular_values(
    f: Target, network: Network, training: Training, ridge: Ridge, simulation: Simulation, replicate: int = 0
) -> Array:
    """Singular values, downwards, of σ(Z Wᵀ) − c_0 of a real network after ``training``, n2 fresh samples; ``ridge.d`` = d."""
    from asymptotics.simulation.direct import DirectNetwork
    from asymptotics.simulation.job import Job
    from asymptotics.simulation.seeds import unit_entropy
    from asymptotics.simulation.student import Setup

    d = int(ridge.d or simulation.d)
    p = ridge.p(d, network.is_symmetric)
    sigma = network.get_activation()
    content = Job(f, network, training, ridge, replace(simulation, d=d), (training.steps,), ()).content
    student = DirectNetwork(
        Setup(
            f,
            sigma,
            network.finite_readout(p),
            d,
            symmetric=network.is_symmetric,
            bias=network.bias,
            entropy=unit_entropy(simulation.seed, ["spectrum", content]),
            replicate=replicate,
            memory=simulation.memory,
            dtype=simulation.dtype,
            remove_orders=training.remove_orders,
        )
    )
    for step in range(1, training.steps + 1):
        student.giant_step(step, training.n(d), training.learning_rate(d))
    fields = np.concatenate([np.asarray(chunk.neurons) for chunk in student.fields(1000, ridge.n2(d))])
    features = sigma(fields).astype(np.float64) - sigma.coefficient(0)
    values: Array = np.linalg.svd(features, compute_uv=False)
    return values
