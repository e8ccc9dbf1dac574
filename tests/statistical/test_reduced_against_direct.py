"""The reduced simulation has the law of the real network: every entry of (M, Q) and the risk, with a negative control."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from laws_compared import entries_of, worst

from asymptotics.expectations.activations import get_activation
from asymptotics.simulation.direct import DirectNetwork
from asymptotics.simulation.reduced import ReducedNetwork
from asymptotics.simulation.seeds import unit_entropy
from asymptotics.simulation.student import Setup
from hermite import Target

D, N, STEPS = 60, 150, 2
READOUT = np.array([1.0, 0.5, -0.5, -1.0])


class NoWishart(ReducedNetwork):
    """The chain without the orthogonal part of the gradients: it must be told apart."""

    def _orthogonal_part(self, rng: np.random.Generator, rank: int) -> Any:
        return np.zeros((self.p, self.p))


def entries(kind: Any, text: str, name: str, runs: int) -> Any:
    """See ``entries_of``."""
    setups = (
        Setup(
            Target(text, noise=0.2), get_activation(name), READOUT, D, symmetric=True, bias=0.0,
            entropy=unit_entropy(0, [kind.__name__, text]), replicate=replicate, memory=10**8, dtype="float64",
        )
        for replicate in range(runs)
    )  # fmt: skip
    return entries_of(kind, setups, STEPS, N)


CASES = [("z1 + z1*z2", "relu"), ("He2(z1) + z2", "tanh(x + 1/2)"), ("z1*z2*z3 + z1", "relu(x - 7/10)")]


@pytest.mark.parametrize(("text", "name"), CASES)
def test_reduced_and_direct_runs_have_the_same_law(text: str, name: str) -> None:
    """About 40 entries a case: |z| < 4.5 and Bonferroni-corrected p > 0.001, at 300 runs of each kind."""
    z, p = worst(entries(DirectNetwork, text, name, 300), entries(ReducedNetwork, text, name, 300))
    assert z < 4.5
    assert p > 1e-3


def test_without_the_wishart_part_the_law_is_another() -> None:
    text, name = CASES[0]
    z, p = worst(entries(DirectNetwork, text, name, 100), entries(NoWishart, text, name, 100))
    assert z > 10
    assert p < 1e-10
