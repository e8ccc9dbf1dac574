"""The reduced simulation on structured inputs has the law of the real network, with negative controls; and it is cheap in d."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from laws_compared import entries_of, worst

from asymptotics import Cluster, Inputs, Network, Ridge, Simulation, Training, overlaps, simulate
from asymptotics.expectations.activations import get_activation
from asymptotics.simulation import reduced_structured
from asymptotics.simulation.reduced_structured import ReducedStructured
from asymptotics.simulation.seeds import unit_entropy
from asymptotics.simulation.structured import StructuredNetwork
from asymptotics.simulation.student import Setup
from hermite import Target
from hermite.errors import InputError

D, N, STEPS = 60, 150, 2
READOUT = np.array([1.0, 0.5, -0.5, -1.0])
UNLIKE = Inputs(
    [
        Cluster(0.6, [0.7, 0.0], [[0.5, 0.1], [0.1, 1.0]], [0.4, 1.6]),
        Cluster(0.4, [-0.7, 0.4], [[1.5, 0.0], [0.0, 0.8]], [1.3, 0.7], label="z1*z2 - 1"),
    ],
    (0.3, 0.7),
)
#: Fewer axes in a block than neurons: its Wishart part is singular.
THIN = Inputs([Cluster(1.0, [0.0], [[2.0]], [4.0, 0.5])], (0.04, 0.96))
#: Blocks of variances far apart.
STEEP = Inputs([Cluster(1.0, [0.0], [[1.0]], [6.0, 0.2])], (0.15, 0.85))
FAR = Inputs([Cluster(0.5, [0.0], [[1.0]], [1.0], far=0.6), Cluster(0.5, [0.5], [[1.0]], [0.6], far=-0.4)])
CASES = [
    pytest.param("z1 + z1*z2", "relu", UNLIKE, True, 0.0, id="clusters of two blocks"),
    pytest.param("He2(z1) + z1", "tanh(x + 1/2)", THIN, False, 0.0, id="a block of two axes"),
    pytest.param("z1 + z1^2/2", "relu(x - 7/10)", FAR, True, 0.0, id="means of norm sqrt(d)"),
    pytest.param("z1 + z1*z2", "relu", UNLIKE, True, 1.0, id="random biases"),
]


def entries(
    kind: Callable[[Setup, Inputs], Any],
    text: str,
    name: str,
    inputs: Inputs,
    pairs: bool,
    runs: int,
    bias: float = 0.0,
) -> Any:
    """See ``entries_of``."""
    setups = (
        Setup(
            Target(text, noise=0.2), get_activation(name), READOUT, D, symmetric=pairs, bias=bias,
            entropy=unit_entropy(0, [str(kind), text]), replicate=replicate, memory=10**8, dtype="float64",
        )
        for replicate in range(runs)
    )  # fmt: skip
    return entries_of(lambda setup: kind(setup, inputs), setups, STEPS, N)


@pytest.mark.parametrize(("text", "name", "inputs", "pairs", "bias"), CASES)
def test_reduced_and_direct_runs_on_a_mixture_have_the_same_law(text, name, inputs, pairs, bias) -> None:
    """About 40 entries a case: |z| < 4.5 and Bonferroni-corrected p > 0.001, at 300 runs of each kind."""
    given = (text, name, inputs, pairs, 300, bias)
    z, p = worst(entries(StructuredNetwork, *given), entries(ReducedStructured, *given))
    assert z < 4.5
    assert p > 1e-3


def test_without_the_wishart_parts_or_with_equal_blocks_the_law_is_another(monkeypatch) -> None:
    given = ("z1 + z1^2/2", "relu")
    direct = entries(StructuredNetwork, *given, STEEP, True, 100)
    (only,) = STEEP.clusters
    equal = Inputs([replace(only, bulk=[float(STEEP.q[0])])])
    assert worst(direct, entries(ReducedStructured, *given, equal, True, 100))[0] > 6
    drawn = reduced_structured._wishart_root

    def only_at_the_start(rng: Any, size: int, freedom: int) -> Any:
        return drawn(rng, size, freedom) if size == 2 else np.zeros((size, 1))

    monkeypatch.setattr(reduced_structured, "_wishart_root", only_at_the_start)
    z, p = worst(direct, entries(ReducedStructured, *given, STEEP, True, 100))
    assert z > 10
    assert p < 1e-10


def test_overlaps_of_a_mixture_in_a_hundred_thousand_dimensions_are_those_of_the_law() -> None:
    """|z| < 4 without any allowance for d."""
    f, network, training = Target("z1 + z1*z2", noise=0.05), Network("tanh(x + 1/2)"), Training(1, 1.0, 1.0)
    run = Simulation("reduced", d=100_000, width=8, replicates=12, test_samples=20_000)
    real = simulate(f, network, training, None, run, inputs=UNLIKE).overlaps
    law = overlaps(f, network, training, inputs=UNLIKE, d=100_000).steps[1]
    seen = real.steps[1]
    assert np.all(np.abs(law.M - seen.M) < 4 * seen.M_sem)
    assert np.all(np.abs(law.norm2 - seen.norm2) < 4 * seen.norm2_sem)
    assert abs(law.risk - seen.risk) < 4 * seen.risk_sem


def test_what_the_reduced_simulation_of_mixtures_does_not_cover_is_refused() -> None:
    run = Simulation("reduced", d=400, replicates=2)
    for training, said in (
        (Training(remove_orders=(0,)), "remove_orders"),
        (Training(protocol="reuse"), "reuse"),
    ):
        with pytest.raises(InputError, match=said):
            simulate(Target("z1 + z2"), Network("relu"), training, Ridge(), run, inputs=UNLIKE)
    with pytest.raises(InputError, match="at least 3"):
        simulate(Target("z1"), Network("relu"), Training(), None, Simulation("reduced", d=2), inputs=THIN)
